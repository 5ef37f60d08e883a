"""An issuer that makes each check but one, for the tests of the kit. It asks for a discovery and for one key. Prints its port.

usage: careless_issuer.py CHECK CERTIFICATE KEY DEVICE_CA
CHECK is the one that it leaves out, or what it does wrong; "none": it does everything right.
"""

import http.server
import json
import secrets
import ssl
import sys
import time

import keygen2_peer as peer

LEFT_OUT = sys.argv[1]
SERVER_CERTIFICATE = ssl.PEM_cert_to_DER_cert(open(sys.argv[2], encoding="ascii").read())
DEVICE_CA = ssl.PEM_cert_to_DER_cert(open(sys.argv[4], encoding="ascii").read())
MANAGEMENT_KEY, CA_KEY = peer.Key(), peer.Key()
RECORDS = {}  # session ids, by certificate
CLIENT_SESSION_IDS = set()
DAY = 86400


class Refused(Exception):
    pass


def check(what, holds):
    if not holds and LEFT_OUT != what:
        raise Refused(what)


class IssuerSession:
    def __init__(self, url):
        self.url, self.id = url, secrets.token_hex(10) + "aZ"
        self.shared = self.key = self.latest = None
        self.steps = [("InvocationResponse", self.initialize), ("ProvisioningInitializationResponse", self.discover),
                      ("CredentialDiscoveryResponse", self.create), ("KeyCreationResponse", self.finalize),
                      ("ProvisioningFinalizationResponse", self.finish)]

    def message(self, qualifier, members, client=""):
        ids = {"serverSessionId": self.id, **({"clientSessionId": client} if client else {})}
        return {"@context": peer.CONTEXT, "@qualifier": qualifier, **ids, **members}

    def invoke(self):
        return self.message("InvocationRequest", {"action": "manage"})

    def answer(self, response):
        """The next message, or None after the last one."""
        given = response["serverSessionId"]
        check("session id", given == self.id if LEFT_OUT != "letter case" else given.lower() == self.id.lower())
        awaited, step = self.steps.pop(0)
        qualifier = response["@qualifier"]
        check("order", qualifier == awaited)
        if qualifier == "KeyCreationResponse":
            step = self.finalize
        return step(response)

    def initialize(self, _):
        self.key = peer.Key()
        self.request = self.message("ProvisioningInitializationRequest", {
            "serverTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "sessionKeyAlgorithm": peer.ALGORITHM + "session.1",
            "sessionKeyLimit": 50,
            "sessionLifeTime": 600,
            "serverEphemeralKey": self.key.jwk(),
            "keyManagementKey": MANAGEMENT_KEY.jwk(),
        })
        return self.request

    def discover(self, response):
        path = [peer.unb64(certificate) for certificate in response["deviceId"]["certificatePath"]]
        chain = [peer.Certificate(certificate) for certificate in path]
        for lower, upper in zip(chain, chain[1:]):
            check("links", lower.issuer == upper.subject and lower.is_signed_by(upper))
        check("trust", DEVICE_CA in path)
        check("device dates", chain[0].times[0] <= time.time() <= chain[0].times[1])
        check("form of clientTime", peer.is_time(response["clientTime"], "+"))
        when = peer.parse_time(response["clientTime"])
        check("clientTime", abs(when - time.time()) <= DAY)
        self.client = response["clientSessionId"]
        check("client session id", self.client not in CLIENT_SESSION_IDS)
        CLIENT_SESSION_IDS.add(self.client)
        key = response["clientEphemeralKey"]
        point = peer.point_of(key)
        check("ephemeral key", key["kty"] == "EC" and key["crv"] == "P-256" and peer.is_on_curve(point))
        self.shared = peer.Session(self.client, self.id, self.url, path[0])
        attested = self.shared.attested(self.request, response, when, SERVER_CERTIFICATE)
        check("attestation", peer.verify(chain[0].point, attested, peer.unb64(response["attestation"])))
        self.shared.derive(self.key.agree(point))
        lookup = {"id": "Lookup.1", "nonce": peer.b64(peer.lookup_nonce(self.shared)),
                  "signature": {"algorithm": "ES256", "publicKey": MANAGEMENT_KEY.jwk()}}
        signature = MANAGEMENT_KEY.sign(json.dumps(lookup, sort_keys=True, separators=(",", ":")).encode())
        lookup["signature"]["value"] = peer.b64(signature)
        return self.message("CredentialDiscoveryRequest", {"lookupSpecifiers": [lookup]}, self.client)

    def create(self, response):
        for credential in response["lookupResults"][0]["matchingCredentials"]:
            recorded = RECORDS.get(credential["certificatePath"][0])
            check("issued", recorded is not None)
            if recorded:
                check("records", recorded == (credential["serverSessionId"], credential["clientSessionId"]))
        specifier = {"id": "Key.1", "appUsage": "authentication", "keyAlgorithm": peer.ALGORITHM + "ec.nist.p256"}
        self.creation = {"keyEntryAlgorithm": peer.ALGORITHM + "key.1", "keyEntrySpecifiers": [specifier]}
        self.entry = self.shared.key_entry(self.creation, specifier)
        specifier["mac"] = peer.b64(self.entry)
        return self.message("KeyCreationRequest", self.creation, self.client)

    def finalize(self, response):
        if self.shared is None or self.shared.counter == 0:
            # Only whoever does not look at the order comes here.
            return self.message("ProvisioningFinalizationRequest", {}, response.get("clientSessionId", "none"))
        generated = response["generatedKeys"][0]
        key = generated["publicKey"]
        check("kind of key", key.get("crv") == "P-256")
        check("key on its curve", key.get("crv") != "P-256" or peer.is_on_curve(peer.point_of(key)))
        expected = self.shared.key_attestation(key, self.entry)
        check("key attestation", peer.unb64(generated["attestation"]) == expected)
        self.certificate = peer.issue("Somebody", peer.spki(key), "Careless", CA_KEY)
        self.nonce = secrets.token_bytes(32)
        credential = {"id": "Key.1", "certificatePath": [peer.b64(self.certificate)],
                      "mac": peer.b64(self.shared.certificate_path(key, "Key.1", [self.certificate]))}
        close = {"nonce": peer.b64(self.nonce), "mac": peer.b64(self.shared.close(self.nonce))}
        return self.message("ProvisioningFinalizationRequest",
                            {"issuedCredentials": [credential], "sessionCloseData": close}, self.client)

    def finish(self, response):
        attested = peer.unb64(response.get("attestation", "")) == self.shared.close_attestation(self.nonce)
        check("close attestation", attested)
        RECORDS[peer.b64(self.certificate)] = (self.id, self.client)


SESSIONS = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_message(self, message, cookie):
        headers = {"Content-Type": "application/json", "Set-Cookie": "session=" + cookie}
        if LEFT_OUT != "no-store":
            headers["Cache-Control"] = "no-store"
        self.send(200, headers, json.dumps(message).encode())

    def end(self, outcome, cookie):
        """Tells the browser where to go, with the session, which is another one each time."""
        outcome = "over" if LEFT_OUT == "outcome" else outcome
        self.send(302, {"Location": f"{self.url()}?session={cookie}&outcome={outcome}"})

    def url(self):
        return f"https://localhost:{self.server.server_address[1]}/keygen2"

    def do_GET(self):
        cookie = secrets.token_hex(8)
        SESSIONS[cookie] = IssuerSession(self.url())
        self.send_message(SESSIONS[cookie].invoke(), cookie)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        cookie = (self.headers["Cookie"] or "").partition("session=")[2]
        session = SESSIONS.pop(cookie, None)
        if self.headers["Content-Type"] != "application/json":
            SESSIONS[cookie] = session
            return self.send(415, {})
        if session is None:
            return self.end("refused", cookie)
        try:
            message = session.answer(json.loads(body))
        except (Refused, ValueError, KeyError, TypeError, IndexError) as refusal:
            print(repr(refusal), file=sys.stderr, flush=True)
            return self.end("refused", cookie)
        if message is None:
            return self.end("done", cookie)
        SESSIONS[cookie] = session
        return self.send_message(message, cookie)


def main():
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
