#!/usr/bin/env python3
"""The life of keys after they were issued: the real client with the real server over HTTPS.

usage: life_cycle_test.py SKS_ISSUER SKS
"""

import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

SKS = os.path.abspath(sys.argv.pop(2))
ISSUER = os.path.abspath(sys.argv.pop(1))
PATIENCE = 300
PIN = "246810"
SUBJECT = "CN=Jo Doe,O=Example"
PUK_POLICY = '[puk_policy]\nformat = "numeric"\nlength = 10\nretry_limit = 3\n\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def run(program, *arguments, check=True, stdin=None):
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          input=stdin, env=environment)
    if check and done.returncode != 0:
        raise AssertionError(f"{program} {arguments}: {done.stdout}{done.stderr}")
    return done


class Device:
    """A key store with an identity of its own."""

    def __init__(self, world, name):
        self.world, self.store = world, world.folder / name
        certificate = world.folder / (name + ".pem")
        run(SKS, "--store", self.store, "init", "--certificate-file", certificate)
        run(ISSUER, "register", "--dir", world.issuer, "--certificate", certificate)

    def enroll(self, link):
        return run(SKS, "--store", self.store, "enroll", "--yes", "--pin", PIN, "--ca-file",
                   self.world.issuer / "ca.pem", link, check=False)

    def keys(self):
        return json.loads(run(SKS, "--store", self.store, "list", "--json").stdout)

    def only_key(self):
        keys = self.keys()
        assert len(keys) == 1, keys
        return keys[0]["certificateFingerprint"]

    def is_suspended(self, key):
        shown = json.loads(run(SKS, "--store", self.store, "show", key, "--json").stdout)
        return shown["protection"]["suspended"]

    def sign(self, key, pin=PIN):
        return run(SKS, "--store", self.store, "sign", key, "--pin", pin, "--json", stdin="hello", check=False).returncode == 0


class LifeCycle(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        self.issuer = self.folder / "issuer"
        self.url = f"https://localhost:{free_port()}/keygen2"
        run(ISSUER, "init", "--dir", self.issuer, "--url", self.url)
        profile = self.issuer / "profiles" / "default.toml"
        profile.write_text(profile.read_text().replace("\n[[pin_policy]]", "\n" + PUK_POLICY + "[[pin_policy]]", 1))
        self.device = Device(self, "device")
        self.start()
        self.addCleanup(lambda: self.server.poll() is None and self.stop())
        enrolled = self.device.enroll(run(ISSUER, "ticket", "--dir", self.issuer, "--profile", "default", "--subject",
                                          SUBJECT).stdout.strip())
        self.assertEqual(enrolled.returncode, 0, enrolled.stderr)

    def start(self):
        self.log = open(self.folder / "log", "a+")
        self.server = subprocess.Popen([ISSUER, "serve", "--dir", self.issuer], stdout=subprocess.PIPE,
                                       stderr=self.log, text=True)
        self.assertIn("listening", self.server.stdout.readline())

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(PATIENCE), 0)
        self.server.stdout.close()
        self.log.close()

    def logged(self):
        return (self.folder / "log").read_text()

    def link(self, action, *naming):
        return run(ISSUER, "manage", "--dir", self.issuer, "--action", action, *naming).stdout.strip()

    def manage(self, action, key, device=None):
        return (device or self.device).enroll(self.link(action, "--fingerprint", key))

    def record(self, key, column):
        with sqlite3.connect(f"file:{self.issuer}/issuer.db?mode=ro", uri=True) as database:
            return database.execute(f"SELECT {column} FROM credentials WHERE fingerprint = ?", (key,)).fetchone()[0]

    def roll_over(self):
        before = self.logged().count("reloaded")
        said = run(ISSUER, "kmk", "roll-over", "--dir", self.issuer).stdout
        self.server.send_signal(signal.SIGHUP)
        wait_for(lambda: self.logged().count("reloaded") > before, "the reload")
        return said

    def test_operations(self):
        key = self.device.only_key()
        self.assertTrue(self.device.sign(key))
        self.assertEqual(self.manage("suspend", key).returncode, 0)
        self.assertTrue(self.device.is_suspended(key))
        self.assertFalse(self.device.sign(key))
        self.assertEqual(self.record(key, "status"), "issued")
        self.assertEqual(self.record(key, "key_suspended"), 1)
        self.assertEqual(self.manage("resume", key).returncode, 0)
        self.assertTrue(self.device.sign(key))

        self.assertEqual(self.manage("update", key).returncode, 0)
        after = self.device.only_key()
        self.assertNotEqual(after, key)
        self.assertTrue(self.device.sign(after))
        self.assertEqual(self.record(key, "status"), "replaced")
        self.assertEqual(self.record(after, "replaces"), key)

        self.assertEqual(self.manage("clone", after).returncode, 0)
        clone = next(one["certificateFingerprint"] for one in self.device.keys()
                     if one["certificateFingerprint"] != after)
        self.assertTrue(self.device.sign(clone))
        for _ in range(3):
            self.assertFalse(self.device.sign(after, "000000"))
        self.assertFalse(self.device.sign(clone))
        self.assertEqual(self.manage("unlock", clone).returncode, 0)
        self.assertTrue(self.device.sign(after))

        device = run(SKS, "--store", self.device.store, "device").stdout.split()
        fingerprint = next(word for word in device if len(word) == 64)
        deleted = self.device.enroll(self.link("delete", "--device", fingerprint, "--subject", SUBJECT))
        self.assertEqual(deleted.returncode, 0, deleted.stderr)
        self.assertEqual(self.device.keys(), [])
        self.assertEqual(self.record(after, "status"), "removed")
        self.assertEqual(self.record(clone, "status"), "removed")

    def test_refusals(self):
        key = self.device.only_key()
        for arguments, sentence in [
            (("--action", "renew", "--fingerprint", key), "--action is one of unlock, delete"),
            (("--action", "unlock"), "name one credential by its fingerprint"),
            (("--action", "unlock", "--fingerprint", "0" * 64), "there is no credential"),
            (("--action", "unlock", "--fingerprint", "12"), "fingerprint"),
        ]:
            refused = run(ISSUER, "manage", "--dir", self.issuer, *arguments, check=False)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn(sentence, refused.stderr)
            self.assertEqual(refused.stderr.count("\n"), 1)
        self.assertEqual(run(ISSUER, "kmk", "over", "--dir", self.issuer, check=False).returncode, 1)

        other = Device(self, "other")
        self.assertIn("reason=other-device", self.manage("delete", key, other).stderr)
        late = self.link("update", "--fingerprint", key)
        lost = self.link("unlock", "--fingerprint", key)
        run(ISSUER, "suspend", "--dir", self.issuer, "--fingerprint", key)
        self.assertIn("reason=credential-state", self.device.enroll(late).stderr)
        run(SKS, "--store", self.device.store, "delete", key, "--yes")
        self.assertIn("reason=key-missing", self.device.enroll(lost).stderr)

    def test_roll_over(self):
        key = self.device.only_key()
        self.assertEqual(self.record(key, "kmk_generation"), 1)
        self.assertIn("key management key 2", self.roll_over())
        for _ in range(3):
            self.assertFalse(self.device.sign(key, "000000"))
        self.assertEqual(self.manage("unlock", key).returncode, 0)
        self.assertTrue(self.device.sign(key))
        self.assertEqual(self.record(key, "kmk_generation"), 2)
        self.roll_over()
        self.assertIn("key management key 4", self.roll_over())
        self.assertEqual(self.manage("update", key).returncode, 0)
        after = self.device.only_key()
        self.assertEqual(self.record(after, "kmk_generation"), 4)
        self.assertTrue(self.device.sign(after))
        # A server that lacks one of the keys would lose what stands under it.
        self.stop()
        last = self.issuer / "keys" / "kmk-4.key"
        last.rename(self.folder / "away")
        refused = run(ISSUER, "serve", "--dir", self.issuer, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("keys/kmk-4.key is missing", refused.stderr)
        (self.folder / "away").rename(last)
        self.start()
        self.assertEqual(self.manage("delete", after).returncode, 0)
        self.assertEqual(self.device.keys(), [])

    def test_puk(self):
        key = self.device.only_key()
        shown = run(ISSUER, "puk", "--dir", self.issuer, "--fingerprint", key).stdout.strip()
        self.assertRegex(shown, "^[0-9]{10}$")
        refused = run(ISSUER, "puk", "--dir", self.issuer, "--fingerprint", key, check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("was shown to operator at", refused.stderr)
        # The key that takes its place keeps PIN and PUK.
        self.assertEqual(self.manage("update", key).returncode, 0)
        after = self.device.only_key()
        again = ("puk", "--dir", self.issuer, "--fingerprint", after)
        self.assertEqual(run(ISSUER, *again, check=False).returncode, 1)
        self.assertEqual(run(ISSUER, *again, "--again").stdout.strip(), shown)
        audit = run(ISSUER, "audit", "export", "--dir", self.issuer, "--json").stdout
        shows = [(entry["action"], entry["result"], entry["detail"].split(": ")[0])
                 for entry in map(json.loads, audit.splitlines()) if entry.get("action", "").startswith("puk")]
        # Each command has a chain of its own.
        self.assertEqual(sorted(shows), sorted([
            ("puk", "ok", f"credential {key}"), ("puk", "refused", f"credential {key}"),
            ("puk", "refused", f"credential {after}"), ("puk-again", "ok", f"credential {after}")]))
        self.assertNotIn(shown, audit)
        self.assertNotIn(shown, self.logged())


if __name__ == "__main__":
    unittest.main(verbosity=2)
