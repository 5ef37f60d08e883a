"""Shows that the kit finds what it is there to find: clients and issuers that each make one mistake, or leave out one check.

usage: faulty.py SKS_CONFORMANCE SKS
"""

import json
import os
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

# The source tree stays as it is.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def play_all(work, *arguments):
    """Exit code of the kit, and what it played by name."""
    report = work / "report.json"
    done = subprocess.run([KIT, *map(str, arguments), "--json", str(report), "--timeout", "300"],
                          capture_output=True, encoding="utf-8", check=False)
    scenarios = json.loads(report.read_text("utf-8"))["scenarios"]
    report.unlink()
    return done.returncode, {scenario["name"]: scenario for scenario in scenarios}


def play(work, *arguments):
    """Exit code of the kit, and the only scenario that it played."""
    code, scenarios = play_all(work, *arguments)
    scenario, = scenarios.values()
    return code, scenario


def only(scenarios):
    return [word for scenario in scenarios for word in ("--only", scenario)]


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


MORE = "must send nothing more"
# The check that a client leaves out, the scenario that shows it, and what the kit has to say.
CARELESS_CLIENTS = [
    ("form of serverTime", "client/c2-initialization/time-with-fraction", MORE),
    ("form of serverTime", "client/c2-initialization/time-in-lower-case", MORE),
    ("form of serverTime", "client/c2-initialization/time-that-does-not-exist", MORE),
    ("form of a signature", "client/c3-discovery/signature-in-der", MORE),
    ("form of a signature", "client/c3-discovery/signature-one-byte-longer", MORE),
    ("names of a path", "client/c5-finalization/path-of-strangers", MORE),
    ("signatures of a path", "client/c5-finalization/path-with-wrong-signature", MORE),
    ("roll-over", "client/roll-over-refused/authorized-by-the-new-key", MORE),
    ("order", "client/first-is-another-message", MORE),
    ("order", "client/finalization-too-early", MORE),
]
# What a client may do otherwise.
LENIENT_CLIENTS = [
    ("serverTime", "client/c2-initialization/time-in-two-days", "whose own clock is not to be trusted"),
    ("serverTime", "client/c2-initialization/time-two-days-ago", "whose own clock is not to be trusted"),
    ("limits", "client/c1-invocation/queries-51", "local default"),
    ("limits", "client/c3-discovery/lookups-21", "local default"),
    ("limits", "client/c3-discovery/expression-of-1001", "local default"),
    ("limits", "client/roll-over-refused/nested-too-deeply", "local default"),
]

ACCEPTED = "was accepted"
# The same for issuers.
CARELESS_ISSUERS = [
    ("letter case", "issuer/i1-invocation/session-id-in-other-case", ACCEPTED),
    ("order", "issuer/i1-invocation/another-message", ACCEPTED),
    ("order", "issuer/i1-invocation/a-request", ACCEPTED),
    ("order", "issuer/i2-initialization/message-out-of-order", ACCEPTED),
    ("links", "issuer/i2-initialization/device-path-not-linked", ACCEPTED),
    ("links", "issuer/i2-initialization/device-certificate-changed", ACCEPTED),
    ("trust", "issuer/i2-initialization/device-of-a-stranger", ACCEPTED),
    ("device dates", "issuer/i2-initialization/device-certificate-expired", ACCEPTED),
    ("clientTime", "issuer/i2-initialization/client-time-in-two-days", ACCEPTED),
    ("clientTime", "issuer/i2-initialization/client-time-two-days-ago", ACCEPTED),
    ("form of clientTime", "issuer/i2-initialization/client-time-with-fraction", ACCEPTED),
    ("form of clientTime", "issuer/i2-initialization/client-time-in-utc", ACCEPTED),
    ("client session id", "issuer/i2-initialization/session-id-of-an-earlier-session", ACCEPTED),
    ("ephemeral key", "issuer/i2-initialization/ephemeral-key-on-another-curve", ACCEPTED),
    ("ephemeral key", "issuer/i2-initialization/ephemeral-key-of-another-kind", ACCEPTED),
    ("ephemeral key", "issuer/i2-initialization/ephemeral-key-not-on-curve", ACCEPTED),
    ("issued", "issuer/i3-discovery/credential-of-a-stranger", ACCEPTED),
    ("records", "issuer/i3-discovery/credential-with-another-server-session-id", ACCEPTED),
    ("records", "issuer/i3-discovery/credential-with-another-client-session-id", ACCEPTED),
    ("kind of key", "issuer/i4-key-creation/key-of-another-kind", ACCEPTED),
    ("kind of key", "issuer/i4-key-creation/key-on-another-curve", ACCEPTED),
    ("key on its curve", "issuer/i4-key-creation/key-not-on-its-curve", ACCEPTED),
    ("close attestation", "issuer/i5-finalization/attestation-changed", "answered as a good session is"),
    ("close attestation", "issuer/i5-finalization/attestation-random", "answered as a good session is"),
    ("no-store", "issuer/http/no-store-initialization", "without a header Cache-Control"),
    ("no-store", "issuer/http/no-store-key-creation", "without a header Cache-Control"),
]
LENIENT_ISSUERS = [
    ("outcome", "issuer/i5-finalization/attestation-changed", "does not tell whether"),
    ("none", "issuer/http/content-type-with-charset", "need not"),
]


def careless(check):
    return f"{PYTHON} {shlex.quote(str(HERE / 'careless_client.py'))} {shlex.quote(check)} {{init}} {{main}} {{cookie}} {{ca}}"


def check_careless(kind, run, careless_rows, lenient_rows):
    """`run` plays scenarios with a peer that leaves out a check. One that leaves out none passes them all."""
    right = [scenario for check, scenario, _ in careless_rows + lenient_rows if check != "none"]
    code, results = run("none", right)
    assert code == 0 and {results[name]["result"] for name in right} == {"passed"}, results
    for check in dict.fromkeys(row[0] for row in careless_rows + lenient_rows):
        found = [row for row in careless_rows if row[0] == check]
        skipped = [row for row in lenient_rows if row[0] == check]
        code, results = run(check, [scenario for _, scenario, _ in found + skipped])
        for _, scenario, part in found:
            expect_found(code, results[scenario], part)
        for _, scenario, part in skipped:
            assert results[scenario]["result"] == "skipped" and part in results[scenario]["sentence"], results[scenario]
        assert code == (1 if found else 0), results
        print(f"found: {kind} that differs in the", check)


def careless_clients(work):
    def run(check, scenarios):
        return play_all(work, "client", "--exec", careless(check), *only(scenarios))

    check_careless("a client", run, CARELESS_CLIENTS, LENIENT_CLIENTS)


def clients(work):
    for what, command, scenario, part in CLIENTS:
        code, result = play(work, "client", "--prepare", SKS_PREPARE, "--exec", command, "--only", scenario)
        expect_found(code, result, part)
        print("found: a client that", what)


class Server:
    """An issuer of a script, with the mistake that it makes."""

    def __init__(self, work, script, mistake, *more):
        self.certificate, key = work / "tls.pem", work / "tls.key"
        if not self.certificate.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                            "-keyout", key, "-out", self.certificate], check=True, capture_output=True)
        self.process = subprocess.Popen([sys.executable, HERE / script, mistake, self.certificate, key, *more],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
        self.origin = f"https://localhost:{self.process.stdout.readline().strip()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def play(self, work, scenarios, *more):
        return play_all(work, "issuer", "--init", f"{self.origin}/keygen2?init=true", "--url", f"{self.origin}/keygen2",
                        "--ca", self.certificate, *only(scenarios), *more)


def issuers(work):
    for mistake, scenario, part in ISSUERS:
        with Server(work, "faulty_issuer.py", mistake) as server:
            code, results = server.play(work, [scenario])
        expect_found(code, results[scenario], part)
        print("found: an issuer with the mistake", mistake)


def careless_issuers(work):
    device_ca, anchor = work / "device-ca.pem", work / "anchor.pem"
    anchor.write_bytes(subprocess.run([KIT, "issuer", "--device-ca", device_ca, "--print-device-ca"], capture_output=True,
                                      check=True).stdout)

    def run(check, scenarios):
        with Server(work, "careless_issuer.py", check, anchor) as server:
            return server.play(work, scenarios, "--device-ca", device_ca)

    check_careless("an issuer", run, CARELESS_ISSUERS, LENIENT_ISSUERS)


def main():
    for test in (clients, issuers, careless_clients, careless_issuers):
        with tempfile.TemporaryDirectory() as work:
            test(pathlib.Path(work))


if __name__ == "__main__":
    main()
