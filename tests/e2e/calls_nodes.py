"""Calls on inodes: attributes, owners, times, extended attributes, device nodes, statfs."""

import os
import socket
import stat

from calls_support import Recorder, attributes, changed, times, write_file


def call_chmod_chown(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/sub")
    for mode in (0, 0o7777, 0o4755, 0o644):
        r.do(f"chmod {mode:o}", os.chmod, d + "/f", mode)
        r.note("mode", attributes(d + "/f")["mode"])
        r.do(f"chmod directory {mode:o}", os.chmod, d + "/sub", mode)
        r.note("mode", attributes(d + "/sub")["mode"])
    os.chmod(d + "/sub", 0o755)
    os.symlink("f", d + "/s")
    if os.geteuid() == 0:
        os.chmod(d + "/f", 0o6755)
        r.do("chown", os.chown, d + "/f", 12, 34)
        r.note("set-id bits go", attributes(d + "/f"))
        r.do("chown of the group alone", os.chown, d + "/f", -1, 56)
        r.do("lchown", os.chown, d + "/s", 78, 90, follow_symlinks=False)
        r.note("link", attributes(d + "/s"))
        r.do("largest ids", os.chown, d + "/f", 2**32 - 2, 2**32 - 2)
        r.note("file", attributes(d + "/f"))
        os.chmod(d + "/f", 0o6777)
        with open(d + "/f", "ab") as file:
            file.write(b"root keeps set-id bits")
        r.note("after a write by root", attributes(d + "/f"))
        os.chmod(d + "/sub", 0o2755)
        r.do("chown of a setgid directory", os.chown, d + "/sub", 5, 5)
        r.note("keeps setgid", attributes(d + "/sub"))
    else:
        r.do("chown to another", os.chown, d + "/f", 0, 0)
    before = times(d + "/f")
    os.chmod(d + "/f", 0o600)
    r.note("chmod moves ctime alone", changed(before, times(d + "/f")))
    return r


def call_set_id_bits_and_writers(d):
    """A write by somebody who is not root takes the set-id bits away; permissions bind them."""
    r = Recorder()
    write_file(d + "/f", b"x" * 10)
    os.chmod(d + "/f", 0o6777)
    if os.geteuid() == 0:
        os.chmod(d, 0o777)

    def as_other(call):
        pid = os.fork()
        if pid == 0:
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setresgid(65534, 65534, 65534)
                    os.setresuid(65534, 65534, 65534)
                call()
                os._exit(0)
            except PermissionError:
                os._exit(13)
            except OSError:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def write():
        fd = os.open(d + "/f", os.O_WRONLY)
        os.write(fd, b"y")
        os.close(fd)

    r.note("stat", as_other(lambda: os.stat(d + "/f")))
    r.note("write", as_other(write))
    r.note("mode", attributes(d + "/f")["mode"])
    os.chmod(d + "/f", 0o6777)
    r.note("truncate", as_other(lambda: os.truncate(d + "/f", 3)))
    r.note("mode", attributes(d + "/f")["mode"])
    os.chmod(d + "/f", 0o600)
    r.note("write without permission", as_other(write))
    os.chmod(d + "/f", 0o666)
    os.chmod(d, 0o700)
    r.note("write behind a closed directory", as_other(write))
    return r


# Others reach a mount only with allow_other.
call_set_id_bits_and_writers.needs_others = True


def call_utimens(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/sub")
    os.symlink("f", d + "/s")
    values = [(1, 2), (0, 0), (10**18 + 123456789, 2 * 10**18 + 987654321), (-1, -10**9), (4 * 10**18, 2**33 * 10**9)]
    for atime, mtime in values:
        for name in ("f", "sub", "s"):
            path = os.path.join(d, name)
            r.do("utimens", os.utime, path, ns=(atime, mtime), follow_symlinks=False)
            st = os.lstat(path)
            r.note(name, (st.st_atime_ns, st.st_mtime_ns))
    before = times(d + "/f")
    os.utime(d + "/f", ns=(5, 6))
    r.note("ctime moves", changed(before, times(d + "/f")))
    os.utime(d + "/f")
    now = times(d + "/f")
    r.note("UTIME_NOW", abs(now[0] - now[2]) < 10**9 and abs(now[1] - now[2]) < 10**9)
    os.utime(d + "/f", ns=(10**9, 10**9))
    before = times(d + "/f")
    with open(d + "/f", "ab") as file:
        file.write(b"x")
    r.note("write moves mtime and ctime", changed(before, times(d + "/f")))
    os.utime(d + "/f", ns=(10**9, 10**9))
    before = times(d + "/f")
    os.truncate(d + "/f", 5)
    r.note("truncate to the same size", changed(before, times(d + "/f")))
    os.truncate(d + "/f", 2)
    r.note("truncate moves mtime", changed(before, times(d + "/f")))
    return r


def call_xattrs(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/sub")
    for name in ("f", "sub"):
        path = os.path.join(d, name)
        r.do("get what is missing", os.getxattr, path, "user.none")
        r.do("remove what is missing", os.removexattr, path, "user.none")
        r.do("set", os.setxattr, path, "user.a", b"one")
        r.do("create what exists", os.setxattr, path, "user.a", b"two", os.XATTR_CREATE)
        r.do("replace what exists", os.setxattr, path, "user.a", b"three", os.XATTR_REPLACE)
        r.do("replace what is missing", os.setxattr, path, "user.b", b"four", os.XATTR_REPLACE)
        r.do("get", os.getxattr, path, "user.a")
        r.do("empty value", os.setxattr, path, "user.empty", b"")
        r.do("get", os.getxattr, path, "user.empty")
        r.do("binary", os.setxattr, path, "user.binary", bytes(range(256)))
        r.do("get", os.getxattr, path, "user.binary")
        r.do("name of 255 bytes", os.setxattr, path, "user." + "n" * 250, b"x")
        r.do("name of 256 bytes", os.setxattr, path, "user." + "n" * 251, b"x")
        r.do("value beyond the limit", os.setxattr, path, "user.big", b"x" * 65537)
        r.do("no such namespace", os.setxattr, path, "nonsense.a", b"x")
        r.do("empty name", os.setxattr, path, "user.", b"x")
        r.note("list", sorted(n for n in os.listxattr(path)))
        r.do("remove", os.removexattr, path, "user.a")
        r.note("list", sorted(n for n in os.listxattr(path)))
        before = times(path)
        os.setxattr(path, "user.t", b"t")
        r.note("ctime moves", changed(before, times(path)))
    os.symlink("f", d + "/s")
    r.do("user xattr of a link", os.setxattr, d + "/s", "user.a", b"x", follow_symlinks=False)
    if os.geteuid() == 0:
        r.do("trusted", os.setxattr, d + "/f", "trusted.a", b"x")
        r.do("trusted of a link", os.setxattr, d + "/s", "trusted.a", b"x", follow_symlinks=False)
        r.do("security", os.setxattr, d + "/f", "security.silt", b"x")
        r.note("list", sorted(os.listxattr(d + "/f")))
        r.note("list of a link", os.listxattr(d + "/s", follow_symlinks=False))
    return r


def call_mknod(d):
    r = Recorder()
    kinds = {"regular": stat.S_IFREG, "fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK}
    if os.geteuid() == 0:
        kinds.update(character=stat.S_IFCHR, block=stat.S_IFBLK)
    for name, kind in kinds.items():
        device = os.makedev(259, 1048575) if name in ("character", "block") else 0
        r.do(name, os.mknod, os.path.join(d, name), kind | 0o6640, device)
        r.note("attributes", attributes(os.path.join(d, name)))
        r.do("again", os.mknod, os.path.join(d, name), kind | 0o600, device)
    r.do("directory", os.mknod, d + "/directory", stat.S_IFDIR | 0o755)
    reader = os.open(d + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(d + "/fifo", os.O_WRONLY | os.O_NONBLOCK)
    r.do("write a fifo", os.write, writer, b"through")
    r.do("read a fifo", os.read, reader, 10)
    os.close(reader)
    os.close(writer)
    here = os.getcwd()
    os.chdir(d)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        r.do("bind", server.bind, "live")
        server.listen()
        r.do("connect", client.connect, "live")
    os.chdir(here)
    r.note("listing", sorted(os.listdir(d)))
    return r


def call_statfs(d):
    r = Recorder()
    st = os.statvfs(d)
    r.note("names", st.f_namemax)
    r.note("block size", st.f_frsize)
    r.note("sane", st.f_blocks > 0 and 0 < st.f_bavail <= st.f_bfree <= st.f_blocks and 0 < st.f_ffree <= st.f_files)
    return r


def call_access(d):
    r = Recorder()
    write_file(d + "/f")
    os.chmod(d + "/f", 0o400)
    for how in (os.F_OK, os.R_OK, os.W_OK, os.X_OK):
        r.do(f"access {how}", os.access, d + "/f", how)
    write_file(d + "/program", b"#!/bin/sh\nexit 7\n")
    r.do("run what is not executable", os.spawnv, os.P_WAIT, d + "/program", ["program"])
    os.chmod(d + "/program", 0o755)
    r.do("run it", os.spawnv, os.P_WAIT, d + "/program", ["program"])
    return r
