"""Manual pages and completions have every verb and flag; commands in documents run, links lead somewhere."""

import glob
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import markdown
from harness import TOP, Failure, check, check_equal, say
from terminal import Terminal

TIMEOUT = 300
MAN = os.path.join(TOP, "packaging", "man")
COMPLETIONS = os.path.join(TOP, "packaging", "completions")


def verbs(env):
    """Lines of two blanks and a word between the usage and the example."""
    text = env.silt("--help").stdout.split("\nExample")[0]
    return re.findall(r"^  ([a-z]+) ", text, re.MULTILINE)


def subcommands(env, verb):
    text = env.silt(verb, "--help").stdout
    return re.findall(r"^  ([a-z]+) ", text.split("\nSubcommands:\n")[1].split("\n\n")[0], re.MULTILINE) \
        if "\nSubcommands:\n" in text else []


def flags_of_help(text):
    found = set()
    for words in re.findall(r"^  (-[^ {]*)", text, re.MULTILINE):  # --watch{2}: what it means without a value
        found.update(words.split(","))
    return found


def flags_of_page(page):
    """Of the lists: `.It Fl f , Fl -force` and `.It Fl -size Ar SIZE`."""
    with open(page, encoding="utf-8") as file:
        items = re.findall(r"^\.It (Fl .*)$", file.read(), re.MULTILINE)
    return {"-" + flag for item in items for flag in re.findall(r"Fl (-?[A-Za-z][\w-]*)", item)}


def pages_are_well_formed(env):
    pages = sorted(glob.glob(os.path.join(MAN, "*")))
    env.run("mandoc", "-Tlint", "-W", "warning", *pages)
    names = {os.path.basename(page).rsplit(".", 1)[0] for page in pages}
    for page in pages:
        html = env.run("mandoc", "-Thtml", page).stdout
        check("<h1" in html and "NAME" in html, f"{page} as HTML")
        with open(page, encoding="utf-8") as file:
            for name in re.findall(r"^\.Xr (\S*siltfs\S*) ", file.read(), re.MULTILINE):
                check(name in names, f"{page} refers to {name}, which has no page")
    return f"{len(pages)} pages"


def pages_have_every_verb_and_flag(env):
    programs = os.path.dirname(env.siltfs)
    of_verbs = {name[len("siltfs-"):-2] for name in os.listdir(MAN) if name.startswith("siltfs-")}
    check_equal(of_verbs, set(verbs(env)), "verbs with a page of their own")
    with open(os.path.join(MAN, "siltfs.1"), encoding="utf-8") as file:
        check_equal(re.findall(r"^\.It Cm (.*)$", file.read(), re.MULTILINE), verbs(env), "verbs in siltfs(1)")
    for verb in verbs(env):
        text = env.silt(verb, "--help").stdout
        for subcommand in subcommands(env, verb):
            text += env.silt(verb, subcommand, "--help").stdout
        check_equal(flags_of_page(os.path.join(MAN, f"siltfs-{verb}.1")), flags_of_help(text), f"flags in siltfs-{verb}(1)")
    for helper in ("mount", "umount"):
        text = env.run(os.path.join(programs, helper + ".siltfs"), "--help").stdout
        check_equal(flags_of_page(os.path.join(MAN, helper + ".siltfs.8")), flags_of_help(text), f"flags in {helper}.siltfs(8)")
    return f"{len(verbs(env))} verbs"


# The function that bash would call, with the words of a command line whose last is to be completed.
BASH = """
compopt() { :; }
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_siltfs
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(env, *words):
    script = os.path.join(COMPLETIONS, "siltfs.bash")
    done = subprocess.run(["bash", "-c", BASH, "bash", script, env.siltfs, *words], capture_output=True, text=True,
                          check=True, cwd=env.work)
    check_equal(done.stderr, "", f"what completing {words} says")
    return set(done.stdout.split())


def bash_completes(env):
    check_equal(completed(env, ""), {*verbs(env), "--help", "--version"}, "verbs offered")
    check_equal(completed(env, "um"), {"umount"}, "verbs offered for um")
    for verb in verbs(env):
        check_equal(completed(env, verb, "-"), flags_of_help(env.silt(verb, "--help").stdout), f"flags of {verb} offered")
    check_equal(completed(env, "debug", "table", "--e"), {"--entries"}, "flags of debug table offered")
    check_equal(completed(env, "debug", ""), set(subcommands(env, "debug")), "subcommands of debug offered")
    options = completed(env, "mount", "-o", "")
    check({"ro", "memory=", "writeback", "nosuid", "noatime"} <= options, f"mount options offered: {sorted(options)}")
    check_equal(completed(env, "mount", "-o", "ro,mem"), {"ro,memory="}, "mount options offered for ro,mem")
    os.mkdir(env.scratch("some-directory"))
    check("some-directory" in completed(env, "mount", "some-"), "directories offered as a store")
    env.start()
    check(env.mnt in completed(env, "umount", ""), "the mountpoint offered to umount")
    check({env.mnt, env.store} <= completed(env, "status", ""), "store and mountpoint offered to status")
    env.finish()
    return f"{len(options)} mount options"


class Zsh:
    """A shell that a user types at."""

    def __init__(self, env):
        self.terminal = Terminal("zsh", "-f", "-i", columns=200)
        self.terminal.type(f"PS1=; cd {env.work}; path=({os.path.dirname(env.siltfs)} $path); fpath=({COMPLETIONS} $fpath); "
                           "autoload -Uz compinit; compinit -u -D; print rea''dy\r")
        self.terminal.wait_for("ready\r\n")

    def completed(self, line):
        """The line after the tab, as zsh has it: it is made the argument of a command that prints it."""
        self.terminal.type(f"{line}\t\x01print -r -- go''t: '\x05'\r")
        self.terminal.wait_for("got: ")
        return self.terminal.wait_for("\r\n").strip()

    def leave(self):
        self.terminal.type("exit\r")
        code, shown = self.terminal.finish()
        self.terminal.close()
        check_equal(code, 0, f"exit code of zsh, which says {shown!r}")


def zsh_completes(env):
    script = os.path.join(COMPLETIONS, "_siltfs")
    env.run("zsh", "-n", script)
    zsh = Zsh(env)
    lines = {
        "siltfs um": "siltfs umount",
        "siltfs mkfs --bl": "siltfs mkfs --block-size",
        "siltfs mkfs --compression zs": "siltfs mkfs --compression zstd",
        "siltfs mount -o ro,mem": "siltfs mount -o ro,memory=",
        "siltfs mount -o ro,noex": "siltfs mount -o ro,noexec",
        "siltfs debug tab": "siltfs debug table",
        "siltfs debug table --en": "siltfs debug table --entries",
        "siltfs accesslog /some/where sh": "siltfs accesslog /some/where show",
        "siltfs fsck --progress pl": "siltfs fsck --progress plain",
        "siltfs mkfs some-d": "siltfs mkfs some-directory",
        "siltfs frobnicate --fl": "siltfs frobnicate --fl",
    }
    for typed, line in lines.items():
        check_equal(zsh.completed(typed), line, f"`{typed}` and a tab in zsh")
    env.mount()
    check_equal(zsh.completed(f"siltfs umount {env.mnt[:-1]}"), f"siltfs umount {env.mnt}", "a mountpoint in zsh")
    env.umount()
    zsh.leave()
    return f"{len(lines)} lines"


# Documents whose commands are run, in their order; those of all others are checked for what they name.
RUN = ("README.md", "CONTRIBUTING.md")


def is_run(line):
    """What asks for no installed package and no other preset's build."""
    return re.match(r"(siltfs|cat|tail) ", line) is not None


def commands_run(env):
    names = {"/srv/store": env.store, "/mnt": env.mnt}
    count = 0
    for name in RUN:
        lines = [line for line in markdown.commands_of(os.path.join(TOP, name)) if is_run(line)]
        check(len(lines) > 5, f"{name}: only {lines} to run")
        shutil.rmtree(env.store)  # of the part before
        if not lines[0].startswith("siltfs mkfs"):
            env.start()
            with open(env.path("file"), "w", encoding="ascii") as file:
                file.write("data")
        for line in lines:
            here = re.sub(r"(/srv/store|/mnt)\b", lambda match: names[match[0]], line)
            done = env.run("bash", "-c", here, cwd=env.work, rc=None,
                           env={**os.environ, "PATH": os.path.dirname(env.siltfs) + ":" + os.environ["PATH"]})
            # What doctor finds is the machine's, other tests' dead mounts among it.
            check(done.returncode == 0 or "doctor" in line and done.returncode == 1,
                  f"{name}: {line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        count += len(lines)
        check(not os.path.ismount(env.mnt), f"{name} leaves a mount behind")
    return f"{count} commands"


def commands_name_what_there_is(env):
    checker = markdown.Checker(verbs(env), lambda words: env.silt(*words, "--help").stdout)
    count = 0
    for document in markdown.documents():
        for line in markdown.commands_of(document) + markdown.inline_commands_of(document):
            try:
                checker.line(line)
            except Failure as failure:
                raise Failure(f"{os.path.relpath(document, TOP)}: {line}: {failure}") from failure
            count += 1
    check(count > 50, f"only {count} commands were found")
    return f"{count} commands"


def links_lead_somewhere(_env):
    for document in markdown.documents():
        check_equal(markdown.broken_links(document), [], f"broken links in {os.path.relpath(document, TOP)}")
        check_equal(markdown.missing_files(document), [], f"missing files named in {os.path.relpath(document, TOP)}")
    return f"{len(markdown.documents())} documents"


def commands_in_picture(path):
    lines = xml.etree.ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    return [re.sub(r"kill -9 \d+", "kill -9 PID", line[1].text) for line in lines if len(line) == 2]


def picture_is_of_this_session(env):
    if os.geteuid() != 0:
        return "not checked: only root can record one"
    fresh = env.scratch("session.svg")
    env.run(os.path.join(TOP, "packaging", "session.py"), "--siltfs", env.siltfs, "--out", fresh)
    check(os.path.getsize(fresh) < 40000, f"{os.path.getsize(fresh)} bytes")
    kept = os.path.join(TOP, "packaging", "session.svg")
    check_equal(commands_in_picture(kept), commands_in_picture(fresh), "commands in packaging/session.svg")
    check(len(commands_in_picture(fresh)) > 8, f"only {commands_in_picture(fresh)}")
    return f"{len(commands_in_picture(fresh))} commands"


def run(env):
    for part in (pages_are_well_formed, pages_have_every_verb_and_flag, bash_completes, zsh_completes,
                 commands_name_what_there_is, commands_run, links_lead_somewhere, picture_is_of_this_session):
        say(f"{part.__name__.replace('_', ' ')}: {part(env)}")
