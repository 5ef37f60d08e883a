"""An HTTPS server that wants a certificate from its clients, and tells whose request it got: one line "request by NAME" for
each. The handshake is over by then, so the client has proved that it has the key.

usage: tls_server.py FOLDER     FOLDER has server.pem, server.key and ca.pem; prints "ACCEPT 127.0.0.1:PORT" first
"""
import http.server
import ssl
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        subject = self.connection.getpeercert()["subject"]
        name = next(value for part in subject for key, value in part if key == "commonName")
        print("request by", name, flush=True)
        page = f"<html><head><title>Welcome {name}</title></head><body>{name}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, context):
        self.context = context
        super().__init__(("127.0.0.1", 0), Handler)

    # In the thread of the connection: one that waits for a PIN must not hold up the next.
    def finish_request(self, request, client_address):
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request, client_address):
        print("refused:", sys.exc_info()[1], flush=True)


def main(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(context)
    print(f"ACCEPT 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
