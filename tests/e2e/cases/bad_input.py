"""What users get wrong is refused with the right exit code and one line that says what, where and what to do."""

import glob
import os
import shutil

from harness import check, check_equal, say
from manifest_patch import raise_format_version

TIMEOUT = 120


def refused(env, rc, mentions, *arguments):
    """The command fails with rc, and says so in one line on stderr with every one of the words."""
    done = env.silt(*arguments, rc=rc)
    lines = done.stderr.strip().splitlines()
    what = f"siltfs {' '.join(arguments)}"
    if rc == 2:  # a usage error may add a hint at --help
        check(lines, f"{what}: says nothing")
    else:
        check_equal(len(lines), 1, f"lines of the message of `{what}` ({done.stderr!r})")
    for word in mentions:
        check(str(word) in done.stderr, f"{what}: message {done.stderr!r} does not mention {word!r}")
    say(f"{what.replace(env.work, '...')}: {lines[0].replace(env.work, '...')}")


def run(env):
    empty = env.scratch("empty")
    foreign = env.scratch("foreign")
    missing = env.scratch("missing")
    other = env.scratch("other")
    for directory in (empty, foreign, other):
        os.mkdir(directory)
    with open(os.path.join(foreign, "precious"), "w", encoding="ascii") as file:
        file.write("data")

    # mkfs
    refused(env, 1, [foreign], "mkfs", foreign)
    refused(env, 1, [foreign], "mkfs", "--force", foreign)
    check_equal(os.listdir(foreign), ["precious"], "a directory that mkfs refused")
    refused(env, 1, ["precious: not a directory"], "mkfs", os.path.join(foreign, "precious"))
    env.mkfs()
    refused(env, 1, [env.store, "--force"], "mkfs", env.store)
    env.mount()
    with open(env.path("file"), "w", encoding="ascii") as file:
        file.write("kept")
    env.umount()
    refused(env, 1, [env.store, "--force"], "mkfs", env.store)
    env.mount()
    check(os.path.exists(env.path("file")), "mkfs without --force changed the store")
    refused(env, 1, [env.store], "mkfs", "--force", env.store)  # mounted
    env.umount()
    env.mkfs("--force")
    env.mount()
    check_equal(os.listdir(env.mnt), [], "after mkfs --force")
    env.umount()
    refused(env, 2, ["3K", "block size"], "mkfs", "--block-size", "3K", env.scratch("new"))
    refused(env, 2, ["compression"], "mkfs", "--compression", "zip", env.scratch("new"))

    # mount
    refused(env, 1, [missing], "mount", missing, env.mnt)
    refused(env, 1, [empty], "mount", empty, env.mnt)
    refused(env, 1, [foreign], "mount", foreign, env.mnt)
    refused(env, 1, [missing], "mount", env.store, missing)
    refused(env, 1, ["precious: not a directory"], "mount", env.store, os.path.join(foreign, "precious"))
    refused(env, 2, ["no_such_option"], "mount", "-o", "no_such_option", env.store, env.mnt)
    env.mount()
    refused(env, 1, [env.store, env.pid(), env.mnt], "mount", env.store, other)
    refused(env, 1, [env.mnt], "mount", env.store, env.mnt)
    refused(env, 8, [env.pid(), env.store], "fsck", "--repair", env.store)
    check_equal(os.listdir(env.mnt), [], "the mount after a second one was refused")
    env.umount()

    newer_format(env)

    # verbs
    refused(env, 1, [empty], "umount", empty)
    refused(env, 1, [missing], "umount", missing)
    refused(env, 1, [missing], "status", missing)
    refused(env, 1, [foreign], "stats", foreign)
    refused(env, 1, [missing, "No such file"], "debug", "wal", missing)
    refused(env, 8, [missing], "fsck", missing)
    refused(env, 16, [], "fsck")
    for arguments in ([], ["frobnicate"], ["mkfs"], ["mount", env.store], ["mount", env.store, env.mnt, "more"],
                      ["status", "--frobnicate", env.store], ["umount"]):
        refused(env, 2, [], *arguments)


def newer_format(env):
    """A store that a later version of siltfs made is refused by name and left alone."""
    future = env.scratch("future")
    shutil.copytree(env.store, future, ignore=shutil.ignore_patterns("*.sock", "control*"))
    manifests = glob.glob(os.path.join(future, "MANIFEST-*"))
    check_equal(len(manifests), 1, "manifests of an unmounted store")
    raise_format_version(manifests[0])
    refused(env, 1, ["version 99", future], "mount", future, env.mnt)
    refused(env, 8, ["version 99"], "fsck", future)
    shutil.rmtree(future)
