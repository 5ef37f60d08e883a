"""Runs the commands that play scenarios as their users do: options, files and exit codes.

usage: scenario_command.py SKS_CONFORMANCE
"""

import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

KIT = sys.argv[1]

SCENARIO = """title = "Wrong <MACs> & more"
side = "client"
spec = "7.6"
proves = "Nothing at all."
[[step]]
send = "InvocationRequest"
"""


def run(*arguments):
    done = subprocess.run([KIT, *map(str, arguments)], capture_output=True, check=False, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def refused(part, *arguments):
    code, output, problem = run(*arguments)
    assert code == 2 and not output, (arguments, code, output)
    assert problem.startswith("sks-conformance: ") and part in problem and len(problem.splitlines()) == 1, problem


def lists(_):
    code, output, _ = run("client", "--list", "--only", "client/tls")
    assert code == 0 and output.rstrip().endswith("9 scenarios"), output
    assert "client/tls/other-1\n    keygen2.md 9.1: Every later connection" in output, output
    code, output, _ = run("issuer", "--list", "--only", "issuer/session")
    assert code == 0 and output.rstrip().endswith("\n1 scenario"), output


def wrong_usage(work):
    refused("--exec is required", "client")
    refused("--ticket-command is required", "issuer")
    refused("--ticket-command is required", "issuer", "--init", "https://localhost/")
    refused("go together", "issuer", "--ticket-command", "true", "--device-key", "x")
    refused("there is no such scenario", "client", "--exec", "true", "--only", "client/nothing")
    refused("there is no such scenario", "client", "--exec", "true", "--only", "issuer/session")
    refused("--timeout", "client", "--exec", "true", "--timeout", "0")
    refused("a file for the device CA is needed", "issuer", "--print-device-ca")
    refused("no CA certificate can be read", "issuer", "--ticket-command", "true", "--ca", work / "absent.pem")
    refused("cannot read", "issuer", "--ticket-command", "true", "--device-certificate", work / "absent", "--device-key", "x")


def other_folders(work):
    (work / "mine").mkdir()
    file = work / "mine" / "one.toml"
    file.write_text(SCENARIO + "sleep = 5\n")
    refused("mine/one.toml /step/0/sleep means nothing here", "client", "--exec", "true", "--scenarios", work)
    file.write_text(SCENARIO)
    report, junit = work / "r.json", work / "r.xml"
    code, table, _ = run("client", "--exec", "printf 'a\\033[31mb'", "--scenarios", work, "--json", report, "--junit", junit)
    assert code == 1 and table.rstrip().endswith("1 scenario, 0 passed, 1 failed"), table
    assert "\x1b" not in table and "expected a GET of the init URL" in table and "| a?[31mb" in table, table
    document = json.loads(report.read_text("utf-8"))
    assert document["result"] == "failed" and document["scenarios"][0]["name"] == "mine/one"
    suite = xml.etree.ElementTree.parse(junit).getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    assert suite.find("testcase/failure").get("message") == "Nothing at all."


def shows_progress(work):
    """On standard error, when that is a terminal: each scenario in turn on one line, which is blank in the end."""
    for name in ("one", "two"):
        (work / f"{name}.toml").write_text(SCENARIO)
    command = [KIT, "client", "--exec", "true", "--scenarios", work]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, encoding="utf-8") as process:
        os.close(theirs)
        table = process.stdout.read()
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    blank = "\r" + len("1/2 one") * " " + "\r"
    assert shown == "\r\r1/2 one" + blank + "2/2 two" + blank, repr(shown)
    assert "2 scenarios" in table and "1/2" not in table, table
    _, _, problem = run(*command[1:])
    assert problem == "", problem


def broken(work):
    (work / "one.toml").write_text(SCENARIO + 'resend = "KeyCreationRequest"\n')
    # A client that gets as far as its first request.
    get = "curl -s --cacert {ca} -H 'Cookie: '{cookie} {init}"
    code, table, _ = run("client", "--exec", get, "--scenarios", work)
    assert code == 2 and "no earlier message of the name KeyCreationRequest" in table, table
    code, table, _ = run("client", "--exec", get, "--prepare", "echo no; false", "--only", "client/unlock")
    assert code == 2 and "the command that prepares a scenario failed" in table and "| no" in table, table
    code, table, _ = run("issuer", "--ticket-command", "echo nothing", "--only", "issuer/session")
    assert code == 2 and "no invocation: nothing" in table, table
    code, table, _ = run("issuer", "--ticket-command", "echo no; false", "--only", "issuer/session")
    assert code == 2 and "the ticket command failed: no" in table, table


def device_ca(work):
    file = work / "ca.pem"
    first = run("issuer", "--print-device-ca", "--device-ca", file)
    assert first[0] == 0 and first[1].startswith("-----BEGIN CERTIFICATE-----"), first
    assert "PRIVATE KEY" not in first[1]
    assert run("issuer", "--print-device-ca", "--device-ca", file) == first
    assert file.stat().st_mode & 0o077 == 0
    (work / "empty.pem").write_text("")
    refused("holds no CERTIFICATE", "issuer", "--print-device-ca", "--device-ca", work / "empty.pem")


def main():
    for test in (lists, wrong_usage, other_folders, shows_progress, broken, device_ca):
        with tempfile.TemporaryDirectory() as work:
            test(pathlib.Path(work))
            print("passed:", test.__name__)


if __name__ == "__main__":
    main()
