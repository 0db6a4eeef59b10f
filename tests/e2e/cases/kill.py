"""kill -9 of the daemon: the next mount recovers by itself, fsck is clean, every acknowledged operation is there."""

import errno
import os
import subprocess
import sys
import time

from harness import HERE_DIR, check, say
from trees import check_copy
from workload import check_after_kill

TIMEOUT = 300
ROUNDS = 8
WORKERS = 2


def start_worker(env, worker, seed):
    script = ("import sys; sys.path.insert(0, sys.argv[1]); from workload import work; "
              "sys.exit(work(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])) % 256)")
    return subprocess.Popen([sys.executable, "-B", "-c", script, HERE_DIR, env.path(f"w{worker}"),
                             env.scratch(f"shadow{worker}"), env.scratch(f"journal{worker}"), str(seed)])


def journal(env, worker):
    try:
        with open(env.scratch(f"journal{worker}"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def check_dead(env):
    try:
        os.statvfs(env.mnt)  # never answered from a cache
    except OSError as error:
        # ECONNABORTED if it was asked just before the connection ended.
        check(error.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.ECANCELED), f"a dead mount answers {error}")
    else:
        check(False, "the mount answers after its daemon was killed")


def run(env):
    env.start()
    for worker in range(WORKERS):
        os.mkdir(env.path(f"w{worker}"))
        os.mkdir(env.scratch(f"shadow{worker}"))
    for number in range(ROUNDS):
        for worker in range(WORKERS):
            open(env.scratch(f"journal{worker}"), "w", encoding="ascii").close()
        workers = [start_worker(env, worker, 100 * number + worker) for worker in range(WORKERS)]
        while any(len(journal(env, w)) < 5000 for w in range(WORKERS)):
            check(all(worker.poll() is None for worker in workers), "a worker ended before the kill")
            time.sleep(0.01)
        time.sleep(0.3 * number)  # so that each round is killed in another state of flushes and compactions
        env.kill()
        for worker in workers:
            error = worker.wait(timeout=60)
            # ECANCELED: a request that was in a ring of the daemon's (io_uring).
            check(error in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ECANCELED), f"the worker ended with {error}")
        check_dead(env)
        if number % 2 == 0:
            env.fsck()  # on the store as the kill left it
        seconds = env.mount()
        acknowledged = [check_after_kill(env.path(f"w{w}"), env.scratch(f"shadow{w}"), env.scratch(f"journal{w}"))
                        for w in range(WORKERS)]
        say(f"round {number}: {acknowledged} operations, mounted again in {seconds:.2f} s")
        if number % 2 == 1:
            env.umount()
            env.fsck()
            env.mount()
    kill_during_copy(env)
    kill_with_orphan(env)
    kill_after_rm(env)
    env.finish()


def kill_during_copy(env):
    """Files that were complete before the kill are complete after it, and the copy can be finished by rsync."""
    source = "/usr/include/c++"
    target = env.path("copy")
    copy = subprocess.Popen(["cp", "-a", source, target], stderr=subprocess.DEVNULL)
    time.sleep(0.15)
    env.kill()
    copy.wait(timeout=60)
    env.mount()
    env.run("rsync", "-aHAX", "--delete", source + "/", target)
    env.run("diff", "-r", "--no-dereference", source, target)
    check_copy(source, target)


def kill_with_orphan(env):
    """A file that was unlinked while open is gone after the kill, and its space with it."""
    fd = os.open(env.path("orphan"), os.O_CREAT | os.O_RDWR)
    os.write(fd, os.urandom(4 << 20))
    os.unlink(env.path("orphan"))
    env.kill()
    try:
        os.close(fd)
    except OSError:
        pass
    env.fsck()
    env.mount()
    check(not os.path.exists(env.path("orphan")), "the orphan is back")


def kill_after_rm(env):
    """What was deleted right before a kill is given back after the next mount, though nobody writes any more."""
    size = 200 << 20
    with open(env.path("big"), "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())

    def stored():
        return sum(entry.stat().st_blocks * 512 for entry in os.scandir(env.store))

    def inodes():
        space = os.statvfs(env.mnt)
        return space.f_files - space.f_ffree

    with_it = inodes()
    before = stored()
    os.unlink(env.path("big"))
    deadline = time.monotonic() + 60
    while inodes() >= with_it:  # until then it may be an orphan, which the next mount knows
        check(time.monotonic() < deadline, "unlinked a minute ago and still an inode")
    env.kill()
    check(stored() > before - size // 2, "the daemon was faster than the kill")
    env.mount()
    while stored() > before - size // 2:
        check(time.monotonic() < deadline,
              f"rm of {size} bytes, kill and mount: the store had {before} bytes, now {stored()}")
        time.sleep(0.05)
