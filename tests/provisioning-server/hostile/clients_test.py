#!/usr/bin/python3
"""sks-issuer among clients that mean no good: slow, huge, malformed, replaying, out of order, too many.

usage: clients_test.py SKS_ISSUER CLUSTER_CLIENT

Each test ends with an honest client that gets its key. Nothing depends on how fast something is.
"""

import http.client
import json
import os
import re
import resource
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import honest_client  # noqa: E402
import issuer_process  # noqa: E402
from honest_client import HonestClient  # noqa: E402
from issuer_process import PATIENCE, Issuer, free_port, read_all, run, wait_for  # noqa: E402

honest_client.PROGRAM = os.path.abspath(sys.argv.pop(2))
issuer_process.PROGRAM = os.path.abspath(sys.argv.pop(1))

POST = (b"POST /keygen2 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n")


class ClientsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def issuer(self, settings="", **options):
        made = Issuer(self.folder, settings)
        self.addCleanup(made.stop)
        made.start(**options)
        return made

    def check_service(self, issuer):
        self.assertEqual(len(HonestClient(issuer).fingerprints()), 1)
        self.assertIsNone(issuer.process.poll())

    def test_slow_and_silent_clients_lose_their_connection(self):
        # A long list for whoever reads it slowly: more than the system keeps for a connection.
        plain = free_port()
        issuer = Issuer(self.folder, f'plain_listen = "127.0.0.1:{plain}"')
        issuer.set("# plain_listen = \"127.0.0.1:8080\"", f'plain_listen = "127.0.0.1:{plain}"')
        self.addCleanup(issuer.stop)
        issuer.start()
        list_path = wait_for(lambda: self.find_list(issuer), "a revocation list")
        issuer.stop()
        with sqlite3.connect(issuer.folder / "issuer.db") as database:
            database.execute("UPDATE crls SET content = zeroblob(12000000)")
        database.close()
        issuer.start()

        idle = issuer.connect()
        slow_header = issuer.connect()
        slow_header.sendall(b"GET /result HTTP/1.1\r\n")
        silent = socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE)
        slow_body = issuer.connect()
        slow_body.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        slow_chunks = issuer.connect()
        slow_chunks.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", plain))
        reader.sendall(f"GET {list_path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        honest = HonestClient(issuer)

        def closed_by(limit):
            return issuer.metrics().get(("sks_issuer_connections_closed_total", (("limit", limit),)), 0)

        def trickle():
            for connection, piece in ((slow_header, b"X: y\r\n"), (slow_body, b" "), (slow_chunks, b"1\r\n \r\n")):
                try:
                    connection.sendall(piece)
                except (ConnectionError, ssl.SSLError):
                    pass
            reader.recv(1)
            closed = {limit: closed_by(limit) for limit in ("header", "idle", "body", "write")}
            if closed["header"] == 1:
                headers_had_less_time.append(closed["idle"] == 0)
            return closed == {"header": 1, "idle": 1, "body": 2, "write": 1}

        headers_had_less_time = []
        wait_for(trickle, "the end of the slow ones")
        # Who was there before them and has not begun a request is still there when they are gone.
        self.assertTrue(headers_had_less_time[0])
        self.assertEqual(read_all(idle), b"")
        self.assertEqual(read_all(silent), b"")
        wait_for(lambda: issuer.metric("tls_handshake_failures_total", reason="timeout") == 1, "a failed handshake")
        self.assertEqual(len(honest.fingerprints()), 1)
        for connection in (idle, slow_header, silent, slow_body, slow_chunks, reader):
            connection.close()
        self.check_service(issuer)

    @staticmethod
    def find_list(issuer):
        with sqlite3.connect(issuer.folder / "issuer.db") as database:
            rows = database.execute("SELECT authority FROM crls").fetchall()
        database.close()
        return f"/crl/{rows[0][0]}.crl" if rows else None

    def test_a_certificate_whose_client_kept_its_last_message_is_on_hold_and_can_be_revoked(self):
        plain = free_port()
        issuer = Issuer(self.folder, "crl_interval_seconds = 1")
        issuer.set("# plain_listen = \"127.0.0.1:8080\"", f'plain_listen = "127.0.0.1:{plain}"')
        self.addCleanup(issuer.stop)
        issuer.start()
        fingerprint, = HonestClient(issuer).fingerprints()
        with sqlite3.connect(issuer.folder / "issuer.db", timeout=PATIENCE) as database:
            serial, = database.execute("SELECT serial FROM credentials").fetchone()
            # As when its session had expired.
            database.execute("UPDATE credentials SET status = 'abandoned', issued = 0")
        database.close()
        path = wait_for(lambda: self.find_list(issuer), "a revocation list")

        def reason():
            """What OpenSSL reads in the list that is out about the certificate."""
            connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=PATIENCE)
            connection.request("GET", path)
            text = subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-text"], check=True,
                                  input=connection.getresponse().read(), capture_output=True).stdout.decode()
            connection.close()
            found = re.search(rf"Serial Number: 0*{serial}\n.*?CRL Reason Code: \n +(.*?)\n", text, re.S | re.I)
            return found and found.group(1)

        wait_for(lambda: reason() == "Certificate Hold", "the entry of a certificate that nobody has put in force")
        self.assertEqual(run("suspend", "--dir", issuer.folder, "--fingerprint", fingerprint, check=False).returncode, 1)
        done = run("revoke", "--dir", issuer.folder, "--fingerprint", fingerprint, "--reason", "keyCompromise")
        self.assertEqual(done.stdout, f"credential {fingerprint} revoked\n")
        wait_for(lambda: reason() == "Key Compromise", "the entry of a certificate that somebody has revoked")
        self.check_service(issuer)

    def test_huge_requests_are_refused_before_they_are_read(self):
        issuer = self.issuer()
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        cases = (
            ("a body without end", POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40, "413"),
            ("a chunk of 2^63 bytes", POST + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", "413"),
            ("a chunk extension without end", POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 500000, "400"),
            ("a trailer without end", POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 500000, "400"),
            ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"),
            ("a length and chunks", POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
            ("a header without end", b"GET / HTTP/1.1\r\nX: " + b"x" * 500000, "400"),
        )
        answers = issuer.raw_at_once([data for _, data, _ in cases])
        for (name, _, status), answer in zip(cases, answers, strict=True):
            with self.subTest(name):
                self.assertEqual(re.findall(r"^HTTP/1.1 (\d+)", answer), [status])
        self.check_service(issuer)

    def test_malformed_tls_is_counted_and_harms_nobody(self):
        issuer = self.issuer()
        hello = bytes.fromhex("16030100050100000100")
        before = issuer.metric("tls_handshake_failures_total", reason="protocol")
        pieces = (b"GET / HTTP/1.1\r\n\r\n", os.urandom(2000), hello, b"\x16\x03\x01\xff\xff" + b"\0" * 70000,
                  b"\x15\x03\x03\x00\x02\x02\x28", b"\x80\x2e\x01\x03\x01")
        for piece in pieces:
            with socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE) as raw:
                try:
                    raw.sendall(piece)
                    raw.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                read_all(raw)
        wait_for(lambda: issuer.metric("tls_handshake_failures_total", reason="protocol") > before, "a failed handshake")
        # Old versions are not spoken; garbage behind a good handshake ends the connection.
        old = issuer.tls()
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            issuer.connect(old)
        connection = issuer.connect()
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + os.urandom(32))
        read_all(connection)
        connection.close()
        self.check_service(issuer)

    def exchange(self, issuer, cookie, body=None, init=None):
        """Status, body and Location of a request in a session."""
        connection = http.client.HTTPSConnection("localhost", issuer.port, context=issuer.tls(), timeout=PATIENCE)
        headers = {"Cookie": cookie} if cookie else {}
        if body is None:
            connection.request("GET", init.split(str(issuer.port), 1)[1], headers=headers)
        else:
            connection.request("POST", "/keygen2", body=body, headers={**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        location = answer.getheader("Location", "")
        connection.close()
        return answer.status, text, location.rpartition("reason=")[2]

    def test_replays_and_messages_out_of_order(self):
        issuer = self.issuer()
        ticket, other = issuer.make_ticket(), issuer.make_ticket()
        first = self.exchange(issuer, ticket["cookie"], init=ticket["init"])
        self.assertEqual(first[0], 200)
        # Word for word the same: the same answer. Without the cookie, or by somebody else: nothing.
        self.assertEqual(self.exchange(issuer, ticket["cookie"], init=ticket["init"]), first)
        self.assertEqual(self.exchange(issuer, None, init=ticket["init"])[2], "ticket-used")
        self.assertEqual(self.exchange(issuer, other["cookie"], init=ticket["init"])[2], "ticket-used")
        request = json.loads(first[1])
        reply = json.dumps({"@context": request["@context"], "@qualifier": "InvocationResponse",
                            "serverSessionId": request["serverSessionId"]})
        second = self.exchange(issuer, ticket["cookie"], reply)
        self.assertEqual((second[0], json.loads(second[1])["@qualifier"]), (200, "ProvisioningInitializationRequest"))
        self.assertEqual(self.exchange(issuer, ticket["cookie"], reply), second)
        self.assertEqual(self.exchange(issuer, "__Host-sks-session=guess", reply)[2], "session-unknown")
        # The message before, once more but not word for word: out of order, and the end of the session.
        again = self.exchange(issuer, ticket["cookie"], reply + " ")
        self.assertEqual((again[0], again[2]), (302, "state"))
        self.assertEqual(self.exchange(issuer, ticket["cookie"], reply + " "), again)
        self.assertEqual(self.exchange(issuer, ticket["cookie"], reply)[2], "session-over")

        # The message of one session in another one.
        third = self.exchange(issuer, other["cookie"], init=other["init"])
        self.assertEqual(third[0], 200)
        self.assertEqual(self.exchange(issuer, other["cookie"], reply)[2], "session")
        for body, word in (("", "json"), ("[]", "json"), ("{" * 100000, "json"), ('{"@context":"x"}', "json"),
                           (reply.replace("InvocationResponse", "KeyCreationResponse"), "state"),
                           (reply[:-1] + ', "x": "' + "y" * 900000 + '"}', "json")):
            with self.subTest(body[:60]):
                ticket = issuer.make_ticket()
                self.assertEqual(self.exchange(issuer, ticket["cookie"], init=ticket["init"])[0], 200)
                status, _, reason = self.exchange(issuer, ticket["cookie"], body)
                self.assertEqual((status, reason), (302, word))
        self.assertEqual(issuer.metric("sessions_refused_total", reason="state"), 2)
        self.check_service(issuer)

    def need_files(self, count):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count + 200:
            self.skipTest(f"only {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def test_one_address_cannot_take_all_places(self):
        """With the settings that an issuer is made with."""
        count = 1_500
        self.need_files(count)
        issuer = self.issuer()
        context, held = issuer.tls(), []
        self.addCleanup(lambda: [connection.close() for connection in held])
        for _ in range(count):
            raw = socket.create_connection(("127.0.0.1", issuer.port), timeout=PATIENCE, source_address=("127.0.0.2", 0))
            held.append(raw)
            # One that has shown itself may be silent for a minute.
            if len(held) <= 64:
                held[-1] = context.wrap_socket(raw, server_hostname="localhost")
        wait_for(lambda: issuer.metric("connections_closed_total", limit="address") >= 1, "a refused connection")
        self.check_service(issuer)
        self.assertLessEqual(issuer.metric("connections_open"), 64 + 1)
        self.assertEqual(issuer.metric("connections_full_total"), 0)
        self.assertEqual(issuer.events("connections-full"), [])

    def test_ten_thousand_connections(self):
        count, places = 10_000, 8_000
        self.need_files(count)
        issuer = self.issuer(f"connections = 20000\nconnections_per_address = {places // 8}")
        held = []
        self.addCleanup(lambda: [connection.close() for connection in held])
        stop = threading.Event()

        def attack(source):
            """Comes back whenever the server has closed: nobody is to keep these places empty."""
            for _ in range(count // 8):
                if stop.is_set():
                    return
                connection = socket.socket()
                connection.settimeout(PATIENCE)
                connection.bind((source, 0))
                connection.connect(("127.0.0.1", issuer.port))
                held.append(connection)

        attackers = [threading.Thread(target=attack, args=(f"127.0.0.{2 + i}",)) for i in range(8)]
        for attacker in attackers:
            attacker.start()
        honest = HonestClient(issuer)
        for attacker in attackers:
            attacker.join()
        self.assertEqual(len(held), count)
        wait_for(lambda: issuer.metric("connections_total") >= count, "ten thousand connections")
        self.assertEqual(issuer.ask("/readyz")[0], 200)
        self.assertEqual(len(honest.fingerprints()), 1)
        stop.set()
        # Who says nothing is cut off, and all places are free again.
        wait_for(lambda: issuer.metric("connections_open") <= 1, "the end of the connections")
        self.check_service(issuer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
