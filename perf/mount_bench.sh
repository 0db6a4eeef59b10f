#!/bin/bash
# The mount beside ext4, XFS, btrfs, libfuse's passthrough_hp, gocryptfs and the limit of FUSE. One command; as root.
#
#   perf/mount_bench.sh [--rounds 5] [--minutes 42] [--quick | --long] [--out DIRECTORY] ...      (all options: --help)
#
# Installs and prepares what it compares with, builds siltfs (release) unless --siltfs names one, runs, and leaves
# results.md, results.json and plots (SVG) in --out (default: build/mount_bench).
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case " $* " in
  *" -h "* | *" --help "*) exec python3 "$top/perf/mount_bench.py" --help ;;
esac
"$top/packaging/deps.sh" build libfuse mount-bench
if [[ " $* " != *" --siltfs"* ]]; then
  "$top/packaging/libfuse.sh" || [ $? -eq 3 ]
  (cd "$top" && cmake --preset release && cmake --build --preset release --target siltfs meta_bench) >/dev/null
fi
# Mounts of its own: a mount namespace that somebody makes meanwhile does not keep a copy of one, whose store would so stay
# open. Nor are those of others kept here.
own=()
[ "$(id -u)" -ne 0 ] ||
  own=(unshare --mount sh -c 'findmnt -rno TARGET -t fuse.siltfs | tac | xargs -r umount -l; exec "$@"' sh)
exec "${own[@]}" python3 "$top/perf/mount_bench.py" "$@"
