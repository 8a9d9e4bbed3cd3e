#!/usr/bin/perl
# Writes numbered records to a block device wherever it lets itself be opened for writing, and tells the lab's record of each
# write that was acknowledged, at once. Two writers: "dsync" waits for stable storage, "direct" only for the device.
#   writer.pl HOST FIRST-NUMBER DEVICE BLOCKS
# Each writer of each host has BLOCKS blocks of 4 KiB to itself and goes round in them. Record lines, SECONDS since boot:
#   SECONDS HOST ack MODE NUMBER | error MODE NUMBER REASON | open MODE | closed MODE | drbd LINE-OF-EVENTS2
# While /run/writer-pause is there, the device is let go.
use strict;
use warnings;
use Fcntl;
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

use constant { PWRITE64 => 18, O_DIRECT => 040000, O_DSYNC => 010000, BLOCK => 4096 };
use constant PAUSE => "/run/writer-pause";
my ($host, $first, $device, $blocks) = @ARGV;
open(my $record, ">", "/dev/vport0p2") or die "no record: $!";

sub tell_lab {
  syswrite($record, sprintf("%.3f %s %s\n", clock_gettime(CLOCK_MONOTONIC), $host, "@_")) or die "the record: $!";
}

# A buffer as O_DIRECT wants it: at an address that is a multiple of the block size.
my $buffer = "\0" x (2 * BLOCK);
substr($buffer, 0, 1) = "\1"; # a buffer of its own: a constant's would move at the first write
substr($buffer, 0, 1) = "\0";
my $address = unpack("J", pack("p", $buffer));
my $aligned = ($address + BLOCK - 1) & ~(BLOCK - 1);

sub put {
  my ($file, $mode, $number, $region) = @_;
  my $line = "$host $mode $number\n";
  substr($buffer, $aligned - $address, BLOCK) = substr($line x (BLOCK / length($line) + 1), 0, BLOCK);
  my $offset = ($region * $blocks + $number % $blocks) * BLOCK;
  my $written = syscall(PWRITE64, fileno($file), $aligned, BLOCK, $offset);
  return $written == BLOCK ? "" : $written < 0 ? "$!" : "only $written bytes";
}

sub write_for_ever {
  my ($mode, $flags, $region) = @_;
  my $number = $first;
  for (;;) {
    my $file;
    if (-e PAUSE or !sysopen($file, $device, O_RDWR | O_DIRECT | $flags)) { sleep(0.3); next }
    tell_lab("open", $mode);
    until (-e PAUSE) {
      my $problem = put($file, $mode, ++$number, $region);
      tell_lab($problem eq "" ? ("ack", $mode, $number) : ("error", $mode, $number, $problem));
      last if $problem ne "";
      sleep(0.01);
    }
    close($file);
    tell_lab("closed", $mode);
  }
}

my $base = $host eq "alpha" ? 0 : 2;
if (fork() == 0) { write_for_ever("direct", 0, $base) }
if (fork() == 0) { write_for_ever("dsync", O_DSYNC, $base + 1) }
for (;;) {
  open(my $events, "-|", "drbdsetup", "events2") or die "drbdsetup: $!";
  while (<$events>) { chomp; tell_lab("drbd", $_) if /(role|connection|disk|suspended):/ && !/done:/ }
  sleep(1);
}
