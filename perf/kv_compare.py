#!/usr/bin/env python3
"""Runs kv_bench on siltfs's engine and its peers in turn, several rounds, and prints a table of medians and ratios.

  perf/kv_compare.py [--rounds 3] [--num 1000000] [--bench PATH] [--dir DIRECTORY] [--json FILE] [-- kv_bench options]

Engines take turns within each round, so that what else the machine does meets all of them alike. A ratio above 1 means
that siltfs is faster.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import report

WORKLOADS = ["fillseq", "fillsync", "fillbatch", "fillrandom", "overwrite", "readrandom", "readmissing", "readhot",
             "multiget", "seekrandom", "readseq", "readreverse", "readwhilewriting", "deleterandom", "deleterange", "fsmix"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num", type=int, default=1_000_000)
    parser.add_argument("--bench", default=os.path.join(report.TOP, "build", "release", "bin", "kv_bench"))
    parser.add_argument("--dir", default=None, help="where the stores go (default: TMPDIR)")
    parser.add_argument("--benchmarks", default=",".join(WORKLOADS))
    parser.add_argument("--json", help="write all rounds to this file")
    parser.add_argument("more", nargs="*")
    arguments = parser.parse_args()

    listed = subprocess.run([arguments.bench, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    engines = [line.split("=")[1] for line in listed if line.startswith("--engine=")]
    if arguments.benchmarks != "fillsync":  # what the bare disk does is known for that one only
        engines.remove("pwrite")
    rounds = []
    with tempfile.TemporaryDirectory(prefix="kv_compare-", dir=arguments.dir) as directory:
        for number in range(arguments.rounds):
            for engine in engines[number % len(engines):] + engines[:number % len(engines)]:
                print(f"round {number + 1} of {arguments.rounds}: {engine}", file=sys.stderr, flush=True)
                done = subprocess.run([arguments.bench, "--json", f"--engine={engine}", f"--num={arguments.num}",
                                       f"--benchmarks={arguments.benchmarks}", f"--db={directory}/store", *arguments.more],
                                      stdout=subprocess.PIPE, text=True, check=True)
                rounds += json.loads(done.stdout)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rounds, file, indent=1)

    def median(workload, engine, *field):
        values = []
        for result in rounds:
            if result["workload"] == workload and result["engine"] == engine:
                for name in field:
                    result = result.get(name) if result is not None else None
                if result is not None:
                    values.append(result)
        return report.median(values)

    peers = [engine for engine in engines if engine != "siltfs"]
    header = ["ops/s"] + engines + [f"siltfs / {peer}" for peer in peers] + ["p99 µs", "write amp."]
    rows = []
    for workload in arguments.benchmarks.split(","):
        rates = {engine: median(workload, engine, "ops_per_second") for engine in engines}
        emulated = {r["engine"] for r in rounds if r["workload"] == workload and r["emulated"]}
        row = [workload] + [report.number(rates[e]) + ("*" if e in emulated else "") for e in engines]
        row += [report.ratio(rates["siltfs"], rates[peer]) for peer in peers]
        row.append(" / ".join(report.number(median(workload, e, "latency_us", "p99")) for e in engines))
        amplification = [median(workload, e, "write_amplification") for e in engines]
        row.append(" / ".join(f"{a:.1f}" for a in amplification) if all(amplification) else "")
        rows.append(row)
    print(report.table(header, rows))
    print(f"\nMedians of {arguments.rounds} round{'s' if arguments.rounds > 1 else ''}, {arguments.num:,} keys; p99 and write amplification in the order "
          f"{' / '.join(engines)}. * made of other operations.")


if __name__ == "__main__":
    main()
