#!/usr/bin/python3
"""sks-issuer while the world around it fails: database, disk, clock, configuration.

usage: faults_test.py SKS_ISSUER CLUSTER_CLIENT

For each fault: a status that tells clients to come again, one line in the log, a metric; and an honest client, which
has begun before and repeats what was not answered, gets its key. Nothing depends on how fast something is.
"""

import contextlib
import glob
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "postgresql")]
import honest_client  # noqa: E402
import issuer_process  # noqa: E402
from honest_client import HonestClient  # noqa: E402
from issuer_process import PATIENCE, Issuer, run, wait_for  # noqa: E402
from server import Server  # noqa: E402

honest_client.PROGRAM = os.path.abspath(sys.argv.pop(2))
issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))

OUTAGE = 30  # seconds
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


@contextlib.contextmanager
def surroundings(environment):
    """Of the programs that are run meanwhile."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class FaultsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def issuer(self, folder=None, database="", settings="", **options):
        made = Issuer(folder or self.folder, settings, database)
        self.addCleanup(made.stop)
        made.start(**options)
        return made

    def check_outage(self, issuer, begin, end, seconds=0.0):
        """The database goes away, stays so for some seconds, and comes back."""
        ticket, unused = issuer.make_ticket(), issuer.ticket()
        self.assertEqual(len(HonestClient(issuer).fingerprints()), 1)
        began = time.monotonic()
        begin()
        honest = HonestClient(issuer, ticket)
        status, _, headers = wait_for(
            lambda: (lambda answer: answer if answer[0] == 503 else None)(issuer.get(unused)), "an answer of 503")
        self.assertEqual(headers["Retry-After"], "1")
        wait_for(lambda: issuer.events("outage"), "a line about the outage")
        # What can still be read does not end it.
        for _ in range(2):
            issuer.ask("/readyz")
            self.assertEqual(issuer.get(unused)[0], 503)
        while time.monotonic() - began < seconds:
            self.assertEqual(issuer.ask("/livez")[0], 200)
            time.sleep(1)
        failures = issuer.metric("database_errors_total", reason="unavailable")
        self.assertGreaterEqual(failures, 1)
        # However many requests fail meanwhile, the log says it once.
        self.assertEqual([line["what"] for line in issuer.events("outage")], ["database"])
        self.assertEqual(issuer.events("request-failed"), [])
        end()
        self.assertEqual(len(honest.fingerprints()), 1)
        wait_for(lambda: issuer.events("outage-over"), "the end of the outage")
        wait_for(lambda: issuer.ask("/readyz")[0] == 200, "a server that is ready")
        self.assertEqual(len(HonestClient(issuer).fingerprints()), 1)
        self.assertIsNone(issuer.process.poll())
        self.check_nothing_is_lost(issuer)

    def check_nothing_is_lost(self, issuer):
        issuer.stop()
        self.assertEqual(run("audit", "verify", "--dir", issuer.folder).returncode, 0)

    def test_postgresql_is_away(self):
        with Server() as database:
            issuer = self.issuer(database=database.url())

            def away():
                database.stop()
                status, text = wait_for(
                    lambda: (lambda answer: answer if answer[0] == 503 else None)(issuer.ask("/readyz")), "a 503")
                self.assertEqual([row["name"] for row in json.loads(text)["checks"] if not row["ok"]], ["database"])

            self.check_outage(issuer, away, database.start, OUTAGE)

    def test_sqlite_is_locked(self):
        issuer = self.issuer()
        blocker = sqlite3.connect(issuer.folder / "issuer.db", isolation_level=None, timeout=PATIENCE)
        self.addCleanup(blocker.close)
        self.check_outage(issuer, lambda: blocker.execute("BEGIN IMMEDIATE"), lambda: blocker.execute("ROLLBACK"))

    def test_the_disk_is_full(self):
        """A file system of its own where that may be mounted, else files that may not grow."""
        disk = pathlib.Path(self.folder) / "disk"
        disk.mkdir()
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk],
                                                       capture_output=True).returncode == 0
        if mounted:
            self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        folder = disk if mounted else self.folder
        issuer = self.issuer(folder)
        issuer.stop()
        # The log is elsewhere, as a service manager has it.
        issuer.log = pathlib.Path(self.folder) / "log"
        issuer.start()
        ballast = disk / "ballast"

        def fill():
            if not mounted:
                return resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            with open(ballast, "wb", buffering=0) as file:
                size = 1 << 20
                while size:
                    try:
                        file.write(b"\0" * size)
                    except OSError:
                        size //= 2
            return None

        def clear():
            if mounted:
                ballast.unlink()
            else:
                resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE,
                                 (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        self.check_outage(issuer, fill, clear)

    def test_the_configuration_is_broken_on_reload(self):
        issuer = self.issuer()
        honest = HonestClient(issuer, count=20)
        good = issuer.config.read_bytes()
        pieces = (b"", b"\0" * 1000, good[:good.index(b'database = "') + 14], os.urandom(4000), b"[[[[", good + b"\nlisten = \"\n")
        for number, content in enumerate(pieces):
            issuer.config.write_bytes(content)
            issuer.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(issuer.events("reload-refused")) == number + 1, "a refused reload")
        for line in issuer.events("reload-refused"):
            self.assertIn("issuer.toml", line["reason"])
        self.assertEqual(issuer.metric("reloads_total", result="refused"), len(pieces))
        self.assertEqual(len(honest.fingerprints()), 20)
        issuer.config.write_bytes(good)
        issuer.process.send_signal(signal.SIGHUP)
        wait_for(lambda: issuer.events("reloaded"), "a reload")
        self.assertEqual(len(HonestClient(issuer).fingerprints()), 1)
        self.check_nothing_is_lost(issuer)

    @unittest.skipUnless(FAKETIME, "libfaketime is not installed")
    def test_the_clock_jumps(self):
        offset = pathlib.Path(self.folder) / "offset"

        def jump(text):
            beside = pathlib.Path(self.folder) / "next"
            beside.write_text(text + "\n")
            beside.rename(offset)

        # The sanitizer wants to be the first library, and does not have to be.
        environment = {**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": str(offset),
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
                       "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        # In a world two days behind, whose issuer is a day old: its certificates are valid before and after the jumps.
        jump("-72h")
        with surroundings(environment):
            issuer = Issuer(self.folder)
        self.addCleanup(issuer.stop)
        jump("-48h")
        issuer.start(env=environment)
        begun, sessions = [], 0
        for hours in (-48, -45, -50, -48):
            with self.subTest(hours):
                jump(f"{hours}h")
                # The library looks at its file every second.
                wait_for(lambda: self.is_off_by(issuer, hours), "the jump")
                # A session that began before the jump has expired or goes on, and ends properly in any case.
                for ticket in begun:
                    status, _, headers = issuer.get(ticket)
                    self.assertIn((status, headers.get("Location", "").rpartition("reason=")[2]),
                                  ((302, "ticket-used"), (302, "ticket-expired")))
                with surroundings(environment):
                    ticket, begun = issuer.make_ticket(), [issuer.ticket()]
                self.assertEqual(len(HonestClient(issuer, ticket, env=environment).fingerprints()), 1)
                self.assertEqual(issuer.get(begun[0])[0], 200)
                self.assertEqual(issuer.ask("/readyz")[0], 200)
                sessions += 2
                with surroundings(environment):
                    run("audit", "verify", "--dir", issuer.folder)
        wait_for(lambda: issuer.events("clock-set-back"), "a line about the clock")
        self.assertEqual(issuer.metric("sessions_started_total"), sessions)
        self.assertIsNone(issuer.process.poll())
        issuer.stop()
        with surroundings(environment):
            self.assertIn("note: the clock of node ", run("audit", "verify", "--dir", issuer.folder).stdout)

    @staticmethod
    def is_off_by(issuer, hours):
        """By the time of its newest line in the log."""
        issuer.get("/result")
        stamp = issuer.events("request")[-1]["time"]
        there = time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        return abs(there - time.time() - 3600 * hours) < 600


if __name__ == "__main__":
    unittest.main(verbosity=2)
