"""io_uring and /dev/fuse: what status says of them, one request at a time, many slow ones at once, and an end in their midst."""

import os
import subprocess
import sys

from harness import check, check_equal, say, wait_for_exit

TIMEOUT = 120
SWITCH = "/sys/module/fuse/parameters/enable_uring"

# Files written, synced, copied, cut and read back, all at once.
WORK = """
import os, sys
path, rounds = sys.argv[1], int(sys.argv[2])
for i in range(rounds):
    data = os.urandom(300_000)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    with open(path, "rb") as here, open(path + ".copy", "wb") as there:
        os.copy_file_range(here.fileno(), there.fileno(), 200_000)
    os.truncate(path, 100_000)
    with open(path, "rb") as file:
        assert file.read() == data[:100_000]
    with open(path + ".copy", "rb") as file:
        assert file.read() == data[:200_000]
"""

# Copies of many megabytes, which other threads than a ring's make.
COPY = """
import os, sys
here, there = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY)
while True:
    os.copy_file_range(here, there, 32 << 20, 0, 0)
"""


def offered():
    try:
        with open(SWITCH, encoding="ascii") as file:
            return file.read().strip() == "Y"
    except FileNotFoundError:
        return False


def start_workers(env, count, rounds):
    return [subprocess.Popen([sys.executable, "-c", WORK, env.path(f"f{i}"), str(rounds)], stderr=subprocess.PIPE, text=True)
            for i in range(count)]


def work(env, count, rounds):
    for worker in start_workers(env, count, rounds):
        complaint = worker.communicate(timeout=100)[1]
        check_equal(worker.returncode, 0, f"a worker ({complaint[-300:]})")


def run(env):
    env.mkfs()
    for options in ((), ("io_uring_memory=1",), ("noio_uring",), ("noio_uring", "max_threads=1")):
        env.mount(*options)
        status = env.status()
        name, detail = status["transport"], status["transport_detail"]
        if "noio_uring" in options:
            check_equal((name, detail), ("/dev/fuse", ""), "the transport with noio_uring")
        elif name == "/dev/fuse":
            # Not offered, or there is something in the way, which the detail names.
            check(detail != "" and (offered() or "io_uring" in detail), f"no io_uring, and no reason: {detail!r}")
        if name == "io_uring" and options:
            check("of 1 requests" in detail, f"one request at a time: {detail}")
        check(f"requests come over {name}" in env.log(), "the log names the transport")
        check(name in env.silt("status", env.mnt).stdout, "siltfs status names the transport")
        work(env, count=20, rounds=2)
        say(f"{name} {detail}: 20 clients at once")
        env.umount()
    kill_among_requests(env)
    for options in ((), ("noio_uring",)):
        force_among_requests(env, *options)
    env.mount()
    work(env, count=2, rounds=1)
    env.finish()


def kill_among_requests(env):
    """Clients of a daemon that is killed come back with an error, and the next mount is whole."""
    env.mount()
    workers = start_workers(env, 8, 1000)
    while not all(os.path.exists(env.path(f"f{i}.copy")) for i in range(8)):
        check(all(worker.poll() is None for worker in workers), "a worker ended before the kill")
    env.kill()
    for worker in workers:
        check(wait_for_exit(worker.pid, 30), "a client of the killed daemon hangs")
        worker.communicate()
        check(worker.returncode != 0, "a client of the killed daemon saw no error")


def force_among_requests(env, *options):
    """umount -f ends the connection while threads are at requests: clients get an error, the daemon closes the store."""
    if os.geteuid() != 0:
        return
    env.mount(*options)
    pid = env.pid()
    with open(env.path("long"), "wb") as file:
        file.write(os.urandom(32 << 20))
    workers = [subprocess.Popen([sys.executable, "-c", COPY, env.path("long"), env.path(f"c{i}")], stderr=subprocess.DEVNULL)
               for i in range(3)]
    while not all(os.path.exists(env.path(f"c{i}")) and os.stat(env.path(f"c{i}")).st_size for i in range(3)):
        check(all(worker.poll() is None for worker in workers), "a copy ended before the unmount")
    env.run("umount", "-f", env.mnt, rc=None)  # busy, as files are open; but from now on nothing is answered
    for worker in workers:
        check(worker.wait(timeout=30) != 0, "a client saw no error")
    env.run("umount", env.mnt, rc=None)
    check(wait_for_exit(pid, 30), "the daemon outlived the connection")
    check(f"unmounted {env.mnt}" in env.log(), "the store was closed")
    say(f"umount -f among requests {' '.join(options)}")
