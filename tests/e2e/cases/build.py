"""Building a part of this project inside the mount with two jobs, and running its tests there."""

import os

from harness import TOP, check, say

NATIVE = True
LABELS = ("long",)
TIMEOUT = 400


def run(env):
    env.start()
    source = env.path("source")
    os.mkdir(source)
    env.run("tar", "-C", TOP, "--exclude=./build", "--exclude=./.git", "--exclude=__pycache__", "-cf", env.scratch("t.tar"), ".")
    env.run("tar", "-C", source, "-xf", env.scratch("t.tar"))
    build = env.path("build")
    # Without ccache, which would answer from outside the mount.
    env.run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DCCACHE=CCACHE-NOTFOUND",
            "-DSILT_BUILD_PERF=OFF")
    env.run("cmake", "--build", build, "-j", "2", "--target", "lsm_base_test", "lsm_wal_test", timeout=380)
    again = env.run("cmake", "--build", build, "-j", "2", "--target", "lsm_base_test", "lsm_wal_test")
    check("no work to do" in again.stdout, f"a second build finds work, so times are wrong: {again.stdout[-300:]}")
    done = env.run(os.path.join(build, "bin", "lsm_wal_test"))
    say(done.stdout.strip().splitlines()[-1].strip())
    env.remount()
    again = env.run("cmake", "--build", build, "-j", "2", "--target", "lsm_base_test", "lsm_wal_test")
    check("no work to do" in again.stdout, f"after the remount a build finds work: {again.stdout[-300:]}")
    env.finish()
