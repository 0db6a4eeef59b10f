"""Names that are odd, directories and files that have none any more, special files, positions in listings, advice.

A call_* function gets an empty directory and returns what happened (tests/e2e/calls_support.py).
"""

import ctypes
import errno
import fcntl
import mmap
import os
import random
import stat

from calls_support import Recorder, write_file
from harness import DirectoryStream, fallocate, renameat2

_libc = ctypes.CDLL(None, use_errno=True)
SYS_GETDENTS64 = 217  # x86-64


def call_renames_of_odd_names(d):
    """Each with rename(2), NOREPLACE and EXCHANGE: what is not there, too long, a dot, above or below itself, of another kind."""
    r = Recorder()
    os.makedirs(d + "/a/b/c")
    os.mkdir(d + "/e")
    write_file(d + "/f")
    os.symlink("a", d + "/l")
    for source, target in (
            ("a", "a/b"), ("a", "a/b/c/x"), ("a/b/c", "a"), ("a", "a/"), ("f", "f/"), ("f/", "g"), ("e/", "e2/"), ("e2", "e"), ("l/", "l2"),
            ("l", "l2"), (".", "x"), ("..", "x"), ("a/.", "x"), ("a/..", "x"), ("f", "."), ("f", "a"), ("e", "f"), ("e", "a"), ("none", "x"),
            ("f", "none/x"), ("f", "f/x"), ("f", "n" * 256), ("n" * 256, "f"), ("f", ""), ("", "f"), ("e", "a/b/c")):
        what = f"{source[:10]} {target[:10]}"
        r.do(what, os.rename, d + "/" + source if source else "", d + "/" + target if target else "")
        for flags in (1, 2):
            r.do(f"{what}, flags {flags}", renameat2, d + "/" + source, d + "/" + target, flags)
    r.note("left", sorted((path[len(d):], sorted(names), sorted(files)) for path, names, files in os.walk(d)))
    return r


def call_within_a_removed_directory(d):
    r = Recorder()
    os.mkdir(d + "/x")
    fd = os.open(d + "/x", os.O_RDONLY)
    os.rmdir(d + "/x")
    write_file(d + "/y")
    for what, function in (
            ("create", lambda: os.open("n", os.O_CREAT | os.O_WRONLY, dir_fd=fd)),
            ("create without a name", lambda: os.close(os.open(".", os.O_TMPFILE | os.O_RDWR, dir_fd=fd))),
            ("mkdir", lambda: os.mkdir("z", dir_fd=fd)),
            ("link", lambda: os.link(d + "/y", "l", dst_dir_fd=fd)), ("rename into it", lambda: os.rename(d + "/y", "y", dst_dir_fd=fd)),
            ("set an xattr", lambda: os.setxattr(fd, "user.x", b"y")), ("get it", lambda: os.getxattr(fd, "user.x")),
            ("touch", lambda: os.utime(fd)), ("fsync", lambda: os.fsync(fd)), ("list", lambda: os.listdir(fd)),
            ("statvfs", lambda: os.fstatvfs(fd).f_namemax), ("open .", lambda: os.close(os.open(".", os.O_RDONLY, dir_fd=fd))),
            ("open ..", lambda: os.close(os.open("..", os.O_RDONLY, dir_fd=fd)))):
        r.do(what, function)
    os.close(fd)
    return r


def call_with_an_unlinked_file(d):
    """All that a descriptor can do, when the last name has gone."""
    r = Recorder()
    path = d + "/f"
    write_file(path)
    fd = os.open(path, os.O_RDWR)
    os.setxattr(fd, "user.a", b"1")
    os.unlink(path)
    for what, function in (
            ("write", lambda: os.write(fd, b"new")), ("truncate", lambda: os.ftruncate(fd, 10000)), ("chmod", lambda: os.fchmod(fd, 0o600)),
            ("touch", lambda: os.utime(fd, ns=(1, 1))), ("set an xattr", lambda: os.setxattr(fd, "user.b", b"2")),
            ("list them", lambda: sorted(os.listxattr(fd))), ("get one", lambda: os.getxattr(fd, "user.a")),
            ("remove it", lambda: os.removexattr(fd, "user.a")), ("allocate", lambda: fallocate(fd, 0, 0, 50000)),
            ("punch", lambda: fallocate(fd, 3, 0, 4096)), ("fsync", lambda: os.fsync(fd)), ("find a hole", lambda: os.lseek(fd, 0, os.SEEK_HOLE)),
            ("copy within", lambda: os.copy_file_range(fd, fd, 100, 0, 60000)),
            ("give it a name again", lambda: os.link(f"/proc/self/fd/{fd}", d + "/again", follow_symlinks=True)),
            ("open it again", lambda: os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR))),
            ("stat", lambda: (os.fstat(fd).st_nlink, os.fstat(fd).st_size, oct(os.fstat(fd).st_mode))),
            ("map", lambda: mmap.mmap(fd, 100)[:5]), ("lock", lambda: fcntl.flock(fd, fcntl.LOCK_EX))):
        r.do(what, function)
    os.close(fd)
    return r


def call_special_files(d):
    """mknod of every type, device numbers to the largest, and what can be done with what was made."""
    r = Recorder()
    kinds = [("fifo", stat.S_IFIFO, 0), ("socket", stat.S_IFSOCK, 0), ("regular", stat.S_IFREG, 0), ("untyped", 0, 0), ("directory", stat.S_IFDIR, 0),
             ("symlink", stat.S_IFLNK, 0)]
    if os.geteuid() == 0:
        kinds += [("null", stat.S_IFCHR, os.makedev(1, 3)), ("largest", stat.S_IFCHR, os.makedev(4095, (1 << 20) - 1)),
                  ("block", stat.S_IFBLK, os.makedev(259, 300))]
    for name, kind, device in kinds:
        path = f"{d}/{name}"
        r.do(f"mknod {name}", os.mknod, path, kind | 0o644, device)
        r.do("stat", lambda path=path: (oct(os.lstat(path).st_mode), os.lstat(path).st_rdev))
        for what, function in (
                ("truncate", lambda path=path: os.truncate(path, 0)), ("link", lambda path=path: os.link(path, path + "-link")),
                ("chmod", lambda path=path: os.chmod(path, 0o600)), ("user xattr", lambda path=path: os.setxattr(path, "user.x", b"1")),
                ("trusted xattr", lambda path=path: os.setxattr(path, "trusted.x", b"1")),
                ("rename", lambda path=path: os.rename(path + "-link", path + "-moved"))):
            r.do(f"{what} {name}", function)
        if name not in ("largest", "block"):  # whatever device that is here
            r.do(f"open {name}", lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    return r


def call_positions_in_a_listing(d):
    """Those that telldir gave, in any order; those that it never gave do no harm. getdents(2) with little space."""
    r = Recorder()
    for i in range(2000):
        write_file(f"{d}/file-{i}", b"")
    stream = DirectoryStream(d)
    positions = []
    while True:
        position = stream.tell()
        name = stream.read()
        if name is None:
            break
        positions.append((position, name))
    chosen, wrong = random.Random(1), 0
    for _ in range(3000):
        position, name = chosen.choice(positions)
        stream.seek(position)
        wrong += stream.read() != name
    r.note("wrong", wrong)
    for position in (-1, 1, 2, 3, 12345, 1 << 40, (1 << 63) - 1, -(1 << 63)):
        stream.seek(position)
        stream.read()
    stream.rewind()
    r.note("rewound", stream.read() is not None)
    stream.close()
    fd = os.open(d, os.O_RDONLY)
    buffer = ctypes.create_string_buffer(4096)
    for size in (0, 1, 23, 24):
        got = _libc.syscall(SYS_GETDENTS64, fd, buffer, size)
        r.note(f"getdents of {size}", "ok" if got >= 0 else errno.errorcode[ctypes.get_errno()])
    r.do("read", os.read, fd, 10)
    r.do("truncate", os.ftruncate, fd, 0)
    os.close(fd)
    return r


def call_advice_on_mappings(d):
    """madvise(2): MADV_REMOVE punches a hole, populating faults in, the rest changes nothing."""
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 4 * mmap.PAGESIZE)
    view = mmap.mmap(fd, 4 * mmap.PAGESIZE)
    view[:4] = b"data"
    view.flush()
    for name, advice in (("WILLNEED", 3), ("SEQUENTIAL", 2), ("DONTNEED", 4), ("COLD", 20), ("PAGEOUT", 21), ("POPULATE_READ", 22),
                         ("POPULATE_WRITE", 23), ("FREE", 8), ("REMOVE", 9)):
        r.do(name, view.madvise, advice)
        r.note("contents", view[:4])
    view.close()
    os.close(fd)
    return r
