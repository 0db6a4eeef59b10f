"""The testers of tests/posix, briefly: written cases, processes, random calls, random data, a stress, in all modes."""

import importlib.machinery
import importlib.util
import os

from harness import TOP

TIMEOUT = 300


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
    runner.matrix.run(env, runner.checked, short=True, seed=1)
