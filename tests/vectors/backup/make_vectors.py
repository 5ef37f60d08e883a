#!/usr/bin/env python3
"""Writes backups.vec from spec/backup.md alone, with Python's cryptography and hashlib.

Shares no code with the product. "Random" values are fixed; ECDSA signatures in the certificates differ from run to run.
"""
import datetime
import hashlib
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent


def head(major, n):
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << (8 * size):
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")


def cbor(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(k) + cbor(value[k]) for k in sorted(value))
    raise TypeError(value)


def numbered(*values):
    return dict(enumerate(values, 1))


def backup_file(content, passphrase, costs, salt, nonce):
    header = b"SKSBACK\0" + bytes([1]) + bytes(costs) + salt + nonce
    n, r, p = 1 << costs[0], costs[1], costs[2]
    key = hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=1 << 30, dklen=32)
    file = header + AESGCM(key).encrypt(nonce, content, header)
    return file + hashlib.sha256(file).digest()[:4]


CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vector CA")])


def certify(public_key, name, serial, issuer=CA_NAME):
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if name else CA_NAME)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(2036, 1, 1))
        .add_extension(x509.BasicConstraints(ca=not name, path_length=None), critical=True)
        .sign(CA_KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def pkcs8(key):
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
PAIR = ec.generate_private_key(ec.SECP256R1())
CA = certify(CA_KEY.public_key(), None, 1)
EC_PATH = [certify(EC_KEY.public_key(), "Jo", 2), CA]
RSA_PATH = [certify(RSA_KEY.public_key(), "Jo RSA", 3)]
PAIR_PATH = [certify(PAIR.public_key(), "Jo MAC", 4)]

ISSUER = "https://issuer.example.com/sks"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
PROPERTY = b"\x00\x05Color\x01\x00\x03red"

CONTENT = numbered(
    "CN=Vector device",
    1790000000,
    [numbered(0, 3, 1, 3, 4, 8, 0, 1, 1)],
    [
        numbered(0, pkcs8(EC_KEY), EC_PATH, "Sign \u00e4", ISSUER, 0, [MORE + "ecdsa-sha256"], 1, 1, 1, 0, 0, 0,
                 [numbered("https://example.com/bag", 2, "", PROPERTY),
                  numbered("https://example.com/logo", 3, "image/png", b"\x89PNG")]),
        numbered(0, pkcs8(RSA_KEY), RSA_PATH, "", ISSUER, 1, [], 0, 0, 0, 0, 0, 1, []),
        numbered(1, bytes(range(32)), PAIR_PATH, "MAC", ISSUER, 3, [MORE + "hmac-sha256"], 1, 0, 2, 0, 0, 3,
                 [numbered("https://example.com/secret", 1, "", b"secret")]),
    ],
    [numbered(0, "Stays", ISSUER, [certify(PAIR.public_key(), "Jo stays", 5)])],
)

PASSPHRASE = "Öffne dich, Sesam".encode()
FILE = backup_file(cbor(CONTENT), PASSPHRASE, (10, 8, 1), bytes(range(0x10, 0x20)), bytes(range(0x30, 0x3C)))

(HERE / "backups.vec").write_text(
    "# Made by make_vectors.py from spec/backup.md.\n"
    f"Passphrase = {PASSPHRASE.hex()}\n"
    f"EcCertificate = {EC_PATH[0].hex()}\n"
    f"CaCertificate = {CA.hex()}\n"
    f"RsaCertificate = {RSA_PATH[0].hex()}\n"
    f"MacCertificate = {PAIR_PATH[0].hex()}\n"
    f"MacKey = {bytes(range(32)).hex()}\n"
    f"PropertyBag = {PROPERTY.hex()}\n"
    f"Content = {cbor(CONTENT).hex()}\n"
    f"File = {FILE.hex()}\n"
)
