#!/usr/bin/env python3
"""Checks the manual pages: their markup, and that sks.1 has every command and option that 'sks --help' has, and no other.

usage: man_test.py SKS MAN_FOLDER
"""

import pathlib
import re
import shutil
import subprocess
import sys

COMMON = {"help", "version", "store", "persona", "passphrase-file"}


def lint(page):
    if shutil.which("mandoc"):
        run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
        said = [line for line in (run.stdout + run.stderr).splitlines() if "mandoc.db" not in line]
        yield from said
    if shutil.which("man"):
        run = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True)
        yield from run.stderr.splitlines()


def help_of(sks, path):
    """The commands and the options that a help text lists."""
    text = subprocess.run([sks, *path, "--help"], capture_output=True, text=True, check=True).stdout
    commands, options, section = [], set(), ""
    for line in text.splitlines():
        if re.match(r"\S.*:$", line):
            section = line[:-1]
        elif section == "Subcommands" and (word := re.match(r"  (\S+)", line)):
            commands.append(word[1])
        elif line.startswith("  -"):
            options |= set(re.findall(r"--([a-z0-9-]+)", line.split("  ")[1]))
    return commands, options


def all_commands(sks, path=()):
    commands, options = help_of(sks, path)
    yield " ".join(path), options
    for command in commands:
        yield from all_commands(sks, (*path, command))


def documented(text):
    """The options of each item of the page: 'pin change' -> {'pin', 'json'}. What is said in front of a list is said of
    those of its items that have it."""
    items, shared = {}, {}
    for section in text.split("\n.Ss ")[1:]:
        preamble, *rest = re.split(r"\n\.It (?=Cm )", section)
        for item in rest:
            words = re.match(r"Cm ((?:[a-z0-9-]+ )*[a-z0-9-]+)", item.splitlines()[0])[1]
            items.setdefault(words, set()).update(re.findall(r"Fl Fl ([a-z0-9-]+)", item.split("\n.El")[0]))
            shared[words] = set(re.findall(r"Fl Fl ([a-z0-9-]+)", preamble))
    return items, shared


def problems(sks, folder):
    pages = sorted(folder.glob("*.[1-8]"))
    assert pages, "no manual pages"
    for page in pages:
        yield from lint(page)
    text = (folder / "sks.1").read_text()
    items, shared = documented(text)
    common = set(re.findall(r"Fl Fl ([a-z0-9-]+)", text.split(".Sh COMMANDS")[0]))
    yield from (f"sks.1: --{name} is missing" for name in sorted(COMMON - common))
    found = dict(all_commands(sks))
    assert len(found) > 30, "the help texts were not understood"
    for path, options in found.items():
        options = options - COMMON
        if path in ("", "key", "pin", "persona", "completion"):
            continue
        item = items.get(path)
        if path.startswith("integrate ") and path != "integrate desktop":
            if f".It Cm {path.split()[1]}\n" not in text:
                yield f"sks.1: there is no '{path}'"
            item = items["integrate"]
        elif item is None:
            yield f"sks.1: there is no '{path}'"
            continue
        yield from (f"sks.1: '{path}' has --{name}, which the page does not tell" for name in sorted(options - item - shared.get(path, set())))
        if path != "integrate":
            yield from (f"sks.1: '{path}' has no --{name}" for name in sorted(item - options - common))


def main():
    found = list(problems(sys.argv[1], pathlib.Path(sys.argv[2])))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
