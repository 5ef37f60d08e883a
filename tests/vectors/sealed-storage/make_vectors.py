#!/usr/bin/env python3
"""Writes the vectors of this folder from spec/sealed-record.md and spec/persona.md alone, with Python's cryptography, hashlib and sqlite3.

Shares no code with the product: the CBOR encoder is the one below, AES-GCM and HKDF come from the cryptography package, scrypt from hashlib.
All "random" values are fixed, so that a second run writes the same bytes (store.db up to SQLite's version number).
"""
import hashlib
import hmac
import pathlib
import sqlite3
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent
SPEC = HERE.parents[2] / "spec" / "sealed-record.md"


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


def hkdf(secret, salt, info):
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def key_check(master, store_id, version):
    return hkdf(master, store_id, cbor(["OpenSKS key check", version]))


def seal(master, store_id, version, kind, handle, generation, nonce, plaintext):
    key = hkdf(master, store_id, cbor(["OpenSKS record key", version, kind, handle, generation]))
    external = cbor(["OpenSKS record", version, store_id, kind, handle, generation])
    aad = cbor(["Encrypt0", bytes.fromhex("a10103"), external])
    return cbor([bytes.fromhex("a10103"), {5: nonce}, AESGCM(key).encrypt(nonce, plaintext, aad)])


def tree(key, kind, tags):
    """Height, tag of the top node and {(level, number): node} of a tree, from {handle: tag}."""
    nodes, level = {}, 0
    while True:
        below, tags = tags, {}
        for number in sorted({position >> 5 for position in below}):
            present = [position for position in sorted(below) if position >> 5 == number]
            used = sum(1 << (position & 31) for position in present)
            node = used.to_bytes(4, "big") + b"".join(below[position] for position in present)
            nodes[level, number] = node
            place = bytes([kind, level]) + number.to_bytes(4, "big")
            tags[number] = hmac.digest(key, place + node, "sha256")[:16]
        level += 1
        if set(tags) == {0}:
            return level, tags[0], nodes


def pattern(start, size):
    return bytes((start + i) % 256 for i in range(size))


MASTER = pattern(0x00, 32)
STORE_ID = pattern(0x40, 16)
CASES = [  # kind, handle, generation, value
    (1, 0, 2, b""),
    (3, 1, 3, b"x"),
    (3, 4294967295, 4, pattern(0, 231)),
    (4, 24, 255, pattern(7, 300)),
    (7, 65536, 4294967296, pattern(9, 20)),
]
IDENTITY = {1: [pattern(0x30, 400), pattern(0x31, 20)], 2: pattern(0x80, 138)}


TREES = [[0], list(range(41)), [5, 1023, 1024, 1000000], [0, 4294967295]]


def write_records():
    lines = ["# Made by make_vectors.py from spec/sealed-record.md.", ""]
    for version in (1, 2, 3):
        for i, (kind, handle, generation, value) in enumerate(CASES):
            nonce = pattern(0xA0 + i, 12)
            record = seal(MASTER, STORE_ID, version, kind, handle, generation, nonce, cbor({1: value}))
            lines += [f"Version = {version}", f"MasterKey = {MASTER.hex()}", f"StoreId = {STORE_ID.hex()}",
                      f"KeyCheck = {key_check(MASTER, STORE_ID, version).hex()}", f"Kind = {kind}", f"Handle = {handle}",
                      f"Generation = {generation}", f"Nonce = {nonce.hex()}", f"Value = {value.hex()}",
                      f"Sealed = {record.hex()}", ""]
    (HERE / "records.vec").write_text("\n".join(lines))


def write_trees():
    lines = ["# Made by make_vectors.py from spec/sealed-record.md.", ""]
    for i, handles in enumerate(TREES):
        key, kind = pattern(0x70 + i, 32), 3 + i
        tags = {handle: hashlib.sha256(b"%d" % handle).digest()[:16] for handle in handles}
        height, top, nodes = tree(key, kind, tags)
        stored = " ".join(f"{level}/{number}/{node.hex()}" for (level, number), node in sorted(nodes.items()))
        lines += [f"TreeKey = {key.hex()}", f"Kind = {kind}",
                  f"Handles = {b''.join(handle.to_bytes(4, 'big') for handle in handles).hex()}",
                  f"Tags = {b''.join(tags[handle] for handle in handles).hex()}",
                  f"Height = {height}", f"Top = {top.hex()}", f"Nodes = {stored}", ""]
    (HERE / "trees.vec").write_text("\n".join(lines))


MASTER_KEYS = [  # passphrase, costs (log2 N, r, p)
    (b"x", (10, 8, 1)),
    ("Sesam, \u00f6ffne dich \U0001f511".encode(), (11, 9, 3)),
    (pattern(0x20, 90) * 11, (14, 8, 1)),
    (b"correct horse battery staple", (17, 8, 1)),
]


def key_file(provider, part):
    content = b"SKSMKEY\0" + bytes([1, provider]) + part
    return content + hashlib.sha256(content).digest()[:4]


def passphrase_file(passphrase, costs, salt, nonce, key):
    log2_n, r, p = costs
    before = bytes(costs) + salt + nonce
    wrapping = hashlib.scrypt(passphrase, salt=salt, n=1 << log2_n, r=r, p=p, maxmem=1 << 28, dklen=32)
    header = key_file(2, b"")[:10]
    return key_file(2, before + AESGCM(wrapping).encrypt(nonce, key, header + before))


def write_master_keys():
    lines = ["# Made by make_vectors.py from spec/sealed-record.md.", ""]
    lines += ["Provider = 1", f"MasterKey = {MASTER.hex()}", f"File = {key_file(1, MASTER).hex()}", ""]
    for i, (passphrase, costs) in enumerate(MASTER_KEYS):
        key, salt, nonce = pattern(0x11 * i, 32), pattern(0x90 + i, 16), pattern(0xD0 + i, 12)
        file = passphrase_file(passphrase, costs, salt, nonce, key)
        lines += ["Provider = 2", f"MasterKey = {key.hex()}", f"Passphrase = {passphrase.hex()}", f"File = {file.hex()}",
                  ""]
    (HERE / "master-keys.vec").write_text("\n".join(lines))


def write_anchors():
    lines = ["# Made by make_vectors.py from spec/sealed-record.md.", ""]
    for epoch in (1, 256, 2**63):
        key = hkdf(MASTER, STORE_ID, cbor(["OpenSKS anchor key", 3]))
        content = b"SKSANCH\0" + bytes([1]) + STORE_ID + epoch.to_bytes(8, "big")
        lines += [f"MasterKey = {MASTER.hex()}", f"StoreId = {STORE_ID.hex()}", f"AnchorKey = {key.hex()}",
                  f"Epoch = {epoch}", f"File = {(content + hmac.digest(key, content, 'sha256')).hex()}", ""]
    (HERE / "anchors.vec").write_text("\n".join(lines))


def write_store(version):
    folder = HERE / f"store-v{version}"
    folder.mkdir(exist_ok=True)
    (folder / "master.key").write_bytes(key_file(1, MASTER))

    lines = [line for line in SPEC.read_text().splitlines() if line.startswith("CREATE TABLE")]
    store, record, node, earlier_store, root_table = lines
    schema = {1: [earlier_store, record], 2: [earlier_store, record, root_table, node], 3: [store, record, node]}[version]
    database = folder / "store.db"
    database.unlink(missing_ok=True)
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA application_id = 0x534b5353")
    db.execute(f"PRAGMA user_version = {version}")
    for statement in schema:
        db.execute(statement)
    rows = [(128, 0, 1, cbor(IDENTITY))] + [(k, h, g, cbor({1: v})) for k, h, g, v in CASES[:3]]
    tags = {}
    for i, (kind, handle, generation, plaintext) in enumerate(rows):
        record = seal(MASTER, STORE_ID, version, kind, handle, generation, pattern(0xB0 + i, 12), plaintext)
        db.execute("INSERT INTO record VALUES (?, ?, ?, ?)", (kind, handle, generation, record))
        tags.setdefault(kind, {})[handle] = record[-16:]
    root = {1: 0, 2: []}
    if version >= 3:  # what the tree does not know of yet: a record that it has otherwise, and one that is gone
        root[3] = [[1, 0, tags[1][0]], [3, 7, b""]]
        tags[1][0] = tags[3][7] = pattern(0xE0, 16)
    if version >= 2:
        for kind in sorted(tags):
            height, top, nodes = tree(hkdf(MASTER, STORE_ID, cbor(["OpenSKS tree key", version])), kind, tags[kind])
            root[2].append([kind, height, top])
            for (level, number), node in nodes.items():
                db.execute("INSERT INTO node VALUES (?, ?, ?, ?)", (kind, level, number, node))
    sealed_root = seal(MASTER, STORE_ID, version, 129, 0, 4, pattern(0xC0, 12), cbor(root))
    header = [STORE_ID, key_check(MASTER, STORE_ID, version), 4] + ([sealed_root] if version >= 3 else [])
    db.execute(f"INSERT INTO store VALUES (1, {', '.join('?' * len(header))})", header)
    if version == 2:
        db.execute("INSERT INTO root VALUES (1, ?)", (sealed_root,))
    db.close()


def write_persona():
    image = (HERE / "store-v2" / "store.db").read_bytes()
    name, passphrase, costs, salt, nonce = b"work", b"Sesam", (10, 8, 1), pattern(0x98, 16), pattern(0xD8, 12)
    header = b"SKSPERS\0" + bytes([1, len(name)]) + name.ljust(64, b"\0") + STORE_ID
    header += len(image).to_bytes(8, "big") + hashlib.sha256(image).digest()
    before = bytes(costs) + salt + nonce
    wrapping = hashlib.scrypt(passphrase, salt=salt, n=1 << costs[0], r=costs[1], p=costs[2], dklen=32)
    head = header + before + AESGCM(wrapping).encrypt(nonce, MASTER, header + before)
    (HERE / "persona-v1.sks").write_bytes(head + hashlib.sha256(head).digest()[:4] + image)


if __name__ == "__main__":
    write_records()
    write_trees()
    write_master_keys()
    write_anchors()
    for version in (1, 2, 3):
        write_store(version)
    write_persona()
    sys.exit(0)
