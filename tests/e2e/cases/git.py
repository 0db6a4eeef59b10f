"""git clone of this project, status, gc and fsck inside the mount."""

import os

from harness import TOP, check, check_equal

NATIVE = True
TIMEOUT = 180


def git(env, *words, where="clone"):
    identity = ["-c", "user.name=e2e", "-c", "user.email=e2e@localhost", "-c", "safe.directory=*"]
    return env.run("git", *identity, "-C", env.path(where), *words).stdout


def run(env):
    env.start()
    source = TOP
    if not os.path.isdir(os.path.join(TOP, ".git")):  # an exported tree: make a history to clone
        source = env.scratch("source")
        os.mkdir(source)
        env.run("cp", "-a", os.path.join(TOP, "lsm"), os.path.join(TOP, "fs"), source)
        env.run("git", "-C", source, "init", "-q")
        env.run("git", "-C", source, "add", ".")
        env.run("git", "-C", source, "-c", "user.name=e2e", "-c", "user.email=e2e@localhost", "commit", "-q", "-m", "all")
    env.run("git", "-c", "safe.directory=*", "clone", "-q", "--no-local", source, env.path("clone"))
    check_equal(git(env, "status", "--porcelain"), "", "status after the clone")
    git(env, "fsck", "--full", "--strict")
    head = git(env, "rev-parse", "HEAD")
    for number in range(5):
        with open(env.path("clone", f"new-{number}"), "w", encoding="ascii") as file:
            file.write(f"{number}\n" * 1000)
        git(env, "add", ".")
        git(env, "commit", "-q", "-m", f"change {number}")
    git(env, "checkout", "-q", "-b", "other", head.strip())
    check(not os.path.exists(env.path("clone", "new-0")), "checkout left a file")
    git(env, "merge", "-q", "-")
    git(env, "gc", "-q", "--prune=now")
    git(env, "fsck", "--full", "--strict")
    check_equal(git(env, "status", "--porcelain"), "", "status after gc")
    env.remount()
    check_equal(git(env, "status", "--porcelain"), "", "status after the remount")
    git(env, "fsck", "--full", "--strict")
    env.run("git", "-C", env.path(), "clone", "-q", "clone", "second")  # hard links
    git(env, "fsck", "--full", where="second")
    env.finish()
