#!/usr/bin/python3
"""Asks the REST API of a running sks-issuer over TLS, with a token, a cookie and a client certificate, and holds every
answer against openapi.json.

usage: api_https_test.py SKS_ISSUER
"""

import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

ISSUER = os.path.abspath(sys.argv.pop(1))
PATIENCE = 300
ROLES = ["operator", "officer", "auditor", "helpdesk"]
# These take a device: the tests of life_cycle/ call them.
WITH_DEVICE = {("POST", "/credentials/{fingerprint}/manage"), ("POST", "/devices/{fingerprint}/manage"),
               ("POST", "/credentials/{fingerprint}/puk"), ("GET", "/credentials/{fingerprint}/history")}


def run(*arguments, check=True, **options):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=PATIENCE, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.type = response.headers.get("Content-Type", "")
        self.cookie = response.headers.get("Set-Cookie")
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class Server:
    """An issuer whose CA OpenSSL has made, so that the test can make certificates of clients."""

    def __init__(self, folder):
        self.work = pathlib.Path(folder)
        self.folder = self.work / "issuer"
        self.port = free_port()
        run(ISSUER, "init", "--dir", self.folder, "--url", f"https://localhost:{self.port}/keygen2",
            "--device-trust", "registered")
        config = self.folder / "issuer.toml"
        config.write_text(config.read_text().replace("login_tries_per_minute = 30", "login_tries_per_minute = 20"))
        self.ca_key = self.work / "ca.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=Own CA", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.ca_key,
            "-out", self.folder / "credential-ca.pem")
        key = self.folder / "keys" / "credential-ca.key"
        key.write_bytes(self.ca_key.read_bytes())
        key.chmod(0o600)
        self.ca = self.work / "ca.pem"
        self.ca.write_bytes((self.folder / "credential-ca.pem").read_bytes())
        full = pathlib.Path(__file__).with_name("full_profile.toml")
        (self.folder / "profiles" / "full.toml").write_bytes(full.read_bytes())
        (self.folder / "profiles" / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        run(ISSUER, "ticket", "--dir", self.folder, "--profile", "default")  # makes the database
        self.process = None

    def certificate(self, name):
        """A client's certificate and key, and the row of the credential as an enrolment leaves it."""
        key, request, pem = (self.work / f"{name}.{end}" for end in ("key", "csr", "pem"))
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            f"/CN={name}", "-keyout", key, "-out", request)
        extensions = self.work / "ext"
        extensions.write_text("basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n"
                              "authorityKeyIdentifier=keyid\n")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days",
            "10", "-extfile", extensions, "-out", pem)
        der = ssl.PEM_cert_to_DER_cert(pem.read_text())
        print_ = hashlib.sha256(der).hexdigest()
        serial = run("openssl", "x509", "-in", pem, "-noout", "-serial").strip().split("=")[1].lower()
        now = int(time.time())
        with sqlite3.connect(self.folder / "issuer.db") as database:
            ticket = database.execute("SELECT digest FROM tickets").fetchone()[0]
            database.execute(
                "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
                " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
                " device_fingerprint, ended, result) VALUES (?, ?, ?, 'default', ?, ?, 'done', 5, x'', x'', '', 0, '',"
                " ?, ?, ?, '', ?, 'ok')",
                (f"session-{name}", f"cookie-{name}", ticket, "0" * 64, f"CN={name}", now, now, f"client-{name}", now))
            database.execute(
                "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
                " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
                " privacy_enabled, status, issued, revoked, owner, created, serial, issuer, not_after) VALUES"
                " (?, ?, ?, 'default', 'authentication', '', ?, ?, ?, '', x'', 0, 'issued', ?, 0, ?, ?, ?, 'CN=Own CA', ?)",
                (print_, der, f"CN={name}", f"key-{name}", f"session-{name}", f"client-{name}", now, f"session-{name}",
                 now, serial, now + 864000))
        database.close()
        return pem, key, print_

    def start(self):
        self.log = open(self.work / "log", "w")
        self.process = subprocess.Popen([ISSUER, "serve", "--dir", str(self.folder)], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on"), line + (self.work / "log").read_text()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.log.close()
        assert code == 0, (self.work / "log").read_text()

    def send(self, method, path, body=None, token=None, cookie=None, certificate=None, confirmed=False, kind=None):
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if certificate:
            context.load_cert_chain(*certificate)
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if cookie:
            headers["Cookie"] = f"__Host-sks-console={cookie}"
        if confirmed:
            headers["X-SKS-Request"] = "1"
        if body is not None:
            headers["Content-Type"] = kind or "application/json"
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=PATIENCE)
        try:
            connection.request(method, path if path.startswith("/keygen2") or path.startswith("/whoami")
                               else "/api/v1" + path, body=body, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.server = Server(cls.place.name)
        cls.tokens, cls.certificates, cls.prints = {}, {}, {}
        for role in ROLES:
            pem, key, cls.prints[role] = cls.server.certificate(role)
            cls.certificates[role] = (pem, key)
            cls.tokens[role] = run(ISSUER, "account", "add", "--dir", cls.server.folder, "--name", f"{role}-1",
                                   "--roles", role, "--certificate", pem, "--token").strip()
        cls.victim = cls.server.certificate("victim")[2]
        cls.server.start()
        cls.document = cls.server.send("GET", "/openapi.json").json()
        cls.cookies = {}
        for role in ROLES:
            answer = cls.server.send("POST", "/login", json.dumps({"token": cls.tokens[role]}))
            assert answer.status == 204, answer.text
            cls.cookies[role] = re.match("__Host-sks-console=([^;]+);", answer.cookie).group(1)
        cls.seen = set()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.place.cleanup()

    def operation(self, method, path):
        path = path.split("?")[0]
        for pattern, methods in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), path) and method.lower() in methods:
                if "{" in pattern and path in self.document["paths"]:
                    continue
                return pattern, methods[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def check(self, method, path, answer):
        """An answer is one that the description has, with a body of its schema."""
        pattern, operation = self.operation(method, path)
        self.assertIn(str(answer.status), operation["responses"], f"{method} {path}: {answer.text}")
        response = operation["responses"][str(answer.status)]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        if "content" not in response:
            self.assertEqual(answer.text, "")
        else:
            (kind, media), = response["content"].items()
            self.assertEqual(answer.type, kind)
            resolver = jsonschema.RefResolver("", self.document)
            jsonschema.Draft4Validator(media["schema"], resolver=resolver).validate(answer.json())
        if answer.status < 300:
            self.seen.add((method, pattern))
        return answer

    def send(self, method, path, body=None, **how):
        text = json.dumps(body) if isinstance(body, (dict, list)) else body
        return self.check(method, path, self.server.send(method, path, text, **how))

    def calls(self):
        """One call of every row that works for those who may, in an order in which it does."""
        pem = pathlib.Path(self.certificates["operator"][0]).read_text()
        victim = f"/credentials/{self.victim}"
        return [
            ("GET", "/me", None), ("GET", "/overview", None), ("GET", "/statistics?interval=day", None),
            ("GET", "/tickets?limit=3", None),
            ("POST", "/tickets", {"profile": "default", "subject": "CN=Al", "minutes": 3, "data": {"mail": "a@b.example"}}),
            ("GET", "/tickets/{ticket}", None), ("DELETE", "/tickets/{ticket}", None),
            ("GET", "/credentials?text=victim", None), ("GET", victim, None),
            ("POST", victim + "/suspend", None), ("POST", victim + "/resume", None),
            ("POST", "/devices", {"certificate": pem}),
            ("GET", f"/devices/{self.prints['operator']}", None), ("GET", "/devices", None),
            ("DELETE", f"/devices/{self.prints['operator']}", None),
            ("GET", "/sessions?state=done", None), ("GET", "/sessions/session-victim", None),
            ("GET", "/audit?limit=500", None), ("POST", "/audit/verify", None),
            ("GET", "/signature-profiles?user=CN%3Dvictim", None),
            ("GET", "/profiles", None), ("GET", "/profiles/default", None), ("GET", "/profiles/full", None),
            ("POST", "/profiles/check", {"name": "x", "content": "surprise = 1"}),
            ("POST", "/accounts", {"name": "guest", "roles": ["auditor", "helpdesk"], "token": True, "days": 3}),
            ("GET", "/accounts", None), ("GET", "/accounts/guest", None),
            ("POST", "/accounts/guest/roles", {"roles": ["officer"]}),
            ("POST", "/accounts/guest/disable", None), ("POST", "/accounts/guest/enable", None),
            ("POST", "/accounts/guest/token", {"days": 5}),
            ("POST", "/accounts/guest/certificate", {"fingerprint": self.victim}), ("DELETE", "/accounts/guest", None),
        ]

    def test_1_every_row_by_every_role_in_every_way(self):
        rights = {}
        for role in ROLES:
            rights[role] = set(self.send("GET", "/me", token=self.tokens[role]).json()["rights"])
        self.assertFalse(rights["helpdesk"] & {"view-audit", "verify-audit", "manage-tickets", "revoke-credentials"})
        self.assertFalse(rights["auditor"] & {"manage-tickets", "revoke-credentials", "register-devices", "show-puk"})
        for how in ["token", "cookie", "certificate"]:
            ticket = self.send("POST", "/tickets", {"profile": "default"}, token=self.tokens["officer"]).json()["id"]
            for method, path, body in self.calls():
                path = path.replace("{ticket}", ticket)
                right = self.operation(method, path)[1]["x-right"]
                # Those who may go last: some calls work once.
                for role in sorted(ROLES, key=lambda r: right in rights[r]):
                    proof = {how: getattr(self, how + "s")[role]}
                    with self.subTest(method=method, path=path, role=role, how=how):
                        answer = self.send(method, path, body, confirmed=True, **proof)
                        if right in rights[role]:
                            self.assertLess(answer.status, 300, answer.text)
                        else:
                            self.assertEqual(answer.status, 403)
                        for secret in ["PRIVATE KEY", "sealed_", "cookie_digest", self.tokens[role], self.cookies[role]]:
                            self.assertNotIn(secret, answer.text)
                        if how != "token" and method != "GET":
                            forged = self.send(method, path, body, **proof)
                            self.assertEqual(forged.status, 403)

    def test_1_nobody_does_more_than_the_role_allows(self):
        for pattern, methods in self.document["paths"].items():
            for method, operation in methods.items():
                path = re.sub(r"\{[^}]+\}", "0" * 64, pattern)
                for role in ROLES:
                    rights = self.send("GET", "/me", token=self.tokens[role]).json()["rights"]
                    if operation["x-right"] in [*rights, "none"]:
                        continue
                    with self.subTest(method=method, path=pattern, role=role):
                        body = "{}" if "requestBody" in operation else None
                        answer = self.server.send(method.upper(), path, body, token=self.tokens[role])
                        self.assertEqual((answer.status, answer.type), (403, "application/problem+json"))

    def test_2_the_secret_of_a_ticket_is_shown_once(self):
        officer = {"token": self.tokens["officer"]}
        made = self.send("POST", "/tickets", {"profile": "default", "subject": "CN=Once"}, **officer).json()
        secret = made["link"].rsplit("/", 1)[1]
        self.assertEqual(hashlib.sha256(secret.encode()).hexdigest(), made["id"])
        self.assertIn("svg", made["qr"])
        for path in ["/tickets?limit=500", f"/tickets/{made['id']}", "/sessions", "/credentials"]:
            self.assertNotIn(secret, self.send("GET", path, **officer).text)
        self.assertNotIn(secret, self.send("GET", "/audit?limit=500", token=self.tokens["auditor"]).text)
        self.server.log.flush()
        self.assertNotIn(secret, (self.server.work / "log").read_text())
        for token in self.tokens.values():
            self.assertNotIn(token, (self.server.work / "log").read_text())

    def test_3_hostile_bodies_and_queries(self):
        officer = {"token": self.tokens["officer"]}
        for body, status in [("{", 400), ("[]", 400), ("", 400), ('{"profile":"default","profile":"pair"}', 400),
                             ('{"profile":["default"]}', 400), ('{"profile":"default","x":1}', 400),
                             ('{"profile":"absent"}', 404), ("[" * 100000, 400), (" " * (1 << 21), 413)]:
            with self.subTest(body=body[:50]):
                self.assertEqual(self.send("POST", "/tickets", body, **officer).status, status)
        self.assertEqual(self.send("POST", "/tickets", "{}", kind="text/plain", **officer).status, 415)
        for query in ["limit=0", "limit=99999999999999999999", "cursor=zzz", "cursor=%7e", "nothing=1", "text=%ff",
                      "text=a&text=b"]:
            with self.subTest(query=query):
                self.assertEqual(self.send("GET", f"/credentials?{query}", **officer).status, 400)
        for method, path, status in [("PATCH", "/tickets", 405), ("GET", "/nothing", 404)]:
            answer = self.server.send(method, path, **officer)
            self.assertEqual((answer.status, answer.type), (status, "application/problem+json"))

    def test_4_logins(self):
        self.assertEqual(self.send("GET", "/me").status, 401)
        self.assertEqual(self.send("GET", "/me", token="x" * 5000).status, 401)
        self.assertEqual(self.send("GET", "/me", cookie="x").status, 401)
        self.assertEqual(self.send("POST", "/logout", cookie=self.cookies["auditor"]).status, 403)
        self.assertEqual(self.send("POST", "/logout", cookie=self.cookies["auditor"], confirmed=True).status, 204)
        self.assertEqual(self.send("GET", "/me", cookie=self.cookies["auditor"]).status, 401)
        # Another process changes accounts while the server runs.
        run(ISSUER, "account", "disable", "--dir", self.server.folder, "--name", "auditor-1")
        for proof in [{"token": self.tokens["auditor"]}, {"certificate": self.certificates["auditor"]}]:
            self.assertEqual(self.send("GET", "/me", **proof).status, 401)
        run(ISSUER, "account", "enable", "--dir", self.server.folder, "--name", "auditor-1")
        self.assertEqual(self.send("GET", "/me", token=self.tokens["auditor"]).status, 200)
        # A certificate counts as long as it is in force.
        at = f"/credentials/{self.prints['helpdesk']}/revoke"
        self.assertEqual(self.send("GET", "/me", certificate=self.certificates["helpdesk"]).status, 200)
        self.assertEqual(self.send("POST", at, {"reason": "superseded"}, token=self.tokens["officer"]).status, 200)
        self.assertEqual(self.send("GET", "/me", certificate=self.certificates["helpdesk"]).status, 401)
        # Until the account has another one.
        pem, key, _ = self.server.certificate("successor")
        change = [ISSUER, "account", "certificate", "--dir", self.server.folder, "--name", "helpdesk-1"]
        refused = subprocess.run([*map(str, change), "--fingerprint", self.prints["helpdesk"]], capture_output=True,
                                 text=True, timeout=PATIENCE)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("No certificate " + self.prints["helpdesk"] + " of this issuer is in force.", refused.stderr)
        self.assertEqual(run(*change, "--certificate", pem), "account helpdesk-1 has another certificate\n")
        self.assertEqual(self.send("GET", "/me", certificate=(pem, key)).json()["name"], "helpdesk-1")
        # Names that are no TLS client's business: one that the CA has issued and nobody has an account for.
        attempts = [self.send("POST", "/login", {"token": "guess"}).status for _ in range(60)]
        self.assertIn(401, attempts)
        self.assertIn(429, attempts)
        rows = self.send("GET", "/audit?action=login&result=refused", token=self.tokens["auditor"]).json()["rows"]
        self.assertGreater(len(rows), 1)
        self.assertNotIn("guess", json.dumps(rows))

    def test_5_a_new_authority_leaves_the_certificates_of_the_old_one_in_force(self):
        self.assertEqual(self.send("GET", "/me", certificate=self.certificates["officer"]).status, 200)
        run(ISSUER, "renew", "credential-ca", "--new-key", "--dir", self.server.folder)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.send("GET", "/me", certificate=self.certificates["officer"]).status, 200)
        whoami = self.server.send("GET", "/whoami", certificate=self.certificates["officer"])
        self.assertEqual((whoami.status, whoami.text[:8]), (200, "You are "))

    def test_6_curl(self):
        url = f"https://localhost:{self.server.port}/api/v1"
        out = run("curl", "-sS", "--max-time", PATIENCE, "--cacert", self.server.folder / "ca.pem", "-H",
                  f"Authorization: Bearer {self.tokens['officer']}", "--json", '{"profile": "default"}', url + "/tickets")
        self.assertIn("keygen2://", json.loads(out)["keygen2"])
        pem, key = self.certificates["officer"]
        out = run("curl", "-sS", "--max-time", PATIENCE, "--cacert", self.server.folder / "ca.pem", "--cert", pem, "--key",
                  key, "-X", "POST", "-H", "X-SKS-Request: 1", f"{url}/credentials/{self.victim}/suspend")
        self.assertEqual(json.loads(out)["status"], "suspended")

    def test_9_every_row_has_been_answered(self):
        rows = {(method.upper(), path) for path, methods in self.document["paths"].items() for method in methods}
        self.seen.add(("GET", "/openapi.json"))
        self.seen.add(("POST", "/login"))
        self.assertEqual(rows - self.seen - WITH_DEVICE, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
