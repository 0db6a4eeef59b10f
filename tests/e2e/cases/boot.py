"""mount(8), umount(8), fsck(8), fstab, remount, findmnt and df treat it as an administrator expects."""

import contextlib
import ctypes
import errno
import json
import os
import signal
import subprocess

from harness import Failure, check, check_equal, drop_copies_of_mounts, errno_name, say, wait_for_exit

TIMEOUT = 120
NOBODY = 65534
HELPERS = [program + kind for program in ("mkfs", "mount", "umount", "fsck") for kind in (".siltfs", ".fuse.siltfs")]


def private_namespace(env):
    """Mounts of this process and its children are seen by nobody else; the helpers are where the distribution has them,
    and /etc/fstab is ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    CLONE_NEWNS = 0x20000
    check(libc.unshare(CLONE_NEWNS) == 0, f"unshare: {os.strerror(ctypes.get_errno())}")
    env.run("mount", "--make-rprivate", "/")
    drop_copies_of_mounts(env.work)
    layers = env.scratch("layers")
    os.mkdir(layers)
    env.run("mount", "-t", "tmpfs", "siltfs-test", layers)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(layers, name))
    sbin = os.path.realpath("/sbin")
    env.run("mount", "-t", "overlay", "siltfs-test", sbin, "-o",
            f"lowerdir={sbin},upperdir={layers}/upper,workdir={layers}/work")
    for name in HELPERS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(sbin, name))
        os.symlink(env.siltfs, os.path.join(sbin, name))
    env.fstab = env.scratch("fstab")
    write_fstab(env, "")
    env.run("mount", "--bind", env.fstab, "/etc/fstab")


def write_fstab(env, options, kind="siltfs", check_pass=0):
    with open(env.fstab, "w", encoding="ascii") as file:
        if options:
            file.write(f"{env.store} {env.mnt} {kind} {options} 0 {check_pass}\n")


def findmnt(env, *columns):
    done = env.run("findmnt", "--json", "--mountpoint", env.mnt, "-o", ",".join(columns), rc=None)
    return json.loads(done.stdout)["filesystems"][-1] if done.returncode == 0 else None


def refused(env, *command, rc, saying):
    done = env.run(*command, rc=rc)
    check(saying in done.stderr, f"{' '.join(command)} says {done.stderr!r}, not {saying!r}")


def check_writable(env, writable):
    try:
        with open(env.path("probe"), "w", encoding="ascii"):
            pass
        check(writable, "a read-only mount was written to")
    except OSError as error:
        check(not writable and error.errno == errno.EROFS, f"creating a file: {errno_name(error)}")
    check_equal(env.status()["read_only"], not writable, "read_only of siltfs status")
    check_equal("(read-only)" in env.silt("status", env.mnt).stdout, not writable, "siltfs status says (read-only)")


def types_and_tools(env):
    env.run("mkfs", "-t", "siltfs", env.store)
    for kind in ("siltfs", "fuse.siltfs"):
        env.run("mount", "-t", kind, env.store, env.mnt)
        check_equal(findmnt(env, "source", "fstype"), {"source": env.store, "fstype": "fuse.siltfs"}, "findmnt")
        df = env.run("df", "--output=source,fstype,target", env.mnt).stdout.splitlines()[-1].split()
        check_equal(df, [env.store, "fuse.siltfs", env.mnt], "df")
        env.run("umount", env.mnt)
        check_equal(findmnt(env, "source"), None, "findmnt after umount")
        env.run("fsck", "-T", "-t", "siltfs", env.store)  # waits for the daemon to close the store
    # As systemd unmounts: umount(8) then runs our helper, which waits itself.
    env.run("mount", "-t", "siltfs", env.store, env.mnt)
    env.run("umount", "-c", env.mnt)
    check(not os.path.exists(os.path.join(env.store, "control.sock")), "umount -c returned before the store was closed")
    refused(env, "umount.siltfs", env.mnt, rc=32, saying="no siltfs is mounted there")


def fstab_lines(env):
    everything = "rw,nofail,_netdev,noatime,x-systemd.automount,x-systemd.idle-timeout=60,comment=ours,memory=64M"
    for kind in ("siltfs", "fuse.siltfs"):
        write_fstab(env, everything, kind)
        env.run("mount", "-a")
        check(findmnt(env, "vfs-options")["vfs-options"].startswith("rw,noatime"), "mount -a passed no options")
        env.run("mount", "-a")  # what is mounted is left alone
        check_equal(sum(" " + env.mnt + " " in line for line in open("/proc/self/mountinfo", encoding="ascii")), 1,
                    "mounts after a second mount -a")
        env.run("umount", env.mnt)
    write_fstab(env, "noauto,ro")
    env.run("mount", "-a")
    check_equal(findmnt(env, "source"), None, "noauto after mount -a")
    env.run("mount", env.mnt)
    check_writable(env, False)
    env.run("umount", env.mnt)
    write_fstab(env, "rw,nofial")
    refused(env, "mount", env.mnt, rc=1, saying="unknown option 'nofial'")
    write_fstab(env, "")
    refused(env, "mount", "-t", "siltfs", "-o", "memory=lots", env.store, env.mnt, rc=1, saying="'lots' is no good value")
    refused(env, "mount", "-t", "siltfs", env.scratch("nowhere"), env.mnt, rc=32, saying="make a store with siltfs mkfs")
    refused(env, "mount", "-t", "siltfs", env.store, env.scratch("nowhere"), rc=32, saying="nowhere")
    check_equal(findmnt(env, "source"), None, "what is mounted after errors")


def remounting(env):
    env.run("mount", "-t", "siltfs", "-o", "commit=3600,nosuid", env.store, env.mnt)
    check_writable(env, True)
    with open(env.path("open"), "w", encoding="ascii") as file:
        refused(env, "mount", "-o", "remount,ro", env.mnt, rc=32, saying="open for writing")
        check_writable(env, True)
        file.write("written before")
    syncs = env.wal_syncs()
    env.run("mount", "-o", "remount,ro,noexec", env.mnt)
    check(env.wal_syncs() > syncs, "remount,ro synced nothing")
    check_writable(env, False)
    options = findmnt(env, "vfs-options")["vfs-options"].split(",")
    check({"ro", "nosuid", "noexec"} <= set(options), f"flags after remount: {options}")
    check_equal(open(env.path("open"), encoding="ascii").read(), "written before", "a file, read-only")
    env.run("mount", "-o", "remount,rw", env.mnt)
    check_writable(env, True)
    env.run("mount", "-i", "-o", "remount,ro", env.mnt)  # without our helper, as init does at shutdown
    check_writable(env, False)
    env.silt("mount", "-o", "remount,rw", env.store, env.mnt)
    check_writable(env, True)
    env.run("umount", env.mnt)

    env.run("mount", "-t", "siltfs", "-o", "commit=3600", env.store, env.mnt)
    for option, durable in (("sync", True), ("async", False), ("dirsync", True)):
        env.run("mount", "-o", f"remount,{option}", env.mnt)
        syncs = env.wal_syncs()
        os.mkdir(env.path(option))
        check_equal(env.wal_syncs() > syncs, durable, f"mkdir after remount,{option} is durable")
    env.run("umount", env.mnt)

    env.run("mount", "-t", "siltfs", "-o", "ro", env.store, env.mnt)
    check_writable(env, False)
    refused(env, "mount", "-o", "remount,rw", env.mnt, rc=32, saying="unmount it and mount it rw")
    check_writable(env, False)
    env.run("umount", env.mnt)
    refused(env, "mount.siltfs", env.store, env.mnt, "-o", "remount,ro", rc=32, saying="no siltfs is mounted there")


def unmounting_in_use(env):
    env.run("mount", "-t", "siltfs", env.store, env.mnt)
    user = subprocess.Popen(["sleep", "60"], cwd=env.mnt)
    try:
        refused(env, "umount", env.mnt, rc=32, saying="busy")
        refused(env, "umount", "-c", env.mnt, rc=32, saying="in use")  # our helper's words
        env.run("umount", "-c", "-r", env.mnt)
        check_writable(env, False)
        env.run("umount", "-l", env.mnt)
        check_equal(findmnt(env, "source"), None, "findmnt after umount -l")
    finally:
        user.kill()
        user.wait()
    env.run("mount", "-t", "siltfs", env.store, env.mnt)  # waits until the detached one is closed
    env.run("umount", "-f", env.mnt)
    env.fsck()


def mounted_twice(env):
    """A second mount of a store is the same filesystem, as with a disk that is mounted twice."""
    second = env.scratch("second")
    os.mkdir(second)
    env.run("mount", "-t", "siltfs", "-o", "commit=3600", env.store, env.mnt)
    env.run("mount", "-t", "siltfs", "-o", "ro,noexec", env.store, second)
    with open(env.path("file"), "w", encoding="ascii") as file:
        file.write("by the first")
    check_equal(open(os.path.join(second, "file"), encoding="ascii").read(), "by the first", "seen by the second mount")
    flags = env.run("findmnt", "-n", "-o", "source,fstype,vfs-options", second).stdout.split()
    check_equal(flags[:2], [env.store, "fuse.siltfs"], "the second mount")
    check({"ro", "noexec"} <= set(flags[2].split(",")), f"flags of the second mount: {flags[2]}")
    check_writable(env, True)
    refused(env, "mount", "-t", "siltfs", env.store, second, rc=32, saying="is mounted there")
    refused(env, env.siltfs, "mount", env.store, second, rc=1, saying="is mounted there")

    with open(env.path("file"), "a", encoding="ascii") as file:
        file.write(" mount")
    syncs = env.wal_syncs()
    check(f"stays mounted at {second}" in env.silt("umount", env.mnt).stderr, "umount of the first says nothing of the second")
    check(env.wal_syncs() > syncs, "what was written before umount of one of two mounts is not on disk")
    check_equal(env.status(second)["mountpoint"], second, "mountpoint of siltfs status")
    env.run("mount", "-t", "siltfs", env.store, env.mnt)
    check_writable(env, True)
    env.run("umount", second)
    env.silt("umount", env.mnt)
    env.fsck()

    env.run("mount", "-t", "siltfs", "-o", "ro", env.store, env.mnt)
    refused(env, "mount", "-t", "siltfs", env.store, second, rc=32, saying="read-only at " + env.mnt)
    env.run("mount", "-t", "siltfs", "-o", "ro", env.store, second)
    pid = env.pid()
    os.kill(pid, signal.SIGTERM)
    check(wait_for_exit(pid), "SIGTERM did not end the daemon of two mounts")
    check_equal(findmnt(env, "source"), None, "findmnt after SIGTERM")
    check_equal(os.listdir(second), [], "the second mountpoint after SIGTERM")


def mounting_while_it_is_unmounted(env):
    """A mount either comes too early, and says so, or succeeds, whatever it has seen of the mount that goes."""
    env.run("mount", "-t", "siltfs", env.store, env.mnt)
    for number in range(20):
        with open(env.path(f"file{number}"), "w", encoding="ascii") as file:
            file.write("to be flushed")
        umount = subprocess.Popen(["umount", env.mnt])
        done = env.run("mount", "-t", "siltfs", env.store, env.mnt, rc=None)
        if umount.wait() != 0:  # "busy": mount(8) was looking at it
            check(done.returncode != 0, "both umount and mount came first")
            env.run("umount", env.mnt)
        if done.returncode != 0:
            check("is mounted there" in done.stderr, f"mount says {done.stderr!r}")
            env.run("mount", "-t", "siltfs", env.store, env.mnt)
        check(os.path.exists(env.path(f"file{number}")), "what was written before")
    env.silt("umount", env.mnt)


def mounting_what_is_still_closing(env):
    """After umount(8) a mount waits for the store to be closed, however long the disk takes."""
    image, disk = env.scratch("image"), env.scratch("disk")
    os.mkdir(disk)
    env.run("truncate", "-s", "256M", image)
    env.run("mkfs.ext4", "-q", image)
    env.run("mount", "-o", "loop", image, disk)
    store = os.path.join(disk, "store")
    env.mkfs(store=store)
    env.run("mount", "-t", "siltfs", store, env.mnt)
    with open(env.path("file"), "w", encoding="ascii") as file:
        file.write("to be flushed when the store is closed")
    env.run("fsfreeze", "-f", disk)
    thaw = subprocess.Popen(["sh", "-c", 'sleep 12; fsfreeze -u "$0"', disk])  # longer than a daemon gets that is not closing
    try:
        env.run("umount", env.mnt)
        said = env.run("mount", "-t", "siltfs", store, env.mnt).stderr
    finally:
        check_equal(thaw.wait(), 0, "fsfreeze -u")
    check("still closing" in said, f"mount says {said!r}")
    check_equal(open(env.path("file"), encoding="ascii").read(), "to be flushed when the store is closed", "the file")
    env.silt("umount", env.mnt)
    env.run("umount", disk)


def fsck_codes(env):
    for flags in ([], ["-a"], ["-p"], ["-y"], ["-n"], ["-f", "-y"], ["-C0", "-a"], ["-V", "-r"]):
        env.run("fsck", "-T", "-t", "siltfs", *flags, env.store)
    os.environ["FSTAB_FILE"] = env.fstab
    for kind in ("siltfs", "fuse.siltfs"):
        write_fstab(env, "defaults", kind, check_pass=2)
        check("clean" in env.run("fsck", "-A", "-T", "-a").stdout, "fsck -A did not check the store")
        check("clean" in env.run("fsck", "-T", env.mnt).stdout, "fsck did not find the store by its mountpoint")
    write_fstab(env, "")
    env.run("fsck", "-T", "-t", "siltfs", env.store, "--", "--nonsense", rc=16)
    env.run("fsck", "-T", "-t", "siltfs", env.scratch("nowhere"), rc=8)
    env.run("mount", "-t", "siltfs", env.store, env.mnt)
    env.run("fsck", "-T", "-t", "siltfs", env.store, rc=8)  # mounted
    env.run("fsck", "-M", "-T", "-t", "siltfs", env.store)  # passes over what is mounted
    env.run("umount", env.mnt)
    os.unlink(os.path.join(env.store, "CURRENT"))
    env.run("fsck", "-T", "-t", "siltfs", "-n", env.store, rc=4)
    env.run("fsck", "-T", "-t", "siltfs", "-y", env.store, rc=1)
    env.run("fsck", "-T", "-t", "siltfs", env.store, rc=0)


def ordinary_user(env):
    """An fstab line with `user`: mount(8) runs the helper as the user, who owns store and mountpoint."""
    if not os.stat("/usr/bin/mount").st_mode & 0o4000:
        return say("mount is not set-user-id here: no mounts by users through fstab")
    with contextlib.ExitStack() as undo:
        mode = os.stat("/dev/fuse").st_mode & 0o777
        os.chmod("/dev/fuse", 0o666)  # as udev leaves it
        undo.callback(os.chmod, "/dev/fuse", mode)
        home = env.scratch("home")
        os.mkdir(home)
        os.chown(home, NOBODY, NOBODY)
        env.store, env.mnt = os.path.join(home, "store"), os.path.join(home, "mnt")
        program = env.scratch("siltfs")  # the build tree may be closed to others
        env.run("cp", env.siltfs, program)
        for name in HELPERS:
            path = os.path.join("/sbin", name)
            os.unlink(path)
            os.symlink(program, path)

        def as_user(*command, rc=0):
            return env.run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command, rc=rc)

        as_user("mkdir", env.mnt)
        as_user(program, "mkfs", env.store)
        write_fstab(env, "noauto,user")
        as_user("mount", env.mnt)
        options = findmnt(env, "vfs-options", "fs-options")
        check("nosuid,nodev,noexec" in options["vfs-options"], f"a user's mount: {options}")
        check(f"user_id={NOBODY}" in options["fs-options"], f"a user's mount: {options}")
        as_user("touch", env.mnt + "/mine")
        as_user("umount", env.mnt)
        check_equal(findmnt(env, "source"), None, "findmnt after the user's umount")
        as_user(program, "fsck", env.store)


def run(env):
    if os.geteuid() != 0:
        raise Failure("needs root: a private mount namespace, and mounting by mount(8)")
    private_namespace(env)
    env.wal_syncs = lambda: json.loads(env.silt("stats", "--json", env.store).stdout)["engine"]["wal_syncs"]
    for part in (types_and_tools, fstab_lines, remounting, unmounting_in_use, mounted_twice, mounting_while_it_is_unmounted,
                 mounting_what_is_still_closing, fsck_codes, ordinary_user):
        part(env)
        say(part.__name__.replace("_", " "))
