"""df -i and status tell how many inodes there are: rm gives them back, and neither kill -9 nor a remount confuses them."""

import os
import subprocess
import time

from harness import check, check_equal

TIMEOUT = 120


def run(env):
    env.mkfs()
    env.mount()
    # A little of everything.
    for number in range(200):
        with open(env.path(f"f{number}"), "wb"):
            pass
    os.mkdir(env.path("d"))
    os.symlink("f1", env.path("s"))
    os.link(env.path("f1"), env.path("hard"))
    used(env, 203, "made")
    for number in range(100, 200):
        os.unlink(env.path(f"f{number}"))
    used(env, 103, "after rm")
    os.rename(env.path("f2"), env.path("f3"))
    used(env, 102, "after a rename over a file")

    held = os.open(env.path("f4"), os.O_RDONLY)
    os.unlink(env.path("f4"))
    used(env, 102, "with an orphan")
    check_equal(in_use(env), 102, "an orphan is there as long as it is open")
    env.kill()
    os.close(held)
    env.silt("umount", env.mnt)
    env.mount()
    used(env, 101, "after kill -9, which ended the orphan")

    env.umount()
    status = env.status(env.store)
    check_equal((status["inodes"], status["inodes_counted"]), (101, True), "of an unmounted store")
    env.mount()
    used(env, 101, "after a remount")
    subprocess.run(["rm", "-r", *(env.path(name) for name in os.listdir(env.mnt))], check=True)
    used(env, 1, "after rm of everything")
    check(subprocess.run(["df", "--output=iused", env.mnt], capture_output=True, text=True, check=True).stdout.split()[1] == "1",
          "df -i")
    env.umount()


def used(env, expected, when):
    """The kernel forgets what was deleted when it likes: nobody can ask it to, and until then it may still be read."""
    deadline = time.monotonic() + 30
    while in_use(env) > expected and time.monotonic() < deadline:
        time.sleep(0.01)
    check_equal(in_use(env), expected, f"inodes by statvfs {when}")
    status = env.status()
    check_equal((status["inodes"], status["inodes_counted"]), (expected, True), f"inodes by status {when}")


def in_use(env):
    found = os.statvfs(env.mnt)
    return found.f_files - found.f_ffree
