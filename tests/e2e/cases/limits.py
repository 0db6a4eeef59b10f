"""Beyond what ext4 can: 70,000 links and subdirectories, files of 8 EiB, copies of more than 4 GiB, times after 2446."""

import errno
import os

from harness import check, check_equal, say

TIMEOUT = 300
MANY = 70_000
LARGEST = 2**63 - 1
GIB = 1 << 30


def fails_with(number, what, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        check_equal(errno.errorcode[error.errno], errno.errorcode[number], what)
        return
    check(False, f"{what}: no error")


def many_links(env):
    top = env.path("links")
    os.mkdir(top)
    with open(top + "/f", "w", encoding="ascii") as file:
        file.write("shared")
    for number in range(MANY - 1):
        os.link(top + "/f", f"{top}/l{number}")
    check_equal(os.stat(top + "/f").st_nlink, MANY, "links of a file")
    env.remount()
    check_equal(os.stat(f"{top}/l{MANY - 2}").st_nlink, MANY, "links after a remount")
    for number in range(MANY - 1):
        os.unlink(f"{top}/l{number}")
    check_equal(os.stat(top + "/f").st_nlink, 1, "links when all others are gone")
    for number in range(MANY):
        os.mkdir(f"{top}/d{number}")
    check_equal(os.stat(top).st_nlink, MANY + 2, "links of a directory")
    check_equal(len(os.listdir(top)), MANY + 1, "entries")
    env.run("rm", "-r", top)
    say(f"{MANY} links to a file, and {MANY} subdirectories")


def largest_file(env):
    path = env.path("huge")
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, LARGEST)
    check_equal(os.fstat(fd).st_size, LARGEST, "size")
    check_equal(os.fstat(fd).st_blocks, 0, "blocks")
    os.pwrite(fd, b"end", LARGEST - 3)
    os.pwrite(fd, b"middle", 2**62 + 1)
    check_equal(os.pread(fd, 5, LARGEST - 5), b"\0\0end", "the end")
    check_equal(os.pread(fd, 6, 2**62 + 1), b"middle", "the middle")
    check_equal(os.lseek(fd, 0, os.SEEK_DATA), 2**62, "the first data")
    check_equal(os.lseek(fd, 2**62 + 4096, os.SEEK_DATA), LARGEST // 4096 * 4096, "the last data")
    # Offsets end with the largest file: the kernel refuses what would be behind it before anybody is asked.
    fails_with(errno.EINVAL, "a write behind the largest size", os.pwrite, fd, b"x", LARGEST)
    os.pwrite(fd, b"c", LARGEST - 1)
    fails_with(errno.EFBIG, "an allocation across it", os.posix_fallocate, fd, LARGEST - 10, 100)
    check_equal(os.fstat(fd).st_blocks, 16, "blocks")
    os.fsync(fd)
    os.close(fd)
    env.remount()
    check_equal(os.stat(path).st_size, LARGEST, "size after a remount")
    fd = os.open(path, os.O_RDONLY)
    check_equal(os.pread(fd, 3, LARGEST - 3), b"enc", "the end after a remount")
    os.close(fd)
    os.truncate(path, 2**62 + 7)
    check_equal(os.stat(path).st_blocks, 8, "blocks after truncation")
    os.unlink(path)
    say("a file of 8 EiB less a byte")


def big_copy(env):
    source, target = env.path("source"), env.path("target")
    size = 5 * GIB + 12345
    a = os.open(source, os.O_CREAT | os.O_RDWR)
    b = os.open(target, os.O_CREAT | os.O_RDWR)
    for offset in (0, 3 * GIB - 5, 4 * GIB - 1, size - 100):
        os.pwrite(a, b"%20d" % offset * 5, offset)
    done = 0
    while done < size:
        copied = os.copy_file_range(a, b, size - done, done, done)
        check(copied > 0, f"nothing was copied at {done}")
        done += copied
    check_equal(os.fstat(b).st_size, size, "size of the copy")
    for offset in (0, 3 * GIB - 5, 4 * GIB - 1, size - 100):
        check_equal(os.pread(b, 100, offset), b"%20d" % offset * 5, f"the copy at {offset}")
    check_equal(os.fstat(b).st_blocks, os.fstat(a).st_blocks, "holes stay holes: blocks")
    os.close(a)
    os.close(b)
    say("a sparse copy of 5 GiB")


def far_times(env):
    path = env.path("far")
    with open(path, "w", encoding="ascii"):
        pass
    for seconds in (2**34, 2**40, 10**11, -(2**35), -(10**11)):
        # As ns=(...) Python takes no more than 2**63 ns; touch(1) does.
        env.run("touch", "-d", f"@{seconds}.123456789", path)
        shown = env.run("stat", "-c", "%.9Y", path).stdout.strip()
        check_equal(shown, f"{seconds}.123456789", "a time far away")
        env.remount()
        check_equal(env.run("stat", "-c", "%.9Y", path).stdout.strip(), shown, "after a remount")


def run(env):
    env.start()
    largest_file(env)
    big_copy(env)
    far_times(env)
    many_links(env)
    env.finish()
