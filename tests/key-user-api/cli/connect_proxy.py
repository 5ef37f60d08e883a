"""An HTTP proxy that knows CONNECT only, on loopback, for tests.

usage: connect_proxy.py [--tls PEM] [--user NAME:PASSWORD] [--answer TEXT] [--log FILE]

Prints its port, then serves until standard input ends. Whatever host a client names, the tunnel leads to that port of
127.0.0.1, so that names need not exist. --tls: speaks TLS with this key and certificate. --user: asks for Basic
authentication. --answer: answers every CONNECT with this text (escapes such as \\r\\n are understood) and hangs up.
--log: one line "CONNECT TARGET AUTHORIZATION" for each request, "-" for no authorization.
"""

import argparse
import base64
import socket
import ssl
import sys
import threading


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(4096)
        if not part or len(head) > 65536:
            return None
        head += part
    return head.decode("latin-1")


def pump(source, sink):
    try:
        while part := source.recv(65536):
            sink.sendall(part)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, options, context, log):
    if context:
        client = context.wrap_socket(client, server_side=True)
    head = read_head(client)
    if head is None:
        return client.close()
    lines = head.split("\r\n")
    method, target, version = lines[0].split(" ")
    fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:] if line)}
    authorization = fields.get("proxy-authorization", "-")
    log(f"{method} {target} {authorization}")

    def refuse(status, *more):
        answer = "\r\n".join([f"HTTP/1.1 {status}", *more, "Content-Length: 0", "Connection: close", "", ""])
        client.sendall(answer.encode("latin-1"))
        client.close()

    if options.answer is not None:
        client.sendall(options.answer.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        return client.close()
    if method != "CONNECT" or version != "HTTP/1.1" or fields.get("host") != target:
        return refuse("400 Bad Request")
    if options.user is not None:
        expected = "Basic " + base64.b64encode(options.user.encode()).decode()
        if authorization != expected:
            return refuse("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="test"')
    try:
        server = socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1])), timeout=20)
    except OSError:
        return refuse("502 Bad Gateway")
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


def serve_quietly(*arguments):
    try:
        serve(*arguments)
    except (OSError, ValueError):
        pass  # the client went, or spoke something else


def main():
    parser = argparse.ArgumentParser()
    for option in ("--tls", "--user", "--answer", "--log"):
        parser.add_argument(option)
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)
    listener = socket.create_server(("127.0.0.1", 0))
    log_file = open(options.log, "a", encoding="latin-1", buffering=1) if options.log else None

    def log(line):
        if log_file:
            log_file.write(line + "\n")

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve_quietly, args=(client, options, context, log), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


main()
