"""8 GiB written under the default options: the daemon's peak memory stays below 512 MiB."""

import os

from harness import check, say

LABELS = ("long",)
TIMEOUT = 600
SIZE = int(os.environ.get("SILT_E2E_BYTES", str(8 << 30)))


def run(env):
    env.start()
    piece = os.urandom(1 << 20)
    files = 4
    fds = [os.open(env.path(f"f{i}"), os.O_CREAT | os.O_WRONLY) for i in range(files)]
    for number in range(SIZE // len(piece)):
        os.write(fds[number % files], number.to_bytes(8, "little") + piece[8:])
        if number % 256 == 255:
            check(env.memory_peak() < 512, f"{env.memory_peak()} MiB after {number} MiB written")
    for fd in fds:
        os.fsync(fd)
        os.close(fd)
    say(f"{SIZE >> 20} MiB written, peak memory {env.memory_peak()} MiB, store {env.status()['size_on_disk'] >> 20} MiB")
    check(env.memory_peak() < 512, f"{env.memory_peak()} MiB")
    for i in range(files):
        os.unlink(env.path(f"f{i}"))
    env.finish()
