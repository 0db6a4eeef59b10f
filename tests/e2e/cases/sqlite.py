"""An SQLite database in WAL mode, written by two processes; it survives a kill of the daemon."""

import sqlite3
import subprocess
import sys

from harness import check, check_equal, say

NATIVE = True
TIMEOUT = 180
ROWS = 1500

WRITER = """
import sqlite3, sys
path, who, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
db = sqlite3.connect(path, timeout=60, isolation_level=None)
for i in range(rows):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO t VALUES (?, ?, ?)", (who, i, "x" * (i % 700)))
    db.execute("UPDATE sums SET n = n + 1, total = total + ?", (i,))
    db.execute("COMMIT")
    print(i, flush=True)
"""


def writers(path, rows):
    return [subprocess.Popen([sys.executable, "-c", WRITER, path, str(who), str(rows)], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True) for who in (1, 2)]


def check_database(path, least):
    db = sqlite3.connect(path)
    check_equal(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "integrity_check")
    n, total = db.execute("SELECT n, total FROM sums").fetchone()
    check_equal(db.execute("SELECT count(*), coalesce(sum(i), 0) FROM t").fetchone(), (n, total), "rows and their sums")
    for who, count in least.items():
        got = db.execute("SELECT count(*) FROM t WHERE who = ?", (who,)).fetchone()[0]
        check(got >= count, f"writer {who}: {count} transactions were committed, {got} are there")
    db.close()
    return n


def run(env):
    env.start()
    path = env.path("database")
    db = sqlite3.connect(path)
    check_equal(db.execute("PRAGMA journal_mode=WAL").fetchone()[0], "wal", "journal mode")
    db.executescript("CREATE TABLE t (who INT, i INT, pad TEXT); CREATE INDEX ti ON t (who, i);"
                     "CREATE TABLE sums (n INT, total INT); INSERT INTO sums VALUES (0, 0);")
    db.close()
    for writer in writers(path, ROWS):
        writer.communicate(timeout=150)
        check_equal(writer.returncode, 0, "a writer's exit code")
    say(f"{check_database(path, {1: ROWS, 2: ROWS})} transactions of two processes")
    env.remount()
    check_database(path, {1: ROWS, 2: ROWS})
    if env.native:
        return

    running = writers(path, 100000)
    committed = {}
    for who, writer in enumerate(running, 1):
        for _ in range(50):  # both are well under way
            committed[who] = int(writer.stdout.readline())
    env.kill()
    for who, writer in enumerate(running, 1):
        # Lines that were printed are commits that had returned; the first numbers repeat those of the first round.
        rest = [line for line in writer.communicate(timeout=60)[0].splitlines() if line.isdigit()]
        committed[who] = ROWS + (int(rest[-1]) if rest else committed[who]) + 1
    env.mount()
    say(f"killed: {check_database(path, committed)} transactions, {sum(committed.values())} known to be committed")
    env.finish()
