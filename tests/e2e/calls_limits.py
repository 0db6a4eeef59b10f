"""Calls at the edges: alignments of every kind, zeros and holes, whiteouts, many links, xattrs and their errors."""

import mmap
import os
import random
import stat

from calls_support import Recorder, attributes, hash_of, segments, write_file
from harness import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO, fallocate, renameat2

BLOCK = 4096
RENAME_WHITEOUT = 4


def contents(fd):
    size = os.fstat(fd).st_size
    return size, hash_of(os.pread(fd, size, 0))


def state(fd):
    """Also allocated blocks, and where the data lies."""
    os.fsync(fd)
    return *contents(fd), os.fstat(fd).st_blocks, segments(fd)


def call_ranges_at_every_alignment(d):
    r = Recorder()
    edges = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 1, 3 * BLOCK, 3 * BLOCK + 5, 5 * BLOCK, 5 * BLOCK + 7]
    modes = {"punch": FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, "zero": FALLOC_ZERO, "zero, keep size": FALLOC_ZERO | FALLOC_KEEP_SIZE,
             "allocate": 0, "allocate, keep size": FALLOC_KEEP_SIZE}
    number = 0
    for what, mode in modes.items():
        for begin in edges:
            for end in edges:
                if end <= begin:
                    continue
                number += 1
                fd = os.open(f"{d}/f{number % 7}", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
                # Two blocks of data, a hole of one, and data up to the middle of a block.
                os.pwrite(fd, b"a" * (2 * BLOCK), 0)
                os.pwrite(fd, b"b" * (BLOCK + 100), 3 * BLOCK)
                r.do(f"{what} {begin} {end}", fallocate, fd, mode, begin, end - begin)
                # Where little is preallocated or zeroed, ext4 writes zeros instead, which are data: what is a hole then
                # is its own affair (tests/fs/file_data_test.cc has a model of ours).
                r.note(f"{what} {begin} {end}", state(fd) if what == "punch" else contents(fd))
                os.close(fd)
    return r


def call_written_zeros_are_data(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, bytes(3 * BLOCK), 2 * BLOCK)
    r.note("zeros", state(fd))
    os.pwrite(fd, bytes(10), 8 * BLOCK)
    r.note("less than a block of them", state(fd))
    os.ftruncate(fd, 3 * BLOCK)
    os.ftruncate(fd, 30 * BLOCK)
    r.note("cut and made longer", state(fd))
    fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 2 * BLOCK, BLOCK)
    r.note("punched", state(fd))
    os.close(fd)
    return r


def call_direct_io_at_any_alignment(d):
    r = Recorder()
    rng = random.Random(11)
    fd = r.fd("create", d + "/f", os.O_CREAT | os.O_RDWR)
    direct = r.fd("direct", d + "/f", os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, 64 * BLOCK) as buffer:
        for _ in range(60):
            # What ext4 takes as well: the device's sectors.
            offset, length = rng.randrange(0, 300) * 512, rng.randrange(1, 200) * 512
            buffer[:length] = rng.randbytes(length)
            os.pwrite(direct, memoryview(buffer)[:length], offset)
            os.pwrite(fd, rng.randbytes(100), rng.randrange(0, 100000))
            r.note("seen", hash_of(os.pread(fd, 1 << 20, 0)))
            memory = memoryview(buffer)[:length]
            r.do("read", os.preadv, direct, [memory], offset)
            r.note("read", hash_of(bytes(memory)))
            memory.release()
    os.close(direct)
    os.close(fd)
    return r


def call_whiteouts(d):
    r = Recorder()
    write_file(d + "/a")
    write_file(d + "/b")
    os.mkdir(d + "/sub")
    r.do("whiteout", renameat2, d + "/a", d + "/c", RENAME_WHITEOUT)
    r.note("what is left", attributes(d + "/a"))
    r.do("over a file", renameat2, d + "/b", d + "/c", RENAME_WHITEOUT)
    r.note("what is left", attributes(d + "/b"))
    r.do("of a directory", renameat2, d + "/sub", d + "/moved", RENAME_WHITEOUT)
    r.note("what is left", attributes(d + "/sub"))
    r.do("with exchange", renameat2, d + "/c", d + "/moved", RENAME_WHITEOUT | 2)
    r.do("with noreplace", renameat2, d + "/c", d + "/fresh", RENAME_WHITEOUT | 1)
    r.note("listing", sorted(os.listdir(d)))
    r.note("links", os.stat(d).st_nlink)
    return r


def call_xattr_namespaces(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/sub")
    os.mkfifo(d + "/fifo")
    os.symlink("f", d + "/s")
    os.mknod(d + "/socket", stat.S_IFSOCK | 0o644)
    if os.geteuid() == 0:
        os.mknod(d + "/null", stat.S_IFCHR | 0o644, os.makedev(1, 3))
    for name in sorted(os.listdir(d)):
        path = os.path.join(d, name)
        for xattr in ("user.a", "trusted.a", "security.silt", "system.a", "nonsense", "nonsense.a", "user", "user.", "trusted.",
                      "security.", "system.posix_acl_nonsense", "", "user." + "n" * 250, "user." + "n" * 251):
            if os.geteuid() != 0 and xattr.startswith(("trusted", "security")):
                continue
            r.do(f"{name}: get {xattr}", os.getxattr, path, xattr, follow_symlinks=False)
            r.do(f"{name}: remove {xattr}", os.removexattr, path, xattr, follow_symlinks=False)
            for flags in (os.XATTR_REPLACE, os.XATTR_CREATE, os.XATTR_CREATE, os.XATTR_REPLACE, 0,
                          os.XATTR_CREATE | os.XATTR_REPLACE, 8):
                r.do(f"{name}: set {xattr} with {flags}", os.setxattr, path, xattr, b"v%d" % flags, flags,
                     follow_symlinks=False)
            r.do(f"{name}: get {xattr}", os.getxattr, path, xattr, follow_symlinks=False)
        r.note(f"{name}: list", sorted(os.listxattr(path, follow_symlinks=False)))
    r.do("value too long", os.setxattr, d + "/f", "user.big", bytes(65537))
    r.do("of a file that is not there", os.getxattr, d + "/none", "user.a")
    return r
