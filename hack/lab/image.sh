#!/usr/bin/env bash
# Builds the image of the lab's machines (Debian 12 with its own kernel) once per recipe and package versions, and prints
# its folder: vmlinux, initramfs.cpio, root.img, system.img, packages.txt. Runs as root or, where user namespaces are
# allowed, as an ordinary user. Nothing in it names a machine: hostname, addresses and identities come at boot.
#   hack/lab/image.sh         the ordinary machines
#   hack/lab/image.sh xen     the same with Xen, in a cache of its own; `xen` in the folder is the hypervisor
. "$(dirname "$0")/../lib/env.sh"
. hack/lib/tools.sh

SUITE=bookworm
# busybox-static: the initramfs. qemu-guest-agent: the command channel. The rest is what an agent drives, and what a
# person at the console wants to look around with.
PACKAGES="busybox-static qemu-guest-agent udev kmod procps iproute2 iputils-ping netbase ca-certificates openssl
  lvm2 thin-provisioning-tools drbd-utils xfsprogs e2fsprogs util-linux-extra fdisk parted
  nbd-server nbd-client open-iscsi nvme-cli smartmontools ethtool psmisc
  qemu-system-x86 qemu-utils libstdc++6 less vim-tiny strace"
# In the initramfs of guests that the machines run, on QEMU or Xen.
GUEST_MODULES="virtio_pci virtio_blk virtio_net virtio_balloon ahci sd_mod ext4 crc32c_generic button evdev xen-blkfront
  xen-netfront"
# In the initramfs, in this order after their dependencies: what the machine needs to find its root, and what a storage
# host has loaded anyway.
EARLY_MODULES="virtio_pci virtio_blk virtio_net virtio_console qemu_fw_cfg ext4 overlay crc32c_generic"
# Loaded once, in the template.
LATE_MODULES="crc32c_intel libcrc32c dm-mod dm-thin-pool dm-snapshot drbd nbd loop xfs configfs nvmet nvmet-tcp nvme-tcp
  target_core_mod target_core_iblock iscsi_target_mod iscsi_tcp sd_mod"
# There to be loaded by hand.
OPTIONAL_MODULES="dm-flakey dm-delay dm-mirror dm-raid dm-multipath dm-round-robin dm-crypt tun bridge kvm-intel kvm-amd softdog"

case "${1:-}" in
  "") LAB=$CACHE/lab ;;
  xen)
    LAB=$CACHE/lab-xen
    PACKAGES="$PACKAGES xen-hypervisor-4.17-amd64 xen-utils-4.17"
    LATE_MODULES="$LATE_MODULES xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback xen-netback bridge tun"
    ;;
  *) die "usage: hack/lab/image.sh [xen]" ;;
esac
[ -x "$(command -v node)" ] || die "no node in PATH"
NODE=$(readlink -f "$(command -v node)")
APT=$LAB/apt

as_root() { # runs a command as root, or as the root of a new user namespace that has all the owners of a Debian system
  if [ "$(id -u)" -eq 0 ]; then "$@"; else unshare --map-root-user --map-auto "$@"; fi
}

sources() {
  local mirror security keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(debian_mirror || true) # sed complains of the source files that a machine does not have
  mirror=${mirror:-http://deb.debian.org/debian}
  security=${mirror%/}-security
  echo "deb [signed-by=$keyring] ${mirror%/} $SUITE main"
  echo "deb [signed-by=$keyring] ${mirror%/} $SUITE-updates main"
  echo "deb [signed-by=$keyring] $security $SUITE-security main"
}

# Package lists of our own, so that the machine's apt is neither changed nor believed; at most a day old.
update_lists() {
  mkdir -p "$APT"/{lists/partial,cache/archives/partial,etc/preferences.d}
  : >"$APT/status"
  sources >"$APT/etc/sources.list"
  if [ -z "$(find "$APT/updated" -mmin -1440 2>/dev/null)" ]; then
    say "reading $SUITE's package lists"
    if in_apt apt-get update >&2; then touch "$APT/updated"; else
      [ -e "$APT/updated" ] || die "cannot read the package lists of $(debian_mirror)"
      say "mirror not reachable: going on with the package lists of $(date -r "$APT/updated" +%F)"
    fi
  fi
}
in_apt() {
  "$@" -qq -o "Dir::Etc::SourceList=$APT/etc/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o "Dir::Etc::PreferencesParts=$APT/etc/preferences.d" -o "Dir::State=$APT" -o "Dir::State::status=$APT/status" \
    -o "Dir::State::Lists=$APT/lists" -o "Dir::Cache=$APT/cache" -o APT::Sandbox::User=root \
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o Debug::NoLocking=true
}

# resolve_versions: "package version" of everything that goes in, as apt would choose it today.
resolve_versions() {
  # shellcheck disable=SC2086
  in_apt apt-get --simulate install $PACKAGES linux-image-amd64 |
    sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*/\1 \2/p' | sort
}

# unpack_kernel VERSIONS DIR: the kernel's .deb, its modules indexed; vmlinux is what QEMU starts by PVH, which spares
# the guest some 7 s of xz under emulation.
unpack_kernel() {
  local package offset
  package=$(sed -nE 's/^(linux-image-[0-9][^ ]*) .*/\1/p' "$1" | head -n1)
  [ -n "$package" ] || die "no kernel package among the resolved versions"
  (cd "$2" && in_apt apt-get download "$package" >&2)
  dpkg-deb -x "$2/$package"_*.deb "$2/kernel"
  KERNEL=${package#linux-image-}
  offset=$(LC_ALL=C grep -abom1 $'\xfd7zXZ' "$2/kernel/boot/vmlinuz-$KERNEL" | head -n1 | cut -d: -f1)
  tail -c "+$((offset + 1))" "$2/kernel/boot/vmlinuz-$KERNEL" | xz -dc --single-stream >"$2/vmlinux" || true
  [ "$(head -c 4 "$2/vmlinux" | tail -c 3)" = ELF ] || die "vmlinuz-$KERNEL holds no xz-compressed ELF kernel"
  depmod -b "$2/kernel" "$KERNEL"
}

# load_order MODULE…: their files, dependencies first. The order differs between builds of a kernel, so it is asked for.
load_order() {
  local module
  for module in "$@"; do
    modprobe -d "$WORK/kernel" -S "$KERNEL" --show-depends "$module" || die "kernel $KERNEL has no module $module"
  done | sed -nE 's/^insmod ([^ ]+).*/\1/p' | awk '!seen[$0]++'
}

# make_initramfs INIT FILE MODULE…
make_initramfs() {
  local init=$1 cpio=$2 tree=$WORK/initramfs file
  shift 2
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,dev,proc,sys,lower,upper,root,modules}
  cp "$WORK/rootfs/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$init" "$tree/init"
  load_order "$@" | while read -r file; do
    cp "$file" "$tree/modules/"
    basename "$file"
  done >"$tree/modules/order"
  (cd "$tree" && find . | LC_ALL=C sort | as_root busybox cpio -o -H newc 2>/dev/null) >"$cpio"
}

# What guests of the machines start from: the same kernel, and a small system that serves their disk's files by HTTP.
make_guest_files() {
  mkdir -p "$WORK/rootfs/boot/guests"
  cp "$WORK/vmlinux" "$WORK/rootfs/boot/guests/vmlinux"
  # shellcheck disable=SC2086
  make_initramfs hack/lab/guest/vm-init "$WORK/rootfs/boot/guests/initrd" $GUEST_MODULES
}

# Runs as root (of a user namespace perhaps) with the tree's root as $1.
finish_tree() {
  local tree=$1 file target
  target=$tree/lib/modules/$KERNEL
  mkdir -p "$target"
  # shellcheck disable=SC2086
  load_order $EARLY_MODULES $LATE_MODULES $OPTIONAL_MODULES | while read -r file; do
    install -D -m 644 "$file" "$tree/${file#"$WORK"/kernel/}"
  done
  cp "$WORK/kernel/lib/modules/$KERNEL"/modules.{builtin,builtin.modinfo,order} "$target/"
  depmod -b "$tree" "$KERNEL"
  echo "$LATE_MODULES" | xargs -n1 >"$tree/etc/lab-modules"
  install -m 755 hack/lab/guest/init "$tree/sbin/lab-init"
  install -D -m 755 "$NODE" "$tree/usr/local/bin/node"
  mkdir -p "$tree"/{persist,lower,upper,var/lib/ferrite,etc/ferrite,etc/target}
  # What the packages' installation made up for one machine, and name servers: a look-up without a reachable server
  # costs nbd-server 24 s for each connection.
  rm -f "$tree"/etc/machine-id "$tree"/etc/hostname "$tree"/etc/nvme/host* "$tree"/etc/iscsi/initiatorname.iscsi \
    "$tree"/var/lib/dbus/machine-id "$tree"/etc/ssh/ssh_host_*
  : >"$tree/etc/machine-id"
  : >"$tree/etc/resolv.conf"
  { echo "127.0.0.1 localhost"; echo "10.77.0.1 api"; echo "10.77.0.11 alpha"; echo "10.77.0.12 beta"; echo "10.77.0.13 gamma"; } >"$tree/etc/hosts"
  rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/*
}

# Read-only and shared by all machines: no journal, no compression (it would cost the emulated CPU).
make_root() {
  local size
  size=$(($(du -sm --apparent-size "$WORK/rootfs" | cut -f1) * 5 / 4 + 64))
  truncate -s "${size}M" "$WORK/root.img"
  mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -L lab-root -d "$WORK/rootfs" "$WORK/root.img"
}

# The Debian packages, unpacked and configured; the longest part, and the same for every recipe that has them.
make_base() {
  [ -e "$BASE" ] && return
  say "installing Debian $SUITE for the lab's machines"
  rm -f "$LAB"/base-*
  # shellcheck disable=SC2086
  mmdebstrap --quiet --mode="$([ "$(id -u)" -eq 0 ] && echo root || echo unshare)" --variant=minbase \
    --include="$(echo $PACKAGES | tr ' ' ',')" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook='chroot "$1" dpkg-query -W -f "\${Package} \${Version}\n" >"$1/etc/lab-packages"' \
    "$SUITE" "$BASE.part.tar" "$APT/etc/sources.list"
  mv "$BASE.part.tar" "$BASE"
}

build() {
  WORK=$1
  say "building the image of the lab's machines"
  unpack_kernel "$WORK/versions" "$WORK"
  make_base
  export WORK BASE KERNEL NODE EARLY_MODULES LATE_MODULES OPTIONAL_MODULES GUEST_MODULES
  export -f finish_tree make_root make_initramfs make_guest_files load_order as_root die
  as_root bash -euo pipefail -c '
    mkdir "$WORK/rootfs"
    tar -C "$WORK/rootfs" --exclude="./dev/*" -xf "$BASE"
    finish_tree "$WORK/rootfs"
    make_guest_files
    for file in "$WORK"/rootfs/boot/xen-*.gz; do [ ! -e "$file" ] || gunzip -c "$file" >"$WORK/xen"; done
    make_initramfs hack/lab/guest/initramfs-init "$WORK/initramfs.cpio" $EARLY_MODULES
    make_root
    cp "$WORK/rootfs/etc/lab-packages" "$WORK/packages.txt"
    rm -rf "$WORK/rootfs" "$WORK/initramfs"'
  truncate -s 128M "$WORK/system.img"
  mke2fs -q -t ext4 -L lab-system "$WORK/system.img"
  rm -rf "$WORK/kernel" "$WORK"/*.deb
}

mkdir -p "$LAB"
exec 9>"$LAB/build.lock"
flock 9
# The same recipe gives the same image for a day: apt takes seconds to say so again.
recipe=$( (cat hack/lab/image.sh hack/lab/guest/*; stat -c '%n %s %Y' "$NODE") | sha256sum | cut -c1-16)
answer=$LAB/answer-$recipe
if [ -n "$(find "$answer" -mmin -1440 2>/dev/null)" ] && [ -d "$(cat "$answer")" ]; then
  cat "$answer"
  exit 0
fi
update_lists
versions=$(mktemp)
trap 'rm -f "$versions"' EXIT
resolve_versions >"$versions"
[ -s "$versions" ] || die "apt resolves none of: $PACKAGES"
BASE=$LAB/base-$( (cat "$versions"; echo "$PACKAGES") | sha256sum | cut -c1-16).tar
key=$( (cat "$versions" hack/lab/image.sh hack/lab/guest/*; sha256sum <"$NODE") | sha256sum | cut -c1-16)
image=$LAB/image-$key
if [ ! -d "$image" ]; then
  part=$LAB/part-$key
  as_root rm -rf "$part" # what a build that was cut short has left belongs to its namespace
  mkdir -p "$part"
  cp "$versions" "$part/versions"
  build "$part" >&2
  # Older images go, unless a lab is running on one.
  for old in "$LAB"/image-*; do
    [ -e "$old/root.img" ] && ! fuser -s "$old/root.img" 2>/dev/null && rm -rf "$old"
  done
  mv "$part" "$image"
fi
rm -f "$LAB"/answer-*
echo "$image" | tee "$answer"
