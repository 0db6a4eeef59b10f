"""Manual pages are well formed and name every verb and flag that there is; completions offer them."""

import glob
import os
import re
import subprocess

from harness import TOP, check, check_equal, say

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
    env.run("zsh", "-n", os.path.join(COMPLETIONS, "_siltfs"))
    return f"{len(options)} mount options"


def run(env):
    for part in (pages_are_well_formed, pages_have_every_verb_and_flag, bash_completes):
        say(f"{part.__name__.replace('_', ' ')}: {part(env)}")
