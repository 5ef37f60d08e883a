"""Runs sks-conformance replay and record as their users do, against sksd and in memory.

usage: replay_command.py PROGRAM SKSD TRANSCRIPTS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

PROGRAM, SKSD, TRANSCRIPTS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
CHECKS = 15
FOLDERS = sorted(f for f in TRANSCRIPTS.iterdir() if f.is_dir())


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, check=False, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def expect_all_pass(work, device):
    files = work / "result.json", work / "result.xml"
    code, table, problem = run("replay", *FOLDERS, "--device", device, "--json", files[0], "--junit", files[1])
    assert code == 0, table + problem
    assert table.rstrip().endswith("26 sessions, 26 passed"), table
    document = json.loads(files[0].read_text("utf-8"))
    assert document["result"] == "passed" and len(document["sessions"]) == 26
    assert all(len(session["checks"]) == CHECKS for session in document["sessions"])
    assert all(check["document"] == "sks-api.md" for s in document["sessions"] for check in s["checks"])
    suites = xml.etree.ElementTree.parse(files[1]).getroot()
    assert len(suites.findall("testsuite/testcase")) == 26 * CHECKS
    assert not suites.findall(".//failure") and not suites.findall(".//error")


class Sksd:
    def __init__(self, *listen):
        self.listen = listen

    def __enter__(self):
        command = [SKSD, "--store", "memory:", "--listen", *self.listen, "--conformance"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        line = self.process.stdout.readline().strip()
        assert line.startswith("sksd: serving memory: on "), line
        return line.removeprefix("sksd: serving memory: on ")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def in_memory(work):
    expect_all_pass(work, "memory:")


def over_tcp_and_again(work):
    with Sksd("tcp:127.0.0.1:0") as address:
        expect_all_pass(work, address)
        # Nothing of the first time is left that disturbs the second.
        expect_all_pass(work, address)


def over_a_unix_socket_with_an_rsa_device(work):
    with Sksd(f"unix:{work}/socket", "--attestation-key", "rsa2048") as address:
        expect_all_pass(work, address)


def our_own_recordings(work):
    code, output, problem = run("record", "--out", work / "own", "--scenario", "update", "--scenario", "extensions")
    folders = output.splitlines()
    assert code == 0 and [pathlib.Path(f).name for f in folders] == ["update-1", "update-2", "extensions"], problem
    assert run("verify", *folders)[0] == 0
    with Sksd("tcp:127.0.0.1:0") as address:
        code, table, _ = run("replay", *folders, "--device", address)
        assert code == 0, table
    code, _, problem = run("record", "--out", work / "own", "--scenario", "update")
    assert code == 2 and problem == f"sks-conformance: {work}/own/update-1 exists already\n", problem
    code, _, problem = run("record", "--out", work / "other", "--scenario", "upgrade")
    assert code == 2 and problem == "sks-conformance: no scenario is called upgrade\n", problem
    assert run("record")[0] == 2


def a_device_that_is_not_there(work):
    code, output, problem = run("replay", FOLDERS[0], "--device", f"unix:{work}/nobody")
    assert code == 2 and not output and problem.startswith("sks-conformance: "), problem
    assert len(problem.splitlines()) == 1, problem


def wrong_usage(work):
    for arguments in [("replay",), ("replay", FOLDERS[0]), ("replay", "--device", "memory:"),
                      ("replay", FOLDERS[0], "--device", "memory"), ("replay", work, "--device", "memory:")]:
        code, _, _ = run(*arguments)
        assert code == 2, arguments


def main():
    for test in (in_memory, over_tcp_and_again, over_a_unix_socket_with_an_rsa_device, our_own_recordings,
                 a_device_that_is_not_there, wrong_usage):
        with tempfile.TemporaryDirectory() as work:
            test(pathlib.Path(work))
            print("passed:", test.__name__)


if __name__ == "__main__":
    main()
