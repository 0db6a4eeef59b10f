#!/usr/bin/env python3
"""fio and metadata workloads side by side on siltfs, on a directory of the host, and on libfuse's passthrough example.

  perf/mount_compare.py [--rounds 3] [--quick] [--siltfs PATH] [--meta-bench PATH] [--dir DIRECTORY] [--json FILE]

All three lie on the same host filesystem, under --dir. They take turns within each workload, in an order that moves with
the rounds; each turn of siltfs starts on a new store. Medians and ratios are printed as Markdown; a ratio above 1 means that siltfs is faster.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import report

PASSTHROUGH = "passthrough_ll"


class Jobs:
    def __init__(self, quick):
        size = "128m" if quick else "1g"
        small = "64m" if quick else "256m"
        seconds = ["--time_based", f"--runtime={3 if quick else 15}"]
        self.fio = {  # name: (what is reported, fio's arguments)
            "sequential write 1M, fsync at the end": ("write", ["--rw=write", "--bs=1m", f"--size={size}", "--end_fsync=1"]),
            "sequential read 1M": ("read", ["--rw=read", "--bs=1m", f"--size={size}"]),
            "random write 4K, fsync at the end": ("write", ["--rw=randwrite", "--bs=4k", f"--size={small}", "--end_fsync=1"]),
            "random write 4K, fsync each": ("write", ["--rw=randwrite", "--bs=4k", f"--size={small}", "--fsync=1", *seconds]),
            "random read 4K, O_DIRECT": ("read", ["--rw=randread", "--bs=4k", f"--size={small}", "--direct=1", *seconds]),
            "random read 4K, O_DIRECT, 4 jobs": ("read", ["--rw=randread", "--bs=4k", f"--size={small}", "--direct=1",
                                                         "--numjobs=4", "--group_reporting", *seconds]),
        }
        files = 3000 if quick else 20000
        self.meta = {f"{threads} thread{'s' if threads > 1 else ''}": ["--threads", str(threads), "--files", str(files // threads)]
                     for threads in (1, 4)}


class Mounted:
    """One of the compared directories, fresh, for the time of a with statement."""

    def __init__(self, kind, work, programs):
        self.kind, self.programs = kind, programs
        self.base = tempfile.mkdtemp(prefix=kind + "-", dir=work)
        self.directory = os.path.join(self.base, "mnt")
        self.back = os.path.join(self.base, "back")
        os.mkdir(self.directory)
        os.mkdir(self.back)

    def __enter__(self):
        if self.kind == "siltfs":
            subprocess.run([self.programs["siltfs"], "mkfs", self.back], check=True)
            subprocess.run([self.programs["siltfs"], "mount", self.back, self.directory], check=True)
        elif self.kind == PASSTHROUGH:
            # Caching as generous as siltfs's own: one mounter owns what lies below.
            subprocess.run([self.programs[PASSTHROUGH], "-o", f"source={self.back},cache=always", self.directory], check=True)
        return self.directory

    def __exit__(self, *_):
        if self.kind == "siltfs":
            subprocess.run([self.programs["siltfs"], "umount", self.directory], check=True)
        elif self.kind == PASSTHROUGH:
            subprocess.run(["fusermount3", "-u", self.directory], check=True)
        shutil.rmtree(self.base)


def build_passthrough(build):
    """libfuse's example, from the development package's documentation or from the distribution's source package."""
    program = os.path.join(build, PASSTHROUGH)
    if os.access(program, os.X_OK):
        return program
    os.makedirs(build, exist_ok=True)
    source = glob.glob(f"/usr/share/doc/libfuse3-dev/examples/{PASSTHROUGH}.c*")
    if source and source[0].endswith(".gz"):
        with open(os.path.join(build, PASSTHROUGH + ".c"), "wb") as out:
            subprocess.run(["gzip", "-dc", source[0]], stdout=out, check=True)
        source = [out.name]
    if not source:
        # The machine's own package sources, with the source packages switched on for this one call.
        subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), "fetch_source.sh"), "fuse3", build], check=True)
        source = glob.glob(f"{build}/fuse3-*/example/{PASSTHROUGH}.c")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-I" + os.path.dirname(source[0]), source[0], "-o", program, *flags, "-lpthread"], check=True)
    return program


def drop_caches():
    """So that reads are not of the host's page cache; root alone can."""
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
    except OSError:
        pass


def run_fio(directory, direction, arguments):
    common = ["fio", "--name=job", f"--directory={directory}", "--output-format=json", "--ioengine=psync", "--randseed=1"]
    if direction == "read":
        size = [a for a in arguments if a.startswith(("--size", "--numjobs", "--group"))]
        subprocess.run([*common, "--rw=write", "--bs=1m", "--end_fsync=1", *size], check=True, stdout=subprocess.DEVNULL)
        drop_caches()
    done = subprocess.run([*common, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    # An fsync at the end is part of fio's run time, and so of its bandwidth.
    return result[direction]["bw_bytes"] / 1e6


def run_meta(program, directory, arguments):
    done = subprocess.run([program, "--json", directory, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def measure(arguments, kinds, programs, work):
    jobs = Jobs(arguments.quick)
    rounds = []
    for number in range(arguments.rounds):
        order = kinds[number % len(kinds):] + kinds[:number % len(kinds)]
        for name, (direction, words) in jobs.fio.items():
            for kind in order:
                print(f"round {number + 1} of {arguments.rounds}: {name}: {kind}", file=sys.stderr, flush=True)
                with Mounted(kind, work, programs) as directory:
                    rounds.append({"kind": kind, "group": "fio, MB/s", "name": name, "value": run_fio(directory, direction, words)})
        for name, words in jobs.meta.items():
            for kind in order:
                print(f"round {number + 1} of {arguments.rounds}: metadata, {name}: {kind}", file=sys.stderr, flush=True)
                with Mounted(kind, work, programs) as directory:
                    for phase, rate in run_meta(programs["meta_bench"], directory, words).items():
                        rounds.append({"kind": kind, "group": f"metadata, {name}, ops/s", "name": phase, "value": rate})
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    binaries = os.path.join(report.TOP, "build", "release", "bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a measurement")
    parser.add_argument("--siltfs", default=os.path.join(binaries, "siltfs"))
    parser.add_argument("--meta-bench", default=os.path.join(binaries, "meta_bench"))
    parser.add_argument("--dir", default=None, help="where everything goes (default: TMPDIR)")
    parser.add_argument("--json", help="write all rounds to this file")
    arguments = parser.parse_args()

    programs = {"siltfs": arguments.siltfs, "meta_bench": arguments.meta_bench,
                PASSTHROUGH: build_passthrough(os.path.join(report.TOP, "build", "peers"))}
    work = tempfile.mkdtemp(prefix="mount_compare-", dir=arguments.dir)
    host = subprocess.run(["df", "--output=fstype", work], capture_output=True, text=True, check=True).stdout.split()[1]
    kinds = ["siltfs", "host", PASSTHROUGH]
    try:
        rounds = measure(arguments, kinds, programs, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rounds, file, indent=1)
    for group in dict.fromkeys(r["group"] for r in rounds):
        rows = []
        for name in dict.fromkeys(r["name"] for r in rounds if r["group"] == group):
            value = {k: report.median([r["value"] for r in rounds if (r["group"], r["name"], r["kind"]) == (group, name, k)]) for k in kinds}
            rows.append([name] + [report.number(value[k]) for k in kinds] + [report.ratio(value["siltfs"], value[k]) for k in kinds[1:]])
        print(report.table([group, "siltfs", f"host ({host})", PASSTHROUGH, "siltfs / host", f"siltfs / {PASSTHROUGH}"], rows))
        print()
    print(f"Medians of {arguments.rounds} round{'s' if arguments.rounds > 1 else ''}.")


if __name__ == "__main__":
    main()
