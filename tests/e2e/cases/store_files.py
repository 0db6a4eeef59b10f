"""What may happen to a store's files: links and FIFOs in their places, a directory that is renamed, deleted or read-only."""

import hashlib
import os
import shutil
import subprocess

from harness import check, check_equal, errno_name, say, wait_for_exit

TIMEOUT = 600
MIB = 1 << 20
ORDINARY = 1000

NO_ANSWER = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/statvfs.h>
int fstatvfs(int fd, struct statvfs *info) { (void)fd; memset(info, 0, sizeof *info); return 0; }
int statvfs(const char *path, struct statvfs *info) { (void)path; memset(info, 0, sizeof *info); return 0; }
"""


def run(env):
    links_and_fifos(env)
    deleted(env)
    lock_replaced(env)
    space_unknown(env)
    if os.geteuid() == 0:
        read_only(env)
        without_sockets(env)


def put_in_place(env, store, name, kind):
    path = os.path.join(store, name)
    if os.path.lexists(path):
        os.unlink(path)
    if kind == "link":
        os.symlink(env.scratch("victim"), path)
    elif kind == "hard link":
        os.link(env.scratch("victim"), path)
    else:
        os.mkfifo(path)


def links_and_fifos(env):
    """The store of an ordinary user, who would have root overwrite a file, or wait for ever."""
    victim, store = env.scratch("victim"), env.scratch("user-store")
    with open(victim, "w", encoding="ascii") as file:
        file.write("precious")
    os.chmod(victim, 0o600)
    before = os.stat(victim)
    for name in ("LOCK", "siltfs.log", "ballast", "CURRENT", "CURRENT.tmp", "000099.wal", "000099.sst"):
        for kind in ("link", "fifo", "hard link"):
            for verb in (["mount"], ["fsck"], ["fsck", "--repair"], ["mkfs", "--force"]):
                shutil.rmtree(store, ignore_errors=True)
                env.mkfs(store=store)
                put_in_place(env, store, name, kind)
                if os.geteuid() == 0:
                    os.chown(store, ORDINARY, ORDINARY)
                words = verb + [store] + ([env.mnt] if verb == ["mount"] else [])
                done = env.silt(*words, rc=None, timeout=30)
                if verb == ["mount"] and done.returncode == 0:
                    os.mkdir(env.path("made"))
                    env.umount()
                what = f"siltfs {' '.join(verb)} with {name} a {kind}"
                with open(victim, encoding="ascii") as file:
                    check_equal(file.read(), "precious", what)
                after = os.stat(victim)
                check_equal((after.st_mode, after.st_uid), (before.st_mode, before.st_uid), what)
                if done.returncode not in (0, 1) and verb != ["fsck"] and "--repair" not in verb:
                    check(False, f"{what}: exit code {done.returncode}\n{done.stderr}")
                if name == "CURRENT" and kind != "hard link" and verb == ["mount"]:
                    check("not a regular file" in done.stderr, f"{what}: {done.stderr!r}")
                if name in ("ballast", "siltfs.log") and verb == ["mount"]:
                    check_equal(done.returncode, 0, f"{what}: {done.stderr!r}")
    say("links and FIFOs: refused or replaced, never followed")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_random(path, size):
    with open(path, "wb") as file:
        file.write(os.urandom(size))
        os.fsync(file.fileno())
    return digest(path)


def renamed(env):
    """The directory of a mounted store is renamed and a new store is made at the old path: each daemon has its own."""
    store, old, mnt2 = env.scratch("s"), env.scratch("old"), env.scratch("mnt2")
    os.mkdir(mnt2)
    env.mkfs(store=store)
    env.mount("memory=16M", store=store)
    first = write_random(env.path("first"), 3 * MIB)
    os.rename(store, old)
    env.mkfs(store=store)
    env.mount("memory=16M", store=store, mnt=mnt2)
    second = write_random(os.path.join(mnt2, "second"), 3 * MIB)
    more = write_random(env.path("more"), 12 * MIB)
    write_random(os.path.join(mnt2, "more2"), 12 * MIB)
    for mnt, where in ((mnt2, store), (env.mnt, old)):
        env.silt("compact", mnt)
        check_equal(env.status(mnt)["store"], where, f"the store of {mnt}")
    env.umount()
    env.umount(mnt2)
    for where in (store, old):
        env.fsck(store=where)
    env.mount(store=store, mnt=mnt2)
    env.mount(store=old)
    check_equal(digest(os.path.join(mnt2, "second")), second, "the new store's file")
    check_equal((digest(env.path("first")), digest(env.path("more"))), (first, more), "the renamed store's files")
    check_equal(sorted(os.listdir(mnt2)), ["more2", "second"], "the new store's names")
    check("mounted" in env.log(old), "the log did not go with its store")
    env.umount(mnt2)
    env.umount()
    shutil.rmtree(store)
    shutil.rmtree(old)


def fsync_fails(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(fd, b"lost")
        os.fsync(fd)
    except OSError as error:
        check_equal(errno_name(error), "EIO", "fsync in a store that was taken away")
        return
    finally:
        os.close(fd)
    check(False, "fsync says that it is on disk, and nothing is")


def taken_away(env):
    """The mount of a store that is not its own any more: errors, and a reason."""
    fsync_fails(env.path("f"))
    try:
        os.mkdir(env.path("d"))
        check(False, "a change was acknowledged after that")
    except OSError as error:
        check_equal(errno_name(error), "EIO", "mkdir in a store that was taken away")
    with open(env.path(".siltfs/stats"), encoding="utf-8") as stats:
        check("taken away" in stats.read(), "the status does not say why")
    env.run("umount", env.mnt, rc=None)  # it may say what was lost


def deleted(env):
    env.start()
    write_random(env.path("f"), MIB)
    pid = env.pid()
    shutil.rmtree(env.store)
    os.mkdir(env.store)
    taken_away(env)
    check(wait_for_exit(pid, 60), f"daemon {pid} does not end")
    check_equal(os.listdir(env.store), [], "names in a directory that was put in the store's place")
    os.rmdir(env.store)


def lock_replaced(env):
    env.start()
    pid = env.pid()
    os.unlink(os.path.join(env.store, "LOCK"))
    taken_away(env)
    check(wait_for_exit(pid, 60), f"daemon {pid} does not end")
    check("LOCK: was deleted or replaced" in env.log(), "the log does not say what happened")
    env.fsck()
    shutil.rmtree(env.store)


def space_unknown(env):
    """A host that does not say how much space it has is not a full one."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    check(compiler, "no C compiler: packaging/deps.sh build")
    source, library = env.scratch("zeros.c"), env.scratch("zeros.so")
    with open(source, "w", encoding="ascii") as file:
        file.write(NO_ANSWER)
    env.run(compiler, "-shared", "-fPIC", "-o", library, source)
    environment = dict(os.environ, LD_PRELOAD=library)
    environment["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
    env.silt("mkfs", env.store, env=environment)
    env.silt("mount", env.store, env.mnt, env=environment)
    write_random(env.path("f"), 8 * MIB)
    space = os.statvfs(env.mnt)
    check(space.f_bavail > 0 and space.f_blocks >= space.f_bfree >= space.f_bavail, f"df sees {space}")
    env.umount()
    env.fsck()
    shutil.rmtree(env.store)


def read_only(env):
    """A store on a read-only filesystem: told how it can be mounted, which then works, with its verbs."""
    env.start()
    write_random(env.path("f"), 1000)
    env.umount()
    env.run("mount", "--bind", env.store, env.store)
    env.run("mount", "-o", "remount,bind,ro", env.store)
    try:
        refused = env.silt("mount", env.store, env.mnt, rc=1).stderr
        check("Read-only file system" in refused and "-o ro" in refused, f"the refusal: {refused!r}")
        env.fsck()
        env.mount("ro")
        check_equal(os.listdir(env.mnt), ["f"], "names")
        check_equal(env.status(env.mnt)["health"]["state"], "ok", "health")
        env.umount()
    finally:
        env.run("umount", env.store)
    shutil.rmtree(env.store)


def without_sockets(env):
    """A store on a filesystem that has no socket files, as USB sticks and shares have none: exFAT, by FUSE."""
    check(shutil.which("mount.exfat-fuse") and shutil.which("mkfs.exfat"), "no exFAT: packaging/deps.sh test")
    image, host = env.scratch("image"), env.scratch("host")
    os.mkdir(host)
    with open(image, "wb") as file:
        file.truncate(600 * MIB)
    env.run("mkfs.exfat", image)
    device = env.run("losetup", "-f", "--show", image).stdout.strip()
    try:
        env.run("mount.exfat-fuse", device, host)
        store = os.path.join(host, "s")
        env.mkfs(store=store)
        env.mount(store=store)
        first = write_random(env.path("f"), 5 * MIB)
        check_equal(env.status(env.mnt)["health"]["state"], "ok", "health by the mountpoint")
        check_equal(env.status(store)["mountpoint"], env.mnt, "the mountpoint by the store")
        check("mounted" in env.silt("mkfs", "--force", store, rc=1).stderr, "a mounted store was formatted")
        env.silt("compact", env.mnt)
        env.umount()
        env.fsck(store=store)
        env.mount(store=store)
        check_equal(digest(env.path("f")), first, "the file after a remount")
        env.umount()
    finally:
        subprocess.run(["umount", host], check=False)
        env.run("losetup", "-d", device)
