"""Attributes that the kernel keeps for ever are not old: after renames and creates, while others list the same inodes."""

import multiprocessing
import os
import random
import time

from harness import check, say

TIMEOUT = 120
FILES = 40
SECONDS = 4


def list_for_ever(directory):
    """Each time anew: what changed in it meanwhile has the kernel ask for the listing."""
    own = os.path.join(directory, f"by{os.getpid()}")
    while True:
        os.close(os.open(own, os.O_CREAT))
        os.unlink(own)
        os.listdir(directory)


def pause(chance):
    time.sleep(chance.random() * 0.001)


def renamed(env, number, chance):
    """The file's other name is listed, in another directory. Listings tell of it, since it was renamed before."""
    one, two = (env.path("moved", f"{name}{number % FILES}") for name in "ab")
    os.rename(one, two)
    pause(chance)
    begin = time.time_ns()
    os.rename(two, one)
    pause(chance)
    return begin, lambda: os.stat(one).st_ctime_ns


def created(env, number, chance):
    """The directory is listed in the one above it."""
    directory = env.path("listed", f"d{number % FILES}")
    begin = time.time_ns()
    os.close(os.open(f"{directory}/f{number}", os.O_CREAT | os.O_EXCL))
    pause(chance)
    return begin, lambda: os.stat(directory).st_mtime_ns


def run_mode(env, options):
    env.remount(options)
    listers = [multiprocessing.Process(target=list_for_ever, args=(env.path("listed"),), daemon=True) for _ in range(2)]
    for lister in listers:
        lister.start()
    try:
        for change in (renamed, created):
            chance, number, old = random.Random(1), 0, 0
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                begin, told = change(env, number, chance)
                if told() < begin:
                    # The kernel marks attributes as valid a moment before it has taken them in.
                    time.sleep(0.001)
                    old += told() < begin
                number += 1
            check(old == 0, f"{options}: {change.__name__}: {old} of {number} times the attributes of before")
            say(f"{options}: {change.__name__} {number} times")
    finally:
        for lister in listers:
            lister.kill()
            lister.join()


def run(env):
    env.start()
    for directory in ("moved", "listed"):
        os.mkdir(env.path(directory))
    for number in range(FILES):
        os.close(os.open(env.path("moved", f"a{number}"), os.O_CREAT))
        os.link(env.path("moved", f"a{number}"), env.path("listed", f"l{number}"))
        os.mkdir(env.path("listed", f"d{number}"))
    for options in ("io_uring", "noio_uring"):
        run_mode(env, options)
        for number in range(FILES):
            for name in os.listdir(env.path("listed", f"d{number}")):
                os.unlink(env.path("listed", f"d{number}", name))
    env.finish()
