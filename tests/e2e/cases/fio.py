"""fio --verify: sequential and random, buffered, O_DIRECT and mmap, then verified again after a remount."""

from harness import say

NATIVE = True
TIMEOUT = 240

JOBS = {
    "buffered-sequential": ["--rw=write", "--bs=128k", "--size=128m"],
    "buffered-random": ["--rw=randwrite", "--bs=4k", "--size=32m"],
    "buffered-odd": ["--rw=randwrite", "--bsrange=512-64k", "--bs_unaligned=1", "--size=32m"],
    "buffered-mixed": ["--rw=randrw", "--bs=8k", "--size=32m"],
    "buffered-synced": ["--rw=randwrite", "--bs=4k", "--size=4m", "--fsync=8"],
    "direct-sequential": ["--rw=write", "--bs=1m", "--size=128m", "--direct=1"],
    "direct-random": ["--rw=randwrite", "--bs=4k", "--size=32m", "--direct=1", "--ioengine=libaio", "--iodepth=16"],
    "mmap-sequential": ["--rw=write", "--bs=64k", "--size=64m", "--ioengine=mmap"],
    "mmap-random": ["--rw=randwrite", "--bs=4k", "--size=32m", "--ioengine=mmap"],
}


def fio(env, name, *more):
    common = [f"--name={name}", f"--directory={env.mnt}", "--verify=xxhash", "--verify_fatal=1", "--end_fsync=1",
              "--randseed=4711", "--verify_state_save=0", "--minimal"]
    env.run("fio", *common, *JOBS[name], *more, cwd=env.work)


def run(env):
    env.start()
    for name in JOBS:
        fio(env, name, "--do_verify=1")
        say(name)
    env.remount()
    for name in JOBS:
        if "randrw" not in " ".join(JOBS[name]) and "bsrange" not in " ".join(JOBS[name]):
            fio(env, name, "--verify_only=1")
    env.finish()
