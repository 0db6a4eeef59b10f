"""Which requests the kernel sends for everyday work, in each mode: exact lists, so that none comes back unnoticed."""

import json
import os
import subprocess

from harness import Failure, check, say

TIMEOUT = 120
MODES = {"io_uring": (), "/dev/fuse": ("noio_uring",), "writeback": ("writeback",)}
LATER = {"forget"}  # sent when the kernel likes, without anybody waiting
SMALL = 20  # files of a tree


class Counter:
    """What was sent since the last look."""

    def __init__(self, env):
        self.env = env
        self.before = self.counts()

    def counts(self):
        return json.loads(self.env.silt("stats", "--json", self.env.store).stdout)["requests"]

    def since(self):
        now = self.counts()
        sent = {kind: n - self.before[kind] for kind, n in now.items() if n != self.before[kind] and kind not in LATER}
        self.before = now
        return sent


def write(path, data=b"x" * 4096):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, data)
    os.close(fd)


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def read(path):
    fd = os.open(path, os.O_RDONLY)  # open() would ask whether it is a terminal
    os.read(fd, 4096)
    os.close(fd)


def missing(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return
    raise Failure(f"{path} is there")


def make_tree(top):
    """SMALL files in two directories."""
    os.makedirs(top)
    for directory in ("a", "b"):
        os.mkdir(f"{top}/{directory}")
        for i in range(SMALL // 2):
            with open(f"{top}/{directory}/f{i}", "wb") as file:
                file.write(b"contents %d" % i)


def program(*words):
    subprocess.run(words, check=True, capture_output=True)


def git(*words):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", *words], check=True, capture_output=True, env=environment)


# GETATTR is of a directory that changed since its permissions were last checked, or, after a write, of the file.
# The first write to a file asks for security.capability, and so does each chown.
def steps(env):
    """(what, action, the requests)"""
    p = env.path
    archive = env.scratch("tree.tar")
    return [
        ("stat of a known file", lambda: os.stat(p("known")), ""),
        ("stat of a missing name, again", lambda: missing(p("absent")), ""),
        ("open, read what is cached, close", lambda: read(p("known")), ""),
        ("create", lambda: create(p("new")), "lookup create"),
        ("create, write 4 KiB, close", lambda: write(p("new4k")), "getattr lookup create getxattr write"),
        ("10 more writes", lambda: [write(p("new4k")) for _ in range(10)], "getattr write*10"),
        ("unlink", lambda: os.unlink(p("new")), "unlink"),
        ("rename", lambda: os.rename(p("new4k"), p("renamed")), "getattr lookup rename"),
        ("mkdir", lambda: os.mkdir(p("dir")), "getattr lookup mkdir"),
        ("rmdir", lambda: os.rmdir(p("dir")), "getattr rmdir"),
        ("tar x", lambda: program("tar", "-xf", archive, "-C", p()),  # times, owner and mode of each
         "lookup*23 mkdir*3 create*20 write*20 getattr*22 getxattr*40 setattr*69"),
        ("ls -l", lambda: program("ls", "-l", p("tree/a")), "lookup*2 readdirplus*2 getxattr*23"),  # security.selinux, ACLs
        ("ls -l, again", lambda: program("ls", "-l", p("tree/a")), "getattr getxattr*11"),
        ("cp", lambda: program("cp", p("tree/a/f0"), p("copy")), "lookup*2 create getxattr copy_file_range"),
        ("rm -rf", lambda: program("rm", "-rf", p("tree")), "statfs readdirplus*6 getattr*22 unlink*20 rmdir*3"),
        ("git status", lambda: git("-C", p("repository"), "--no-optional-locks", "status"), "getattr*8"),
        ("1000 files listed and looked at", lambda: [e.stat() for e in os.scandir(p("thousand"))], "readdirplus*6"),
    ]


def parse(words):
    """{"lookup": 1, "write": 10} of "lookup write*10"."""
    pairs = (word.partition("*")[::2] for word in words.split())
    return {kind: int(times or 1) for kind, times in pairs}


def prepare(env):
    make_tree(env.scratch("tree"))
    subprocess.run(["tar", "-cf", env.scratch("tree.tar"), "-C", env.scratch(), "tree"], check=True)
    env.mkfs()
    env.mount()
    os.mkdir(env.path("thousand"))
    for i in range(1000):
        create(env.path("thousand", f"f{i}"))
    make_tree(env.path("repository"))
    git("init", env.path("repository"))
    git("-C", env.path("repository"), "add", ".")
    git("-C", env.path("repository"), "-c", "user.name=n", "-c", "user.email=e", "commit", "-m", "m")
    write(env.path("known"))
    env.umount()


def warm_up(env):
    """What is asked once in the life of a mount, and what the steps take for known."""
    read(env.path("known"))
    os.stat(env.path("known"))  # a READ leaves the time of access unknown
    missing(env.path("absent"))
    os.listdir(env.mnt)
    git("-C", env.path("repository"), "--no-optional-locks", "status")
    write(env.path("first"))
    os.unlink(env.path("first"))
    os.stat(env.mnt)


def run(env):
    prepare(env)
    for mode, options in MODES.items():
        env.mount(*options)
        if mode == "io_uring" and env.status()["transport"] != mode:
            say(f"not over io_uring: {env.status()['transport_detail']}")
            env.umount()
            continue
        warm_up(env)
        counter = Counter(env)
        differences = []
        for what, action, wanted in steps(env):
            counter.since()
            action()
            sent = counter.since()
            if mode == "writeback":  # the kernel sends times when it likes, and asks again for what it then lost
                sent.pop("setattr", 0)
                sent.pop("getattr", 0)
                wanted = " ".join(word for word in wanted.split() if not word.startswith(("setattr", "getattr")))
            if sent != parse(wanted):
                differences.append(f"{what}: sent {sent}, wanted {parse(wanted)}")
        check(not differences, f"{mode}: " + "; ".join(differences))
        say(f"{mode}: {len(steps(env))} kinds of work, each with its list of requests")
        for name in ("renamed", "copy"):
            os.unlink(env.path(name))
        env.umount()
    env.fsck()
