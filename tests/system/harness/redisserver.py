"""Redis, the real one and one that follows a script."""

import signal
import socket
import subprocess
import threading

import redis

from harness.place import free_port, wait_for


class Redis:
    """A private redis-server without persistence."""

    def __init__(self, place, *options, port=None):
        self.dir = place.subdir("redis")
        self.port = port or free_port()
        self.options = list(options)
        self.process = None
        self.log_path = self.dir / "log"
        place.add(self)
        self.start()

    @property
    def server(self):
        return "127.0.0.1:%d" % self.port

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind",
            "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
            str(self.dir), "--databases", "4", *self.options]

    def start(self):
        """Starts it, empty."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(),
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)

        def up():
            if self.process.poll() is not None:
                raise AssertionError("Redis does not start:\n" +
                    self.log_path.read_text())
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return True
            except OSError:
                return False
        wait_for(up, 10, "Redis takes connections")

    def cli(self, *args, auth=None):
        """What redis-cli prints, as an operator would type it."""
        command = ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port)]
        if auth:
            command += ["--no-auth-warning", "--user", auth[0], "--pass",
                auth[1]]
        done = subprocess.run(command + [str(a) for a in args],
            capture_output=True, text=True, timeout=10)
        return done.stdout.rstrip("\n")

    def client(self, **options):
        return redis.Redis("127.0.0.1", self.port, decode_responses=True,
            socket_timeout=5, **options)

    def wait_key(self, condition, timeout=15.0, what=None):
        """Waits until condition(client) is true; its value.  A server that
        becomes a replica closes connections."""
        def met():
            try:
                return condition(client)
            except redis.ConnectionError:
                return None
        with self.client() as client:
            return wait_for(met, timeout,
                what or (lambda: "in Redis; there is %r" % {
                k: _dump(client, k) for k in sorted(client.keys())}))

    def kill9(self):
        self.process.kill()
        self.process.wait(5)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(5)

    def stop_quietly(self):
        if self.process and self.process.poll() is None:
            self.kill9()

    def report(self):
        return "Redis", self.log_path.read_text(errors="replace")[-2000:]


def _dump(client, key):
    kind = client.type(key)
    return {"hash": client.hgetall, "string": client.get,
        "zset": lambda k: client.zrange(k, 0, -1, withscores=True),
        "stream": lambda k: client.xrange(k, count=20)}.get(kind,
        lambda k: kind)(key)


class FakeRedis:
    """A TCP server that takes Redis's place and misbehaves.

    answer: bytes sent for every read, or a function of what was read that
    returns bytes, None for silence or False to close.  greeting: sent on
    connect, unasked for.
    """

    def __init__(self, place, answer=None, greeting=b"", port=None):
        self.port = port or free_port()
        self.answer, self.greeting = answer, greeting
        self.connections = 0
        self.received = b""
        self.sockets, self.threads = [], []
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self._run(self._accept)
        place.add(self)

    def _run(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    @property
    def server(self):
        return "127.0.0.1:%d" % self.port

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(s)
            self._run(self._serve, s)

    def _serve(self, s):
        try:
            if self.greeting:
                s.sendall(self.greeting)
            while True:
                data = s.recv(65536)
                if not data:
                    return
                self.received += data
                reply = self.answer(data) if callable(self.answer) else \
                    self.answer
                if reply is False:
                    return
                if reply is not None:
                    s.sendall(reply)
        except OSError:
            pass
        finally:
            s.close()

    def wait_connections(self, count=1, timeout=20):
        wait_for(lambda: self.connections >= count, timeout,
            lambda: "%d connections to the false Redis, had %d" % (count,
            self.connections))

    def stop_quietly(self):
        # Threads first: a descriptor that they still use may soon be
        # another's.
        for s in [self.listener] + self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        self.listener.close()


class Sentinels:
    """A master, replicas of it and Sentinels that watch them."""

    NAME = "mymaster"

    def __init__(self, place, replicas=1, count=3, options=(), conf=""):
        self.master = Redis(place, *options)
        self.replicas = [Redis(place, "--replicaof", "127.0.0.1",
            str(self.master.port), *options) for _ in range(replicas)]
        for r in self.replicas:
            r.wait_key(lambda c: c.info("replication")
                ["master_link_status"] == "up", 20, "a replica in step")
        self.sentinels = [Sentinel(place, self.master, conf)
            for _ in range(count)]
        for s in self.sentinels:
            wait_for(lambda: self._sees_all(s, count - 1, replicas), 30,
                lambda: "Sentinels that know of each other\n" +
                s.cli("SENTINEL", "MASTER", self.NAME))

    def _sees_all(self, s, others, replicas):
        state = s.client().sentinel_master(self.NAME)
        return (state["num-other-sentinels"] == others and
            state["num-slaves"] == replicas)

    @property
    def servers(self):
        return [s.server for s in self.sentinels]

    def settings(self, **more):
        return {"redis": {"sentinels": self.servers,
            "master_name": self.NAME, **more}}

    def failover(self):
        """Asks for one, as an administrator does."""
        wait_for(lambda: self.sentinels[0].cli("SENTINEL", "FAILOVER",
            self.NAME) == "OK", 20, "a fail-over to begin")

    def wait_master(self, redis, timeout=30):
        wait_for(lambda: all(s.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME",
            self.NAME).split()[-1:] == [str(redis.port)]
            for s in self.sentinels), timeout, "port %d as the master" %
            redis.port)


class Sentinel(Redis):
    def __init__(self, place, master, conf):
        self.conf = place.dir / ("sentinel%d.conf" % free_port())
        self.conf.write_text("""\
sentinel monitor %(name)s 127.0.0.1 %(port)d 2
sentinel down-after-milliseconds %(name)s 1000
sentinel failover-timeout %(name)s 5000
%(more)s
""" % {"name": Sentinels.NAME, "port": master.port, "more": conf})
        super().__init__(place)

    def command(self):
        return ["redis-server", str(self.conf), "--sentinel", "--port",
            str(self.port), "--bind", "127.0.0.1"]
