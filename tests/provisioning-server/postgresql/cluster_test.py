#!/usr/bin/env python3
"""Three sks-issuer processes on one PostgreSQL behind a load balancer that hands every request to another one.

usage: cluster_test.py SKS_ISSUER CLUSTER_CLIENT

One process is killed in the middle of 200 sessions that run at the same time, later the database goes away in the middle
of others. Clients repeat what was not answered; no session may be lost, and no credential be there twice.
"""
import hashlib
import http.client
import os
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from balancer import Balancer  # noqa: E402
from server import PATIENCE, Server, free_port  # noqa: E402

SESSIONS = 200
PROCESSES = 3
failures = 0


def check(what, actual, expected):
    global failures
    if actual == expected:
        print(f"ok: {what}", flush=True)
    else:
        failures += 1
        print(f"FAILED: {what}: got {actual!r}, expected {expected!r}", flush=True)


class Issuer:
    """One folder of keys and configuration, which all processes share."""

    def __init__(self, program, folder, database, port):
        self.program, self.folder, self.database = program, folder, database
        self.url = f"https://localhost:{port}/keygen2"
        self.run("init", "--dir", folder, "--url", self.url, "--device-trust", "open", "--database", database.url())
        # The load of this test is what the limit is there to keep away.
        self.edit(r"session_starts_per_second = \d+", "session_starts_per_second = 1000")

    def edit(self, pattern, replacement):
        name = os.path.join(self.folder, "issuer.toml")
        with open(name) as file:
            text = re.sub(pattern, replacement, file.read())
        with open(name, "w") as file:
            file.write(text)

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"sks-issuer {arguments[0]}: {done.stderr}{done.stdout}")
        return done.stdout

    def serve(self):
        """A process and its port, once it listens. Another program may be faster at the port."""
        for _ in range(20):
            port = free_port()
            log = open(os.path.join(self.folder, f"log-{port}"), "w")
            process = subprocess.Popen([self.program, "serve", "--dir", self.folder, "--listen", f"127.0.0.1:{port}"],
                                       stdout=subprocess.PIPE, stderr=log, text=True)
            if "listening" in process.stdout.readline():
                return process, port
            process.wait(PATIENCE)
        with open(log.name) as file:
            raise RuntimeError("sks-issuer does not start: " + file.read())

    def wait_until(self, port, serving):
        """Asks one process until it can do its work, or no longer can. Without end: the test has a time limit."""
        while self.is_serving(port) != serving:
            time.sleep(0.1)

    def is_serving(self, port):
        context = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
        connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE, context=context)
        connection.request("GET", "/keygen2?ticket=unknown")
        status = connection.getresponse().status
        connection.close()
        return status != 503

    def make_links(self, count):
        """One ticket as the program makes it, and copies of its row with other secrets."""
        link = self.run("ticket", "--dir", self.folder, "--profile", "default").strip()
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)
        init, url, cookie = (query[name][0] for name in ("init", "url", "cookie"))
        secret, cookie_value = init.split("ticket=")[1], cookie.split("=", 1)[1]
        digest = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
        links, statements = [f"{init} {url} {cookie}"], [
            f"CREATE TEMP TABLE made AS SELECT * FROM tickets WHERE digest = '{digest(secret)}'"]
        for i in range(1, count):
            other, other_cookie = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
            links.append(f"{init.replace(secret, other)} {url} {cookie.replace(cookie_value, other_cookie)}")
            statements.append(f"UPDATE made SET digest = '{digest(other)}', cookie_digest = '{digest(other_cookie)}',"
                              f" subject = 'CN=User {i}'")
            statements.append("INSERT INTO tickets SELECT * FROM made")
        self.database.sql("; ".join(statements))
        return links


def enrol(client, issuer, links, disturb):
    """Runs the sessions, calls `disturb` when a fifth of them is over, and returns the lines of the client."""
    process = subprocess.Popen([client, os.path.join(issuer.folder, "ca.pem")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    process.stdin.write("\n".join(links) + "\n")
    process.stdin.close()
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if len(lines) == len(links) // 5:
            disturb()
    process.wait(PATIENCE)
    return lines


def check_sessions(database, lines, count):
    check("every session is complete", [line for line in lines if not line.startswith("complete")], [])
    got = sorted(fingerprint for line in lines for fingerprint in line.split()[1:])
    check("every device got a credential", len(got) >= count, True)
    check("no credential was issued twice", len(set(got)), len(got))
    return got


def check_database(database, got, sessions):
    check("sessions are done", database.sql("SELECT phase, count(*) FROM sessions GROUP BY phase"), f"done|{sessions}")
    check("credentials are those that devices have",
          sorted(database.sql("SELECT fingerprint FROM credentials WHERE status = 'issued'").split()), sorted(got))
    check("there are no others", database.sql("SELECT count(*) FROM credentials"), str(len(got)))
    check("every step is on record once",
          database.sql("SELECT count(*) FROM (SELECT session FROM audit WHERE session <> '' AND result = 'ok'"
                       " GROUP BY session, action HAVING count(*) > 1) AS twice"), "0")
    check("every session has begun on record",
          database.sql("SELECT count(DISTINCT session) FROM audit WHERE action = 'InvocationRequest'"), str(sessions))


def main():
    program, client = sys.argv[1:]
    with Server(["max_connections = 100"]) as database, tempfile.TemporaryDirectory() as folder:
        balancer = Balancer()
        issuer = Issuer(program, os.path.join(folder, "issuer"), database, balancer.port)
        processes = [issuer.serve() for _ in range(PROCESSES)]
        try:
            balancer.servers = [port for _, port in processes]
            victim, victim_port = processes[0]
            lines = enrol(client, issuer, issuer.make_links(SESSIONS), victim.kill)
            check("the killed process is gone", victim.wait(PATIENCE), -9)
            check("all processes took part", sorted(balancer.connections), sorted(balancer.servers))
            got = check_sessions(database, lines, SESSIONS)
            check_database(database, got, SESSIONS)

            balancer.servers.remove(victim_port)
            more = SESSIONS // 5
            for how in ("kill", "stop"):
                def interrupt():
                    getattr(database, how)()
                    for port in balancer.servers:
                        issuer.wait_until(port, serving=False)
                    database.start()
                lines = enrol(client, issuer, issuer.make_links(more), interrupt)
                print(f"database: {how} and start", flush=True)
                got += check_sessions(database, lines, more)
                for port in balancer.servers:
                    issuer.wait_until(port, serving=True)
            check_database(database, got, SESSIONS + 2 * more)

            for process, _ in processes[1:]:
                process.terminate()
            check("the others stop gracefully", [process.wait(PATIENCE) for process, _ in processes[1:]], [0, 0])
            print(issuer.run("audit", "verify", "--dir", issuer.folder).strip(), flush=True)
        finally:
            for process, _ in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait(PATIENCE)
            balancer.close()
            if failures:
                for name in os.listdir(issuer.folder):
                    if name.startswith("log-"):
                        with open(os.path.join(issuer.folder, name)) as log:
                            print(name, log.read()[-2000:], sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
