#!/usr/bin/env python3
"""Runs kv_bench on siltfs's engine and its peers in turn, several rounds, and prints tables of medians and ratios.

  perf/kv_compare.py [--rounds 5] [--num 1000000] [--sections small,scans,...] [--bench PATH] [--dir DIRECTORY]
                     [--json FILE] [-- kv_bench options]

Engines take turns within each round, so that what else the machine does meets all of them alike. A ratio above 1 means
that siltfs is faster. Sections:
  small     values of 100 bytes, one thread; of 1,000,000 keys half fits the cache
  scans     a scan over a large range whose keys were deleted one by one
  threads   values of 100 bytes from four threads
  small5x, small5x4  values of 100 bytes, data five times and more of what the cache holds, one and four threads
  large, large4      values of 4 KiB, data five times and more of what the cache holds, one and four threads
  cached    values of 4 KiB, all in the cache
  sync      fillsync with values of 4 KiB from 1, 4 and 16 threads; "pwrite" is the bare disk: pwrite and fdatasync on a
            file that was written before
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import report

WRITES = ["fillseq", "fillbatch", "fillrandom", "overwrite"]
READS = ["readrandom", "readmissing", "readhot", "multiget", "seekrandom", "readseq", "readreverse", "readwhilewriting"]
DELETES = ["deleterandom", "deleterange"]
AS_FILESYSTEM = ["fsmix", "fsoverwrite"]
SCAN_AFTER_DELETE = ["fillrandom", "scanafterdelete"]
THREADED = ["fillrandom", "overwrite", *READS[:5], "readwhilewriting", *AS_FILESYSTEM]
SECTIONS = {  # title, workloads, share of --num, kv_bench's options
    "small": ("values of 100 bytes, 1 thread", WRITES + READS + DELETES + AS_FILESYSTEM, 1, []),
    "scans": ("a scan after deletes, values of 100 bytes, 1 thread", SCAN_AFTER_DELETE, 1, []),
    "threads": ("values of 100 bytes, 4 threads", THREADED, 1, ["--threads=4"]),
    "small5x": ("values of 100 bytes, five times the cache, 1 thread", WRITES + READS, 1, ["--cache_size=8388608"]),
    "small5x4": ("... 4 threads", THREADED[:8], 1, ["--cache_size=8388608", "--threads=4"]),
    "large": ("values of 4 KiB, five times the cache, 1 thread", WRITES + READS + DELETES, 8, ["--value_size=4096"]),
    "large4": ("... 4 threads", THREADED[:8], 8, ["--value_size=4096", "--threads=4"]),
    "cached": ("values of 4 KiB, within the cache, 1 thread", WRITES + READS, 40,
               ["--value_size=4096", "--cache_size=268435456"]),
    "sync1": ("values of 4 KiB, each durable, 1 thread", ["fillsync"], 0.5, ["--value_size=4096"]),
    "sync4": ("... 4 threads", ["fillsync"], 0.25, ["--value_size=4096", "--threads=4"]),
    "sync16": ("... 16 threads", ["fillsync"], 0.1, ["--value_size=4096", "--threads=16"]),
}
GROUPS = {"sync": ["sync1", "sync4", "sync16"]}


def run_section(name, engines, arguments, directory):
    """The results of all rounds of one section."""
    _, workloads, share, options = SECTIONS[name]
    results = []
    for number in range(arguments.rounds):
        for engine in engines[number % len(engines):] + engines[:number % len(engines)]:
            print(f"{name}: round {number + 1} of {arguments.rounds}: {engine}", file=sys.stderr, flush=True)
            done = subprocess.run([arguments.bench, "--json", f"--engine={engine}", f"--num={int(arguments.num / share)}",
                                   f"--benchmarks={','.join(workloads)}", f"--db={directory}/store", *options,
                                   *arguments.more], stdout=subprocess.PIPE, text=True, check=True)
            results += [{"section": name, **result} for result in json.loads(done.stdout)]
    return results


def median_of(results, workload, engine, *field):
    values = []
    for result in results:
        if result["workload"] == workload and result["engine"] == engine:
            for name in field:
                result = result.get(name) if result is not None else None
            if result is not None:
                values.append(result)
    return report.median(values)


def amplification(results, workload, engines):
    """ "w 1.8 / 2.0 / 1.7, s ..." of what is known for the workload."""
    parts = []
    for letter, field in (("w", "write_amplification"), ("s", "space_amplification"), ("r", "read_amplification")):
        values = [median_of(results, workload, engine, field) for engine in engines]
        if any(values):
            parts.append(letter + " " + " / ".join(f"{v:.1f}" if v else "-" for v in values))
    return ", ".join(parts)


def section_table(results, engines, workloads):
    peers = [engine for engine in engines if engine != "siltfs"]
    header = ["ops/s"] + engines + [f"siltfs / {peer}" for peer in peers] + ["p99.9 µs", "amplification"]
    rows = []
    for workload in workloads:
        rates = {engine: median_of(results, workload, engine, "ops_per_second") for engine in engines}
        emulated = {r["engine"] for r in results if r["workload"] == workload and r["emulated"]}
        row = [workload] + [report.number(rates[e]) + ("*" if e in emulated else "") for e in engines]
        row += [report.ratio(rates["siltfs"], rates[peer]) for peer in peers]
        row.append(" / ".join(report.number(median_of(results, workload, e, "latency_us", "p99.9")) for e in engines))
        row.append(amplification(results, workload, engines))
        rows.append(row)
    return report.table(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--num", type=int, default=1_000_000, help="keys of the section with small values")
    parser.add_argument("--sections", default="small,scans,threads,small5x,small5x4,large,large4,cached,sync")
    parser.add_argument("--bench", default=os.path.join(report.TOP, "build", "release", "bin", "kv_bench"))
    parser.add_argument("--dir", default=None, help="where the stores go (default: TMPDIR)")
    parser.add_argument("--json", help="write all rounds to this file")
    parser.add_argument("more", nargs="*")
    arguments = parser.parse_args()
    names = [name for given in arguments.sections.split(",") for name in GROUPS.get(given, [given])]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section '{unknown[0]}'; there are {', '.join([*SECTIONS, *GROUPS])}")

    listed = subprocess.run([arguments.bench, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    compiled = [line.split("=")[1] for line in listed if line.startswith("--engine=")]
    everything = []
    with tempfile.TemporaryDirectory(prefix="kv_compare-", dir=arguments.dir) as directory:
        for name in names:
            title, workloads, share, _ = SECTIONS[name]
            engines = [e for e in compiled if e != "pwrite" or name.startswith("sync")]
            results = run_section(name, engines, arguments, directory)
            everything += results
            print(f"\n{title}; {int(arguments.num / share):,} keys\n")
            print(section_table(results, engines, workloads), flush=True)
    print(f"\nMedians of {arguments.rounds} round{'s' if arguments.rounds > 1 else ''}. p99.9 and amplification "
          f"(w: of writing, s: of space, r: of reading) in the order of the columns; * made of other operations.")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)


if __name__ == "__main__":
    main()
