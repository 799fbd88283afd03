"""A TCP proxy that can be slow, deaf, or a liar."""

import socket
import threading
import time

from harness.place import free_port


class Proxy:
    """Forwards to target ("ADDRESS:PORT").  What it does can be changed
    while connections stand:

    delay       seconds that every answer waits
    deaf        nothing passes in either direction, connections stay
    inject      bytes that are put before the next answer of each
                connection, once
    endless     bytes that are sent instead of the next answer, over and
                over, for as long as they are taken
    """

    def __init__(self, place, target, port=None):
        host, port_of_target = target.rsplit(":", 1)
        self.target = host, int(port_of_target)
        self.port = port or free_port()
        self.delay, self.deaf, self.inject = 0, False, b""
        self.endless = b""
        self.connections = 0
        self.closing = False
        self.sockets, self.threads = [], []
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self._run(self._accept)
        place.add(self)

    @property
    def server(self):
        return "127.0.0.1:%d" % self.port

    def _run(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(client)
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.sockets.append(server)
            self._run(self._copy, client, server, False)
            self._run(self._copy, server, client, True)

    def _copy(self, source, sink, answers):
        injected = b""
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if answers and self.delay:
                    time.sleep(self.delay)
                while self.deaf and not self.closing:
                    time.sleep(0.01)
                while answers and self.endless and not self.closing:
                    sink.sendall(self.endless)
                if answers and self.inject != injected:
                    injected = self.inject
                    data = injected + data
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop_quietly(self):
        self.closing = True
        for s in [self.listener] + self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(8)
        for s in [self.listener] + self.sockets:
            s.close()
