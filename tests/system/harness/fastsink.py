"""The rest of the world for queues of thousands: tests/bench/fast_sink, which
writes down when each delivery began, where it came from and what it was."""

import subprocess

from harness.daemon import BUILD
from harness.place import free_port, wait_for

PROGRAM = BUILD / "tests/bench/fast_sink"


class Delivery:
    """One MAIL to a sink.  Times are time.monotonic()'s.  It has begun when
    its connection was made; a further one on that, with its MAIL."""
    __slots__ = ("begun", "source", "helo", "sender", "ended", "end", "id",
        "recipients")

    def __init__(self, begun, source, helo, sender):
        self.begun, self.source, self.helo = begun, source, helo
        self.sender = sender
        self.ended = None               # None: under way
        self.end = None                 # taken, refused or given up: A R X
        self.id = None                  # the subject
        self.recipients = []

    def __repr__(self):
        return "<%s from %s, %s to %s, %.3f %s>" % (self.id, self.source,
            self.sender, ",".join(self.recipients), self.begun,
            self.end or "under way")


class FastSink:
    def __init__(self, place, address="198.51.100.1", delay=0):
        if not PROGRAM.exists():
            subprocess.run(["make", "-s", "-C", BUILD,
                str(PROGRAM.relative_to(BUILD))], check=True)
        self.address, self.port = address, free_port()
        self.path = place.subdir("sink") / "record"
        self.deliveries = []            # in the order of their MAIL
        self._read_to = 0
        self._open = {}
        self.process = subprocess.Popen([PROGRAM, address, str(self.port),
            self.path], stdin=subprocess.PIPE, text=True, bufsize=1)
        place.add(self)
        wait_for(self.path.exists, 10, "the sink's record")
        self.delay(delay)

    @property
    def nexthop(self):
        return "[%s]:%d" % (self.address, self.port)

    def _tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def delay(self, seconds):
        """From MAIL to the answer that takes it; those that wait too."""
        self._tell("delay %d" % (seconds * 1000))

    def refuse(self, text=""):
        self._tell(("refuse " + text).strip())

    def read(self):
        """Takes note of what was written since; all deliveries."""
        with open(self.path, "rb") as f:
            f.seek(self._read_to)
            data = f.read()
        data = data[:data.rfind(b"\n") + 1]
        self._read_to += len(data)
        for line in data.decode("utf-8", "replace").split("\n")[:-1]:
            what, n, at, *rest = line.split("\t")
            if what == "M":
                d = self._open[n] = Delivery(float(at), *rest)
                self.deliveries.append(d)
                continue
            d = self._open.pop(n)
            d.ended, d.end = float(at), what
            if rest:
                d.id, d.recipients = rest[0], rest[1].split(",")
        return self.deliveries

    def taken(self, source=None):
        return [d for d in self.read() if d.end == "A" and
            source in (None, d.source)]

    def begun_after(self, when, source):
        """Deliveries from that address that began later."""
        return [d for d in self.read() if d.source == source and
            d.begun > when]

    def under_way(self):
        self.read()
        return len(self._open)

    def wait(self, count, timeout=30, source=None):
        """Waits until count messages were taken."""
        return wait_for(lambda: len(self.taken(source)) >= count and
            self.taken(source), timeout, lambda: "%d messages taken from %s,"
            " there were %d" % (count, source or "anywhere",
            len(self.taken(source))), every=0.1)

    def stop_quietly(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def report(self):
        return "fast sink", "%d deliveries, the last:\n%s" % (
            len(self.read()), "\n".join(map(repr, self.deliveries[-40:])))
