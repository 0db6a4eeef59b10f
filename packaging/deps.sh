#!/bin/bash
# Installs the distribution's packages that siltfs needs and that are missing. Silent when none is.
#
#   packaging/deps.sh [build|test|libfuse|bench|mount-bench|dev]...      (default: build)
#
#   build  what `cmake --preset release && cmake --build --preset release` needs, the unit tests' libraries included
#   test   the programs that the tests on real mounts run, and the compiler of the sanitized builds
#   package what packaging/deb.sh needs to build Debian packages, and their test to install them into a clean root
#   libfuse what packaging/libfuse.sh needs to build a newer libfuse
#   bench  the peers that kv_bench measures against
#   mount-bench  what perf/mount_bench.sh runs and measures against
#   dev    formatting, linting, fuzzing, debugging, profiling
set -euo pipefail

build=(g++ cmake ninja-build pkg-config ccache libfuse3-dev fuse3 libsnappy-dev libzstd-dev libxxhash-dev
  libcli11-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libexpected-dev libgtest-dev libgmock-dev librapidcheck-dev)
test=(clang libclang-rt-dev fio rsync attr acl sqlite3 git python3 e2fsprogs exfat-fuse exfatprogs mount util-linux procps mandoc zsh)
package=(debhelper dpkg-dev lintian mmdebstrap systemd-container procps ninja-build ccache)
libfuse=(meson ninja-build dpkg-dev patch xz-utils ca-certificates)
bench=(fio python3 libbenchmark-dev libleveldb-dev librocksdb-dev)
# liburing and libnuma: for passthrough_hp of libfuse, over io_uring.
mount_bench=(fio python3 git rsync sqlite3 tar make gcc util-linux e2fsprogs xfsprogs btrfs-progs gocryptfs liburing-dev libnuma-dev)
dev=(clang libclang-rt-dev clang-format clang-tidy gdb linux-perf valgrind)

die() { echo "deps.sh: $*" >&2; exit 1; }

wanted=()
for group in "${@:-build}"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    package) wanted+=("${package[@]}") ;;
    libfuse) wanted+=("${libfuse[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    mount-bench) wanted+=("${mount_bench[@]}") ;;
    dev) wanted+=("${dev[@]}") ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "deps.sh: unknown group '$group' (know: build, test, package, libfuse, bench, mount-bench, dev)" >&2; exit 2 ;;
  esac
done

command -v dpkg-query >/dev/null || die "needs a Debian-like system (no dpkg-query here); packages: ${wanted[*]}"

# Names without a line in the list of installed packages, in one call.
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qx "installed $package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
install_missing() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

echo "deps.sh: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent or too old for what they point to; only then are they fetched.
if ! install_missing >"$log" 2>&1; then
  "${as_root[@]}" apt-get update -q >>"$log" 2>&1 || { tail -n 5 "$log" >&2; die "apt-get update failed"; }
  install_missing >>"$log" 2>&1 || { tail -n 15 "$log" >&2; die "apt-get install failed; the lines above say why"; }
fi
