"""Calls on names: create, link, symlink, rename, unlink, directories, limits."""

import os

from calls_support import Recorder, attributes, changed, read_file, times, write_file
from harness import RENAME_EXCHANGE, RENAME_NOREPLACE, DirectoryStream, renameat2


def call_open_flags(d):
    r = Recorder()
    f = d + "/f"
    r.fd("open what is missing", f, os.O_RDONLY)
    fd = r.fd("create", f, os.O_CREAT | os.O_WRONLY, 0o640)
    r.do("write", os.write, fd, b"0123456789")
    r.do("read of a write-only descriptor", os.read, fd, 1)
    os.close(fd)
    r.note("attributes", attributes(f))
    r.fd("create exclusively what exists", f, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    fd = r.fd("open read-only", f, os.O_RDONLY)
    r.do("write to a read-only descriptor", os.write, fd, b"x")
    os.close(fd)
    fd = r.fd("open to append", f, os.O_WRONLY | os.O_APPEND)
    r.do("append", os.write, fd, b"abc")
    r.do("pwrite appends as Linux does", os.pwrite, fd, b"X", 0)
    os.close(fd)
    r.note("contents", read_file(f))
    fd = r.fd("open to truncate", f, os.O_RDWR | os.O_TRUNC)
    r.note("size", os.fstat(fd).st_size)
    os.close(fd)
    write_file(f, b"again")
    fd = r.fd("truncate on a read-only open", f, os.O_RDONLY | os.O_TRUNC)
    r.note("size", os.fstat(fd).st_size)
    os.close(fd)
    r.fd("O_DIRECTORY on a file", f, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir(d + "/sub")
    r.fd("write a directory", d + "/sub", os.O_WRONLY)
    os.close(r.fd("open a directory", d + "/sub", os.O_RDONLY | os.O_DIRECTORY))
    os.symlink("f", d + "/link")
    r.fd("O_NOFOLLOW on a link", d + "/link", os.O_RDONLY | os.O_NOFOLLOW)
    os.close(r.fd("O_PATH on a link", d + "/link", os.O_PATH | os.O_NOFOLLOW))
    os.symlink("made", d + "/to make")
    os.close(r.fd("create through a dangling link", d + "/to make", os.O_CREAT | os.O_WRONLY))
    r.fd("exclusively through a link", d + "/to make", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    r.fd("through a file", f + "/x", os.O_CREAT | os.O_WRONLY)
    r.fd("trailing slash", d + "/new/", os.O_CREAT | os.O_WRONLY)
    for flag in ("O_SYNC", "O_DSYNC", "O_NOATIME", "O_CLOEXEC", "O_NONBLOCK"):
        fd = r.fd(flag, f, os.O_RDWR | getattr(os, flag))
        r.do(f"write with {flag}", os.write, fd, b"z")
        os.close(fd)
    r.note("listing", sorted(os.listdir(d)))
    return r


def call_umask_and_modes(d):
    r = Recorder()
    for mask in (0o000, 0o022, 0o077, 0o777):
        old = os.umask(mask)
        os.close(os.open(f"{d}/f{mask:o}", os.O_CREAT | os.O_WRONLY, 0o6777))
        os.mkdir(f"{d}/d{mask:o}", 0o1777)
        os.umask(old)
        r.note("file", attributes(f"{d}/f{mask:o}")["mode"])
        r.note("directory", attributes(f"{d}/d{mask:o}")["mode"])
    os.mkdir(d + "/setgid")
    os.chown(d + "/setgid", -1, os.getgid())
    os.chmod(d + "/setgid", 0o2755)
    write_file(d + "/setgid/f")
    os.mkdir(d + "/setgid/sub")
    r.note("file in a setgid directory", attributes(d + "/setgid/f"))
    r.note("directory in a setgid directory", attributes(d + "/setgid/sub"))
    return r


def call_rename(d):
    r = Recorder()
    write_file(d + "/a", b"a")
    write_file(d + "/b", b"b")
    inode = os.stat(d + "/a").st_ino
    r.do("over a file", os.rename, d + "/a", d + "/b")
    r.note("moved inode and contents", (os.stat(d + "/b").st_ino == inode, read_file(d + "/b")))
    r.do("of what is missing", os.rename, d + "/a", d + "/c")
    r.do("onto itself", os.rename, d + "/b", d + "/b")
    os.link(d + "/b", d + "/same")
    r.do("onto another name of the same file", os.rename, d + "/b", d + "/same")
    r.note("both stay", sorted(os.listdir(d)))
    os.makedirs(d + "/x/y/z")
    os.mkdir(d + "/empty")
    os.makedirs(d + "/full/f")
    r.do("directory over an empty one", os.rename, d + "/x", d + "/empty")
    r.do("directory over a full one", os.rename, d + "/empty", d + "/full")
    r.do("directory over a file", os.rename, d + "/empty", d + "/b")
    r.do("file over a directory", os.rename, d + "/b", d + "/full")
    r.do("into itself", os.rename, d + "/empty", d + "/empty/y/inside")
    r.do("over its own ancestor", os.rename, d + "/empty/y/z", d + "/empty")
    r.do("directory to another parent", os.rename, d + "/empty/y", d + "/full/y")
    r.note("links follow", (attributes(d + "/empty")["nlink"], attributes(d + "/full")["nlink"]))
    r.note("dotdot follows", os.stat(d + "/full/y/..").st_ino == os.stat(d + "/full").st_ino)
    r.do("NOREPLACE onto something", renameat2, d + "/b", d + "/same", RENAME_NOREPLACE)
    r.do("NOREPLACE onto nothing", renameat2, d + "/b", d + "/new", RENAME_NOREPLACE)
    r.do("EXCHANGE with nothing", renameat2, d + "/new", d + "/none", RENAME_EXCHANGE)
    r.do("EXCHANGE file and directory", renameat2, d + "/new", d + "/full", RENAME_EXCHANGE)
    r.note("types", (os.path.isdir(d + "/new"), os.path.isfile(d + "/full")))
    os.makedirs(d + "/p/q")
    r.do("EXCHANGE across parents", renameat2, d + "/p/q", d + "/full", RENAME_EXCHANGE)
    r.note("links", (attributes(d + "/p")["nlink"], attributes(d)["nlink"]))
    r.do("EXCHANGE with an ancestor", renameat2, d + "/new/y", d + "/new", RENAME_EXCHANGE)
    r.do("both flags", renameat2, d + "/same", d + "/full", RENAME_EXCHANGE | RENAME_NOREPLACE)
    r.do("dot", os.rename, d + "/.", d + "/dot")
    r.note("listing", sorted(os.listdir(d)))
    return r


def call_rename_of_open_files(d):
    r = Recorder()
    write_file(d + "/old", b"old")
    write_file(d + "/new", b"new")
    fd = os.open(d + "/old", os.O_RDWR)
    os.rename(d + "/new", d + "/old")
    r.note("links of what was replaced", os.fstat(fd).st_nlink)
    r.do("it can be read", os.pread, fd, 10, 0)
    r.do("and written", os.pwrite, fd, b"still", 0)
    r.do("and read again", os.pread, fd, 10, 0)
    os.close(fd)
    r.note("the new file", read_file(d + "/old"))
    return r


def call_link_and_unlink(d):
    r = Recorder()
    write_file(d + "/f", b"1")
    r.do("link", os.link, d + "/f", d + "/g")
    r.note("links", attributes(d + "/f")["nlink"])
    r.do("link over a name", os.link, d + "/f", d + "/g")
    r.do("link of nothing", os.link, d + "/none", d + "/h")
    r.do("link of a directory", os.link, d, d + "/h")
    os.symlink("f", d + "/s")
    os.link(d + "/s", d + "/hard link of a link", follow_symlinks=False)
    r.note("a link's link", attributes(d + "/hard link of a link"))
    r.do("unlink", os.unlink, d + "/f")
    r.do("unlink again", os.unlink, d + "/f")
    r.note("links", attributes(d + "/g")["nlink"])
    os.mkdir(d + "/sub")
    r.do("unlink a directory", os.unlink, d + "/sub")
    r.do("rmdir a file", os.rmdir, d + "/g")
    write_file(d + "/sub/x")
    r.do("rmdir a full directory", os.rmdir, d + "/sub")
    os.unlink(d + "/sub/x")
    r.do("rmdir dot", os.rmdir, d + "/sub/.")
    r.do("rmdir", os.rmdir, d + "/sub")
    r.do("mkdir over a name", os.mkdir, d + "/g")
    return r


def call_unlink_while_open(d):
    r = Recorder()
    fd = os.open(d + "/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 100000)
    os.unlink(d + "/f")
    r.note("gone", os.listdir(d))
    st = os.fstat(fd)
    r.note("links and size", (st.st_nlink, st.st_size))
    r.do("read", lambda: os.pread(fd, 5, 99990))
    r.do("extend", os.ftruncate, fd, 300000)
    r.do("write", os.pwrite, fd, b"end", 299997)
    r.do("read", os.pread, fd, 10, 299990)
    r.do("chmod", os.fchmod, fd, 0o600)
    r.do("bring it back", os.link, f"/proc/self/fd/{fd}", d + "/back")
    os.close(fd)
    directory = os.open(d, os.O_RDONLY)
    os.mkdir(d + "/sub")
    sub = os.open(d + "/sub", os.O_RDONLY)
    os.rmdir(d + "/sub")
    r.fd("create in a removed directory", "x", os.O_CREAT | os.O_WRONLY, dir_fd=sub)
    r.do("list a removed directory", os.listdir, sub)
    r.note("its links", os.fstat(sub).st_nlink)
    os.close(sub)
    os.close(directory)
    return r


def call_symlink(d):
    r = Recorder()
    for target in ("f", "/absolute/path", "x" * 4095, "with \n newline", "ü"):
        os.symlink(target, d + "/s")
        r.note("attributes", attributes(d + "/s"))
        r.do("readlink", os.readlink, d + "/s")
        os.unlink(d + "/s")
    r.do("target too long", os.symlink, "x" * 4096, d + "/s")
    r.do("empty target", os.symlink, "", d + "/s")
    os.symlink("loop", d + "/loop")
    r.do("loop", os.stat, d + "/loop")
    write_file(d + "/f")
    r.do("readlink of a file", os.readlink, d + "/f")
    return r


def call_name_limits(d):
    r = Recorder()
    for name in ("n" * 255, "ä" * 127 + "x", "n" * 256, "n" * 3000, "ä" * 128, "\udc80\udcff not UTF-8"):
        fd = r.fd(f"create {len(os.fsencode(name))} bytes", os.path.join(d, name), os.O_CREAT | os.O_WRONLY)
        if fd >= 0:
            os.close(fd)
        r.do("mkdir", os.mkdir, os.path.join(d, name))
        r.do("stat", lambda n=name: os.stat(os.path.join(d, n)).st_size)
        r.do("rename to it", os.rename, d + "/none", os.path.join(d, name))
        r.do("symlink", os.symlink, "x", os.path.join(d, name))
    r.note("listing", sorted(os.listdir(d)))
    return r


def call_directory_times_and_links(d):
    r = Recorder()
    write_file(d + "/f")
    os.mkdir(d + "/to")

    def around(what, function, *arguments):
        os.utime(d, ns=(10**18, 10**18))
        before = times(d)
        function(*arguments)
        r.note(what, changed(before, times(d)))

    around("create", write_file, d + "/new")
    around("overwrite", write_file, d + "/new", b"more")
    around("unlink", os.unlink, d + "/new")
    around("mkdir", os.mkdir, d + "/sub")
    r.note("links", attributes(d)["nlink"])
    around("rmdir", os.rmdir, d + "/sub")
    r.note("links", attributes(d)["nlink"])
    around("link", os.link, d + "/f", d + "/g")
    around("symlink", os.symlink, "f", d + "/s")
    around("rename", os.rename, d + "/g", d + "/h")
    around("move away", os.rename, d + "/h", d + "/to/h")
    around("chmod of a child", os.chmod, d + "/f", 0o600)
    os.utime(d + "/f", ns=(10**18, 10**18))
    for what, call in (("link", lambda: os.link(d + "/f", d + "/l")), ("rename", lambda: os.rename(d + "/f", d + "/f2"))):
        before = times(d + "/l" if what == "rename" else d + "/f")
        call()
        r.note(f"file's own times after {what}", changed(before, times(d + "/l")))
    return r


def call_readdir_positions(d):
    r = Recorder()
    names = {f"file-{i:04}" for i in range(2000)}
    for name in names:
        write_file(os.path.join(d, name), b"")
    stream = DirectoryStream(d)
    seen, positions = [], []
    while (name := stream.read()) is not None:
        seen.append(name)
        positions.append(stream.tell())
    r.note("all once", sorted(seen) == sorted([n.encode() for n in names] + [b".", b".."]))
    r.note("positions differ", len(set(positions)) == len(positions))
    good = True
    for i in (0, 1, 2, 700, 1999, 3, 2000):
        stream.seek(positions[i])
        good = good and stream.read() == seen[i + 1]
    r.note("seekdir to every kind of place", good)
    stream.seek(positions[-1])
    r.note("the end", stream.read())
    # Names that stay must come once each, whatever is added and removed meanwhile.
    stream.rewind()
    first = [stream.read() for _ in range(500)]
    for name in seen[100:110] + seen[1500:1600]:
        if name not in (b".", b".."):
            os.unlink(os.path.join(os.fsencode(d), name))
    for i in range(300):
        write_file(f"{d}/added-{i}", b"")
    rest = []
    while (name := stream.read()) is not None:
        rest.append(name)
    stream.close()
    listed = first + rest
    stable = set(seen) - set(seen[100:110]) - set(seen[1500:1600])
    r.note("no name twice", len(listed) == len(set(listed)))
    r.note("no stable name missed", sorted(stable - set(listed)))
    # Deleting while reading, as rm -r does.
    stream = DirectoryStream(d)
    while (name := stream.read()) is not None:
        if name not in (b".", b".."):
            os.unlink(os.path.join(os.fsencode(d), name))
    stream.close()
    r.note("empty afterwards", os.listdir(d))
    return r
