"""Makes keys.vec with ssh-keygen and openssl. usage: make_vectors.py > keys.vec

Every run makes new keys.
"""

import base64
import pathlib
import re
import subprocess
import tempfile

KINDS = [("rsa", 2048), ("rsa", 3072), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("ed25519", 256)]
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, and the key behind it


def run(folder, *command, **more):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, **more).stdout


def armoured(text):
    return base64.b64decode("".join(text.strip().splitlines()[1:-1]))


def block(folder, kind, bits):
    run(folder, "ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-C", f"{kind} {bits}", "-f", "key")
    run(folder, "ssh-keygen", "-q", "-s", "authority", "-h", "-I", "a host", "-n", "host.example", "key.pub")
    run(folder, "ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", "key", "message")
    line = (folder / "key.pub").read_text().strip()
    public = base64.b64decode(line.split()[1])
    if kind == "ed25519":
        spki = ED25519_SPKI + public[-32:]
    else:
        spki = armoured(run(folder, "ssh-keygen", "-e", "-m", "PKCS8", "-f", "key.pub").decode())
    fingerprint = re.search(r"SHA256:\S+", run(folder, "ssh-keygen", "-l", "-f", "key.pub").decode()).group()
    certificate = base64.b64decode((folder / "key-cert.pub").read_text().split()[1])
    print(f"Line = {line}")
    print(f"Spki = {spki.hex()}")
    print(f"Fingerprint = {fingerprint}")
    print(f"Certificate = {certificate.hex()}")
    print(f"Signature = {armoured((folder / 'message.sig').read_text()).hex()}\n")
    for name in ("key", "key.pub", "key-cert.pub", "message.sig"):
        (folder / name).unlink()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "message").write_bytes(b"to be signed\n")
        run(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "authority")
        print("# Public keys, host certificates and SSHSIG signatures of \"to be signed\\n\" in the namespace \"test\".\n")
        for kind, bits in KINDS:
            block(folder, kind, bits)


if __name__ == "__main__":
    main()
