#!/usr/bin/env python3
"""The mount beside ext4, XFS, btrfs, libfuse's passthrough_hp, gocryptfs and a null filesystem; perf/mount_bench.sh prepares it.

They take turns section by section, in an order that moves with the rounds, each time fresh and on the same disk, under
--dir. Medians and ratios go to OUT/results.md, all rounds to OUT/results.json, plots beside them. A ratio is always so that
above 1 siltfs is better. What cannot be had here is left out and named.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import mount_peers
import mount_targets
import mount_workloads
import mounts
import plots
import report

Row = collections.namedtuple("Row", "section name")


class Results:
    """values[row][kind]: one of each round."""

    def __init__(self):
        self.values = collections.defaultdict(lambda: collections.defaultdict(list))
        self.rounds = 0  # complete ones

    def add(self, row, kind, value):
        self.values[row][kind].append(value)

    def median(self, row, kind):
        return report.median(self.values[row].get(kind)) if row in self.values else None

    def of_section(self, section):
        return [row for row in self.values if row.section == section]

    def ratio(self, row, kind, other):
        """Above 1: `kind` is better."""
        ours, theirs = self.median(row, kind), self.median(row, other)
        if not ours or not theirs or not mount_workloads.SECTIONS[row.section][1]:
            return None
        return theirs / ours if less_is_better(row) else ours / theirs


def less_is_better(row):
    unit = mount_workloads.SECTIONS[row.section][1]
    return unit != mount_workloads.MEGABYTES and unit != mount_workloads.OPERATIONS and not row.name.startswith("curve")


def run_section(name, kind, sizes, work, results):
    kind.enter(tempfile.mkdtemp(prefix=kind.key + "-", dir=work))
    try:
        for row, value in mount_workloads.SECTIONS[name][2](kind, sizes):
            results.add(Row(name, row), kind.key, value)
    except (subprocess.CalledProcessError, OSError) as error:
        # One filesystem's failure is a gap in the table, not the end of the run.
        mount_peers.say(f"{name}: {kind.key}: {error}")
    finally:
        kind.leave()


def run_rounds(arguments, kinds, sizes, work, results):
    begin = time.monotonic()
    for number in range(arguments.rounds):
        round_begin, once = time.monotonic(), 0.0
        for name in arguments.sections:
            if name in mount_workloads.ONCE and number > 0:
                continue
            section_begin = time.monotonic()
            turn = number % len(kinds)
            for kind in kinds[turn:] + kinds[:turn]:
                mount_peers.say(f"round {number + 1} of {arguments.rounds}, {(time.monotonic() - begin) / 60:.1f} min: {name}: {kind.key}")
                run_section(name, kind, sizes, work, results)
            if name in mount_workloads.ONCE:
                once += time.monotonic() - section_begin
        results.rounds += 1
        took = time.monotonic() - round_begin - once  # as the next one will
        if (time.monotonic() - begin + took) / 60 > arguments.minutes and results.rounds < arguments.rounds:
            mount_peers.say(f"{results.rounds} of {arguments.rounds} rounds: another one would not end within {arguments.minutes} minutes")
            break


def markdown(results, kinds, notes):
    ours = kinds[0]
    lines = []
    for section, (heading, unit, _) in mount_workloads.SECTIONS.items():
        rows = [row for row in results.of_section(section) if not row.name.startswith("curve")]
        if not rows:
            continue
        present = [kind for kind in kinds if any(results.median(row, kind.key) for row in rows)]
        header = [heading + (f", {unit}" if unit else "")] + [kind.label for kind in present]
        table = []
        for row in rows:
            cells = [report.number(results.median(row, kind.key)) for kind in present]
            for index, kind in enumerate(present):
                ratio = results.ratio(row, ours.key, kind.key)
                if kind is not ours and ratio:
                    cells[index] += f" ({ratio:.2f})"
            table.append([row.name] + cells)
        lines += [report.table(header, table), ""]
    lines += [f"Medians of {results.rounds} round{'s' if results.rounds != 1 else ''}; in brackets how many times better {ours.label} is.", *notes]
    return "\n".join(lines)


def draw(results, kinds, out):
    for section, (heading, unit, _) in mount_workloads.SECTIONS.items():
        rows = [row for row in results.of_section(section) if not row.name.startswith("curve")]
        if rows:
            data = [(row.name, [results.median(row, kind.key) for kind in kinds]) for row in rows]
            plots.bars(os.path.join(out, f"{section}.svg"), f"{heading}, {unit}", [kind.label for kind in kinds], data, report.number)
    curve = [row for row in results.of_section("large") if row.name.startswith("curve")]
    if curve:
        present = [kind for kind in kinds if any(results.median(row, kind.key) for row in curve)]
        series = [[(int(row.name.split()[1]), results.median(row, kind.key)) for row in curve if results.median(row, kind.key)]
                  for kind in present]
        plots.curves(os.path.join(out, "curve.svg"), "creates a second, by files in the directory",
                     [kind.label for kind in present], series, report.number)


def choose_kinds(arguments, programs):
    everything = mounts.all_kinds(programs, (2 if arguments.size == "quick" else 4) << 30)
    reasons = {kind.key: kind.missing() for kind in everything}
    wanted = arguments.kinds
    if wanted is None:
        suffix = "-dev" if reasons["siltfs"] else ""  # without io_uring the same on the transport that is left
        wanted = ["siltfs", "siltfs-dev", "host", "xfs", "btrfs", "passthrough" + suffix, "gocryptfs", "null" + suffix]
    unknown = set(wanted) - set(reasons)
    if unknown:
        sys.exit(f"mount_bench: unknown kinds {', '.join(sorted(unknown))}; there are {', '.join(reasons)}")
    notes = [f"Left out: {kind.label}: {reasons[kind.key]}." for kind in everything if kind.key in wanted and reasons[kind.key]]
    notes += [f"{kind.label} keeps a file open for each inode: it has at most {kind.most_files:,} files here."
              for kind in everything if kind.key in wanted and kind.most_files and not reasons[kind.key]]
    for note in notes:
        mount_peers.say(note)
    return [kind for kind in everything if kind.key in wanted and not reasons[kind.key]], notes


def parse_arguments():
    binaries = os.path.join(report.TOP, "build", "release", "bin")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # pylint: disable=unnecessary-lambda-assignment
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=42, help="no round begins that would probably end later (default: 42)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="usual",
                      help="small sizes: a look, not a measurement")
    size.add_argument("--long", dest="size", action="store_const", const="long", help="large sizes: some 17 minutes a round")
    parser.add_argument("--sections", type=words, default=[s for s in mount_workloads.SECTIONS if s != "large"],
                        help=f"some of {','.join(mount_workloads.SECTIONS)} (default: all but large)")
    parser.add_argument("--kinds", type=words, help="filesystems to compare (default: by what the machine has)")
    parser.add_argument("--siltfs", default=os.path.join(binaries, "siltfs"))
    parser.add_argument("--meta-bench", default=None, help="default: beside siltfs")
    parser.add_argument("--dir", default=None, help="where all the filesystems go (default: TMPDIR)")
    parser.add_argument("--peers", default=os.path.join(report.TOP, "build", "peers"), help="where what is compared with is kept")
    parser.add_argument("--out", default=os.path.join(report.TOP, "build", "mount_bench"))
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(mount_workloads.SECTIONS)
    if unknown:
        parser.error(f"unknown sections {', '.join(sorted(unknown))}")
    return arguments


def prepare(arguments, sizes):
    peers = mount_peers.Peers(os.path.abspath(arguments.peers))
    beside = os.path.join(os.path.dirname(arguments.siltfs), "meta_bench")
    return {"siltfs": arguments.siltfs, "meta_bench": arguments.meta_bench or beside, **peers.libfuse_programs(),
            "tree": peers.tree(sizes.tree_files), "part": peers.tree(sizes.part_files), "git": peers.git_repository(sizes.copy_files), "project": peers.project(sizes.objects)}


def main():
    arguments = parse_arguments()
    os.makedirs(arguments.out, exist_ok=True)
    sizes = mount_workloads.Sizes(arguments.size)
    programs = prepare(arguments, sizes)
    with mounts.RingSwitch():
        kinds, notes = choose_kinds(arguments, programs)
        work = tempfile.mkdtemp(prefix="mount_bench-", dir=arguments.dir)
        for kind in kinds:
            if kind.key == "host":
                kind.name_host(work)
        results = Results()
        try:
            run_rounds(arguments, kinds, sizes, work, results)
        finally:
            # Also of a run that was broken off: what was measured was measured.
            write_report(results, kinds, notes, arguments.out)
            shutil.rmtree(work, ignore_errors=True)


def write_report(results, kinds, notes, out):
    with open(os.path.join(out, "results.json"), "w", encoding="utf-8") as file:
        json.dump([{"section": row.section, "name": row.name, "kind": kind, "values": values}
                   for row, by_kind in results.values.items() for kind, values in by_kind.items()], file, indent=1)
    text = markdown(results, kinds, notes) + "\n\n" + mount_targets.markdown(results, Row)
    with open(os.path.join(out, "results.md"), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    draw(results, kinds, out)
    print(text)


if __name__ == "__main__":
    main()
