"""What both sides of KeyGen2 compute, written down from the specification once more, for peers that make mistakes.

Neither in constant time nor with protected keys: these peers belong to tests.
"""

import base64
import datetime
import hashlib
import hmac
import re
import secrets
import struct

CONTEXT = "https://webpki.github.io/keygen2#20190318"
ALGORITHM = "https://webpki.github.io/sks/algorithm#"

# P-256: SEC 2, 2.4.2.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
# keygen2.md 5.2.
SPKI_PREFIX = {
    "P-256": "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
    "P-384": "3076301006072a8648ce3d020106052b8104002203620004",
    "P-521": "30819b301006072a8648ce3d020106052b810400230381860004",
    "Ed25519": "302a300506032b6570032100",
    "X25519": "302a300506032b656e032100",
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def add(one, other):
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % P == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P)
    x = (slope * slope - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def multiply(number, point):
    """Asks for no point on the curve: the formulas do not hold its last coefficient."""
    result = None
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def is_on_curve(point):
    return (point[1] ** 2 - point[0] ** 3 + 3 * point[0] - B) % P == 0


def digest(data):
    return int.from_bytes(hashlib.sha256(data).digest(), "big")


def verify(point, data, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (0 < r < N and 0 < s < N):
        return False
    inverse = pow(s, -1, N)
    found = add(multiply(digest(data) * inverse % N, BASE), multiply(r * inverse % N, point))
    return found is not None and found[0] % N == r


class Key:
    """A key pair on P-256."""

    def __init__(self):
        self.number = secrets.randbelow(N - 1) + 1
        self.point = multiply(self.number, BASE)

    def jwk(self):
        x, y = (b64(number.to_bytes(32, "big")) for number in self.point)
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def sign(self, data):
        k = secrets.randbelow(N - 1) + 1
        r = multiply(k, BASE)[0] % N
        s = pow(k, -1, N) * (digest(data) + r * self.number) % N
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def agree(self, point):
        return multiply(self.number, point)[0].to_bytes(32, "big")


def point_of(jwk):
    """Of a key that is none on P-256: some numbers."""
    x = unb64(jwk["x"])
    return int.from_bytes(x, "big"), int.from_bytes(unb64(jwk["y"]) if "y" in jwk else x, "big")


def spki(jwk):
    if jwk["kty"] == "RSA":
        key = der(0x30, der_integer(unb64(jwk["n"])), der_integer(unb64(jwk["e"])))
        return der(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), der(3, b"\0", key))
    return bytes.fromhex(SPKI_PREFIX[jwk["crv"]]) + unb64(jwk["x"]) + unb64(jwk.get("y", ""))


def der(tag, *contents):
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def der_integer(number):
    return der(2, (b"\0" if number[0] & 0x80 else b"") + number)


def der_parts(content):
    """Tag, content and whole of each element."""
    parts = []
    while content:
        size, head = content[1], 2
        if size & 0x80:
            head = 2 + (size & 0x7F)
            size = int.from_bytes(content[2:head], "big")
        parts.append((content[0], content[head:head + size], content[:head + size]))
        content = content[head + size:]
    return parts


ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def name(text):
    return der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403"), der(12, text.encode()))))


def issue(subject, public_key, issuer, issuer_key):
    def time(days):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return der(23, when.strftime("%y%m%d%H%M%SZ").encode())

    body = der(0x30, bytes.fromhex("a003020102"), der_integer(b"\x40" + secrets.token_bytes(7)), ECDSA_WITH_SHA256,
               name(issuer), der(0x30, time(-1), time(30)), name(subject), public_key)
    signature = issuer_key.sign(body)
    return der(0x30, body, ECDSA_WITH_SHA256,
               der(3, b"\0", der(0x30, der_integer_of(signature[:32]), der_integer_of(signature[32:]))))


def der_integer_of(number):
    return der_integer(number.lstrip(b"\0") or b"\0")


class Certificate:
    """Of a key on P-256, signed by one."""

    def __init__(self, encoded):
        body, _, signature = der_parts(der_parts(encoded)[0][1])
        fields = [part for part in der_parts(body[1]) if part[0] != 0xA0]
        self.body, self.issuer, self.subject = body[2], fields[2][2], fields[4][2]
        self.times = [self.read_time(*part[:2]) for part in der_parts(fields[3][1])]
        point = fields[5][2][-64:]
        self.point = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
        numbers = der_parts(der_parts(signature[1][1:])[0][1])
        self.signature = b"".join(int.from_bytes(number[1], "big").to_bytes(32, "big") for number in numbers)

    @staticmethod
    def read_time(tag, content):
        form = "%y%m%d%H%M%SZ" if tag == 23 else "%Y%m%d%H%M%SZ"
        return datetime.datetime.strptime(content.decode(), form).replace(tzinfo=datetime.timezone.utc).timestamp()

    def is_signed_by(self, other):
        return verify(other.point, self.body, self.signature)


def parse_time(text):
    """Seconds since 1970 of a time that may be written as it must not be: see is_time()."""
    parts = re.fullmatch(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text.upper())
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    first = datetime.datetime(year, month, 1, hour, minute, second, tzinfo=datetime.timezone.utc)
    offset = parts[7]
    shift = 0 if offset == "Z" else int(offset[0] + "1") * (int(offset[1:3]) * 3600 + int(offset[4:]) * 60)
    return int(first.timestamp()) + (day - 1) * 86400 - shift


def is_time(text, zone):
    """Spec: keygen2.md 3.6."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + ("Z" if zone == "Z" else r"[+-]\d\d:\d\d"), text):
        return False
    try:
        datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return True


def arr(data):
    return struct.pack(">H", len(data)) + data


def string(text):
    return arr(text.encode())


def mac(key, data):
    return hmac.digest(key, data, "sha256")


class Session:
    """The secrets that both sides share. Spec: keygen2.md 7.3 to 7.8."""

    def __init__(self, client_id, server_id, url, device):
        self.ids, self.url, self.device = string(client_id) + string(server_id), url, device
        self.counter = 0
        self.key = b""

    def derive(self, z):
        self.key = mac(z, self.ids + string(self.url) + arr(self.device))

    def attested(self, request, response, time, certificate):
        management = request.get("keyManagementKey")
        return (self.ids + string(self.url) + arr(self.device) + string(request["sessionKeyAlgorithm"]) + b"\0"
                + arr(spki(request["serverEphemeralKey"])) + arr(spki(response["clientEphemeralKey"]))
                + arr(spki(management) if management else b"")
                + struct.pack(">IHH", time, request["sessionLifeTime"], request["sessionKeyLimit"]) + arr(certificate))

    def next_mac(self, method, data):
        value = mac(self.key + method.encode() + struct.pack(">H", self.counter), data)
        self.counter += 1
        return value

    def key_entry(self, request, key):
        """Of a key on P-256 that leaves everything else at its default."""
        usages = {"signature": 0, "authentication": 1, "encryption": 2, "universal": 3}
        data = (string(key["id"]) + string(request["keyEntryAlgorithm"]) + arr(b"") + string("") + arr(b"")
                + bytes([0, 0, 0, 3, 0, usages[key["appUsage"]]]) + string("") + string(key["keyAlgorithm"]) + arr(b""))
        return self.next_mac("createKeyEntry", data)

    def key_attestation(self, jwk, entry):
        return self.next_mac("DeviceAttestation", arr(spki(jwk)) + arr(entry))

    def certificate_path(self, jwk, credential, path):
        return self.next_mac("setCertificatePath", arr(spki(jwk)) + string(credential) + b"".join(map(arr, path)))

    def close(self, nonce):
        return self.next_mac("closeProvisioningSession", self.ids + string(self.url) + arr(nonce))

    def close_attestation(self, nonce):
        return self.next_mac("DeviceAttestation", arr(nonce))


def lookup_nonce(session):
    return hashlib.sha256(session.ids).digest()
