#!/usr/bin/python3
"""Runs sks-issuer as an operator does, and as hostile clients see it: metrics, health, reload, drain, limits, faults.

usage: operations_test.py SKS_ISSUER

Nothing here depends on how fast something is: the test waits for what has to come, up to some minutes.
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import issuer_process  # noqa: E402
from issuer_process import PATIENCE, Issuer, read_all, run, wait_for  # noqa: E402
from metrics_of_parts import OF_PARTS  # noqa: E402

ISSUER = issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))


class OperationsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def issuer(self, settings="", **options):
        made = Issuer(self.folder, settings)
        self.addCleanup(made.stop)
        made.start(**options)
        return made

    def test_metrics_are_what_prometheus_reads(self):
        issuer = self.issuer()
        self.assertEqual(issuer.get(issuer.ticket())[0], 200)
        self.assertEqual(issuer.get("/keygen2?ticket=x")[0], 302)
        self.assertEqual(issuer.get("/nothing")[0], 404)
        metrics = issuer.metrics()
        self.assertEqual(metrics["sks_issuer_sessions_started_total", ()], 1)
        self.assertEqual(issuer.metric("sessions_refused_total", reason="ticket-unknown"), 1)
        self.assertEqual(issuer.metric("http_requests_total", route="/keygen2", **{"class": "3xx"}), 1)
        self.assertEqual(issuer.metric("http_refused_total", status="404"), 1)
        self.assertEqual(issuer.metric("tls_handshakes_total", kind="full"), 3)
        self.assertGreater(issuer.metric("certificate_not_after_seconds", which="tls"), time.time())
        started = issuer.events("session-started")
        self.assertEqual([line["profile"] for line in started], ["default"])
        self.assertTrue(all(line["request"] for line in issuer.events("request")))

    def test_every_metric_has_somebody_who_counts(self):
        """A scenario that moves them all, but those of things that this test does not have."""
        issuer = self.issuer("connections = 25\nconnections_per_address = 20\nlogin_tries_per_minute = 1")
        self.assertEqual(issuer.get(issuer.ticket())[0], 200)
        issuer.get("/keygen2?ticket=x")
        issuer.get("/nothing")

        def is_limited():
            issuer.raw(b"POST /api/v1/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                       b"Content-Length: 13\r\nConnection: close\r\n\r\n{\"token\":\"x\"}")
            return issuer.metric("rate_limited_total", limit="login") >= 1

        wait_for(is_limited, "a login that is one too many")
        held = [socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE, source_address=(source, 0))
                for source in ("127.0.0.1", "127.0.0.2") for _ in range(40)]
        wait_for(lambda: issuer.metric("connections_closed_total", limit="address") >= 1, "a refused connection")
        wait_for(lambda: issuer.metric("connections_full_total") >= 1, "a connection that has to wait")
        self.assertGreaterEqual(issuer.metric("connections_open"), 1)
        for connection in held:
            connection.sendall(b"no TLS")
            connection.close()
        issuer.process.send_signal(signal.SIGHUP)
        wait_for(lambda: issuer.metric("reloads_total", result="ok") == 1, "a reload")
        ticket = issuer.ticket()
        resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        wait_for(lambda: issuer.get(ticket)[0] == 503, "a failed transaction")
        resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_for(lambda: issuer.metric("tls_handshake_failures_total", reason="protocol") >= 1, "a failed handshake")
        moved = {"sks_issuer_" + name for name in OF_PARTS} | {"sks_issuer_connections_open"}
        for (name, _), value in issuer.metrics().items():
            if value != 0:
                moved.add(re.sub("_(bucket|sum|count|created)$", "", name))
        status, text = issuer.ask("/metrics")
        self.assertEqual(status, 200)
        known = set(re.findall(r"^# TYPE (\S+) ", text, flags=re.MULTILINE))
        self.assertEqual(known - moved, set())
        self.assertEqual({"sks_issuer_" + name for name in OF_PARTS} - known, set())

    def test_operations_are_not_public(self):
        issuer = self.issuer()
        for path in ("/metrics", "/livez", "/readyz"):
            self.assertEqual(issuer.get(path)[0], 404)
            self.assertEqual(issuer.ask(path)[0], 200)
        self.assertEqual(issuer.ask("/keygen2")[0], 404)

    def test_a_reload_replaces_and_a_broken_one_does_not(self):
        issuer = self.issuer()
        kept = http.client.HTTPSConnection("localhost", issuer.port, context=issuer.tls(), timeout=PATIENCE)
        kept.request("GET", "/result")
        kept.getresponse().read()
        lines = len(issuer.config.read_text().splitlines())
        issuer.config.write_text(issuer.config.read_text() + "\n[nonsense]\n")
        there = hashlib.sha256(issuer.config.read_bytes()).hexdigest()
        issuer.process.send_signal(signal.SIGHUP)
        refused = wait_for(lambda: issuer.events("reload-refused"), "a refused reload")
        refusals = [f"issuer.toml {there}: {refused[0]['reason']}"]
        self.assertIn(f"issuer.toml:{lines + 2}:", refused[0]["reason"])
        self.assertEqual(issuer.metric("reloads_total", result="refused"), 1)
        self.assertEqual(issuer.get("/result")[0], 200)
        issuer.set("\n[nonsense]\n", "")
        profile = issuer.folder / "profiles" / "gold.toml"
        profile.write_text("nonsense = 1\n")
        # Somebody who asks again is refused again; the settings are those in force.
        for number in (1, 2):
            issuer.process.send_signal(signal.SIGHUP)
            refused = wait_for(lambda: issuer.events("reload-refused")[number:], "another refused reload")
            self.assertIn("gold.toml:1:", refused[0]["reason"])
            refusals.append(refused[0]["reason"])
        profile.unlink()
        issuer.set("session_starts_per_second = 100", "session_starts_per_second = 1")
        issuer.process.send_signal(signal.SIGHUP)
        wait_for(lambda: issuer.events("reloaded"), "a reload")
        export = run("audit", "export", "--dir", issuer.folder, "--json").stdout
        entries = [entry for entry in map(json.loads, export.splitlines()) if entry.get("action") == "reload"]
        digest = hashlib.sha256(issuer.config.read_bytes()).hexdigest()
        self.assertEqual([(entry["actor"], entry["result"], entry["detail"]) for entry in entries],
                         [("issuer", "refused", detail) for detail in refusals]
                         + [("issuer", "ok", f"issuer.toml {digest}, device trust open")])
        statuses = {issuer.get("/keygen2?ticket=x")[0] for _ in range(20)}
        wait_for(lambda: issuer.get("/keygen2?ticket=x")[0] == 429 or 429 in statuses, "the new limit")
        kept.request("GET", "/result")
        self.assertEqual(kept.getresponse().read().count(b"<html"), 1)
        kept.close()

    def shown_certificate(self, issuer):
        with issuer.connect() as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))

    def test_a_new_certificate_is_shown_whatever_is_wrong_with_other_files(self):
        issuer = self.issuer()
        before = self.shown_certificate(issuer)
        saved = self.folder + "/saved"
        shutil.copytree(issuer.folder, saved)
        run("renew", "tls", "--dir", saved)
        (issuer.folder / "credential-ca.pem").unlink()
        shutil.copy(saved + "/tls.pem", issuer.folder)
        wait_for(lambda: issuer.events("certificates-not-read"), "a minute that finds one file missing")
        wait_for(lambda: self.shown_certificate(issuer) != before, "the new certificate")
        self.assertEqual(self.shown_certificate(issuer).split(), (issuer.folder / "tls.pem").read_text().split())

    def test_another_url_takes_a_restart(self):
        issuer = self.issuer()
        issuer.set(f"localhost:{issuer.port}/keygen2", f"localhost:{issuer.port}/other")
        issuer.process.send_signal(signal.SIGHUP)
        refused = wait_for(lambda: issuer.events("reload-refused"), "a refused reload")
        self.assertIn("restart", refused[0]["reason"])
        self.assertEqual(issuer.get("/keygen2?ticket=x")[0], 302)

    def test_draining_finishes_what_has_begun(self):
        issuer = self.issuer("drain_seconds = 600")
        begun = issuer.connect()
        self.addCleanup(begun.close)
        begun.sendall(b"POST /keygen2 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        idle = issuer.connect()
        self.addCleanup(idle.close)
        # Known to the server only when the request has been read: another request behind it tells.
        wait_for(lambda: issuer.metric("connections_open") >= 2, "both connections")
        time.sleep(0.5)
        issuer.process.terminate()
        status, text = wait_for(lambda: (lambda answer: answer if answer[0] == 503 else None)(issuer.ask("/readyz")),
                                "a readiness of 503")
        self.assertEqual([row["name"] for row in json.loads(text)["checks"] if not row["ok"]], ["draining"])
        self.assertEqual(issuer.ask("/livez")[0], 200)
        self.assertEqual(read_all(idle), b"")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE)
        begun.sendall(b"}")
        answer = read_all(begun).decode()
        self.assertIn("302 Found", answer)
        self.assertIn("Connection: close", answer)
        self.assertEqual(issuer.process.wait(timeout=PATIENCE), 0)
        issuer.process.stdout.close()
        issuer.process = None

    def test_the_service_manager_is_told(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.settimeout(PATIENCE)
        self.addCleanup(manager.close)
        manager.bind(self.folder + "/notify")
        issuer = self.issuer(env={**os.environ, "NOTIFY_SOCKET": self.folder + "/notify"})
        self.assertEqual(manager.recv(1000), b"READY=1")
        issuer.process.send_signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(manager.recv(1000), b"READY=1")
        issuer.stop()
        self.assertEqual(manager.recv(1000), b"STOPPING=1")

    def test_a_resumed_session_keeps_the_certificate_and_its_checks(self):
        issuer = self.issuer()
        key, certificate = self.folder + "/k.pem", self.folder + "/c.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=Mallory", "-days", "1", "-keyout", key, "-out", certificate], check=True,
                       capture_output=True)
        seen = {}
        for name, files in (("stranger", (certificate, key)), ("nobody", None)):
            context = issuer.tls(files)
            context.maximum_version = ssl.TLSVersion.TLSv1_3
            session = None
            for _ in range(2):
                with issuer.connect(context, session) as connection:
                    connection.sendall(b"GET /whoami HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                    answer = read_all(connection).decode()
                    session = connection.session
                    seen.setdefault(name, []).append((connection.session_reused, answer.split("\r\n\r\n", 1)[1]))
        for name, sentence in (("stranger", "was not issued here"), ("nobody", "you came without one")):
            self.assertEqual([reused for reused, _ in seen[name]], [False, True], name)
            for _, body in seen[name]:
                self.assertIn(sentence, body)
        self.assertEqual(issuer.metric("tls_handshakes_total", kind="resumed"), 2)
        # Another process with the same keys takes the session up.
        context = issuer.tls()
        with issuer.connect(context) as connection:
            connection.sendall(b"GET /result HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            read_all(connection)
            session = connection.session
        issuer.stop()
        issuer.start()
        with issuer.connect(context, session) as connection:
            connection.sendall(b"GET /result HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            read_all(connection)
            self.assertTrue(connection.session_reused)
        # TLS 1.2 does not resume.
        context = issuer.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for _ in range(2):
            with issuer.connect(context, session) as connection:
                connection.sendall(b"GET /result HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                read_all(connection)
                session = connection.session
                self.assertFalse(connection.session_reused)

    def test_malformed_requests_have_their_status(self):
        issuer = self.issuer()
        head = b"GET /result HTTP/1.1\r\nHost: h\r\n"
        cases = (
            ("no HTTP", b"\x00\x01\x02\r\n\r\n", "400"),
            ("many headers", head + b"X: y\r\n" * 65 + b"\r\n", "400"),
            ("long header", head + b"X: " + b"y" * 20000 + b"\r\n\r\n", "400"),
            ("header without colon", head + b"nonsense\r\n\r\n", "400"),
            ("NUL in a header", head + b"X: \x00\r\n\r\n", "400"),
            ("no host", b"GET /result HTTP/1.1\r\n\r\n", "400"),
            ("two hosts", head + b"Host: i\r\n\r\n", "400"),
            ("long target", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n", "400"),
            ("announced body too large", b"POST /keygen2 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
             b"Content-Length: 99999999999\r\n\r\n", "413"),
            ("a body where none may be", head + b"Content-Length: 5\r\n\r\nhello", "413"),
        )
        answers = issuer.raw_at_once([data for _, data, _ in cases])
        for (name, _, status), answer in zip(cases, answers, strict=True):
            with self.subTest(name):
                self.assertEqual(answer.split(" ")[1:2], [status])
        self.assertEqual(issuer.get("/result")[0], 200)

    def test_requests_sent_ahead_are_answered_in_order_until_one_is_broken(self):
        issuer = self.issuer()
        ahead = b"GET /result HTTP/1.1\r\nHost: h\r\n\r\n" * 3 + b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n"
        one = b"GET /result HTTP/1.1\r\nHost: h\r\n\r\n"
        answers = issuer.raw_at_once([ahead + one, one + b"garbage\r\n\r\n" * 100])
        self.assertEqual([re.findall(r"HTTP/1.1 (\d+)", answer) for answer in answers],
                         [["200", "200", "200", "404"], ["200", "400"]])

    def test_a_connection_ends_after_its_requests(self):
        issuer = self.issuer("requests_per_connection = 2")
        answer = issuer.raw(b"GET /result HTTP/1.1\r\nHost: h\r\n\r\n" * 5)
        self.assertEqual(answer.count("HTTP/1.1 200"), 2)
        self.assertEqual(answer.count("Connection: close"), 1)

    def test_limits_on_connections_and_requests(self):
        issuer = self.issuer("connections_per_address = 20\nrequests_per_second_per_address = 5")
        held = [socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE) for _ in range(60)]
        wait_for(lambda: issuer.metric("connections_closed_total", limit="address") == 40, "40 refused connections")
        for connection in held:
            connection.close()
        wait_for(lambda: issuer.metric("connections_open") <= 1, "the end of the connections")
        answer = issuer.raw(b"GET /result HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        statuses = re.findall(r"HTTP/1.1 (\d+)", answer)
        self.assertEqual(statuses[-1], "429")
        self.assertIn("Retry-After", answer)
        self.assertGreaterEqual(issuer.metric("rate_limited_total", limit="address"), 1)

    def test_more_connections_than_there_may_be_wait(self):
        issuer = self.issuer("connections = 50")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        held = [socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE) for _ in range(300)]
        wait_for(lambda: issuer.metric("connections_open") >= 50, "50 connections")
        full = wait_for(lambda: issuer.events("connections-full"), "a line about it")
        self.assertEqual([line["connections"] for line in full], ["50"])
        self.assertGreaterEqual(issuer.metric("connections_full_total"), 1)
        for connection in held:
            connection.close()
        self.assertEqual(issuer.get("/result")[0], 200)
        self.assertIsNone(issuer.process.poll())

    def test_a_full_disk_is_503_and_passes(self):
        issuer = self.issuer()
        ticket = issuer.ticket()
        # The log goes on: only what the process writes beyond its present files is refused.
        resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        status, _, headers = issuer.get(ticket)
        self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_for(lambda: issuer.get(ticket)[0] == 200, "a session after the disk has room again")
        self.assertEqual(issuer.ask("/readyz")[0], 200)

    def test_the_server_outlives_whoever_reads_its_log(self):
        issuer = Issuer(self.folder)
        process = subprocess.Popen([ISSUER, "serve", "--dir", issuer.folder], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(process.stdout.readline().startswith("listening on"))
        process.stdout.close()
        process.stderr.close()
        for _ in range(3):
            self.assertEqual(issuer.get("/keygen2?ticket=x")[0], 302)
        self.assertEqual(issuer.metric("http_requests_total", route="/keygen2", **{"class": "3xx"}), 3)
        process.terminate()
        self.assertEqual(process.wait(timeout=PATIENCE), 0)

    def test_check_says_what_would_go_wrong(self):
        issuer = Issuer(self.folder)
        good = run("check", "--dir", issuer.folder)
        self.assertTrue(all(re.match("(ok|warning): ", line) for line in good.stdout.splitlines()), good.stdout)
        self.assertIn("profile default", good.stdout)
        run("kmk", "roll-over", "--dir", issuer.folder)
        operations = f'listen = "127.0.0.1:{issuer.operations}"'

        def sql(statement):
            with contextlib.closing(sqlite3.connect(issuer.folder / "issuer.db")) as database:
                database.execute(statement)
                database.commit()

        cases = (
            (lambda: issuer.config.write_text("url = 1\n"), "issuer.toml:1:"),
            (lambda: (issuer.folder / "profiles/default.toml").write_text("x = 1\n"), "default.toml:1:"),
            (lambda: (issuer.folder / "keys/kek").chmod(0o644), "chmod 600"),
            (lambda: (issuer.folder / "issuer.db").write_text("no database, but as long as a header of one" * 100),
             "issuer.db"),
            (lambda: (issuer.folder / "tls.pem").write_text("x"), "tls.pem"),
            (lambda: (issuer.folder / "keys/kmk.key").write_text("x"), "kmk.key"),
            (lambda: os.remove(issuer.folder / "keys/kmk-2.key"), "kmk-2.key is missing"),
            (lambda: (issuer.folder / "keys/audit.key").write_text("x"), "audit.key"),
            (lambda: sql("INSERT INTO schema_version VALUES ('from tomorrow')"), 'step "from tomorrow"'),
            (lambda: issuer.set(operations, 'listen = ":9443"'), "[operations] listen: an address"),
            (lambda: issuer.set('# listen = "0.0.0.0:8443"', 'listen = "[::1"'), "[server] listen: an address"),
            (lambda: issuer.set('# plain_listen = "127.0.0.1:8080"', 'plain_listen = "h:0"'),
             "[revocation] plain_listen: an address"),
        )
        saved = self.folder + "/saved"
        shutil.copytree(issuer.folder, saved)
        for break_it, part in cases:
            with self.subTest(part):
                break_it()
                done = run("check", "--dir", issuer.folder, check=False)
                self.assertEqual(done.returncode, 1)
                problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
                self.assertIn(part, "\n".join(problems))
                # Both say the same, and neither says it in passing.
                self.assertEqual(run("serve", "--dir", issuer.folder, check=False).returncode, 1)
            shutil.rmtree(issuer.folder)
            shutil.copytree(saved, issuer.folder)

    def test_disaster_and_recovery(self):
        issuer = self.issuer()
        passphrase = self.passphrase()
        file = self.folder + "/backup"
        before, used = issuer.ticket(), issuer.ticket()
        self.assertEqual(issuer.get(used)[0], 200)
        run("backup", "--dir", issuer.folder, file, "--passphrase-file", passphrase)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        again = run("backup", "--dir", issuer.folder, file, "--passphrase-file", passphrase, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("File exists", again.stderr)
        content = pathlib.Path(file).read_bytes()
        self.assertNotIn(b"session_starts_per_second", content)
        after = issuer.ticket()
        issuer.stop()
        exists = run("restore", "--dir", issuer.folder, file, "--passphrase-file", passphrase, check=False)
        self.assertIn("exists already", exists.stderr)
        os.rename(issuer.folder, self.folder + "/lost")

        for name, bad, part in (
            ("cut off", content[:-1], "damaged"),
            ("a block missing", content[:28] + content[28 + 1048592:], "damaged"),
            ("altered", content[:-20] + bytes([content[-20] ^ 1]) + content[-19:], "damaged"),
            ("not one", b"hello" * 100, "no backup"),
            ("newer", content[:8] + b"\x02" + content[9:], "newer"),
            ("costs", content[:9] + b"\x3f" + content[10:], "damaged"),
            ("empty", b"", "no backup"),
        ):
            with self.subTest(name):
                pathlib.Path(file).write_bytes(bad)
                done = run("restore", "--dir", issuer.folder, file, "--passphrase-file", passphrase, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(part, done.stderr)
                self.assertFalse(issuer.folder.exists() or os.path.exists(str(issuer.folder) + ".restoring"))
        pathlib.Path(file).write_bytes(content)
        passphrase.write_text("wrong\n")
        done = run("restore", "--dir", issuer.folder, file, "--passphrase-file", passphrase, check=False)
        self.assertIn("passphrase is wrong", done.stderr)
        passphrase.write_text("correct horse\n")

        run("restore", "--dir", issuer.folder, file, "--passphrase-file", passphrase)
        run("check", "--dir", issuer.folder)
        for path in issuer.folder.rglob("*"):
            there = pathlib.Path(self.folder) / "lost" / path.relative_to(issuer.folder)
            self.assertEqual(path.stat().st_mode, there.stat().st_mode, path)
        issuer.start()
        self.assertEqual(issuer.get(before)[0], 200)
        self.assertIn("ticket-used", issuer.get(used)[2]["Location"])
        self.assertIn("ticket-unknown", issuer.get(after)[2]["Location"])

    def passphrase(self):
        file = pathlib.Path(self.folder) / "passphrase"
        file.write_text("correct horse\n")
        file.chmod(0o600)
        return file

    @staticmethod
    def waits_for_lock(process):
        """Whether the kernel has a process waiting for a lock."""
        lines = pathlib.Path("/proc/locks").read_text().splitlines()
        return any("->" in line and str(process.pid) in line.split() for line in lines)

    def test_what_happens_while_a_backup_runs_tears_nothing(self):
        """The backup is held up behind the database and before the folder, as long as somebody renews."""
        issuer = self.issuer()
        passphrase = self.passphrase()
        lock = issuer.folder / "keys" / "renewal.lock"
        with open(lock, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            backup = subprocess.Popen([ISSUER, "backup", "--dir", issuer.folder, self.folder + "/backup",
                                       "--passphrase-file", passphrase], stdout=subprocess.DEVNULL)
            wait_for(lambda: backup.poll() is not None or self.waits_for_lock(backup), "a backup that waits")
            self.assertIsNone(backup.poll(), "the backup has not waited")
            run("kmk", "roll-over", "--dir", issuer.folder)
            text = (issuer.folder / "profiles/default.toml").read_text()
            (issuer.folder / "profiles/gold.toml").write_text(text)
        self.assertEqual(backup.wait(timeout=PATIENCE), 0)
        run("restore", "--dir", self.folder + "/again", self.folder + "/backup", "--passphrase-file", passphrase)
        self.assertIn("generation 2", run("check", "--dir", self.folder + "/again").stdout)
        run("ticket", "--dir", self.folder + "/again", "--profile", "gold")

    @unittest.skipUnless(os.geteuid() == 0, "takes root")
    def test_the_lock_that_a_backup_of_root_makes_is_the_servers(self):
        issuer = Issuer(self.folder)
        os.chown(issuer.folder / "keys", 12345, 12346)
        run("backup", "--dir", issuer.folder, self.folder + "/backup", "--passphrase-file", self.passphrase())
        made = (issuer.folder / "keys" / "renewal.lock").stat()
        self.assertEqual((made.st_uid, made.st_gid, made.st_mode & 0o777), (12345, 12346, 0o600))

    def test_a_database_that_somebody_else_holds_is_no_backup(self):
        issuer = Issuer(self.folder)
        file = pathlib.Path(self.folder) / "backup"
        with contextlib.closing(sqlite3.connect(issuer.folder / "issuer.db")) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("INSERT INTO schema_version VALUES ('x')")
            done = run("backup", "--dir", issuer.folder, file, "--passphrase-file", self.passphrase(), check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("issuer.db: database is locked", done.stderr)
        self.assertFalse(file.exists())

    def test_a_backup_leaves_nothing_in_clear_not_even_while_it_runs(self):
        issuer = self.issuer()
        passphrase = self.passphrase()
        with sqlite3.connect(issuer.folder / "issuer.db") as database:
            database.execute("CREATE TABLE ballast (content BLOB)")
            database.execute("INSERT INTO ballast VALUES (randomblob(100000000))")
        database.close()
        there = pathlib.Path(self.folder) / "there"
        there.mkdir()
        running = subprocess.Popen([ISSUER, "backup", "--dir", issuer.folder, there / "backup", "--passphrase-file",
                                    passphrase], stdout=subprocess.PIPE)
        while running.poll() is None:
            for file in there.iterdir():
                try:
                    if file.name != "backup":
                        self.assertEqual(file.stat().st_size, 0, file)
                except FileNotFoundError:
                    pass
        running.stdout.close()
        self.assertEqual(running.returncode, 0)
        self.assertEqual([file.name for file in there.iterdir()], ["backup"])
        run("restore", "--dir", self.folder + "/again", there / "backup", "--passphrase-file", passphrase)
        with sqlite3.connect(self.folder + "/again/issuer.db") as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("SELECT length(content) FROM ballast").fetchall(), [(100000000,)])
        database.close()

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
    def test_the_unit_is_one_that_systemd_accepts(self):
        source = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "systemd" / "sks-issuer.service.in"
        unit = pathlib.Path(self.folder) / "sks-issuer.service"
        text = source.read_text().replace("@CMAKE_INSTALL_FULL_BINDIR@/sks-issuer", ISSUER)
        unit.write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=PATIENCE)
        about_us = [line for line in done.stderr.splitlines() if "sks-issuer" in line]
        self.assertEqual((done.returncode, about_us), (0, []), done.stderr)
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout[-400:] + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
