"""cp -a, rsync -aHAX and tar of real trees and of a made one are faithful, before and after a remount."""

import glob
import itertools
import os
import shutil

from harness import check_equal, say
from trees import check_copy, check_same_description, describe, make_tree

NATIVE = True
TIMEOUT = 420


def sub_trees(pattern, files):
    """Directories that match, in order, until they hold about that many files."""
    chosen = []
    for directory in sorted(glob.glob(pattern)):
        if files <= 0:
            break
        if not os.path.isdir(directory) or os.path.islink(directory):
            continue
        count = sum(len(names) for _, _, names in itertools.islice(os.walk(directory), 20000))
        if not 50 < count < files * 2:
            continue
        chosen.append(directory)
        files -= count
    return chosen


def diff(env, source, copy):
    # diff opens what it compares: sockets, pipes and devices are for the metadata check.
    special = []
    for directory, _, names in os.walk(source):
        special += [n for n in names if not os.path.islink(p := os.path.join(directory, n)) and not os.path.isfile(p)]
    env.run("diff", "-r", "--no-dereference", *[f"--exclude={name}" for name in special], source, copy)


def run(env):
    env.start()
    made = env.scratch("made")
    make_tree(made)
    check_copy(made, made)
    copies = []

    def copied(source, target, *command):
        env.run(*command)
        copies.append((source, target))
        say(f"{command[0]} {source} -> {len(describe(target, contents=False))} entries")

    cp = env.path("cp")
    os.mkdir(cp)
    for source in [made, "/usr/include"]:
        target = os.path.join(cp, os.path.basename(source))
        copied(source, target, "cp", "-a", source, target)
    rsync = env.path("rsync")
    os.mkdir(rsync)
    for source in [made] + sub_trees("/usr/share/*", 4000):
        target = os.path.join(rsync, os.path.basename(source))
        copied(source, target, "rsync", "-aHAX", "-S", source + "/", target)
    tar = env.path("tar")
    for source in [made] + sub_trees("/usr/lib/*", 2000):
        target = os.path.join(tar, os.path.basename(source))
        os.makedirs(target)
        # --xattrs-include because tar would store user.* alone; a socket cannot be archived.
        pack = ["tar", "-C", source, "--xattrs", "--xattrs-include=*", "--sparse", "--format=posix", "-cf"]
        env.run(*pack, env.scratch("archive.tar"), ".")
        unpack = ["tar", "-C", target, "--xattrs", "--xattrs-include=*", "-xpf", env.scratch("archive.tar")]
        if os.path.lexists(os.path.join(source, "socket")):
            env.run(*unpack)
            shutil.copystat(os.path.join(source, "socket"), make_socket(os.path.join(target, "socket")))
            shutil.copystat(source, target)
            copies.append((source, target))
        else:
            copied(source, target, *unpack)
        os.unlink(env.scratch("archive.tar"))

    for source, target in copies:
        diff(env, source, target)
        check_copy(source, target, made_holes=target.startswith(rsync))
    before = describe(env.mnt)
    say(f"{len(before)} entries, remounting")
    env.remount()
    check_same_description(before, describe(env.mnt), "after the remount")
    for source, target in copies:
        diff(env, source, target)
        check_copy(source, target, made_holes=target.startswith(rsync))

    shutil.rmtree(cp)
    check_equal(sorted(os.listdir(env.mnt)), ["rsync", "tar"], "what is left after rm -r")
    env.finish()


def make_socket(path):
    import socket
    here = os.getcwd()
    os.chdir(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.basename(path))
    os.chdir(here)
    return path
