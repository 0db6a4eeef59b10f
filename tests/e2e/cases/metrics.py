"""Metrics for Prometheus: loopback and sockets only, true numbers, and all that the dashboard and the alerts use."""

import json
import os
import re
import shutil
import socket
import time

import harness
from harness import check, check_equal

TIMEOUT = 120
MONITORING = os.path.join(harness.TOP, "packaging", "monitoring")
SAMPLE = re.compile(r'^(?P<name>[a-z_0-9]+)(\{(?P<labels>[^}]*)\})? (?P<value>[-+0-9.eE]+|\+Inf)$')
SUFFIXES = ("_bucket", "_sum", "_count")


def connect(address):
    if address.startswith("/"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(address)
    else:
        host, port = address.rsplit(":", 1)
        client = socket.create_connection((host, int(port)))
    client.settimeout(20)
    return client


def ask(address, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
    """Status line and body."""
    with connect(address) as client:
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    check(length and (int(length[1]) == len(body) or request.startswith(b"HEAD")), f"length of {head!r}")
    return head.split(b"\r\n")[0].decode(), body.decode()


def parse(text):
    """{name: {labels: value}} and {name: type}; every line must be one of the format's."""
    values, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            check(name not in types, f"{name} is described twice")
            types[name] = kind
        elif not line.startswith("# HELP "):
            sample = SAMPLE.match(line)
            check(sample, f"no sample: {line!r}")
            values.setdefault(sample["name"], {})[sample["labels"] or ""] = float(sample["value"])
    return values, types


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(env):
    env.mkfs()
    for wrong in ("0.0.0.0:9740", "192.168.0.1:9740", "9740", "127.0.0.1:99999", "[::]:9740", "example.org:80", "unix:relative"):
        done = env.silt("mount", "-o", "metrics=" + wrong, env.store, env.mnt, rc=None)
        check(done.returncode != 0 and "metrics" in done.stderr and done.stderr.count("\n") == 1, f"{wrong}: {done.stderr}")
    address = f"127.0.0.1:{free_port()}"
    env.mount("metrics=" + address)
    for number in range(100):
        with open(env.path(f"file-{number}"), "wb") as file:
            file.write(os.urandom(5000))
    true_numbers(env, address)
    what_is_used_is_exported(env, address)
    bounded(env, address)

    # A port that is taken: the mount says so and nothing is left behind.
    os.mkdir(env.scratch("mnt2"))
    env.mkfs(store=env.scratch("store2"))
    done = env.silt("mount", "-o", "metrics=" + address, env.scratch("store2"), env.scratch("mnt2"), rc=1)
    check(address in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    path = env.scratch("metrics.sock")
    env.umount()
    env.mount("metrics=unix:" + path)
    check_equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the socket")
    check("siltfs_info" in ask(path)[1], "no metrics through the socket")
    env.kill()
    env.run("umount", "-l", env.mnt, rc=None)
    env.mount("metrics=unix:" + path)  # what the dead daemon left is no hindrance
    check("siltfs_info" in ask(path)[1], "no metrics after a crash")
    env.umount()
    check(not os.path.exists(path), "the socket outlives the mount")
    env.fsck()


def true_numbers(env, address):
    status, text = ask(address)
    check_equal(status, "HTTP/1.1 200 OK", "status")
    values, types = parse(text)
    stats = json.loads(env.silt("stats", "--json", env.mnt).stdout)
    check_equal(values["siltfs_requests_total"]['op="create"'], stats["requests"]["create"], "creates")
    count = values["siltfs_request_duration_seconds_count"]['op="create"']
    check_equal(count, 100, "timed creates")
    check_equal(values["siltfs_request_duration_seconds_bucket"]['op="create",le="+Inf"'], count, "the last bucket")
    edges = [(float(labels.split('le="')[1][:-1]), value) for labels, value in values["siltfs_request_duration_seconds_bucket"].items()
             if 'op="create"' in labels]
    check(edges == sorted(edges) and all(a[1] <= b[1] for a, b in zip(edges, edges[1:])), "buckets do not add up")
    check_equal(values["siltfs_user_bytes_total"][""] >= 500_000, True, "bytes written")
    check_equal(values["siltfs_healthy"][""], 1, "health")
    check(values["siltfs_ballast_bytes"][""] > 0, "no reserve, of which an alert thinks that the disk is full")
    check_equal(set(types.values()), {"counter", "gauge", "histogram"}, "types")
    for name in values:
        base = next((name[:-len(s)] for s in SUFFIXES if name.endswith(s) and name[:-len(s)] in types), name)
        check(base in types, f"{name} has no type")
        check((types[base] == "counter") == name.endswith("_total"), f"{name} is a {types[base]}")


def used_names(text):
    return set(re.findall(r"\bsiltfs_[a-z0-9_]+\b", text))


def what_is_used_is_exported(env, address):
    exported = set(parse(ask(address)[1])[0])
    with open(os.path.join(MONITORING, "grafana-dashboard.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    check(len(expressions) > 15, "the dashboard shows little")
    with open(os.path.join(MONITORING, "alert-rules.yml"), encoding="utf-8") as file:
        rules = file.read()
    expressions += re.findall(r"^        expr: (.*)$", rules, re.M)
    for expression in expressions:
        check(used_names(expression), f"{expression} uses no metric of siltfs")
        check(used_names(expression) <= exported, f"not exported: {used_names(expression) - exported}")
        check_equal(expression.count("("), expression.count(")"), f"brackets of {expression}")
    made = env.run("python3", os.path.join(MONITORING, "make_dashboard.py")).stdout
    check_equal(json.loads(made) == dashboard, True, "grafana-dashboard.json is what make_dashboard.py makes")
    check_equal(rules.count("- alert:"), rules.count("summary:"), "alerts with a summary")
    if shutil.which("promtool"):
        env.run("promtool", "check", "rules", os.path.join(MONITORING, "alert-rules.yml"))


def bounded(env, address):
    check("404" in ask(address, b"GET / HTTP/1.1\r\n\r\n")[0], "another path")
    check("405" in ask(address, b"POST /metrics HTTP/1.1\r\n\r\n")[0], "another method")
    check_equal(ask(address, b"HEAD /metrics HTTP/1.1\r\n\r\n")[1], "", "body of a HEAD")
    # Neither one who asks nothing nor one who says too much keeps others waiting for long.
    with connect(address) as silent, connect(address) as talker:
        begin = time.monotonic()
        try:
            talker.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)
        except OSError:
            pass  # it may have been told to go already
        check_equal(ask(address)[0], "HTTP/1.1 200 OK", "status behind others")
        check(time.monotonic() - begin < 15, "others were kept waiting")
        silent.close()
