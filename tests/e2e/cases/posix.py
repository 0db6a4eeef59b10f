"""The testers of tests/posix, briefly: written cases, processes, random calls, random data, a stress, in several modes."""

import importlib.machinery
import importlib.util
import os

from harness import TOP, say

TIMEOUT = 240
# Mount options; as an ordinary user there is neither allow_other nor a second user.
MODES = ((), ("noallow_other",), ("writeback",))


def load_runner():
    path = os.path.join(TOP, "tests", "posix", "run")
    loader = importlib.machinery.SourceFileLoader("posix_run", path)
    spec = importlib.util.spec_from_loader("posix_run", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def run(env):
    runner = load_runner()
    os.umask(0o022)
    env.mkfs()
    root = os.geteuid() == 0
    for options in MODES if root else ((), ("writeback",)):
        say(f"-o {','.join(options) or 'nothing'}")
        env.mount(*options)
        if root:
            runner.checked(env, "scripts", options, [])
            runner.checked(env, "tree", options, ["--rounds", "12", "--calls", "150", "--seed", "1"])
        runner.checked(env, "data", options, ["--rounds", "2", "--operations", "1000", "--seed", "1"])
        runner.checked(env, "data", options, ["--operations", "500", "--base", str(5 << 30)])
        if options == ():
            runner.checked(env, "processes", options, [])
            runner.checked(env, "stress", options, ["--seconds", "5"])
        env.umount()
        env.fsck()
