"""Copies rows of an issuer's database into the weeks before today, so that lists have pages and charts have shapes.

usage: fill_rows.py DATABASE
"""

import hashlib
import sqlite3
import sys
import time

DAY = 86400
DAYS = 45
NAMES = ["Ada Byron", "Kim Roe", "Max Müller", "Ines Vogel", "Tom Baker", "Lena Fuchs", "Omar Haddad", "Mia Sommer"]
# As no parser of names would let it in.
HOSTILE = "<img src=x onerror=alert(1)>"
REFUSALS = ["ticket-expired", "device", "session-expired", "capability", "crypto"]


def name(*parts):
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def insert(database, table, row):
    columns = ", ".join(row)
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def main():
    database = sqlite3.connect(sys.argv[1], timeout=120)
    database.row_factory = sqlite3.Row
    credential = dict(database.execute("SELECT * FROM credentials WHERE status = 'issued' LIMIT 1").fetchone())
    session = dict(
        database.execute("SELECT * FROM sessions WHERE id = ?", [credential["server_session_id"]]).fetchone()
    )
    ticket = dict(database.execute("SELECT * FROM tickets WHERE digest = ?", [session["ticket_digest"]]).fetchone())
    today = int(time.time()) // DAY * DAY
    for day in range(1, DAYS):
        weekend = day % 7 in (2, 3)
        count = 1 + day % 2 if weekend else 6 + (day * 5) % 7
        for i in range(count):
            key = (day, i)
            at = today - day * DAY + 8 * 3600 + i * 2400
            name_of_person = HOSTILE if key == (1, 0) else NAMES[(day * 3 + i) % len(NAMES)]
            subject = f"CN={name_of_person},O=Example Bank"
            refused = (day * 7 + i) % 9 == 0
            insert(database, "tickets", ticket | {
                "digest": name("ticket", *key), "cookie_digest": name("ticket cookie", *key), "subject": subject,
                "created": at - 600, "expires": at + 3000, "used": at, "creator": "officer.one"})
            insert(database, "sessions", session | {
                "id": name("session", *key)[:32], "cookie_digest": name("cookie", *key), "subject": subject,
                "ticket_digest": name("ticket", *key), "client_session_id": name("client", *key)[:32],
                "created": at, "expires": at + 900, "ended": at + 20, "phase": "aborted" if refused else "done",
                "result": REFUSALS[(day + i) % len(REFUSALS)] if refused else "ok"})
            if refused:
                continue
            status = "revoked" if (day + i) % 17 == 0 else "suspended" if (day + i) % 29 == 0 else "issued"
            insert(database, "credentials", credential | {
                "fingerprint": name("credential", *key), "public_key_digest": name("key", *key), "subject": subject,
                "server_session_id": name("session", *key)[:32], "owner": name("session", *key)[:32],
                "client_session_id": name("client", *key)[:32], "serial": name("serial", *key)[:32],
                "created": at, "issued": at + 20, "not_after": at + 730 * DAY, "status": status})
    database.commit()


main()
