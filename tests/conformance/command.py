"""Runs sks-conformance verify as its users do, and reads its files with other parsers than ours.

usage: command.py PROGRAM TRANSCRIPTS
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

PROGRAM, TRANSCRIPTS = sys.argv[1], pathlib.Path(sys.argv[2])
CHECKS = 18


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, check=False, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def verify(work, *folders):
    """Exit code, table, JSON document, XML tree."""
    files = work / "result.json", work / "result.xml"
    code, table, _ = run("verify", *folders, "--json", files[0], "--junit", files[1])
    return code, table, json.loads(files[0].read_text("utf-8")), xml.etree.ElementTree.parse(files[1]).getroot()


def all_pass(work):
    folders = sorted(f for f in TRANSCRIPTS.iterdir() if f.is_dir())
    code, table, document, suites = verify(work, *folders)
    assert code == 0, table
    assert table.rstrip().endswith("26 sessions, 26 passed"), table
    assert len(table.splitlines()) == 26 + 2, table
    assert document["result"] == "passed" and len(document["sessions"]) == 26
    assert all(len(session["checks"]) == CHECKS for session in document["sessions"])
    assert len(suites) == 26 and len(suites.findall("testsuite/testcase")) == 26 * CHECKS
    assert not suites.findall(".//failure") and not suites.findall(".//error")


def a_failure_is_in_all_three(work):
    folder = work / 'a <b> & "c"'
    shutil.copytree(TRANSCRIPTS / "BiometricSupport", folder)
    file = folder / "05-KeyCreationRequest.json"
    message = json.loads(file.read_text())
    message["pinPolicySpecifiers"][0]["retryLimit"] ^= 1
    # An escape sequence that must not reach a terminal, and is no character of XML.
    message["pinPolicySpecifiers"][0]["grouping"] = "\x1b[31m<&>"
    file.write_text(json.dumps(message))
    code, table, document, suites = verify(work, folder, TRANSCRIPTS / "ServerSeed")
    assert code == 1, table
    assert "\x1b" not in table
    assert "* retryLimit" in table and "2 sessions, 1 passed, 1 failed" in table, table
    session = document["sessions"][0]
    assert session["name"] == folder.name and session["result"] == "failed"
    findings = [f for check in session["checks"] for f in check["findings"] if check["name"] == "creation"]
    assert findings[0]["file"] == file.name and findings[0]["path"] == "/pinPolicySpecifiers/0/retryLimit", findings
    difference = findings[0]["difference"]
    assert difference["field"] == "retryLimit"
    row = next(r for r in difference["fields"] if r["field"] == "retryLimit")
    assert (row["expected"], row["found"], row["equal"]) == ("0003", "0002", False)
    assert difference["offset"] == row["offset"] + 1
    suite = suites.find("testsuite")
    assert suite.get("name") == folder.name and int(suite.get("tests")) == CHECKS
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) > 0


def the_unreadable_has_its_own_code(work):
    code, table, document, suites = verify(work, TRANSCRIPTS / "ServerSeed", work / "absent")
    assert code == 2, table
    assert document["result"] == "unreadable" and "absent" in document["sessions"][1]["sentence"]
    assert suites.findall("testsuite")[1].find("testcase/error").get("message").startswith(str(work / "absent"))


def wrong_usage(work):
    for arguments in [(), ("verify",), ("verify", "--surplus", "x"), ("unknown",)]:
        code, output, problem = run(*arguments)
        assert code == 2 and not output and problem.startswith("sks-conformance: "), (arguments, problem)
        assert len(problem.splitlines()) == 1, problem
    code, _, problem = run("verify", TRANSCRIPTS / "ServerSeed", "--json", work / "absent" / "x.json")
    assert code == 2 and problem.startswith("sks-conformance: cannot write "), problem
    assert run("--help")[0] == 0 and run("--version")[1].startswith("sks-conformance ")


def main():
    for test in (all_pass, a_failure_is_in_all_three, the_unreadable_has_its_own_code, wrong_usage):
        with tempfile.TemporaryDirectory() as work:
            test(pathlib.Path(work))
            print("passed:", test.__name__)


if __name__ == "__main__":
    main()
