#!/bin/bash
# Builds a newer libfuse than the system's, from the distribution's own source package, where the system's is too old.
#
#   packaging/libfuse.sh [DIRECTORY]      (default: build/libfuse)
#   packaging/libfuse.sh --source DIRECTORY
#
# --source unpacks the newer source there and builds nothing, whatever the system has (perf/mount_bench.sh builds peers of
# it). Otherwise:
# Leaves headers, a static library and fuse3.pc under DIRECTORY/prefix, where CMake finds them (SILT_LIBFUSE). Does
# nothing when that is there, or when the system's libfuse is 3.18 or newer and has fuse_session_custom_io, which
# Debian's leaves out since 3.18.3. The mirror is the one that apt uses; its newer suites are looked at through a private
# configuration, so nothing of the system's changes; apt checks the signature against the keyring that is installed.
#
# Exit code 0: built, or not needed; 3: cannot be had here, siltfs then uses the system's libfuse; 1: the build failed.
set -euo pipefail

wanted=3.18
suites=(testing unstable)  # of Debian; the first whose libfuse is new enough

source_only=false
case ${1-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  --source) source_only=true; shift; [ $# -eq 1 ] || { echo "libfuse.sh: --source needs a directory" >&2; exit 2; } ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
directory=$(realpath -m "${1:-$top/build/libfuse}")
prefix=$directory/prefix
$source_only || ! [ -e "$prefix/complete" ] || exit 0

unavailable() {
  $source_only || set -- "$*; siltfs is built with the system's libfuse"
  echo "libfuse.sh: $*" >&2
  exit 3
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Built in, fuse_session_custom_io complains about its arguments; left out, about itself (ENOTSUP, 95).
system_is_new_enough() {
  pkg-config --atleast-version=$wanted fuse3 2>/dev/null || return 1
  printf '#define FUSE_USE_VERSION 314\n#include <fuse_lowlevel.h>\nint main(void) { return fuse_session_custom_io(0, 0, -1) == -95; }\n' \
    >"$work/probe.c"
  # shellcheck disable=SC2046
  cc "$work/probe.c" -o "$work/probe" $(pkg-config --cflags --libs fuse3) 2>/dev/null && "$work/probe" 2>/dev/null
}
$source_only || ! system_is_new_enough || exit 0

"$top/packaging/deps.sh" libfuse || unavailable "meson and dpkg-dev could not be installed"
command -v apt-get >/dev/null || unavailable "no apt-get"
# shellcheck disable=SC2016  # apt-get's own variables
mirror=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
  awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; exit }')
[ -n "$mirror" ] || unavailable "apt knows no Debian mirror"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

mkdir -p "$work"/{parts,lists/partial,cache/archives/partial}
apt=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::Lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o Acquire::Languages=none)
# Without root there is no other user to drop to; with root, that user could not enter our directory.
apt+=(-o "APT::Sandbox::User=$(id -un)")

fetch() {
  local suite version
  for suite in "${suites[@]}"; do
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$mirror" "$suite" >"$work/parts/newer.sources"
    [ ! -e "$keyring" ] || echo "Signed-By: $keyring" >>"$work/parts/newer.sources"
    apt-get "${apt[@]}" -q update || continue
    version=$(apt-cache "${apt[@]}" showsrc fuse3 | awk '/^Version:/ { print $2; exit }')
    dpkg --compare-versions "${version:-0}" ge "$wanted" || continue
    (cd "$work" && apt-get "${apt[@]}" -q source fuse3) && return 0
  done
  return 1
}

build() {
  local source=("$work"/fuse3-*/)
  # custom-io: replies go through siltfs, which has rings of its own. Its peer is always /dev/fuse.
  meson setup "$work/build" "${source[0]}" --prefix="$prefix" --libdir=lib --buildtype=release --default-library=static \
    -Denable-custom-io=true -Denable-io-uring=false -Dutils=false -Dexamples=false -Dtests=false \
    -Dinitscriptdir= -Dudevrulesdir="$prefix/udev" -Duseroot=false &&
    ninja -C "$work/build" install
}

$source_only || echo "libfuse.sh: building libfuse $wanted or newer from the distribution's newer source"
fetch >"$work/log" 2>&1 || unavailable "$mirror gave no libfuse $wanted or newer ($(tail -n 1 "$work/log"))"
if $source_only; then
  mkdir -p "$directory"
  cp -a "$work"/fuse3-*/. "$directory"
  exit 0
fi
rm -rf "$prefix"
build >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; echo "libfuse.sh: building libfuse failed; its last lines are above" >&2; exit 1; }
touch "$prefix/complete"
