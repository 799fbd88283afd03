"""Under load nothing is lost, nothing is slow, and no answer is wrong."""

import asyncio
import os
import threading
import time

import pytest

from harness.clients import Policy, smtp_session
from harness.daemon import sanitized
from harness.place import wait_for

# Also run with the daemon built for finding races.
pytestmark = pytest.mark.threads

BIG = {"default_process_limit": "620", "smtpd_client_connection_count_limit":
    "0", "smtpd_client_connection_rate_limit": "0"}


class Gate:
    """Opens when all have come: so many sessions are in the middle of a
    message at one time."""

    def __init__(self, count):
        self.missing = count
        self.opened = asyncio.Event()

    async def __call__(self):
        self.missing -= 1
        if self.missing <= 0:
            self.opened.set()
        await asyncio.wait_for(self.opened.wait(), 60)


def storm(port, count, recipient="bob@example.net"):
    async def all_of_them():
        gate = Gate(count)
        return await asyncio.gather(*[smtp_session(port,
            "ann%d@example.org" % n, [recipient], "n%d" % n, gate)
            for n in range(count)])
    return asyncio.run(all_of_them())


def test_500_sessions_at_a_time(brake, bl, postfix, sink):
    d = brake(fronts=("milter",))
    pf = postfix(d, main=BIG)
    d.wait_health("usable")
    answers = storm(pf.ports["milter"], 500)
    assert [a for a in answers if a[0] != 250] == []
    assert max(a[2] for a in answers) < 15
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    refused = storm(pf.ports["milter"], 500)
    assert [a for a in refused if a[0] != 451 or
        "203.0.113.1 is listed" not in a[1]] == []
    sink.wait(count=500, timeout=60)
    pf.wait_empty(30)
    assert sorted(m.sender for m in sink.messages) == sorted(
        "ann%d@example.org" % n for n in range(500)), "once each"
    front = [f for f in d.status()["fronts"] if f["name"] == "milter"][0]
    assert front["requests"] >= 1000
    assert "warning: milter" not in pf.log()


def test_300_sessions_at_a_time_by_the_policy_service(brake, bl, postfix):
    bl.add("203.0.113.1")
    d = brake(fronts=("policy",))
    pf = postfix(d, main=BIG)
    d.wait_state("stopped")
    refused = storm(pf.ports["policy"], 300)
    assert [a for a in refused if a[0] != 451 or
        "203.0.113.1 is listed" not in a[1]] == []
    assert [a for a in storm(pf.ports["policy"], 100, "joe@local.test")
        if a[0] != 250] == []


class Sender(threading.Thread):
    """Sends one message after the other until told to stop."""

    def __init__(self, pf, on, number):
        super().__init__(daemon=True)
        self.pf, self.on, self.number = pf, on, number
        self.stop = threading.Event()
        self.answers, self.slowest, self.error = [], 0.0, None
        self.start()

    def run(self):
        try:
            smtp = self.pf.connect(self.on)
            while not self.stop.is_set():
                start = time.monotonic()
                self.answers.append(self.pf.send("s%d.%d@example.org" % (
                    self.number, len(self.answers)), ["bob@example.net"],
                    smtp=smtp).code)
                self.slowest = max(self.slowest, time.monotonic() - start)
            smtp.quit()
        except Exception as e:          # shown by the test
            self.error = e


def load_while(pf, action):
    senders = [Sender(pf, on, n) for n, on in enumerate(("milter",
        "policy") * 4)]
    try:
        wait_for(lambda: all(len(s.answers) >= 3 for s in senders), 30,
            "senders at work")
        action()
    finally:
        for s in senders:
            s.stop.set()
        for s in senders:
            s.join(30)
    assert [s.error for s in senders if s.error] == []
    return senders


@pytest.mark.parametrize("trouble", ["kill9", "freeze"])
def test_redis_that_dies_under_load_loses_no_mail(brake, redis, postfix,
    sink, trouble):
    d = brake(fronts=("milter", "policy"),
        settings={"redis": {"server": redis.server}})
    pf = postfix(d)

    def state(word):
        wait_for(lambda: (d.status()["store"]["redis"] == "connected") ==
            word, 20, "Redis connected: %s" % word)

    def action():
        state(True)
        getattr(redis, trouble)()
        state(False)
        if trouble == "freeze":
            redis.thaw()
        else:
            redis.start()
        state(True)
    senders = load_while(pf, action)
    sent = sum(len(s.answers) for s in senders)
    assert {code for s in senders for code in s.answers} == {250}
    assert max(s.slowest for s in senders) < 5
    sink.wait(count=sent, timeout=60)
    pf.wait_empty(30)
    assert len({m.sender for m in sink.messages}) == sent == len(
        sink.messages)


def test_redis_that_dies_under_load_does_not_release(brake, bl, redis,
    postfix, sink):
    bl.add("203.0.113.1")
    d = brake(fronts=("milter", "policy"),
        settings={"redis": {"server": redis.server}})
    pf = postfix(d)
    d.wait_state("stopped")

    def action():
        redis.kill9()
        wait_for(lambda: d.status()["store"]["redis"] != "connected", 20)
        redis.start()
        wait_for(lambda: d.status()["store"]["redis"] == "connected", 20)
    senders = load_while(pf, action)
    assert {code for s in senders for code in s.answers} == {451}
    assert sink.messages == []


def test_a_listing_under_load_stops_everything_from_then_on(brake, bl,
    postfix, sink):
    d = brake(fronts=("milter", "policy"))
    pf = postfix(d)
    d.wait_health("usable")

    def action():
        bl.add("203.0.113.1")
        d.wait_state("stopped")
        marks = {s: len(s.answers) for s in threading.enumerate()
            if isinstance(s, Sender)}
        wait_for(lambda: all(len(s.answers) > marks[s] + 3 for s in marks),
            20)
    senders = load_while(pf, action)
    for s in senders:
        first = s.answers.index(451)
        assert set(s.answers[:first]) <= {250}
        assert set(s.answers[first:]) == {451}, "not one slips through"
    sink.wait(count=sum(s.answers.count(250) for s in senders), timeout=60)


def test_reloads_and_overrides_under_load_change_no_other_answer(brake,
    postfix, sink):
    d = brake(fronts=("milter", "policy"))
    pf = postfix(d)

    def action():
        for n in range(5):
            mark = d.mark()
            d.reload()
            d.wait_log("[Rr]eload|configuration", since=mark)
            d.must("stop", "account:a%d" % n)
            d.must("auto", "account:a%d" % n)
    senders = load_while(pf, action)
    assert {code for s in senders for code in s.answers} == {250}
    sink.wait(count=sum(len(s.answers) for s in senders), timeout=60)


def test_memory_does_not_grow_with_the_number_of_messages(brake):
    d = brake(fronts=("policy",))

    def resident():
        with open("/proc/%d/statm" % d.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def ask_many(count):
        with Policy(d.policy) as p:
            for n in range(count):
                p.ask(sender="a%d@example.org" % n)
    if sanitized():
        pytest.skip("a sanitizer keeps what is freed")
    ask_many(2000)
    before = resident()
    ask_many(6000)
    assert resident() - before < 4000000
