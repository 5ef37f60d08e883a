"""Shows that the kit finds what it is there to find: clients and issuers that each make one mistake.

usage: faulty.py SKS_CONFORMANCE SKS
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

KIT, SKS = sys.argv[1], shlex.quote(sys.argv[2])
HERE = pathlib.Path(__file__).parent
PYTHON = shlex.quote(sys.executable)
SKS_PREPARE = f"{SKS} --store {{dir}}/store init --name Conformance"
SKS_ENROLL = f"{SKS} --store {{dir}}/store enroll --yes --ca-file {{ca}} --pin-file {{pins}} {{url}}"


def play(work, *arguments):
    """Exit code of the kit, and the only scenario that it played."""
    report = work / "report.json"
    done = subprocess.run([KIT, *map(str, arguments), "--json", str(report), "--timeout", "300"],
                          capture_output=True, encoding="utf-8", check=False)
    scenarios = json.loads(report.read_text("utf-8"))["scenarios"]
    assert len(scenarios) == 1, done.stdout
    report.unlink()
    return done.returncode, scenarios[0]


def expect_found(code, scenario, part):
    sentences = " / ".join(f'{f["file"]} {f["path"]} {f["sentence"]}' for f in scenario["findings"])
    assert code == 1 and scenario["result"] == "failed", scenario
    assert part in sentences, (scenario["name"], part, sentences)


def scripted(mistake):
    return f"{PYTHON} {shlex.quote(str(HERE / 'faulty_client.py'))} {mistake} {{init}} {{main}} {{cookie}} {{ca}}"


# What is wrong with the client, how it is run, the scenario that shows it, and what the kit has to say.
CLIENTS = [
    ("says that it succeeded", f"{SKS_ENROLL} || true", "client/macs/wrong-createKeyEntry", "succeeded, but it must fail"),
    ("says that it failed", f"{SKS_ENROLL}; false", "client/credential-order", "failed, but the session was good"),
    ("does nothing", "true", "client/credential-order", "expected a GET of the init URL"),
    ("crashes on a refused message", f"{SKS_ENROLL} || kill -SEGV $$", "client/macs/wrong-createKeyEntry",
     "a signal ended the client"),
    ("sends more than it should",
     f"{SKS_ENROLL}; curl -s --cacert {{ca}} -H 'Content-Type: application/json' -d '{{}}' {{main}}; false",
     "client/macs/wrong-createKeyEntry", "must send nothing more"),
    ("takes a name twice", scripted("none"), "client/strict-json/duplicate", "must send nothing more"),
    ("takes unknown properties", scripted("none"), "client/strict-json/unknown-property", "must send nothing more"),
    ("takes a byte order mark", scripted("none"), "client/strict-json/byte-order-mark", "must send nothing more"),
    ("trusts any server", scripted("trusts-anybody"), "client/tls/untrusted-0", "certificate that is not acceptable"),
    ("forgets the cookie", scripted("forgets-the-cookie"), "client/credential-order", "has not the cookie"),
    ("answers for another session", scripted("other-session"), "client/credential-order", "/serverSessionId"),
    ("answers no query", scripted("answers-no-query"), "client/capabilities/features", "does not answer"),
    ("sends a property of its own", scripted("adds-a-property"), "client/credential-order", "is no property"),
    ("sends a name twice", scripted("repeats-a-name"), "client/credential-order", "occurs twice"),
    ("sends another content type", scripted("content-type"), "client/credential-order", "Content-Type"),
    ("uses another method", scripted("method"), "client/credential-order", "is not POST"),
    ("repeats a message for ever", scripted("repeats-for-ever"), "client/http/status-503", "must send nothing more"),
    ("repeats something else", scripted("repeats-something-else"), "client/http/status-503", "must send nothing more"),
    ("stops too early", scripted("none"), "client/credential-order", "expected ProvisioningInitializationResponse"),
]

# The mistake, the scenario that shows it, and what the kit has to say.
ISSUERS = [
    ("unknown-property", "issuer/session", "is no property of this object"),
    ("content-type", "issuer/session", "has the Content-Type"),
    ("cacheable", "issuer/http/no-store-invocation", "without a header Cache-Control"),
    ("clock", "issuer/session", "by more than a day"),
    ("key-not-on-curve", "issuer/session", "is no public key"),
    ("wrong-mac", "issuer/session", "MAC"),
    ("takes-any-session", "issuer/i1-invocation/other-session-id", "was accepted"),
    ("takes-any-content-type", "issuer/http/form-content-type", "expected status 415"),
    ("refuses-with-400", "issuer/http/form-content-type", "expected status 415"),
    ("refuses-with-a-page", "issuer/i1-invocation/other-session-id", "is not the 302 of a termination"),
    ("refuses-with-json", "issuer/i1-invocation/other-session-id", "was accepted"),
    ("refuses-without-location", "issuer/i1-invocation/other-session-id", "no absolute Location"),
    ("forgets-to-end-the-session", "issuer/i1-invocation/other-session-id", "the session was not destroyed"),
    ("takes-names-twice", "issuer/strict-json/duplicate", "was accepted"),
]


def clients(work):
    for what, command, scenario, part in CLIENTS:
        code, result = play(work, "client", "--prepare", SKS_PREPARE, "--exec", command, "--only", scenario)
        expect_found(code, result, part)
        print("found: a client that", what)


def issuers(work):
    certificate, key = work / "tls.pem", work / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    for mistake, scenario, part in ISSUERS:
        server = subprocess.Popen([sys.executable, HERE / "faulty_issuer.py", mistake, certificate, key],
                                  stdout=subprocess.PIPE, encoding="utf-8")
        try:
            origin = f"https://localhost:{server.stdout.readline().strip()}"
            code, result = play(work, "issuer", "--init", f"{origin}/keygen2?init=true", "--url", f"{origin}/keygen2",
                                "--ca", certificate, "--only", scenario)
        finally:
            server.terminate()
            server.wait()
        expect_found(code, result, part)
        print("found: an issuer with the mistake", mistake)


def main():
    for test in (clients, issuers):
        with tempfile.TemporaryDirectory() as work:
            test(pathlib.Path(work))


if __name__ == "__main__":
    main()
