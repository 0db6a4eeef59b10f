"""A file of 2 GiB, copied in and out, before and after a remount; the daemon stays small."""

import os

from harness import check, check_equal, say
from trees import digest

LABELS = ("long",)
TIMEOUT = 400
SIZE = 2 << 30


def run(env):
    source = env.scratch("source")
    piece = os.urandom(64 << 20)
    with open(source, "wb") as file:
        for number in range(SIZE // len(piece)):
            file.write(number.to_bytes(8, "little") + piece[8:])
    os.utime(source, ns=(123456789_987654321, 987654321_123456789))
    wanted = digest(source)
    env.start()
    target = env.path("copy")
    env.run("cp", "-a", "--reflink=never", source, target)
    check_equal(digest(target), wanted, "contents")
    env.remount()
    st = os.stat(target)
    check_equal((st.st_size, st.st_mtime_ns), (SIZE, 987654321_123456789), "size and mtime")
    check(SIZE <= st.st_blocks * 512 <= SIZE + (1 << 20), f"{st.st_blocks} blocks")
    check_equal(digest(target), wanted, "contents after the remount")
    used = env.status()["size_on_disk"]
    say(f"peak memory {env.memory_peak()} MiB, store {used >> 20} MiB")
    os.unlink(target)
    check_equal(os.listdir(env.mnt), [], "after unlink")
    env.finish()
