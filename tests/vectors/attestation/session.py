"""The attestation input of sks-api.md 3.2, written from the specification, for make_certificates.sh."""
import hashlib
import pathlib
import struct
import sys

SERVER_KEY = bytes.fromhex(  # sks-api.md 10.2, issuer ephemeral SPKI
    "3059301306072a8648ce3d020106082a8648ce3d0301070342000479e1f21cd725c13cd67ad890c84e5f665229e836373e2d1ac78321e3eff96ba9"
    "5459c8eeed426bdad0f7c4ad749ea57f98f39f5259f7974997e69dcd85f968a4")
CLIENT_KEY = bytes.fromhex(  # sks-api.md 10.2, SKS ephemeral SPKI
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004fd3f353a775ed71a61fbf126019941ac6f2a1fe5decd29306fc1e1c6cf8a14f6"
    "5c42a5624cd745bd592734598a2f6e8b16d610e668c5b60f5ff910e84ebb39a2")


def enc(data):
    return struct.pack(">H", len(data)) + data


def attestation_data(device, privacy_enabled=b"\0"):
    return b"".join([
        enc(b"C-E2ES-0123456789ABCDEFGHIJKLMNO"), enc(b"S-E2ES-1"), enc(b"https://issuer.example.com/sks"), enc(device),
        enc(b"https://webpki.github.io/sks/algorithm#session.1"), privacy_enabled, enc(SERVER_KEY), enc(CLIENT_KEY), enc(b""),
        struct.pack(">IHH", 1611905400, 10000, 50), enc(b"\1\2\3")])


def der_integers(signature):
    """r and s of an ECDSA-Sig-Value shorter than 128 bytes."""
    assert signature[0] == 0x30 and signature[1] == len(signature) - 2
    at, found = 2, []
    while at < len(signature):
        assert signature[at] == 2
        size = signature[at + 1]
        found.append(int.from_bytes(signature[at + 2:at + 2 + size], "big"))
        at += 2 + size
    return found


if sys.argv[1] == "--vectors":
    print("# Made by make_certificates.sh.\n")
    for name in sys.argv[2:]:
        signature = pathlib.Path(name + ".sig").read_bytes()
        print(f"Device = {name}")
        print(f"DataSha256 = {hashlib.sha256(pathlib.Path(name + '.data').read_bytes()).hexdigest()}")
        if name.startswith("rsa"):
            print(f"Attestation = {signature.hex()}\n")
        else:
            size = 48 if "384" in name else 32
            raw = b"".join(n.to_bytes(size, "big") for n in der_integers(signature))
            print(f"Attestation = {raw.hex()}\nAttestationDer = {signature.hex()}\n")
elif sys.argv[1] == "--anonymous":
    sys.stdout.buffer.write(attestation_data(b"Anonymous", b"\1"))
else:
    sys.stdout.buffer.write(attestation_data(pathlib.Path(sys.argv[1]).read_bytes()))
