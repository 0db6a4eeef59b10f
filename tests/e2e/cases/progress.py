"""Long work shows how far it is: a bar on a terminal, lines on request, nothing in a pipe; ^C is safe. stats --watch."""

import json
import os
import re
import signal
import subprocess
import time

from harness import check, check_equal, mounts_under, say
from terminal import Terminal

TIMEOUT = 240
BAR = re.compile(r"(fsck|scrub|compact|repair) +\d+% \[[#.]{20}\] \d+(\.\d)? [KMG]?i?B of ")
PLAIN = re.compile(r"^(fsck|scrub|compact|repair): \d+%, .* of .*$")


def fill(env, megabytes):
    for number in range(megabytes // 4):
        with open(env.path(f"data-{number}"), "wb") as file:
            file.write(os.urandom(4 << 20))


def run(env):
    env.start()
    fill(env, 160)
    env.silt("compact", env.mnt)
    for verb, target in (("scrub", env.mnt), ("compact", env.mnt)):
        shows(env, verb, target)
    scrub_ends_with_its_client(env)
    watch(env)
    env.umount()
    for words in (["scrub"], ["compact"], ["fsck"], ["fsck", "--repair"]):
        shows(env, *words, env.store)
    for words in (["fsck"], ["fsck", "--repair"], ["compact"], ["scrub"]):
        interrupted(env, *words)
    cancelled(env)
    rebuild_shows(env)
    interrupted_rebuild(env)
    env.mount()
    check_equal(len([n for n in os.listdir(env.mnt) if n.startswith("data-")]), 40, "files")
    env.finish()


def give_work(env, verb):
    """A compacted store has nothing to compact."""
    if verb != "compact":
        return
    mounted = env.mnt in mounts_under(env.work)
    if not mounted:
        env.mount()
    with open(env.path("rewritten"), "wb") as file:
        file.write(os.urandom(8 << 20))
    if not mounted:
        env.umount()


def shows(env, *words):
    """The three ways, with a terminal as stderr."""
    give_work(env, words[0])
    terminal = Terminal(env.siltfs, *words, stdout=False)
    code, shown = terminal.finish()
    check_equal(code, 0, f"exit code of {words}")
    check(BAR.search(shown), f"{words} shows no bar: {shown!r}")
    check(shown.endswith("\r\033[K"), f"{words} leaves its bar behind: {shown[-200:]!r}")
    terminal.close()
    give_work(env, words[0])
    narrow = Terminal(env.siltfs, *words, stdout=False, columns=30)
    code, shown = narrow.finish()
    check(all(len(part) < 30 for part in shown.replace("\033[K", "").split("\r")), f"wider than the terminal: {shown!r}")
    narrow.close()
    give_work(env, words[0])
    plain = env.silt(*words, "--progress=plain")
    check(plain.stderr and all(PLAIN.match(line) for line in plain.stderr.splitlines()), f"plain: {plain.stderr!r}")
    give_work(env, words[0])
    check_equal(env.silt(*words).stderr, "", f"stderr of {words} in a pipe")


def interrupted(env, *words):
    """Killed by ^C at different moments, the store is whole."""
    for moment in (0.05, 0.2, 0.5):
        give_work(env, words[0])
        terminal = Terminal(env.siltfs, *words, env.store, stdout=False)
        time.sleep(moment)  # any moment will do: the test is that none of them matters
        terminal.type("\x03")
        code, shown = terminal.finish()
        check(code in (0, -signal.SIGINT, ends_with(words)), f"exit code {code} of {words} after ^C, having shown {shown!r}")
        check(code == 0 or not BAR.search(shown) or "\r\033[K" in shown, f"{words} leaves its bar behind: {shown!r}")
        terminal.close()
        env.fsck()


def ends_with(words):
    """The exit code after ^C: fsck(8) has one for that."""
    return 32 if words[0] == "fsck" else -signal.SIGINT


def cancelled(env):
    """Once it is at work there is one exit code and one line, whatever the signal and whether there is a bar."""
    terminal = Terminal(env.siltfs, "fsck", env.store, stdout=False)
    terminal.wait_for("] ")
    terminal.type("\x03")
    code, shown = terminal.finish()
    check_equal(code, 32, f"exit code after ^C, having shown {shown!r}")
    check("\r\033[Ksiltfs fsck: cancelled" in shown, f"after ^C: {shown!r}")
    terminal.close()
    fsck = subprocess.Popen([env.siltfs, "fsck", "--progress=plain", env.store], stderr=subprocess.PIPE, text=True)
    fsck.stderr.readline()
    fsck.terminate()
    _, said = fsck.communicate()
    check_equal(fsck.returncode, 32, f"exit code after SIGTERM, having said {said!r}")
    check("cancelled" in said.splitlines()[-1], f"after SIGTERM: {said!r}")
    env.fsck()


def lose_manifest(env):
    for name in os.listdir(env.store):
        if name == "CURRENT" or name.startswith("MANIFEST"):
            os.unlink(os.path.join(env.store, name))


def rebuild_shows(env):
    """The rebuilding is a pass of its own, before those of the check."""
    def passes():
        plain = env.silt("fsck", "--repair", "--progress=plain", env.store, rc=None)
        check(plain.returncode in (0, 1), f"fsck --repair: {plain.stdout}{plain.stderr}")
        lines = plain.stderr.splitlines()
        check(all(PLAIN.match(line) for line in lines), f"plain: {lines}")
        return sum(line.startswith("repair: 100%") for line in lines), len(lines)

    ended, lines = passes()
    lose_manifest(env)
    ended_rebuilding, lines_rebuilding = passes()
    check_equal(ended_rebuilding, ended + 1, "passes that came to 100%")
    check(lines_rebuilding >= lines + 5, f"the rebuilding said {lines_rebuilding - lines} lines")
    lose_manifest(env)
    check_equal(env.silt("fsck", "--repair", env.store, rc=1).stderr, "", "stderr in a pipe")
    lose_manifest(env)
    terminal = Terminal(env.siltfs, "fsck", "--repair", env.store, stdout=False)
    code, shown = terminal.finish()
    check_equal(code, 1, "exit code of a rebuilding")
    check(BAR.search(shown) and shown.endswith("\r\033[K"), f"bar: {shown!r}")
    terminal.close()


def interrupted_rebuild(env):
    """The list of tables is gone and is rebuilt; ^C amid that, and then it is run to its end."""
    lose_manifest(env)
    for moment in (0.05, 0.2, 0.4):
        terminal = Terminal(env.siltfs, "fsck", "--repair", env.store, stdout=False)
        time.sleep(moment)
        terminal.type("\x03")
        terminal.finish()
        terminal.close()
    done = env.silt("fsck", "--repair", env.store, rc=None)
    check(done.returncode in (0, 1), f"fsck --repair after ^C: {done.stdout}{done.stderr}")
    env.fsck()


def scrub_ends_with_its_client(env):
    """Of a mounted store the daemon does the reading; it stops when nobody waits for it."""
    def reading():
        with open(f"/proc/{env.pid()}/io", encoding="ascii") as lines:
            return int(next(line.split()[1] for line in lines if line.startswith("rchar")))

    begin = reading()
    env.silt("scrub", env.mnt)
    whole = reading() - begin
    scrub = Terminal(env.siltfs, "scrub", env.mnt, stdout=False)
    scrub.wait_for("%")
    begin = reading()
    scrub.type("\x03")
    code, _ = scrub.finish()
    scrub.close()
    if code == 0:
        say("the scrub ended before it could be interrupted")
        return
    # Idle is when two looks see the same; a status is small beside a table.
    before, now = -1, reading()
    while now - before > (1 << 20):
        time.sleep(0.3)
        before, now = now, reading()
    check(now - begin < whole * 0.9, f"after its client left the scrub read {now - begin} of {whole} bytes")


def watch(env):
    terminal = Terminal(env.siltfs, "stats", "--watch", "0.3", env.mnt, rows=24, columns=100)
    terminal.wait_for("\033[?1049h")
    terminal.wait_for("pending")
    for number in range(200):
        open(env.path(f"watched-{number}"), "wb").close()
        os.unlink(env.path(f"watched-{number}"))
    terminal.wait_for("create")
    check(not terminal.is_restored(), "the view has not set the terminal up")
    terminal.resize(16, 40)
    terminal.wait_for("p50")
    seen = terminal.wait_for("\033[J")
    rows = re.sub(r"\033\[[?\d]*[a-zA-Z]", "", seen).split("\r\n")
    check(all(len(row) <= 40 for row in rows), f"wider than the terminal: {rows}")
    terminal.type("q")
    code, shown = terminal.finish()
    check_equal((code, terminal.is_restored(), shown.endswith("\033[?25h\033[?1049l")), (0, True, True), "after q")
    terminal.close()

    terminal = Terminal(env.siltfs, "stats", "--watch", env.mnt)
    terminal.wait_for("\033[?1049h")
    terminal.type("\x03")
    code, shown = terminal.finish()
    check_equal((code, terminal.is_restored(), shown.endswith("\033[?25h\033[?1049l")), (0, True, True), "after ^C")
    terminal.close()

    # No terminal: a block for each interval, or JSON.
    blocks = subprocess.Popen([env.siltfs, "stats", "--watch=0.2", env.mnt], stdout=subprocess.PIPE, text=True)
    seen = ""
    while seen.count("amplified") < 2:
        seen += blocks.stdout.readline()
    check("\033" not in seen, "escapes in a pipe")
    blocks.kill()
    blocks.wait()
    blocks.stdout.close()
    objects = subprocess.Popen([env.siltfs, "stats", "--json", "--watch", "0.2", env.mnt], stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        check("latency" in json.loads(objects.stdout.readline()), "no latency in --json --watch")
    objects.kill()
    objects.wait()
    objects.stdout.close()
