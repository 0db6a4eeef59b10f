"""What mount_bench runs on each filesystem: sections of rows. A section gets a mounted Kind and yields (row, value).

Values are rates, of which more is better, or (rows in SECONDS and in MILLISECONDS) times, of which less is.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import time

MEGABYTES, OPERATIONS, SECONDS, MILLISECONDS = "MB/s", "ops/s", "s", "ms"


class Sizes:
    """quick: a look; usual: five rounds of all within three quarters of an hour; long: an hour and a half."""

    def __init__(self, size):
        def choose(quick, usual, long):
            return {"quick": quick, "usual": usual, "long": long}[size]
        self.sequential = choose(128, 256, 512)  # MiB
        self.random = choose(32, 64, 128)        # MiB
        self.runtime = choose(1, 1, 2)           # seconds of each timed job
        self.meta_files = choose(2000, 4000, 10000)
        self.tree_files = choose(4000, 50000, 50000)
        self.part_files = choose(4000, 12000, 12000)  # of the tree, where so many files are too many
        self.copy_files = choose(1000, 2000, 4000)
        self.objects = choose(60, 60, 150)
        self.inserts = choose(100, 200, 300)
        self.tail_seconds = choose(2, 2, 4)
        self.large_files = choose(20000, 1000000, 1000000)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def call(*command, **options):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, **options)


def fio(directory, *arguments):
    """The first job's results, or the group's."""
    command = ["fio", "--name=job", f"--directory={directory}", "--output-format=json", "--ioengine=psync", "--randseed=1",
               "--fallocate=none", "--group_reporting", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]


def megabytes(result, direction):
    return result[direction]["bw_bytes"] / 1e6  # of fio's run time, which an fsync at the end belongs to


def fio_sequential(kind, sizes):
    """Large writes and reads of data that does not compress, and of data that does by half."""
    size = f"--size={sizes.sequential}m"
    for name, words in (("incompressible", []), ("2:1", ["--buffer_compress_percentage=50", "--buffer_compress_chunk=4096"])):
        file = f"--filename={name.replace(':', '-')}"
        yield f"write 1M, {name}, end fsync", megabytes(
            fio(kind.directory, file, "--rw=write", "--bs=1m", "--end_fsync=1", size, *words), "write")
        kind.cold()
        yield f"read 1M, {name}, cold", megabytes(fio(kind.directory, file, "--rw=read", "--bs=1m", size), "read")
        if not words:
            yield "read 1M, warm", megabytes(
                fio(kind.directory, file, "--rw=read", "--bs=1m", "--invalidate=0", "--loops=2", size), "read")


def fio_random(kind, sizes):
    """4 KiB blocks of a file that is there."""
    layout = ["--filename=random", f"--size={sizes.random}m"]
    fio(kind.directory, *layout, "--rw=write", "--bs=1m", "--end_fsync=1")
    yield "write 4K, end fsync", megabytes(fio(kind.directory, *layout, "--rw=randwrite", "--bs=4k", "--end_fsync=1"), "write")
    kind.cold()
    yield "read 4K, cold", megabytes(
        fio(kind.directory, *layout, "--rw=randread", "--bs=4k", f"--io_size={sizes.random // 4}m"), "read")
    call("cat", os.path.join(kind.directory, "random"))
    yield "read 4K, warm", megabytes(
        fio(kind.directory, *layout, "--rw=randread", "--bs=4k", "--invalidate=0", "--loops=4"), "read")
    kind.cold()
    mixed = fio(kind.directory, *layout, "--rw=randrw", "--rwmixread=70", "--bs=4k", "--time_based", f"--runtime={sizes.runtime}")
    yield "70/30 4K", megabytes(mixed, "read") + megabytes(mixed, "write")


def fio_fsync(kind, sizes):
    """A 4 KiB write and an fsync, again and again, in files of each job's own."""
    for jobs in (1, 4, 16):
        files = [f"--filename_format=synced-{jobs}.$jobnum", f"--numjobs={jobs}", "--size=4m"]
        fio(kind.directory, *files, "--rw=write", "--bs=1m", "--end_fsync=1")
        result = fio(kind.directory, *files, "--rw=randwrite", "--bs=4k", "--fsync=1", "--time_based", f"--runtime={sizes.runtime}")
        yield f"4K + fsync, {jobs} job{'s' if jobs > 1 else ''}", result["write"]["iops"]


def meta_bench(kind, *arguments):
    done = subprocess.run([kind.programs["meta_bench"], "--json", kind.directory, *arguments], check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


META_NAMES = {"create": "create", "write": "create + 4K + close", "stat_written": "first stat after the write", "stat": "stat",
              "open_read": "open + read + close", "miss": "miss", "list": "readdir + stat, warm", "rename": "rename",
              "unlink": "unlink"}


def load(kind, sizes, threads):
    files = sizes.meta_files if kind.most_files is None else min(sizes.meta_files, kind.most_files // 2)  # two sets at a time
    return ["--threads", str(threads), "--files", str(files // threads)]


def metadata(threads):
    def section(kind, sizes):
        words = load(kind, sizes, threads)
        for phase, rate in meta_bench(kind, *words, "--phases", "create,write,stat_written,stat,open_read,miss,list").items():
            yield META_NAMES[phase], rate
        kind.cold()
        yield "readdir + stat, cold", meta_bench(kind, *words, "--phases", "list")["list"]
        for phase, rate in meta_bench(kind, *words, "--phases", "rename,unlink").items():
            yield META_NAMES[phase], rate
    return section


def tree(kind, sizes):
    """A source tree of many files: unpacked, searched cold, removed. Files a second, as not all can have all of them."""
    whole = kind.most_files is None or kind.most_files >= sizes.tree_files * 1.1  # with the directories
    files = sizes.tree_files if whole else sizes.part_files
    tar = kind.programs["tree" if whole else "part"]
    yield "untar", files / timed(lambda: call("tar", "-C", kind.directory, "-xf", tar))
    kind.cold()
    if kind.keeps_data:
        search = ["grep", "-rqF", "no such line anywhere", kind.directory]
        yield "grep -r, cold", files / timed(lambda: subprocess.run(search, check=False))
    yield "rm -rf", files / timed(lambda: call("rm", "-rf", os.path.join(kind.directory, "linux")))


def copies(kind, sizes):
    if not kind.keeps_data:
        return
    there = kind.directory
    yield "git clone", timed(lambda: call("git", "clone", "-q", kind.programs["git"], f"{there}/clone"))
    yield "git status", timed(lambda: call("git", "-C", f"{there}/clone", "status", "--short"))
    yield "git checkout", timed(lambda: call("git", "-C", f"{there}/clone", "checkout", "-q", "other"))
    yield "cp -a", timed(lambda: call("cp", "-a", f"{there}/clone", f"{there}/copy"))
    yield "rsync -a", timed(lambda: call("rsync", "-a", "--exclude=.git", f"{there}/clone/", f"{there}/synced"))


def programs(kind, sizes):
    if not kind.keeps_data:
        return
    source = os.path.join(kind.directory, "source")
    shutil.copytree(kind.programs["project"], source)
    yield "make -j2", timed(lambda: call("make", "-s", "-j2", "-C", source))
    yield f"SQLite, {sizes.inserts} inserts, full sync", timed(lambda: insert(os.path.join(kind.directory, "db"), sizes.inserts))


def insert(path, count):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma synchronous=full")
    db.execute("create table t (k integer primary key, v text)")
    for key in range(count):
        db.execute("insert into t values (?, ?)", (key, "v" * 100))
    db.close()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def tail(kind, sizes):
    """How long the slowest of a thousand takes while a big file is written beside."""
    directory = kind.directory
    background = ["fio", "--name=heavy", f"--directory={directory}", "--rw=write", "--bs=1m", f"--size={sizes.sequential}m",
                  "--fallocate=none", "--time_based", f"--runtime={2 * sizes.tail_seconds + 1}", "--output=/dev/null"]
    with subprocess.Popen(background) as heavy:
        time.sleep(0.5)  # it lays out nothing: after this it writes
        creates = latencies(lambda i: os.close(os.open(f"{directory}/new{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)), sizes)
        fd = os.open(f"{directory}/synced", os.O_CREAT | os.O_WRONLY)
        block = os.urandom(4096)

        def write_synced(number):
            os.pwrite(fd, block, number % 1024 * 4096)
            os.fsync(fd)
        syncs = latencies(write_synced, sizes)
        os.close(fd)
        heavy.wait()
    yield "create, p99.9", percentile(creates, 0.999) * 1e3
    yield "4K + fsync, p99.9", percentile(syncs, 0.999) * 1e3


def latencies(operation, sizes):
    found = []
    end = time.perf_counter() + sizes.tail_seconds
    while not found or time.perf_counter() < end:
        number = len(found)
        found.append(timed(lambda: operation(number)))
    return found


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_memory(pids):
    """MiB."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    return total / 1024


def daemon(kind, sizes):
    """After a file was written and many small ones: the daemon's memory, and what it does when nothing is asked of it."""
    if not kind.daemons():
        return
    fio(kind.directory, "--rw=write", "--bs=1m", "--end_fsync=1", f"--size={2 * sizes.sequential}m")
    meta_bench(kind, *load(kind, sizes, 4))
    yield "peak memory, MiB", peak_memory(kind.daemons())
    os.sync()
    time.sleep(8)  # past the commit interval, and what is compacted after the load
    pids = kind.daemons()
    before = cpu_seconds(pids)
    time.sleep(3)
    yield "idle, CPU ms a second", (cpu_seconds(pids) - before) / 3 * 1e3


def large(kind, sizes):
    """One directory of very many files, with the speed along the way."""
    directory = os.path.join(kind.directory, "large")
    os.mkdir(directory)
    chunk = sizes.large_files // 50
    for part in range(50):
        def create(first=part * chunk):
            for number in range(first, first + chunk):
                os.close(os.open(f"{directory}/{number:08}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        yield f"curve {(part + 1) * chunk}", chunk / timed(create)
    kind.cold()

    def listing():
        with os.scandir(directory) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
    yield f"readdir + stat of {sizes.large_files:,}, cold", timed(listing)
    yield f"rm -rf of {sizes.large_files:,}", timed(lambda: call("rm", "-rf", directory))


# name: (heading, unit, what runs)
SECTIONS = {
    "sequential": ("fio, sequential", MEGABYTES, fio_sequential),
    "random": ("fio, random", MEGABYTES, fio_random),
    "fsync": ("fio, fsync each", OPERATIONS, fio_fsync),
    "meta1": ("metadata, 1 thread", OPERATIONS, metadata(1)),
    "meta4": ("metadata, 4 threads", OPERATIONS, metadata(4)),
    "tree": ("source tree, files", OPERATIONS, tree),
    "copies": ("git and copies", SECONDS, copies),
    "programs": ("programs", SECONDS, programs),
    "tail": ("tail latency beside a heavy write", MILLISECONDS, tail),
    "daemon": ("the daemon", "", daemon),
    "large": ("a large directory", SECONDS, large),
}
# Not in every round: they vary little, and take long.
ONCE = ("tree", "daemon", "large")
