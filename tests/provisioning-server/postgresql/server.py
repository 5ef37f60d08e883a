#!/usr/bin/env python3
"""A private PostgreSQL server for one test: in a temporary folder, on a Unix socket and a free loopback port.

usage: server.py COMMAND [ARGUMENT ...]

Runs the command with these variables, and stops the server when it ends; the exit code is that of the command.
  SKS_TEST_POSTGRESQL          URL of an empty database, over the Unix socket
  SKS_TEST_POSTGRESQL_TCP      the same over TCP, with user and password
  SKS_TEST_POSTGRESQL_CONTROL  a Unix socket: takes one line, does what it says (a method of Server: stop, kill, start,
                               restart, freeze, thaw, drop_connections), and answers "ok" or what went wrong
  SKS_TEST_POSTGRESQL_CA       certificate authority of the server's certificate, which names localhost; an authority
                               that has nothing to do with it is in other.pem beside it

PostgreSQL refuses to run as root: then it runs as user postgres or, where there is none, as nobody. Other tests use
Server as a context manager.
"""
import ctypes
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 120  # seconds; only a machine that does not get anywhere needs them


def find_programs():
    """The folder of the newest PostgreSQL."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if folders:
        return max(folders, key=lambda folder: float(folder.split("/")[4]))
    program = shutil.which("postgres")
    if program is None:
        sys.exit("server.py: PostgreSQL is not installed; scripts/install-packages test installs it")
    return os.path.dirname(program)


def unprivileged():
    """What subprocess needs to start something as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    sys.exit("server.py: there is neither a user postgres nor a user nobody")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """A test that is killed takes its server with it; so does the thread that has started it, when it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


class Server:
    def __init__(self, settings=()):
        self.programs = find_programs()
        self.identity = unprivileged()
        self.settings = list(settings)
        self.process = None
        self.password = secrets.token_hex(16)
        self.port = free_port()

    def __enter__(self):
        # Not below TMPDIR: names of Unix sockets have at most 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="sks-postgresql-", dir="/tmp")
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, options=""):
        return f"postgresql://sks@/sks?host={self.folder}&port={self.port}{options}"

    def tcp_url(self, options="", host="127.0.0.1"):
        query = "?" + options.lstrip("&") if options else ""
        return f"postgresql://sks:{self.password}@{host}:{self.port}/sks{query}"

    def _run(self, *command, **more):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd=self.folder, timeout=PATIENCE,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **more)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}")
        return done.stdout

    def _prepare(self):
        if self.identity:
            os.chown(self.folder, self.identity["user"], self.identity["group"])
        password = os.path.join(self.folder, "password")
        with open(password, "w") as file:
            file.write(self.password)
        for name in ("ca", "other"):
            self._run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        self._run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key",
                  "-out", "server.csr")
        self._run("openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                  "-copy_extensions", "copy", "-out", "server.pem")
        for name in ("password", "server.key", "server.pem"):
            if self.identity:
                os.chown(os.path.join(self.folder, name), self.identity["user"], self.identity["group"])
            os.chmod(os.path.join(self.folder, name), 0o600)
        self._run(f"{self.programs}/initdb", "--pgdata=data", "--username=sks", "--pwfile=password", "--encoding=UTF8",
                  "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", **self.identity)
        with open(os.path.join(self.folder, "data", "postgresql.conf"), "a") as file:
            for setting in (f"unix_socket_directories = '{self.folder}'", "listen_addresses = '127.0.0.1'",
                            "shared_buffers = 32MB", "dynamic_shared_memory_type = mmap", "ssl = on",
                            f"ssl_cert_file = '{self.folder}/server.pem'", f"ssl_key_file = '{self.folder}/server.key'",
                            "autovacuum = off", *self.settings):
                file.write(setting + "\n")

    def start(self):
        """Returns when the server takes connections. Another program may take its first port first: then with another."""
        for _ in range(20):
            with open(os.path.join(self.folder, "log"), "ab") as log:
                self.process = subprocess.Popen(
                    [f"{self.programs}/postgres", "-D", os.path.join(self.folder, "data"), "-p", str(self.port)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                    preexec_fn=die_with_parent, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **self.identity)
            if self._wait_until_ready():
                return
            if not self._is_made():
                self.port = free_port()
        with open(os.path.join(self.folder, "log")) as log:
            raise RuntimeError("PostgreSQL does not start: " + log.read())

    def _is_made(self):
        return os.path.exists(os.path.join(self.folder, "made"))

    def _wait_until_ready(self):
        until = time.monotonic() + PATIENCE
        first = not self._is_made()
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.sql("CREATE DATABASE sks" if first else "SELECT 1", database="postgres")
            except RuntimeError:
                time.sleep(0.05)
                continue
            open(os.path.join(self.folder, "made"), "w").close()
            return True
        return False

    def sql(self, statement, database="sks"):
        """What psql prints, without decoration."""
        return self._run(f"{self.programs}/psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet",
                         "--set=ON_ERROR_STOP=1", "--host", self.folder, "--port", str(self.port), "--username=sks",
                         "--dbname", database, "--command", statement).strip()

    def _signal(self, number):
        for pid in [self.process.pid, *self._backends()]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _backends(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def stop(self):
        """As an administrator stops it: connections are closed, with a farewell."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)

    def kill(self):
        """Without a checkpoint: the next start recovers."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE)

    def restart(self):
        self.stop()
        self.start()

    def freeze(self):
        """Connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)
        self._signal(signal.SIGSTOP)  # what was started meanwhile

    def thaw(self):
        self._signal(signal.SIGCONT)

    def drop_connections(self):
        self.sql("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                 " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")


COMMANDS = ("stop", "kill", "start", "restart", "freeze", "thaw", "drop_connections")


def obey(server, listener):
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            word = peer.makefile().readline().strip()
            try:
                if word not in COMMANDS:
                    raise RuntimeError(f"no such command: {word}")
                getattr(server, word)()
                answer = "ok"
            except Exception as problem:  # the test says what went wrong
                answer = str(problem)
            peer.sendall(answer.encode() + b"\n")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with Server() as server, socket.socket(socket.AF_UNIX) as listener:
        control = os.path.join(server.folder, "control")
        listener.bind(control)
        listener.listen()
        threading.Thread(target=obey, args=(server, listener), daemon=True).start()
        variables = {
            "SKS_TEST_POSTGRESQL": server.url(),
            "SKS_TEST_POSTGRESQL_TCP": server.tcp_url(),
            "SKS_TEST_POSTGRESQL_CONTROL": control,
            "SKS_TEST_POSTGRESQL_CA": os.path.join(server.folder, "ca.pem"),
        }
        return subprocess.run(sys.argv[1:], env={**os.environ, **variables}).returncode


if __name__ == "__main__":
    sys.exit(main())
