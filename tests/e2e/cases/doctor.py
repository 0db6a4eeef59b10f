"""siltfs doctor says what is missing and what to do; siltfs bench measures, compares and cleans up, also after ^C."""

import json
import os
import signal
import subprocess

from harness import check, check_equal

TIMEOUT = 180


def findings(done):
    report = json.loads(done.stdout)
    check_equal(report["ok"], done.returncode == 0, "ok and the exit code")
    check_equal(report["ok"], all(f["verdict"] != "problem" for f in report["findings"]), "ok and the findings")
    # Others on this machine may have dead mounts, too.
    mounts = [f for f in report["findings"] if f["name"] == "mounts"]
    return {f["name"]: f for f in report["findings"]} | {"mounts": {key: "\n".join(f[key] for f in mounts) for key in mounts[0]}}


def run(env):
    env.mkfs()
    machine = findings(env.silt("doctor", "--json", rc=None))
    for name in ("kernel", "libfuse", "io_uring", "device", "fusermount3", "nofile", "memlock", "awake", "mounts"):
        check(machine[name]["what"], f"nothing is said of {name}")
    check_equal(machine["device"]["verdict"], "ok", "device")
    for target in (env.store, env.mnt):
        if target == env.mnt:
            env.mount()
        found = findings(env.silt("doctor", "--json", target, rc=None))
        check_equal((found["store"]["verdict"], found["health"]["verdict"]), ("ok", "ok"), f"of {target}")
        check("free of" in found["space"]["what"], "space")
        lines = env.silt("doctor", target, rc=None).stdout.splitlines()
        check(all(any(name in line for line in lines) for name in found), f"text lacks some of {list(found)}")

    check_equal(findings(env.silt("doctor", "--json", env.scratch("nowhere"), rc=1))["store"]["verdict"], "problem", "no store")
    limited = subprocess.run(["sh", "-c", f"ulimit -n 256; exec {env.siltfs} doctor --json"], capture_output=True, text=True)
    check_equal((limited.returncode, findings(limited)["nofile"]["verdict"]), (1, "problem"), "few open files")

    bench(env)

    env.kill()
    dead = env.silt("doctor", "--json", rc=1)
    check(env.mnt in findings(dead)["mounts"]["what"] and "umount" in findings(dead)["mounts"]["remedy"], "a dead mount")
    env.silt("umount", env.mnt)

    # Damage is found by scrub and from then on known of the mount.
    env.mount()
    with open(env.path("file"), "wb") as file:
        file.write(os.urandom(1 << 20))
    env.silt("compact", env.mnt)
    status = env.status()
    check(status["levels"][-1]["files"] > 0 and status["table_bytes"] == sum(level["bytes"] for level in status["levels"]),
          f"levels in status: {status['levels']}")
    check(status["logical_bytes"] > 1 << 20 and 0.9 < status["compression_ratio"] < 100, f"space in status: {status}")
    check(status["disk_bytes"] > status["table_bytes"], "logs and the reserve take space, too")
    table = max((n for n in os.listdir(env.store) if n.endswith(".sst")), key=lambda n: os.path.getsize(os.path.join(env.store, n)))
    with open(os.path.join(env.store, table), "r+b") as file:
        file.seek(os.path.getsize(os.path.join(env.store, table)) // 2)
        file.write(b"damage")
    env.silt("scrub", env.mnt, rc=1)
    sick = findings(env.silt("doctor", "--json", env.mnt, rc=1))
    check_equal(sick["health"]["verdict"], "problem", "health of a damaged store")
    check_equal(env.status()["health"]["state"], "damaged", "health in status")
    env.umount()


def bench(env):
    rows = json.loads(env.silt("bench", "--quick", "--json", env.mnt, timeout=120).stdout)
    directories = [row["directory"] for row in rows]
    check_equal(set(directories), {env.mnt, env.work}, "directories: the mount, and the one that holds its store")
    check_equal(len(rows), 24, "rows")
    check(all(row["operations"] > 0 and row["seconds"] > 0 for row in rows), "rows without measurement")
    table = env.silt("bench", "--quick", "--alone", env.mnt, timeout=120).stdout
    check("create 4K file" in table and "ratio" not in table, f"table: {table}")
    check("ratio" in env.silt("bench", "--quick", "--beside", env.work, env.mnt, timeout=120).stdout, "no ratio")
    # Slower than it may be: phases end early.
    rows = json.loads(env.silt("bench", "--json", "--alone", "--seconds", "1.2", "--files", "1000000", "--size", "100G", env.mnt,
                               timeout=60).stdout)
    check(sum(row["seconds"] for row in rows) < 20, "took longer than it should")

    running = subprocess.Popen([env.siltfs, "bench", "--files", "1000000", env.mnt], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE)
    while not any(name.startswith("f") for d in glob_bench(env.mnt) for name in os.listdir(d)):
        check_equal(running.poll(), None, "exit code of a benchmark that should run")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    check_equal(running.returncode, 130, "exit code after ^C")
    check("interrupted" in said, said)
    check_equal([d for where in (env.mnt, env.work) for d in glob_bench(where)], [], "what the benchmark left")


def glob_bench(directory):
    return [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(".siltfs-bench")]
