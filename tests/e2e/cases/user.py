"""An ordinary user mounts through fusermount3, works, and unmounts; others are kept out."""

import os
import shutil
import subprocess
import sys

from harness import HERE_DIR, Failure, check, check_equal, say

TIMEOUT = 120
NOBODY = 65534


def as_user(env, *command, rc=0):
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *map(str, command)]
    done = subprocess.run(words if os.geteuid() == 0 else words[4:], capture_output=True, text=True, timeout=100,
                          cwd=env.work, env={**os.environ, "HOME": env.work})
    if rc is not None and done.returncode != rc:
        raise Failure(f"{' '.join(map(str, command))}: exit code {done.returncode}, wanted {rc}\n{done.stdout}{done.stderr}")
    return done


def run(env):
    # As udev leaves it on a system with fuse3 installed; bare virtual machines and containers have it closed.
    mode = os.stat("/dev/fuse").st_mode & 0o777
    if os.geteuid() != 0 or mode == 0o666:
        return as_ordinary_user(env)
    os.chmod("/dev/fuse", 0o666)
    try:
        return as_ordinary_user(env)
    finally:
        os.chmod("/dev/fuse", mode)


def as_ordinary_user(env):
    home = env.scratch("home")
    os.mkdir(home)
    # A user need not be able to reach the build tree.
    siltfs = env.scratch("siltfs")
    shutil.copy(env.siltfs, siltfs)
    os.chmod(siltfs, 0o755)
    shutil.copytree(HERE_DIR, env.scratch("e2e"))
    env.store = os.path.join(home, "store")
    env.mnt = os.path.join(home, "mnt")
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    as_user(env, "mkdir", env.mnt)

    if os.geteuid() == 0:
        others_store_is_not_called_none(env, siltfs)
    as_user(env, siltfs, "mkfs", env.store)
    check_equal(os.stat(env.store).st_mode & 0o077, 0, "permissions of the store for others")
    as_user(env, siltfs, "mount", env.store, env.mnt)
    as_user(env, "cp", "-a", "/usr/include/c++", env.mnt + "/copy")
    as_user(env, "diff", "-r", "/usr/include/c++", env.mnt + "/copy")
    as_user(env, "cp", "-a", "/usr/include/linux", env.mnt + "/linux")
    as_user(env, "chmod", "000", env.mnt + "/linux/fuse.h")
    denied = as_user(env, "cat", env.mnt + "/linux/fuse.h", rc=1)
    check("Permission denied" in denied.stderr, f"a file of mode 000: {denied.stderr!r}")
    as_user(env, "chown", "0", env.mnt + "/linux/fuse.h", rc=1)
    if os.geteuid() == 0:
        try:
            os.listdir(env.mnt)
            check(False, "root sees a user's mount that has no allow_other")
        except PermissionError:
            pass
    status = as_user(env, siltfs, "status", env.mnt)
    check(env.store in status.stdout, f"status: {status.stdout}")
    calls = [sys.executable, "-B", "-c", CALLS, env.scratch("e2e"), env.mnt + "/calls", home + "/calls"]
    say(as_user(env, *calls).stdout.strip())

    as_user(env, siltfs, "umount", env.mnt)
    check_equal(os.listdir(env.mnt), [], "the mountpoint after umount")
    as_user(env, siltfs, "fsck", env.store)
    as_user(env, siltfs, "mount", env.store, env.mnt)
    as_user(env, "diff", "-r", "/usr/include/c++", env.mnt + "/copy")
    as_user(env, "fusermount3", "-u", env.mnt)  # what a user is used to
    as_user(env, siltfs, "mount", env.store, env.mnt)
    as_user(env, siltfs, "umount", env.mnt)


def others_store_is_not_called_none(env, siltfs):
    """A user may not look into root's store: that is what is said, and not that there is none."""
    roots = env.scratch("s")  # as a name, part of every message
    env.run(siltfs, "mkfs", roots)
    for rc, *words in ((1, "mount", "s", env.mnt), (8, "fsck", "s"), (1, "status", "s"), (1, "scrub", "s")):
        said = as_user(env, siltfs, *words, rc=rc).stderr
        check("/s: Permission denied" in said or " s: Permission denied" in said, f"{words} of root's store: {said!r}")


# The comparison of tests/e2e/cases/calls.py, run by the user.
CALLS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from cases import calls
os.umask(0o022)
os.mkdir(sys.argv[2]); os.mkdir(sys.argv[3])
differences = calls.compare(sys.argv[3], sys.argv[2], others=False)
print("\\n".join(differences))
sys.exit(1 if differences else 0)
"""
