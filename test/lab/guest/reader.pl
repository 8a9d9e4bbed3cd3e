#!/usr/bin/perl
# Says which records a block device holds, past every cache: reader.pl DEVICE BLOCKS, of which each of the four writers has
# BLOCKS. One line for each block that is not empty: REGION SLOT NUMBER; `torn` for one that no writer wrote like this.
use strict;
use warnings;
use Fcntl;

use constant { PREAD64 => 17, O_DIRECT => 040000, BLOCK => 4096, CHUNK => 256 * 4096 };
my ($device, $blocks) = @ARGV;
sysopen(my $file, $device, O_RDONLY | O_DIRECT) or die "$device: $!";
my $buffer = "\0" x (CHUNK + BLOCK);
substr($buffer, 0, 1) = "\1"; # a buffer of its own: a constant's would move at the first write
substr($buffer, 0, 1) = "\0";
my $address = unpack("J", pack("p", $buffer));
my $aligned = ($address + BLOCK - 1) & ~(BLOCK - 1);
my $zeros = "\0" x BLOCK;
my @regions = ("alpha direct", "alpha dsync", "beta direct", "beta dsync");
for (my $at = 0; $at < 4 * $blocks * BLOCK; $at += CHUNK) {
  my $read = syscall(PREAD64, fileno($file), $aligned, CHUNK, $at);
  die "$device at $at: " . ($read < 0 ? $! : "only $read bytes") if $read != CHUNK;
  for (my $i = 0; $i < CHUNK; $i += BLOCK) {
    my $block = substr($buffer, $aligned - $address + $i, BLOCK);
    next if $block eq $zeros;
    my $index = ($at + $i) / BLOCK;
    my ($region, $slot) = ($regions[int($index / $blocks)], $index % $blocks);
    my ($line, $number) = $block =~ /^($region (\d+)\n)/;
    my $whole = defined $line && $number % $blocks == $slot
      && $block eq substr($line x (BLOCK / length($line) + 1), 0, BLOCK);
    print "$region $slot ", ($whole ? $number : "torn"), "\n";
  }
}
