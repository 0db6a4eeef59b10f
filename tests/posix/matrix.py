"""Every tester over every combination of the modes a mount can have.

Permissions are always the kernel's to check (default_permissions cannot be switched off), so that is no mode.
"""

import contextlib
import itertools
import os

from harness import check_equal, say

SWITCH = "/sys/module/fuse/parameters/enable_uring"
TRANSPORTS = {"noio_uring": "/dev/fuse", "io_uring": "io_uring"}
# The first of each is the default.
AXES = (("io_uring", "noio_uring"), ("nowriteback", "writeback"), ("allow_other", "noallow_other"), ("acl", "noacl"))


@contextlib.contextmanager
def ring_offered():
    """Whether the kernel offers FUSE over io_uring; as root it is switched on meanwhile."""
    def read():
        with open(SWITCH, encoding="ascii") as file:
            return file.read().strip()

    def write(value):
        with open(SWITCH, "w", encoding="ascii") as file:
            file.write(value)

    if not os.path.exists(SWITCH):
        yield False
        return
    before = read()
    if before == "Y" or os.geteuid() != 0:
        yield before == "Y"
        return
    write("Y")
    try:
        yield True
    finally:
        write(before)


def combinations(short, offered, root):
    """Tuples of mount options. The short list has every pair of the first three axes' values."""
    for values in itertools.product(*AXES):
        transport, writeback, other, acl = values
        if transport == "io_uring" and not offered:
            continue
        if other == "allow_other" and not root:
            continue
        odd = (transport == "noio_uring") != (writeback == "writeback")
        if not short or (acl == "acl" and (not root or odd == (other == "noallow_other"))):
            yield values


def testers(short, options, root):
    """Name and arguments of each tester, for a mount with these options."""
    if root and "acl" in options:
        yield "scripts", []
    if root:
        yield "tree", ["--rounds", "6", "--calls", "120"] if short else ["--seconds", "60", "--calls", "400"]
    yield "data", ["--rounds", "1", "--operations", "800"] if short else ["--rounds", "20", "--operations", "2000"]
    if not short:
        yield "data", ["--rounds", "4", "--operations", "2000", "--base", str(5 << 30)]
    if "nowriteback" in options:  # with it, times and blocks differ as mount/README.md says
        yield "processes", []
    yield "stress", ["--seconds", "2" if short else "20"]


def run(env, checked, short, seed):
    """checked(env, tester, options, words) runs one tester on what is mounted."""
    root = os.geteuid() == 0
    env.mkfs()
    with ring_offered() as offered:
        if not offered:
            say("no io_uring here: /dev/fuse alone")
        for number, options in enumerate(combinations(short, offered, root)):
            say(f"-o {','.join(options)}")
            env.mount(*options)
            check_equal(env.status()["transport"], TRANSPORTS[options[0]], "transport")
            for name, words in testers(short, options, root):
                seeded = [] if name in ("scripts", "processes") else ["--seed", str(seed + 1000 * number)]
                checked(env, name, options, words + seeded)
            env.umount()
            env.fsck()
