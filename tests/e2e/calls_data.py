"""Calls on file data: reading, writing, holes, fallocate, copy_file_range, mmap, locks, syncing."""

import fcntl
import mmap
import os
import random
import resource

from calls_support import Recorder, hash_of, read_file, segments, times, write_file
from harness import (FALLOC_COLLAPSE, FALLOC_INSERT, FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO, fallocate)

BLOCK = 4096


def summary(path):
    data = read_file(path)
    return len(data), hash_of(data)


def call_read_write_positions(d):
    r = Recorder()
    rng = random.Random(1)
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    for _ in range(300):
        offset = rng.choice([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, rng.randrange(1 << 20), 12345678])
        length = rng.choice([0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, rng.randrange(200000)])
        if rng.random() < 0.6:
            r.do("pwrite", os.pwrite, fd, rng.randbytes(length), offset)
        elif rng.random() < 0.8:
            r.do("pread", lambda o=offset, n=length: hash_of(os.pread(fd, n, o)))
        else:
            r.do("ftruncate", os.ftruncate, fd, rng.randrange(2 << 20))
        r.note("size", os.fstat(fd).st_size)
    r.do("read beyond the end", os.pread, fd, 10, 1 << 40)
    r.do("writev", os.pwritev, fd, [b"one", b"", b"two" * 5000], 77)
    r.do("negative offset", os.lseek, fd, -1, os.SEEK_SET)
    r.do("seek beyond the end", os.lseek, fd, 1 << 33, os.SEEK_SET)
    r.do("write there", os.write, fd, b"far")
    r.note("size", os.fstat(fd).st_size)
    r.note("only that block is new", os.fstat(fd).st_blocks < 100000)
    os.close(fd)
    r.note("contents at last", hash_of(os.pread(fd2 := os.open(d + "/f", os.O_RDONLY), 14 << 20, 0)))
    os.close(fd2)
    return r


def call_truncate(d):
    r = Recorder()
    write_file(d + "/f", b"x" * 10000)
    for size in (10000, 9999, 4097, 4096, 4095, 1, 0, 5000, 3, 100000):
        r.do(f"truncate {size}", os.truncate, d + "/f", size)
        r.note("contents", summary(d + "/f"))
    r.do("negative", os.truncate, d + "/f", -1)
    r.do("of a directory", os.truncate, d, 0)
    r.do("of nothing", os.truncate, d + "/none", 0)
    r.do("sparse and huge", os.truncate, d + "/f", 1 << 42)
    r.note("size and blocks", (os.stat(d + "/f").st_size, os.stat(d + "/f").st_blocks < 1000))
    # What was cut off must not come back.
    write_file(d + "/g", b"secret" * 1000)
    os.truncate(d + "/g", 10)
    os.truncate(d + "/g", 6000)
    r.note("zeros, not the old bytes", summary(d + "/g"))
    return r


def call_file_size_limit(d):
    r = Recorder()
    pid = os.fork()
    if pid == 0:
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        fd = os.open(d + "/f", os.O_CREAT | os.O_WRONLY)
        written = os.write(fd, b"x" * 10000)
        try:
            os.write(fd, b"y")
            os._exit(1)
        except OSError as error:
            os._exit(2 if error.errno == 27 and written == 8192 else 3)
    r.note("EFBIG", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    r.note("size", os.stat(d + "/f").st_size)
    return r


def call_holes(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    r.note("empty", segments(fd))
    r.do("data in an empty file", os.lseek, fd, 0, os.SEEK_DATA)
    for offset in (1 << 20, 5 << 20, 16 << 20):
        os.pwrite(fd, b"d" * BLOCK * 16, offset)
    os.ftruncate(fd, 64 << 20)
    os.fsync(fd)
    r.note("segments", segments(fd))
    r.do("hole at 0", os.lseek, fd, 0, os.SEEK_HOLE)
    r.do("hole in data", os.lseek, fd, (1 << 20) + 5, os.SEEK_HOLE)
    r.do("data in data", os.lseek, fd, (1 << 20) + 5, os.SEEK_DATA)
    r.do("data after the last", os.lseek, fd, 17 << 20, os.SEEK_DATA)
    r.do("data at the end", os.lseek, fd, 64 << 20, os.SEEK_DATA)
    r.do("hole beyond the end", os.lseek, fd, 65 << 20, os.SEEK_HOLE)
    r.note("blocks", os.fstat(fd).st_blocks)
    r.note("contents", summary(d + "/f"))
    os.close(fd)
    return r


def call_fallocate(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    r.do("allocate", fallocate, fd, 0, 0, 100000)
    r.note("size", os.fstat(fd).st_size)
    os.pwrite(fd, b"a" * 200000, 0)
    r.do("keep size", fallocate, fd, FALLOC_KEEP_SIZE, 0, 400000)
    r.note("size", os.fstat(fd).st_size)
    r.do("within", fallocate, fd, 0, 50000, 1000)
    r.note("contents", summary(d + "/f"))
    for offset, length in ((BLOCK, 3 * BLOCK), (100, 50), (5000, 9000), (190000, 50000), (1 << 30, 10)):
        r.do("punch", fallocate, fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length)
        r.note("contents", summary(d + "/f"))
    for offset, length in ((BLOCK * 10, BLOCK), (70000, 10), (199990, 5000)):
        r.do("zero", fallocate, fd, FALLOC_ZERO, offset, length)
        r.note("contents", summary(d + "/f"))
    r.do("zero and keep size", fallocate, fd, FALLOC_ZERO | FALLOC_KEEP_SIZE, 300000, 10)
    r.note("size", os.fstat(fd).st_size)
    r.do("punch without keep size", fallocate, fd, FALLOC_PUNCH_HOLE, 0, 10)
    r.do("length 0", fallocate, fd, 0, 0, 0)
    r.do("negative offset", fallocate, fd, 0, -1, 10)
    os.close(fd)
    fd = os.open(d + "/f", os.O_RDONLY)
    r.do("read-only", fallocate, fd, 0, 0, 10)
    os.close(fd)
    return r


def call_punching_frees_blocks(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"p" * (4 << 20), 0)
    os.fsync(fd)
    r.note("blocks", os.fstat(fd).st_blocks)
    fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 1 << 20, 2 << 20)
    r.note("blocks", os.fstat(fd).st_blocks)
    r.note("segments", segments(fd))
    os.ftruncate(fd, 1 << 20)
    r.note("blocks", os.fstat(fd).st_blocks)
    os.pwrite(fd, b"q", 1 << 21)
    os.fsync(fd)
    r.note("blocks", os.fstat(fd).st_blocks)
    os.close(fd)
    return r


def call_copy_file_range(d):
    r = Recorder()
    rng = random.Random(3)
    write_file(d + "/a", rng.randbytes(300000))
    a = os.open(d + "/a", os.O_RDWR)
    b = os.open(d + "/b", os.O_CREAT | os.O_RDWR)

    def copy(what, count, from_offset, to_offset, source=a, target=b):
        done = 0
        while done < count:
            n = r.do(what, os.copy_file_range, source, target, count - done, from_offset + done, to_offset + done)
            if not n:
                break
            done += n
        r.note("target", summary(d + "/b"))

    copy("whole", 300000, 0, 0)
    copy("unaligned", 12345, 777, 100001)
    copy("beyond the end", 1000, 299500, 400000)
    copy("within one file", 10000, 0, 50000, b, b)
    copy("overlapping", 10000, 0, 5000, b, b)
    os.ftruncate(a, 0)
    os.ftruncate(a, 1 << 20)
    copy("a hole", 1 << 20, 0, 0)
    os.close(a)
    os.close(b)
    return r


def call_mmap(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 5 * BLOCK + 100)
    with mmap.mmap(fd, 5 * BLOCK + 100) as m:
        m[0:5] = b"hello"
        m[5 * BLOCK:5 * BLOCK + 4] = b"last"
        r.note("seen by read", os.pread(fd, 5, 0))
        os.pwrite(fd, b"JELLO", 0)
        r.note("write seen in the map", bytes(m[0:5]))
        m.flush()
        with mmap.mmap(fd, BLOCK, flags=mmap.MAP_PRIVATE) as private:
            private[0:1] = b"p"
        r.note("private stays private", os.pread(fd, 1, 0))
    os.close(fd)
    r.note("contents", summary(d + "/f"))
    fd = os.open(d + "/f", os.O_RDWR)
    with mmap.mmap(fd, 2 * BLOCK) as m:
        m[BLOCK] = 33
        pid = os.fork()
        if pid == 0:
            m[BLOCK + 1] = 34
            os._exit(0)
        os.waitpid(pid, 0)
        r.note("shared between processes", bytes(m[BLOCK:BLOCK + 2]))
        os.unlink(d + "/f")
        m[7] = 35
        r.note("after unlink", m[7])
    os.close(fd)
    return r


def call_appenders(d):
    """Two processes append; nothing is lost or torn."""
    r = Recorder()
    children = []
    for letter in (b"a", b"b"):
        pid = os.fork()
        if pid == 0:
            fd = os.open(d + "/f", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            for _ in range(500):
                os.write(fd, letter * 99 + b"\n")
            os._exit(0)
        children.append(pid)
    for pid in children:
        r.note("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    lines = read_file(d + "/f").split(b"\n")
    r.note("lines", (lines.count(b"a" * 99), lines.count(b"b" * 99), len(lines)))
    return r


def call_locks(d):
    r = Recorder()
    write_file(d + "/f")
    a = os.open(d + "/f", os.O_RDWR)
    b = os.open(d + "/f", os.O_RDWR)
    r.do("flock", fcntl.flock, a, fcntl.LOCK_EX)
    r.do("second flock", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(a, fcntl.LOCK_UN)
    r.do("after unlock", fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    r.do("record lock", fcntl.lockf, a, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
    pid = os.fork()
    if pid == 0:
        try:
            fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
            os._exit(0)
        except OSError:
            os._exit(1)
    r.note("overlapping record lock", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(a)
    os.close(b)
    return r


def call_sync(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 50000)
    before = times(d + "/f")[1:]
    r.do("fsync", os.fsync, fd)
    r.do("fdatasync", os.fdatasync, fd)
    r.note("times stay", before == times(d + "/f")[1:])
    os.close(fd)
    directory = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
    r.do("fsync of a directory", os.fsync, directory)
    os.close(directory)
    return r


def call_direct_io(d):
    r = Recorder()
    fd = r.fd("create with O_DIRECT", d + "/f", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, 1 << 20) as buffer:
        buffer.write(random.Random(5).randbytes(1 << 20))
        r.do("write", os.pwrite, fd, buffer, 0)
        r.do("write at a block", os.pwrite, fd, memoryview(buffer)[:BLOCK], 7 * BLOCK)
        r.note("buffered read sees it", summary(d + "/f"))
        buffer[:] = bytes(1 << 20)
        r.do("read", os.preadv, fd, [buffer], 0)
        r.note("bytes", hash_of(bytes(buffer)))
    os.close(fd)
    return r


def call_collapse_and_insert(d):
    """Not offered over FUSE: must be refused and change nothing. Compared with itself, as native filesystems have them."""
    r = Recorder()
    write_file(d + "/f", b"c" * 5 * BLOCK)
    fd = os.open(d + "/f", os.O_RDWR)
    for mode in (FALLOC_COLLAPSE, FALLOC_INSERT):
        try:
            fallocate(fd, mode, BLOCK, BLOCK)
            fallocate(fd, FALLOC_INSERT if mode == FALLOC_COLLAPSE else FALLOC_COLLAPSE, BLOCK, BLOCK)
        except OSError:
            pass
        r.note("size", os.fstat(fd).st_size)
    os.close(fd)
    return r
