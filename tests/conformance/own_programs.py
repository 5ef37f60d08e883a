"""Takes our own programs through every scenario of the kit, over HTTPS.

usage: own_programs.py client SKS_CONFORMANCE SKS
       own_programs.py issuer SKS_CONFORMANCE SKS_ISSUER
"""

import json
import pathlib
import shlex
import socket
import subprocess
import sys
import tempfile


PUK_POLICY = """[puk_policy]
format = "numeric"
length = 8
retry_limit = 3

"""

# What makes an issuer ask for capabilities and for discovery.
QUESTIONS = """[[capability]]
query = "device-pin-support"

[[capability]]
query = "rsa2048"
required = true

[[lookup]]
action = "delete"
filter = { app_usage = "signature" }

[[lookup]]
action = "refuse"

"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def play(work, *arguments, code=0):
    """Runs the kit, and shows its table unless it ends with this code. Gives the results by name."""
    report = work / "report.json"
    done = subprocess.run([*map(str, arguments), "--json", str(report), "--timeout", "600"], capture_output=True, encoding="utf-8", check=False)
    assert report.exists(), done.stderr
    results = {scenario["name"]: scenario for scenario in json.loads(report.read_text("utf-8"))["scenarios"]}
    assert done.returncode == code, done.stdout
    assert not done.stderr, done.stderr
    print(done.stdout)
    return results


def examine_client(work, kit, sks):
    sks = shlex.quote(sks)
    enroll = f"{sks} --store {{dir}}/store enroll --ca-file {{ca}} --pin-file {{pins}}"
    results = play(work, kit, "client",
                   "--prepare", f"{sks} --store {{dir}}/store init --name Conformance",
                   "--exec", f"{enroll} --yes {{url}}",
                   # Without a terminal nobody consents.
                   "--cancel-exec", f"{enroll} {{url}}")
    skipped = {name for name, scenario in results.items() if scenario["result"] == "skipped"}
    # What our software device does not have.
    assert skipped == {"client/keys/device-pin", "client/keys/biometric"}, skipped


class Issuer:
    """sks-issuer with two profiles, trusting the devices of the kit: one with RSA keys, that asks for everything; one with
    two keys of one kind and a PUK, that asks for nothing."""

    def __init__(self, work, kit, program):
        self.program, self.folder = program, work / "issuer"
        anchor = subprocess.run([kit, "issuer", "--device-ca", str(work / "device-ca.pem"), "--print-device-ca"],
                                capture_output=True, check=True).stdout
        (work / "anchor.pem").write_bytes(anchor)
        self.run("init", "--url", f"https://localhost:{free_port()}/keygen2", "--device-trust", f"ca:{work}/anchor.pem")
        profile = (self.folder / "profiles" / "pair.toml").read_text("utf-8")
        for name, tables, old, new in (("everything", QUESTIONS, "ec.nist.p256", "rsa2048"), ("two", PUK_POLICY, "rsa2048", "ec.nist.p256")):
            content = profile.replace(f'algorithm = "{old}"', f'algorithm = "{new}"')
            assert content.count(f'algorithm = "{new}"') == 2
            content = content.replace("\n[[pin_policy]]", "\n" + tables + "[[pin_policy]]", 1)
            (self.folder / "profiles" / f"{name}.toml").write_text(content, "utf-8")
        with open(work / "issuer.log", "w", encoding="utf-8") as log:
            self.server = subprocess.Popen([program, "serve", "--dir", str(self.folder)], stdout=subprocess.PIPE, stderr=log,
                                           encoding="utf-8")
        assert "listening" in self.server.stdout.readline()

    def run(self, command, *arguments):
        subprocess.run([self.program, command, "--dir", str(self.folder), *arguments], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()


def listed_issuer_scenarios(kit):
    table = subprocess.run([kit, "issuer", "--list"], capture_output=True, check=True, encoding="utf-8").stdout
    return [line for line in table.splitlines() if line.startswith("issuer/")]


def examine_issuer(work, kit, program):
    with Issuer(work, kit, program) as issuer:
        def play_profile(name, *only, action="{action}", code=0):
            ticket, order = (f"{shlex.quote(program)} {command} --dir {shlex.quote(str(issuer.folder))} {what}"
                             for command, what in (("ticket", f"--profile {name}"),
                                                   ("manage", f"--action {action} --fingerprint {{fingerprint}}")))
            results = play(work, kit, "issuer", "--ticket-command", ticket, "--order-command", order, "--ca", issuer.folder / "ca.pem",
                           "--device-ca", work / "device-ca.pem", *only, code=code)
            return {name: result["result"] for name, result in results.items()}

        # A clone takes a PIN that keys may share, which those of this profile do.
        results = play_profile("default", "--only", "issuer/orders")
        # Who does something else than was ordered is found out.
        for ordered, done in (("unlock", "delete"), ("delete", "unlock"), ("update", "clone"), ("clone", "update"),
                              ("unlock", "suspend")):
            name = f"issuer/orders/{ordered}"
            wrong = play_profile("default", "--only", name, action=done, code=1)
            assert wrong == {name: "failed"}, (wrong, done)
        others = [name for name in listed_issuer_scenarios(kit) if name not in results]
        results |= play_profile("everything", *(word for name in others for word in ("--only", name)))
        for name in ("two-keys-that-are-the-same", "key-on-another-curve", "key-not-on-its-curve"):
            results |= play_profile("two", "--only", f"issuer/i4-key-creation/{name}")
        results |= {f"{name} with a PUK": result for name, result in play_profile("two", "--only", "issuer/session").items()}
        # Every scenario is played with a profile for which it means something.
        assert set(results.values()) == {"passed"}, results
    # Each for its own reason, which only the issuer tells.
    log = (work / "issuer.log").read_text("utf-8")
    for reason in ("two entries have the same public key", "result=duplicate", "result=device", "result=time", "result=crypto"):
        assert reason in log, reason


def main():
    side, kit, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        {"client": examine_client, "issuer": examine_issuer}[side](pathlib.Path(work), kit, program)


if __name__ == "__main__":
    main()
