"""What is to be durable when the call returns is: fsync, O_SYNC, RWF_DSYNC, msync, and mounts with sync or dirsync."""

import json
import mmap
import os

from harness import check, check_equal

TIMEOUT = 120
SELDOM = "commit=3600"  # the timer does not do it for them


def engine(env):
    return json.loads(env.silt("stats", "--json", env.mnt).stdout)["engine"]


def not_durable(env):
    now = engine(env)
    return now["last_sequence"] - now["durable_sequence"]


def written_with(flags):
    def write(path):
        fd = os.open(path, os.O_WRONLY | flags)
        os.write(fd, b"synced")
        os.close(fd)
    return write


def opened(path, call, flags=os.O_RDWR):
    fd = os.open(path, flags)
    try:
        if flags == os.O_RDWR:
            os.pwrite(fd, b"changed", 0)
        call(fd)
    finally:
        os.close(fd)


def mapped(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        memory[:6] = b"mapped"
        memory.flush()


CALLS = {
    "fsync": lambda path: opened(path, os.fsync),
    "fdatasync": lambda path: opened(path, os.fdatasync),
    "fsync of the directory": lambda path: opened(os.path.dirname(path), os.fsync, os.O_RDONLY | os.O_DIRECTORY),
    "O_SYNC": written_with(os.O_SYNC),
    "O_DSYNC": written_with(os.O_DSYNC),
    "RWF_SYNC": lambda path: opened(path, lambda fd: os.pwritev(fd, [b"synced"], 0, os.RWF_SYNC)),
    "RWF_DSYNC": lambda path: opened(path, lambda fd: os.pwritev(fd, [b"synced"], 0, os.RWF_DSYNC)),
    "msync": mapped,
}


def calls(env, options):
    env.remount(options)
    for number, (name, call) in enumerate(CALLS.items()):
        path = env.path(f"d{number}/f")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"x" * 4096)
        check(not_durable(env) > 0, f"{options}: durable before {name}")
        call(path)
        check_equal(not_durable(env), 0, f"{options}: operations not durable after {name}")


def changes_of_directories(env):
    for option, least, most in (("async", 0, 0), ("dirsync", 20, 40), ("sync", 20, 40)):
        env.remount(f"{option},{SELDOM}")
        before = engine(env)["wal_syncs"]
        for number in range(10):
            os.mkdir(env.path(f"{option}{number}"))
            os.rmdir(env.path(f"{option}{number}"))
        done = engine(env)["wal_syncs"] - before
        check(least <= done <= most, f"{option}: 20 changes took {done} syncs")


def run(env):
    env.start()
    for options in (SELDOM, SELDOM + ",writeback", SELDOM + ",noio_uring"):
        calls(env, options)
    changes_of_directories(env)
    env.finish()
