#!/bin/bash
# Builds the Debian packages siltfs and libsiltlsm-dev from this tree, and checks them with lintian.
#
#   packaging/deb.sh [OUT]      (default: build/deb)
#
# The tree as it is, files that git does not know left out, is copied to OUT/source, where dpkg-buildpackage works on it;
# a second run compiles only what has changed if ccache is there. Installs what building needs (deps.sh).
# SILT_DEB_VERSION overrides the version in packaging/debian/changelog.
set -euo pipefail

die() { echo "deb.sh: $*" >&2; exit 1; }

case ${1-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$(realpath -m "${1:-$top/build/deb}")
"$top/packaging/deps.sh" build package

source=$out/source
rm -rf "$source"
mkdir -p "$source"
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
git -C "$top" ls-files -z | (cd "$top" && xargs -0 cp --parents -t "$source" 2>/dev/null) || true  # but what was removed
[ -e "$source/CMakeLists.txt" ] || die "$top is no git checkout of siltfs"
cp -r "$source/packaging/debian" "$source/debian"
if [ -n "${SILT_DEB_VERSION-}" ]; then sed -i "1s/(.*)/($SILT_DEB_VERSION)/" "$source/debian/changelog"; fi

log=$out/build.log
(cd "$source" && DEB_BUILD_OPTIONS="nocheck noautodbgsym ${DEB_BUILD_OPTIONS-}" dpkg-buildpackage -b -us -uc) >"$log" 2>&1 ||
  { tail -n 40 "$log" >&2; die "the build failed; its last lines are above, all are in $log"; }
lintian --allow-root --fail-on error --display-info "$out"/*.changes >"$out/lintian.log" || { cat "$out/lintian.log" >&2; die "lintian found errors"; }
ls "$out"/*.deb
