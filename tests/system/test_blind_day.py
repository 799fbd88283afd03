"""DNS is gone for a day, while mail comes: nobody is stopped, nobody let
out, and neither memory nor log nor state file grow.

The daemon's clocks go on by leaps of some minutes; Postfix, Redis and
the mail live in real time.
"""

import json
import os
import re

import pytest

from harness.clients import Policy, ask
from harness.daemon import catalogue_list, sanitized
from harness.fakeclock import Clock
from harness.place import wait_for
from harness.traffic import STOPPED, Traffic

KEY = "mailbrake:override:"
HOUR = 3600
LEAP = 200


def connected(d):
    wait_for(lambda: d.status()["store"]["redis"] == "connected", 30,
        lambda: "Redis connected: %s" % d.status()["store"])


def share(d):
    """Of mx3, in per cent."""
    said = d.must("explain", "a@three.example", "b@example.net")
    found = re.search(r"(\d+) %", said)
    assert found, said
    return int(found.group(1))


def resident(d):
    with open("/proc/%d/statm" % d.process.pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Day:
    """Time that passes for the daemon."""

    def __init__(self, d, clock):
        self.d, self.clock, self.at = d, clock, 0

    def pass_by(self, seconds, answers=None):
        """By leaps; at each of them the daemon wakes and does what is due.
        answers: what its policy service must say each time."""
        end = self.at + seconds
        while self.at < end:
            self.at = min(self.at + LEAP, end)
            self.clock.ahead(self.at)
            # For who asks in the middle of a leap it took too long.
            rc, out, err = self.d.cli("status", "--json")
            if rc != 0:
                continue
            said = {e["name"]: e["state"] for e in json.loads(out)["egress"]}
            assert answers is None or said == answers, (self.at, said)


@pytest.fixture
def clock(place):
    return Clock(place, passes=True)


def test_a_day(place, brake, clock, dns, bl, redis, postfix, sink):
    """mx1 sends, mx2 is listed, mx3 is on its way back, mx4 has just been
    delisted and waits; a sender domain is stopped by a word."""
    names = ["mx1", "mx2", "mx3", "mx4"]
    d = brake(start=False, fronts=("milter", "policy"), egress=tuple(
        {"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n],
        "transport": "mx%d" % n} for n in (1, 2, 3, 4)),
        settings={"redis": {"server": redis.server},
        "pools": tuple({"name": n, "egress": [n], "actions": ["tempfail"],
        "burn_limit": 10} for n in names),
        "routes": ({"sender": "@three.example", "pool": "mx3"},),
        "postfix": {"flush": False},
        "check": {"interval": "5m", "confirm_delay": "10s",
        "timeout": "3s"},
        "resume": {"clean": 2, "after": "15m", "ramp": "2h"}})
    for n in (2, 3, 4):
        bl.add("203.0.113.%d" % n)
    d.start(env=clock.env())
    day = Day(d, clock)

    def states():
        return {e["name"]: e["state"] for e in d.status()["egress"]}

    def until(condition, what):
        """Time passes, with answers."""
        for _ in range(400):
            if condition():
                return
            day.pass_by(30)
            # The answers come in real time.
            ask(d)
        raise AssertionError("not within 200 minutes: %s: %s" % (what,
            states()))
    until(lambda: states() == {"mx1": "sending", "mx2": "stopped",
        "mx3": "stopped", "mx4": "stopped"}, "three stops")
    bl.remove("203.0.113.3")
    until(lambda: states()["mx3"] == "probation", "a probation")
    bl.remove("203.0.113.4")
    until(lambda: not d.egress("mx4")["listings"], "a delisting")
    connected(d)
    redis.cli("SET", KEY + "domain:" + STOPPED, "stop spam run")
    wait_for(lambda: d.status()["overrides"], 30, "the word")

    before = {"mx1": "sending", "mx2": "stopped", "mx3": "probation",
        "mx4": "stopped"}
    assert states() == before
    dns.mode = "silent"
    mark = d.mark()
    pf = postfix(d)
    with Traffic(pf, sink, absent=True) as traffic:
        sizes = []
        for hour in range(24):
            day.pass_by(HOUR, before)
            if hour == 0:
                assert d.list()["health"] == "blind"
                seen = share(d)
                assert seen < 60
            sizes.append((resident(d), d.state_path.stat().st_size))
            if hour in (7, 13, 19):
                sizes = []
                d.kill9() if hour == 13 else d.stop()
                d.start(env=clock.env())
                connected(d)
                assert states() == before
            if hour % 4 == 3:
                traffic.wait(1)
        for e in d.status()["egress"]:
            assert e["blind"], e
        assert share(d) == seen
        assert "blind" in d.must("status")
        assert [o["target"] for o in d.status()["overrides"]] == [
            "domain:" + STOPPED]
    assert traffic.settle(slowest=30) > 10
    if not sanitized():
        assert sizes[-1][0] - sizes[0][0] < 1 << 20, sizes
    assert sizes[-1][1] <= sizes[0][1] + 1000, sizes
    # But for what is not in time because time leaps.
    said = d.logged("^(?!.*(redis inet|Postfix's configuration))", since=mark)
    assert len(said) < 60, said
    assert not d.logged(r"-> (sending|probation)|listed no longer",
        since=mark)
    # And when it is back all goes on.
    dns.mode = None
    until(lambda: states() == {"mx1": "sending", "mx2": "stopped",
        "mx3": "sending", "mx4": "sending"}, "what goes on")
