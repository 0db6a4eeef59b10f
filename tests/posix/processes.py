"""What needs more than one process, a mapping or a signal: calls whose record must be the same on a mount and natively.

A call_* function gets an empty directory and returns what happened (tests/e2e/calls_support.py).
"""

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import struct
import subprocess
import threading

from calls_support import Recorder, attributes, changed, read_file, times, write_file
from harness import RENAME_EXCHANGE, DirectoryStream, errno_name, renameat2

F_OFD_GETLK, F_OFD_SETLK = 36, 37
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux


def in_child(function):
    """Runs it in a process of its own: its result, an errno's name, or the signal that ended it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = repr(function())
        except OSError as error:
            result = errno_name(error)
        except BaseException as error:  # whatever it is, it belongs into the record
            result = type(error).__name__
        os.write(writer, result.encode())
        os._exit(0)
    os.close(writer)
    result = b""
    while part := os.read(reader, 65536):
        result += part
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else result.decode()


def all_in_children(functions):
    """Runs them at once; their results in order."""
    results = [None] * len(functions)

    def run(i, function):
        results[i] = in_child(function)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def lock(fd, command, kind, start, length):
    """fcntl locking; for the GETLK commands what is in the way."""
    answer = fcntl.fcntl(fd, command, struct.pack(FLOCK, kind, os.SEEK_SET, start, length, 0))
    kind, _, start, length, _ = struct.unpack(FLOCK, answer)
    return kind, start, length


def call_fcntl_locks(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 100)

    def attempt(command, kind, start, length):
        def child():
            own = os.open(d + "/f", os.O_RDWR)
            return lock(own, command, kind, start, length)
        return in_child(child)

    r.do("write lock", lock, fd, fcntl.F_SETLK, fcntl.F_WRLCK, 10, 20)
    r.do("read lock", lock, fd, fcntl.F_SETLK, fcntl.F_RDLCK, 50, 10)
    for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
        for start, length in ((0, 10), (0, 11), (29, 1), (30, 20), (50, 1), (55, 0), (60, 0), (0, 0)):
            r.note(f"another {kind} at {start}+{length}", attempt(fcntl.F_SETLK, kind, start, length))
            r.note(f"asked {kind} at {start}+{length}", attempt(fcntl.F_GETLK, kind, start, length))
    r.note("the child of a fork has none", in_child(lambda: lock(fd, fcntl.F_SETLK, fcntl.F_WRLCK, 10, 1)))
    r.do("unlock in the middle", lock, fd, fcntl.F_SETLK, fcntl.F_UNLCK, 15, 5)
    r.note("free", attempt(fcntl.F_SETLK, fcntl.F_WRLCK, 15, 5))
    r.note("not free", attempt(fcntl.F_SETLK, fcntl.F_WRLCK, 14, 5))
    os.close(os.open(d + "/f", os.O_RDONLY))
    r.note("closing any descriptor drops them all", attempt(fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0))
    readonly = os.open(d + "/f", os.O_RDONLY)
    r.do("write lock on a read-only descriptor", lock, readonly, fcntl.F_SETLK, fcntl.F_WRLCK, 0, 1)
    r.do("negative start", lock, fd, fcntl.F_SETLK, fcntl.F_RDLCK, -1, 1)
    os.close(readonly)
    os.close(fd)
    return r


def call_ofd_locks(d):
    r = Recorder()
    one = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    two = os.open(d + "/f", os.O_RDWR)
    r.do("write lock", lock, one, F_OFD_SETLK, fcntl.F_WRLCK, 0, 10)
    r.do("another description", lock, two, F_OFD_SETLK, fcntl.F_WRLCK, 5, 10)
    r.do("asked", lock, two, F_OFD_GETLK, fcntl.F_RDLCK, 5, 10)
    r.do("beside it", lock, two, F_OFD_SETLK, fcntl.F_WRLCK, 10, 10)
    r.note("shared with a child", in_child(lambda: lock(one, F_OFD_SETLK, fcntl.F_RDLCK, 0, 10)))
    r.do("read lock now", lock, two, F_OFD_SETLK, fcntl.F_RDLCK, 5, 2)
    r.do("conflict with a process's lock", lock, one, fcntl.F_SETLK, fcntl.F_WRLCK, 12, 1)
    os.close(two)
    r.do("closing it drops its own", lock, one, F_OFD_SETLK, fcntl.F_WRLCK, 0, 100)
    os.close(one)
    return r


def call_flock(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)

    def attempt(how):
        def child():
            own = os.open(d + "/f", os.O_RDONLY)
            fcntl.flock(own, how | fcntl.LOCK_NB)
        return in_child(child)

    fcntl.flock(fd, fcntl.LOCK_SH)
    r.note("shared beside shared", attempt(fcntl.LOCK_SH))
    r.note("exclusive beside shared", attempt(fcntl.LOCK_EX))
    fcntl.flock(fd, fcntl.LOCK_EX)
    r.note("shared beside exclusive", attempt(fcntl.LOCK_SH))
    r.note("not in the way of fcntl locks",
           in_child(lambda: lock(os.open(d + "/f", os.O_RDWR), fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0)))
    r.note("inherited", in_child(lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    directory = os.open(d, os.O_RDONLY)
    r.do("of a directory", fcntl.flock, directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(directory)

    def waiter():
        own = os.open(d + "/f", os.O_RDONLY)
        fcntl.flock(own, fcntl.LOCK_EX)
        return os.pread(own, 10, 0)

    waiting = threading.Thread(target=lambda: r.note("waits for its turn", in_child(waiter)))
    waiting.start()
    os.pwrite(fd, b"released", 0)
    fcntl.flock(fd, fcntl.LOCK_UN)
    waiting.join()
    os.close(fd)
    return r


def call_mmap(d):
    r = Recorder()
    page = mmap.PAGESIZE
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 100)

    def touch(offset, length=3 * page, write=None, after=lambda: None, flags=mmap.MAP_SHARED):
        def child():
            view = mmap.mmap(fd, 0, flags=flags) if length == 0 else mapped(fd, length, flags)
            after()
            if write is not None:
                view[offset:offset + len(write)] = write
            return view[offset:offset + 4]
        return in_child(child)

    r.note("within", touch(50))
    r.note("behind the end, same page", touch(200))
    r.note("last byte of the page", touch(page - 4))
    r.note("next page", touch(page))
    r.note("write to the next page", touch(page, write=b"no"))
    r.note("after truncation in the page", touch(60, after=lambda: os.truncate(d + "/f", 50)))
    r.note("after truncation to nothing", touch(0, after=lambda: os.truncate(d + "/f", 0)))
    os.truncate(d + "/f", 3 * page)
    r.note("a hole", touch(2 * page))
    r.note("write into a hole", touch(page + 5, write=b"mapped"))
    r.note("seen by read", os.pread(fd, 8, page + 4))
    r.note("private", touch(page + 5, write=b"hidden", flags=mmap.MAP_PRIVATE))
    r.note("not seen by read", os.pread(fd, 8, page + 4))
    r.note("cut underneath and grown again",
           touch(page + 5, after=lambda: (os.truncate(d + "/f", page), os.truncate(d + "/f", 3 * page))))
    view = mmap.mmap(fd, page)
    os.pwrite(fd, b"written", 10)
    r.note("write seen by the mapping", view[10:17])
    view[20:26] = b"stored"
    r.note("store seen by read", os.pread(fd, 6, 20))
    view.flush()
    os.utime(d + "/f", ns=(10**18, 10**18))
    before = times(d + "/f")
    view[30:31] = b"t"
    view.flush()
    r.note("times after a store and msync", changed(before, times(d + "/f"))[0])
    os.unlink(d + "/f")
    view[40:44] = b"gone"
    r.note("of an unlinked file", os.pread(fd, 4, 40))
    view.close()
    readonly = os.open(d + "/g", os.O_CREAT | os.O_RDONLY)
    os.truncate(d + "/g", page)
    r.do("shared and writable, of a read-only descriptor", lambda: mmap.mmap(readonly, page).close())
    r.do("private and writable", lambda: mmap.mmap(readonly, page, flags=mmap.MAP_PRIVATE).close())
    writeonly = os.open(d + "/g", os.O_WRONLY)
    r.do("of a write-only descriptor", lambda: mmap.mmap(writeonly, page, prot=mmap.PROT_READ).close())
    directory = os.open(d, os.O_RDONLY)
    r.do("of a directory", lambda: mmap.mmap(directory, page, prot=mmap.PROT_READ).close())
    for number in (fd, readonly, writeonly, directory):
        os.close(number)
    return r


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


class mapped:
    """A mapping longer than the file, which Python's own refuses to make."""

    def __init__(self, fd, length, flags):
        self.address = _libc.mmap(None, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)

    def __getitem__(self, where):
        return ctypes.string_at(self.address + where.start, where.stop - where.start)

    def __setitem__(self, where, data):
        ctypes.memmove(self.address + where.start, data, len(data))


def call_file_size_limit(d):
    r = Recorder()

    def limited(function):
        def child():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
            return function(os.open(d + "/f", os.O_CREAT | os.O_RDWR))
        return in_child(child)

    r.note("write up to the limit", limited(lambda fd: os.pwrite(fd, b"x" * 5000, 5000)))
    r.note("write across it", limited(lambda fd: os.pwrite(fd, b"x" * 5000, 8000)))
    r.note("write behind it", limited(lambda fd: os.pwrite(fd, b"x", 10000)))
    r.note("truncate to it", limited(lambda fd: os.ftruncate(fd, 10000)))
    r.note("truncate behind it", limited(lambda fd: os.ftruncate(fd, 10001)))
    r.note("allocate behind it", limited(lambda fd: os.posix_fallocate(fd, 0, 10001)))
    r.note("size", os.stat(d + "/f").st_size)

    def killed():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.pwrite(os.open(d + "/f", os.O_RDWR), b"x", 20000)

    r.note("SIGXFSZ", in_child(killed))
    return r


def call_vectors_and_flags(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    r.do("writev", os.writev, fd, [b"one", b"", b"three" * 1000, b"4"])
    r.do("pwritev", os.pwritev, fd, [b"AB", b"CD"], 2)
    r.do("DSYNC", os.pwritev, fd, [b"dsync"], 10, os.RWF_DSYNC)
    r.do("SYNC", os.pwritev, fd, [b"sync"], 20, os.RWF_SYNC)
    r.do("APPEND", os.pwritev, fd, [b"at the end"], 0, os.RWF_APPEND)
    r.do("an unknown flag", os.pwritev, fd, [b"x"], 0, 1 << 20)
    buffers = [bytearray(3), bytearray(5), bytearray(100)]
    r.do("preadv", os.preadv, fd, buffers, 4990)
    r.note("what it read", [bytes(b) for b in buffers])
    r.do("HIPRI", os.preadv, fd, [bytearray(4)], 0, os.RWF_HIPRI)
    r.do("at the end", os.preadv, fd, [bytearray(4)], 5023)
    r.do("no buffers", os.preadv, fd, [], 0)
    r.note("contents", read_file(d + "/f")[-30:])
    os.close(fd)
    return r


def call_splice_and_sendfile(d):
    r = Recorder()
    data = bytes(range(256)) * 200
    write_file(d + "/from", data)
    source = os.open(d + "/from", os.O_RDONLY)
    target = os.open(d + "/to", os.O_CREAT | os.O_RDWR)
    r.do("sendfile", os.sendfile, target, source, 100, 20000)
    r.note("contents", read_file(d + "/to") == data[100:20100])
    r.do("sendfile at the end", os.sendfile, target, source, len(data), 10)
    reader, writer = os.pipe()
    r.do("splice into a pipe", os.splice, source, writer, 4000, offset_src=777)
    r.do("splice into a file", os.splice, reader, target, 4000, offset_dst=50000)
    r.note("contents", read_file(d + "/to")[50000:] == data[777:4777])
    append = os.open(d + "/to", os.O_WRONLY | os.O_APPEND)
    os.write(writer, b"x")
    r.do("splice into an appending descriptor", os.splice, reader, append, 1)
    r.do("sendfile into an appending descriptor", os.sendfile, append, source, 0, 10)
    r.do("splice between files", os.splice, source, target, 10)
    for fd in (source, target, reader, writer, append):
        os.close(fd)
    return r


def call_advice_and_sync(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 100000)
    for name in ("NORMAL", "SEQUENTIAL", "RANDOM", "NOREUSE", "WILLNEED", "DONTNEED"):
        r.do(name, os.posix_fadvise, fd, 0, 0, getattr(os, "POSIX_FADV_" + name))
    r.do("unknown advice", os.posix_fadvise, fd, 0, 0, 99)
    r.note("readahead", _libc.readahead(fd, ctypes.c_long(0), 5000))
    r.note("sync_file_range", _libc.sync_file_range(fd, ctypes.c_long(0), ctypes.c_long(0), 7))
    r.note("syncfs", _libc.syncfs(fd))
    r.do("fsync", os.fsync, fd)
    r.do("fdatasync", os.fdatasync, fd)
    directory = os.open(d, os.O_RDONLY)
    r.do("fsync of a directory", os.fsync, directory)
    os.mkfifo(d + "/p")
    fifo = os.open(d + "/p", os.O_RDWR)
    r.do("fsync of a FIFO", os.fsync, fifo)
    r.note("contents", os.pread(fd, 5, 99998))
    for number in (fd, directory, fifo):
        os.close(number)
    return r


def call_programs(d):
    r = Recorder()
    program = d + "/program"
    with open("/bin/true", "rb") as file:
        write_file(program, file.read())
    os.chmod(program, 0o755)
    r.do("run", lambda: subprocess.run([program], check=False).returncode)
    fd = os.open(program, os.O_RDWR)
    r.do("run while it is open for writing", lambda: subprocess.run([program], check=False).returncode)
    os.close(fd)
    with open("/bin/sleep", "rb") as file:
        write_file(program, file.read())
    sleeper = subprocess.Popen([program, "60"])
    r.fd("write to what runs", program, os.O_WRONLY)
    r.do("truncate what runs", os.truncate, program, 0)
    r.do("unlink what runs", os.unlink, program)
    sleeper.kill()
    sleeper.wait()
    return r


def call_readdir_while_others_change_it(d):
    """What stays is listed exactly once, whatever comes and goes meanwhile."""
    r = Recorder()
    stable = {f"stays-{i}".encode() for i in range(1500)}
    for i in range(1500):
        write_file(f"{d}/stays-{i}", b"")
        write_file(f"{d}/goes-{i}", b"")
    stop = os.pipe()

    def disturb(number):
        def child():
            os.close(stop[1])
            os.set_blocking(stop[0], False)
            i = 0
            while True:
                try:
                    if os.read(stop[0], 1) == b"":
                        return "stopped"
                except BlockingIOError:
                    pass
                name = f"{d}/new-{number}-{i % 300}"
                if i % 600 < 300:
                    write_file(name, b"")
                    os.rename(name, name + "-moved")
                else:
                    os.unlink(name + "-moved")
                if i < 700:
                    os.unlink(f"{d}/goes-{number * 700 + i}")
                i += 1
        return child

    results = []
    disturbers = threading.Thread(target=lambda: results.extend(all_in_children([disturb(0), disturb(1)])))
    disturbers.start()
    wrong = 0
    for _ in range(30):
        stream = DirectoryStream(d)
        listed = []
        while (name := stream.read()) is not None:
            if name.startswith(b"stays"):
                listed.append(name)
        stream.close()
        wrong += len(listed) != len(set(listed)) or set(listed) != stable
    os.close(stop[0])
    os.close(stop[1])
    disturbers.join()
    r.note("listings that were wrong", wrong)
    r.note("the others", results)
    return r


def call_listing_above_what_changes(d):
    """Attributes of a directory that changes while the one above it is listed: at rest they are those of the last change."""
    r = Recorder()
    os.mkdir(f"{d}/within")
    for i in range(300):
        write_file(f"{d}/file-{i}", b"")
    ready, go = os.pipe(), os.pipe()

    def lister():
        os.close(ready[0])
        os.close(go[1])
        while os.read(go[0], 1):
            with os.scandir(d) as entries:
                for _ in entries:
                    pass
            os.write(ready[1], b"x")
        return "stopped"

    results = []
    listing = threading.Thread(target=lambda: results.extend(all_in_children([lister])))
    listing.start()
    links, times = 0, 0
    for i in range(1200):
        write_file(f"{d}/new", b"")  # so that the listing is asked for
        os.unlink(f"{d}/new")
        before = os.stat(f"{d}/within").st_mtime_ns
        os.write(go[1], b"x")
        for _ in range(i % 40 * 8):  # somewhere within it
            pass
        (os.rmdir if i % 2 else os.mkdir)(f"{d}/within/x")
        os.read(ready[0], 1)
        after = os.stat(f"{d}/within")
        links += after.st_nlink != (2 if i % 2 else 3)
        times += after.st_mtime_ns == before
    os.close(go[1])
    listing.join()
    r.note("link counts that were old", links)
    r.note("mtimes that were old", times if times > 20 else 0)  # ext4's clock is coarse
    r.note("the other", results)
    return r


def call_cross_renames(d):
    """Processes that move directories into each other's, in opposite orders: no deadlock, no ring, nothing lost."""
    r = Recorder()
    for name in ("a", "b", "c"):
        os.makedirs(f"{d}/{name}/x-{name}/y")
        write_file(f"{d}/{name}/f-{name}", name.encode())

    def mover(source, target):
        def child():
            for _ in range(300):
                for name in ("a", "b", "c"):
                    for kind in ("x", "f"):
                        try:
                            os.rename(f"{d}/{source}/{kind}-{name}", f"{d}/{target}/{kind}-{name}")
                        except OSError as error:
                            # EINVAL: meanwhile the target lies within what was to be moved.
                            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOTEMPTY):
                                raise
                try:
                    renameat2(f"{d}/{source}", f"{d}/{target}", RENAME_EXCHANGE)
                    os.rename(f"{d}/{source}", f"{d}/{target}/x-a/inside")
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOTEMPTY):
                        raise
                try:
                    os.rename(f"{d}/{target}/x-a/inside", f"{d}/{source}")
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EINVAL, errno.EEXIST):
                        raise
            return "done"
        return child

    pairs = (("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"))
    r.note("movers", all_in_children([mover(*pair) for pair in pairs]))
    found = sorted(name for _, directories, files in os.walk(d) for name in directories + files
                   if name.startswith(("x-", "f-")))
    r.note("what is left", found)
    links = all(os.stat(path).st_nlink == 2 + len(directories) for path, directories, _ in os.walk(d))
    r.note("link counts", links)
    return r


def call_appends_of_many(d):
    r = Recorder()
    write_file(d + "/log", b"")

    def appender(number):
        def child():
            fd = os.open(d + "/log", os.O_WRONLY | os.O_APPEND)
            for i in range(200):
                os.write(fd, f"{number}:{i:06}|".encode() * (1 + i % 7))
            return "done"
        return child

    r.note("appenders", all_in_children([appender(i) for i in range(4)]))
    words = read_file(d + "/log").decode().strip("|").split("|")
    r.note("words", len(words))
    r.note("in order", all([w for w in words if w.startswith(f"{n}:")] == sorted(w for w in words if w.startswith(f"{n}:"))
                           for n in range(4)))
    return r


def call_exclusive_creation_by_many(d):
    """Of many that create the same name, make the same directory or link, one succeeds."""
    r = Recorder()
    write_file(d + "/source", b"x")

    def contender(number):
        def child():
            won = 0
            for i in range(100):
                for attempt in (lambda: os.close(os.open(f"{d}/f{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
                                lambda: os.mkdir(f"{d}/d{i}"),
                                lambda: os.link(f"{d}/source", f"{d}/l{i}"),
                                lambda: os.symlink("x", f"{d}/s{i}")):
                    try:
                        attempt()
                        won += 1
                    except FileExistsError:
                        pass
            return won
        return child

    r.note("won together", sum(int(won) for won in all_in_children([contender(i) for i in range(4)])))
    r.note("links", os.stat(d + "/source").st_nlink)
    r.note("directories", os.stat(d).st_nlink)
    return r


def call_removal_by_many(d):
    r = Recorder()
    for i in range(200):
        write_file(f"{d}/f{i}", b"x")
        os.mkdir(f"{d}/d{i}")

    def remover():
        won = 0
        for i in range(200):
            for call in (lambda: os.unlink(f"{d}/f{i}"), lambda: os.rmdir(f"{d}/d{i}")):
                try:
                    call()
                    won += 1
                except FileNotFoundError:
                    pass
        return won

    r.note("won together", sum(int(won) for won in all_in_children([remover] * 4)))
    r.note("left", os.listdir(d))
    r.note("links", os.stat(d).st_nlink)
    return r


def call_deep_trees(d):
    """Deeper than a path can say."""
    r = Recorder()

    def child():
        os.chdir(d)
        for _ in range(60):
            os.mkdir("n" * 100)
            os.chdir("n" * 100)
        try:
            os.getcwd()
        except OSError as error:
            name = errno_name(error)
        else:
            name = "ok"
        write_file("bottom", b"reached")
        up = os.stat("../" * 60).st_ino == os.stat(d).st_ino
        return name, up, read_file("bottom")

    r.note("made", in_child(child))
    r.do("a path to it is too long", os.stat, d + ("/" + "n" * 100) * 60)
    subprocess.run(["rm", "-r", d + "/" + "n" * 100], check=True)
    r.note("removed", os.listdir(d))
    return r


def call_many_links(d):
    r = Recorder()
    write_file(d + "/f", b"x")
    for i in range(2000):
        os.link(d + "/f", f"{d}/l{i}")
    r.note("attributes", attributes(d + "/f"))
    for i in range(0, 2000, 2):
        os.unlink(f"{d}/l{i}")
    r.note("attributes", attributes(d + "/l1"))
    return r
