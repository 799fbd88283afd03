"""What is queued stops with the egress: the gate, the route map, and what
becomes of the mail.

Each test counts at the sink: what begins through the listed address later
than one second after the brake, what is lost, and what arrives twice.
"""

import re
import shutil
import signal
import threading
import time

import pytest

from harness.bulk import mails
from harness.fastsink import FastSink
from harness.host import GRACE, Host, address, once_each
from harness.place import Timeout, wait_for

GATES = ["file", "map"]
MILTER = {"milter": ("milter", "tempfail")}
POLICY = {"policy": ("policy", "default_action=DUNNO")}


@pytest.fixture
def sink(place):
    return FastSink(place)


@pytest.fixture
def host(place, dns, sink):
    def make(**options):
        return Host(place, dns, sink, **options)
    return make


def stop_by_listing(host, bl, egress="mx1"):
    """Lists the egress; when it was stopped, on the sink's clock."""
    mark = host.daemon.mark()
    bl.add(address(egress))
    stopped = host.since("%s: .* -> stopped" % egress, mark)
    host.gate_moves(egress, mark, "shut")
    return stopped


def resume(host, bl, *egresses):
    """Delists them, and waits until they may send.  Who does not wait for
    the portions flushes the queue."""
    mark = host.daemon.mark()
    for e in egresses:
        bl.remove(address(e))
    for e in egresses:
        host.daemon.wait_state("sending", e)
    for e in egresses:
        host.gate_moves(e, mark, "open")


def word(host, what, egress):
    """An operator's: stop or auto."""
    mark = host.daemon.mark()
    host.daemon.must(what, egress)
    host.gate_moves(egress, mark, "shut" if what == "stop" else "open")


def assert_nothing_lost(sink, what):
    lost, twice = once_each(sink, [m.id for m in what])
    assert (len(lost), len(twice)) == (0, 0), (lost[:5], twice[:5])


def under_way(host, sink, what, so_many=50):
    """Puts this mail into the queue; returns in the middle of its delivery,
    with so_many under way and 2000 in the active queue."""
    sink.delay(3600)
    assert host.pour(what) == {}
    wait_for(lambda: sink.under_way() >= so_many, 30, "deliveries under way")
    host.wait_count(lambda n: n == min(len(what), 2000), "active")
    # So slow that there is a queue for six seconds more.
    sink.delay(max(0.1, 6 * so_many / len(what)))
    sink.wait(so_many + 10)


# --- the whole of it: 20,000 messages, 2,000 of them active ---------------

@pytest.mark.heavy
def test_twenty_thousand_messages_leave_by_none_but_who_may_send(host, bl,
    sink):
    """mx1 with a gate file is listed: all goes to mx2, with a socketmap as
    its gate; that is listed too, and nothing leaves at all."""
    h = host(gate=["file", "map"], pool={"actions": ["reroute",
        "tempfail"], "reroute_limit": 0}, settings={"egress": ({
        "name": "mx1", "addresses": [address("mx1")], "transport": "mx1"},
        {"name": "mx2", "addresses": [address("mx2")], "transport": "mx2",
        "warm": True})})
    what = mails(20000)
    under_way(h, sink, what)
    first = stop_by_listing(h, bl, "mx1")
    sink.delay(0)
    sink.wait(2000, 120, source=address("mx2"))
    before = len(sink.taken())
    assert before < 19000, "the second stop comes too late"
    second = stop_by_listing(h, bl, "mx2")
    h.settle(timeout=180)
    h.assert_none_late("mx1", first)
    h.assert_none_late("mx2", second)
    assert h.count("deferred") == 20000 - len(sink.taken())
    assert h.pour(mails(1, start=20000)) != {}, "and nothing new comes in"
    resume(h, bl, "mx1", "mx2")
    h.postfix.flush()
    sink.wait(20000, 180)
    assert_nothing_lost(sink, what)


# --- 2,000 messages, for each gate and each way to treat new mail ---------

@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("submission", ["tempfail", "accept", "hold"])
def test_a_stop_keeps_the_queue_whatever_new_mail_meets(host, bl, sink,
    gate, submission):
    h = host(gate=gate, fronts=MILTER, pool={"actions": ["tempfail"],
        "submission": submission})
    total = 2000 if submission == "tempfail" else 500
    what = mails(total)
    under_way(h, sink, what)
    stopped = stop_by_listing(h, bl)
    h.settle()
    new = mails(20, start=total)
    refused = h.pour(new, on="milter")
    local = h.postfix.send("ann@example.org", ["joe@local.test"],
        on="milter")
    assert local.code == 250
    h.postfix.wait_log(r"to=<joe@local\.test>.*status=sent")
    if submission == "tempfail":
        assert len(refused) == 20
        assert all("203.0.113.1 is listed by bl.test" in replies[0] and
            re.match("45[01] 4.7.1", replies[0]) for replies in
            refused.values())
        new = []
    else:
        assert refused == {}
        h.settle()
    kept = total - len(sink.taken())
    assert h.count("hold") == (20 if submission == "hold" else 0)
    assert h.count("deferred") == kept + (20 if submission == "accept"
        else 0)
    h.assert_none_late("mx1", stopped)
    resume(h, bl, "mx1")
    if submission == "hold":
        h.postfix.command("postsuper", "-H", "ALL")
    h.postfix.flush()
    sink.wait(total + len(new), 60)
    assert_nothing_lost(sink, what + new)


@pytest.mark.parametrize("gate", GATES)
def test_a_stop_moves_the_queue_to_the_other_egress(host, bl, sink, gate):
    h = host(gate=gate, fronts=POLICY)
    what = mails(2000)
    under_way(h, sink, what)
    stopped = stop_by_listing(h, bl)
    new = mails(20, start=2000)
    assert h.pour(new, on="policy") == {}
    sink.wait(2020, 60)
    h.assert_none_late("mx1", stopped)
    moved = sink.taken(address("mx2"))
    assert len(moved) > 1500
    assert {d.helo for d in moved} == {"mx2.brake.test"}
    assert_nothing_lost(sink, what + new)
    resume(h, bl, "mx1")
    back = mails(20, start=2020)
    assert h.pour(back, on="policy") == {}
    sink.wait(2040)
    assert {d.source for d in sink.taken() if d.id >= "m02020"} == {
        address("mx1")}


def test_a_gate_that_cannot_be_shut_keeps_nothing_and_so_nothing_comes_in(
    host, bl, sink):
    """Mail that would be taken for the gate to keep is refused while the
    gate's file cannot be written, and what is queued waits for the route."""
    h = host(gate="file", fronts=MILTER, pool={"actions": ["tempfail"],
        "submission": "accept"})
    wait_for(lambda: h.daemon.status().get("postfix"), 20,
        "Postfix's configuration")
    shutil.chown(h.daemon.dir, "root", "root")
    mark = h.daemon.mark()
    bl.add(address("mx1"))
    stopped = h.since("mx1: .* -> stopped", mark)
    h.daemon.wait_log("gate file .*Permission denied", since=mark)
    assert len(h.pour(mails(20), on="milter")) == 20
    assert h.postfix.sendmail("ann@example.org", "bob@example.net") == 0
    h.settle()
    h.assert_none_late("mx1", stopped)
    shutil.chown(h.daemon.dir, "mailbrake", "mailbrake")
    h.since("mx1: its gate is shut", mark)
    # Pairs that no smtpd(8) has kept an answer for.
    assert h.pour(mails(20, start=20), on="milter") == {}, "it keeps them"
    h.settle()
    h.assert_none_late("mx1", stopped)


# --- what else is in a queue -----------------------------------------------

def sent(pf, recipient):
    """How often Postfix has delivered to a local recipient."""
    return len(re.findall("to=<%s>.*status=sent" % re.escape(recipient),
        pf.log()))


@pytest.mark.parametrize("gate", GATES)
def test_a_stop_keeps_mail_that_no_filter_sees_and_no_local_mail(host, sink,
    gate):
    """sendmail(1), bounces, the null sender, aliases that lead out, and
    several recipients of whom some are local."""
    h = host(gate=gate, route=False, main={
        "virtual_alias_maps": "inline:{ { list@local.test = "
        "bob@example.net joe@local.test } }",
        "transport_maps": "inline:{ { gone@local.test = error:5.1.1 gone }"
        " }"})
    pf = h.postfix
    word(h, "stop", "mx1")
    assert pf.sendmail("ann@example.org", "bob@example.net",
        subject="shell") == 0
    assert pf.sendmail("ann@example.org", "gone@local.test",
        subject="returned") == 0
    assert pf.send("", ["bob@example.net"], subject="null").code == 250
    assert pf.send("ann@example.org", ["amy@local.test", "bob@example.net",
        "eve@example.com"], subject="several").code == 250
    assert pf.send("ann@example.org", ["list@local.test"],
        subject="alias").code == 250
    assert pf.send("ann@example.org", ["leo@local.test"],
        subject="local").code == 250
    pf.wait_log(r"to=<gone@local\.test>.*status=bounced")
    for who in ("amy", "leo", "joe"):
        pf.wait_log(r"to=<%s@local\.test>.*status=sent" % who)
    pf.wait_queue("deferred", 5)
    assert pf.maildrop() == []
    assert sink.read() == []
    word(h, "auto", "mx1")
    pf.flush()
    pf.wait_empty()
    assert sorted((d.sender, d.id, sorted(d.recipients)) for d in
        sink.taken()) == [
        ("", "Undelivered Mail Returned to Sender", ["ann@example.org"]),
        ("", "null", ["bob@example.net"]),
        ("ann@example.org", "alias", ["bob@example.net"]),
        ("ann@example.org", "several", ["bob@example.net",
            "eve@example.com"]),
        ("ann@example.org", "shell", ["bob@example.net"])]
    assert [sent(pf, who + "@local.test") for who in ("amy", "leo",
        "joe")] == [1, 1, 1]
    assert len(re.findall("status=bounced", pf.log())) == 1


def test_each_route_is_stopped_for_itself(host, bl, sink):
    """By sender, and by recipient, which counts more."""
    h = host(gate=["file", "map", "file"], egresses=3, settings={
        "pools": ({"name": "people", "egress": ["mx1"]},
            {"name": "bulk", "egress": ["mx2"]},
            {"name": "partner", "egress": ["mx3"]}),
        "routes": ({"recipient": "@partner.example", "pool": "partner"},
            {"sender": "@news.example.org", "pool": "bulk"})},
        rcptroute=True,
        # A transport of transport_maps asks DNS, whatever relayhost says.
        main={"smtp_fallback_relay": sink.nexthop})
    what, groups = [], {
        "mx1": ("s%d@example.org", "r%d@example.net"),
        "mx2": ("s%d@news.example.org", "r%d@example.net"),
        "mx3": ("s%d@news.example.org", "r%d@partner.example")}

    def more():
        """Twenty of each: refused, {egress: ids}."""
        ids, refused = {}, {}
        for egress, (sender, recipient) in groups.items():
            new = mails(20, len(what), sender, recipient)
            what.extend(new)
            refused.update(h.pour(new))
            ids[egress] = {m.id for m in new}
        return refused, ids

    def left_by(ids):
        return {d.source for d in sink.taken() if d.id in ids}
    refused, ids = more()
    assert refused == {}
    sink.wait(60)
    for egress in groups:
        assert left_by(ids[egress]) == {address(egress)}
    for egress in ("mx2", "mx3"):
        sink.refuse("450 4.2.0 later")
        assert h.pour(mails(5, 9000 + len(what), *groups[egress])) == {}
        h.wait_count(lambda n: n == 5, "deferred")
        sink.refuse()
        stopped = stop_by_listing(h, bl, egress)
        h.postfix.flush()
        refused, ids = more()
        assert refused.keys() == ids[egress]
        h.settle()
        others = set(groups) - {egress}
        wait_for(lambda: all(left_by(ids[e]) == {address(e)} for e in
            others), 20, "the others' mail")
        assert h.count("deferred") == 5
        h.assert_none_late(egress, stopped)
        resume(h, bl, egress)
        h.postfix.flush()
        h.postfix.wait_empty()


def test_a_connection_cache_carries_mail_past_the_gate(host, bl, sink):
    """Why it must be off; status says so."""
    h = host(gate="map", pool={"actions": ["tempfail"]},
        transport={"smtp_connection_cache_on_demand": "yes"},
        main={"default_destination_concurrency_limit": "5",
        "initial_destination_concurrency": "5"})
    # As soon as Postfix's configuration has been read.
    wait_for(lambda: re.search(r"mx1\b.*(keeps|cache|connection)",
        h.daemon.must("status")), 20, lambda: h.daemon.must("status"))
    what = mails(1000)
    sink.delay(3600)
    h.pour(what)
    sink.delay(0.02)
    sink.wait(100)
    stopped = stop_by_listing(h, bl)
    wait_for(lambda: sink.begun_after(stopped + GRACE, address("mx1")), 10,
        "mail past the gate")
    resume(h, bl, "mx1")
    h.postfix.flush()
    sink.wait(1000)
    h.settle()
    assert_nothing_lost(sink, what)


# --- by Redis ----------------------------------------------------------------

@pytest.mark.parametrize("gate", GATES)
def test_a_word_in_redis_stops_the_queue(host, sink, redis, gate):
    h = host(gate=gate, pool={"actions": ["tempfail"]}, settings={
        "redis": {"server": redis.server}})
    wait_for(lambda: h.daemon.status()["store"]["redis"] == "connected", 10)
    what = mails(500)
    under_way(h, sink, what)
    stopped = time.monotonic()
    redis.cli("SET", "mailbrake:override:mx1", "stop by hand")
    h.settle()
    h.assert_none_late("mx1", stopped)
    assert 0 < h.count("deferred") == 500 - len(sink.taken())
    refused = h.pour(mails(1, start=500))
    assert "paused by the operator: by hand" in refused["m00500"][0]
    mark = h.daemon.mark()
    redis.cli("DEL", "mailbrake:override:mx1")
    h.gate_moves("mx1", mark, "open")
    h.daemon.wait_egress(lambda e: not e.get("override"))
    h.postfix.flush()
    sink.wait(500)
    assert_nothing_lost(sink, what)


# --- without the daemon --------------------------------------------------------

FRONTS = {
    "milter-accept": ("milter", "accept"),
    "milter-tempfail": ("milter", "tempfail"),
    "policy-pass": ("policy", "default_action=DUNNO"),
    "policy-defer": ("policy", "{ default_action = 451 4.7.1 Later }"),
}
AWAY = {"milter-accept": {250}, "milter-tempfail": {451},
    "policy-pass": {250}, "policy-defer": {451}}


class Load(threading.Thread):
    """Sends until told to stop: one message to a remote recipient, one to a
    local one, by a session of its own each."""

    def __init__(self, pf, on):
        super().__init__(daemon=True)
        self.pf, self.on = pf, on
        self.remote, self.local = [], []        # (id, code)
        self.ended, self.error = threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.ended.is_set():
                n = "%s.%d" % (self.on, len(self.remote))
                self.remote.append((n, self.pf.send("ann@example.org",
                    ["bob@example.net"], on=self.on, subject=n).code))
                self.local.append((n, self.pf.send("ann@example.org",
                    [n + "@local.test"], on=self.on).code))
        except Exception as e:          # shown by the test
            self.error = e

    def after(self, mark):
        """The codes of messages that were begun since then."""
        return {code for _, code in self.remote[mark + 1:] +
            self.local[mark + 1:]}


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_a_daemon_away_under_load_costs_no_message_at_the_front(place, host,
    sink, trouble):
    h = host(gate="file", route=False, fronts=FRONTS)
    loads = [Load(h.postfix, on) for on in FRONTS]

    def some_more():
        count = 5 if trouble == "killed" else 2
        marks = {l: len(l.local) for l in loads}
        wait_for(lambda: all(len(l.local) >= marks[l] + count or l.error
            for l in loads), 60, "answers")
        assert [l.error for l in loads if l.error] == []
        return {l.on: l.after(marks[l]) for l in loads}
    assert some_more() == {on: {250} for on in FRONTS}
    if trouble == "killed":
        h.daemon.kill9()
    else:
        h.daemon.process.send_signal(signal.SIGSTOP)
    some_more()                         # what was answered just before
    assert some_more() == AWAY
    if trouble == "killed":
        h.start_daemon()
    else:
        h.daemon.process.send_signal(signal.SIGCONT)
    # What was asked in between may still get the answer of before.
    some_more()
    assert some_more() == {on: {250} for on in FRONTS}
    for l in loads:
        l.ended.set()
    for l in loads:
        l.join(60)
    taken = sorted(n for l in loads for n, code in l.remote if code == 250)
    sink.wait(len(taken))
    h.postfix.wait_empty()
    assert sorted(d.id for d in sink.taken()) == taken
    for l in loads:
        for n, code in l.local:
            assert sent(h.postfix, n + "@local.test") == (code == 250)
    assert "status=bounced" not in h.postfix.log()


def test_the_gate_file_stands_while_the_daemon_is_dead(host, bl, sink):
    h = host(gate="file", route=False, pool={"actions": ["tempfail"]})
    what = mails(300)
    under_way(h, sink, what)
    stopped = stop_by_listing(h, bl)
    h.daemon.kill9()
    sink.delay(0)
    h.settle()

    def nothing_leaves():
        """One more try for all; local mail goes."""
        start = h.postfix.mark()
        h.postfix.flush()
        h.postfix.wait_log("status=deferred", since=start)
        h.settle()
        assert h.postfix.send("ann@example.org",
            ["joe@local.test"]).code == 250
        h.postfix.wait_log(r"to=<joe@local\.test>.*status=sent",
            since=start)
        h.assert_none_late("mx1", stopped)
    nothing_leaves()
    h.postfix.stop()
    h.postfix.start()
    nothing_leaves()
    h.start_daemon()            # and finds it as it was left
    nothing_leaves()
    kept = h.count("deferred")
    assert kept == 300 - len(sink.taken()) > 0
    resume(h, bl, "mx1")
    h.daemon.kill9()            # open stays open
    h.postfix.flush()
    sink.wait(300)
    assert_nothing_lost(sink, what)


def test_a_gate_map_without_its_daemon_lets_nothing_out(host, sink):
    """Whatever it would have said; local mail goes on."""
    h = host(gate="map", route=False)
    what = mails(300)
    under_way(h, sink, what)
    h.daemon.kill9()
    killed = time.monotonic()
    sink.delay(0)
    h.settle()
    h.assert_none_late("mx1", killed)
    h.postfix.send("ann@example.org", ["joe@local.test"])
    h.postfix.wait_log(r"to=<joe@local\.test>.*status=sent")
    assert h.count("deferred") == 300 - len(sink.taken()) > 0
    h.start_daemon()
    h.postfix.flush()
    sink.wait(300)
    assert_nothing_lost(sink, what)
    h.postfix.wait_empty()


def test_a_gate_map_that_hangs_holds_its_own_transport_only(host, sink):
    h = host(gate=["map", "file"], route=False, main={
        "sender_dependent_default_transport_maps":
        "inline:{ { carl@example.org = mx2: } }"})
    h.daemon.process.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    what = mails(50)
    assert h.pour(what) == {}
    h.postfix.send("carl@example.org", ["bob@example.net"], subject="carl")
    h.postfix.send("ann@example.org", ["joe@local.test"])
    h.postfix.wait_log(r"to=<joe@local\.test>.*status=sent")
    assert [d.id for d in sink.wait(1)] == ["carl"]
    h.assert_none_late("mx1", frozen)
    h.daemon.process.send_signal(signal.SIGCONT)
    sink.wait(51)
    h.postfix.wait_empty()
    assert once_each(sink, [m.id for m in what] + ["carl"]) == ([], [])


def test_without_the_route_map_remote_mail_waits_and_local_mail_goes(host,
    sink):
    h = host(gate="file", main={"in_flow_delay": "0"})
    sink.delay(3600)
    what = mails(100)
    h.pour(what)
    sink.refuse("450 4.2.0 later")
    sink.delay(0)
    h.wait_count(lambda n: n == 100, "deferred")
    sink.refuse()
    h.daemon.kill9()
    h.postfix.flush()
    h.postfix.wait_log("4.3.0.*address resolver failure")
    refused = h.pour(mails(1, start=100))["m00100"]
    assert refused[0].startswith("451 4.3.0"), refused
    assert h.postfix.send("joe@local.test", ["amy@local.test"]).code == 250
    h.postfix.wait_log(r"to=<amy@local\.test>.*status=sent")
    # The queue manager keeps the last answer that it had for 30 s.
    assert len(sink.taken()) <= 1
    h.start_daemon()
    h.postfix.flush()
    sink.wait(100)
    assert_nothing_lost(sink, what)
    assert "status=bounced" not in h.postfix.log()


def test_a_route_map_that_hangs_holds_all_mail_and_loses_none(host, sink):
    h = host(gate="file")
    h.daemon.process.send_signal(signal.SIGSTOP)
    assert h.postfix.sendmail("ann@example.org", "bob@example.net",
        subject="remote") == 0
    h.wait_count(lambda n: n > 0, "incoming", "active")
    assert h.postfix.sendmail("joe@local.test", "amy@local.test") == 0
    with pytest.raises(Timeout):
        h.postfix.wait_log(r"to=<amy@local\.test>.*status=sent", 2)
    h.daemon.process.send_signal(signal.SIGCONT)
    h.postfix.wait_log(r"to=<amy@local\.test>.*status=sent", 30)
    assert [d.id for d in sink.wait(1)] == ["remote"]
    h.postfix.wait_empty()
    assert sent(h.postfix, "amy@local.test") == 1


# --- on its way back --------------------------------------------------------------

def test_a_way_out_for_one_is_no_flush_for_who_comes_back_in_portions(host,
    bl, sink):
    h = host(egresses=3, fronts=MILTER, settings={
        "egress": tuple({"name": e, "addresses": [address(e)],
            "transport": e, "warm": True} for e in ("mx1", "mx2", "mx3")),
        "pools": ({"name": "people", "egress": ["mx1"],
            "actions": ["tempfail"], "submission": "accept"},
            {"name": "bulk", "egress": ["mx2", "mx3"],
            "submission": "accept", "burn_limit": 100}),
        "routes": ({"sender": "@news.example.org", "pool": "bulk"},)})
    wait_for(lambda: h.daemon.status().get("postfix"), 20,
        "Postfix's configuration")
    for e in ("mx1", "mx2", "mx3"):
        word(h, "stop", e)
    people = mails(400)
    bulk = mails(30, start=400, sender="s%d@news.example.org")
    assert h.pour(people + bulk, on="milter") == {}
    h.wait_count(lambda n: n == 430, "deferred")
    mark = h.daemon.mark()
    word(h, "auto", "mx1")
    sink.wait(100)
    word(h, "auto", "mx3")
    h.since("mx2: its mail has another way out: letting 30 of 30", mark, 12)
    sink.wait(30, 20, source=address("mx3"))
    h.settle()
    taken = [d.id for d in sink.taken(address("mx1"))]
    assert len(taken) <= 300, "two portions at most, and no flush"
    assert not h.daemon.logged("mx2.*flushing", mark)
    sink.wait(430, 60)
    assert_nothing_lost(sink, people + bulk)


def test_the_queue_comes_back_in_portions_and_a_relapse_ends_it(host, bl,
    sink):
    h = host(route=False, pool={"actions": ["tempfail"]})
    stop_by_listing(h, bl)
    what = mails(400)
    assert h.pour(what) == {}
    h.wait_count(lambda n: n == 400, "deferred")
    assert sink.read() == []
    resume(h, bl, "mx1")
    first = sink.wait(100, 30)
    time_of_first = max(d.begun for d in first)
    h.settle()
    assert len(sink.taken()) == 100
    stopped = stop_by_listing(h, bl)
    assert stopped - time_of_first < 12, "the second portion is due"
    mark = h.daemon.mark()
    with pytest.raises(Timeout):
        wait_for(lambda: len(sink.read()) > 100, 15 - (time.monotonic() -
            time_of_first) + 3)
    assert h.daemon.logged("letting|flushing", mark) == []
    resume(h, bl, "mx1")
    again = sorted(d.begun for d in sink.wait(400, 60))[100:]
    gaps = [b - a for a, b in zip(again, again[1:])]
    assert max(gaps) > 5, "not all at once"
    assert gaps.index(max(gaps)) == 99
    assert_nothing_lost(sink, what)
