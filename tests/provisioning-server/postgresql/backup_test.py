#!/usr/bin/python3
"""sks-issuer backup and restore where the database is PostgreSQL: the folder by the program, the database by pg_dump.

usage: backup_test.py SKS_ISSUER CLUSTER_CLIENT
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "hostile")]
import honest_client  # noqa: E402
import issuer_process  # noqa: E402
from honest_client import HonestClient  # noqa: E402
from issuer_process import PATIENCE, Issuer, run  # noqa: E402
from server import Server  # noqa: E402

honest_client.PROGRAM = os.path.abspath(sys.argv.pop(2))
issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))

TABLES = ("tickets", "sessions", "credentials", "audit", "audit_checkpoints", "devices")


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.passphrase = self.folder / "passphrase"
        self.passphrase.write_text("correct horse\n")
        self.passphrase.chmod(0o600)
        self.file = self.folder / "backup"

    def issuer(self):
        made = Issuer(self.folder, database=self.server.url())
        self.addCleanup(made.stop)
        profile = made.folder / "profiles" / "default.toml"
        text = profile.read_text()
        for line in ("[puk_policy]", 'format = "numeric" ', "length = 8", "retry_limit = 3 "):
            self.assertIn("\n# " + line, text)
            text = text.replace("\n# " + line, "\n" + line)
        profile.write_text(text)
        made.start()
        return made

    def program(self, name, *arguments):
        """One of PostgreSQL, as docs/issuers/database.md calls it."""
        done = subprocess.run([os.path.join(self.server.programs, name), *arguments], capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)

    def save(self, issuer, check=True):
        return run("backup", "--dir", issuer.folder, self.file, "--passphrase-file", self.passphrase, check=check)

    def restore(self, issuer, check=True):
        return run("restore", "--dir", issuer.folder, self.file, "--passphrase-file", self.passphrase, check=check)

    def counts(self):
        return {table: self.server.sql(f"SELECT count(*) FROM {table}") for table in TABLES}

    def test_disaster_and_recovery(self):
        issuer = self.issuer()
        before, used, late = issuer.make_ticket(), issuer.ticket(), issuer.ticket()
        self.assertEqual(issuer.get(used)[0], 200)
        fingerprint, = HonestClient(issuer).fingerprints()
        puk = run("puk", "--dir", issuer.folder, "--fingerprint", fingerprint).stdout
        self.assertRegex(puk, r"^[0-9]{8}\n$")
        self.assertEqual(issuer.get(late)[0], 200)
        dump = str(self.folder / "issuer.dump")
        self.program("pg_dump", "--format=custom", f"--file={dump}", self.server.url())
        # Behind the backup of the database and before that of the folder: the ticket is lost, the key is not.
        after = issuer.ticket()
        run("kmk", "roll-over", "--dir", issuer.folder)
        saved = self.save(issuer)
        self.assertIn("note: the database is not in the backup: save it with pg_dump before the folder", saved.stdout)
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertNotIn(b"postgresql://", self.file.read_bytes())
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["backup", "issuer", "issuer.dump", "log", "passphrase"])
        issuer.stop()
        counts = self.counts()
        shutil.rmtree(issuer.folder)
        self.server.sql("DROP DATABASE sks", database="postgres")
        self.server.sql("CREATE DATABASE sks", database="postgres")

        restored = self.restore(issuer)
        self.assertIn("note: the database is not in the backup: restore it with pg_restore", restored.stdout)
        # The folder alone is no issuer yet, and the program says which half is missing.
        missing = run("check", "--dir", issuer.folder, check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("schema_version", missing.stdout)

        self.program("pg_restore", "--clean", "--if-exists", f"--dbname={self.server.url()}", dump)
        counts["tickets"] = str(int(counts["tickets"]) - 1)  # the one behind the dump
        counts["audit"] = str(int(counts["audit"]) - 2)  # what tells of it and of the key
        found = self.counts()
        # A checkpoint may come at any time.
        self.assertLessEqual(int(found.pop("audit_checkpoints")), int(counts.pop("audit_checkpoints")))
        self.assertEqual(found, counts)
        run("check", "--dir", issuer.folder)
        run("audit", "verify", "--dir", issuer.folder)
        again = run("puk", "--dir", issuer.folder, "--fingerprint", fingerprint, "--again").stdout
        self.assertEqual(again, puk)  # the keys of the folder open what is sealed in the database
        issuer.start()
        self.assertIn("ticket-used", issuer.get(used)[2]["Location"])
        self.assertIn("ticket-used", issuer.get(late)[2]["Location"])
        self.assertIn("ticket-unknown", issuer.get(after)[2]["Location"])
        self.assertEqual(len(HonestClient(issuer, before).fingerprints()), 1)
        run("revoke", "--dir", issuer.folder, "--fingerprint", fingerprint)
        self.assertEqual(self.server.sql(f"SELECT status FROM credentials WHERE fingerprint = '{fingerprint}'"), "revoked")

    def test_the_folder_is_saved_and_restored_while_the_database_is_away(self):
        issuer = self.issuer()
        issuer.stop()
        self.server.stop()
        self.save(issuer)
        os.rename(issuer.folder, self.folder / "lost")
        self.restore(issuer)
        for path in (self.folder / "lost").rglob("*"):
            if path.name == "renewal.lock":  # of the processes, not of the issuer
                continue
            there = issuer.folder / path.relative_to(self.folder / "lost")
            self.assertEqual(path.stat().st_mode, there.stat().st_mode, path)
            if path.is_file():
                self.assertEqual(path.read_bytes(), there.read_bytes(), path)
        away = run("check", "--dir", issuer.folder, check=False)
        self.assertEqual(away.returncode, 1)
        self.server.start()
        run("check", "--dir", issuer.folder)
        issuer.start()
        self.assertEqual(issuer.get(issuer.ticket())[0], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
