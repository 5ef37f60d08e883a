"""A client that makes each check but one, for the tests of the kit. It keeps nothing: a key is gone with its session.

usage: careless_client.py CHECK INIT MAIN COOKIE CA
CHECK is the one that it leaves out; "none": it makes all.
"""

import hashlib
import http.client
import json
import secrets
import ssl
import sys
import time
import urllib.parse

import keygen2_peer as peer

LEFT_OUT, INIT, MAIN, COOKIE, CA = sys.argv[1:]
DAY = 86400
MAX_QUERIES, MAX_LOOKUPS = 50, 20


class Refused(Exception):
    pass


def check(what, holds):
    if not holds and LEFT_OUT != what:
        raise Refused(what)


def verify_rsa(jwk, data, signature):
    """PKCS #1 v1.5 with SHA-256."""
    modulus, exponent = (int.from_bytes(peer.unb64(jwk[member]), "big") for member in "ne")
    size = len(peer.unb64(jwk["n"]))
    hashed = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(data).digest()
    padded = b"\0\1" + b"\xff" * (size - 3 - len(hashed)) + b"\0" + hashed
    return pow(int.from_bytes(signature, "big"), exponent, modulus) == int.from_bytes(padded, "big")


def verify(jwk, data, signature):
    if jwk["kty"] == "RSA":
        return verify_rsa(jwk, data, signature)
    return peer.verify(peer.point_of(jwk), data, signature)


def ecdsa_numbers(value):
    """r and s, also of a signature in another form."""
    check("form of a signature", len(value) == 64)
    if value[0] != 0x30 or len(value) in (64, 65):
        return value[:64]
    return b"".join(int.from_bytes(part[1], "big").to_bytes(32, "big") for part in peer.der_parts(peer.der_parts(value)[0][1]))


class Client:
    def __init__(self):
        self.device_key = peer.Key()
        self.device = peer.issue("Device", peer.spki(self.device_key.jwk()), "Device", self.device_key)
        self.shared, self.id, self.server_certificate = None, "", b""
        self.key = peer.Key()
        self.awaited = ["InvocationRequest"]

    def exchange(self, method, url, body):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60,
                                                 context=ssl.create_default_context(cafile=CA))
        headers = {"Cookie": COOKIE, **({"Content-Type": "application/json"} if body else {})}
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers)
        self.server_certificate = connection.sock.getpeercert(binary_form=True)
        response = connection.getresponse()
        return response.status, response.read()

    def run(self):
        status, body = self.exchange("GET", INIT, None)
        while status == 200:
            request = json.loads(body)
            qualifier = request["@qualifier"]
            check("order", qualifier in self.awaited)
            members = {"InvocationRequest": self.invoke, "ProvisioningInitializationRequest": self.initialize,
                       "CredentialDiscoveryRequest": self.discover, "KeyCreationRequest": self.create,
                       "ProvisioningFinalizationRequest": self.finalize}[qualifier](request)
            ids = {"serverSessionId": request["serverSessionId"], **({"clientSessionId": self.id} if self.id else {})}
            answer = {"@context": peer.CONTEXT, "@qualifier": qualifier.replace("Request", "Response"), **ids, **members}
            status, body = self.exchange("POST", MAIN, json.dumps(answer))
        return 0 if self.awaited == [] else 1

    def invoke(self, request):
        self.awaited = ["ProvisioningInitializationRequest"]
        queries = request.get("clientCapabilityQuery", [])
        check("limits", len(queries) <= MAX_QUERIES)
        return {"clientCapabilities": [{"type": query, "supported": False} for query in queries]} if queries else {}

    def initialize(self, request):
        self.awaited = ["CredentialDiscoveryRequest", "KeyCreationRequest"]
        check("form of serverTime", peer.is_time(request["serverTime"], "Z"))
        check("serverTime", abs(peer.parse_time(request["serverTime"]) - time.time()) <= DAY)
        self.check_roll_over(request["keyManagementKey"], request, 0)
        self.management_key = request["keyManagementKey"]
        self.id = secrets.token_hex(16)
        ephemeral, now = peer.Key(), int(time.time())
        self.shared = peer.Session(self.id, request["serverSessionId"], MAIN, self.device)
        response = {
            "serverTime": request["serverTime"],
            "clientTime": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now)),
            "clientEphemeralKey": ephemeral.jwk(),
            "deviceId": {"certificatePath": [peer.b64(self.device)]},
        }
        attested = self.shared.attested(request, response, now, self.server_certificate)
        self.shared.derive(ephemeral.agree(peer.point_of(request["serverEphemeralKey"])))
        return {**response, "attestation": peer.b64(self.device_key.sign(attested))}

    def check_roll_over(self, newer, owner, depth):
        for older in owner.get("updatableKeyManagementKeys", []):
            check("limits", depth < 8)
            check("roll-over", verify(older["publicKey"], b"RollOverAuthorization" + peer.spki(newer),
                                      peer.unb64(older["authorization"])))
            self.check_roll_over(older["publicKey"], older, depth + 1)

    def discover(self, request):
        self.awaited = ["KeyCreationRequest", "ProvisioningFinalizationRequest"]
        check("limits", len(request["lookupSpecifiers"]) <= MAX_LOOKUPS)
        for lookup in request["lookupSpecifiers"]:
            check("nonce", peer.unb64(lookup["nonce"]) == peer.lookup_nonce(self.shared))
            expression = lookup.get("searchFilter", {}).get("subjectRegEx", "")
            check("limits", len(expression) <= 1000)
            value = ecdsa_numbers(peer.unb64(lookup["signature"].pop("value")))
            text = json.dumps(lookup, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            check("signature", verify(lookup["signature"]["publicKey"], text.encode(), value))
        return {"lookupResults": [{"id": lookup["id"], "matchingCredentials": []} for lookup in request["lookupSpecifiers"]]}

    def create(self, request):
        self.awaited = ["ProvisioningFinalizationRequest"]
        specifier, = request["keyEntrySpecifiers"]
        entry = self.shared.key_entry(request, specifier)
        check("mac", peer.unb64(specifier["mac"]) == entry)
        attestation = self.shared.key_attestation(self.key.jwk(), entry)
        return {"generatedKeys": [{"id": specifier["id"], "publicKey": self.key.jwk(), "attestation": peer.b64(attestation)}]}

    def finalize(self, request):
        self.awaited = []
        if self.shared is None:
            # Only whoever does not look at the order comes here.
            return {"attestation": peer.b64(secrets.token_bytes(32))}
        for credential in request.get("issuedCredentials", []):
            path = [peer.unb64(certificate) for certificate in credential["certificatePath"]]
            chain = [peer.Certificate(certificate) for certificate in path]
            for lower, upper in zip(chain, chain[1:]):
                check("names of a path", lower.issuer == upper.subject)
                check("signatures of a path", lower.is_signed_by(upper))
            mac = self.shared.certificate_path(self.key.jwk(), credential["id"], path)
            check("mac", peer.unb64(credential["mac"]) == mac)
        nonce = peer.unb64(request["sessionCloseData"]["nonce"])
        check("mac", peer.unb64(request["sessionCloseData"]["mac"]) == self.shared.close(nonce))
        return {"attestation": peer.b64(self.shared.close_attestation(nonce))}


def main():
    try:
        return Client().run()
    except Refused as refusal:
        print("refused:", refusal)
        return 1


if __name__ == "__main__":
    sys.exit(main())
