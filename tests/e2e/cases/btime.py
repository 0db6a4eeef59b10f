"""statx shows when a file was made, with every libfuse; nothing that happens to the file changes it."""

import os

from harness import check, check_equal, say

TIMEOUT = 60


def birth(env, path):
    """Seconds with a fraction; None where it is not known."""
    text = env.run("stat", "-c", "%.W", path).stdout.strip()
    return None if text in ("-", "0", "0.000000000") else float(text)


def run(env):
    env.start()
    path = env.path("file")
    with open(path, "wb") as file:
        file.write(b"contents")
    made = birth(env, path)
    if made is None:
        check(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 6), "no time of birth, though this kernel asks for it")
        say("this kernel does not ask FUSE for it (Linux before 6.6)")
        return env.finish()
    check(abs(made - os.stat(path).st_ctime) < 5, f"made at {made}, now {os.stat(path).st_ctime}")
    os.utime(path, (1, 1))
    with open(path, "ab") as file:
        file.write(b"more")
    os.rename(path, env.path("renamed"))
    check_equal(birth(env, env.path("renamed")), made, "when the file was made, after changes")
    check_equal(os.stat(env.path("renamed")).st_size, 12, "the size after statx")
    env.remount()
    check_equal(birth(env, env.path("renamed")), made, "when the file was made, after a remount")
    env.finish()
