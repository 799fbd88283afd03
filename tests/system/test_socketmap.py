"""The socketmap protocol: what a client may do, and that it never waits."""

import random
import re
import resource
import select
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness.clients import Socketmap, look_up, netstring
from harness.daemon import catalogue_list
from harness.place import free_port, wait_for
from harness.thread import Halted

# Also run with the daemon built for finding races.
pytestmark = pytest.mark.threads

# Nobody waits longer for an answer, whatever the daemon is busy with: what
# is away, hangs or goes on and on in these tests does so for longer.
SOON = 2.0

TWO = ({"name": "mx1", "addresses": ["203.0.113.1"], "transport": "mx1"},
    {"name": "mx2", "addresses": ["203.0.113.2"], "transport": "mx2"})


@pytest.fixture
def d(brake):
    """Stopped for the domain example.org, sending for others: answers can
    be told apart."""
    daemon = brake(fronts=("socketmap",))
    daemon.must("stop", "domain:example.org")
    return daemon


def is_stop(answer):
    return answer is not None and answer.startswith("OK retry:4.7.1 ")


# -- the protocol

def test_one_question_one_answer(d):
    with Socketmap(d.map) as m:
        assert is_stop(m.ask("route", "ann@example.org"))
        assert m.ask("route", "ann@example.com") == "NOTFOUND "


def test_pipelined_questions_are_answered_in_order(d):
    order = [random.Random(1).random() < 0.5 for _ in range(2000)]
    with Socketmap(d.map) as m:
        m.send(b"".join(netstring("route a%d@example.%s" % (n, "org" if stop
            else "com")) for n, stop in enumerate(order)))
        for stop in order:
            assert is_stop(m.answer()) == stop


@pytest.mark.parametrize("size", [1, 3, 17])
def test_a_question_may_come_in_pieces(d, size):
    data = netstring("route a@example.org") + netstring("route a@example.com")
    with Socketmap(d.map) as m:
        for i in range(0, len(data), size):
            m.send(data[i:i + size])
        assert is_stop(m.answer())
        assert m.answer() == "NOTFOUND "


def test_an_unknown_map_puts_the_mail_off(d):
    with Socketmap(d.map) as m:
        assert m.ask("rout", "a@example.com").startswith("TEMP ")
        assert m.ask("route", "a@example.com") == "NOTFOUND "


def test_a_key_of_the_longest_size(d):
    key = "a" * (100000 - len("route ") - len("@example.com"))
    with Socketmap(d.map) as m:
        for _ in range(3):
            assert m.ask("route", key + "@example.com") == "NOTFOUND "


MALFORMED = {
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", "a length that is not a number"),
    "a leading zero": (b"07:route a,", "a length with a leading zero"),
    "too long": (b"100001:route ", "a request of more than 100000 bytes"),
    "no comma": (b"7:route ab,",
        "a request without \",\" where it should end"),
    "no key": (b"5:route,", "the name of a map without a key"),
    "no name": (b"2: a,", "a key without the name of a map"),
    "nothing": (b"0:,", "an empty request"),
    "a NUL": (b"9:route a\0b,", "a NUL byte"),
    "a line end": (b"9:route a\nb,", "a control character"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_question_puts_the_mail_off_and_is_logged(d, name):
    request, why = MALFORMED[name]
    mark = d.mark()
    with Socketmap(d.map) as m:
        m.send(netstring("route a@example.com") + request)
        assert m.answer() == "NOTFOUND "
        assert m.answer() == "TEMP malformed request: " + why
        assert m.answer() is None, "closed"
    d.wait_log("socketmap: closing a connection of a local program that "
        "sent " + re.escape(why), since=mark)
    assert is_stop(look_up(d, "route", "a@example.org")), "others go on"
    front, = [f for f in d.status()["fronts"] if f["name"] == "socketmap"]
    assert front["malformed"] == 1


def test_a_flood_of_nonsense_is_not_a_flood_of_lines(d):
    mark = d.mark()
    for _ in range(100):
        with Socketmap(d.map) as m:
            m.send(b"junk")
            assert m.answer().startswith("TEMP ")
    assert len(d.lines) - mark < 20


def test_a_client_that_never_reads_hurts_only_itself(d):
    with Socketmap(d.map) as m:
        m.socket.setblocking(False)
        data = netstring("route a@example.org") * 100
        deadline = time.monotonic() + 20
        # Full, and it stays full: the service does not read any more.
        while select.select([], [m.socket], [], 0.3)[1]:
            assert time.monotonic() < deadline, "it is read on and on"
            try:
                m.socket.send(data)
            except BlockingIOError:
                pass
        start = time.monotonic()
        assert is_stop(look_up(d, "route", "a@example.org"))
        assert time.monotonic() - start < SOON


def test_more_clients_than_there_may_be(d):
    """New ones are served, and who is idle longest makes room."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 5000:
        pytest.skip("not enough descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = []
    try:
        for n in range(4096 + 50):
            clients.append(Socketmap(d.map, timeout=10))
            assert clients[-1].ask("route", "a@example.com") == "NOTFOUND "
        # The first fifty and no other.
        wait_for(lambda: select.select([c.socket for c in clients[:50]
            if c.socket.fileno() < 1024], [], [], 0)[0], 5,
            "the first ones are closed")
        for c in clients[:50]:
            assert c.answer() is None
        for c in clients[50:]:
            assert c.ask("route", "a@example.com") == "NOTFOUND "
    finally:
        for c in clients:
            c.socket.close()
    d.wait_log("socketmap: 4096 connections are open")


# -- real clients

def postmap(pf, where, key, user=None):
    """What postmap -q prints, or None if there is nothing, or its error."""
    command = ["postmap", "-c", str(pf.conf), "-q", key, "socketmap:" + where]
    if user:
        command = ["setpriv", "--reuid", user, "--regid", user,
            "--clear-groups"] + command
    done = subprocess.run(command, capture_output=True, text=True,
        timeout=30)
    if done.returncode == 0:
        return done.stdout.rstrip("\n")
    assert done.returncode == 1
    return done.stderr or None


def test_postmap(d, postfix):
    pf = postfix(start=False)
    route = "unix:%s:route" % d.map
    assert postmap(pf, route, "ann@example.com") is None
    assert re.match(r"retry:4\.7\.1 Outbound mail paused", postmap(pf, route,
        "ann@example.org"))
    assert re.match(r"retry:4\.7\.1 ", postmap(pf, route,
        "\"an n\"@Example.ORG")), "a space, and another case"
    assert "mailbrake has no map \"nonesuch\"" in postmap(pf,
        "unix:%s:nonesuch" % d.map, "a@b.c")


def test_postmap_by_tcp(brake, postfix):
    port = free_port()
    d = brake(settings={"listen": {"socketmap": "inet:127.0.0.1:%d" % port}})
    d.must("stop", "all")
    pf = postfix(start=False)
    assert re.match(r"retry:4\.7\.1 ", postmap(pf,
        "inet:127.0.0.1:%d:route" % port, "ann@example.org"))


def test_the_socket_is_for_the_mail_server(d, postfix):
    pf = postfix(start=False)
    st = d.map.stat()
    assert stat.S_IMODE(st.st_mode) == 0o660
    route = "unix:%s:route" % d.map
    assert re.match(r"retry:4\.7\.1 ", postmap(pf, route, "a@example.org",
        user="postfix"))
    assert "ermission denied" in postmap(pf, route, "a@example.org",
        user="games")


def routed(d, postfix, **main):
    return postfix(main={"sender_dependent_default_transport_maps":
        "socketmap:unix:%s:route" % d.map, **main})


def test_a_real_postfix(d, postfix, sink):
    pf = routed(d, postfix)
    answer = pf.send("ann@example.org", ["bob@example.net"])
    assert answer.code == 450 and answer.stage == "rcpt"
    assert "4.7.1" in answer.text and "paused" in answer.text
    assert pf.send("ann@example.com", ["bob@example.net"]).code == 250
    sink.wait(count=1)
    assert sink.messages[0].sender == "ann@example.com"
    # Local mail goes, whatever its sender.
    assert pf.send("ann@example.org", ["joe@local.test"]).code == 250
    pf.wait_log("to=<joe@local.test>.*status=sent")


def test_postfix_does_not_notice_a_restart(d, postfix, sink):
    pf = routed(d, postfix)
    smtp = pf.connect()
    for n, how in enumerate(("stop", "kill9", "stop")):
        assert pf.send("a%d@example.com" % n, ["bob@example.net"],
            smtp=smtp).code == 250
        sink.wait(count=n + 1)
        front, = [f for f in d.status()["fronts"] if f["name"] ==
            "socketmap"]
        assert front["connections"] > 0, "it keeps its connection"
        d.restart(how)
    assert pf.send("z@example.com", ["bob@example.net"], smtp=smtp).code == 250
    smtp.quit()
    sink.wait(count=4)
    pf.wait_empty()
    assert "socketmap" not in pf.log(), "not even a warning"


def test_a_changed_endpoint_takes_a_restart(d):
    mark = d.mark()
    other = d.dir / "other.sock"
    d.write_conf({"listen": {"socketmap": "unix:%s" % other}})
    d.reload()
    d.wait_log("listen has changed: that takes a restart", since=mark)
    assert is_stop(look_up(d, "route", "a@example.org"))
    assert not other.exists()
    d.restart()
    assert not d.map.exists()
    with Socketmap(other) as m:
        assert is_stop(m.ask("route", "a@example.org"))


# -- never a late one

class Asker(threading.Thread):
    """Asks on and on, each question about another address, and keeps how
    long the slowest took."""

    def __init__(self, d):
        super().__init__(daemon=True)
        self.d, self.done, self.asked = d, threading.Event(), 0
        self.slowest, self.error = 0.0, None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.done.set()
        self.join(30)

    def run(self):
        try:
            with Socketmap(self.d.map, timeout=20) as m:
                while not self.done.is_set():
                    start = time.monotonic()
                    stop = self.asked % 2 == 0
                    assert is_stop(m.ask("route", "a%d@example.%s" % (
                        self.asked, "org" if stop else "com"))) == stop
                    self.slowest = max(self.slowest,
                        time.monotonic() - start)
                    self.asked += 1
        except Exception as e:          # shown by check()
            self.error = e

    def wait(self, more, timeout=20):
        until = self.asked + more
        wait_for(lambda: self.asked >= until or self.error, timeout,
            "%d answers more" % more)

    def check(self):
        assert self.error is None, self.error
        assert self.slowest < SOON


def test_answers_go_on_while_the_event_loop_stands_still(d):
    with Asker(d) as asker:
        asker.wait(10)
        with Halted(d.process.pid):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(0.3)
                s.connect(str(d.control))
                s.sendall(b"{\"command\": \"status\"}\n")
                with pytest.raises(socket.timeout):
                    s.recv(1)           # it does stand still
            asker.wait(1000)
            # New connections are taken too.
            assert is_stop(look_up(d, "route", "a@example.org"))
    asker.check()
    d.must("status")                    # and it goes on afterwards


def test_answers_go_on_during_a_flood_of_reloads(brake, dns):
    lists = [catalogue_list("l%d.test" % n) for n in range(300)]
    d = brake(fronts=("socketmap",), lists=lists,
        settings={"check": {"interval": "1h"}})
    d.must("stop", "domain:example.org")
    with Asker(d) as asker:
        asker.wait(10)
        mark = d.mark()
        for _ in range(20):
            d.reload()
            count = len(d.logged("read again", mark))
            wait_for(lambda: len(d.logged("read again", mark)) > count, 20,
                "one more reload")
        asker.wait(10)
    asker.check()


def test_answers_go_on_while_dns_redis_and_disk_are_gone(brake, dns, place,
    redis):
    disk = place.small_disk("full", user="mailbrake")
    d = brake(fronts=("socketmap",), state_dir=disk,
        settings={"redis": {"server": redis.server},
        "check": {"interval": "100ms"}})
    d.must("stop", "domain:example.org")
    wait_for(lambda: d.status()["store"]["redis"] == "connected", 10,
        "Redis connected")
    with Asker(d) as asker:
        asker.wait(10)
        (disk / "ballast").write_bytes(b"x" * 4096)
        with open(disk / "ballast2", "wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(b"x" * 4096)
        redis.freeze()
        dns.mode = "silent"
        d.must("stop", "account:x")     # wants to be written
        wait_for(lambda: d.status()["store"].get("state_file_error"), 10,
            "the disk is full")
        asker.wait(1000)
        redis.thaw()
    asker.check()


def test_a_stop_while_clients_ask(d):
    askers = [Asker(d) for _ in range(8)]
    for a in askers:
        a.start()
    wait_for(lambda: all(a.asked > 10 for a in askers), 10, "all ask")
    assert d.stop() == 0
    for a in askers:
        a.join(5)
        assert not a.is_alive()
        # The connection ended between two answers, not in one.
        assert isinstance(a.error, (AssertionError, ConnectionError))
        assert "half an answer" not in str(a.error)
    assert not d.map.exists()
