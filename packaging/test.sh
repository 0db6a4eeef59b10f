#!/bin/bash
# Everything that must hold before a change is merged: builds, unit tests with and without sanitizers, real mounts.
#
#   packaging/test.sh [release|asan|tsan|fuzz]...      (default: all four)
#
# release  the program and the benchmarks, and the tests on real mounts (label e2e) but those of minutes (label long:
#          tests/e2e/run million memory bigfile build), with the libfuse of libfuse.sh where it can be had; once more over
#          io_uring what that could change; the engine's model at length, and every byte of a store damaged
# asan     every unit test, and short tests on real mounts, with the system's libfuse, under AddressSanitizer and UBSan
# tsan     the tests of threads (by their names), under ThreadSanitizer
# fuzz     every decoder's fuzzer for some seconds, from the inputs in tests/fuzz/corpus
#
# SILT_TEST_JOBS sets the number of parallel jobs (default: the machine's processors). The last line is
# "N passed, N failed", the sum of ctest's own counts.
set -uo pipefail

case ${1-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
jobs=${SILT_TEST_JOBS:-$(nproc)}
presets=("${@:-release}")
[ $# -gt 0 ] || presets=(release asan tsan fuzz)

# What ThreadSanitizer has something to see in.
threaded_targets=(lsm_memtable_test lsm_table_test lsm_wal_test lsm_db_test fs_test)
threaded_tests='(oncurren|hread|tress|Beside|Timer|WriteQueue|Linear|TableCache|BlockCache)'

passed=0
failed=0
broken=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

say() { printf '== %s (%dm%02ds)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# PRESET [target...] [-DVARIABLE=VALUE]
build() {
  local preset=$1 define=()
  shift
  if [[ ${!#} == -D* ]]; then
    define=("${!#}")
    set -- "${@:1:$#-1}"
  fi
  say "build $preset ${define[*]}"
  { cmake --preset "$preset" "${define[@]}" && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}; } \
    >"$logs/build" 2>&1 && return
  tail -n 40 "$logs/build"
  echo "test.sh: the $preset build failed"
  broken=1
  return 1
}

# PRESET [ctest argument...]
run_tests() {
  local preset=$1 total bad
  shift
  say "test $preset"
  ctest --preset "$preset" -j "$jobs" --timeout 600 --output-on-failure "$@" 2>&1 | tee "$logs/ctest" |
    grep -vE '(^ +Start +[0-9]+:|  Passed  |^Test project|^ *$)'
  # "97% tests passed, 3 tests failed out of 120"
  read -r bad total < <(sed -nE 's/.*passed, ([0-9]+) tests? failed out of ([0-9]+).*/\1 \2/p' "$logs/ctest" | tail -n 1)
  if [ -z "${total:-}" ]; then
    echo "test.sh: ctest gave no summary for $preset"
    broken=1
    return
  fi
  passed=$((passed + total - bad))
  failed=$((failed + bad))
}

# The cases in which two libfuses, or the transports, could differ; and those that would take minutes with sanitizers.
libfuse_tests='btime|calls|privileges|requests|transport|user'
slow_tests='fio|full_disk|git|kill|native|posix|sqlite|trees'

# Prepares the newer libfuse. Where it cannot be had, libfuse.sh says so, and the system's is what is tested.
newer_libfuse() {
  say "libfuse"
  packaging/libfuse.sh
  [ $? -eq 1 ] && broken=1
}

# With the kernel's switch on, where there is one and we may; then as it was. The tests before had it as it is.
with_io_uring() {
  local switch=/sys/module/fuse/parameters/enable_uring was
  was=$(cat "$switch" 2>/dev/null)
  [ "$was" != N ] || { echo Y >"$switch"; } 2>/dev/null
  "$@"
  [ "$was" != N ] || { echo N >"$switch"; } 2>/dev/null
}

packaging/deps.sh build test || exit 1
for preset in "${presets[@]}"; do
  case $preset in
    release)
      newer_libfuse
      build release siltfs data_tester tree_tester stress_tester kv_bench meta_bench lsm_db_test -DSILT_LIBFUSE=auto &&
        run_tests release -L e2e -LE long &&
        with_io_uring run_tests release -R "^e2e/(fio|$libfuse_tests)$" &&
        SILT_META_SEEDS=25 run_tests release -R '^lsm/db/(MetamorphicTest|EveryByteTest)'
      ;;
    asan)
      build asan -DSILT_LIBFUSE=system &&
        with_io_uring run_tests asan -R "^e2e/($libfuse_tests)$" &&
        run_tests asan -LE long -E "^e2e/($libfuse_tests|$slow_tests)$"
      ;;
    tsan) build tsan "${threaded_targets[@]}" && run_tests tsan -R "$threaded_tests" -E '(NOT_BUILT|^e2e/)' ;;
    fuzz) build fuzz fuzzers && run_tests fuzz ;;
    *) echo "test.sh: unknown preset '$preset' (know: release, asan, tsan, fuzz)" >&2; exit 2 ;;
  esac
done
say "done"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$broken" -eq 0 ] && [ "$passed" -gt 0 ]
