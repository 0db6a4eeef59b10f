"""What mount_bench runs and what it feeds to the filesystems, prepared once under a directory: libfuse's passthrough_hp
and null_fs, and from the distribution's Linux source a tree of many files, a git repository, and a small C project."""

import glob
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile

from report import TOP

LARGEST_FILE = 16 << 10  # of the tree: many files are what is measured, not many bytes


def say(line):
    print(f"mount_bench: {line}", file=sys.stderr, flush=True)


def logged(log, *command, **options):
    """Runs a program whose output is only of interest when it fails."""
    with open(log, "ab") as file:
        if subprocess.run([str(word) for word in command], stdout=file, stderr=file, check=False, **options).returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} failed; see {log}")


class Peers:
    def __init__(self, directory):
        self.directory = directory
        self.log = os.path.join(directory, "log")
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def libfuse_programs(self):
        """passthrough_hp and null_fs with a libfuse that talks io_uring; without one, neither is there."""
        built = {name: self.path(name) for name in ("passthrough", "null")}
        if all(os.access(program, os.X_OK) for program in built.values()):
            return built
        say("building libfuse and passthrough_hp")
        source, build = self.path("libfuse"), self.path("libfuse-build")
        try:
            if not os.path.exists(os.path.join(source, "meson.build")):
                logged(self.log, os.path.join(TOP, "packaging", "libfuse.sh"), "--source", source)
            shutil.rmtree(build, ignore_errors=True)
            logged(self.log, "meson", "setup", build, source, "--buildtype=release", "--default-library=static", "-Dutils=false",
                   "-Dtests=false", "-Dexamples=true", "-Denable-io-uring=true", "-Dinitscriptdir=", "-Duseroot=false",
                   f"-Dudevrulesdir={build}/udev")
            logged(self.log, "ninja", "-C", build, "example/passthrough_hp")
            shutil.copy(os.path.join(build, "example", "passthrough_hp"), built["passthrough"])
            logged(self.log, "g++", "-std=c++20", "-O2", f"-I{source}/include", f"-I{build}", os.path.join(TOP, "perf", "null_fs.cc"),
                   f"{build}/lib/libfuse3.a", "-o", built["null"], "-luring", "-lnuma", "-lpthread", "-ldl")
        except RuntimeError as error:
            say(f"no passthrough_hp and no null_fs: {error}")
        return built

    def tree(self, files):
        """A tar of that many files of the Linux source."""
        tar = self.path(f"tree-{files}.tar")
        if not os.path.exists(tar):
            say(f"packing a source tree of {files} files")
            self.pack_tree(tar + ".new", files)
            os.rename(tar + ".new", tar)
        return tar

    def pack_tree(self, path, files):
        taken = 0
        with subprocess.Popen(["xz", "-dc", "-T0", self.linux_source()], stdout=subprocess.PIPE) as unpacking, \
                tarfile.open(fileobj=unpacking.stdout, mode="r|") as whole, tarfile.open(path, "w") as part:
            for member in whole:
                if member.isfile() and member.size > LARGEST_FILE or not (member.isfile() or member.isdir()):
                    continue
                member.name = "linux/" + member.name.partition("/")[2]
                member.uid = member.gid = 0
                part.addfile(member, whole.extractfile(member) if member.isfile() else None)
                taken += member.isfile()
                if taken == files:
                    break
            unpacking.kill()
        if taken < files:
            raise RuntimeError(f"the Linux source has {taken} small files only")

    def linux_source(self):
        """linux-source-*.tar.xz of the distribution's package, unpacked without being installed."""
        found = glob.glob(self.path("usr/src/linux-source-*.tar.xz"))
        if not found:
            depends = subprocess.run(["apt-cache", "depends", "linux-source"], capture_output=True, text=True, check=True).stdout
            package = next(line.split()[-1] for line in depends.splitlines() if "linux-source-" in line)
            say(f"fetching {package}")
            logged(self.log, "apt-get", "download", package, cwd=self.directory)
            logged(self.log, "dpkg-deb", "-x", glob.glob(self.path("linux-source-*.deb"))[0], self.directory)
            found = glob.glob(self.path("usr/src/linux-source-*.tar.xz"))
        return found[0]

    def git_repository(self, files):
        """A URL of a repository of that many files and a branch, other, that changes one in ten. By its URL git copies no files
        by itself."""
        bare = self.path(f"git-{files}.git")
        if not os.path.exists(bare):
            say(f"making a git repository of {files} files")
            work = self.path("git-work")
            shutil.rmtree(work, ignore_errors=True)
            os.mkdir(work)
            with tarfile.open(self.tree(files)) as tar:
                tar.extractall(work, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(work)
            git = ["git", "-C", work, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "init.defaultBranch=main"]
            for words in (["init"], ["add", "-Af"], ["commit", "-m", "a tree"], ["checkout", "-b", "other"]):
                logged(self.log, *git, *words)
            self.change_some(os.path.join(work, "linux"))
            for words in (["commit", "-a", "-m", "changes"], ["checkout", "main"], ["clone", "--bare", work, bare + ".new"]):
                logged(self.log, *git, *words)
            os.rename(bare + ".new", bare)
            shutil.rmtree(work)
        return "file://" + bare

    @staticmethod
    def change_some(directory):
        number = 0
        for where, _, names in os.walk(directory):
            for name in names:
                number += 1
                if number % 10 == 0:
                    with open(os.path.join(where, name), "ab") as file:
                        file.write(b"changed\n")

    def project(self, objects):
        """A Makefile, and sources that include one another's headers."""
        directory = self.path(f"project-{objects}")
        if not os.path.exists(directory):
            shutil.rmtree(directory + ".new", ignore_errors=True)
            os.mkdir(directory + ".new")
            self.write_project(directory + ".new", objects)
            os.rename(directory + ".new", directory)
        return directory

    @staticmethod
    def write_project(directory, objects):
        def write(name, text):
            with io.open(os.path.join(directory, name), "w", encoding="ascii") as file:
                file.write(text)
        chance = random.Random(1)
        for number in range(objects):
            write(f"h{number}.h", f"#pragma once\nint f{number}(int);\n")
            includes = "".join(f'#include "h{n}.h"\n' for n in sorted(chance.sample(range(objects), min(20, objects))))
            write(f"c{number}.c", f'{includes}#include <stdio.h>\nint f{number}(int n) {{ return printf("%d\\n", n); }}\n')
        write("main.c", "int main(void) { return 0; }\n")
        names = " ".join(f"c{n}.o" for n in range(objects))
        write("Makefile", f"all: program\nprogram: main.o {names}\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -c -MMD -o $@ $<\n")
