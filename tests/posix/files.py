"""What one process can see and a script cannot say: leases, statx, listings that change, faults within calls, odd offsets.

A call_* function gets an empty directory and returns what happened (tests/e2e/calls_support.py).
"""

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import stat
import struct
import threading

from calls_support import Recorder, attributes, changed, read_file, times, write_file
from harness import RENAME_EXCHANGE, DirectoryStream, fallocate, renameat2
from processes import in_child, mapped

PAGE = mmap.PAGESIZE
LARGEST = (1 << 63) - 1

_libc = ctypes.CDLL(None, use_errno=True)


def failed():
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


# ---- listings ----

def listed(path):
    stream = DirectoryStream(path)
    names = []
    while (name := stream.read()) is not None:
        names.append(name)
    stream.close()
    return sorted(names)


def call_listing_renames_what_it_lists(d):
    """Each name is changed and changed back as it is read: the listing must come to its end."""
    r = Recorder()
    for i in range(3000):
        write_file(f"{d}/f{i}", b"")
    stream = DirectoryStream(d)
    count = 0
    while (name := stream.read()) is not None and count < 20000:
        if name not in (b".", b".."):
            count += 1
            path = os.fsencode(d) + b"/" + name
            os.rename(path, path + b"-for-a-moment")
            os.rename(path + b"-for-a-moment", path)
    stream.close()
    r.note("ends", count < 6001)
    r.note("names", len(listed(d)))
    return r


def call_listing_removes_what_it_lists(d):
    r = Recorder()
    for i in range(2000):
        write_file(f"{d}/f{i}", b"")
    stream = DirectoryStream(d)
    while (name := stream.read()) is not None:
        if name not in (b".", b".."):
            os.unlink(os.fsencode(d) + b"/" + name)
    stream.close()
    r.note("left", listed(d))
    return r


def call_listing_of_what_was_opened_empty(d):
    """rewinddir shows what came since; without it a stream may show it or not."""
    r = Recorder()
    stream = DirectoryStream(d)
    while stream.read() is not None:
        pass
    write_file(d + "/new", b"")
    stream.rewind()
    names = []
    while (name := stream.read()) is not None:
        names.append(name)
    r.note("rewound", sorted(names))
    os.unlink(d + "/new")
    stream.rewind()
    names = []
    while (name := stream.read()) is not None:
        names.append(name)
    r.note("and gone again", sorted(names))
    stream.close()
    return r


def call_seekdir_returns(d):
    """Every position that telldir gave leads to the entry that followed, also when others have gone."""
    r = Recorder()
    for i in range(500):
        write_file(f"{d}/f{i}", b"")
    stream = DirectoryStream(d)
    positions = []
    while True:
        position = stream.tell()
        name = stream.read()
        if name is None:
            break
        positions.append((position, name))
    wrong = 0
    for position, name in reversed(positions):
        stream.seek(position)
        wrong += stream.read() != name
    r.note("wrong", wrong)
    gone = {name for _, name in positions[1::7] if name not in (b".", b"..")}
    for name in gone:
        os.unlink(os.fsencode(d) + b"/" + name)
    wrong = 0
    for position, name in positions:
        if name not in gone:
            stream.seek(position)
            wrong += stream.read() != name
    r.note("wrong with others gone", wrong)
    stream.close()
    return r


def call_entry_types(d):
    """d_type, of "." and ".." too."""
    r = Recorder()
    write_file(d + "/regular")
    os.mkdir(d + "/directory")
    os.symlink("x", d + "/symlink")
    os.mkfifo(d + "/fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(d)
        bound.bind("socket")
        os.chdir("/")
    if os.geteuid() == 0:
        os.mknod(d + "/character", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(d + "/block", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    _libc.opendir.restype = _libc.readdir.restype = ctypes.c_void_p
    stream = DirectoryStream(d)
    found = {}
    while entry := _libc.readdir(ctypes.c_void_p(stream.stream)):
        found[ctypes.string_at(entry + 19)] = ctypes.string_at(entry + 18, 1)
    stream.close()
    r.note("types", sorted(found.items()))
    return r


def call_readdir_of_a_removed_directory(d):
    r = Recorder()
    os.mkdir(d + "/gone")
    fd = os.open(d + "/gone", os.O_RDONLY)
    os.rmdir(d + "/gone")
    r.do("list", os.listdir, fd)
    r.do("create", os.open, "f", os.O_CREAT | os.O_RDWR, 0o600, dir_fd=fd)
    r.do("mkdir", os.mkdir, "f", dir_fd=fd)
    r.do("symlink", os.symlink, "x", "f", dir_fd=fd)
    r.note("nlink", os.fstat(fd).st_nlink)
    r.do("chmod", os.fchmod, fd, 0o700)
    r.do("stat ..", lambda: oct(os.stat("..", dir_fd=fd).st_mode))
    os.close(fd)
    return r


# ---- leases, locks seen from outside ----

def call_leases(d):
    r = Recorder()
    write_file(d + "/f")
    fd = os.open(d + "/f", os.O_RDONLY)
    r.do("none yet", fcntl.fcntl, fd, fcntl.F_GETLEASE)
    r.do("read lease", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    r.do("held", fcntl.fcntl, fd, fcntl.F_GETLEASE)
    r.do("write lease of a reader", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    r.do("given back", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    os.close(fd)
    writer = os.open(d + "/f", os.O_RDWR)
    r.do("read lease of a writer", fcntl.fcntl, writer, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    r.do("write lease", fcntl.fcntl, writer, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    broken, tell = os.pipe()
    handler = signal.signal(signal.SIGIO, lambda *_: os.write(tell, b"!"))

    def other():
        os.close(os.open(d + "/f", os.O_RDONLY | os.O_NONBLOCK))

    r.note("opened by another, not waiting", in_child(other))
    r.note("told", bool(select.select([broken], [], [], 10)[0]) and os.read(broken, 1))
    r.do("given up", fcntl.fcntl, writer, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    r.note("opened by another", in_child(other))
    signal.signal(signal.SIGIO, handler)
    directory = os.open(d, os.O_RDONLY)
    r.do("of a directory", fcntl.fcntl, directory, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    for number in (writer, directory, broken, tell):
        os.close(number)
    return r


# ---- statx ----

STATX_FORMAT = "IIQIIIH2xQQQQ"
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW = -100, 0x100, 0x400
AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC = 0x2000, 0x4000
STATX_BASIC_STATS, STATX_BTIME = 0x7ff, 0x800


def statx(path, mask, flags=AT_SYMLINK_NOFOLLOW):
    """mask, block size, attributes, nlink, uid, gid, mode, ino, size, blocks, attributes known; then the birth time."""
    buffer = ctypes.create_string_buffer(256)
    if _libc.statx(AT_FDCWD, os.fsencode(path), flags, mask, buffer) != 0:
        raise failed()
    fields = struct.unpack_from(STATX_FORMAT, buffer.raw)
    return fields, struct.unpack_from("qI", buffer.raw, 80)


def call_statx(d):
    r = Recorder()
    write_file(d + "/f", b"x" * 5000)
    os.symlink("f", d + "/s")
    os.mkfifo(d + "/p")
    for name in ("/f", "/s", "/p", ""):
        for how in (0, AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC):
            fields, _ = statx(d + name, STATX_BASIC_STATS, AT_SYMLINK_NOFOLLOW | how)
            r.note(f"basic {name} {how}", (fields[0] & STATX_BASIC_STATS, *fields[3:7]))
        st = os.lstat(d + name)
        fields, _ = statx(d + name, STATX_BASIC_STATS)
        r.note(f"as stat {name}", (fields[7] == st.st_ino, fields[8] == st.st_size, fields[9] == st.st_blocks, fields[6] == st.st_mode))
        fields, birth = statx(d + name, STATX_BASIC_STATS | STATX_BTIME)
        nanoseconds = birth[0] * 10**9 + birth[1]
        r.note(f"born {name}", (fields[0] & STATX_BTIME, abs(nanoseconds - st.st_ctime_ns) < 60 * 10**9))
    before = statx(d + "/f", STATX_BTIME)[1]
    os.utime(d + "/f", ns=(0, 0))
    os.chmod(d + "/f", 0o600)
    os.rename(d + "/f", d + "/g")
    os.link(d + "/g", d + "/h")
    r.note("birth stays", statx(d + "/g", STATX_BTIME)[1] == before == statx(d + "/h", STATX_BTIME)[1])
    for flags in (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 1 << 30):
        r.do(f"flags {flags}", statx, d + "/g", STATX_BASIC_STATS, flags)
    r.do("a reserved mask", statx, d + "/g", 0x80000000)
    r.do("nothing there", statx, d + "/none", STATX_BASIC_STATS)
    return r


# ---- offsets, sizes ----

def call_offsets_at_the_limits(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"data")
    for offset in (LARGEST, LARGEST - 1, LARGEST - 4096, 1 << 62, -1):
        r.do(f"read at {offset}", os.pread, fd, 10, offset)
        r.do(f"seek to data from {offset}", os.lseek, fd, offset, os.SEEK_DATA)
        r.do(f"seek to a hole from {offset}", os.lseek, fd, offset, os.SEEK_HOLE)
        r.do(f"advice at {offset}", os.posix_fadvise, fd, offset, 1, os.POSIX_FADV_DONTNEED)
    r.do("write at the very end", os.pwrite, fd, b"x", LARGEST)
    r.do("allocate past the end", os.posix_fallocate, fd, LARGEST, 1)
    r.do("allocate nothing", os.posix_fallocate, fd, 0, 0)
    r.do("allocate before the beginning", os.posix_fallocate, fd, -1, 10)
    r.do("allocate a negative length", os.posix_fallocate, fd, 0, -1)
    r.do("truncate below zero", os.ftruncate, fd, -1)
    r.note("size", os.fstat(fd).st_size)
    r.do("punch behind the end", fallocate, fd, 3, 1 << 40, 4096)
    r.do("zero behind the end, keeping the size", fallocate, fd, 17, 8192, 4096)
    r.do("unknown mode", fallocate, fd, 0x100, 0, 4096)
    r.do("punch without keeping the size", fallocate, fd, 2, 0, 4096)
    r.note("size", os.fstat(fd).st_size)
    os.close(fd)
    readonly = os.open(d + "/f", os.O_RDONLY)
    r.do("allocate read-only", fallocate, readonly, 0, 0, 4096)
    r.do("truncate read-only", os.ftruncate, readonly, 0)
    os.close(readonly)
    for name, make in (("fifo", os.mkfifo), ("directory", os.mkdir)):
        make(d + "/" + name)
        number = os.open(d + "/" + name, os.O_RDONLY | os.O_NONBLOCK)
        r.do(f"allocate a {name}", fallocate, number, 0, 0, 4096)
        r.do(f"truncate a {name}", os.ftruncate, number, 0)
        os.close(number)
    return r


def call_ranges_of_copies(d):
    """copy_file_range's rules: overlap, ends, kinds, descriptors the wrong way round."""
    r = Recorder()
    data = bytes(range(256)) * 64
    write_file(d + "/a", data)
    a = os.open(d + "/a", os.O_RDWR)
    b = os.open(d + "/b", os.O_CREAT | os.O_RDWR)
    append = os.open(d + "/b", os.O_WRONLY | os.O_APPEND)
    readonly = os.open(d + "/a", os.O_RDONLY)
    directory = os.open(d, os.O_RDONLY)
    os.mkfifo(d + "/p")
    fifo = os.open(d + "/p", os.O_RDWR)
    for what, source, target, length, source_at, target_at in (
            ("whole", a, b, 1 << 20, 0, 0), ("behind the end", a, b, 100, 1 << 20, 0), ("at the end", a, b, 100, len(data), 0),
            ("across the end", a, b, 5000, len(data) - 10, 3), ("nothing", a, b, 0, 0, 0), ("overlap", a, a, 1000, 0, 500),
            ("within", a, a, 1000, 0, 5000), ("onto itself", a, a, 1000, 0, 0), ("append", a, append, 10, 0, 0),
            ("to read-only", b, readonly, 10, 0, 0), ("from write-only", append, b, 10, 0, 0), ("directory", directory, b, 10, 0, 0),
            ("to a directory", a, directory, 10, 0, 0), ("fifo", fifo, b, 10, 0, 0), ("to a fifo", a, fifo, 10, 0, 0),
            ("to far away", a, b, 100, 0, 5 << 30), ("huge length", a, b, LARGEST, 0, 0)):
        r.do(what, os.copy_file_range, source, target, length, source_at, target_at)
        r.note(f"{what}: sizes", (os.fstat(a).st_size, os.fstat(b).st_size))
    r.do("closed", os.copy_file_range, 999, b, 10, 0, 0)
    os.lseek(a, 100, os.SEEK_SET)
    os.lseek(b, 50, os.SEEK_SET)
    r.do("positions", os.copy_file_range, a, b, 300)
    r.note("positions moved", (os.lseek(a, 0, os.SEEK_CUR), os.lseek(b, 0, os.SEEK_CUR)))
    r.note("contents", (read_file(d + "/a"), os.pread(b, 20000, 0)))

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        return [os.copy_file_range(a, b, 1000, 0, 19500), os.copy_file_range(a, b, 1000, 0, 20000)]

    r.note("at the size limit", in_child(limited))
    for fd in (a, b, append, readonly, directory, fifo):
        os.close(fd)
    return r


def call_wrong_descriptors(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/d")
    directory = os.open(d + "/d", os.O_RDONLY)
    path = os.open(d + "/f", os.O_PATH)
    writeonly = os.open(d + "/f", os.O_WRONLY)
    for name, fd in (("directory", directory), ("path", path), ("write-only", writeonly)):
        r.do(f"read {name}", os.read, fd, 1)
        r.do(f"write {name}", os.write, fd, b"x")
        r.do(f"seek {name}", os.lseek, fd, 0, os.SEEK_SET)
        r.do(f"chmod {name}", os.fchmod, fd, 0o644)
        r.do(f"fsync {name}", os.fsync, fd)
        r.do(f"stat {name}", lambda fd=fd: oct(os.fstat(fd).st_mode))
        r.do(f"xattr {name}", os.setxattr, fd, "user.a", b"b")
        os.close(fd)
    return r


# ---- page faults within calls: the buffer is a mapping of the file itself ----

def call_writes_out_of_a_mapping_of_the_file(d):
    r = Recorder()
    for direct in (0, os.O_DIRECT):
        name = f"{d}/f{direct}"
        write_file(name, bytes(i // 64 % 256 for i in range(64 * PAGE)))
        fd = os.open(name, os.O_RDWR | direct)
        view = mmap.mmap(fd, 64 * PAGE)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        r.do("elsewhere", os.pwritev, fd, [memoryview(view)[:4 * PAGE]], 32 * PAGE)
        r.do("onto itself", os.pwritev, fd, [memoryview(view)[:4 * PAGE]], 0)
        if not direct:
            r.do("half over itself", os.pwritev, fd, [memoryview(view)[:2 * PAGE]], PAGE)
        r.do("read into it", os.preadv, fd, [memoryview(view)[8 * PAGE:10 * PAGE]], 16 * PAGE)
        view.flush()
        r.note("the rest", os.pread(fd, 60 * PAGE, 0) == view[:60 * PAGE] if not direct else "not compared")
        r.note("copied", view[32 * PAGE:36 * PAGE] == view[:4 * PAGE] if direct else "not compared")
        view.close()
        os.close(fd)
    r.note("contents", read_file(f"{d}/f0")[:8 * PAGE])
    return r


def call_reads_into_a_mapping_of_another_file(d):
    """Buffered and direct, with pages of the target not yet there."""
    r = Recorder()
    data = os.urandom(16 * PAGE)
    write_file(d + "/from", data)
    for direct in (0, os.O_DIRECT):
        target = os.open(f"{d}/to{direct}", os.O_CREAT | os.O_RDWR)
        os.ftruncate(target, 16 * PAGE)
        view = mmap.mmap(target, 16 * PAGE)
        source = os.open(d + "/from", os.O_RDONLY | direct)
        r.do("read", os.preadv, source, [view], 0)
        r.note("the same", view[:] == data)
        view.close()
        os.close(source)
        r.note("in the file", os.pread(target, 16 * PAGE, 0) == data)
        os.close(target)
    return r


def call_stores_by_many_threads(d):
    """Threads store into pages of holes and of preallocated space of one mapping, in different orders: nothing is lost."""
    r = Recorder()
    for allocated in (False, True):
        name = f"{d}/f{int(allocated)}"
        fd = os.open(name, os.O_CREAT | os.O_RDWR)
        pages, workers = 256, 4
        os.ftruncate(fd, pages * PAGE)
        if allocated:
            fallocate(fd, 0, 0, pages * PAGE)
        view = mmap.mmap(fd, pages * PAGE)

        def store(worker, view=view):
            for i in range(pages):
                page = (i * (2 * worker + 1)) % pages
                at = page * PAGE + worker * 8
                view[at:at + 8] = struct.pack("II", worker, page)

        threads = [threading.Thread(target=store, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        view.close()
        contents = os.pread(fd, pages * PAGE, 0)
        wrong = sum(struct.unpack_from("II", contents, page * PAGE + worker * 8) != (worker, page)
                    for page in range(pages) for worker in range(workers))
        r.note("wrong", wrong)
        r.note("blocks", os.fstat(fd).st_blocks >= pages * PAGE // 512)
        os.close(fd)
    return r


def call_times_by_mappings(d):
    """A store is a change of the file, seen at the latest when the mapping is gone."""
    r = Recorder()
    write_file(d + "/f", b"x" * PAGE)
    fd = os.open(d + "/f", os.O_RDWR)
    os.utime(d + "/f", ns=(10**18, 10**18))
    before = times(d + "/f")
    view = mmap.mmap(fd, PAGE)
    view[0:1] = b"y"
    view.close()
    r.note("stored", [name for name in changed(before, times(d + "/f"))[0] if name != "atime"])
    os.utime(d + "/f", ns=(10**18, 10**18))
    before = times(d + "/f")
    view = mmap.mmap(fd, PAGE)
    r.note("read", view[0:2])
    view.close()
    r.note("only read", [name for name in changed(before, times(d + "/f"))[0] if name != "atime"])
    os.close(fd)
    return r


# ---- ends of files, blocks ----

def call_blocks_are_never_none(d):
    """A file that holds data has blocks from the first write on."""
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    seen = []
    for i in range(20):
        os.pwrite(fd, b"x" * 4096, i * 4096)
        seen.append(os.fstat(fd).st_blocks > 0)
    r.note("blocks", all(seen))
    os.ftruncate(fd, 0)
    r.note("and none at last", os.fstat(fd).st_blocks)
    os.close(fd)
    return r


def call_size_changes_are_clean(d):
    """What was behind the end never shows when the file grows again."""
    r = Recorder()
    for first, cut, grown in ((10000, 5000, 20000), (4096, 1, 4096), (8192, 4096, 12288), (100, 0, 100)):
        write_file(d + "/f", b"x" * first)
        os.truncate(d + "/f", cut)
        os.truncate(d + "/f", grown)
        r.note(f"{first} {cut} {grown}", read_file(d + "/f") == b"x" * cut + bytes(grown - cut))
        write_file(d + "/g", b"x" * first)
        fd = os.open(d + "/g", os.O_RDWR)
        os.ftruncate(fd, cut)
        os.pwrite(fd, b"y", grown)
        r.note(f"written behind {first} {cut} {grown}", os.pread(fd, grown + 10, 0) == b"x" * cut + bytes(grown - cut) + b"y")
        os.close(fd)
    return r


def call_appends_ignore_positions(d):
    r = Recorder()
    write_file(d + "/f", b"0123456789")
    fd = os.open(d + "/f", os.O_RDWR | os.O_APPEND)
    r.do("pwrite", os.pwrite, fd, b"AB", 2)
    r.note("contents", read_file(d + "/f"))
    os.lseek(fd, 3, os.SEEK_SET)
    r.do("write", os.write, fd, b"CD")
    r.note("position", os.lseek(fd, 0, os.SEEK_CUR))
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    r.do("without O_APPEND", os.pwrite, fd, b"EF", 2)
    r.note("contents", read_file(d + "/f"))
    os.close(fd)
    return r


def call_xattr_values(d):
    """Values that grow, shrink and go; times; what a list holds."""
    r = Recorder()
    write_file(d + "/f")
    for size in (0, 1, 100, 1000, 3000, 10, 0):
        r.do(f"set {size}", os.setxattr, d + "/f", "user.a", b"v" * size)
        r.do("get", os.getxattr, d + "/f", "user.a")
    for name in ("user." + "n" * 250, "user." + "n" * 251, "user.a/b", "user.\u00e9", "user. ", "User.a", "user", "security.x", "trusted.x",
                 "system.x", "btrfs.x", ""):
        r.do(f"name {name[:20]}", os.setxattr, d + "/f", name, b"value")
    r.note("list", sorted(os.listxattr(d + "/f")))
    before = times(d + "/f")
    os.setxattr(d + "/f", "user.a", b"other")
    r.note("times after a change", changed(before, times(d + "/f"))[0])
    before = times(d + "/f")
    os.setxattr(d + "/f", "user.a", b"other")
    r.note("after none", changed(before, times(d + "/f"))[0])
    os.removexattr(d + "/f", "user.a")
    r.note("after removal", changed(before, times(d + "/f"))[0])
    return r


def call_exchange_of_kinds(d):
    r = Recorder()
    os.mkdir(d + "/d")
    write_file(d + "/d/inside")
    write_file(d + "/f")
    os.symlink("f", d + "/s")
    os.mkdir(d + "/e")
    for one, other in (("d", "f"), ("f", "s"), ("d/inside", "s"), ("e", "d"), ("d", "e")):
        r.do(f"{one} {other}", renameat2, f"{d}/{one}", f"{d}/{other}", RENAME_EXCHANGE)
        r.note("are", [(name, attributes(f"{d}/{name}")) for name in sorted(os.listdir(d))])
    r.do("a directory and what is in it", renameat2, d + "/d", d + "/d/inside", RENAME_EXCHANGE)
    r.do("with nothing", renameat2, d + "/d", d + "/none", RENAME_EXCHANGE)
    return r


def link_descriptor(fd, path):
    if _libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, os.fsencode(path), AT_SYMLINK_FOLLOW) != 0:
        raise failed()


def call_temporary_files(d):
    """O_TMPFILE: no name until linkat gives one; O_EXCL: never."""
    r = Recorder()
    flag = getattr(os, "O_TMPFILE")
    fd = r.fd("open", d, os.O_RDWR | flag, 0o640)
    if fd < 0:
        return r
    r.do("write", os.write, fd, b"unseen")
    r.note("nlink", os.fstat(fd).st_nlink)
    r.note("names", os.listdir(d))
    r.do("link", link_descriptor, fd, d + "/named")
    r.note("named", (attributes(d + "/named"), read_file(d + "/named")))
    r.do("link again", link_descriptor, fd, d + "/twice")
    r.note("nlink", os.fstat(fd).st_nlink)
    os.close(fd)
    fd = r.fd("open for good", d, os.O_RDWR | flag | os.O_EXCL, 0o600)
    r.do("link", link_descriptor, fd, d + "/never")
    os.close(fd)
    r.fd("read-only", d, os.O_RDONLY | flag, 0o600)
    r.fd("in a file", d + "/named", os.O_RDWR | flag, 0o600)
    r.fd("in nothing", d + "/none", os.O_RDWR | flag, 0o600)
    os.umask(0o077)
    fd = r.fd("umask", d, os.O_RDWR | flag, 0o666)
    os.umask(0o022)
    r.note("mode", oct(os.fstat(fd).st_mode))
    os.close(fd)
    many = [os.open(d, os.O_RDWR | flag, 0o600) for _ in range(100)]
    for i, fd in enumerate(many):
        os.write(fd, b"%d" % i)
    r.note("each its own", all(os.pread(fd, 10, 0) == b"%d" % i for i, fd in enumerate(many)))
    r.note("inodes", len({os.fstat(fd).st_ino for fd in many}))
    for fd in many:
        os.close(fd)
    r.note("names", sorted(os.listdir(d)))
    return r


def call_times_at_the_limits(d):
    """What a 64-bit inode of ext4 can hold, both do; utimensat's own limits are the same."""
    r = Recorder()
    write_file(d + "/f")
    for seconds in (1 - (1 << 31), -1, 0, (1 << 31) - 1, 1 << 31, (1 << 32) + 5, (1 << 34) - (1 << 31) - 2):
        r.do(f"set {seconds}", os.utime, d + "/f", ns=(seconds * 10**9 + 999999999, seconds * 10**9 + 1))
        r.note("are", times(d + "/f")[:2])
    for nanoseconds in (-1, 10**9):
        buffer = struct.pack("qqqq", 0, nanoseconds, 0, 0)
        result = _libc.utimensat(AT_FDCWD, os.fsencode(d + "/f"), buffer, 0)
        r.note(f"nanoseconds {nanoseconds}", errno.errorcode[ctypes.get_errno()] if result else 0)
    return r


def call_ioctls(d):
    """What no filesystem knows is ENOTTY; FIONREAD says how much is left."""
    r = Recorder()
    write_file(d + "/f", b"0123456789")
    fd = os.open(d + "/f", os.O_RDWR)
    os.lseek(fd, 4, os.SEEK_SET)
    r.do("FIONREAD", lambda: struct.unpack("i", fcntl.ioctl(fd, 0x541B, b"\0" * 4))[0])
    r.do("FIGETBSZ", lambda: struct.unpack("i", fcntl.ioctl(fd, 2, b"\0" * 4))[0])
    r.do("FIOCLEX", lambda: fcntl.ioctl(fd, 0x5451))
    r.do("FIONBIO", lambda: fcntl.ioctl(fd, 0x5421, struct.pack("i", 0)) and "ok")
    r.do("a terminal's", lambda: fcntl.ioctl(fd, 0x5401, bytearray(60)))
    r.do("nobody's", lambda: fcntl.ioctl(fd, 0x7a01))
    os.close(fd)
    return r
