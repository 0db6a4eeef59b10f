"""-o relatime, strictatime and nodiratime: reading moves the atime when it should; without them it never does."""

import mmap
import os

from harness import check_equal

TIMEOUT = 60
NS = 10**9


def set_times(path, atime, mtime):
    os.utime(path, ns=(atime, mtime), follow_symlinks=False)


def read(path, flags=0):
    fd = os.open(path, os.O_RDONLY | flags)
    os.read(fd, 100)
    os.close(fd)


def read_mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        return view[0]


def moved(path, reading, *arguments):
    """Whether it moves the atime, which must be all that moves."""
    before = os.lstat(path)
    reading(*(arguments or (path,)))
    after = os.lstat(path)
    check_equal((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns), f"mtime, ctime of {path}")
    return after.st_atime_ns > before.st_atime_ns


def check_moves(wanted, what, *arguments):
    check_equal(moved(*arguments), wanted, what)


def relative(env, directories):
    now = os.stat(env.mnt).st_ctime_ns
    path = env.path("file")
    with open(path, "w", encoding="ascii") as file:
        file.write("in the page cache")
    check_moves(True, "the first read of what was just written", path, read)
    check_moves(False, "the second", path, read)
    set_times(path, now, now - 5 * NS)  # the ctime is that of this call
    check_moves(True, "after a change of the inode", path, read_mapped)
    check_moves(False, "after a change of the inode, again", path, read_mapped)
    with open(path, "a", encoding="ascii") as file:
        file.write("more")
    check_moves(False, "O_NOATIME", path, read, path, os.O_NOATIME)
    check_moves(True, "after a write", path, read)
    os.symlink("file", env.path("link"))
    check_moves(True, "readlink", env.path("link"), os.readlink)
    check_moves(False, "readlink, again", env.path("link"), os.readlink)
    os.mkdir(env.path("directory"))
    for name in ("a", "b"):
        with open(env.path("directory", name), "w", encoding="ascii"):
            pass
        check_moves(directories, "listing what has changed", env.path("directory"), os.listdir)
        check_moves(False, "listing it again", env.path("directory"), os.listdir)
    env.remount("ro", "relatime")
    check_moves(False, "on a read-only mount", env.path("directory", "a"), read)


def strict(env):
    path = env.path("file")
    for number in range(3):
        check_moves(True, f"read {number}", path, read)
    check_moves(True, "listing", env.path("directory"), os.listdir)
    check_moves(True, "listing again", env.path("directory"), os.listdir)
    if os.geteuid() == 0:
        env.silt("mount", "-o", "remount,ro", env.store, env.mnt)
        check_moves(False, "remounted ro", path, read)
        env.silt("mount", "-o", "remount,rw", env.store, env.mnt)
        check_moves(True, "remounted rw", path, read)


def never(env):
    path = env.path("file")
    set_times(path, 10**18, 10**18)
    check_moves(False, "reading by default", path, read)
    check_moves(False, "listing by default", env.path("directory"), os.listdir)


def run(env):
    env.start("relatime")
    relative(env, directories=True)
    env.remount("strictatime")
    strict(env)
    env.remount()
    never(env)
    env.remount("noatime")
    never(env)
    env.umount()
    env.mkfs("--force")
    env.mount("nodiratime")
    relative(env, directories=False)
    env.finish()
