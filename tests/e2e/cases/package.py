"""The Debian packages, in a clean root: install, mount, use, upgrade under a live mount, remove, purge."""

import ctypes
import glob
import os
import re
import shutil
import subprocess

from harness import TOP, Failure, check, check_equal, drop_copies_of_mounts, mounts_under, say

TIMEOUT = 3000  # building and installing a root take minutes on a busy machine
LABELS = ["long"]

STORE, MNT = "/srv/store", "/mnt"  # inside the root
PROGRAM = r"""
#include <lsm/db.h>
int main(int argc, char** argv) {
  silt::lsm::Options options;
  options.create_if_missing = true;
  auto db = silt::lsm::Db::Open(options, argv[argc - 1]);
  return db.has_value() ? 0 : 1;
}
"""


def build_packages(env):
    """SILT_E2E_DEBS names a directory of packages that were built before."""
    directory = os.environ.get("SILT_E2E_DEBS")
    if not directory:
        directory = os.path.join(TOP, "build", "deb")
        env.run(os.path.join(TOP, "packaging", "deb.sh"), directory, timeout=2000)
    found = {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.path.join(directory, "*.deb"))}
    check_equal(sorted(found), ["libsiltlsm-dev", "siltfs"], "packages built")
    return found


def mirror():
    """Of apt's own sources: where Debian's main comes from, and its release's name."""
    lines = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI) $(CODENAME)",
                            "Identifier: Packages"], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        words = line.split()
        if len(words) == 4 and words[:2] == ["Debian", "main"] and "security" not in words[2]:
            return words[2], words[3]
    raise Failure("apt knows no Debian mirror")


def make_root(env, depends):
    """A minimal system with what the package depends on, and its own mounts of /proc and /dev."""
    uri, codename = mirror()
    root = env.scratch("root")
    env.run("mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(depends)}", codename, root,
            f"deb {uri} {codename} main", timeout=2000)
    env.run("mount", "--bind", root, root)  # so that its root is a mount, as programs expect
    env.run("mount", "-t", "proc", "proc", root + "/proc")
    env.run("mount", "--rbind", "/dev", root + "/dev")
    return root


class Root:
    def __init__(self, env, path):
        self.env, self.path = env, path

    def run(self, *command, rc=0):
        return self.env.run("chroot", self.path, *command, rc=rc)

    def install(self, deb):
        shutil.copy(deb, self.path + "/package.deb")
        self.run("dpkg", "--install", "/package.deb")
        os.unlink(self.path + "/package.deb")

    def siltfs_files(self):
        """Everything with the name in its path, stores and what runs left aside."""
        found = self.run("find", "/", "-xdev", "-path", STORE, "-prune", "-o", "-path", "/proc", "-prune", "-o",
                         "-name", "*siltfs*", "-print").stdout.split()
        return sorted(path for path in found if not path.startswith(("/dev/", "/mnt/")))


def dependencies(env, deb):
    """Package names alone; versions and alternatives are dpkg's to check."""
    text = env.run("dpkg-deb", "-f", deb, "Depends").stdout
    return [re.split(r"[ (|:]", part.strip())[0] for part in text.split(",")]


def higher_version(env, deb):
    """The same package under a version that is higher."""
    tree = env.scratch("higher")
    env.run("dpkg-deb", "-R", deb, tree)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control, encoding="utf-8") as file:
        text = file.read()
    with open(control, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^(Version: .*)$", r"\1+later", text, flags=re.MULTILINE))
    env.run("dpkg-deb", "--root-owner-group", "-b", tree, env.scratch("higher.deb"))
    return env.scratch("higher.deb")


def mount_and_use(root):
    root.run("mkfs", "-t", "siltfs", STORE)
    with open(root.path + "/etc/fstab", "a", encoding="ascii") as file:
        file.write(f"{STORE} {MNT} siltfs defaults,nofail 0 0\n")
    root.run("mount", "-a")
    check("fuse.siltfs" in root.run("findmnt", "-n", MNT).stdout, "mount -a did not mount the store")
    root.run("cp", "-a", "/usr/share/doc", MNT + "/doc")
    root.run("diff", "-r", "/usr/share/doc", MNT + "/doc")
    check("ok" in root.run("siltfs", "status", MNT).stdout, "siltfs status")


def check_engine(env, deb):
    """The development package serves a program, by pkg-config, with the host's compiler."""
    tree = env.scratch("dev")
    env.run("dpkg-deb", "-x", deb, tree)
    source = env.scratch("program.cc")
    with open(source, "w", encoding="ascii") as file:
        file.write(PROGRAM)
    configs = glob.glob(tree + "/usr/lib/*/pkgconfig")
    flags = env.run("pkg-config", "--cflags", "--libs", "silt-lsm",
                    env={**os.environ, "PKG_CONFIG_PATH": configs[0]}).stdout.split()
    env.run("c++", source, "-o", env.scratch("program"), *flags)
    env.run(env.scratch("program"), env.scratch("engine"))
    check(glob.glob(tree + "/usr/lib/*/cmake/SiltLsm/SiltLsmConfig.cmake"), "no CMake package in libsiltlsm-dev")


def run(env):
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        raise Failure("needs root and mmdebstrap (packaging/deps.sh package)")
    debs = build_packages(env)
    check_engine(env, debs["libsiltlsm-dev"])
    say("the development package serves a program")

    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.unshare(0x20000) == 0, "unshare(CLONE_NEWNS)")
    env.run("mount", "--make-rprivate", "/")
    drop_copies_of_mounts(env.work)
    root = Root(env, make_root(env, dependencies(env, debs["siltfs"])))
    check_equal(root.siltfs_files(), [], "files of siltfs before it is installed")
    root.install(debs["siltfs"])
    for name in ("mount.siltfs", "umount.fuse.siltfs", "mkfs.siltfs", "fsck.siltfs"):
        root.run("test", "-x", "/sbin/" + name)
    mount_and_use(root)
    say("installed, mounted by fstab and used")

    with open(root.path + MNT + "/open", "w", encoding="ascii") as file:
        file.write("before ")
        root.install(higher_version(env, debs["siltfs"]))
        file.write("after")
    with open(root.path + MNT + "/open", encoding="ascii") as file:
        check_equal(file.read(), "before after", "a file that was open over the upgrade")
    check("+later" in root.run("dpkg-query", "-W", "siltfs").stdout, "the version after the upgrade")
    root.run("siltfs", "status", MNT)
    root.run("mount", "-o", "remount,ro", MNT)
    root.run("mount", "-o", "remount,rw", MNT)
    root.run("umount", "-c", MNT)
    root.run("fsck", "-t", "siltfs", STORE)
    root.run("mount", MNT)
    root.run("diff", "-r", "/usr/share/doc/fuse3", MNT + "/doc/fuse3")
    say("upgraded under a live mount")

    root.run("dpkg", "--remove", "siltfs")
    root.run("diff", "-r", "/usr/share/doc/fuse3", MNT + "/doc/fuse3")  # the daemon goes on
    root.run("umount", MNT)
    root.run("dpkg", "--purge", "siltfs")
    left = [path for path in root.siltfs_files() if not path.startswith("/var/lib/dpkg")]
    check_equal(left, [], "files of siltfs after the purge")
    root.run("test", "-e", STORE + "/CURRENT")
    say("removed and purged; the store is still there")
    unmount_all(root.path)


def unmount_all(root):
    for point in mounts_under(root) + [root]:
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)


