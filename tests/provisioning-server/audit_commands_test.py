"""Drives `sks-issuer audit` and recomputes what it says from spec/issuer-audit.md, with openssl for the signatures.

usage: audit_commands_test.py SKS_ISSUER
"""

import hashlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

ISSUER = sys.argv[1]


def run(*arguments, code=0):
    done = subprocess.run([ISSUER, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (arguments, done)
    return done.stdout, done.stderr


def fields(label, *values):
    content = b""
    for value in (label, *values):
        if isinstance(value, int):
            value = value.to_bytes(8, "big", signed=True)
        elif isinstance(value, str):
            value = value.encode()
        content += len(value).to_bytes(4, "big") + value
    return content


def sha256(content):
    return hashlib.sha256(content).digest()


def hash_of_chain(line):
    return sha256(fields("sks-audit-chain-1", line["chain"], line["node"], line["started"]))


def hash_of_entry(line):
    texts = [line[name] for name in ("actor", "action", "session", "policy", "result", "detail")]
    return sha256(
        fields("sks-audit-entry-1", line["chain"], line["number"], bytes.fromhex(line["previous"]), line["time"], *texts)
    )


def bytes_of_checkpoint(line):
    heads = []
    for head in line["heads"]:
        heads += [head["chain"], head["number"], bytes.fromhex(head["hash"])]
    previous = bytes.fromhex(line["previous"])
    return fields("sks-audit-checkpoint-1", line["node"], line["number"], line["time"], previous, len(line["heads"]), *heads)


def check_export(lines, folder, scratch):
    """What the specification says about each line, computed here."""
    heads = {}
    previous = bytes(32)
    checkpoints = [line for line in lines if line["kind"] == "checkpoint"]
    for line in lines:
        if line["kind"] == "chain":
            heads[line["chain"], 0] = hash_of_chain(line)
        if line["kind"] == "entry":
            assert bytes.fromhex(line["previous"]) == heads[line["chain"], line["number"] - 1], line
            assert bytes.fromhex(line["hash"]) == hash_of_entry(line), line
            heads[line["chain"], line["number"]] = hash_of_entry(line)
    for line in checkpoints:
        assert bytes.fromhex(line["previous"]) == previous
        previous = sha256(bytes_of_checkpoint(line))
        (scratch / "content").write_bytes(bytes_of_checkpoint(line))
        (scratch / "signature").write_bytes(bytes.fromhex(line["signature"]))
        subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", folder / "audit.pem", "-signature", scratch / "signature", scratch / "content"],
            check=True,
            capture_output=True,
        )
        for head in line["heads"]:
            assert heads[head["chain"], head["number"]] == bytes.fromhex(head["hash"])
    assert len(checkpoints) == 3, checkpoints


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        folder = scratch / "issuer"
        run("init", "--dir", folder, "--url", "https://localhost:8443/keygen2")
        # Each command is a process with a chain and a last checkpoint of its own.
        for subject in ("CN=Jo Doe", "CN=Mo Doe", "CN=Bo Doe"):
            run("ticket", "--dir", folder, "--profile", "default", "--subject", subject)
        out, _ = run("audit", "verify", "--dir", folder)
        assert out == "3 entries in 3 chains, 3 checkpoints; 0 entries behind the last checkpoint\n", out

        text, _ = run("audit", "export", "--dir", folder)
        assert text.count("\n") == 3 and text.count(" operator ticket - default ") == 3, text
        assert run("audit", "export", "--dir", folder, "--to", "2020-01-01")[0] == ""
        export, _ = run("audit", "export", "--dir", folder, "--json")
        (scratch / "export").write_text(export)
        check_export([json.loads(line) for line in export.splitlines()], folder, scratch)
        run("audit", "verify", "--file", scratch / "export", "--key", folder / "audit.pem")
        (scratch / "changed").write_text(export.replace("CN=Mo Doe", "CN=No Doe"))
        out, error = run("audit", "verify", "--file", scratch / "changed", "--key", folder / "audit.pem", code=1)
        assert ": entry 1 was changed\n" in out, out
        assert error == "sks-issuer: the audit log is not what it was\n", error

        # Cut off with everything that tells of it, but for the export.
        database = sqlite3.connect(folder / "issuer.db")
        last = "(SELECT chain FROM audit_chains ORDER BY started DESC, rowid DESC LIMIT 1)"
        database.execute(f"DELETE FROM audit WHERE chain = {last}")
        database.execute("DELETE FROM audit_chains WHERE chain NOT IN (SELECT chain FROM audit)")
        database.execute("DELETE FROM audit_checkpoints WHERE number = 3")
        database.commit()
        database.close()
        run("audit", "verify", "--dir", folder)
        out, _ = run("audit", "verify", "--dir", folder, "--checkpoints", scratch / "export", code=1)
        assert "checkpoint 3 of node " in out and " was removed: it was kept elsewhere\n" in out, out
        assert " was removed, which checkpoint 3 of node " in out, out

        for arguments, sentence in (
            (["erase", "--dir", folder], "audit takes \"verify\" or \"export\""),
            (["verify"], "--dir is missing; only `verify` does without, with --file and --key"),
            (["verify", "--file", scratch / "export"], "--dir is missing; only `verify` does without, with --file and --key"),
            (["export", "--dir", folder, "--from", "yesterday"], "--from takes a day such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z"),
            (["verify", "--dir", folder, "--key", folder / "ca.pem"], f"{folder}/ca.pem holds no public key in PEM form"),
        ):
            _, error = run("audit", *arguments, code=1)
            assert error == f"sks-issuer: {sentence}\n", error

        # An issuer from before there were checkpoints gets a key.
        (folder / "keys/audit.key").unlink()
        run("ticket", "--dir", folder, "--profile", "default")
        assert (folder / "keys/audit.key").stat().st_mode & 0o777 == 0o600
        run("audit", "verify", "--dir", folder)

        check_record_comes_first(folder)
        check_seal_is_on_record(folder)


def check_record_comes_first(folder):
    """What cannot be put on record does not happen."""
    database = sqlite3.connect(folder / "issuer.db")
    database.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
    database.commit()
    files = [folder / name for name in ("registered-devices", "tls.pem", "ca.pem", "credential-ca.pem")]
    before = [file.read_bytes() for file in files]
    for command in (["register", "--fingerprint", "ab" * 32], ["renew", "tls"], ["renew", "tls-ca", "--new-key"],
                    ["renew", "credential-ca"]):
        run(*command, "--dir", folder, code=1)
        assert [file.read_bytes() for file in files] == before, command
    database.execute("DROP TRIGGER full")
    database.commit()
    database.close()
    run("register", "--fingerprint", "ab" * 32, "--dir", folder)
    assert "ab" * 32 in files[0].read_text()


def check_seal_is_on_record(folder):
    """However far `seal` comes, the log says at least what it was about to do."""
    file = folder / "keys/kmk-2.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file],
                   check=True, capture_output=True)
    file.chmod(0o600)
    run("ticket", "--dir", folder, "--profile", "default")  # takes up the new key, which is on record
    plain = file.read_bytes()
    database = sqlite3.connect(folder / "issuer.db", isolation_level=None)

    def seal(refused, code):
        """Where no entry for which `refused` holds can be written, as if the process had ended there."""
        database.execute(f"CREATE TRIGGER full BEFORE INSERT ON audit WHEN {refused} BEGIN SELECT RAISE(ABORT, 'full'); END")
        run("seal", "--dir", folder, code=code)
        database.execute("DROP TRIGGER full")
        rows = database.execute("SELECT actor, result, detail FROM audit WHERE action = 'seal' ORDER BY rowid").fetchall()
        return [(actor, result) for actor, result, detail in rows if detail == str(file)]

    begun, done = ("operator", "begun"), ("operator", "ok")
    assert seal("1", 1) == [] and file.read_bytes() == plain
    assert seal("NEW.result = 'ok'", 1) == [begun] and file.read_bytes() != plain
    file.write_bytes(plain)
    assert seal("0", 0) == [begun, begun, done] and file.read_bytes() != plain
    assert seal("0", 0) == [begun, begun, done]
    database.close()
    run("audit", "verify", "--dir", folder)


if __name__ == "__main__":
    main()
