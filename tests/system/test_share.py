"""Several hosts send by the same address: one of them asks the lists.

Each host has a resolver of its own here, so that it shows who asks.
"""

import signal
import time

import pytest

from harness.clients import ask
from harness.daemon import catalogue_list
from harness.dns import Dns
from harness.place import wait_for
from test_fleet import connected, named

ADDRESS = "203.0.113.1"
LEASE = "mailbrake:lease:" + ADDRESS
EVERY = 0.4                             # seconds, a beat


class Host:
    """A daemon, its name, its resolver and the list that this shows."""

    def __init__(self, place, brake, redis, number, zones=("bl.test",),
        **options):
        self.name = "mx%d.brake.test" % number
        self.dns = place.add(Dns())
        self.lists = [self.dns.list(z) for z in zones]
        self.bl = self.lists[0]
        settings = {"check": {"interval": "%dms" % (EVERY * 1000),
            "confirm_delay": "200ms", "timeout": "500ms", "tries": 1},
            "redis": {"server": redis.server}}
        self.d = brake(start=False, dns=self.dns, settings=settings,
            egress=({"name": "mx1", "addresses": [ADDRESS],
            "transport": "smtp"},), **options)

    def start(self):
        self.d.start(prefix=named(self.name))
        connected(self.d)
        return self

    def asked(self, since, bl=None):
        return len((bl or self.bl).queries(ADDRESS, since=since))

    def stopped(self):
        return ask(self.d) != "DUNNO"


@pytest.fixture
def fleet(place, brake, redis):
    """fleet(3) starts three, of which the first has the lease and the
    others leave the question to it."""
    def make(count, **options):
        hosts = [Host(place, brake, redis, n + 1, **options)
            for n in range(count)]
        for h in hosts:
            h.start()
            wait_holder(redis, hosts[0])
        wait_shared(*hosts)
        return hosts
    return make


def holder(redis):
    with redis.client() as c:
        value = c.get(LEASE)
    return value.split()[0] if value else None


def wait_holder(redis, *hosts, timeout=20):
    names = [h.name for h in hosts]
    wait_for(lambda: holder(redis) in names, timeout, lambda:
        "one of %s to hold the lease, it is %s" % (names, holder(redis)))


def beats(h, count=2):
    """Waits for so many rounds; when they began."""
    start = time.monotonic()
    h.bl.wait_sweeps(count, 20, since=start)
    return start


def alone(h, others, which=0):
    """Of some beats: only this one asked about the address."""
    start = time.monotonic()
    for o in [h] + others:
        o.lists[which].wait_sweeps(2, 20, since=start)
    return h.asked(start, h.lists[which]) >= 1 and all(
        o.asked(start, o.lists[which]) == 0 for o in others)


def wait_shared(h, *others, which=0, timeout=30):
    wait_for(lambda: alone(h, list(others), which), timeout,
        "%s to be the only one that asks" % h.name)


def test_one_asks_for_all(fleet):
    """The others ask what shows them that they could."""
    one, two, three = fleet(3)
    start = beats(two)
    assert two.bl.queries("127.0.0.2", since=start)
    for h in (one, two, three):
        assert h.d.list()["health"] == "usable"
        when = h.d.egress()["checked"]
        wait_for(lambda: h.d.egress()["checked"] > when, 10,
            "%s to take over that it was looked at" % h.name)


def test_now_and_then_each_asks_all_the_same(fleet):
    """Another may be shown what is not true."""
    one, two = fleet(2)
    start = beats(two, 20)
    rounds = len(two.bl.queries("127.0.0.2", since=start))
    assert 1 <= two.asked(start) <= rounds / 2


def test_a_listing_stops_all_by_their_own_eyes(fleet):
    hosts = fleet(3)
    start = time.monotonic()
    for h in hosts:
        h.bl.add(ADDRESS)
    for h in hosts:
        wait_for(h.stopped, 15, "%s to stop" % h.name)
        assert h.asked(start) >= 2, h.name
    for h in hosts:
        h.bl.remove(ADDRESS)
    for h in hosts:
        wait_for(lambda: not h.stopped(), 30, "%s to resume" % h.name)
    wait_shared(*hosts)


def test_what_another_sees_alone_stops_nobody_else(fleet):
    """Its resolver lies to it, and it has the lease."""
    one, two = fleet(2)
    start = time.monotonic()
    one.bl.add(ADDRESS)
    wait_for(one.stopped, 15)
    wait_for(lambda: two.asked(start) > 0, 15, "the other to look itself")
    beats(two, 3)
    assert not two.stopped()


def test_nobody_is_released_by_what_another_sees(fleet):
    one, two = fleet(2)
    one.bl.add(ADDRESS)
    two.bl.add(ADDRESS)
    wait_for(lambda: one.stopped() and two.stopped(), 20)
    one.bl.remove(ADDRESS)
    wait_for(lambda: not one.stopped(), 20)
    beats(two, 4)
    assert two.stopped()


@pytest.mark.parametrize("how", ["stop", "kill9", "freeze"])
def test_when_the_holder_is_gone(fleet, redis, how):
    one, two, three = fleet(3)
    if how == "freeze":
        one.d.process.send_signal(signal.SIGSTOP)
    else:
        getattr(one.d, how)()
    if how == "stop":
        assert holder(redis) != one.name
    wait_holder(redis, two, three)
    new, other = (two, three) if holder(redis) == two.name else (three, two)
    wait_shared(new, other)
    if how == "freeze":
        for h in (two, three):
            h.bl.add(ADDRESS)
        wait_for(lambda: two.stopped() and three.stopped(), 20)
        one.d.process.send_signal(signal.SIGCONT)
        beats(two, 3)
        assert two.stopped() and three.stopped()
        assert holder(redis) == new.name


def test_a_blind_host_lets_another_ask(fleet, redis):
    one, two = fleet(2)
    one.bl.mode = "servfail"
    wait_holder(redis, two)
    one.d.wait_health("blind")
    two.bl.add(ADDRESS)
    wait_for(two.stopped, 20)
    # It cannot see, and is told by one that can; with a second look.
    wait_for(one.stopped, 20)
    two.bl.remove(ADDRESS)
    wait_for(lambda: not two.stopped(), 40)
    beats(two, 3)
    assert one.stopped()                # until it sees itself
    one.bl.mode = "healthy"
    wait_for(lambda: not one.stopped(), 40)


def test_a_blind_host_overrules_nobody(fleet, redis):
    one, two = fleet(2)
    for h in (one, two):
        h.bl.add(ADDRESS)
    wait_for(lambda: one.stopped() and two.stopped(), 20)
    one.bl.mode = "refused"
    one.bl.remove(ADDRESS)
    one.d.wait_health("blind")
    wait_holder(redis, two)
    beats(two, 4)
    assert one.stopped() and two.stopped()


def test_a_list_that_the_holder_alone_cannot_see(fleet, redis):
    one, two = fleet(2, zones=("bl.test", "other.test"),
        lists=[catalogue_list(z) for z in ("bl.test", "other.test")])
    wait_shared(one, two, which=1)
    one.lists[1].mode = "servfail"
    start = time.monotonic()
    wait_for(lambda: two.asked(start, two.lists[1]) >= 2, 20,
        "the other to ask that list")
    assert holder(redis) == one.name
    wait_shared(one, two)
    two.lists[1].add(ADDRESS)
    wait_for(two.stopped, 20)
    wait_for(one.stopped, 20)           # told by the one that sees


@pytest.mark.parametrize("fault", ["kill9", "freeze"])
def test_without_redis_each_asks(fleet, redis, fault):
    one, two = fleet(2)
    getattr(redis, fault)()
    start = time.monotonic()
    wait_for(lambda: two.asked(start) >= 2, 20, "the other to ask")
    for h in (one, two):
        h.bl.add(ADDRESS)
        wait_for(h.stopped, 20)
    for h in (one, two):
        h.bl.remove(ADDRESS)
    redis.start() if fault == "kill9" else redis.thaw()
    for h in (one, two):
        connected(h.d, 30)
        wait_for(lambda: not h.stopped(), 40)
    wait_holder(redis, one, two)
    first, second = (one, two) if holder(redis) == one.name else (two, one)
    wait_shared(first, second)


def test_a_flush_is_nothing(fleet, redis):
    one, two = fleet(2)
    redis.cli("FLUSHALL")
    wait_holder(redis, one, two)
    first, second = (one, two) if holder(redis) == one.name else (two, one)
    wait_shared(first, second)


def test_no_leases_for_whom_redis_refuses_them(place, brake, redis):
    redis.cli("ACL", "SETUSER", "default", "-eval")
    one, two = [Host(place, brake, redis, n).start() for n in (1, 2)]
    one.d.wait_log("no leases: NOPERM.*asks all lists itself")
    start = beats(one), beats(two)
    assert one.asked(start[0]) >= 2 and two.asked(start[1]) >= 2
    assert one.d.log().count("no leases") == 1
    assert "NOPERM" in one.d.must("status")


def test_sharing_may_be_switched_off(fleet, redis):
    one, two = fleet(2)
    two.d.write_conf({"redis": {"share": False}})
    two.d.must("reload")
    start = beats(two)
    assert two.asked(start) >= 2
    one.d.write_conf({"redis": {"share": False}})
    one.d.must("reload")
    wait_for(lambda: holder(redis) is None, 10)


@pytest.mark.parametrize("kind", ["list", "hash", "garbage", "huge", "own"])
def test_strange_values(fleet, redis, kind):
    """They cost questions, and nothing else."""
    one, two = fleet(2)
    with redis.client() as c:
        for key in (LEASE, "mailbrake:sweep:" + one.name):
            c.delete(key)
            if kind == "list":
                c.rpush(key, "x", "y")
            elif kind == "hash":
                c.hset(key, "x", "y")
            elif kind == "garbage":
                c.set(key, b"\x00\xff\n= 9 9 9")
            elif kind == "huge":
                c.set(key, "mx9.brake.test 7 " + "x" * 5000000)
            else:
                c.set(key, "mx2.brake.test 18446744073709551615")
    mark = two.d.mark()
    for h in (one, two):
        h.bl.add(ADDRESS)
    for h in (one, two):
        wait_for(h.stopped, 20)
        h.bl.remove(ADDRESS)
    for h in (one, two):
        wait_for(lambda: not h.stopped(), 40)
        assert h.d.status()["store"]["redis"] == "connected"
    assert not two.d.logged("lost:", since=mark)


def test_a_lease_without_an_end_gets_one(fleet, redis):
    """Somebody made it last for ever, and its holder is no more."""
    one, two = fleet(2)
    with redis.client() as c:
        c.set(LEASE, "mx9.brake.test 999")
    wait_holder(redis, one, two)


def test_thousands_need_no_leases_alone(place, brake, redis):
    """They would be a third of what is kept there."""
    many = ["198.51.%d.%d" % (n // 200, n % 200 + 1) for n in range(1001)]
    one = Host(place, brake, redis, 1)
    one.d.write_conf({"egress": ({"name": "mx1", "addresses": many,
        "transport": "smtp"},), "check": {"interval": "5s"}})
    one.start()
    one.bl.wait_sweeps(1, 30)
    with redis.client() as c:
        assert not c.keys("mailbrake:lease:*")
        two = Host(place, brake, redis, 2).start()
        wait_holder(redis, two)
        wait_for(lambda: len(c.keys("mailbrake:lease:198.*")) == 1001, 40,
            "leases of all, now that there are two")
