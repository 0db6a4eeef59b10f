"""packaging/quickstart.sh makes, builds and mounts; run again it is quick and does no harm; its errors are one line."""

import os
import time

from harness import TOP, check, check_equal, say

TIMEOUT = 300


def run(env):
    script = os.path.join(TOP, "packaging", "quickstart.sh")
    env.store = env.scratch("some where", "store")
    env.mnt = env.scratch("some where", "mnt")
    done = env.run(script, env.store, env.mnt)
    for word in ("umount", "status", env.mnt):
        check(word in done.stdout, f"quickstart.sh does not tell about {word}")
    with open(env.path("file"), "w", encoding="ascii") as file:
        file.write("data")
    begin = time.monotonic()
    env.run(script, env.store, env.mnt)
    say(f"again: {time.monotonic() - begin:.1f} s")
    check(os.path.exists(env.path("file")), "the second run lost a file")
    other = env.run(script, env.store, env.scratch("elsewhere"), rc=1).stderr
    check(env.mnt in other and len(other.splitlines()) == 1, f"mounted elsewhere: {other!r}")
    env.umount()
    env.run(script, env.store, env.mnt)
    check(os.path.exists(env.path("file")), "a run on an unmounted store lost a file")
    env.kill()
    env.run(script, env.store, env.mnt)
    check(os.path.exists(env.path("file")), "a run after a kill lost a file")
    os.mkdir(env.scratch("foreign"))
    open(env.scratch("foreign", "file"), "w", encoding="ascii").close()
    other = env.run(script, env.scratch("foreign"), env.scratch("m2"), rc=1).stderr
    check_equal(len(other.splitlines()), 1, f"lines of {other!r}")
    env.run(script, rc=2)
    env.finish()
