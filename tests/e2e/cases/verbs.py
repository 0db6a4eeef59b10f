"""Every verb: --help, what it shows of a mounted and of an unmounted store, by store and by mountpoint, --json."""

import json
import os
import subprocess

from harness import check, check_equal

TIMEOUT = 120
VERBS = ["mkfs", "mount", "umount", "status", "stats", "fsck", "scrub", "compact", "bench", "debug", "accesslog", "doctor"]


def run(env):
    overview = env.silt("--help").stdout
    for verb in VERBS:
        check(verb in overview, f"--help does not list {verb}")
        check("sage" in env.silt(verb, "--help").stdout, f"siltfs {verb} --help shows no usage")
    for name in ("manifest", "table", "wal", "keys"):
        env.silt("debug", name, "--help")

    env.mkfs()
    status = env.status()
    check_equal((status["mounted"], status["store"]), (False, env.store), "status of an unmounted store")
    env.mount()
    os.mkdir(env.path("directory"))
    for number in range(100):
        with open(env.path("directory", f"file-{number}"), "wb") as file:
            file.write(os.urandom(20000))
    for target in (env.store, env.mnt, env.mnt + "/"):
        status = env.status(target)
        check_equal((status["mounted"], status["mountpoint"], status["store"]), (True, env.mnt, env.store), f"status of {target}")
        check(env.mnt in env.silt("status", target).stdout, "status does not name the mountpoint")
        json.loads(env.silt("stats", "--json", target).stdout)
        env.silt("stats", target)
    env.silt("compact", env.mnt)
    env.silt("scrub", env.mnt)
    json.loads(env.silt("scrub", "--json", env.mnt).stdout)
    look_inside(env)
    env.umount()

    look_inside(env)
    json.loads(env.silt("stats", "--json", env.store).stdout)
    env.silt("scrub", env.store)
    env.silt("compact", env.store)
    check_equal(env.fsck().returncode, 0, "fsck")
    json.loads(env.fsck("--json").stdout)

    # The names that mount(8) and fsck(8) look for.
    for name in ("mkfs.siltfs", "mount.siltfs", "fsck.siltfs"):
        os.symlink(env.siltfs, env.scratch(name))
    env.run(env.scratch("mkfs.siltfs"), env.scratch("second"))
    env.run(env.scratch("fsck.siltfs"), "-a", env.scratch("second"))
    env.run(env.scratch("mount.siltfs"), env.store, env.mnt, "-o", "rw,noatime")
    check_equal(len(os.listdir(env.path("directory"))), 100, "files")
    env.remount("ro")
    try:
        open(env.path("new"), "wb").close()
        check(False, "a read-only mount was written")
    except OSError as error:
        check_equal(error.errno, 30, "errno on a read-only mount")
    check_equal(len(os.listdir(env.path("directory"))), 100, "files")
    umount_says_what_it_waits_for(env)
    env.fsck()


def look_inside(env):
    for name in ("manifest", "wal", "keys"):
        check(env.silt("debug", name, env.store).stdout, f"debug {name} shows nothing")
    tables = [n for n in os.listdir(env.store) if n.endswith(".sst")]
    check(tables, f"no tables in {os.listdir(env.store)}")
    check(env.silt("debug", "table", os.path.join(env.store, tables[0])).stdout, "debug table shows nothing")


def umount_says_what_it_waits_for(env):
    """A copy of the mount in another mount namespace keeps the store open."""
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo there; read line"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    umount = subprocess.Popen([env.siltfs, "umount", env.mnt], stderr=subprocess.PIPE, text=True)
    said = umount.stderr.readline()
    check(env.mnt in said and "namespace" in said, f"umount says {said!r}")
    check_equal(umount.poll(), None, "umount's exit code while the store is open")
    holder.communicate(b"\n")
    check_equal(umount.wait(timeout=60), 0, "umount's exit code")
    check_equal(env.status(env.store)["mounted"], False, "mounted")
