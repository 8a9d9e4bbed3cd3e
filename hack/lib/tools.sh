# Sourced after env.sh: programs that Debian 12 has too old or not at all come from newer suites of the same mirror,
# unpacked into the cache folder; nothing of the machine is changed by them.

# debian_mirror: the first Debian mirror of this machine's own apt sources.
debian_mirror() {
  sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -E '/debian/?$' | head -n1
}

# from_suite SUITE PACKAGE DIR: unpacks PACKAGE of that suite into DIR, with apt's own signature checks.
from_suite() {
  local suite=$1 package=$2 dir=$3 apt
  apt=$(mktemp -d)
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc}
  : >"$apt/status" # what the machine has installed must not count as newer
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" >"$apt/etc/sources.list"
  local options=(-qq -o "Dir::Etc::SourceList=$apt/etc/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${options[@]}" update >&2
  (cd "$apt" && apt-get "${options[@]}" download "$package" >&2)
  mkdir -p "$dir.part"
  dpkg-deb -x "$apt"/"$package"_*.deb "$dir.part"
  rm -rf "$apt" "$dir"
  mv "$dir.part" "$dir"
}

# etcd 3.5 or later: 3.4 (Debian 12) loses watch events around a compaction.
ensure_etcd() {
  [ -x "$FERRITE_ETCD" ] || { say "fetching etcd from trixie"; from_suite trixie etcd-server "$CACHE/etcd-trixie"; }
  [ -x "$FERRITE_ETCD" ] || die "FERRITE_ETCD=$FERRITE_ETCD is not a program"
}

# kubectl: 1.32 where the machine has it under that name, else what it has, else Debian's.
ensure_kubectl() {
  command -v kubectl.1.32 >/dev/null || command -v kubectl >/dev/null ||
    { say "fetching kubectl from trixie"; from_suite trixie kubectl "$CACHE/kubectl-trixie"; }
}

prepare_etcd() { ensure_etcd; }
prepare_kubectl() { ensure_etcd; ensure_kubectl; command -v openssl >/dev/null || apt_install openssl; }

# What the lab's host needs: QEMU, the tools that build an image, a network namespace's tools.
prepare_lab() {
  ensure_etcd
  ensure_kubectl
  apt_install qemu-system-x86 mmdebstrap debian-archive-keyring e2fsprogs kmod xz-utils busybox-static iproute2 \
    util-linux psmisc
  [ "$(id -u)" -eq 0 ] || apt_install uidmap
}
