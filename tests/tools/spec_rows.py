#!/usr/bin/env python3
"""Checks that scripts/spec-rows finds every form in which a specification gives rows, and reports what is not cited."""

import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]

SPECIFICATION = """\
## 1 Flow

### 1.4 States
| Id | Check |
|---|---|
| Z-1 | not of this table |

### 1.5 Checks
**Issuer**

| Id | Message | Check |
|---|---|---|
| I-1 | First | a |
| | | b with a \\| inside |
| I-2 | Second | c |

**Client**

| Id | Message | Check |
|---|---|---|
| C-1 | Request | d |

## 4 Messages

### 4.2 Message
| Property | Type | Req |
|---|---|---|
| `action` | string | M |

| Query URI | Kind |
|---|---|
| any one | feature |
| `https://webpki.github.io/keygen2/attr#a`, `#b` | values |

**inner**

| Property | Type | Req | SKS |
|---|---|---|---|
| `x`, `y` | id | M | call |
| — | | derived | **z** |

`action` is free; M of a sentence.

### 4.10 Text
`p` id M; `q` inner[] 1..n M, in order.

**other** (plain; or not): `r` byte[] M (so; long); `s` bool O.

### 4.14 Enumerations
| Enumeration | String |
|---|---|
| format (PIN) | `a`=00 |

### 5.1 Keys
| kty | Members |
|---|---|
| `n` | x |

### 6.2 Filter
| Property | Type |
|---|---|
| `f` | string |
"""

ROWS = [
    "I-1.1", "I-1.2", "I-2.1", "C-1.1", "4.2 action", "4.2 any one", "4.2 attr#a", "4.2 attr#b", "4.2 inner.x", "4.2 inner.y",
    "4.2 inner.z", "4.10 p", "4.10 q", "4.10 other.r", "4.10 other.s", "4.14 format", "6.2 f",
]  # fmt: skip


def run(spec, tests, *more):
    command = [SOURCE / "scripts" / "spec-rows", "--spec", spec, "--tests", tests, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def expect(name, found, expected):
    if found == expected:
        return 0
    print(f"{name}: expected {expected}, found {found}", file=sys.stderr)
    return 1


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / "keygen2.md"
        tests = pathlib.Path(folder) / "tests"
        (tests / "deeper").mkdir(parents=True)
        spec.write_text(SPECIFICATION, encoding="utf-8")
        wrong += expect("all rows", run(spec, tests, "--all"), (0, ROWS))
        wrong += expect("nothing cited", run(spec, tests), (1, ROWS))
        cited = "\n".join(f"// [keygen2.md {row}]" for row in ROWS[1:-1])
        (tests / "deeper" / "a_test.cpp").write_text(cited + '\n{"[keygen2.md "\n "6.2 f]"}\n', encoding="utf-8")
        wrong += expect("one not cited", run(spec, tests), (1, ["I-1.1"]))
        (tests / "b_test.cpp").write_text("[keygen2.md I-1.1] I-1.2 of keygen2.md", encoding="utf-8")
        wrong += expect("all cited", run(spec, tests), (0, []))
        (tests / "c_test.cpp").write_text("[keygen2.md 7.11] [keygen2.md 4.2, 7.9] [keygen2.md C.3]", encoding="utf-8")
        wrong += expect("chapters are no rows", run(spec, tests), (0, []))
        (tests / "notes.md").write_text("[keygen2.md I-9.9]", encoding="utf-8")
        wrong += expect("what is no test counts for nothing", run(spec, tests), (0, []))
        for stranger in ("I-1.3", "4.2 inner.w", "6.2 x"):
            (tests / "b_test.cpp").write_text(f"[keygen2.md I-1.1] [keygen2.md {stranger}]", encoding="utf-8")
            code, lines = run(spec, tests)
            wrong += expect("no such row", (code, len(lines), repr(stranger) in "".join(lines)), (1, 1, True))
        spec.write_text("# nothing\n", encoding="utf-8")
        wrong += expect("no rows", run(spec, tests)[0], 1)
        wrong += expect("no specification", run(tests / "absent", tests)[0], 2)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
