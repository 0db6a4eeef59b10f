"""What the documents of this tree say: their commands, their links, and the files that they name."""

import glob
import json
import os
import re
import shlex
import subprocess

from harness import TOP, check

ROOMS = ("fs", "lsm", "mount", "packaging", "perf", "tests")
SUFFIXES = (".cc", ".cmake", ".h", ".md", ".py", ".sh", ".svg")
# Not ours: that they are there is not for a test of documents to say. What they are given to run is looked at.
OTHERS = {"apt", "cat", "curl", "echo", "gdb", "git", "mount", "perf", "tail", "valgrind"}


def documents():
    found = glob.glob(os.path.join(TOP, "*.md"))
    for room in ROOMS:
        found += glob.glob(os.path.join(TOP, room, "**", "*.md"), recursive=True)
    return sorted(found)


def text_of(document):
    with open(document, encoding="utf-8") as file:
        return file.read()


def commands_of(document):
    """The lines of indented blocks whose first word is a program's name or path, without their comments."""
    found = []
    prose = re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?:^|\n)\n((?: {4,}[^\n]*\n)+)", prose):
        lines = [re.sub(r"\s#\s.*", "", line).strip() for line in block.splitlines()]
        # Diagrams and excerpts of logs are blocks, too.
        if all(re.match(r"[\w./-]+$", line.split()[0]) and not line[0].isdigit() for line in lines):
            found += lines
    return found


def inline_commands_of(document):
    """Of siltfs, in backquotes in the text."""
    return [" ".join(command.split()) for command in re.findall(r"`((?:[\w/]+/)?siltfs\s[^`]+)`", text_of(document))]


# Links and names of files.

def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(document):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
        headings = re.findall(r"^#+ (.*)$", text_of(file), re.MULTILINE) if anchor and os.path.isfile(file) else []
        if not os.path.exists(file) or anchor and anchor not in map(slug, headings):
            broken.append(target)
    return broken


def exists(name, document):
    if "/" not in name:
        places = [(name,)] + [(room, "**", name) for room in ROOMS]
        return any(glob.glob(os.path.join(TOP, *place), recursive=True) for place in places)
    return any(glob.glob(os.path.join(base, name) + end)
               for base in (TOP, os.path.dirname(document)) for end in ("", ".*"))


def missing_files(document):
    """What stands in backquotes like a path of the tree and is not there."""
    names = set(re.findall(r"`([\w*][\w./*-]*)`", text_of(document)))
    names = {name for name in names if name.endswith(SUFFIXES) or name.split("/")[0] in ROOMS and "/" in name}
    return sorted(name for name in names if not re.search(r"[A-Z]{4,}(?!\.md)", name) and not exists(name, document))


# Commands that are not run: whether what they name is there.

def presets(kind):
    with open(os.path.join(TOP, "CMakePresets.json"), encoding="utf-8") as file:
        return {preset["name"] for preset in json.load(file)[kind] if not preset.get("hidden")}


def build_files():
    files = [os.path.join(TOP, "CMakeLists.txt")]
    for room in ROOMS:
        for name in ("CMakeLists.txt", "*.cmake", "*.cmake.in"):
            files += glob.glob(os.path.join(TOP, room, "**", name), recursive=True)
    return "\n".join(text_of(file) for file in files)


def is_target(name):
    tests_of = name.removesuffix("_test").replace("_", "/", 1)
    return bool(re.search(rf"\b{name}\b", build_files())) or name.endswith("_test") and \
        os.path.isdir(os.path.join(TOP, "tests", tests_of))


class Checker:
    """help_of: the function that gives the help of siltfs for these words."""

    def __init__(self, verbs, help_of):
        self.verbs = verbs
        self.help_of = help_of

    def line(self, line):
        for command in re.split(r"&&|\|", line):
            words = shlex.split(re.split(r"\s>>?\s", command)[0])
            self.command([word for word in words if word != "sudo"])

    def command(self, words):
        program, arguments = words[0], words[1:]
        if "-o" in words and "siltfs" in map(os.path.basename, words):
            self.options_are_known(arguments[arguments.index("-o") + 1])
        if os.path.basename(program) == "siltfs":
            self.of_siltfs(program, arguments)
        elif program == "cmake":
            self.of_cmake(arguments)
        elif program == "ctest":
            self.preset_is_there("testPresets", arguments)
        elif program.startswith("build/"):
            self.built(program)
            self.flags_are_known(arguments, self.source_of("perf/" + os.path.basename(program)))
        elif "/" in program:
            self.of_script(program, arguments)
        else:
            check(program in OTHERS, f"{program} is neither in the tree nor known")
            nested = next((n for n, word in enumerate(arguments) if word.startswith("build/")), None)
            if nested is not None and not arguments[nested].endswith(".deb"):
                self.command(arguments[nested:])

    @staticmethod
    def flags_are_known(arguments, text):
        for flag in arguments:
            if not flag.startswith("-") or flag == "--":
                continue
            flag = flag.split("=")[0]
            check(re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), f"there is no {flag}")

    def options_are_known(self, options):
        text = self.help_of(["mount"])
        for option in options.split(","):
            check(re.search(rf"(?<![\w-]){option.split('=')[0]}(?![\w-])", text), f"there is no mount option {option}")

    @staticmethod
    def built(program):
        _, preset, _, name = program.split("/")
        check(preset in presets("configurePresets") and is_target(name), f"nothing builds {program}")

    @staticmethod
    def source_of(folder):
        return "\n".join(text_of(file) for file in glob.glob(os.path.join(TOP, folder, "*.cc")))

    def of_siltfs(self, program, arguments):
        if "/" in program:
            self.built(program)
        if not arguments[0].startswith("-"):
            check(arguments[0] in self.verbs, f"siltfs has no verb {arguments[0]}")
        words = arguments[:2] if arguments[0] == "debug" else arguments[:1]
        self.flags_are_known(arguments, self.help_of(words))

    @staticmethod
    def preset_is_there(kind, arguments):
        if "--preset" in arguments:
            name = arguments[arguments.index("--preset") + 1]
            check(name in presets(kind), f"there is no preset {name}")

    def of_cmake(self, arguments):
        self.preset_is_there("buildPresets" if "--build" in arguments else "configurePresets", arguments)
        if "--target" in arguments:
            target = arguments[arguments.index("--target") + 1]
            check(is_target(target), f"there is no target {target}")
        for variable in re.findall(r"-D(SILT_\w+)=", " ".join(arguments)):
            check(re.search(rf"\b{variable}\b", build_files()), f"there is no variable {variable}")

    def of_script(self, program, arguments):
        check(os.access(os.path.join(TOP, program), os.X_OK), f"there is no program {program}")
        done = subprocess.run([os.path.join(TOP, program), "--help"], capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"{program} --help: exit code {done.returncode}")
        # What tests/posix/run does not know it hands on to the tester that it runs.
        handed_on = self.source_of("tests/posix") if program == "tests/posix/run" else ""
        self.flags_are_known(arguments, done.stdout + handed_on)
        for word in filter(re.compile(r"[a-z_-]+").fullmatch, arguments):
            if program == "tests/e2e/run":
                check(word.startswith("-") or os.path.exists(os.path.join(TOP, "tests", "e2e", "cases", word + ".py")),
                      f"there is no case {word}")
            elif program.startswith("packaging/"):
                check(re.search(rf"(?<![\w-]){word}\b", done.stdout), f"{program} knows nothing of {word}")
