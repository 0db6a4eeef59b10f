"""Making, describing and comparing directory trees."""

import hashlib
import os
import random
import socket
import stat

from harness import Failure, check, check_equal

BLOCK = 4096


def make_tree(root):
    """A tree with everything that a filesystem can hold: for copies to get right."""
    os.makedirs(root)

    def path(*names):
        return os.path.join(root, *names)

    def put(name, data, mode=0o644):
        with open(path(name), "wb") as file:
            file.write(data)
        os.chmod(path(name), mode)

    rng = random.Random(7)
    put("empty", b"")
    put("small", b"hello\n", 0o600)
    put("block", rng.randbytes(BLOCK))
    put("odd", rng.randbytes(3 * BLOCK + 17), 0o4755)
    put("large", rng.randbytes(5 << 20), 0o444)
    put("n" * 255, b"a name of 255 bytes")
    put("grüße-日本語-🦀", "UTF-8".encode())
    put("e\u0301 decomposed and é composed", b"not normalised")
    put("\u00e4" * 127 + "x", b"255 bytes of UTF-8")
    put(" leading space, \\ backslash, \" quote\nnewline", b"odd name")
    os.mkdir(path("directory"), 0o750)
    os.mkdir(path("sticky"), 0o755)
    os.chmod(path("sticky"), 0o1777)
    os.mkdir(path("setgid"))
    os.chmod(path("setgid"), 0o2775)
    deep = path("deep")
    for level in range(40):
        deep = os.path.join(deep, f"level-{level}")
    os.makedirs(deep)
    os.mkdir(path("many"))
    for i in range(3000):
        put(f"many/file-{i}", f"{i}\n".encode())
    put("linked", b"three names")
    os.link(path("linked"), path("directory", "second name"))
    os.link(path("linked"), path("many", "third name"))
    os.symlink("small", path("link"))
    os.symlink("../nowhere", path("directory", "dangling"))
    os.symlink("x" * 4000, path("long target"))
    with open(path("sparse"), "wb") as file:
        file.seek(10 << 20)
        file.write(b"in the middle")
        file.truncate(100 << 20)
    os.mkfifo(path("fifo"), 0o640)
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(root)  # the path of a socket is short
        sock.bind("socket")
        os.chdir(here)
    if os.geteuid() == 0:
        os.mknod(path("character"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(path("block device"), stat.S_IFBLK | 0o600, os.makedev(7, 99))
        os.chown(path("block"), 1234, 5678)
        os.chown(path("link"), 4321, 8765, follow_symlinks=False)
        os.setxattr(path("block"), "trusted.silt", b"for root")
    os.setxattr(path("small"), "user.empty", b"")
    os.setxattr(path("small"), "user.large", rng.randbytes(1500))
    os.setxattr(path("directory"), "user.of a directory", b"\0binary\xff")
    for names, _, files in os.walk(root):
        for name in files:
            when = rng.randrange(1, 2_000_000_000_000_000_000)
            os.utime(os.path.join(names, name), ns=(when, when + 1), follow_symlinks=False)
    os.utime(path("small"), ns=(1, -1_000_000_001))
    for directory, _, _ in os.walk(root, topdown=False):
        when = rng.randrange(1, 2_000_000_000_000_000_000)
        os.utime(directory, ns=(when, when))


def _walk(root):
    """Every path in the tree, relative, sorted; the root is ''."""
    stack = [""]
    while stack:
        name = stack.pop()
        yield name
        full = os.path.join(root, name) if name else root
        if stat.S_ISDIR(os.lstat(full).st_mode):
            stack += sorted(os.path.join(name, entry) for entry in os.listdir(full))


def xattrs(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def digest(path):
    hasher = hashlib.blake2b()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def describe(root, contents=True, identity=True):
    """Everything about a tree, by path; two descriptions of an unchanged tree are equal."""
    tree = {}
    for name in _walk(root):
        full = os.path.join(root, name) if name else root
        st = os.lstat(full)
        entry = {"mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid), "nlink": st.st_nlink, "size": st.st_size,
                 "mtime": st.st_mtime_ns, "rdev": st.st_rdev, "xattrs": xattrs(full)}
        if identity:
            entry.update(ino=st.st_ino, ctime=st.st_ctime_ns, blocks=st.st_blocks)
        if stat.S_ISLNK(st.st_mode):
            entry["target"] = os.readlink(full)
        elif contents and stat.S_ISREG(st.st_mode):
            entry["digest"] = digest(full)
        tree[name] = entry
    return tree


def check_same_description(before, after, what):
    check_equal(sorted(set(before) ^ set(after)), [], f"{what}: names on one side only")
    for name in before:
        if before[name] != after[name]:
            fields = {key: (before[name].get(key), after[name].get(key))
                      for key in set(before[name]) | set(after[name]) if before[name].get(key) != after[name].get(key)}
            raise Failure(f"{what}: {name or '.'}: {fields}")


def check_blocks(where, ours, theirs, made_holes):
    rounded = (ours.st_size + BLOCK - 1) // BLOCK * BLOCK
    allocated = theirs.st_blocks * 512
    # Some filesystems count a block of extended attributes or extents.
    check(allocated <= rounded + BLOCK, f"{where}: {theirs.st_blocks} blocks for {ours.st_size} bytes")
    if ours.st_blocks * 512 < ours.st_size:
        check(allocated <= ours.st_blocks * 512 + 64 * BLOCK, f"{where} lost its holes: {theirs.st_blocks} blocks")
    elif not made_holes:
        check(allocated >= ours.st_size, f"{where}: only {theirs.st_blocks} blocks for {ours.st_size} bytes")


def check_copy(source, copy, owner=True, links=True, made_holes=False):
    """That `copy` has every name, type, attribute and extended attribute of `source`; contents are left to diff -r.

    made_holes: whoever copied turned zeros into holes, so that a file may have fewer blocks than its source."""
    names = list(_walk(source))
    check_equal(sorted(set(_walk(copy)) ^ set(names)), [], f"names of {source} and of its copy")
    ours = {name: os.lstat(os.path.join(source, name)) for name in names}
    shared = {}
    for name, st in ours.items():
        shared.setdefault(st.st_ino, []).append(name)
    for name, st in ours.items():
        theirs = os.lstat(os.path.join(copy, name))
        where = f"{os.path.join(copy, name)}"
        check_equal(oct(theirs.st_mode), oct(st.st_mode), f"mode of {where}")
        check_equal(theirs.st_mtime_ns, st.st_mtime_ns, f"mtime of {where}")
        check_equal(theirs.st_rdev, st.st_rdev, f"device of {where}")
        if owner:
            check_equal((theirs.st_uid, theirs.st_gid), (st.st_uid, st.st_gid), f"owner of {where}")
        if stat.S_ISDIR(st.st_mode):
            if st.st_nlink > 1:  # some filesystems do not count sub-directories
                check_equal(theirs.st_nlink, st.st_nlink, f"links of directory {where}")
        else:
            check_equal(theirs.st_size, st.st_size, f"size of {where}")
            if links:  # names outside the tree were not copied
                check_equal(theirs.st_nlink, len(shared[st.st_ino]), f"links of {where}")
        if stat.S_ISREG(st.st_mode):
            check_blocks(where, st, theirs, made_holes)
        if stat.S_ISLNK(st.st_mode):
            check_equal(os.readlink(os.path.join(copy, name)), os.readlink(os.path.join(source, name)), f"target of {where}")
        check_equal(xattrs(os.path.join(copy, name)), xattrs(os.path.join(source, name)), f"xattrs of {where}")
