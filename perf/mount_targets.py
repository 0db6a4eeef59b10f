"""What the mount is meant to reach, as ratios to others, and which of it a run has reached."""

import report

# Section, row, least ratio to ext4 with io_uring. Rows of several threads are in their own section.
TO_HOST = [
    ("meta1", "stat", 1.0), ("meta1", "open + read + close", 1.0), ("meta1", "readdir + stat, warm", 1.0),
    ("meta1", "readdir + stat, cold", 1.0),
    ("meta1", "create", 0.7), ("meta1", "rename", 0.7), ("meta1", "unlink", 0.7),
    ("meta4", "create", 1.0), ("meta4", "rename", 1.0), ("meta4", "unlink", 1.0),
    ("tree", "untar", 0.7), ("tree", "rm -rf", 0.7),
    ("copies", "git clone", 0.7), ("copies", "git status", 0.7), ("copies", "git checkout", 0.7),
    ("fsync", "4K + fsync, 1 job", 1.0), ("fsync", "4K + fsync, 4 jobs", 2.0), ("fsync", "4K + fsync, 16 jobs", 2.0),
    ("random", "write 4K, end fsync", 1.0), ("random", "read 4K, cold", 0.7),
    ("sequential", "write 1M, incompressible, end fsync", 0.5), ("sequential", "write 1M, 2:1, end fsync", 0.8),
    ("sequential", "read 1M, incompressible, cold", 0.8), ("sequential", "read 1M, warm", 1.0),
    ("tail", "create, p99.9", 0.5), ("tail", "4K + fsync, p99.9", 0.5),
]
# Against passthrough_hp on the same transport: at least as fast everywhere, twice here.
TWICE_PASSTHROUGH = {("create + 4K + close"), ("unlink"), ("rename"), ("write 4K, end fsync")}
AHEAD_SECTIONS = ("meta1", "meta4", "fsync")  # of XFS and btrfs on a loop file, and of gocryptfs
MEASURED = ("sequential", "random", "fsync", "meta1", "meta4", "tree", "copies", "programs")


def targets(results, row_type):
    """(row, the other's key, least ratio)"""
    for section, name, least in TO_HOST:
        yield row_type(section, name), "host", least
    for section in MEASURED:
        for row in results.of_section(section):
            twice = section == "fsync" or row.name in TWICE_PASSTHROUGH
            for other in ("passthrough", "passthrough-dev"):
                yield row, other, 2.0 if twice else 1.0
            for other in ("xfs", "btrfs", "gocryptfs"):
                if section in AHEAD_SECTIONS:
                    yield row, other, 1.0


def markdown(results, row_type):
    lines, reached, total = [], 0, 0
    for row, other, least in targets(results, row_type):
        ours = "siltfs-dev" if other == "passthrough-dev" else "siltfs"
        ratio = results.ratio(row, ours, other)
        if ratio is None:
            continue
        total += 1
        reached += ratio >= least
        if ratio < least:
            limit = results.ratio(row, "null", other)
            lines.append([f"{row.section}: {row.name}", other, f"{least:.2g}", f"{ratio:.2f}", f"{limit:.2f}" if limit else "-"])
    if total == 0:
        return "No targets apply to what was run."
    header = ["target not reached", "against", "wanted", "is", "null filesystem is"]
    return f"{reached} of {total} targets reached.\n\n" + (report.table(header, lines) if lines else "")
