#!/usr/bin/env python3
"""Makes rsa-decryption.vec, rsa-oaep.vec, rsa-pss.vec, and new blocks for keys.vec, with the OpenSSL command line. Every run
makes other keys."""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

MESSAGE = b"The quick brown fox"


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def new_key(*options):
    path = tempfile.mkstemp(suffix=".pem")[1]
    openssl("genpkey", *options, "-out", path)
    return path


def pkcs8(key):
    return openssl("pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "DER")


def spki(key):
    return openssl("pkey", "-in", key, "-pubout", "-outform", "DER")


def block(**values):
    return "\n" + "".join(f"{name.replace('_', '-')} = {value}".rstrip() + "\n" for name, value in values.items())


def pkeyutl(key, data, *options):
    settings = [part for option in options for part in ("-pkeyopt", option)]
    return openssl("pkeyutl", "-encrypt", "-inkey", key, *settings, data=data).hex()


OAEP = "rsa_padding_mode:oaep"
SHA1 = [OAEP, "rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"]
SHA256 = [OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"]


def raw(key, em):
    return pkeyutl(key, em, "rsa_padding_mode:none")


def rsa_cases(key, k):
    """(what, hash of OAEP or none, cipher text, plaintext; None: refused)"""
    filler = bytes(1 + i % 255 for i in range(k))
    for text in (MESSAGE, b"", filler[: k - 11]):
        yield "PKCS#1", "none", pkeyutl(key, text, "rsa_padding_mode:pkcs1"), text
    for name, settings, overhead in (("sha1", SHA1, 42), ("sha256", SHA256, 66)):
        for text in (MESSAGE, b"", filler[: k - overhead]):
            yield "OAEP", name, pkeyutl(key, text, *settings), text
    good = pkeyutl(key, MESSAGE, "rsa_padding_mode:pkcs1")
    yield "eight bytes of padding, as few as allowed", "none", raw(key, b"\0\2" + filler[:8] + b"\0" + filler[: k - 11]), filler[: k - 11]
    yield "seven bytes of padding", "none", raw(key, b"\0\2" + filler[:7] + b"\0" + filler[: k - 10]), None
    yield "block type 1", "none", raw(key, b"\0\1" + filler[: k - 10] + b"\0" + filler[:7]), None
    yield "no zero byte after the padding", "none", raw(key, b"\0\2" + filler[: k - 2]), None
    yield "first byte not zero", "none", raw(key, b"\1\2" + filler[: k - 10] + b"\0" + filler[:7]), None
    yield "one byte short", "none", good[:-2], None
    yield "one byte too long", "none", good + "00", None
    yield "one zero byte in front", "none", "00" + good, None
    yield "nothing", "none", "", None
    yield "not below the modulus", "none", "ff" * k, None
    yield "zero", "none", "00" * k, None
    yield "PKCS#1 given as OAEP", "sha256", good, None
    yield "OAEP given as PKCS#1", "none", pkeyutl(key, MESSAGE, *SHA1), None
    yield "OAEP with another hash", "sha1", pkeyutl(key, MESSAGE, *SHA256), None
    yield "OAEP with another hash", "sha256", pkeyutl(key, MESSAGE, *SHA1), None
    yield "OAEP with another hash for MGF1", "sha256", pkeyutl(key, MESSAGE, OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"), None
    yield "OAEP with a label", "sha256", pkeyutl(key, MESSAGE, *SHA256, "rsa_oaep_label:00"), None
    yield "OAEP one byte short", "sha256", pkeyutl(key, MESSAGE, *SHA256)[:-2], None
    yield "OAEP first byte not zero", "sha256", raw(key, b"\1" + filler[: k - 1]), None


def rsa_decryption():
    text = "# RSA decryption; how it was made: make_vectors.py. Blocks without a key use that of the block before. A block\n"
    text += "# without Plaintext is refused.\n"
    for bits in (1024, 2048):
        key = new_key("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
        private = dict(Pkcs8=pkcs8(key).hex())
        for what, name, cipher, plain in rsa_cases(key, bits // 8):
            values = private | dict(What=what, Hash=name, Ciphertext=cipher)
            private = {}
            if plain is not None:
                values["Plaintext"] = plain.hex()
            text += block(**values)
        os.unlink(key)
    return text


HASHES = ("sha1", "sha256", "sha384", "sha512")


def oaep_cases():
    """(what, hash, hash of MGF1, label, and what was encrypted with: hash, hash of MGF1, label; None: refused)"""
    for number, name in enumerate(HASHES):
        for mgf in HASHES:
            yield "OAEP", name, mgf, "" if name == mgf else "4c" * (number + 1), None
    yield "a label of 1000 bytes", "sha256", "sha256", "ab" * 1000, None
    yield "another label", "sha256", "sha1", "4c", ("sha256", "sha1", "4d")
    yield "no label", "sha256", "sha256", "4c", ("sha256", "sha256", "")
    yield "a label that is not expected", "sha384", "sha384", "", ("sha384", "sha384", "4c")
    yield "another hash", "sha384", "sha256", "", ("sha256", "sha256", "")
    yield "another hash of MGF1", "sha256", "sha1", "", ("sha256", "sha512", "")


def rsa_oaep():
    text = "# RSAES-OAEP; how it was made: make_vectors.py. All with one key. A block without Plaintext is refused.\n"
    key = new_key("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    private = dict(Pkcs8=pkcs8(key).hex())
    for what, name, mgf, label, other in oaep_cases():
        used = other or (name, mgf, label)
        settings = [OAEP, f"rsa_oaep_md:{used[0]}", f"rsa_mgf1_md:{used[1]}"]
        if used[2]:
            settings.append(f"rsa_oaep_label:{used[2]}")
        values = private | dict(What=what, Hash=name, Mgf=mgf, Label=label, Ciphertext=pkeyutl(key, MESSAGE, *settings))
        private = {}
        if other is None:
            values["Plaintext"] = MESSAGE.hex()
        text += block(**values)
    os.unlink(key)
    return text


def rsa_pss():
    text = "# RSASSA-PSS with a salt of zero bytes, which makes it deterministic; how it was made: make_vectors.py.\n"
    for bits in (1024, 2048, 3072):
        key = new_key("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
        for name in HASHES[1:]:
            settings = ["rsa_padding_mode:pss", "rsa_pss_saltlen:0", f"digest:{name}", f"rsa_mgf1_md:{name}"]
            options = [part for setting in settings for part in ("-pkeyopt", setting)]
            digest = hashlib.new(name, MESSAGE).digest()
            signature = openssl("pkeyutl", "-sign", "-inkey", key, *options, data=digest)
            text += block(Pkcs8=pkcs8(key).hex(), Hash=name, Msg=MESSAGE.hex(), Signature=signature.hex())
        os.unlink(key)
    return text


def derive(key, peer):
    public = peer + ".pub"
    openssl("pkey", "-in", peer, "-pubout", "-out", public)
    return openssl("pkeyutl", "-derive", "-inkey", key, "-peerkey", public).hex()


def more_keys():
    text = ""
    with tempfile.TemporaryDirectory() as folder:
        message = pathlib.Path(folder) / "message"
        message.write_bytes(MESSAGE)
        for curve in ("brainpoolP256r1", "secp256k1"):
            key, peer = (new_key("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}") for _ in range(2))
            text += block(
                Kind=curve, Pkcs8=pkcs8(key).hex(), Spki=spki(key).hex(), Msg=MESSAGE.hex(),
                Ecdsa_sha256_der=openssl("dgst", "-sha256", "-sign", key, str(message)).hex(),
                Peer=spki(peer).hex(), Z=derive(key, peer))
        key = new_key("-algorithm", "ED448")
        signature = openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", str(message))
        text += block(Kind="ed448", Pkcs8=pkcs8(key).hex(), Spki=spki(key).hex(), Msg=MESSAGE.hex(), Ed448=signature.hex())
        for kind in ("x25519", "x448"):
            key, peer = (new_key("-algorithm", kind.upper()) for _ in range(2))
            text += block(Kind=kind, Pkcs8=pkcs8(key).hex(), Spki=spki(key).hex(), Peer=spki(peer).hex(), Z=derive(key, peer))
        # A shared secret that starts with a zero byte keeps its length.
        key = new_key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        while True:
            peer = new_key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
            if derive(key, peer).startswith("00"):
                break
            os.unlink(peer)
        text += block(
            Kind="P-256", Pkcs8=pkcs8(key).hex(), Spki=spki(key).hex(), Msg=MESSAGE.hex(),
            Ecdsa_sha256_der=openssl("dgst", "-sha256", "-sign", key, str(message)).hex(),
            Peer=spki(peer).hex(), Z=derive(key, peer))
    return text


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    (here / "rsa-decryption.vec").write_text(rsa_decryption())
    (here / "rsa-oaep.vec").write_text(rsa_oaep())
    (here / "rsa-pss.vec").write_text(rsa_pss())
    sys.stdout.write(more_keys())
