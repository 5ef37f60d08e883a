#!/usr/bin/env python3
"""Checks that every claim of spec/threat-model.md names a test case that exists."""

import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?:reader|copier|finder|tapper|porter|writer|thief|neighbour|host|program|network) \| [^|]+ \| `([^`]+)` \|$")


def test_cases():
    names = set()
    for path in (SOURCE / "tests").rglob("*.cpp"):
        text = re.sub(r'"\s*\n\s*"', "", path.read_text())
        names.update(re.findall(r'TEST_CASE(?:_TEMPLATE)?\(\s*"((?:[^"\\]|\\.)*)"', text))
    return names


def main():
    chapter = (SOURCE / "spec" / "threat-model.md").read_text().split("## Claims")[1].split("\n## ")[0]
    rows = [line for line in chapter.splitlines() if line.startswith("| ") and not line.startswith("| against")]
    known = test_cases()
    wrong = 0
    for row in rows:
        match = ROW.match(row)
        if not match or match[1] not in known:
            print(f"no such test: {row}", file=sys.stderr)
            wrong += 1
    print(f"{len(rows)} claims, {len(rows) - wrong} with a test")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
