"""Ordinary system calls give the same results, errors and side effects as on a native directory."""

import inspect
import os
import shutil

import calls_data
import calls_limits
import calls_names
import calls_nodes
import calls_times
from harness import Failure, check, say, shorten

NATIVE = True
TIMEOUT = 240


def functions(others):
    for module in (calls_names, calls_nodes, calls_data, calls_times, calls_limits):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("call_") and (others or not getattr(function, "needs_others", False)):
                yield name, function


def attempt(function, directory):
    os.mkdir(directory)
    return function(directory)


def compare(native, mounted, others):
    differences = []
    count = 0
    for name, function in functions(others):
        count += 1
        wanted = attempt(function, os.path.join(native, name))
        got = attempt(function, os.path.join(mounted, name))
        check(wanted, f"{name} reports nothing")
        for (what, ours), (_, theirs) in zip(wanted, got):
            if ours != theirs:
                differences.append(f"{name}: {what}: native {shorten(ours, 200)}, here {shorten(theirs, 200)}")
        if [w for w, _ in wanted] != [g for g, _ in got]:
            differences.append(f"{name}: took another path: {[g for g, _ in got]}")
    say(f"{count} groups of calls compared")
    return differences


def run(env):
    os.umask(0o022)
    env.start()
    # Root's mounts let others in; without that, the kernel is told to check less and to ask less.
    root = os.geteuid() == 0
    passes = [("default options", (), root)]
    if root:
        passes.append(("noallow_other", ("noallow_other",), False))
    failures = []
    for number, (what, options, others) in enumerate(passes):
        if number > 0:
            env.remount(*options)
        native = env.scratch("native")
        os.mkdir(native)
        mounted = env.path(f"pass-{number}")
        os.mkdir(mounted)
        failures += [f"{what}: {line}" for line in compare(native, mounted, others)]
        shutil.rmtree(native)
        shutil.rmtree(mounted)
    if failures:
        raise Failure("\n   " + "\n   ".join(failures))
    env.finish()
