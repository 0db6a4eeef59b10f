"""Who may do what, and which set-id bits and capabilities survive it: as root, owners, members of groups and strangers.

A call_* function gets an empty directory and returns what happened (tests/e2e/calls_support.py). They need root, and a mount
with allow_other and ACLs.
"""

import mmap
import os
import stat
import struct
import subprocess
import sys

from calls_support import Recorder, write_file
from harness import fallocate
from processes import in_child

OWNER, STRANGER, THIRD, GROUP = 10001, 10002, 10003, 10000


def by(uid, gid, groups, function, umask=0o022):
    """Runs it in a child with these ids, which has no way back."""
    def child():
        os.umask(umask)
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        return function()
    return in_child(child)


def mode_of(path):
    return oct(os.lstat(path).st_mode)


def opened(path, flags):
    os.close(os.open(path, flags))


# ---- what new inodes get ----

def make_each_kind(directory, prefix):
    """Mode and group of a file, a node, a FIFO, directories and a file without a name, all asked for with set-id bits."""
    made = []
    for mode in (0o2775, 0o6765):
        path = f"{directory}/{prefix}-file-{mode:o}"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, mode))
        made.append(path)
    for name, make, mode in (("node", lambda path, mode: os.mknod(path, stat.S_IFREG | mode), 0o2771), ("fifo", os.mkfifo, 0o2770),
                             ("set-gid-directory", os.mkdir, 0o2770), ("directory", os.mkdir, 0o755)):
        path = f"{directory}/{prefix}-{name}"
        make(path, mode)
        made.append(path)
    result = [(mode_of(path), os.lstat(path).st_gid) for path in made]
    fd = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o2775)
    result.append((oct(os.fstat(fd).st_mode), os.fstat(fd).st_gid))
    os.close(fd)
    return result


def call_set_gid_asked_for_at_creation(d):
    """It is for members of the directory's group, whatever umask and default ACL make of the rest."""
    r = Recorder()
    acls = {"": None, "rwx": "d:u::rwx,d:g::rwx,d:o::rwx,d:m::rwx,d:u:10001:rwx", "r": "d:u::rwx,d:g::r,d:o::-"}
    for acl_name, acl in acls.items():
        for mode in (0o2777, 0o2775, 0o777):
            for umask in (0, 0o010, 0o022, 0o077):
                directory = f"{d}/{acl_name}-{mode:o}-{umask:o}"
                os.mkdir(directory)
                os.chown(directory, 0, GROUP)
                if acl:
                    subprocess.run(["setfacl", "-m", acl, directory], check=True)
                os.chmod(directory, mode | 0o7)
                for who, uid, gid, groups in (("root", 0, 0, [0]), ("stranger", OWNER, OWNER, []), ("member", OWNER, OWNER, [GROUP]),
                                              ("member by gid", OWNER, GROUP, [])):
                    prefix = who.replace(" ", "-")
                    made = by(uid, gid, groups, lambda directory=directory, prefix=prefix: make_each_kind(directory, prefix), umask)
                    r.note(f"ACL {acl_name}, {mode:o}, umask {umask:o}, {who}", made)
    return r


# ---- sticky directories ----

def make_kind(kind, path):
    if kind == "directory":
        os.mkdir(path)
    elif kind == "symlink":
        os.symlink("target", path)
    else:
        write_file(path)


def call_sticky_directories(d):
    """Renaming, replacing and linking what belongs to others, in a directory of OWNER's."""
    r = Recorder()
    for kind in ("file", "directory", "symlink"):
        directory = f"{d}/{kind}"
        os.mkdir(directory)
        os.chown(directory, OWNER, OWNER)
        os.chmod(directory, 0o1777)
        for owner in (OWNER, STRANGER, THIRD):
            path = f"{directory}/of-{owner}"
            make_kind(kind, path)
            os.chown(path, owner, owner, follow_symlinks=False)
            for uid in (THIRD, STRANGER, OWNER):
                def there_and_back(path=path):
                    os.rename(path, path + "-moved")
                    os.rename(path + "-moved", path)

                def replace(path=path, kind=kind):
                    make_kind(kind, path + "-new")
                    os.rename(path + "-new", path)

                r.note(f"{kind} of {owner}: renamed by {uid}", by(uid, uid, [], there_and_back))
                r.note(f"{kind} of {owner}: replaced by {uid}", (by(uid, uid, [], replace), os.lstat(path).st_uid))
                if os.path.lexists(path + "-new"):
                    subprocess.run(["rm", "-r", path + "-new"], check=True)
            if kind != "directory":
                link = f"{directory}/link-{owner}"
                r.note(f"{kind} of {owner}: linked by {STRANGER}",
                       by(STRANGER, STRANGER, [], lambda path=path, link=link: os.link(path, link, follow_symlinks=False)))
    return r


# ---- set-id bits of files that are changed ----

def write_within(path):
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, b"y", 3)
    os.close(fd)


def write_directly(path):
    fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
    os.pwritev(fd, [mmap.mmap(-1, mmap.PAGESIZE)], 0)
    os.close(fd)


def allocate(path, mode):
    fd = os.open(path, os.O_RDWR)
    fallocate(fd, mode, 0, 4096)
    os.close(fd)


CHANGES = {"write": write_within, "direct write": write_directly, "truncate": lambda path: os.truncate(path, 50),
           "truncate to the same size": lambda path: os.truncate(path, os.stat(path).st_size),
           "open with O_TRUNC": lambda path: opened(path, os.O_TRUNC | os.O_WRONLY),
           "fallocate": lambda path: allocate(path, 0), "punch": lambda path: allocate(path, 3), "zero": lambda path: allocate(path, 16),
           "chmod": lambda path: os.chmod(path, 0o2755), "chown to nobody": lambda path: os.chown(path, -1, -1),
           "chown to the same group": lambda path: os.chown(path, -1, OWNER), "touch": os.utime}


def call_set_id_bits_of_what_changes(d):
    r = Recorder()
    path = d + "/f"
    for mode in (0o6755, 0o2745, 0o6777, 0o4755):
        for uid in (0, OWNER, STRANGER):
            for what, change in CHANGES.items():
                write_file(path, b"x" * 100)
                os.chown(path, OWNER, OWNER)
                os.chmod(path, mode | 0o006)
                r.note(f"{mode:o} {what} by {uid}", (by(uid, uid, [], lambda change=change: change(path)), mode_of(path)))
    return r


# ---- file capabilities ----

def capability(version, *root):
    """CAP_NET_RAW, permitted and effective; version 3 says for the root of which user namespace."""
    return struct.pack(f"<{5 + len(root)}I", version << 24 | 1, 1 << 13, 0, 0, 0, *root)


def call_file_capabilities(d):
    """Versions 2 and 3, and what a user namespace sees and sets."""
    r = Recorder()
    path, name = d + "/f", "security.capability"
    write_file(path)
    os.chmod(path, 0o777)
    for what, value in (("version 2", capability(2)), ("version 3", capability(3, OWNER)), ("too short", b"12345"), ("version 9", capability(9))):
        r.do(what, os.setxattr, path, name, value)
        r.do("is", os.getxattr, path, name)
    os.chown(path, OWNER, OWNER)
    r.do("after chown", os.getxattr, path, name)
    r.do("version 3", os.setxattr, path, name, capability(3, OWNER))
    script = (f"import os; print(os.getxattr({path!r}, {name!r}).hex()); os.setxattr({path!r}, {name!r}, {capability(2)!r}); "
              f"print(os.getxattr({path!r}, {name!r}).hex())")

    def inside():
        return subprocess.run(["unshare", "--user", "--map-root-user", sys.executable, "-c", script], capture_output=True, text=True,
                              check=False).stdout

    r.note("in a user namespace", by(OWNER, OWNER, [], inside))
    r.do("and outside", os.getxattr, path, name)
    return r


def call_owners_in_user_namespaces(d):
    """What root of a user namespace makes belongs to who made the namespace."""
    r = Recorder()
    os.chmod(d, 0o777)
    script = f"umask 022; touch {d}/f; mkdir {d}/d; stat -c '%u:%g %a' {d}/f {d}/d; chown 0:0 {d}/f; chown 1:1 {d}/f 2>/dev/null; echo $?"

    def inside():
        return subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c", script], capture_output=True, text=True, check=False).stdout

    r.note("made", by(OWNER, OWNER, [], inside))
    r.note("outside", [(os.lstat(f"{d}/{name}").st_uid, os.lstat(f"{d}/{name}").st_gid) for name in sorted(os.listdir(d))])
    return r


# ---- ACLs by their tools ----

def call_acl_tools(d):
    r = Recorder()

    def run(command):
        done = subprocess.run(["sh", "-c", command], cwd=d, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        r.note(command, (done.returncode, done.stdout, done.stderr))

    run("mkdir d; touch f; chmod 644 f")
    run("chacl u::rwx,g::r-x,o::---,u:10001:rwx,m::rwx f; chacl -l f; chacl -l d")
    run("chacl -b u::rwx,g::rwx,o::r-x u::rwx,g::r,o::-,u:10002:rw,m::rw d; chacl -l d; getfacl -n d")
    run("umask 027; mkdir d/sub; touch d/file; getfacl -n d/sub d/file; chacl -D d; chacl -R f; chacl -B d; getfacl -n f d")
    run("setfacl -m u:10001:rwx,g:10002:r f; chmod g= f; getfacl -n f; chmod 770 f; getfacl -n f; setfacl -b f; getfacl -n f")
    run("setfacl -d -m u:1:r f")
    run("ln -s f l; setfacl -m u:1:r l; getfacl -n f; setfacl -m m::rwx f; getfacl -n f; setfacl -x u:1 f; getfacl -n f; setfacl -n -x m f")
    write_file(d + "/g")
    os.chown(d + "/g", OWNER, STRANGER)
    os.chmod(d + "/g", 0o2755)
    r.note("set-gid of a file whose group its owner is not in",
           (by(OWNER, OWNER, [], lambda: subprocess.run(["setfacl", "-m", "u::rwx,g::rwx,o::rwx", d + "/g"], check=False).returncode),
            mode_of(d + "/g")))
    return r
