"""File handles (name_to_handle_at): they find files after a remount, and are stale when the file is gone."""

import ctypes
import errno
import os
import struct

from harness import check, check_equal, say

NATIVE = True
TIMEOUT = 120

AT_FDCWD, AT_SYMLINK_FOLLOW, MAX_HANDLE = -100, 0x400, 128
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def handle_of(path):
    """struct file_handle: length, type, bytes."""
    buffer = ctypes.create_string_buffer(struct.pack("Ii", MAX_HANDLE, 0), 8 + MAX_HANDLE)
    mount_id = ctypes.c_int()
    checked(libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), buffer, ctypes.byref(mount_id), 0))
    return buffer.raw[:8 + struct.unpack_from("I", buffer.raw)[0]]


def open_handle(top, handle, flags):
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return checked(libc.open_by_handle_at(fd, ctypes.create_string_buffer(handle, len(handle)), flags))
    finally:
        os.close(fd)


def is_stale(top, handle):
    try:
        os.close(open_handle(top, handle, os.O_PATH))
        return False
    except OSError as error:
        check_equal(error.errno, errno.ESTALE, "a handle of what is gone")
        return True


def read(top, handle):
    fd = open_handle(top, handle, os.O_RDONLY)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def run(env):
    if os.geteuid() != 0:
        say("open_by_handle_at is for root: nothing done")
        return
    env.start()
    top = env.path("top")
    deep = os.path.join(top, "a", "b", "c")
    os.makedirs(deep)
    names = {}
    for number in range(200):
        path = os.path.join(deep, f"f{number}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"content {number}")
        names[f"content {number}".encode()] = handle_of(path)
    directory, symlink = handle_of(deep), os.path.join(top, "s")
    os.symlink("a", symlink)
    link = handle_of(symlink)
    inodes = {content: os.stat(os.path.join(deep, f"f{number}")).st_ino
              for number, content in enumerate(names)}

    def all_found(what):
        for content, handle in names.items():
            check_equal(read(top, handle), content, f"{what}: a file by its handle")
            fd = open_handle(top, handle, os.O_RDONLY)
            check_equal(os.fstat(fd).st_ino, inodes[content], f"{what}: its number")
            os.close(fd)

    all_found("warm")
    # Cold: the kernel knows nothing but the root, and asks for inodes and for the parents of directories.
    env.remount()
    fd = open_handle(top, directory, os.O_RDONLY | os.O_DIRECTORY)
    check_equal(len(os.listdir(fd)), 200, "a directory by its handle")
    check_equal(os.readlink(f"/proc/self/fd/{fd}"), deep, "where it is")
    with open(os.open("made-there", os.O_CREAT | os.O_WRONLY, dir_fd=fd), "w", encoding="ascii") as file:
        file.write("x")
    check_equal(os.stat("..", dir_fd=fd).st_ino, os.stat(os.path.dirname(deep)).st_ino, "its parent")
    os.close(fd)
    check(os.path.exists(os.path.join(deep, "made-there")), "what was made there is not there")
    all_found("after a remount")
    fd = open_handle(top, link, os.O_PATH | os.O_NOFOLLOW)
    check_equal(os.readlink("", dir_fd=fd), "a", "a symlink by its handle")
    os.close(fd)

    # A handle is of the inode, not of the name.
    first, second, third = list(names)[:3]
    os.rename(os.path.join(deep, "f0"), os.path.join(top, "moved"))
    env.remount()
    check_equal(read(top, names[first]), first, "after a rename")
    fd = open_handle(top, names[second], os.O_RDWR)
    os.unlink(os.path.join(deep, "f1"))
    check_equal(os.fstat(fd).st_nlink, 0, "links of what is unlinked and open")
    os.close(fd)
    os.unlink(os.path.join(deep, "f2"))
    env.remount()
    # New inodes take nobody's place.
    for number in range(500):
        with open(os.path.join(top, f"new{number}"), "w", encoding="ascii"):
            pass
    check(is_stale(top, names[second]), "a handle still finds what was unlinked while open")
    check(is_stale(top, names[third]), "a handle still finds what was unlinked")
    env.run("rm", "-r", os.path.join(top, "a"))
    env.remount()
    check(is_stale(top, directory), "a handle still finds a directory that was removed")
    say("handles found files and directories cold, and none that is gone")
    env.finish()
