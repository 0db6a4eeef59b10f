"""Every verb: --help, what it shows of a mounted and of an unmounted store, by store and by mountpoint, --json."""

import json
import os
import subprocess
import sys

from harness import HERE_DIR, check, check_equal, wait_for_exit

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
    umount_says_who_keeps_it(env)
    env.fsck()


def look_inside(env):
    for name in ("manifest", "wal", "keys"):
        check(env.silt("debug", name, env.store).stdout, f"debug {name} shows nothing")
    tables = [n for n in os.listdir(env.store) if n.endswith(".sst")]
    check(tables, f"no tables in {os.listdir(env.store)}")
    check(env.silt("debug", "table", os.path.join(env.store, tables[0])).stdout, "debug table shows nothing")


def umount_says_who_keeps_it(env):
    """A copy of the mount in another mount namespace keeps the store open; that is not waited for without end."""
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import harness; harness.drop_copies_of_mounts(sys.argv[2]); "
              "print('there', flush=True); sys.stdin.readline()")
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", sys.executable, "-B", "-c", script, HERE_DIR,
                               env.work], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    said = env.silt("umount", env.mnt, timeout=60).stderr
    check(f"pid {holder.pid} (python" in said and env.store in said, f"umount says {said!r}")
    check(f"mounted by pid {env.pid()}" in env.silt("fsck", env.store, rc=8).stderr, "fsck of what is still mounted")
    pid = env.pid()
    holder.communicate(b"\n")
    check(wait_for_exit(pid), "the daemon outlived its last mount")
    check_equal(env.status(env.store)["mounted"], False, "mounted")
