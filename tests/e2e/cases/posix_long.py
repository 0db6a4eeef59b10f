"""The testers of tests/posix for minutes, with and without the writeback cache; tests/posix/README.md has the hours."""

from cases.posix import load_runner

TIMEOUT = 680
LABELS = ("long",)


def run(env):
    runner = load_runner()
    env.mkfs()
    for options in ((), ("writeback",)):
        env.mount(*options)
        runner.checked(env, "data", options, ["--rounds", "100", "--operations", "2000", "--seed", "1000"])
        runner.checked(env, "tree", options, ["--seconds", "60", "--calls", "500", "--seed", "1000"])
        runner.checked(env, "stress", options, ["--seconds", "30", "--seed", "7"])
        env.umount()
        env.fsck()
