"""Random operations on a directory, each mirrored to a shadow on the host after it returned: what a kill may not lose.

The worker writes to its journal what it is about to do, does it on the mount, and once the call has returned does the
same to the shadow. When the daemon is killed, every operation but the last has returned and is in the shadow. The mount
must then equal the shadow, or the shadow after the one operation that had been sent but not answered.
"""

import json
import os
import random

from harness import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, RENAME_EXCHANGE, Failure, fallocate, renameat2
from trees import digest, xattrs


def content(seed, length, first=None):
    return random.Random(seed).randbytes(length)[:first]


def _with_file(path, flags, function):
    fd = os.open(path, flags, 0o644)
    try:
        return function(fd)
    finally:
        os.close(fd)


def apply(root, op):
    """One operation, one system call that changes anything. For writes, returns how much was written."""
    kind, arguments = op[0], op[1:]
    path = os.path.join(root, arguments[0])
    if kind == "create":
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
    elif kind == "write":
        _, offset, *what = arguments
        return _with_file(path, os.O_WRONLY, lambda fd: os.pwrite(fd, content(*what), offset))
    elif kind == "append":
        return _with_file(path, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, content(*arguments[1:])))
    elif kind == "truncate":
        os.truncate(path, arguments[1])
    elif kind == "punch":
        _with_file(path, os.O_WRONLY, lambda fd: fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, *arguments[1:]))
    elif kind == "unlink":
        os.unlink(path)
    elif kind == "mkdir":
        os.mkdir(path)
    elif kind == "rmdir":
        os.rmdir(path)
    elif kind == "chmod":
        os.chmod(path, arguments[1])
    elif kind == "utime":
        os.utime(path, ns=(arguments[1], arguments[1]))
    elif kind == "setxattr":
        os.setxattr(path, "user." + arguments[1], content(arguments[2], 40))
    elif kind == "symlink":
        os.symlink("target-" + str(arguments[1]), path)
    elif kind == "fsync":
        _with_file(path, os.O_RDONLY, os.fsync)
    elif kind == "rename":
        os.rename(path, os.path.join(root, arguments[1]))
    elif kind == "exchange":
        renameat2(path, os.path.join(root, arguments[1]), RENAME_EXCHANGE)
    elif kind == "link":
        os.link(path, os.path.join(root, arguments[1]))
    else:
        raise AssertionError(kind)
    return None


def shortened(op, length):
    """The same write, of its first bytes only: content() draws all of them and cuts."""
    return op[:-1] + [op[-1], length]


class Chooser:
    """Chooses operations that succeed, by what the shadow holds."""

    def __init__(self, seed, shadow):
        self.random = random.Random(seed)
        self.files, self.directories, self.serial = [], [""], 0
        for directory, names, files in os.walk(shadow):
            here = os.path.relpath(directory, shadow)
            here = "" if here == "." else here
            self.directories += [os.path.join(here, name) for name in names]
            self.files += [p for name in files if not os.path.islink(os.path.join(shadow, p := os.path.join(here, name)))]
        self.prefix = f"{seed:x}"

    def fresh(self):
        self.serial += 1
        return os.path.join(self.random.choice(self.directories), f"{self.prefix}-{self.serial}")

    def next(self):
        r = self.random
        kind = r.choices(["create", "write", "append", "truncate", "punch", "unlink", "mkdir", "chmod", "utime", "setxattr",
                          "symlink", "fsync", "rename", "exchange", "link", "replace"],
                         [20, 30, 15, 5, 3, 8, 3, 3, 3, 3, 3, 2, 8, 2, 3, 4])[0]
        if kind == "mkdir" and len(self.directories) < 40:
            name = self.fresh()
            self.directories.append(name)
            return ["mkdir", name]
        if kind == "symlink":
            return ["symlink", self.fresh(), r.randrange(1000)]
        if kind in ("create", "mkdir") or len(self.files) < 3:
            name = self.fresh()
            self.files.append(name)
            return ["create", name]
        name = r.choice(self.files)
        if kind == "write":
            length = r.choice([1, 100, 4096, 8192, 20000, 100000])
            return ["write", name, r.choice([0, 4096, r.randrange(200000)]), r.randrange(1 << 30), length]
        if kind == "append":
            return ["append", name, r.randrange(1 << 30), r.choice([10, 500, 4096, 30000])]
        if kind == "truncate":
            return ["truncate", name, r.choice([0, 5, 4096, r.randrange(150000)])]
        if kind == "punch":
            return ["punch", name, r.randrange(100000), r.randrange(1, 100000)]
        if kind == "chmod":
            return ["chmod", name, r.choice([0o600, 0o644, 0o755, 0o440])]
        if kind == "utime":
            return ["utime", name, r.randrange(1 << 60)]
        if kind == "setxattr":
            return ["setxattr", name, r.choice("abcd"), r.randrange(1 << 30)]
        if kind == "fsync":
            return ["fsync", name]
        if kind == "link":
            target = self.fresh()
            self.files.append(target)
            return ["link", name, target]
        if kind == "rename":
            target = self.fresh()
            self.files.remove(name)
            self.files.append(target)
            return ["rename", name, target]
        other = r.choice([file for file in self.files if file != name])
        if kind == "exchange":
            return ["exchange", name, other]
        if kind == "replace" and os.path.basename(name) != os.path.basename(other):
            # Of two names of one file rename does nothing; both stay, and the model would not know.
            return ["unlink", self.files.pop(self.files.index(name))]
        self.files.remove(name)
        return ["unlink", name]


def work(mounted, shadow, journal, seed):
    """Until an operation on the mount fails, which it does when the daemon is killed. Returns the error's number."""
    chooser = Chooser(seed, shadow)
    with open(journal, "w", encoding="utf-8") as lines:
        while True:
            op = chooser.next()
            lines.write(json.dumps(op) + "\n")
            lines.flush()
            try:
                written = apply(mounted, op)
            except OSError as error:
                return error.errno
            if written is not None and written < op[-1]:
                op = shortened(op, written)  # the kernel sends a large write in parts; the daemon died between two
            apply(shadow, op)


def state(root):
    found = {}
    inodes = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            full = os.path.join(directory, name)
            st = os.lstat(full)
            entry = [oct(st.st_mode), st.st_nlink]
            if os.path.islink(full):
                entry.append(os.readlink(full))
            elif os.path.isfile(full):
                entry += [st.st_size, digest(full), sorted(xattrs(full).items())]
                # Which names are one file, without the number itself.
                entry.append(inodes.setdefault(st.st_ino, os.path.relpath(full, root)) if st.st_nlink > 1 else None)
            found[os.path.relpath(full, root)] = entry
    # The first name met of a linked file depends on the order of the listing.
    groups = {}
    for name, entry in found.items():
        if len(entry) > 3 and entry[-1] is not None:
            groups.setdefault(entry[-1], []).append(name)
    for names in groups.values():
        for name in names:
            found[name][-1] = sorted(names)
    return found


def difference(ours, theirs):
    return {name: (ours.get(name), theirs.get(name)) for name in set(ours) | set(theirs) if ours.get(name) != theirs.get(name)}


def check_after_kill(mounted, shadow, journal):
    """Returns the number of operations that had been acknowledged; leaves shadow and mount equal."""
    with open(journal, encoding="utf-8") as file:
        lines = file.read().splitlines()
    got = state(mounted)
    wanted = state(shadow)
    if got == wanted:
        return len(lines) - 1
    last = json.loads(lines[-1])
    tries = [last]
    if last[0] in ("write", "append"):
        # Sent in parts that end at a page, or rather at a multiple of one in the file.
        start = last[2] if last[0] == "write" else os.stat(os.path.join(shadow, last[1])).st_size
        ends = range((start // 4096 + 1) * 4096, start + last[-1], 4096)
        tries = [shortened(last, end - start) for end in ends] + tries
    for op in tries:  # each overwrites what the one before it did, an append apart
        name = os.path.join(shadow, last[1])
        size = os.stat(name).st_size if op[0] == "append" else None
        apply(shadow, op)
        if state(shadow) == got:
            return len(lines) - 1
        if size is not None and op is not last:
            os.truncate(name, size)
    raise Failure(f"after {len(lines) - 1} acknowledged operations (and {last} under way) the mount differs from "
                  f"the shadow (mount, shadow): {str(difference(got, wanted))[:1500]}")
