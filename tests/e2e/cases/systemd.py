"""A real systemd boots in a container: the unit with its sandbox, fstab, a store that is missing, restart, reboot, stop."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import time

from cases.package import mirror
from harness import Failure, check, check_equal, drop_copies_of_mounts, say

TIMEOUT = 900
LABELS = ["long"]
PACKAGES = "systemd,systemd-sysv,dbus,fuse3,mount,procps"
CONF = "STORE=/srv/unit\nMOUNTPOINT=/data\nOPTIONS=allow_other\n"
FSTAB = ("/srv/fstab /mnt/fstab siltfs rw,nofail,_netdev 0 0\n"
         "/srv/missing /mnt/missing siltfs rw,nofail 0 0\n")


def make_root(env):
    uri, codename = mirror()
    root = env.scratch("root")
    env.run("mmdebstrap", "--variant=minbase", "--mode=root", f"--include={PACKAGES}", codename, root,
            f"deb {uri} {codename} main", timeout=600)
    return root


def install(env, root):
    """What the package has, from the build that is tested; and its libraries, some of which may be this build's own."""
    build = os.path.dirname(os.path.dirname(os.path.realpath(env.siltfs)))
    env.run("cmake", "--install", build, "--component", "runtime", "--prefix", "/usr", env={**os.environ, "DESTDIR": root})
    for path in re.findall(r"=> (/\S+)", env.run("ldd", env.siltfs).stdout):
        if subprocess.run(["chroot", root, "sh", "-c", f"ls /lib/*/{os.path.basename(path)}"], capture_output=True).returncode != 0:
            shutil.copy(path, os.path.join(root, "usr", "lib", os.path.basename(path)))
    for directory in ("etc/siltfs", "data", "mnt/fstab", "mnt/missing"):
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    for path, text in (("etc/siltfs/data.conf", CONF), ("etc/fstab", FSTAB), ("etc/hostname", "siltfs-test\n")):
        with open(os.path.join(root, path), "w", encoding="ascii") as file:
            file.write(text)
    for command in (["siltfs", "mkfs", "/srv/unit"], ["siltfs", "mkfs", "/srv/fstab"], ["systemctl", "enable", "siltfs@data"]):
        env.run("chroot", root, *command)


class Container:
    """Booted; its pid 1 is a child of systemd-nspawn, whose namespaces commands are run in."""

    def __init__(self, root, log):
        with open(log, "ab") as out:
            devices = [f"--bind={name}" for name in ("/dev/fuse", "/dev/cpu_dma_latency") if os.path.exists(name)]
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "-D", root, "--register=no", "--keep-unit", "--boot", "--console=pipe", *devices,
                 "systemd.unit=multi-user.target"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.init = self.wait_for(lambda: self.children(self.nspawn.pid), "systemd-nspawn starts nothing")[0]
        # `degraded`: the store that is missing.
        self.wait_for(lambda: self.run("systemctl is-system-running", None) in ("running", "degraded"), "does not boot")

    @staticmethod
    def children(pid):
        return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 120
        while not (found := condition()):
            check(self.nspawn.poll() is None, f"{what}: systemd-nspawn ended with {self.nspawn.returncode}")
            check(time.monotonic() < deadline, what)
            time.sleep(0.05)
        return found

    def run(self, script, rc=0):
        done = subprocess.run(["nsenter", "-t", self.init, "-m", "-p", "-u", "-i", "-C", "sh", "-c", script],
                              capture_output=True, text=True, timeout=120)
        if rc is not None and done.returncode != rc:
            raise Failure(f"in the container: {script}: {done.returncode} instead of {rc}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def end(self, how):
        self.run(f"systemctl {how}", None)
        self.nspawn.wait(120)


def run(env):
    if os.geteuid() != 0 or not (shutil.which("mmdebstrap") and shutil.which("systemd-nspawn")):
        raise Failure("needs root, mmdebstrap and systemd-nspawn (packaging/deps.sh package)")
    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.unshare(0x20000) == 0, "unshare(CLONE_NEWNS)")
    env.run("mount", "--make-rprivate", "/")
    drop_copies_of_mounts(env.work)
    root = make_root(env)
    install(env, root)
    try:
        boots(env, root)
    finally:
        for pid in Container.children(os.getpid()):  # of ours, what a failure left: the container ends with its init
            for init in Container.children(pid):
                os.kill(int(init), 9)


def boots(env, root):
    container = Container(root, env.scratch("nspawn.log"))
    check_equal(container.run("systemctl is-active siltfs@data mnt-fstab.mount mnt-missing.mount", None).split(),
                ["active", "active", "failed"], "after boot")
    check_equal(container.run("systemctl --failed --no-legend --plain").split()[0], "mnt-missing.mount", "failed units")
    for mountpoint in ("/data", "/mnt/fstab"):
        check("fuse.siltfs" in container.run(f"findmnt -n {mountpoint}"), f"{mountpoint} is not mounted")
        container.run(f"echo first > {mountpoint}/boots")
    # The sandbox leaves the daemon what it wants of the machine.
    if os.path.exists("/dev/cpu_dma_latency"):
        container.run("for i in $(seq 2000); do : > /data/$i; done; rm /data/[0-9]*")
        awake = json.loads(container.run("siltfs status --json /data"))["awake"]
        check(awake["possible"] and awake["times"] > 0, f"processors are not kept awake: {awake}")
    say("booted: the unit and fstab's line are mounted, the missing one is no obstacle")

    container.run("systemctl stop siltfs@data")
    container.run("findmnt /data", 1)
    container.run("systemctl start siltfs@data && cat /data/boots")
    container.run("kill -9 $(systemctl show siltfs@data -p MainPID --value)")
    container.wait_for(lambda: container.run("cat /data/boots", None) == "first", "the unit does not mount again after kill -9")
    check_equal(container.run("systemctl show siltfs@data -p NRestarts --value"), "1", "restarts")
    say("stopped, started, killed, and mounted again by systemd")

    # A sandbox that is too narrow: the daemon says so once, and closes the store once.
    container.run("systemctl stop siltfs@data && mkdir -p /run/systemd/system/siltfs@data.service.d"
                  " && printf '[Service]\\nRestart=no\\nSystemCallFilter=~setuid\\n' > /run/systemd/system/siltfs@data.service.d/narrow.conf"
                  " && systemctl daemon-reload && : > /srv/unit/siltfs.log")
    container.run("systemctl start siltfs@data", 1)
    check_equal(container.run("grep -c 'mount failed' /srv/unit/siltfs.log"), "1", "complaints of a daemon that may not mount")
    container.run("rm /run/systemd/system/siltfs@data.service.d/narrow.conf && systemctl daemon-reload"
                  " && systemctl reset-failed siltfs@data && systemctl start siltfs@data && cat /data/boots")

    for how in ("reboot", "poweroff"):
        container.end(how)
        for store in ("unit", "fstab"):
            with open(os.path.join(root, "srv", store, "siltfs.log"), encoding="utf-8") as log:
                check("info: unmounted /" in log.readlines()[-1], f"{how}: {store} was not unmounted cleanly")
            env.run(env.siltfs, "fsck", os.path.join(root, "srv", store))
        if how == "reboot":
            container = Container(root, env.scratch("nspawn.log"))
            check_equal(container.run("cat /data/boots /mnt/fstab/boots").split(), ["first", "first"], "after the reboot")
    say("rebooted and shut down: both unmounted cleanly, nothing lost")
