"""Which of atime, mtime and ctime each call moves, on what it touches and on the directories about it; and the values."""

import fcntl
import os

from calls_support import Recorder, write_file
from harness import (FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO, RENAME_EXCHANGE, fallocate, renameat2)

BLOCK = 4096
OLD = 10**18  # 2001, in nanoseconds


def age(*paths):
    """atime and mtime far back; the ctime, which cannot be set, is noted by the caller."""
    for path in paths:
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)


def stamps(path):
    st = os.lstat(path)
    return st.st_mtime_ns, st.st_ctime_ns


class Watch:
    """Tells which times of which objects a call moves."""

    def __init__(self, recorder, **paths):
        self.recorder, self.paths = recorder, paths

    def call(self, what, function, *arguments, after=None, **options):
        """after: names under which objects are found when the call has moved them; None: gone."""
        age(*set(self.paths.values()))
        before = {name: stamps(path) for name, path in self.paths.items()}
        self.recorder.do(what, function, *arguments, **options)
        moved = {}
        for name, path in {**self.paths, **(after or {})}.items():
            if path is None:
                continue
            now = stamps(path)
            moved[name] = "".join(letter for letter, a, b in zip("mc", before[name], now) if a != b)
            if any(b < a for a, b in zip(before[name], now)):
                moved[name] += " backwards"
        self.recorder.note(what + ": moved", moved)


def call_times_of_directories(d):
    r = Recorder()
    a, b = d + "/a", d + "/b"
    os.mkdir(a)
    os.mkdir(b)
    write_file(a + "/f")
    os.symlink("f", a + "/s")
    w = Watch(r, a=a, b=b, f=a + "/f")
    w.call("mkdir", os.mkdir, a + "/sub")
    w.call("rmdir", os.rmdir, a + "/sub")
    w.call("create", write_file, a + "/new")
    w.call("mkfifo", os.mkfifo, a + "/fifo")
    w.call("symlink", os.symlink, "x", a + "/s2")
    w.call("link", os.link, a + "/f", b + "/link")
    w.call("unlink of one of two", os.unlink, b + "/link")
    w.call("rename in place", os.rename, a + "/new", a + "/newer")
    w.call("rename away", os.rename, a + "/f", b + "/f", after={"f": b + "/f"})
    os.rename(b + "/f", a + "/f")
    w.call("failing mkdir", os.mkdir, a + "/f")
    w.call("rename to itself", os.rename, a + "/f", a + "/f")
    os.link(a + "/f", a + "/f2")
    w.call("rename onto another link", os.rename, a + "/f2", a + "/f")
    write_file(b + "/victim")
    os.link(b + "/victim", d + "/victim2")
    v = Watch(r, a=a, b=b, f=a + "/f", victim=d + "/victim2")
    v.call("rename over a file", os.rename, a + "/f", b + "/victim", after={"f": b + "/victim"})
    os.rename(b + "/victim", a + "/f")
    os.mkdir(a + "/dir")
    m = Watch(r, a=a, b=b, dir=a + "/dir")
    m.call("rename of a directory", os.rename, a + "/dir", b + "/dir", after={"dir": b + "/dir"})
    os.rename(b + "/dir", a + "/dir")
    write_file(b + "/g")
    x = Watch(r, a=a, b=b, f=a + "/f", g=b + "/g")
    x.call("exchange", renameat2, a + "/f", b + "/g", RENAME_EXCHANGE, after={"f": b + "/g", "g": a + "/f"})
    w = Watch(r, a=a, s=a + "/s")
    w.call("chown of a symlink", os.chown, a + "/s", -1, -1, follow_symlinks=False)
    w.call("chmod of a directory", os.chmod, a, 0o750)
    w.call("chown of a directory", os.chown, a, -1, -1)
    w.call("xattr of a directory", os.setxattr, a, "user.x", b"1")
    w.call("listing", lambda: len(os.listdir(a)))
    w.call("readlink", os.readlink, a + "/s")
    w.call("lookup of nothing", os.path.exists, a + "/nothing")
    return r


def call_times_of_files(d):
    r = Recorder()
    f = d + "/f"
    write_file(f, b"x" * 10000)
    fd = os.open(f, os.O_RDWR)
    w = Watch(r, f=f, d=d)

    def then_sync(function, *arguments):
        # With a writeback cache the times of a write are the kernel's until it is written.
        def run():
            function(*arguments)
            os.fsync(fd)
        return run

    w.call("write", then_sync(os.pwrite, fd, b"y", 0))
    w.call("write of nothing", os.pwrite, fd, b"", 0)
    w.call("append", then_sync(os.pwrite, fd, b"z", 10000))
    w.call("read", os.pread, fd, 100, 0)
    w.call("truncate to the same size", os.truncate, f, 10001)
    w.call("ftruncate to the same size", os.ftruncate, fd, 10001)
    w.call("truncate down", os.truncate, f, 9000)
    w.call("truncate up", os.truncate, f, 9001)
    w.call("open with O_TRUNC", lambda: os.close(os.open(f, os.O_WRONLY | os.O_TRUNC)))
    w.call("open with O_TRUNC, empty already", lambda: os.close(os.open(f, os.O_WRONLY | os.O_TRUNC)))
    w.call("open and close", lambda: os.close(os.open(f, os.O_RDWR)))
    w.call("open with O_CREAT", lambda: os.close(os.open(f, os.O_RDWR | os.O_CREAT)))
    os.pwrite(fd, b"w" * 20000, 0)
    os.fsync(fd)
    w.call("allocate", fallocate, fd, 0, 0, 40000)
    w.call("allocate what is there", fallocate, fd, 0, 0, 40000)
    w.call("allocate behind the end", fallocate, fd, FALLOC_KEEP_SIZE, 50000, 40000)
    w.call("punch", fallocate, fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 4096, 8192)
    w.call("zero", fallocate, fd, FALLOC_ZERO, 0, 5000)
    w.call("chmod", os.chmod, f, 0o600)
    w.call("chmod to the same", os.chmod, f, 0o600)
    w.call("chown to nobody else", os.chown, f, -1, -1)
    w.call("chown to the same", os.chown, f, os.getuid(), os.getgid())
    w.call("setxattr", os.setxattr, f, "user.x", b"1")
    w.call("setxattr to the same", os.setxattr, f, "user.x", b"1")
    w.call("failing setxattr", os.setxattr, f, "user.x", b"1", os.XATTR_CREATE)
    w.call("removexattr", os.removexattr, f, "user.x")
    w.call("failing removexattr", os.removexattr, f, "user.x")
    w.call("fsync", os.fsync, fd)
    w.call("flock", fcntl.flock, fd, fcntl.LOCK_EX)
    write_file(d + "/source", b"s" * 9000)
    source = os.open(d + "/source", os.O_RDONLY)
    c = Watch(r, f=f, source=d + "/source")
    c.call("copy_file_range", os.copy_file_range, source, fd, 9000, 0, 0)
    c.call("copy_file_range of nothing", os.copy_file_range, source, fd, 0, 0, 0)
    c.call("copy_file_range behind the end", os.copy_file_range, source, fd, 10, 9000, 0)
    os.close(source)
    os.close(fd)
    return r


def call_time_values(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/sub")
    os.symlink("f", d + "/s")
    os.mkfifo(d + "/fifo")
    # Up to 2446, which is as far as ext4 goes.
    values = [0, 1, 999_999_999, -1, -10**9, -2**31 * 10**9, (2**31 - 1) * 10**9, 2**31 * 10**9, 2**32 * 10**9 + 123456789,
              15_000_000_000 * 10**9 + 1]
    for name in ("f", "sub", "s", "fifo"):
        path = os.path.join(d, name)
        for value in values:
            r.do("utimens", os.utime, path, ns=(value, values[-1] - abs(value)), follow_symlinks=False)
            st = os.lstat(path)
            r.note(f"{name} {value}", (st.st_atime_ns, st.st_mtime_ns))
    fd = os.open(d + "/f", os.O_RDONLY)
    r.do("futimens", os.utime, fd, ns=(5, 7))
    r.note("values", (os.fstat(fd).st_atime_ns, os.fstat(fd).st_mtime_ns))
    os.close(fd)
    return r


def call_times_now_and_omit(d):
    """utimensat with UTIME_NOW and UTIME_OMIT, which Python's os does not offer."""
    import ctypes
    import struct

    libc = ctypes.CDLL(None, use_errno=True)
    now, omit = (1 << 30) - 1, (1 << 30) - 2

    def utimensat(path, atime, mtime):
        times = struct.pack("qqqq", 0, atime, 0, mtime)
        if libc.utimensat(-100, os.fsencode(path), times, 0x100) != 0:
            raise OSError(ctypes.get_errno(), "utimensat")

    r = Recorder()
    write_file(d + "/f")
    os.symlink("f", d + "/s")
    for path in (d + "/f", d + "/s", d):
        for atime, mtime in ((now, now), (omit, now), (now, omit), (omit, omit), (5, omit), (omit, 5), (10**9, 0), (0, -1)):
            age(path)
            before = os.lstat(path)
            r.do(f"utimensat {atime} {mtime}", utimensat, path, atime, mtime)
            after = os.lstat(path)
            # Compared with the clock: a time that is now, one that is 0 s + n ns, or the old one.
            shown = [value if value < 10**9 else "old" if value == OLD else "now" for value in
                     (after.st_atime_ns, after.st_mtime_ns)]
            r.note("times", shown + [after.st_ctime_ns != before.st_ctime_ns])
    return r
