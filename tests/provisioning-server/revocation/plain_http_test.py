#!/usr/bin/python3
"""The address for plain HTTP of a running sks-issuer, where relying parties ask about certificates: what is there for
OpenSSL, what is not, and who can reach it.

usage: plain_http_test.py SKS_ISSUER
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
import issuer_process  # noqa: E402
from issuer_process import PATIENCE, Issuer, free_port, run, wait_for  # noqa: E402

issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))

PLAIN_LISTEN = '# plain_listen = "127.0.0.1:8080"'
LISTENING = "0A"  # in the tables of the kernel


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, check=True)


def listening(issuer):
    """Where the process listens, as the kernel tells."""
    process = pathlib.Path("/proc") / str(issuer.process.pid)
    own = {os.readlink(entry) for entry in (process / "fd").iterdir() if entry.is_symlink()}
    found = set()
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in (process / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] != LISTENING or f"socket:[{fields[9]}]" not in own:
                continue
            host, port = fields[1].split(":")
            # In words of 32 bits, each as the processor has it.
            words = [int(host[at:at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
            found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


class PlainHttpTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.issuer = Issuer(self.folder)
        self.addCleanup(self.issuer.stop)
        self.port = free_port()

    def start(self, address):
        self.issuer.set(PLAIN_LISTEN, f'plain_listen = "{address}"')
        self.issuer.start()

    def ask(self, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def test_it_is_off_unless_it_is_asked_for(self):
        self.issuer.start()
        found = listening(self.issuer)
        tls = {(host, self.issuer.port) for host in ("127.0.0.1", "::1")}
        self.assertEqual(found - tls, {("127.0.0.1", self.issuer.operations)})
        self.assertIn(("127.0.0.1", self.issuer.port), found)

    def test_a_loopback_address_stays_one(self):
        self.start(f"127.0.0.1:{self.port}")
        found = listening(self.issuer)
        self.assertIn(("127.0.0.1", self.port), found)
        self.assertEqual({host for host, _ in found} - {"127.0.0.1", "::1"}, set())
        # Whoever comes by another address of this machine finds nobody.
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", self.port), timeout=PATIENCE)

    def test_others_reach_it_when_that_is_said(self):
        self.start(f"0.0.0.0:{self.port}")
        self.assertIn(("0.0.0.0", self.port), listening(self.issuer))
        socket.create_connection(("127.0.0.2", self.port), timeout=PATIENCE).close()

    def test_openssl_asks_about_certificates(self):
        self.start(f"127.0.0.1:{self.port}")
        authority = self.issuer.folder / "credential-ca.pem"
        text = openssl("x509", "-in", authority, "-noout", "-ext", "subjectKeyIdentifier").stdout
        name = text.splitlines()[-1].strip().replace(":", "").lower()

        def whole_list():
            answer = self.ask(f"/crl/{name}.crl")
            return answer if answer[0] == 200 else None

        _, crl, headers = wait_for(whole_list, "a revocation list")
        self.assertEqual(headers["Content-Type"], "application/pkix-crl")
        file = pathlib.Path(self.folder) / "crl"
        file.write_bytes(crl)
        self.assertIn("verify OK", openssl("crl", "-inform", "DER", "-in", file, "-CAfile", authority, "-noout").stderr)
        status, certificate, headers = self.ask(f"/ca/{name}.cer")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/pkix-cert"))
        self.assertEqual(certificate, ssl.PEM_cert_to_DER_cert(authority.read_text()))
        answer = openssl("ocsp", "-issuer", authority, "-serial", "1", "-no_nonce", "-CAfile", authority,
                         "-url", f"http://127.0.0.1:{self.port}/ocsp")
        self.assertIn("Response verify OK", answer.stderr)
        self.assertIn("1: unknown", answer.stdout)

    def elsewhere(self, ticket):
        """(method, path) of everything that this address does not have."""
        for path in ("/metrics", "/livez", "/readyz", "/result", "/whoami", "/console", "/console/"):
            yield "GET", path
        for link in (ticket["init"], ticket["link"]):
            yield "GET", link.split(str(self.issuer.port), 1)[1]
        yield "POST", "/keygen2"
        api = json.loads((SOURCE / "provisioning-server/admin_api/openapi.json").read_text())
        for path, item in api["paths"].items():
            for method in item.keys() - {"parameters"}:
                yield method.upper(), "/api/v1" + re.sub(r"\{[^}]*\}", "a" * 64, path)

    def test_nothing_else_is_there(self):
        self.start(f"127.0.0.1:{self.port}")
        ticket = self.issuer.make_ticket()
        token = run("account", "add", "--dir", self.issuer.folder, "--name", "op", "--roles", "operator",
                    "--token").stdout.strip()
        bearer = {"Authorization": f"Bearer {token}"}
        self.assertEqual(self.issuer.get("/api/v1/me", headers=bearer)[0], 200)
        paths = list(self.elsewhere(ticket))
        self.assertGreater(len(paths), 30)
        for method, path in paths:
            with self.subTest(f"{method} {path}"):
                headers = {**bearer, "Cookie": ticket["cookie"], "Content-Type": "application/json"}
                body = b"{}" if method in ("POST", "PUT") else None
                status, text, headers = self.ask(path, method, body, headers)
                self.assertEqual(status, 404, text)
                self.assertNotIn("Set-Cookie", headers)
        self.assertEqual(self.issuer.metric("sessions_started_total"), 0)
        # The ticket is as good as before.
        self.assertEqual(self.issuer.get(ticket["init"].split(str(self.issuer.port), 1)[1])[0], 200)

    def test_an_address_that_is_none_is_named(self):
        before = self.issuer.config.read_text()
        for setting, line in (("[revocation] plain_listen", PLAIN_LISTEN),
                              ("[operations] listen", f'listen = "127.0.0.1:{self.issuer.operations}"'),
                              ("[server] listen", '# listen = "0.0.0.0:8443"')):
            for address in (":8080", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "[::1"):
                with self.subTest(f"{setting}, {address}"):
                    self.assertEqual(before.count(line), 1)
                    self.issuer.config.write_text(before.replace(line, f'{setting.split()[1]} = "{address}"'))
                    done = run("serve", "--dir", self.issuer.folder, check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"{setting}: an address to listen on is HOST, HOST:PORT or [IPV6]:PORT", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
