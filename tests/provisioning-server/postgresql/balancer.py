"""A load balancer for tests: hands each TCP connection to the next server that takes it, and knows nothing of TLS."""
import itertools
import select
import socket
import threading


class Balancer:
    def __init__(self):
        self.servers = []
        self.connections = {}  # port of a server -> how many it was given
        self._turns = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _connect(self):
        servers = list(self.servers)
        start = next(self._turns)
        for offset in range(len(servers)):
            port = servers[(start + offset) % len(servers)]
            try:
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                continue
            self.connections[port] = self.connections.get(port, 0) + 1
            return server
        return None

    def _serve(self, client):
        server = self._connect()
        if server is None:
            client.close()
            return
        with client, server:
            other = {client: server, server: client}
            try:
                while True:
                    ready, _, _ = select.select([client, server], [], [])
                    for end in ready:
                        data = end.recv(65536)
                        if not data:
                            return
                        other[end].sendall(data)
            except OSError:
                return
