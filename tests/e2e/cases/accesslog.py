"""The access log: switched on and off on a live mount, paths and results, followed, slow readers told what they missed."""

import json
import os
import re
import signal
import subprocess

from harness import check, check_equal

TIMEOUT = 120
LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (?P<op>\w+) (?P<what>.*) = (?P<result>\w+) \d+\.\dus "
                  r"uid=(?P<uid>\d+) gid=\d+ pid=(?P<pid>\d+)$")


def lines(env):
    text = env.silt("accesslog", env.mnt, "show").stdout
    parsed = [LINE.match(line) for line in text.splitlines()]
    check(all(parsed), f"lines that are not as they should be in\n{text}")
    return parsed


def find(parsed, operation, what, result):
    found = [line for line in parsed if (line["op"], line["what"], line["result"]) == (operation, what, result)]
    check(found, f"no {operation} {what} = {result} among\n" + "\n".join(line[0] for line in parsed))
    return found[0]


def run(env):
    env.mkfs()
    check(env.silt("accesslog", env.store, "show", rc=1).stderr.count("\n") == 1, "an unmounted store has no log")
    env.mount()
    os.makedirs(env.path("a/b"))
    check_equal(len(lines(env)), 0, "lines of a log that is off")

    env.silt("accesslog", env.mnt, "on")
    with open(env.path("a/b/new"), "wb") as file:
        file.write(b"x" * 5000)
        os.fsync(file.fileno())
    os.rename(env.path("a/b/new"), env.path("a/moved"))
    os.mkdir(env.path("a/with space"))
    os.symlink("to/there", env.path("a/link"))
    check_equal(os.path.exists(env.path("a/b/missing")), False, "missing")
    os.unlink(env.path("a/moved"))
    parsed = lines(env)
    create = find(parsed, "create", "/a/b/new", "OK")
    check_equal((int(create["uid"]), int(create["pid"])), (os.geteuid(), os.getpid()), "who created it")
    find(parsed, "rename", "/a/b/new to /a/moved", "OK")
    find(parsed, "mkdir", "/a/with space", "OK")
    find(parsed, "symlink", "/a/link (to/there)", "OK")
    find(parsed, "lookup", "/a/b/missing", "OK")  # the kernel is told that it is not there, which is no error
    find(parsed, "unlink", "/a/moved", "OK")
    check(any(line["op"] == "write" and line["what"].endswith(" 0+5000") for line in parsed), "no write of 5000 bytes")
    check(any(line["op"] == "fsync" for line in parsed), "no fsync")

    # A directory that was renamed is found under its new name.
    os.rename(env.path("a/b"), env.path("c"))
    open(env.path("c/later"), "wb").close()
    find(lines(env), "create", "/c/later", "OK")

    env.silt("accesslog", env.mnt, "off")
    held = len(lines(env))
    os.mkdir(env.path("unseen"))
    check_equal(len(lines(env)), held, "lines once it is off")
    check("a/b" not in env.silt("accesslog", "--json", env.mnt, "off").stdout, "--json of off")

    follow(env)
    overflow(env)
    closed_while_followed(env)
    env.fsck()


def follow(env):
    """Runs while it is off, and ends with ^C; then it costs nothing again."""
    tail = subprocess.Popen([env.siltfs, "accesslog", "--json", env.mnt, "tail"], stdout=subprocess.PIPE, text=True)
    check_equal(json.loads(tail.stdout.readline()), {"tailing": True}, "the first event")
    os.mkdir(env.path("followed"))
    while "mkdir /followed = OK" not in json.loads(tail.stdout.readline()).get("line", ""):
        pass
    tail.send_signal(signal.SIGINT)
    tail.wait(timeout=30)
    tail.stdout.close()


def overflow(env):
    """Requests go on whatever a reader does; one that reads nothing is told how much it missed."""
    tail = subprocess.Popen([env.siltfs, "accesslog", env.mnt, "tail", "--json"], stdout=subprocess.PIPE, text=True)
    check_equal(json.loads(tail.stdout.readline()), {"tailing": True}, "the first event")
    os.kill(tail.pid, signal.SIGSTOP)  # reads no more: its socket and pipe fill
    for number in range(12000):
        open(env.path(f"flood-{number}"), "wb").close()
    os.kill(tail.pid, signal.SIGCONT)
    seen = dropped = 0
    os.mkdir(env.path("the-end"))
    for line in tail.stdout:
        event = json.loads(line)
        dropped += event.get("dropped", 0)
        seen += "line" in event
        if "mkdir /the-end" in event.get("line", ""):
            break
    check(dropped > 0 and seen > 0, f"{seen} lines seen, {dropped} dropped")
    check(seen + dropped >= 12000, f"{seen} lines and {dropped} dropped are fewer than the requests")
    tail.kill()
    tail.wait()
    tail.stdout.close()


def closed_while_followed(env):
    """Neither a reader nor one that has stopped reading holds up the unmount."""
    tail = subprocess.Popen([env.siltfs, "accesslog", env.mnt, "tail", "--json"], stdout=subprocess.PIPE, text=True)
    tail.stdout.readline()
    env.umount()
    check_equal(tail.wait(timeout=30), 0, "exit code of a tail whose mount ended")
    tail.stdout.close()
