"""suid, sgid and file capabilities: writes, truncation, fallocate, copies and chown drop them as on the host."""

import os

from harness import check_equal, fallocate, say

TIMEOUT = 60
NOBODY = 65534
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep, as setcap writes it


def change_write(path, _):
    with open(path, "ab", buffering=0) as file:
        file.write(b"more")


def change_truncate(path, _):
    os.truncate(path, 3)


def change_open_truncating(path, _):
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def change_fallocate(path, _):
    fd = os.open(path, os.O_WRONLY)
    fallocate(fd, 0, 0, 100_000)
    os.close(fd)


def change_copy(path, source):
    here, there = os.open(source, os.O_RDONLY), os.open(path, os.O_WRONLY)
    os.copy_file_range(here, there, 4)
    os.close(here)
    os.close(there)


def change_owner(path, _):
    os.chown(path, os.geteuid(), os.getegid())


def change_no_owner(path, _):
    os.chown(path, -1, -1)


def change_no_owner_of_descriptor(path, _):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.chown(fd, -1, -1)
    finally:
        os.close(fd)


def change_by_vector(path, _):
    fd = os.open(path, os.O_WRONLY)
    os.pwritev(fd, [b"one", b"two"], 1)
    os.close(fd)


def change_by_sendfile(path, source):
    here, there = os.open(source, os.O_RDONLY), os.open(path, os.O_WRONLY)
    os.sendfile(there, here, 0, 4)
    os.close(here)
    os.close(there)


def change_nothing(path, _):
    os.stat(path)


CHANGES = [change_write, change_truncate, change_open_truncating, change_fallocate, change_copy, change_owner, change_no_owner,
           change_no_owner_of_descriptor, change_by_vector, change_by_sendfile, change_nothing]


def as_user(uid, change, path, source):
    """Runs a change in a child that has switched to the user."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            if uid != os.geteuid():
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            change(path, source)
        except OSError as error:
            status = error.errno
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def outcomes(directory, users):
    """What becomes of mode and capability in every combination."""
    os.chmod(directory, 0o777)
    source = os.path.join(directory, "source")
    with open(source, "wb") as file:
        file.write(b"copied bytes")
    os.chmod(source, 0o644)
    found = {}
    for uid in users:
        # sgid without execution for the group is no privilege to FUSE (linux/fuse.h, HANDLE_KILLPRIV_V2), but to some
        # hosts.
        for mode in (0o6777, 0o4777, 0o2777, 0o777):
            for capability in (False, True) if os.geteuid() == 0 else (False,):
                for change in CHANGES:
                    path = os.path.join(directory, "file")
                    with open(path, "wb") as file:
                        file.write(b"contents")
                    os.chmod(path, mode)
                    if capability:
                        os.setxattr(path, "security.capability", CAPABILITY)
                    error = as_user(uid, change, path, source)
                    kept = "security.capability" in os.listxattr(path)
                    found[uid, oct(mode), capability, change.__name__] = (error, oct(os.stat(path).st_mode & 0o7777), kept)
                    os.unlink(path)
    return found


def run(env):
    users = (0, NOBODY) if os.geteuid() == 0 else (os.geteuid(),)
    native = env.scratch("native")
    os.mkdir(native)
    os.chmod(env.work, 0o755)
    wanted = outcomes(native, users)
    env.mkfs()
    for options in ((), ("noio_uring",), ("writeback",)):
        env.mount(*options)
        os.makedirs(env.path("d"), exist_ok=True)
        got = outcomes(env.path("d"), users)
        for key, outcome in wanted.items():
            check_equal(got[key], outcome, f"{key} with {options or 'the defaults'}")
        say(f"{len(wanted)} combinations as on the host, with {options or 'the defaults'}")
        env.umount()
    env.fsck()
