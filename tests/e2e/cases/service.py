"""As a systemd service: says when it is ready and when it stops, and the unit's sandbox leaves it all it needs."""

import os
import re
import shutil
import signal
import socket
import subprocess

from harness import TOP, Failure, check, check_equal, mounts_under, say

UNIT = os.path.join(TOP, "packaging", "systemd", "siltfs@.service")
# What gives a unit a mount namespace of its own, so that nobody else would see the mount.
HIDING = ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ProtectKernelTunables",
          "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset", "ReadOnlyPaths",
          "ReadWritePaths", "InaccessiblePaths", "BindPaths", "TemporaryFileSystem", "RootDirectory", "PrivateUsers",
          "DynamicUser", "StateDirectory", "RuntimeDirectory", "MountFlags")


def unit_settings():
    with open(UNIT, encoding="ascii") as file:
        return [tuple(line.rstrip("\n").split("=", 1)) for line in file if re.match(r"[A-Z]\w+=", line)]


def setting(name):
    return next(value for key, value in unit_settings() if key == name)


def next_message(server):
    """NAME=VALUE lines of one datagram; a mount that never speaks ends in the socket's time-out."""
    return dict(line.split("=", 1) for line in server.recv(4096).decode().splitlines())


def command_line(env):
    """ExecStart with the configuration's values, as the unit's own restrictions would have it run."""
    values = {"OPTIONS": setting("Environment").split("=", 1)[1], "STORE": env.store, "MOUNTPOINT": env.mnt}
    words = [re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], word) for word in setting("ExecStart").split()]
    words[0] = env.siltfs
    if os.geteuid() != 0:
        return words
    capabilities = setting("CapabilityBoundingSet").lower().split()
    bounding = "-all," + ",".join("+" + name.removeprefix("cap_") for name in capabilities)
    return ["setpriv", "--no-new-privs", "--bounding-set", bounding, "--inh-caps", "-all", *words]


def run(env):
    env.mkfs()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(60)
        server.bind(env.scratch("notify"))
        daemon = subprocess.Popen(command_line(env), env={**os.environ, "NOTIFY_SOCKET": env.scratch("notify")},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ready = next_message(server)
            check_equal(ready.get("READY"), "1", "the first message")
            check(env.store in ready.get("STATUS", "") and env.mnt in ready["STATUS"], f"status: {ready}")
            check_equal(ready.get("MAINPID"), str(daemon.pid), "the pid that it tells")
            check(env.mnt in mounts_under(env.work), "it says that it is ready, and is not mounted")
            shutil.copytree("/usr/include/linux", env.path("copy"))
            env.run("diff", "-r", "/usr/include/linux", env.path("copy"))
            daemon.send_signal(signal.SIGTERM)
            stopping = next_message(server)
            check_equal(stopping.get("STOPPING"), "1", "the message after SIGTERM")
            check_equal(daemon.wait(60), 0, "the exit code after SIGTERM")
        finally:
            daemon.kill()
    check_equal(mounts_under(env.work), [], "mounts after the end")
    env.fsck()
    # To nobody, and to somebody who does not listen.
    os.environ["NOTIFY_SOCKET"] = env.scratch("notify")
    env.mount()
    env.finish()
    del os.environ["NOTIFY_SOCKET"]
    say("ready and stopping are told")

    check_equal([key for key, _ in unit_settings() if key in HIDING], [], "settings of the unit that would hide the mount")
    verify(env)


def verify(env):
    if not shutil.which("systemd-analyze"):
        return say("no systemd-analyze here: the unit was not verified")
    with open(UNIT, encoding="ascii") as file:
        text = file.read().replace("/usr/bin/siltfs", env.siltfs)
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)  # the pages need not be installed
    unit = env.scratch("siltfs@.service")
    with open(unit, "w", encoding="ascii") as file:
        file.write(text)
    done = env.run("systemd-analyze", "verify", unit, rc=None)
    complaints = [line for line in done.stderr.splitlines() if "siltfs@" in line]
    if done.returncode != 0 or complaints:
        raise Failure(f"systemd-analyze verify: {done.returncode}\n{done.stderr}")
    say("systemd-analyze verify has nothing to say")
