#!/usr/bin/python3
"""Drives the metrics of the parts that not every issuer has, each at /metrics of a running sks-issuer: the REST API,
clients of KeyGen2, a token, PostgreSQL, a device CA.

usage: parts_metrics_test.py SKS_ISSUER CLUSTER_CLIENT

The last test is that none was forgotten. Nothing depends on how fast something is.
"""

import contextlib
import fcntl
import glob
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = pathlib.Path(HERE).parents[1]
sys.path[:0] = [HERE, os.path.join(HERE, "hostile"), os.path.join(HERE, "postgresql")]
import honest_client  # noqa: E402
import issuer_process  # noqa: E402
from honest_client import HonestClient  # noqa: E402
from issuer_process import PATIENCE, Issuer, run, wait_for  # noqa: E402
from metrics_of_parts import OF_PARTS  # noqa: E402
from server import Server  # noqa: E402

honest_client.PROGRAM = os.path.abspath(sys.argv.pop(2))
issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "12345678"
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def openssl(*arguments, **options):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE, **options)


@contextlib.contextmanager
def busy_token(folder):
    """SoftHSM waits for the locks of its files, so whoever holds them holds it up."""
    files = [open(name, "r+b") for name in glob.glob(f"{folder}/*/*.lock") + glob.glob(f"{folder}/*/generation")]
    assert files, "a token has files"
    try:
        for file in files:
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield
    finally:
        for file in files:
            file.close()


class PartsTest(unittest.TestCase):
    driven = set()

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def issuer(self, **options):
        made = Issuer(self.folder, **options)
        self.addCleanup(made.stop)
        return made

    def drive(self, issuer, name, expected, **labels):
        """Waits until the metric has the value, or is one that `expected` accepts."""
        accepts = expected if callable(expected) else lambda value: value == expected
        wait_for(lambda: accepts(issuer.metric(name, **labels)), f"{name} {labels}")
        self.driven.add(re.sub("_(bucket|sum|count)$", "", name))

    def test_clients_and_administration(self):
        issuer = self.issuer()
        issuer.start()
        names = ("tickets_created_total", "credentials_revoked_total", "sessions_finished_total",
                 "credentials_issued_total", "sessions_expired_total")
        self.assertEqual([issuer.metric(name) for name in names], [0] * len(names))
        token = run("account", "add", "--dir", issuer.folder, "--name", "op", "--roles", "operator,officer",
                    "--token").stdout.strip()

        def call(path, body):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            return issuer.get("/api/v1" + path, "POST", json.dumps(body), headers)

        self.assertEqual([call("/tickets", {"profile": "default"})[0] for _ in range(3)], [201] * 3)
        self.assertEqual(call("/tickets", {"profile": "none"})[0] // 100, 4)
        self.drive(issuer, "tickets_created_total", 3)
        # The pair makes two keys, and the process that makes the ticket is another one.
        shutil.copy(issuer.folder / "profiles/pair.toml", issuer.folder / "profiles/default.toml")
        one, _ = HonestClient(issuer).fingerprints()
        self.drive(issuer, "sessions_finished_total", 1)
        self.drive(issuer, "credentials_issued_total", 2)
        self.assertEqual(call(f"/credentials/{one}/revoke", {"reason": "keyCompromise"})[0], 200)
        self.assertEqual(call(f"/credentials/{one}/revoke", {"reason": "keyCompromise"})[0] // 100, 4)
        self.drive(issuer, "credentials_revoked_total", 1)
        self.assertEqual(issuer.get(issuer.ticket())[0], 200)
        with sqlite3.connect(issuer.folder / "issuer.db", timeout=PATIENCE) as database:
            database.execute("UPDATE sessions SET expires = 1 WHERE phase = 'invocation'")
        database.close()
        self.drive(issuer, "sessions_expired_total", 1)  # within a minute

    def test_a_server_that_drains(self):
        issuer = self.issuer(settings="drain_seconds = 600")
        issuer.start()
        begun = issuer.connect()
        self.addCleanup(begun.close)
        begun.sendall(b"POST /keygen2 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        wait_for(lambda: issuer.metric("connections_open") >= 1, "the connection")
        time.sleep(0.5)  # for the header to be read
        self.assertEqual(issuer.metric("draining"), 0)
        issuer.process.terminate()
        self.drive(issuer, "draining", 1)
        begun.sendall(b"}")
        self.assertEqual(issuer.process.wait(timeout=PATIENCE), 0)

    def token(self, issuer):
        """The key of the credential CA moves into SoftHSM."""
        tokens = pathlib.Path(self.folder) / "tokens"
        tokens.mkdir()
        (tokens.parent / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        environment = {**os.environ, "SOFTHSM2_CONF": str(tokens.parent / "softhsm2.conf")}
        for command in (["softhsm2-util", "--init-token", "--free", "--label", "issuer", "--so-pin", "0000", "--pin", PIN],
                        ["pkcs11-tool", "--module", MODULE, "--token-label", "issuer", "--login", "--pin", PIN,
                         "--keypairgen", "--key-type", "EC:secp256r1", "--label", "ca", "--id", "01"]):
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, env=environment)
        pin = issuer.folder / "keys" / "pin"
        pin.write_text(PIN)
        pin.chmod(0o600)
        issuer.set('key = "file"', f'key = "pkcs11"\nmodule = "{MODULE}"\ntoken_label = "issuer"\nkey_label = "ca"\n'
                                   'pin_file = "keys/pin"\ntimeout_seconds = 3')
        run("renew", "credential-ca", "--new-key", "--dir", issuer.folder, env=environment)
        return tokens, environment

    def test_a_token(self):
        issuer = self.issuer()
        tokens, environment = self.token(issuer)
        issuer.start(env=environment)
        self.assertEqual(len(HonestClient(issuer).fingerprints()), 1)
        self.drive(issuer, "authority_sign_seconds_count", lambda value: value >= 1)
        self.assertEqual(issuer.metric("authority_queue_length"), 0)
        with busy_token(tokens):
            waiting = HonestClient(issuer, count=6)
            self.drive(issuer, "authority_queue_length", lambda value: value >= 1)
            self.drive(issuer, "authority_refused_total", lambda value: value >= 1, reason="unavailable")
        self.assertEqual(len(waiting.fingerprints()), 6)
        self.drive(issuer, "authority_queue_length", 0)

    def test_postgresql(self):
        with Server() as server:
            issuer = self.issuer(database=server.url())
            issuer.start()
            self.addCleanup(issuer.stop)
            ticket = issuer.ticket()
            self.assertEqual(issuer.metric("database_repeats_total"), 0)
            holder = subprocess.Popen(
                [f"{server.programs}/psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", server.url()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            holder.stdin.write("BEGIN; UPDATE tickets SET creator = creator; SELECT 'held';\n")
            holder.stdin.flush()
            self.assertEqual(holder.stdout.readline(), "held\n")
            answers = []
            asking = threading.Thread(target=lambda: answers.append(issuer.get(ticket)[0]))
            asking.start()
            wait_for(lambda: server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1",
                     "a transaction that waits for the row")
            holder.communicate("COMMIT;\n", timeout=PATIENCE)
            asking.join(PATIENCE)
            self.assertEqual(answers, [200])
            self.drive(issuer, "database_repeats_total", lambda value: value >= 1)
            issuer.stop()

    def test_a_device_authority(self):
        issuer = self.issuer()
        config = issuer.folder / "issuer.toml"
        issuer.set('device_trust = "open"', 'device_trust = "ca"')
        text = config.read_text()
        for name, is_signed in (("good", True), ("bad", False)):
            files = [issuer.folder / f"{name}.{end}" for end in ("key", "pem", "crl")]
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", files[0], "-out", files[1])
            text += (f'\n[[device_ca]]\nname = "{name}"\nfile = "{name}.pem"\nrevocation = "required"\n'
                     f'crl = ["{name}.crl"]\n')
            if not is_signed:
                files[2].write_text("no list")
                continue
            (issuer.folder / "index").write_text("")
            (issuer.folder / "ca.cnf").write_text("[ca]\ndefault_ca = d\n[d]\ndatabase = index\ndefault_md = sha256\n")
            openssl("ca", "-config", "ca.cnf", "-gencrl", "-crldays", "20", "-keyfile", files[0], "-cert", files[1], "-out",
                    files[2], cwd=issuer.folder)
        config.write_text(text)
        issuer.start()
        due = subprocess.run(["openssl", "crl", "-in", issuer.folder / "good.crl", "-noout", "-nextupdate", "-dateopt",
                              "iso_8601"], capture_output=True, text=True, check=True).stdout.strip().split("=")[1]
        seconds = subprocess.run(["date", "-u", "-d", due, "+%s"], capture_output=True, text=True, check=True).stdout
        self.drive(issuer, "device_crl_next_update_seconds", int(seconds), ca="good")
        self.drive(issuer, "device_crl_refused_total", 1, reason="device-crl-not-read")

    def test_a_certificate_that_is_due(self):
        # The sanitizer wants to be the first library, and does not have to be.
        past = {"LD_PRELOAD": FAKETIME[0], "FAKETIME": "-600d", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        with unittest.mock.patch.dict(os.environ, past):
            issuer = self.issuer()  # two thirds of 825 days are over by now

        def on_record():
            export = run("audit", "export", "--dir", issuer.folder, "--json").stdout
            rows = [entry for entry in map(json.loads, export.splitlines()) if entry.get("action") == "renew"]
            return sorted((row["actor"], row["result"], row["detail"].split(" ")[0]) for row in rows)

        def failures(count):
            self.drive(issuer, "certificate_renewals_total", lambda value: value >= count, result="failed")
            self.assertGreaterEqual(len(issuer.events("tls-certificate-not-renewed")), count)
            self.assertEqual(on_record(), [("issuer", "failed", "tls")])

        key, away = issuer.folder / "keys" / "tls-ca.key", issuer.folder / "away"
        key.rename(away)
        issuer.start()
        failures(1)
        # Then the certificate cannot be written, which is where the new file would be.
        in_the_way = issuer.folder / f"tls.pem.new-{issuer.process.pid}"
        in_the_way.mkdir()
        away.rename(key)
        failures(2)
        self.assertIn("tls.pem", issuer.events("tls-certificate-not-renewed")[-1]["reason"])
        in_the_way.rmdir()
        self.drive(issuer, "certificate_renewals_total", 1, result="ok")
        self.assertEqual(on_record(), [("issuer", "failed", "tls"), ("issuer", "ok", "tls")])

    def test_zz_none_was_forgotten(self):
        """Runs behind the others: they are in the order of their names."""
        self.assertEqual(OF_PARTS - self.driven, set())

    def test_documents_name_metrics_that_are_there(self):
        issuer = self.issuer()
        issuer.start()
        status, text = issuer.ask("/metrics")
        self.assertEqual(status, 200)
        known = set(re.findall(r"^# TYPE sks_issuer_(\S+) ", text, flags=re.MULTILINE))
        self.assertGreater(len(known), 20)
        named = set()
        for file in (SOURCE / "docs/issuers").glob("*.md"):
            content = file.read_text()
            named |= set(re.findall(r"\bsks_issuer_([a-z_]*[a-z])\b", content))
            named |= set(re.findall(r"`(?:sks_issuer_)?([a-z_]+_total)\b", content))
        self.assertIn("device_crl_next_update_seconds", named)
        self.assertEqual(named - known, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
