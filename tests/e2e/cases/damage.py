"""A flipped byte anywhere in a store: right answers, or EIO and a log line; never wrong bytes, never a crash.

Prints how often each kind of file was hit and what came of it. SILT_E2E_TRIALS sets the number of flips.
"""

import collections
import errno
import os
import random
import re
import shutil

from harness import Failure, check, say

TIMEOUT = 400
TRIALS = int(os.environ.get("SILT_E2E_TRIALS", "60"))


def fill(env):
    """Files in tables of several generations and in the log. Returns what must be found."""
    rng = random.Random(11)
    wanted = {}
    for generation in range(3):
        os.mkdir(env.path(f"d{generation}"))
        for i in range(60):
            name = f"d{generation}/f{i}"
            wanted[name] = rng.randbytes(rng.choice([0, 10, 5000, 40000, 60000]))
            with open(env.path(name), "wb") as file:
                file.write(wanted[name])
        if generation < 2:
            env.silt("compact", env.mnt)
    for name in list(wanted)[:120:7]:
        os.unlink(env.path(name))
        del wanted[name]
    return wanted


def targets(store):
    """The files whose bytes matter, with how often to hit each kind: few bytes are in the log and the manifest."""
    kinds = {}
    for name in sorted(os.listdir(store)):
        path = os.path.join(store, name)
        if not os.path.isfile(path) or os.path.getsize(path) == 0 or name.startswith("siltfs.log") or "LOCK" in name.upper():
            continue
        kind = re.sub(r"[0-9]+", "#", name)
        kinds.setdefault(kind, []).append(path)
    return kinds


def used_length(path):
    """Up to the last byte that is not zero: preallocated space is not worth hitting."""
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def look(env, wanted):
    """Reads everything. Returns how many answers were EIO; wrong ones raise."""
    refused = 0
    for directory in sorted({os.path.dirname(name) for name in wanted}):
        names = {os.path.basename(n) for n in wanted if os.path.dirname(n) == directory}
        try:
            check(set(os.listdir(env.path(directory))) == names, f"listing of {directory} is wrong")
        except OSError as error:
            expect_eio(error, directory)
            refused += 1
        for name in sorted(names):
            path = os.path.join(directory, name)
            try:
                with open(env.path(path), "rb") as file:
                    check(file.read() == wanted[path], f"{path} has wrong bytes")
            except OSError as error:
                expect_eio(error, path)
                refused += 1
    return refused


def expect_eio(error, path):
    check(error.errno == errno.EIO, f"{path}: {errno.errorcode[error.errno]}, wanted EIO")


def names_place(text, file):
    return os.path.basename(file) in text and re.search(r"offset|[0-9]+", text.split(os.path.basename(file))[-1])


def trial(env, wanted, pristine, path, offset, bit):
    """Returns what came of it: "right", "EIO" or "refused"."""
    shutil.rmtree(env.store, ignore_errors=True)
    shutil.copytree(pristine, env.store)
    with open(os.path.join(env.store, os.path.basename(path)), "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))
    logged = len(env.log())
    fsck = env.silt("fsck", env.store, rc=None)
    check(fsck.returncode in (0, 4, 8), f"fsck ended with {fsck.returncode}: {fsck.stdout}{fsck.stderr}")
    done = env.silt("mount", env.store, env.mnt, rc=None)
    if done.returncode != 0:
        check(done.returncode == 1, f"mount ended with {done.returncode}")
        check(len(done.stderr.strip().splitlines()) == 1, f"not one line: {done.stderr!r}")
        check(names_place(done.stderr, path), f"the message does not name file and offset: {done.stderr!r}")
        check(fsck.returncode != 0, f"mount refused, but fsck found the store clean: {done.stderr}")
        result = "refused"
    else:
        refused = look(env, wanted)
        pid = env.pid()
        check(os.path.exists(f"/proc/{pid}"), "the daemon is gone")
        env.umount()
        result = "EIO" if refused else "right"
        if refused:
            check(names_place(env.log()[logged:], path), f"{refused} reads failed, but the log does not name the place")
            check(fsck.returncode == 4, f"{refused} reads failed, but fsck ended with {fsck.returncode}")
    if result != "right":
        check_repair(env, wanted)
    return result


def check_repair(env, wanted):
    """Repair does not crash; what can be read afterwards is right, or EIO, or known to be lost."""
    repaired = env.silt("fsck", "--repair", env.store, rc=None)
    check(repaired.returncode in (1, 4), f"fsck --repair ended with {repaired.returncode}: {repaired.stdout}{repaired.stderr}")
    done = env.silt("mount", env.store, env.mnt, rc=None)
    check(done.returncode == 0, f"mount after fsck --repair: {done.stderr}")
    for name, data in wanted.items():
        try:
            with open(env.path(name), "rb") as file:
                got = file.read()
        except OSError:
            continue
        # A block of a table that is lost reads as a hole, or the file is older than it was: but never as foreign bytes.
        for begin in range(0, len(got), 4096):
            piece = got[begin:begin + 4096]
            check(piece == data[begin:begin + 4096] or not piece.strip(b"\0"), f"{name} has foreign bytes after repair")
    env.umount()


def run(env):
    env.start()
    wanted = fill(env)
    env.umount()
    pristine = env.scratch("pristine")
    shutil.copytree(env.store, pristine)
    kinds = targets(pristine)
    say("files: " + ", ".join(f"{kind} x{len(paths)}" for kind, paths in kinds.items()))
    check(any(k.startswith("MANIFEST") for k in kinds) and len(kinds) >= 3, f"tables, log or manifest are missing: {list(kinds)}")
    rng = random.Random(5)
    outcomes = collections.Counter()
    problems = []
    for number in range(TRIALS):
        kind = sorted(kinds)[number % len(kinds)]
        path = rng.choice(kinds[kind])
        offset, bit = rng.randrange(max(used_length(path), 1)), rng.randrange(8)
        try:
            outcomes[kind, trial(env, wanted, pristine, path, offset, bit)] += 1
        except Failure as failure:
            problems.append(f"bit {bit} of offset {offset} in {os.path.basename(path)} ({os.path.getsize(path)} bytes): {failure}")
            env.silt("umount", env.mnt, rc=None)
    for (kind, outcome), count in sorted(outcomes.items()):
        say(f"{kind:<20} {outcome:<8} {count}")
    if problems:
        raise Failure(f"{len(problems)} of {TRIALS} flips:\n   " + "\n   ".join(problems[:20]))
    check(sum(n for (_, outcome), n in outcomes.items() if outcome != "right") > 0, "no flip did any harm: nothing was tested")
