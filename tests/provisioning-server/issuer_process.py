"""sks-issuer as a process of a test: made, served, asked and ended. The test sets PROGRAM first."""

import concurrent.futures
import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import time
import urllib.parse

from prometheus_client.parser import text_string_to_metric_families

PROGRAM = None
PATIENCE = 180


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def run(*arguments, check=True, **options):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"sks-issuer {arguments}: {done.stdout}{done.stderr}")
    return done


class Issuer:
    """One issuer in a folder of its own."""

    def __init__(self, folder, settings="", database=""):
        self.folder = pathlib.Path(folder) / "issuer"
        self.port, self.operations = free_port(), free_port()
        run("init", "--dir", self.folder, "--url", f"https://localhost:{self.port}/keygen2", "--device-trust", "open",
            *(["--database", database] if database else []))
        self.config = self.folder / "issuer.toml"
        self.set("# listen = \"127.0.0.1:9443\"", f'listen = "127.0.0.1:{self.operations}"')
        self.set('format = "text"', 'format = "json"')
        for line in settings.splitlines():
            name = line.split("=")[0].strip()
            text = self.config.read_text()
            self.config.write_text(re.sub(rf"^{name} = .*$", line, text, flags=re.MULTILINE))
        self.log = pathlib.Path(folder) / "log"
        self.process = None

    def set(self, before, after):
        text = self.config.read_text()
        assert before in text, before
        self.config.write_text(text.replace(before, after))

    def start(self, **options):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", "--dir", self.folder], stdout=subprocess.PIPE,
                                            stderr=log, text=True, **options)
        line = self.process.stdout.readline()
        assert line.startswith("listening on"), line + self.log.read_text()

    def stop(self):
        if self.process is None:
            return None
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.process = None
        return code

    def events(self, name):
        """Lines of the log with that event. Every line has to be JSON, but those of the sanitizers."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def tls(self, certificate=None):
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def connect(self, context=None, session=None):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return (context or self.tls()).wrap_socket(raw, server_hostname="localhost", session=session)

    def raw(self, data):
        """What is answered to these bytes until the server closes the connection."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
            except (ConnectionError, ssl.SSLError):
                pass
            return read_all(connection).decode("latin-1")

    def raw_at_once(self, requests):
        """As raw() for each, on connections of their own: the server keeps one for seconds after a refusal."""
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(self.raw, requests))

    def get(self, path, method="GET", body=None, headers=None, context=None):
        connection = http.client.HTTPSConnection("localhost", self.port, context=context or self.tls(),
                                                 timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.operations, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """By name of the sample and labels."""
        status, text = self.ask("/metrics")
        assert status == 200
        return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(text) for sample in family.samples}

    def metric(self, name, **labels):
        return self.metrics().get(("sks_issuer_" + name, tuple(sorted(labels.items()))), 0)

    def ticket(self):
        return self.make_ticket()["init"].split(str(self.port), 1)[1]

    def make_ticket(self):
        """The parts of a ticket: init, url and cookie ("name=value")."""
        made = json.loads(run("ticket", "--dir", self.folder, "--profile", "default", "--json").stdout)
        made["cookie"] = urllib.parse.parse_qs(urllib.parse.urlsplit(made["invocation"]).query)["cookie"][0]
        return made


def read_all(connection):
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return data
