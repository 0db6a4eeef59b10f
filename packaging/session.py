#!/usr/bin/env python3
"""Runs a short session with the real program and draws it as a terminal: packaging/session.svg, which README.md shows.

  packaging/session.py [--siltfs PATH] [--out FILE]

Commands and what they print are recorded as they are. As root: the session has a mount namespace of its own, where /srv
and /mnt are empty directories, and a PID namespace, so that nothing outlives it and nothing of the machine's own is touched.
"""

import argparse
import os
import select
import subprocess
import sys
import tempfile
from xml.sax.saxutils import escape

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLUMNS = 100

# {pid}: of the daemon.
SESSION = [
    "siltfs mkfs /srv/store",
    "siltfs mount /srv/store /mnt",
    "cp -a /usr/include/linux /mnt/",
    "siltfs compact /mnt",
    "df -hT /mnt",
    "siltfs status /mnt",
    "siltfs stats /mnt | sed -n '/^requests/,$p'",
    "kill -9 {pid}    # what if the daemon dies?",
    "siltfs mount /srv/store /mnt",
    "diff -r /usr/include/linux /mnt/linux && echo everything is there",
    "siltfs umount /mnt",
    "siltfs fsck /srv/store",
]


def run(command):
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"session.py: {command}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def daemon_pid():
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if name.isdigit() and file.read().startswith(b"siltfs\0mount\0"):
                    return int(name)
        except OSError:
            continue
    sys.exit("session.py: no daemon is running")


def kill_daemon(command):
    """Returns when it is gone."""
    pid = daemon_pid()
    end = os.pidfd_open(pid)
    command = command.format(pid=pid)
    output = run(command)
    select.select([end], [], [])
    os.close(end)
    return command, output


def record():
    """[(command, output)]"""
    return [kill_daemon(command) if "{pid}" in command else (command, run(command)) for command in SESSION]


def wrapped(line):
    return [line[at:at + COLUMNS] for at in range(0, len(line), COLUMNS)] or [""]


def lines_of(steps):
    """[(text, is it a command)], as wide as a terminal."""
    lines = []
    for command, output in steps:
        lines.append((command, True))
        lines += [(part, False) for line in output.splitlines() for part in wrapped(line)]
    return lines


def draw(lines):
    """A picture that brings its own background, so that it reads on light and on dark pages."""
    pitch, margin, advance = 18, 16, 8.43
    width = int(COLUMNS * advance) + 2 * margin
    height = len(lines) * pitch + 2 * margin
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" role="img" '
             f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
             "<title>A session with siltfs, recorded by packaging/session.py</title>",
             "<style>text{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#c9d1d9;white-space:pre}"
             ".p{fill:#7ee787}.c{fill:#fff;font-weight:bold}</style>",
             f'<rect width="{width}" height="{height}" rx="8" fill="#161b22" stroke="#8b949e"/>']
    for number, (text, is_command) in enumerate(lines):
        if not text:
            continue
        body = f'<tspan class="p"># </tspan><tspan class="c">{escape(text)}</tspan>' if is_command else escape(text)
        y = margin + number * pitch + 13
        parts.append(f'<text x="{margin}" y="{y}" xml:space="preserve">{body}</text>')
    return "\n".join(parts) + "\n</svg>\n"


def in_namespaces(arguments):
    """Runs this program again as the first process of a PID namespace: with it all others end."""
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                           os.path.abspath(__file__), "--inside", "--siltfs", arguments.siltfs, "--out", arguments.out],
                          check=False)
    return done.returncode


def inside(arguments):
    with tempfile.TemporaryDirectory(prefix="siltfs-session-") as directory:
        for place in ("/srv", "/mnt"):
            empty = tempfile.mkdtemp(dir=directory)
            subprocess.run(["mount", "--bind", empty, place], check=True)
        os.environ.update(PATH=os.path.dirname(arguments.siltfs) + ":" + os.environ["PATH"], LC_ALL="C")
        os.chdir("/")
        picture = draw(lines_of(record()))
        subprocess.run(["umount", "/srv", "/mnt"], check=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.write(picture)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--siltfs", default=os.path.join(TOP, "build", "release", "bin", "siltfs"), type=os.path.abspath)
    parser.add_argument("--out", default=os.path.join(TOP, "packaging", "session.svg"), type=os.path.abspath)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not os.access(arguments.siltfs, os.X_OK):
        sys.exit(f"session.py: {arguments.siltfs} is not there; build it, or say where it is with --siltfs")
    if os.geteuid() != 0:
        sys.exit("session.py: only root may make namespaces to run the session in")
    return inside(arguments) if arguments.inside else in_namespaces(arguments)


if __name__ == "__main__":
    sys.exit(main())
