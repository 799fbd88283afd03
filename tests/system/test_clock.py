"""The wall clock is set while the daemon runs: what ends in an hour ends in
an hour, and nothing is let out because it is suddenly later."""

import datetime
import re
import shutil
import time

import pytest

from harness.clients import ask
from harness.fakeclock import Clock
from harness.place import wait_for
from harness.traffic import STOPPED, Traffic

KEY = "mailbrake:override:"
HOUR = 3600


def connected(d):
    wait_for(lambda: d.status()["store"]["redis"] == "connected", 30,
        "Redis connected")


def stopped(d):
    return ask(d) != "DUNNO"


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z",
        "+00:00")).timestamp()


def left(d, target="mx1"):
    """Seconds to the override's end, by the daemon's own clock."""
    status = d.status()
    until, = [o["until"] for o in status["overrides"]
        if o["target"] == target]
    return seconds(until) - seconds(status["now"])


def set_clock(d, clock, to, by, timeout=30):
    """Until it is noticed: ten seconds, and what the machine takes."""
    mark = d.mark()
    clock.ahead(to)
    d.wait_log("clock of this host was set %s by " % ("forward" if by > 0
        else "back"), timeout, since=mark)


def took(d, start, end):
    """Seconds between two lines of the log."""
    d.wait_log(end)
    times = [[when for when, text in d.lines if re.search(pattern, text)][0]
        for pattern in (start, end)]
    return times[1] - times[0]


@pytest.fixture
def clock(place):
    return Clock(place)


@pytest.fixture
def make(brake, clock):
    def make(**options):
        d = brake(start=False, **options)
        d.start(env=clock.env())
        return d
    return make


@pytest.mark.parametrize("step", [HOUR, -HOUR])
@pytest.mark.parametrize("how", ["by Redis", "and Redis dies", "by the tool"])
def test_an_override_ends_as_late_as_it_would_have(make, clock, redis, how,
    step):
    d = make(settings={} if how == "by the tool" else
        {"redis": {"server": redis.server}})
    before = time.monotonic()
    if how == "by the tool":
        d.must("stop", "mx1", "--for", "6s")
    else:
        connected(d)
        before = time.monotonic()
        redis.cli("SET", KEY + "mx1", "stop", "EX", 6)
        wait_for(lambda: stopped(d), 10, "the stop")
        if how == "and Redis dies":
            redis.kill9()
    clock.ahead(step)
    wait_for(lambda: not stopped(d), 60, "the end")
    assert time.monotonic() - before > 5.5, "none too early"


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_its_end_moves_with_the_clock(make, clock, redis, step):
    d = make(settings={"redis": {"server": redis.server}})
    connected(d)
    redis.cli("SET", KEY + "mx1", "stop", "EX", 600)
    d.must("send", "account:ann", "--for", "10m")
    wait_for(lambda: stopped(d), 10, "the stop")
    set_clock(d, clock, step, step)
    assert 400 < left(d) <= 601
    assert 400 < left(d, "account:ann") <= 601
    # What Redis has lost gets the end back that it had.
    redis.cli("FLUSHALL")
    redis.wait_key(lambda c: 400 < c.ttl(KEY + "mx1") <= 601 and
        400 < c.ttl(KEY + "account:ann") <= 601, 20)
    assert not d.logged("evidence decides again")


def test_an_end_from_the_state_file_is_by_the_calendar(place, brake, redis):
    """A host starts with a wrong clock, and sets it then."""
    d = brake()
    d.must("stop", "mx1", "--for", "1h")
    wait_for(lambda: d.state_path.exists() and b'"stop"' in
        d.state_path.read_bytes(), 10, "the state file")
    d.stop()
    clock = Clock(place, -24 * HOUR)
    d.start(env=clock.env())
    assert stopped(d)
    set_clock(d, clock, 0, 24 * HOUR)
    assert stopped(d)
    assert HOUR - 300 < left(d) <= HOUR


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_wait_is_neither_shorter_nor_longer(make, clock, bl, step):
    bl.add("203.0.113.1")
    d = make(settings={"resume": {"after": "8s", "max_wait": "8s"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_log("listed no longer")
    set_clock(d, clock, step, step)
    bl.wait_sweeps(2)
    d.wait_state("sending", timeout=60)
    assert took(d, "listed no longer", "-> sending") > 5, "none too early"


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_ramp_is_neither_shorter_nor_longer(make, clock, bl, step):
    bl.add("203.0.113.1")
    d = make(settings={"resume": {"ramp": "8s"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("probation")
    set_clock(d, clock, step, step)
    bl.wait_sweeps(2)
    d.wait_state("sending", timeout=60)
    assert took(d, "-> probation", "-> sending") > 5, "none too early"


def test_under_load(make, clock, redis, postfix, sink):
    """To and fro, and not one message of the stopped domain leaves.  By more
    than two hours libmilter itself ends its connections, by a clock of its
    own, and Postfix puts off what was on them."""
    d = make(fronts=("milter", "policy"), settings={"redis":
        {"server": redis.server}})
    connected(d)
    redis.cli("SET", KEY + "domain:" + STOPPED, "stop spam run", "EX", 900)
    wait_for(lambda: d.status()["overrides"], 10, "the stop")
    pf = postfix(d)
    with Traffic(pf, sink) as traffic:
        at = 0
        for to in (HOUR, 0, -HOUR, 0):
            set_clock(d, clock, to, to - at)
            at = to
            traffic.wait()
    assert traffic.settle() > 10
    assert not d.logged("evidence decides again")
    assert 500 < left(d, "domain:" + STOPPED) <= 901


def test_a_write_is_tried_again_whatever_the_clock_says(make, clock):
    clock.ahead(HOUR)
    d = make()
    d.wait_health("usable")
    shutil.chown(d.state_dir, "root", "root")
    d.must("stop", "account:ann")
    d.wait_log("state file.*cannot be written")
    shutil.chown(d.state_dir, "mailbrake", "mailbrake")
    d.wait_log("state file.*written again")
    assert b"account:ann" in d.state_path.read_bytes()
