"""A directory of 1,000,000 small files: made, listed, mounted after a clean end and after a kill, deleted; memory."""

import os
import subprocess
import sys
import time

from harness import check, check_equal, say

LABELS = ("long",)
TIMEOUT = 600
FILES = int(os.environ.get("SILT_E2E_FILES", "1000000"))
MEMORY_LIMIT = 512  # MiB
# Times are bounds, not measurements: a sanitizer's or a busy machine's slowness is no failure of what is shown here.
CLEAN_MOUNT, KILLED_MOUNT = 2.0, 10.0

CREATE = """
import os, sys
directory, begin, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
fd = os.open(directory, os.O_RDONLY)
for i in range(begin, end):
    f = os.open(f"file-{i:07}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=fd)
    os.write(f, b"%d" % i)
    os.close(f)
"""
DELETE = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(int(sys.argv[2]), int(sys.argv[3])):
    os.unlink(f"file-{i:07}", dir_fd=fd)
"""


def in_two(script, directory):
    half = FILES // 2
    both = [subprocess.Popen([sys.executable, "-c", script, directory, str(begin), str(end)])
            for begin, end in ((0, half), (half, FILES))]
    for process in both:
        check_equal(process.wait(), 0, "a worker's exit code")


class Timer:
    def __init__(self, env):
        self.env = env

    def __call__(self, what, function):
        begin = time.monotonic()
        value = function()
        say(f"{what}: {time.monotonic() - begin:.1f} s, peak memory {self.env.memory_peak()} MiB")
        check(self.env.memory_peak() < MEMORY_LIMIT, f"the daemon used more than {MEMORY_LIMIT} MiB")
        return value


def run(env):
    env.start()
    timed = Timer(env)
    directory = env.path("million")
    os.mkdir(directory)
    timed(f"create {FILES}", lambda: in_two(CREATE, directory))
    check_equal(timed("list", lambda: len(os.listdir(directory))), FILES, "entries")
    env.umount()
    seconds = env.mount()
    say(f"mount after a clean unmount: {seconds:.2f} s")
    check(seconds < CLEAN_MOUNT, "too slow")
    check_equal(timed("list, cold", lambda: len(os.listdir(directory))), FILES, "entries")
    env.kill()
    seconds = env.mount()
    say(f"mount after a kill: {seconds:.2f} s")
    check(seconds < KILLED_MOUNT, "too slow")
    check_equal(sum(1 for entry in timed("stat all", lambda: list(os.scandir(directory))) if entry.is_file()), FILES, "files")
    timed("delete", lambda: in_two(DELETE, directory))
    quick_afterwards(env, directory)
    env.kill()
    seconds = env.mount()
    say(f"mount after the deletion and a kill: {seconds:.2f} s")
    check(seconds < KILLED_MOUNT, "too slow")
    quick_afterwards(env, directory)
    os.rmdir(directory)
    env.finish()


def quick_afterwards(env, directory):
    """Nothing is slow in a directory that was large once."""
    for what, function in (("list", lambda: os.listdir(directory)), ("create", lambda: open(directory + "/new", "w").close()),
                           ("stat of what is missing", lambda: os.path.exists(directory + "/file-0000001")),
                           ("list again", lambda: os.listdir(directory)), ("unlink", lambda: os.unlink(directory + "/new"))):
        begin = time.monotonic()
        function()
        seconds = time.monotonic() - begin
        check(seconds < 0.5, f"{what} in the emptied directory took {seconds:.2f} s")
        say(f"{what} in the emptied directory: {seconds * 1000:.1f} ms")
