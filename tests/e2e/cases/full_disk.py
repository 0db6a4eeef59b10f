"""A full host disk: ENOSPC to the caller; reading and deleting go on working; nothing that was acknowledged is lost."""

import errno
import os
import random
import time

from harness import check, check_equal, say

TIMEOUT = 400
MIB = 1 << 20


def content(number, size):
    return random.Random(number).randbytes(size)


def fill(env, directory, size, sync):
    """Files of `size` until the disk is full. Returns how many were acknowledged."""
    os.makedirs(env.path(directory), exist_ok=True)
    number = 0
    while True:
        path = env.path(directory, f"f{number}")
        try:
            fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            try:
                data = memoryview(content(number, size))
                while data:
                    data = data[os.write(fd, data):]
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            check_equal(errno.errorcode[error.errno], "ENOSPC", f"writing {directory}/f{number}")
            return number
        number += 1
        check(number < 200000, "the disk never gets full")


def verify(env, directory, numbers, size):
    for number in numbers:
        with open(env.path(directory, f"f{number}"), "rb") as file:
            check(file.read() == content(number, size), f"{directory}/f{number} is not what was written")


def delete(env, directory, numbers):
    for number in numbers:
        os.unlink(env.path(directory, f"f{number}"))


def write_again(env, directory, size):
    """What was deleted has made room, for the first who asks: nobody has to try twice."""
    with open(env.path(directory, "again"), "wb") as file:
        file.write(content(-1, size))
        file.flush()
        os.fsync(file.fileno())


def deleted_comes_back_unasked(env):
    """df after rm, where nobody writes anything any more."""
    env.store = os.path.join(env.disk, "store")
    env.mkfs("--force")
    env.mount()

    def available():
        space = os.statvfs(env.mnt)
        return space.f_bavail * space.f_frsize

    before = available()
    size = before // 2
    with open(env.path("big"), "wb") as file:
        for number in range(size // MIB):
            file.write(content(number, MIB))
        os.fsync(file.fileno())
    check(before - available() > size // 2, "df does not show a big file")
    os.unlink(env.path("big"))
    deadline = time.monotonic() + 60
    while before - available() > size // 8:
        check(time.monotonic() < deadline, f"df a minute after rm of {size}: {before} available before, now {available()}")
        time.sleep(0.05)
    env.finish()


def on_full_disk(env, what, size, sync):
    env.store = os.path.join(env.disk, "store")
    env.mkfs("--force") if os.path.exists(env.store) else env.mkfs()
    env.mount()
    count = fill(env, "files", size, sync)
    check(count > 20, f"only {count} files fit")
    free = os.statvfs(env.mnt)
    say(f"{what}: {count} files of {size} bytes, then ENOSPC; {free.f_bavail * free.f_frsize // 1024} KiB free")
    check(free.f_bavail * free.f_frsize < 32 * MIB, "ENOSPC with much space left")
    verify(env, "files", range(count), size)
    check_equal(len(os.listdir(env.path("files"))) in (count, count + 1), True, "entries")
    env.umount()
    env.fsck()
    env.mount()
    verify(env, "files", range(count), size)
    keep = range(count // 2, count)
    delete(env, "files", range(count // 2))
    write_again(env, "files", size)
    verify(env, "files", keep, size)
    # Full again, and killed while full.
    fill(env, "more", size, sync)
    env.kill()
    env.mount()
    verify(env, "files", keep, size)
    env.run("rm", "-rf", env.path("more"), env.path("files"))
    write_again(env, "", size)
    env.finish()


def df_follows_deletions(env):
    """On a full disk: who deletes until df shows enough, at once, need not delete everything; and has what df shows."""
    env.store = os.path.join(env.disk, "store")
    env.mkfs("--force")
    env.mount()
    size = 6 * MIB
    count = fill(env, "files", size, sync=False)

    def available():
        space = os.statvfs(env.mnt)
        return space.f_bavail * space.f_frsize

    for number in range(count // 2):
        delete(env, "files", [number])
        # The kernel tells the daemon that nobody has it open any more when unlink(2) has returned.
        deadline = time.monotonic() + 1
        while available() < size * 0.9:
            check(time.monotonic() < deadline, f"file {number} of {size} bytes deleted, df shows {available()} available")
        with open(env.path("files", f"f{number}"), "wb") as file:
            file.write(content(number, size * 3 // 4))
    say(f"{count // 2} files of {size} bytes deleted and written again, one by one")
    env.finish()


def cut_makes_room(env):
    """What truncate frees of files whose blocks lie among those of others is there for the next who writes."""
    env.store = os.path.join(env.disk, "store")
    env.mkfs("--force")
    env.mount()
    files = [open(env.path(f"part{number}"), "wb", buffering=0) for number in range(24)]
    chunk, full = 16384, False
    while not full:
        for number, file in enumerate(files):
            try:
                file.write(content(number, chunk))
            except OSError as error:
                check_equal(errno.errorcode[error.errno], "ENOSPC", "filling the disk")
                full = True
                break
    size = os.fstat(files[-1].fileno()).st_size
    for number in range(16):
        file = files[number]
        file.truncate(size // 2)
        file.seek(size // 2)
        for at in range(0, size // 4, chunk):
            check_equal(file.write(content(at, chunk)), chunk, f"write after truncate {number}, at {at}")
    for file in files:
        file.close()
    env.finish()


def preallocated_is_kept(env):
    """What fallocate promised is there when the rest of the disk is full: for big writes, small ones, and rewriting."""
    env.store = os.path.join(env.disk, "store")
    env.mkfs("--force")
    env.mount()
    size = 48 * MIB
    before = os.statvfs(env.mnt).f_bavail
    fd = os.open(env.path("kept"), os.O_CREAT | os.O_RDWR)
    os.posix_fallocate(fd, 0, size)
    check_equal(os.fstat(fd).st_blocks, size // 512, "blocks of what is preallocated")
    taken = (before - os.statvfs(env.mnt).f_bavail) * 4096
    check(size <= taken < size * 1.2, f"df shows {taken} bytes taken for {size} preallocated")
    try:
        os.posix_fallocate(fd, size, 1 << 40)
        check(False, "a TiB was promised on a small disk")
    except OSError as error:
        check_equal(error.errno, errno.ENOSPC, "a TiB")
    os.close(fd)
    env.remount()
    count = fill(env, "others", MIB, sync=False)
    fd = os.open(env.path("kept"), os.O_RDWR)
    wanted = bytearray()
    for number in range(size // MIB):
        data = content(number, MIB)
        if number % 2:
            os.pwrite(fd, data, number * MIB)
        else:
            for at in range(0, MIB, 5000):  # over the edges of blocks, each of which is written twice
                os.pwrite(fd, data[at:at + 5000], number * MIB + at)
        wanted += data
    os.fsync(fd)
    for number in range(0, size // MIB, 3):
        data = content(1000 + number, MIB)
        os.pwrite(fd, data, number * MIB)
        wanted[number * MIB:(number + 1) * MIB] = data
    os.fsync(fd)
    check(os.pread(fd, size, 0) == wanted, "what was written into preallocated space is not there")
    os.close(fd)
    say(f"{size // MIB} MiB preallocated and then written, with {count} MiB of others' in the way")
    env.kill()
    env.mount()
    with open(env.path("kept"), "rb") as file:
        check(file.read() == wanted, "preallocated and written, and lost to a crash")
    verify(env, "others", range(count), MIB)
    env.finish()


def run(env):
    disk = env.scratch("disk")
    os.mkdir(disk)
    env.disk = disk
    env.run("mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", disk)
    on_full_disk(env, "tmpfs, synced", MIB, sync=True)
    on_full_disk(env, "tmpfs, small files", 3000, sync=False)
    cut_makes_room(env)
    df_follows_deletions(env)
    preallocated_is_kept(env)
    deleted_comes_back_unasked(env)
    env.run("umount", disk)
    image = env.scratch("image")
    with open(image, "wb") as file:
        file.truncate(300 * MIB)
    env.run("mkfs.ext4", "-q", "-F", image)
    env.run("mount", "-o", "loop", image, disk)
    on_full_disk(env, "ext4, synced", MIB, sync=True)
    env.run("umount", disk)
