"""What the cases of tests/e2e stand on: a store and a mount of their own, and checks that say what differs.

An Env belongs to one case. Everything it makes lies under one temporary directory, env.work; whatever is mounted under
that directory, and every daemon with that directory on its command line, is the case's own, and nothing else is touched.
In native mode env.mnt is a plain directory, so that a case can prove that it asks nothing that an ordinary filesystem
does not do.
"""

import ctypes
import errno
import glob
import json
import os
import select
import shutil
import signal
import subprocess
import time

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE_DIR))


class Failure(Exception):
    """A check that did not hold."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def check_equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: got {shorten(got)}, wanted {shorten(wanted)}")


def shorten(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + f"... ({len(text)} characters)"


def say(message):
    print(f"   {message}", flush=True)


def errno_name(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def mounts_under(directory):
    """Mountpoints under a directory, innermost first."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            point = line.split()[4].encode().decode("unicode_escape")
            if point.startswith(directory + "/"):
                found.append(point)
    return sorted(found, key=len, reverse=True)


def drop_copies_of_mounts(work):
    """In a new mount namespace: lets go of the siltfs mounts that are not under `work`. Their copies would keep the stores
    of tests that run meanwhile."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        points = [line.split()[4].encode().decode("unicode_escape") for line in lines if " - fuse.siltfs " in line]
    for point in reversed(points):
        if not point.startswith(work + "/"):
            _libc.umount2(os.fsencode(point), MNT_DETACH)


def daemons_of(directory):
    """Processes named siltfs with the directory on their command line."""
    pids = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]).startswith(b"siltfs") and any(w.startswith(directory.encode() + b"/") for w in words[1:]):
            pids.append(int(path.split("/")[2]))
    return pids


def wait_for_exit(pid, seconds=30):
    """Until a process that need not be our child is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], seconds)[0])
    finally:
        os.close(fd)


def clean_up(work):
    """Unmounts what is mounted under `work`, ends its daemons, removes it."""
    for point in mounts_under(work):
        for command in (["umount", point], ["fusermount3", "-u", point], ["umount", "-l", point],
                        ["fusermount3", "-u", "-z", point]):
            try:
                if subprocess.run(command, capture_output=True, timeout=20).returncode == 0:
                    break
            except (subprocess.TimeoutExpired, FileNotFoundError):
                # A daemon that does not answer would hold the unmount for ever; without it the mount is dead and goes.
                for pid in daemons_of(work):
                    os.kill(pid, signal.SIGKILL)
    for pid in daemons_of(work):
        if not wait_for_exit(pid, 10):
            os.kill(pid, signal.SIGKILL)
            wait_for_exit(pid, 10)
    shutil.rmtree(work, ignore_errors=True)


class Env:
    def __init__(self, siltfs, work, native=False):
        self.siltfs = siltfs
        self.work = work
        self.native = native
        self.store = os.path.join(work, "store")
        self.mnt = os.path.join(work, "mnt")
        os.makedirs(self.mnt, exist_ok=True)
        # A daemon has no stderr to show what a sanitizer found; the runner looks for these files.
        logs = os.path.join(work, "sanitizer")
        os.environ["ASAN_OPTIONS"] = f"log_path={logs}:" + os.environ.get("ASAN_OPTIONS", "")
        os.environ["UBSAN_OPTIONS"] = f"log_path={logs}:print_stacktrace=1:" + os.environ.get("UBSAN_OPTIONS", "")
        os.environ["TSAN_OPTIONS"] = f"log_path={logs}:" + os.environ.get("TSAN_OPTIONS", "")

    def path(self, *names):
        return os.path.join(self.mnt, *names)

    def scratch(self, *names):
        """A path outside the mount, on the host's filesystem."""
        return os.path.join(self.work, *names)

    def run(self, *command, rc=0, timeout=600, **options):
        """Runs a program; its exit code must be `rc` unless that is None."""
        command = [str(word) for word in command]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **options)
        if rc is not None and done.returncode != rc:
            raise Failure(f"{' '.join(command)}: exit code {done.returncode}, wanted {rc}\n{tail(done.stdout + done.stderr)}")
        return done

    def silt(self, *arguments, **options):
        return self.run(self.siltfs, *arguments, **options)

    def mkfs(self, *options, store=None):
        if not self.native:
            self.silt("mkfs", *options, store or self.store)

    def mount(self, *options, store=None, mnt=None):
        """options: -o values. Returns how many seconds it took until the mount was ready."""
        if self.native:
            return 0
        begin = time.monotonic()
        options += tuple(filter(None, os.environ.get("SILT_E2E_OPTIONS", "").split(",")))
        words = [word for option in options for word in ("-o", option)]
        self.silt("mount", *words, store or self.store, mnt or self.mnt, timeout=120)
        return time.monotonic() - begin

    def start(self, *options):
        """mkfs and mount."""
        self.mkfs()
        return self.mount(*options)

    def umount(self, mnt=None):
        if not self.native:
            said = self.silt("umount", mnt or self.mnt, timeout=300).stderr
            check(mnt or self.mnt not in mounts_under(self.work), "siltfs umount returned while still mounted")
            if "mount namespace of pid" in said:  # of something else on this machine: not for us to stumble over
                say(said.strip())
                check(wait_for_exit(self.pid(), 600), "somebody's mount namespace keeps the mount")

    def remount(self, *options):
        self.umount()
        return self.mount(*options)

    def status(self, target=None):
        return json.loads(self.silt("status", "--json", target or self.store).stdout)

    def pid(self):
        return int(self.status()["pid"])

    def kill(self):
        """kill -9 of this mount's daemon."""
        pid = self.pid()
        check(pid in daemons_of(self.work), f"status names pid {pid}, which is no daemon of {self.work}")
        os.kill(pid, signal.SIGKILL)
        check(wait_for_exit(pid), f"daemon {pid} outlived SIGKILL")

    def fsck(self, *options, rc=0, store=None):
        return None if self.native else self.silt("fsck", *options, store or self.store, rc=rc)

    def finish(self):
        """The end of most cases: a clean unmount and a clean check."""
        if not self.native:
            self.umount()
            self.fsck()

    def memory_peak(self):
        """Peak resident memory of the daemon in MiB."""
        with open(f"/proc/{self.pid()}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024

    def log(self, store=None):
        try:
            with open(os.path.join(store or self.store, "siltfs.log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])


# Calls that Python's os module lacks.

_libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE, FALLOC_ZERO, FALLOC_INSERT = 1, 2, 8, 16, 32


def _checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def renameat2(source, target, flags):
    _checked(_libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), ctypes.c_uint(flags)))


def fallocate(fd, mode, offset, length):
    _checked(_libc.fallocate(fd, mode, ctypes.c_longlong(offset), ctypes.c_longlong(length)))


class DirectoryStream:
    """opendir, readdir, telldir, seekdir, rewinddir."""

    _libc.opendir.restype = _libc.readdir.restype = ctypes.c_void_p
    _libc.readdir.argtypes = _libc.telldir.argtypes = _libc.rewinddir.argtypes = [ctypes.c_void_p]
    _libc.closedir.argtypes = [ctypes.c_void_p]
    _libc.telldir.restype = ctypes.c_long
    _libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]

    def __init__(self, path):
        self.stream = _libc.opendir(os.fsencode(path))
        if not self.stream:
            _checked(-1)

    def read(self):
        """The next entry's name, None at the end."""
        entry = _libc.readdir(self.stream)
        # struct dirent of 64-bit Linux: ino 8, off 8, reclen 2, type 1, name.
        return ctypes.string_at(entry + 19) if entry else None

    def tell(self):
        return _libc.telldir(self.stream)

    def seek(self, position):
        _libc.seekdir(self.stream, position)

    def rewind(self):
        _libc.rewinddir(self.stream)

    def close(self):
        _libc.closedir(self.stream)
