"""Checks that every folder includes only what it may depend on (docs/architecture.md).

usage: include_direction.py SOURCE_DIR
"""

import pathlib
import re
import sys

# A file belongs to the first row whose prefix it starts with. It may include project headers that start with one of the
# row's prefixes, and system headers that match one of its patterns (besides the C and C++ standard libraries and POSIX).
RULES = [
    ("sks-core/base/", ["sks-core/base/"], ["openssl/"]),
    ("sks-core/toml/", ["sks-core/base/", "sks-core/toml/"], ["toml++/"]),
    ("sks-core/crypto/", ["sks-core/base/", "sks-core/crypto/"], ["openssl/"]),
    ("sks-core/engine/", ["sks-core/base/", "sks-core/crypto/", "sks-core/engine/"], ["openssl/"]),
    ("sks-core/wire/", ["sks-core/base/", "sks-core/wire/", "sks-core/engine/secure_key_store.h"], []),
    ("sks-core/capi/", ["sks-core/"], []),
    ("attestation/verifier", ["sks-core/base/", "sks-core/crypto/", "attestation/"], ["openssl/"]),
    (
        "attestation/",
        ["sks-core/base/", "sks-core/crypto/", "attestation/", "sks-core/engine/device_identity.h"],
        ["openssl/"],
    ),
    ("sealed-storage/tpm2/", ["sks-core/base/", "sks-core/crypto/", "sealed-storage/"], ["tss2/"]),
    (
        "sealed-storage/",
        ["sks-core/base/", "sks-core/crypto/", "sealed-storage/", "sks-core/engine/storage.h"],
        ["sqlite3.h", "cbor.h"],
    ),
    (
        "keygen2/client",
        ["sks-core/base/", "sks-core/crypto/", "sks-core/engine/secure_key_store.h", "keygen2/"],
        ["nlohmann/"],
    ),
    (
        "keygen2/issuer",
        ["sks-core/base/", "sks-core/crypto/", "attestation/claims.h", "attestation/verifier.h", "keygen2/"],
        ["nlohmann/"],
    ),
    ("keygen2/regular_expression.cpp", ["keygen2/"], ["pcre2.h"]),
    ("keygen2/", ["sks-core/base/", "sks-core/crypto/", "keygen2/"], ["nlohmann/"]),
    # No OpenSSL, in whatever folder.
    (
        "key-user-api/pkcs11/",
        ["sks-core/base/", "sks-core/wire/attentive_receiver.h", "sks-core/wire/body_writer.h", "sks-core/wire/frame.h",
         "key-user-api/dialog/pin_encoding.h", "key-user-api/socket_place/", "key-user-api/pkcs11/"],
        ["p11-kit/"],
    ),
    (
        "key-user-api/token/",
        [
            "sks-core/",
            "keygen2/",
            "key-user-api/dialog/pin_encoding.h",
            "key-user-api/local_issuer/",
            "key-user-api/token/",
            "key-user-api/token_names.h",
            "key-user-api/user_api.h",
        ],
        ["p11-kit/", "openssl/"],
    ),
    (
        "key-user-api/daemon/",
        ["sks-core/", "sealed-storage/", "attestation/device_identity.h", "key-user-api/"],
        ["CLI/", "p11-kit/", "seccomp"],
    ),
    # The PKCS#11 module has it without OpenSSL.
    ("key-user-api/socket_place/", ["key-user-api/socket_place/"], []),
    # The one issuer half in a device: what its owner puts into the key store.
    (
        "key-user-api/local_issuer/",
        ["sks-core/", "sealed-storage/", "attestation/claims.h", "attestation/verifier.h", "keygen2/", "key-user-api/local_issuer/"],
        [],
    ),
    (
        "key-user-api/ssh_agent/",
        [
            "sks-core/", "key-user-api/dialog/", "key-user-api/key_files/ssh_keys.h", "key-user-api/local_issuer/local_keys.h",
            "key-user-api/ssh_agent/", "key-user-api/token/service.h", "key-user-api/user_api.h",
        ],
        ["openssl/"],
    ),
    ("key-user-api/key_files/", ["sks-core/base/", "sks-core/crypto/", "key-user-api/key_files/"], ["openssl/"]),
    (
        "key-user-api/",
        ["sks-core/", "sealed-storage/", "attestation/device_identity.h", "keygen2/", "key-user-api/"],
        ["nlohmann/", "CLI/", "boost/", "openssl/"],
    ),
    (
        "provisioning-server/",
        ["sks-core/base/", "sks-core/crypto/", "sks-core/toml/toml_reader.h", "attestation/claims.h", "attestation/device_path.h",
         "attestation/verifier.h", "keygen2/", "provisioning-server/"],
        ["nlohmann/", "CLI/", "boost/", "openssl/", "p11-kit/", "sqlite3.h", "libpq-fe.h", "spdlog/",
         "qrencode.h"],
    ),
    # The other side of those who are examined: the kit's messages come from its own tables, its key store is ours.
    (
        "conformance/kit/",
        [
            "sks-core/base/", "sks-core/crypto/", "sks-core/engine/", "sks-core/toml/toml_reader.h",
            "attestation/device_identity.h", "keygen2/enumerations.h", "keygen2/jwk.h", "keygen2/time.h", "conformance/",
        ],
        ["nlohmann/", "openssl/"],
    ),
    # Both halves at once, whose secrets it knows.
    ("conformance/record.", ["sks-core/", "keygen2/", "conformance/"], ["nlohmann/"]),
    ("conformance/record_scenarios", ["sks-core/", "keygen2/", "conformance/"], []),
    ("conformance/live_key_store", ["sks-core/", "attestation/device_identity.h", "conformance/"], []),
    # Nothing that computes MACs or attestations: a judge that shares the code of those it judges finds no mistake.
    (
        "conformance/",
        [
            "sks-core/base/",
            "sks-core/crypto/",
            "sks-core/engine/secure_key_store.h",
            "keygen2/enumerations.h",
            "keygen2/jwk.h",
            "keygen2/time.h",
            "conformance/",
        ],
        ["nlohmann/", "CLI/", "openssl/"],
    ),
]

# Halves that must not meet: the issuer never links the engine, the client never the verifier.
FORBIDDEN = [
    ("provisioning-server/", "keygen2/client"),
    ("provisioning-server/", "keygen2/user_dialog.h"),
    ("key-user-api/", "keygen2/issuer"),
    ("keygen2/client", "keygen2/issuer"),
    ("keygen2/issuer", "keygen2/client"),
]

LIBRARY = re.compile(r"^(openssl|nlohmann|CLI|boost|toml\+\+|spdlog|p11-kit|cbor|sqlite3|doctest|libpq|tss2|pcre2|seccomp|qrencode)")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def problems_of(name, text):
    rule = next((r for r in RULES if name.startswith(r[0])), None)
    if rule is None:
        yield f"{name}: no rule covers this folder"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        where = f"{name}:{number}: {target}"
        if quote == '"':
            if not any(target.startswith(prefix) for prefix in rule[1]):
                yield f"{where} is not a dependency of {rule[0]}"
            if any(name.startswith(a) and target.startswith(b) for a, b in FORBIDDEN):
                yield f"{where} belongs to the other half"
        elif LIBRARY.match(target) and not any(target.startswith(prefix) for prefix in rule[2]):
            yield f"{where} is not a library of {rule[0]}"


def main(root):
    root = pathlib.Path(root)
    folders = ["sks-core", "attestation", "sealed-storage", "keygen2", "key-user-api", "provisioning-server", "conformance"]
    files = sorted(f for folder in folders for f in (root / folder).rglob("*") if f.suffix in (".h", ".cpp"))
    problems = [p for f in files for p in problems_of(f.relative_to(root).as_posix(), f.read_text(encoding="utf-8"))]
    # The rules themselves must bite: an engine include in the server, JSON in the engine.
    assert list(problems_of("provisioning-server/x.cpp", '#include "sks-core/engine/engine.h"\n'))
    assert list(problems_of("sks-core/engine/x.cpp", "#include <nlohmann/json.hpp>\n"))
    assert not list(problems_of("keygen2/x.cpp", '#include "sks-core/base/bytes.h"\n#include <vector>\n'))
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
