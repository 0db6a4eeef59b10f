"""POSIX ACLs: setfacl and getfacl, inheritance, masks and modes, who may change them, as on a native directory."""

import os
import shutil
import struct
import subprocess

from calls_support import Recorder, changed, times, write_file
from harness import Failure, check, check_equal, say, shorten

NATIVE = True
TIMEOUT = 180

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xFFFFFFFF
ALICE, BOB, CAROL, STAFF = 1001, 1002, 1003, 2001  # numbers; nobody need have them


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def named(user_bits, mask_bits=7, group_bits=5, other_bits=0, user=ALICE):
    return acl((OWNER, 7, NO_ID), (USER, user_bits, user), (GROUP, group_bits, NO_ID), (MASK, mask_bits, NO_ID),
               (OTHER, other_bits, NO_ID))


def minimal(mode):
    return acl((OWNER, mode >> 6, NO_ID), (GROUP, mode >> 3 & 7, NO_ID), (OTHER, mode & 7, NO_ID))


def mode(path):
    return oct(os.lstat(path).st_mode)


def show(path):
    """mode and both ACLs, as the kernel gives them."""
    shown = [mode(path)]
    for name in (ACCESS, DEFAULT):
        try:
            shown.append(os.getxattr(path, name, follow_symlinks=False).hex())
        except OSError as error:
            shown.append(error.errno)
    return shown


def as_user(uid, gid, groups, call):
    """Runs `call` as somebody else; its errno, 0 if it went well."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            call()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
        except BaseException:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def opens(path, flags):
    return lambda: os.close(os.open(path, flags))


def call_access_acl(d):
    r = Recorder()
    f = d + "/f"
    write_file(f)
    r.do("none yet", os.getxattr, f, ACCESS)
    r.do("taking away what is not there", os.removexattr, f, ACCESS)
    for mask in (7, 4, 0, 5):
        before = times(f)
        r.do("set", os.setxattr, f, ACCESS, named(6, mask))
        r.note("the mask is the group's bits", show(f))
        r.note("times", changed(before, times(f)))
    r.note("listed", sorted(os.listxattr(f)))
    for bits in (0o000, 0o640, 0o777, 0o604, 0o2750):
        r.do(f"chmod {bits:o}", os.chmod, f, bits)
        r.note("chmod moves the mask", show(f))
    r.do("minimal", os.setxattr, f, ACCESS, minimal(0o751))
    r.note("is the mode alone", show(f))
    r.note("not listed", os.listxattr(f))
    r.do("set again", os.setxattr, f, ACCESS, named(3))
    r.do("take away", os.removexattr, f, ACCESS)
    r.note("the mode stays", show(f))
    r.do("empty", os.setxattr, f, ACCESS, acl())
    r.do("default of a file", os.setxattr, f, DEFAULT, named(7))
    r.do("take away default of a file", os.removexattr, f, DEFAULT)
    os.symlink("f", d + "/s")
    r.do("of a symlink", os.setxattr, d + "/s", ACCESS, named(7), follow_symlinks=False)
    r.do("of a symlink", os.getxattr, d + "/s", ACCESS, follow_symlinks=False)
    os.mkfifo(d + "/fifo")
    r.do("of a fifo", os.setxattr, d + "/fifo", ACCESS, named(7))
    r.note("fifo", show(d + "/fifo"))
    r.do("create", os.setxattr, f, ACCESS, named(7), os.XATTR_CREATE)
    r.do("create again", os.setxattr, f, ACCESS, named(7), os.XATTR_CREATE)
    r.do("replace", os.setxattr, f, ACCESS, named(5), os.XATTR_REPLACE)
    r.note("file", show(f))
    return r


def call_bad_acls(d):
    r = Recorder()
    write_file(d + "/f")
    good = [(OWNER, 7, NO_ID), (USER, 7, ALICE), (GROUP, 5, NO_ID), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)]
    bad = {
        "nothing": b"",
        "short": b"\2\0\0",
        "another version": struct.pack("<I", 1) + acl(*good)[4:],
        "half an entry": acl(*good)[:-3],
        "no owner": acl(*good[1:]),
        "no mask": acl(*(good[:3] + good[4:])),
        "no others": acl(*good[:4]),
        "two owners": acl(good[0], *good),
        "out of order": acl(*reversed(good)),
        "permission 8": acl((OWNER, 8, NO_ID), *good[1:]),
        "unknown tag": acl(*good, (64, 7, NO_ID)),
        "nobody named": acl(good[0], (USER, 7, NO_ID), *good[2:]),
    }
    for what, value in bad.items():
        r.do(what, os.setxattr, d + "/f", ACCESS, value)
        r.do(what + ", default", os.setxattr, d, DEFAULT, value)
    r.note("nothing happened", (show(d + "/f"), show(d)))
    many = [(OWNER, 7, NO_ID)] + [(USER, 5, 5000 + i) for i in range(100)] + [(GROUP, 5, NO_ID), (MASK, 7, NO_ID),
                                                                              (OTHER, 0, NO_ID)]
    r.do("a hundred names", os.setxattr, d + "/f", ACCESS, acl(*many))
    r.note("all there", show(d + "/f"))
    return r


def call_inheritance(d):
    r = Recorder()
    defaults = {
        "none": None,
        "wide": acl((OWNER, 7, NO_ID), (USER, 7, ALICE), (GROUP, 7, NO_ID), (NAMED_GROUP, 6, STAFF), (MASK, 7, NO_ID),
                    (OTHER, 7, NO_ID)),
        "narrow": named(7, mask_bits=1, group_bits=7, other_bits=4),
        "mask alone": acl((OWNER, 6, NO_ID), (GROUP, 7, NO_ID), (MASK, 5, NO_ID), (OTHER, 1, NO_ID)),
        "minimal": minimal(0o751),
    }
    for what, value in defaults.items():
        for umask in (0, 0o022, 0o077):
            top = f"{d}/{what}-{umask:o}".replace(" ", "-")
            os.mkdir(top)
            os.chmod(top, 0o755)
            if value:
                r.do("default", os.setxattr, top, DEFAULT, value)
            old = os.umask(umask)
            try:
                for bits in (0o777, 0o666, 0o600, 0o060, 0o006):
                    os.close(os.open(f"{top}/file{bits:o}", os.O_CREAT | os.O_WRONLY, bits))
                    os.mkdir(f"{top}/dir{bits:o}", bits)
                    os.mkfifo(f"{top}/fifo{bits:o}", bits)
                os.symlink("x", top + "/symlink")
                os.mkdir(top + "/dir777/below")
                write_file(top + "/dir777/below/file")
            finally:
                os.umask(old)
            for name in sorted(os.listdir(top)) + ["dir777/below", "dir777/below/file"]:
                r.note(f"{what}, umask {umask:o}: {name}", show(f"{top}/{name}"))
            r.do("take the default away", os.removexattr, top, DEFAULT)
            r.note("directory", show(top))
    # What moves keeps what it has.
    os.mkdir(d + "/to")
    os.setxattr(d + "/to", DEFAULT, named(7))
    write_file(d + "/plain")
    os.rename(d + "/plain", d + "/to/plain")
    os.link(d + "/to/plain", d + "/to/link")
    r.note("moved", show(d + "/to/plain"))
    return r


def call_permissions(d):
    """Who may do what is decided by the ACL, for each class of people."""
    r = Recorder()
    os.chmod(d, 0o755)
    f = d + "/f"
    write_file(f)
    os.chown(f, BOB, STAFF)
    os.setxattr(f, ACCESS, acl((OWNER, 6, NO_ID), (USER, 4, ALICE), (USER, 2, CAROL), (GROUP, 2, NO_ID),
                               (NAMED_GROUP, 4, 3001), (MASK, 6, NO_ID), (OTHER, 0, NO_ID)))
    people = {"owner": (BOB, 9, []), "alice": (ALICE, 9, []), "carol": (CAROL, 9, [3001]), "group": (9, STAFF, []),
              "supplementary group": (9, 9, [STAFF]), "named group": (9, 9, [3001]), "both groups": (9, STAFF, [3001]),
              "other": (9, 9, [])}
    for mask in (6, 4, 0):
        current = bytearray(os.getxattr(f, ACCESS))
        os.chmod(f, 0o600 | mask << 3)
        for who, (uid, gid, groups) in people.items():
            for what, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY)):
                r.note(f"mask {mask}: {who}: {what}", as_user(uid, gid, groups, opens(f, flags)))
        r.note("length", len(current))
    # A directory: search and write by ACL; and the answer changes at once.
    sub = d + "/sub"
    os.mkdir(sub, 0o700)
    write_file(sub + "/inside")
    for bits in (0, 1, 5, 7, 3, 0):
        os.setxattr(sub, ACCESS, named(bits))
        r.note(f"alice {bits}: stat", as_user(ALICE, 9, [], lambda: os.stat(sub + "/inside")))
        r.note(f"alice {bits}: list", as_user(ALICE, 9, [], lambda: os.listdir(sub)))
        r.note(f"alice {bits}: create", as_user(ALICE, 9, [], lambda: write_file(f"{sub}/by-alice-{bits}")))
        r.note(f"alice {bits}: access", as_user(ALICE, 9, [], lambda: check(os.access(sub, os.R_OK), "no")) == 0)
    os.chmod(sub, 0o700)
    r.note("closed by chmod", as_user(ALICE, 9, [], lambda: os.stat(sub + "/inside")))
    return r


def call_who_may_change(d):
    r = Recorder()
    os.chmod(d, 0o755)
    f, sub = d + "/f", d + "/sub"
    write_file(f)
    os.mkdir(sub)
    os.chown(f, BOB, STAFF)
    os.chown(sub, BOB, STAFF)
    for who, uid, gid, groups in (("owner", BOB, 9, []), ("other", ALICE, 9, []), ("group", 9, STAFF, [])):
        for path, name in ((f, ACCESS), (sub, ACCESS), (sub, DEFAULT)):
            r.note(f"{who} sets", as_user(uid, gid, groups, lambda p=path, n=name: os.setxattr(p, n, named(7))))
            r.note(f"{who} removes", as_user(uid, gid, groups, lambda p=path, n=name: os.removexattr(p, n)))
    # The set-group-id bit goes when whoever sets the ACL is not in the group.
    for who, uid, gid, groups in (("owner outside", BOB, 9, []), ("owner inside", BOB, STAFF, []),
                                  ("owner inside, supplementary", BOB, 9, [STAFF]), ("root", 0, 0, [])):
        for path in (f, sub):
            for value in (named(7), minimal(0o775)):
                os.chmod(path, 0o2775)
                r.note(f"{who}: set", as_user(uid, gid, groups, lambda p=path, v=value: os.setxattr(p, ACCESS, v)))
                r.note("mode", mode(path))
        os.chmod(sub, 0o2775)
        r.note(f"{who}: default", as_user(uid, gid, groups, lambda: os.setxattr(sub, DEFAULT, named(7))))
        r.note("mode", mode(sub))
    return r


def call_trusted_list(d):
    """trusted.* is shown to administrators alone."""
    r = Recorder()
    os.chmod(d, 0o755)
    write_file(d + "/f")
    os.setxattr(d + "/f", "trusted.secret", b"1")
    os.setxattr(d + "/f", "user.open", b"2")
    wanted = ["user.open"]
    r.note("another", as_user(ALICE, 9, [], lambda: check(os.listxattr(d + "/f") == wanted, "shown")))
    r.note("another gets", as_user(ALICE, 9, [], lambda: os.getxattr(d + "/f", "trusted.secret")))
    r.note("root", sorted(os.listxattr(d + "/f")))
    return r


NEED_OTHERS = (call_permissions, call_who_may_change, call_trusted_list)


def programs(env, native):
    """setfacl, getfacl, cp -a and rsync -A, here and natively."""
    outputs = []
    for top in (native, env.mnt):
        d = os.path.join(top, "programs")
        os.mkdir(d)
        script = f"""set -e
cd {d}
umask 022
mkdir -p tree/sub
echo x > tree/file
echo y > tree/sub/file
setfacl -m u:{ALICE}:rwx,g:{STAFF}:r tree/file
setfacl -m d:u:{ALICE}:rwx,d:m::rx tree/sub
echo z > tree/sub/inherits
mkdir tree/sub/deeper
setfacl -R -m u:{BOB}:rX tree
chmod g-r tree/file
cp -a tree copied
rsync -aA tree/ synced/
tar --acls -cf t.tar tree && mkdir untarred && tar --acls -xpf t.tar -C untarred
getfacl -nR tree copied synced untarred
getfacl -nR tree | (cd copied && setfacl --restore=- 2>/dev/null || true)
setfacl -bR copied
getfacl -nR copied
setfacl -k tree/sub
getfacl -n tree/sub
cd tree && ls -ld file sub sub/file | awk '{{print $1}}'
"""
        outputs.append(subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120))
    check_equal(outputs[1].stderr, outputs[0].stderr, "what setfacl, cp, rsync and tar complain about")
    # getfacl walks a tree in the order of its directories: its paragraphs are compared as a set.
    shown = [sorted(output.stdout.split("\n\n")) for output in outputs]
    check_equal(shown[1], shown[0], "what getfacl shows")
    check(outputs[1].returncode == 0 and len(outputs[1].stdout) > 1000, "the programs did not run")


def compare(env, native, functions):
    failures = []
    for function in functions:
        results = []
        for top in (native, env.mnt):
            d = os.path.join(top, function.__name__)
            os.mkdir(d)
            results.append(function(d))
        check(results[0], f"{function.__name__} reports nothing")
        for (what, theirs), (_, ours) in zip(*results):
            if ours != theirs:
                failures.append(f"{function.__name__}: {what}: native {shorten(theirs, 300)}, here {shorten(ours, 300)}")
    if failures:
        raise Failure("\n   " + "\n   ".join(failures))


def run(env):
    os.umask(0o022)
    env.start()
    native = env.scratch("native")
    os.mkdir(native)
    functions = [call_access_acl, call_bad_acls, call_inheritance]
    if os.geteuid() == 0:
        functions += NEED_OTHERS
    compare(env, native, functions)
    programs(env, native)
    kept = [show(os.path.join(top, name)) for top, _, names in os.walk(env.mnt) for name in names]
    env.remount()
    check_equal([show(os.path.join(top, name)) for top, _, names in os.walk(env.mnt) for name in names], kept,
                "ACLs after a remount")
    say(f"{len(functions)} groups of calls, and the programs, compared with a native directory; {len(kept)} files kept")
    shutil.rmtree(native)
    if not env.native:
        env.remount("noacl")
        target = env.path("call_access_acl", "f")
        for call in (lambda: os.getxattr(target, ACCESS), lambda: os.setxattr(target, ACCESS, named(7))):
            try:
                call()
                raise Failure("noacl lets ACLs through")
            except OSError as error:
                check_equal(error.errno, 95, "with noacl")
        env.remount()
        check_equal(os.getxattr(target, ACCESS)[:4], b"\2\0\0\0", "still there without noacl")
    env.finish()
