#!/bin/bash
# From a fresh machine and a clean clone to a mounted filesystem; run again, it only does what is left to do.
#
#   packaging/quickstart.sh STORE MOUNTPOINT
#
# Installs missing packages (sudo when not root), builds a newer libfuse where the system's is old (libfuse.sh), builds the release preset, makes a store if STORE does not exist or is
# empty, and mounts it. The mount belongs to whoever ran this, under sudo too.
set -euo pipefail

die() { echo "quickstart.sh: $*" >&2; exit 1; }

case ${1-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
[ $# -eq 2 ] || { echo "usage: packaging/quickstart.sh STORE MOUNTPOINT" >&2; exit 2; }
if [ -z "$1" ] || [ -z "$2" ]; then echo "quickstart.sh: STORE and MOUNTPOINT may not be empty" >&2; exit 2; fi

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
store=$(realpath -ms "$1")
mountpoint=$(realpath -ms "$2")
siltfs=$top/build/release/bin/siltfs
[ "$store" != "$mountpoint" ] || die "STORE and MOUNTPOINT must be two directories"
[ ! -e "$store" ] || [ -d "$store" ] || die "$store is not a directory"

# Under sudo, all but the packages is done as the user who called sudo, so that build tree and mount are theirs.
as_user=()
if [ "$(id -u)" -eq 0 ] && [ "${SUDO_UID:-0}" -ne 0 ]; then
  as_user=(runuser -u "$SUDO_USER" -- env "HOME=$(getent passwd "$SUDO_UID" | cut -d: -f6)")
  [ "$(stat -c %u "$top")" -eq "$SUDO_UID" ] || "${as_user[@]}" test -w "$top" || as_user=()
fi

# What quickstart.sh itself creates belongs to that user; what was there already is left as it is.
make_directory() {
  [ -d "$1" ] && return
  mkdir -p "$1" 2>/dev/null || return 1
  [ ${#as_user[@]} -eq 0 ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$1"
}

# A field of `siltfs status --json`.
status_field() {
  "${as_user[@]}" "$siltfs" status --json "$store" 2>/dev/null | tr -d '\n' |
    sed -nE "s/.*\"$1\"[[:space:]]*:[[:space:]]*(\"([^\"]*)\"|([a-z0-9]+)).*/\2\3/p"
}

"$top/packaging/deps.sh" build
make_directory "$top/build" || die "cannot create $top/build"
"$top/packaging/libfuse.sh" || [ $? -eq 3 ] || die "building libfuse failed"
if [ ${#as_user[@]} -gt 0 ] && [ -d "$top/build/libfuse" ]; then chown -R "$SUDO_UID" "$top/build/libfuse"; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
build() {
  cd "$top" && "${as_user[@]}" cmake --preset release &&
    "${as_user[@]}" cmake --build --preset release --target siltfs
}
[ -x "$siltfs" ] || echo "Building siltfs (a few minutes, once) ..."
(build) >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "the build failed; its last lines are above"; }

if [ "$(status_field mounted)" = true ] && [ "$(status_field mountpoint)" != "$mountpoint" ]; then
  die "$store is mounted on $(status_field mountpoint) already (pid $(status_field pid)); siltfs umount $(status_field mountpoint)"
fi
if [ "$(status_field mounted)" != true ]; then
  # What a dead daemon of this store left there is cleared away by siltfs mount.
  source=$(findmnt -n -o SOURCE --mountpoint "$mountpoint" 2>/dev/null | tail -n 1) || true
  if [ -n "$source" ] && [ "$source" != "$store" ]; then die "$mountpoint is in use by another mount"; fi
  if [ -d "$store" ] && [ -n "$(ls -A "$store")" ]; then
    : # siltfs mount says so if it is no store
  else
    make_directory "$store" || die "cannot create $store"
    "${as_user[@]}" "$siltfs" mkfs "$store" >"$log" 2>&1 || die "$(tail -n 1 "$log")"
  fi
  make_directory "$mountpoint" || true # the path of a dead mount exists, but is no directory; siltfs mount knows better
  "${as_user[@]}" "$siltfs" mount "$store" "$mountpoint" >"$log" 2>&1 || die "$(tail -n 1 "$log")"
fi

cat <<END
siltfs: $store is mounted on $mountpoint
  use      cp -a /usr/include $mountpoint/
  inspect  $siltfs status $mountpoint      (also: stats, and the log $store/siltfs.log)
  unmount  $siltfs umount $mountpoint
  again    packaging/quickstart.sh $store $mountpoint
END
