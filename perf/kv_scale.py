#!/usr/bin/env python3
"""How siltfs's engine and its peers keep their speed as a store grows: a table and a curve (SVG) for each workload.

  perf/kv_scale.py [--sizes 1000000,10000000,50000000] [--ops 300000] [--out DIRECTORY] [--bench PATH] [--dir DIRECTORY]

A store of each size is filled in random order with values of 100 bytes; then each of the other workloads runs for --ops
operations. Engines take turns for each size. 50 million keys take some 10 GB and half an hour.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import plots
import report

ENGINES = ["siltfs", "leveldb", "rocksdb"]
AFTER_FILLING = ["overwrite", "readrandom", "readmissing", "seekrandom", "readseq"]


def run(bench, engine, directory, size, workloads, *options):
    store = os.path.join(directory, engine)
    done = subprocess.run([bench, "--json", "--keep", "--use_existing", f"--engine={engine}", f"--num={size}",
                           f"--benchmarks={','.join(workloads)}", f"--db={store}", *options],
                          stdout=subprocess.PIPE, text=True, check=True)
    return {result["workload"]: result for result in json.loads(done.stdout)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000000,10000000,50000000")
    parser.add_argument("--ops", type=int, default=300_000)
    parser.add_argument("--out", default=".")
    parser.add_argument("--bench", default=os.path.join(report.TOP, "build", "release", "bin", "kv_bench"))
    parser.add_argument("--dir", default=None, help="where the stores go (default: TMPDIR)")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    os.makedirs(arguments.out, exist_ok=True)

    results = {}
    for size in sizes:
        for engine in ENGINES:
            with tempfile.TemporaryDirectory(prefix="kv_scale-", dir=arguments.dir) as directory:
                print(f"{size:,} keys: {engine}", file=sys.stderr, flush=True)
                found = run(arguments.bench, engine, directory, size, ["fillrandom"])
                found |= run(arguments.bench, engine, directory, size, AFTER_FILLING, f"--ops={arguments.ops}")
                results[size, engine] = found
                shutil.rmtree(os.path.join(directory, engine), ignore_errors=True)

    header = ["ops/s"] + [f"{size / 1e6:g} M: {engine}" for size in sizes for engine in ENGINES]
    rows = []
    for workload in ["fillrandom", *AFTER_FILLING]:
        rates = {key: found[workload]["ops_per_second"] for key, found in results.items()}
        rows.append([workload] + [report.number(rates[size, engine]) for size in sizes for engine in ENGINES])
        plots.curves(os.path.join(arguments.out, f"{workload}.svg"), f"{workload}, operations a second, by keys in the store",
                     ENGINES, [[(size, rates[size, engine]) for size in sizes] for engine in ENGINES], report.number,
                     logarithmic=True)
    print(report.table(header, rows))
    amplification = [[f"fillrandom, {letter}"] + [report.number(results[size, engine]["fillrandom"].get(field))
                                                  for size in sizes for engine in ENGINES]
                     for letter, field in (("write amplification", "write_amplification"),
                                           ("space amplification", "space_amplification"))]
    print("\n" + report.table(header, amplification))


if __name__ == "__main__":
    main()
