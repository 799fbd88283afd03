"""What acts on Postfix from outside the mail path: the gate file and the
queue, with the real Postfix, by tests/tools/queue_driver."""

import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness.daemon import BUILD, environment, sanitizer_report
from harness.place import wait_for

DRIVER = BUILD / "tests/tools/queue_driver"
VALUE = "stopped-by-mailbrake"
# Only what mailbrake does makes mail move.
PATIENT = {"queue_run_delay": "1000s", "minimal_backoff_time": "1000s",
    "maximal_backoff_time": "2000s"}


class Driver:
    """queue_driver, as the user mailbrake without new privileges."""

    def __init__(self, place, table, conf=None, options=(),
        groups="postdrop"):
        self.lines = []                 # (ms, word, rest)
        self.log = []
        command = ["setpriv", "--reuid", "mailbrake", "--regid",
            "mailbrake", "--no-new-privs"]
        command += ["--groups", groups] if groups else ["--clear-groups"]
        command += [str(DRIVER), *options]
        command += ["-c", str(conf)] if conf else []
        self.process = subprocess.Popen([*command, str(table)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment())
        self.readers = [threading.Thread(target=f, daemon=True)
            for f in (self._read_lines, self._read_log)]
        for thread in self.readers:
            thread.start()
        place.add(self)
        self.wait("ready")

    def _read_lines(self):
        for line in self.process.stdout:
            at, word, rest = (line.rstrip("\n") + " ").split(" ", 2)
            self.lines.append((int(at), word, rest.strip()))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def wait(self, word, pattern="", since=0, timeout=10):
        """The first (ms, text) of that word after since."""
        def found():
            for at, what, rest in self.lines[since:]:
                if what == word and re.search(pattern, rest):
                    return at, rest
            return None
        return wait_for(found, timeout, lambda: "%s /%s/, there is %r, %r" %
            (word, pattern, self.lines[-20:], self.log[-20:]))

    def ask(self, line):
        since = len(self.lines)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.wait(line.split(" ")[0], since=since)[1]

    def set(self, *egresses):
        since = len(self.lines)
        self.process.stdin.write(" ".join(egresses) + "\n")
        self.process.stdin.flush()
        self.wait("set", since=since)
        return since

    def settled(self, *names):
        wait_for(lambda: all(self.ask("in-force " + n) == "1"
            for n in names), 10, lambda: "the gate in force, it says %s" %
            self.ask("error"))

    def events(self, since=0):
        return [rest for _, word, rest in self.lines[since:]
            if word == "event"]

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        for thread in self.readers:
            thread.join(2)

    def kill9(self):
        self.process.kill()
        self.process.wait(5)

    def stop_quietly(self):
        if self.process.poll() is None:
            self.stop()
        return sanitizer_report("\n".join(self.log))

    def report(self):
        return "queue_driver", "\n".join("%d %s %s" % line
            for line in self.lines) + "\n" + "\n".join(self.log)


@pytest.fixture
def gate(place):
    """The path of a gate that belongs to the user mailbrake."""
    return place.subdir("gate", mode=0o750, user="mailbrake") / "gate"


@pytest.fixture
def braked(postfix):
    """A Postfix whose transports ask the gate."""
    def make(gate, count=1, main=None, **options):
        transports = {}
        for n in range(1, count + 1):
            transports["mx%d" % n] = {
                "smtp_bind_address": "203.0.113.%d" % n,
                "smtp_bind_address6": "2001:db8::%d" % n,
                "smtp_tls_policy_maps":
                    "pipemap:{static:mx%d, hash:%s}" % (n, gate)}
        return postfix(transports=transports, main={**PATIENT,
            **(main or {})}, **options)
    return make


def send(pf, count, domains=3):
    """Messages with subjects m0, m1, ... on one session."""
    smtp = pf.connect()
    for n in range(count):
        answer = pf.send("a%d@brake.test" % n, "b@d%d.example" %
            (n % domains), subject="m%d" % n, smtp=smtp)
        assert answer.code == 250
    smtp.quit()


def subjects(sink):
    return collections.Counter(re.search(r"Subject: (\w+)", m.data).group(1)
        for m in list(sink.messages))


def read_gate(gate):
    return [line for line in gate.read_text().splitlines()
        if not line.startswith("#")]


def lookup(gate, key):
    done = subprocess.run(["/usr/sbin/postmap", "-q", key, "hash:%s" % gate],
        capture_output=True, text=True)
    assert "fatal" not in done.stderr, done.stderr
    return done.stdout.strip()


# --- the whole way ----------------------------------------------------------

def test_active_queue_stops_and_comes_back_in_portions(place, sink, gate,
    braked):
    """500 messages: the gate is shut while they leave, then opened."""
    driver = Driver(place, gate)
    driver.set("mx1:sending")
    driver.settled("mx1")
    pf = braked(gate)
    driver.stop()
    driver = Driver(place, gate, pf.conf)
    driver.set("mx1:sending")
    driver.settled("mx1")
    sink.delay = 0.5
    send(pf, 500)
    sink.wait(count=60)
    assert len(pf.queue("active")) > 100

    driver.set("mx1:stopped:shut")
    shut, text = driver.wait("event", "gate is shut")
    took = re.search(r"after (\d+)ms", text)
    assert took and int(took.group(1)) < 1000, text
    # Deliveries that were under way end; none begins a second later.
    wait_for(lambda: not pf.queue("active") and not pf.queue("incoming"), 30,
        lambda: "nothing active, there is %r" % pf.queue()[:3])
    late = [t for t, _ in sink.started if t * 1000 > shut + 1000]
    assert late == []
    left = len(sink.messages)
    waiting = len(pf.queue("deferred"))
    assert left + waiting == 500 and waiting > 300
    # And a flush by anybody does not help them.
    pf.flush()
    wait_for(lambda: len(pf.queue("deferred")) == waiting, 20)
    assert len(sink.messages) == left
    assert read_gate(gate) == ["mx1\t" + VALUE]

    sink.delay = 0
    mark = driver.set("mx1:sending")
    opened, _ = driver.wait("event", "gate is open", since=mark)
    first, text = driver.wait("event", "letting 100 of %d " % waiting,
        since=mark)
    sink.wait(count=left + 100)
    # Those that were let go are not counted any more.
    wait_for(lambda: driver.ask("waiting mx1") == str(waiting - 100), 10)
    second, _ = driver.wait("event", "letting 200 of %d " % (waiting - 100),
        since=mark, timeout=20)
    # Between the two there was the first portion and nothing else.
    early = [t for t, _ in sink.started if opened < t * 1000 < second]
    assert len(early) == 100
    assert second - first > 14000
    wait_for(lambda: len(sink.messages) >= left + 300, 15)
    if waiting > 300:
        last, _ = driver.wait("event", "last %d waiting message" %
            (waiting - 300), since=mark, timeout=20)
        early = [t for t, _ in sink.started if opened < t * 1000 < last]
        assert len(early) == 300
    pf.wait_empty()
    counts = subjects(sink)
    assert len(counts) == 500 and set(counts.values()) == {1}


class RouteMap:
    """A socketmap that sends everything one way."""

    def __init__(self, place):
        self.answer = "OK mx1:"
        self.path = place.subdir("map", mode=0o755) / "s"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self.socket.listen(20)
        threading.Thread(target=self._accept, daemon=True).start()
        place.add(self)

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,),
                daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as stream:
            while True:
                size = b""
                while not size.endswith(b":"):
                    c = stream.read(1)
                    if not c:
                        return
                    size += c
                stream.read(int(size[:-1]) + 1)
                answer = self.answer.encode()
                client.sendall(b"%d:%s," % (len(answer), answer))

    def stop_quietly(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def test_rerouted_mail_is_flushed_the_other_way(place, sink, gate, braked):
    route = RouteMap(place)
    driver = Driver(place, gate)
    driver.set("mx1:sending", "mx2:sending")
    driver.settled("mx1", "mx2")
    nexthop = sink.nexthop
    route.answer = "OK mx1:" + nexthop
    pf = braked(gate, count=2, main={
        "sender_dependent_default_transport_maps":
            "socketmap:unix:%s:route" % route.path})
    driver.stop()
    driver = Driver(place, gate, pf.conf)
    driver.set("mx1:sending", "mx2:sending")
    driver.settled("mx1", "mx2")
    sink.delay = 0.5
    send(pf, 100, domains=2)
    sink.wait(count=10)

    route.answer = "OK mx2:" + nexthop
    mark = driver.set("mx1:stopped:shut:reroute", "mx2:sending")
    shut, _ = driver.wait("event", "mx1: its gate is shut", since=mark)
    sink.delay = 0
    flushed, _ = driver.wait("event", "mx1: .* flushing the queue",
        since=mark)
    assert 1900 < flushed - shut < 4000
    # On a slow machine the second flush takes the rest.
    wait_for(lambda: sum(subjects(sink).values()) == 100, 60,
        lambda: "100 messages, there are %d and %r" % (len(sink.messages),
        pf.queue()[:2]))
    counts = subjects(sink)
    assert set(counts.values()) == {1}
    late = {source for t, source in sink.started if t * 1000 > shut + 1000}
    assert late == {"203.0.113.2"}
    assert not pf.queue()


def test_every_change_within_a_second_counts(place, sink, gate, braked):
    """The time of a file's change counts whole seconds; a file that has lost
    its name is seen at once."""
    driver = Driver(place, gate)
    driver.set("mx1:sending")
    driver.settled("mx1")
    pf = braked(gate)
    times = []
    for n in range(6):
        shut = n % 2 == 0
        mark = driver.set("mx1:stopped:shut" if shut else "mx1:sending")
        at, _ = driver.wait("event", "gate is " + ("shut" if shut else
            "open"), since=mark)
        times.append(at)
        # Another domain each: the queue manager minds one that failed.
        answer = pf.send("ann@brake.test", "bob@n%d.example" % n,
            subject="n%d" % n)
        pf.wait_log(r"%s: to=.* status=%s" % (answer.queue_id,
            "deferred" if shut else "sent"))
    assert sorted(s for s in subjects(sink)) == ["n1", "n3", "n5"]
    # At least two changes fell into one second.
    assert min(b - a for a, b in zip(times, times[1:])) < 1000
    assert "has changed -- restarting" in pf.log()


@pytest.mark.parametrize("kind", ["btree", "lmdb", "cdb"])
def test_other_kinds_of_table(place, sink, gate, postfix, kind):
    kinds = subprocess.run(["postconf", "-m"], capture_output=True,
        text=True).stdout.split()
    if kind not in kinds:
        pytest.skip("Postfix has no %s: Debian's postfix-%s" % (kind, kind))
    table = "%s:%s" % (kind, gate)
    driver = Driver(place, table)
    driver.set("mx1:sending")
    driver.settled("mx1")
    # Where the modules of tables are.
    pf = postfix(main={**PATIENT, "meta_directory": "/etc/postfix"},
        transports={"mx1": {"smtp_bind_address": "203.0.113.1",
        "smtp_bind_address6": "2001:db8::1", "smtp_tls_policy_maps":
        "pipemap:{static:mx1, %s}" % table}})
    for n in range(4):
        shut = n % 2 == 0
        mark = driver.set("mx1:stopped:shut" if shut else "mx1:sending")
        driver.wait("event", "gate is " + ("shut" if shut else "open"),
            since=mark)
        answer = pf.send("ann@brake.test", "bob@n%d.example" % n)
        pf.wait_log(r"%s: to=.* status=%s" % (answer.queue_id,
            "deferred" if shut else "sent"))
    assert len(list(gate.parent.iterdir())) == 2
    driver.set("mx1:stopped:shut")
    driver.settled("mx1")
    driver.stop()
    def files():
        """What a writing changes; to read them is no change."""
        return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in
            gate.parent.iterdir()}
    before = files()
    driver = Driver(place, table)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "shut, as it was found")
    assert files() == before


# --- what stands when the daemon does not -------------------------------------

def test_gate_stands_when_its_owner_is_killed(place, sink, gate, braked):
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "gate is shut")
    driver.kill9()
    pf = braked(gate)
    answer = pf.send("ann@brake.test", "bob@x.example")
    pf.wait_log(r"%s: to=.* status=deferred .*TLS configuration problem" %
        answer.queue_id)
    # Found as it was left, nothing is written.
    before = os.stat(str(gate) + ".db")
    driver = Driver(place, gate, pf.conf)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "shut, as it was found")
    assert os.stat(str(gate) + ".db") == before
    driver.set("mx1:sending")
    sink.wait("bob@x.example")


@pytest.mark.parametrize("damage", ["text gone", "table gone", "empty table",
    "garbage in the table", "another text", "another table"])
def test_damage_is_mended_at_the_start(place, gate, damage):
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "gate is shut")
    driver.stop()
    table = gate.with_name("gate.db")
    if damage == "text gone":
        gate.unlink()
    elif damage == "table gone":
        table.unlink()
    elif damage == "empty table":
        table.write_bytes(b"")
    elif damage == "garbage in the table":
        table.write_bytes(b"garbage" * 4000)
    elif damage == "another text":
        gate.write_text(gate.read_text().replace("mx1", "mx2"))
    else:
        text = gate.read_text()
        gate.write_text("mx2 %s\n" % VALUE)
        subprocess.run(["postmap", "hash:%s" % gate], check=True)
        gate.write_text(text)
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "mx1: its gate is shut")
    assert lookup(gate, "mx1") == VALUE
    assert lookup(gate, "mx2") == ""
    assert read_gate(gate) == ["mx1\t" + VALUE]
    assert sorted(p.name for p in gate.parent.iterdir()) == ["gate",
        "gate.db"]


def test_other_peoples_table_is_refused(place, gate):
    gate.write_text("example.org encrypt\n")
    subprocess.run(["postmap", "hash:%s" % gate], check=True)
    shutil.chown(gate, "mailbrake")
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    wait_for(lambda: "somebody else's" in driver.ask("error"))
    assert read_gate(gate) == ["example.org encrypt"]
    assert lookup(gate, "example.org") == "encrypt"
    gate.unlink()
    wait_for(lambda: "has entries that mailbrake did not write" in
        driver.ask("error"))
    assert lookup(gate, "example.org") == "encrypt"
    gate.with_name("gate.db").unlink()
    driver.wait("event", "mx1: its gate is shut")
    assert lookup(gate, "mx1") == VALUE


# --- what goes wrong ----------------------------------------------------------

def test_full_disk_keeps_the_old_table(place):
    directory = place.small_disk("small", size="128k", user="mailbrake")
    gate = directory / "gate"
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut", "mx2:sending")
    driver.wait("event", "mx1: its gate is shut")
    ballast = directory / "ballast"
    with open(ballast, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    driver.set("mx1:stopped:shut", "mx2:stopped:shut")
    wait_for(lambda: "No space left" in driver.ask("error"), 10,
        lambda: driver.ask("error"))
    assert lookup(gate, "mx1") == VALUE
    assert driver.ask("in-force mx1") == "1"
    assert driver.ask("in-force mx2") == "0"
    assert len([x for x in driver.log if "No space" in x]) == 1
    ballast.unlink()
    driver.wait("event", "mx2: its gate is shut")
    assert lookup(gate, "mx2") == VALUE
    assert driver.ask("error") == "gate= queue="


def test_directory_that_cannot_be_written_to(place, gate):
    gate.parent.chmod(0o550)
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    wait_for(lambda: "Permission denied" in driver.ask("error"))
    gate.parent.chmod(0o750)
    driver.wait("event", "mx1: its gate is shut")


@pytest.fixture
def fake(place):
    """fake(name, script) puts a script in the place of one of Postfix'
    programs; fake(name, None) makes it no program at all."""
    mounted = []

    def make(name, script):
        path = place.subdir("fake") / name
        path.write_text(script or "")
        path.chmod(0o755 if script else 0o644)
        subprocess.run(["mount", "--bind", str(path), "/usr/sbin/" + name],
            check=True)
        mounted.append("/usr/sbin/" + name)

    def back():
        while mounted:
            subprocess.run(["umount", mounted.pop()], check=True)
    make.back = back
    yield make
    back()


def test_hanging_postmap_holds_nobody(place, gate, fake):
    driver = Driver(place, gate)
    driver.set("mx1:sending")
    driver.settled("mx1")
    fake("postmap", "#!/bin/sh\nexec sleep 600\n")
    driver.set("mx1:stopped:shut")
    for _ in range(10):
        driver.ask("beat")
        # All ten while it hangs.
        assert "not done in time" not in driver.ask("error")
    wait_for(lambda: "not done in time" in driver.ask("error"), 30)
    assert read_gate(gate) == []
    fake.back()
    driver.wait("event", "mx1: its gate is shut")


def test_without_postmap(place, gate, fake):
    fake("postmap", None)
    fake("postqueue", None)
    # Nobody asked for it: a host without Postfix.
    driver = Driver(place, gate, options=["-d"])
    driver.set("mx1:stopped:shut:reroute")
    assert driver.ask("error") == "gate= queue="
    assert driver.ask("in-force mx1") == "1"
    assert driver.events() == []
    assert not [x for x in driver.log if "gate" in x and
        "no gate file" not in x]
    driver.stop()
    assert list(gate.parent.iterdir()) == []
    # Somebody did.
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    wait_for(lambda: "there is no postmap on this host: install Postfix, or "
        "set gate_file" in driver.ask("error"))
    assert driver.ask("in-force mx1") == "0"


def test_queue_needs_the_group_postdrop(place, sink, gate, braked):
    pf = braked(gate, start=False)
    driver = Driver(place, gate, pf.conf)
    driver.set("mx1:stopped:shut")
    driver.settled("mx1")
    pf.start()
    send(pf, 1)
    pf.wait_queue("deferred")
    driver.stop()
    driver = Driver(place, gate, pf.conf, groups=None)
    driver.set("mx1:sending")
    _, text = driver.wait("event", "cannot be worked on")
    assert "usermod -aG postdrop mailbrake" in text
    assert "postdrop" in driver.ask("error")
    driver.stop()
    driver = Driver(place, gate, pf.conf)
    driver.set("mx1:sending")
    driver.wait("event", "last 1 waiting message: flushing")
    pf.wait_empty()


def test_starting_before_postfix_is_no_event(place, sink, gate, braked):
    pf = braked(gate, start=False)
    driver = Driver(place, gate, pf.conf)
    mark = driver.set("mx1:stopped:shut:reroute")
    driver.wait("event", "flushing the queue", since=mark)
    wait_for(lambda: [x for x in driver.log if "mail system is down" in x])
    pf.start()
    send(pf, 1)
    driver.set("mx1:sending")
    sink.wait("m0", timeout=15)
    assert not [t for t in driver.events() if "cannot be worked on" in t]


def test_observe_mode_only_says_so(place, sink, gate, braked):
    """And opens what an earlier stop has left shut."""
    driver = Driver(place, gate)
    driver.set("mx1:stopped:shut")
    driver.wait("event", "gate is shut")
    driver.stop()
    pf = braked(gate)
    driver = Driver(place, gate, pf.conf, options=["-o"])
    driver.set("mx1:stopped:shut:reroute")
    driver.wait("event", "observe mode: its gate would be shut now and the "
        "queue flushed")
    wait_for(lambda: read_gate(gate) == [])
    driver.settled("mx1")
    pf.send("ann@brake.test", "bob@x.example")
    sink.wait("bob@x.example")
    driver.set("mx1:sending")
    driver.wait("event", "would be opened now")
    assert not [t for t in driver.events() if "flushing" in t]
