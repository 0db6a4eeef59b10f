"""The filesystems that mount_bench compares: each made fresh under a directory of the host, mounted, and taken away again.

Every kind has a key (the word for --kinds), a label (the column's head), and says why it cannot be had here, if so.
"""

import glob
import os
import resource
import select
import shutil
import subprocess
import sys

RING_SWITCH = "/sys/module/fuse/parameters/enable_uring"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, **options)


def succeeds(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def wait_for_exit(pid):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([fd], [], [], 60)
    os.close(fd)


class RingSwitch:
    """FUSE over io_uring is switched on for the time of a with statement, where we may."""

    def __init__(self):
        self.was = self.read()

    @staticmethod
    def read():
        try:
            with open(RING_SWITCH, encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return None

    @staticmethod
    def write(value):
        try:
            with open(RING_SWITCH, "w", encoding="ascii") as file:
                file.write(value)
        except OSError:
            pass

    def __enter__(self):
        if self.was == "N":
            self.write("Y")
        return self

    def __exit__(self, *_):
        if self.was == "N":
            self.write("N")


def drop_caches():
    """What the host's page cache holds goes, so that reads are of the disk. Root alone can."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
    except OSError:
        pass


class Kind:
    """Base: a plain directory of the host."""

    key, label = "host", "host"
    keeps_data = True  # what is written can be read
    most_files = None  # that the kernel may know of at a time; None: as many as there are

    def __init__(self, programs, size_bytes):
        self.programs, self.size_bytes = programs, size_bytes
        self.base = self.directory = self.back = None

    def name_host(self, directory):
        """The label says what the host's filesystem is."""
        done = subprocess.run(["df", "--output=fstype", directory], capture_output=True, text=True, check=True)
        self.label = f"host ({done.stdout.split()[1]})"

    def missing(self):
        """Why it cannot be had here; None if it can."""
        return None

    def enter(self, base):
        self.base = base
        self.directory, self.back = os.path.join(base, "mnt"), os.path.join(base, "back")
        os.mkdir(self.directory)
        os.mkdir(self.back)
        self.make()
        self.mount()

    def leave(self):
        self.unmount()
        shutil.rmtree(self.base)

    def cold(self):
        """Nothing of it is in memory after this: neither the kernel's nor the daemon's."""
        self.unmount()
        drop_caches()
        self.mount()

    def make(self):
        pass

    def mount(self):
        pass

    def unmount(self):
        pass

    def daemons(self):
        """Processes with our directory on their command line."""
        pids = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(self.base.encode()) for word in words):
                pids.append(int(path.split("/")[2]))
        return pids


class Siltfs(Kind):
    def __init__(self, programs, size_bytes, key, label, options, transport):
        super().__init__(programs, size_bytes)
        self.key, self.label, self.options, self.transport = key, label, options, transport

    def missing(self):
        if self.transport == "io_uring" and RingSwitch.read() != "Y":
            return f"no FUSE over io_uring: {RING_SWITCH} is {RingSwitch.read() or 'not there'}"
        return None

    def make(self):
        run(self.programs["siltfs"], "mkfs", self.back)

    def mount(self):
        run(self.programs["siltfs"], "mount", "-o", self.options, self.back, self.directory)
        status = subprocess.run([self.programs["siltfs"], "status", self.directory], check=True, capture_output=True, text=True)
        if self.transport not in status.stdout:
            raise RuntimeError(f"{self.key} is not on {self.transport}:\n{status.stdout}")

    def unmount(self):
        run(self.programs["siltfs"], "umount", self.directory)


class LoopFile(Kind):
    """A filesystem of the kernel on a loop device; the file behind it is written once, so that its blocks exist."""

    def __init__(self, programs, size_bytes, key, label, mkfs, options):
        super().__init__(programs, size_bytes)
        self.key, self.label, self.mkfs, self.options = key, label, mkfs, options
        self.image = self.device = None

    def missing(self):
        if os.geteuid() != 0:
            return "not root"
        if not succeeds("modprobe", self.key) and not self.kernel_has_it():
            return f"the kernel has no {self.key}"
        if not succeeds("losetup", "-f"):
            return "no loop devices"
        return None if shutil.which(self.mkfs[0]) else f"no {self.mkfs[0]}"

    def kernel_has_it(self):
        with open("/proc/filesystems", encoding="ascii") as file:
            return self.key in file.read().split()

    def make(self):
        work = os.path.dirname(self.base)
        self.image = os.path.join(work, self.key + ".img")
        if not os.path.exists(self.image):
            run("dd", "if=/dev/zero", f"of={self.image}", "bs=1M", f"count={self.size_bytes >> 20}", "conv=fsync", "status=none")
        # Direct: the host does not cache once more what the filesystem on the loop device caches.
        self.device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", self.image], check=True,
                                     stdout=subprocess.PIPE, text=True).stdout.strip()
        run(*self.mkfs, self.device)

    def mount(self):
        run("mount", "-o", self.options, self.device, self.directory)

    def unmount(self):
        run("umount", self.directory)

    def leave(self):
        self.unmount()
        run("losetup", "-d", self.device)
        shutil.rmtree(self.base)


class LibfuseProgram(Kind):
    """passthrough_hp or null_fs, of the libfuse that mount_bench.sh built."""

    def __init__(self, programs, size_bytes, key, label, ring):
        super().__init__(programs, size_bytes)
        self.key, self.label, self.ring = key, label, ring

    @property
    def program(self):
        return self.programs[self.key.split("-")[0]]

    def missing(self):
        if not os.access(self.program, os.X_OK):
            return f"{os.path.basename(self.program)} was not built"
        if self.ring and RingSwitch.read() != "Y":
            return "no FUSE over io_uring"
        return None

    def options(self):
        return "allow_other,default_permissions" + (",io_uring" if self.ring else "")

    def command(self):
        raise NotImplementedError

    def mount(self):
        # It goes into the background when it is mounted.
        run(*self.command(), stderr=subprocess.DEVNULL)

    def unmount(self):
        pids = self.daemons()
        run("umount", self.directory)
        for pid in pids:
            wait_for_exit(pid)


class Passthrough(LibfuseProgram):
    """Keeps a file open for each inode that the kernel knows, and so can have as many as it may open."""

    @property
    def most_files(self):
        return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000

    def command(self):
        return [self.program, "--nopassthrough", "-o", self.options(), self.back, self.directory]


class Null(LibfuseProgram):
    """What FUSE allows: with processors that stay awake, as siltfs has them do (mount/awake_processors.h)."""

    keeps_data = False
    awake = None

    def mount(self):
        super().mount()
        try:
            # Held for as long as it is open.
            self.awake = open("/dev/cpu_dma_latency", "wb", buffering=0)  # pylint: disable=consider-using-with
            self.awake.write(bytes(4))
        except OSError as error:
            print(f"mount_bench: {self.key}: its processors may sleep: {error}", file=sys.stderr)

    def unmount(self):
        if self.awake:
            self.awake.close()
        super().unmount()

    def cold(self):
        drop_caches()  # a new daemon would have nothing

    def command(self):
        return [self.program, "-o", self.options(), self.directory]


class Gocryptfs(Kind):
    key, label = "gocryptfs", "gocryptfs"

    def missing(self):
        return None if shutil.which("gocryptfs") else "gocryptfs is not installed"

    def make(self):
        with open(os.path.join(self.base, "word"), "w", encoding="ascii") as file:
            file.write("benchmark\n")
        # A cheap key derivation: mounting is not what is measured.
        run("gocryptfs", "-init", "-q", "-scryptn", "10", "-passfile", os.path.join(self.base, "word"), self.back)

    def mount(self):
        run("gocryptfs", "-q", "-nosyslog", "-allow_other", "-passfile", os.path.join(self.base, "word"), self.back, self.directory)

    def unmount(self):
        run("umount", self.directory)


def all_kinds(programs, size_bytes):
    """In the order of the columns."""
    make = {"programs": programs, "size_bytes": size_bytes}
    return [
        Siltfs(**make, key="siltfs", label="siltfs, io_uring", options="io_uring", transport="io_uring"),
        Siltfs(**make, key="siltfs-dev", label="siltfs, /dev/fuse", options="noio_uring", transport="/dev/fuse"),
        Siltfs(**make, key="siltfs-writeback", label="siltfs, io_uring, writeback", options="io_uring,writeback",
               transport="io_uring"),
        Kind(**make),
        LoopFile(**make, key="xfs", label="XFS (loop)", mkfs=["mkfs.xfs", "-q", "-K", "-f"], options="defaults"),
        LoopFile(**make, key="btrfs", label="btrfs zstd:1 (loop)", mkfs=["mkfs.btrfs", "-q", "-K", "-f"], options="compress=zstd:1"),
        Passthrough(**make, key="passthrough", label="passthrough_hp, io_uring", ring=True),
        Passthrough(**make, key="passthrough-dev", label="passthrough_hp, /dev/fuse", ring=False),
        Gocryptfs(**make),
        Null(**make, key="null", label="null, io_uring", ring=True),
        Null(**make, key="null-dev", label="null, /dev/fuse", ring=False),
    ]
