"""An issuer without cryptography that makes one mistake, for the tests of the kit. It goes as far as KeyCreationRequest,
which has no right MAC. Prints its port.

usage: faulty_issuer.py MISTAKE CERTIFICATE KEY
"""

import http.server
import json
import ssl
import sys
import time

MISTAKE = sys.argv[1]
# The base point of P-256 (SEC 2, 2.4.2).
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
}
CONTEXT = {"@context": "https://webpki.github.io/keygen2#20190318"}
SESSION = {"serverSessionId": "session-of-a-faulty-issuer"}


def message(qualifier, members):
    return {**CONTEXT, "@qualifier": qualifier, **SESSION, **members}


def initialization():
    now = time.time() - (3 * 86400 if MISTAKE == "clock" else 0)
    members = {
        "serverTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "sessionKeyAlgorithm": "https://webpki.github.io/sks/algorithm#session.1",
        "sessionKeyLimit": 50,
        "sessionLifeTime": 600,
        "serverEphemeralKey": KEY,
    }
    if MISTAKE == "key-not-on-curve":
        members["serverEphemeralKey"] = {**KEY, "y": KEY["x"]}
    return message("ProvisioningInitializationRequest", members)


def key_creation(client_session_id):
    return message("KeyCreationRequest", {
        "clientSessionId": client_session_id,
        "keyEntryAlgorithm": "https://webpki.github.io/sks/algorithm#key.1",
        "keyEntrySpecifiers": [{
            "id": "Key.1",
            "appUsage": "authentication",
            "keyAlgorithm": "https://webpki.github.io/sks/algorithm#ec.nist.p256",
            "mac": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        }],
    })


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_message(self, content):
        if MISTAKE == "unknown-property":
            content["version"] = "1"
        headers = {"Content-Type": "application/json"}
        if MISTAKE == "content-type":
            headers["Content-Type"] = "application/json; charset=utf-8"
        if MISTAKE != "cacheable":
            headers["Cache-Control"] = "no-store"
        self.answer(200, headers, json.dumps(content).encode())

    def refuse(self):
        if MISTAKE == "refuses-with-a-page":
            return self.answer(200, {"Content-Type": "text/html"}, b"<html>No</html>")
        if MISTAKE == "refuses-with-json":
            return self.answer(200, {"Content-Type": "application/json"}, b"{}")
        return self.answer(302, {} if MISTAKE == "refuses-without-location" else {"Location": "https://localhost/refused"})

    def do_GET(self):
        self.send_message(message("InvocationRequest", {"action": "manage"}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/json" and MISTAKE != "takes-any-content-type":
            return self.answer(400, {})
        try:
            response = json.loads(body)
            qualifier = response["@qualifier"]
        except (ValueError, KeyError, TypeError):
            return self.refuse()
        if response.get("serverSessionId") != SESSION["serverSessionId"] and MISTAKE != "takes-any-session":
            return self.refuse()
        if qualifier == "InvocationResponse":
            return self.send_message(initialization())
        if qualifier == "ProvisioningInitializationResponse":
            return self.send_message(key_creation(response["clientSessionId"]))
        return self.refuse()


def main():
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
