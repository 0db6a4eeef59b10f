""".siltfs at the root: found by name and not listed, in nobody's way; files that say what the daemon is doing."""

import errno
import os
import shutil
import subprocess

from harness import check, check_equal

TIMEOUT = 120


def refused(call, wanted=errno.EPERM):
    try:
        call()
    except OSError as error:
        check_equal(errno.errorcode[error.errno], errno.errorcode[wanted], "errno")
        return
    check(False, "a change below .siltfs was allowed")


def run(env):
    env.start()
    control = env.path(".siltfs")
    check_equal(os.listdir(env.mnt), [], "names at the root")
    check_equal(sorted(os.listdir(control)), ["accesslog", "config", "stats"], "names in .siltfs")
    readable(env, control)
    unchangeable(env, control)
    in_nobodys_way(env)
    if os.geteuid() == 0:
        for_its_owner_alone(env, control)
    env.remount("no_control_dir")
    check(not os.path.exists(control), ".siltfs is there though it is switched off")
    a_users_own_goes_first(env, control)
    env.finish()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def readable(env, control):
    stats = read(control + "/stats")
    check("health" in stats and "block_cache_hits" in stats and env.store in stats, f"stats says\n{stats}")
    check(f"mountpoint       {env.mnt}" in read(control + "/config"), "config does not name the mountpoint")
    check("off; siltfs accesslog" in read(control + "/accesslog"), "accesslog does not say that it is off")
    env.silt("accesslog", env.mnt, "on")
    os.mkdir(env.path("seen"))
    check("mkdir /seen = OK" in read(control + "/accesslog"), "accesslog lacks a request")
    check(".siltfs/" not in read(control + "/accesslog"), "who reads the log sees that")
    env.silt("accesslog", env.mnt, "off")

    # Every look is a fresh one, with a size that is true, and one who has it open keeps what he has.
    with open(control + "/stats", encoding="utf-8") as kept:
        first = kept.read()
        check_equal(os.fstat(kept.fileno()).st_size, len(first.encode()), "size")
        for number in range(50):
            os.mkdir(env.path(f"d{number}"))
        second = read(control + "/stats")
        check(first != second, "stats did not change")
        kept.seek(0)
        check_equal(kept.read(), first, "what is open")
    for number in range(50):
        os.rmdir(env.path(f"d{number}"))
    os.rmdir(env.path("seen"))
    check_equal(os.stat(control + "/stats").st_ino, os.stat(control + "/stats").st_ino, "inode number")
    for command in (["cp", control + "/stats", env.scratch("copy")], ["grep", "-q", "health", control + "/stats"],
                    ["stat", control + "/stats"], ["tail", "-n", "1", control + "/stats"], ["ls", "-la", control]):
        env.run(*command)


def unchangeable(env, control):
    open(env.path("file"), "wb").close()
    refused(lambda: open(control + "/new", "wb"))
    refused(lambda: os.mkdir(control + "/new"))
    refused(lambda: os.symlink("x", control + "/new"))
    refused(lambda: os.mkfifo(control + "/new"))
    refused(lambda: os.unlink(control + "/stats"))
    refused(lambda: os.rename(env.path("file"), control + "/file"))
    refused(lambda: os.rename(control + "/stats", env.path("stats")))
    refused(lambda: os.link(env.path("file"), control + "/file"))
    refused(lambda: os.chmod(control + "/stats", 0o777))
    refused(lambda: os.setxattr(control + "/stats", "user.x", b"1"))
    refused(lambda: os.rmdir(control))
    refused(lambda: os.rename(control, env.path("elsewhere")))
    refused(lambda: os.mkdir(control), errno.EEXIST)
    os.mkdir(env.path("directory"))
    refused(lambda: os.rename(env.path("directory"), control))
    os.rmdir(env.path("directory"))
    os.unlink(env.path("file"))
    check_equal(os.listxattr(control + "/stats"), [], "attributes")


def in_nobodys_way(env):
    tree = env.path("tree")
    env.run("git", "init", "-q", tree)
    check_equal(env.run("git", "-C", tree, "status", "--porcelain").stdout, "", "git status")
    check(".siltfs" not in env.run("find", env.mnt, "-xdev").stdout, "find sees .siltfs")
    env.run("rsync", "-a", env.mnt + "/", env.scratch("rsynced") + "/")
    check_equal(os.listdir(env.scratch("rsynced")), ["tree"], "what rsync copied")
    env.run("tar", "-C", env.mnt, "-cf", env.scratch("tar"), ".")
    check(".siltfs" not in env.run("tar", "-tf", env.scratch("tar")).stdout, "tar saw .siltfs")
    subprocess.run(f"rm -rf {env.mnt}/* {env.mnt}/.[!.]*", shell=True, check=True)
    check_equal(os.listdir(env.mnt), [], "what rm -rf left")
    check(os.path.exists(env.path(".siltfs/stats")), "rm -rf took .siltfs away")
    check_equal(os.stat(env.mnt).st_nlink, 2, "links of the root")


def for_its_owner_alone(env, control):
    for command in (["ls", control], ["cat", control + "/stats"]):
        done = env.run("setpriv", "--reuid", "65534", "--clear-groups", *command, rc=None)
        check(done.returncode != 0 and "Permission denied" in done.stderr, f"{command} as nobody: {done.stdout}{done.stderr}")


def a_users_own_goes_first(env, control):
    """Made while the control directory was switched off, by rsync for example."""
    os.mkdir(control)
    with open(control + "/mine", "w", encoding="utf-8") as file:
        file.write("mine")
    env.remount()
    check_equal(os.listdir(env.mnt), [".siltfs"], "names at the root")
    check_equal(os.listdir(control), ["mine"], "names in one's own .siltfs")
    check_equal(read(control + "/mine"), "mine", "what is in it")
    shutil.rmtree(control)
    check_equal(sorted(os.listdir(control)), ["accesslog", "config", "stats"], "names once one's own is gone")
