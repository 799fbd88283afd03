"""Who is asked, and whose fault it is: one resolver or two, and what each of
them does to the answers."""

import re
import time

import pytest

from harness.clients import ask
from harness.daemon import Daemon, catalogue_list
from harness.dns import Answer, BlockList, Dns
from harness.place import wait_for


# Quick enough for many rounds, with patience for a busy machine.
QUICK = {"interval": "100ms", "confirm_delay": "50ms", "timeout": "300ms"}


@pytest.fixture
def two(place):
    """Two resolvers that do not see the same list: (first, its list,
    second, its list)."""
    first, second = place.add(Dns()), place.add(Dns("::1"))
    return first, first.list("bl.test"), second, second.list("bl.test")


@pytest.fixture
def make(place, two):
    def start(check=None, **settings):
        return Daemon(place, dns=[two[0], two[2]], settings={"check":
            {**QUICK, **(check or {})}, **settings}).start()
    return start


def stays(d, state, *lists, sweeps=3):
    now = time.monotonic()
    for bl in lists:
        bl.wait_sweeps(sweeps, since=now)
    assert d.egress()["state"] == state
    assert (ask(d) == "DUNNO") == (state == "sending")


def addressed(*lists):
    for bl in lists:
        bl.add("203.0.113.1")


# -- two that answer

def test_what_one_sees_and_the_other_confirms_stops(make, two):
    """Nobody confirms himself."""
    first, a, second, b = two
    addressed(a, b)
    d = make(check={"interval": "1h"})
    d.wait_state("stopped")
    assert len(a.queries("203.0.113.1")) == 1
    assert len(b.queries("203.0.113.1")) == 1
    # With its probes, by the same way.
    for point in ("127.0.0.2", "127.0.0.1"):
        assert len(b.queries(point)) == 1
    assert [q for q in b.queries() if q.subject.startswith("mb-")]
    d.wait_log("listed by")
    assert d.logged("not confirmed yet")


def test_what_the_second_does_not_see_is_not_confirmed(make, two):
    first, a, second, b = two
    addressed(a)
    d = make(resume={"clean": 3})
    d.wait_log("second look did not confirm")
    stays(d, "sending", a)
    e = d.egress()
    assert e["score"] == 0 and not any(x["confirmed"] for x in
        e["listings"])
    # And that is told once.
    assert len(d.logged("second look did not confirm")) == 1
    assert len(d.logged("not confirmed yet")) == 1


def test_what_the_first_does_not_see_is_not_confirmed(make, two):
    first, a, second, b = two
    addressed(b)
    d = make()
    d.wait_health("usable")
    stays(d, "sending", a)
    assert d.egress()["score"] == 0


def test_a_dispute_ends_when_the_second_sees_it_too(make, two):
    first, a, second, b = two
    addressed(a)
    d = make()
    d.wait_log("second look did not confirm")
    addressed(b)
    d.wait_state("stopped")


@pytest.mark.parametrize("which", ["first", "second"])
def test_one_alone_does_not_release(make, two, which):
    first, a, second, b = two
    addressed(a, b)
    d = make()
    d.wait_state("stopped")
    gone, kept = (a, b) if which == "first" else (b, a)
    gone.remove("203.0.113.1")
    # It is heard again and again, in turn with the other.
    now = time.monotonic()
    gone.wait_query("203.0.113.1", 4, since=now)
    kept.wait_query("203.0.113.1", 4, since=now)
    assert d.egress()["state"] == "stopped"
    kept.remove("203.0.113.1")
    d.wait_state("sending")


def test_one_that_strips_does_not_release_beside_one_that_lists(make, two):
    """Rebinding protection switched on while it is stopped."""
    first, a, second, b = two
    addressed(a, b)
    d = make()
    d.wait_state("stopped")
    first.mode = "stripped"
    b.wait_query("203.0.113.1", 3)
    stays(d, "stopped", b, sweeps=2)


def test_both_that_fail_release_nothing(make, two):
    first, a, second, b = two
    addressed(a, b)
    d = make()
    d.wait_state("stopped")
    a.remove("203.0.113.1")
    b.remove("203.0.113.1")
    first.mode, second.mode = "stripped", "servfail"
    d.wait_health("blind")
    stays(d, "stopped", a, b)
    first.mode = None
    d.wait_state("sending")


# -- the first does not help

FAILING = ["silent", "servfail", "stripped", "refused_code", "foreign",
    "nxdomain"]


@pytest.mark.parametrize("mode", FAILING)
def test_where_the_first_does_not_help_the_second_does(make, two, mode):
    """It sees, it confirms, it releases."""
    first, a, second, b = two
    addressed(a, b)
    first.mode = mode
    d = make()
    d.wait_state("stopped")
    row = d.list()
    assert row["health"] == "usable", row
    assert d.status()["resolver_fault"] is None
    b.remove("203.0.113.1")
    d.wait_state("sending")


def test_a_first_that_does_not_listen_is_no_trouble(make, two):
    first, a, second, b = two
    addressed(b)
    first.stop()
    d = make()
    d.wait_state("stopped")
    assert d.list()["health"] == "usable"


def test_a_second_that_does_not_help_leaves_the_first(make, two):
    """It confirms itself when nobody else can."""
    first, a, second, b = two
    addressed(a)
    second.mode = "stripped"
    d = make()
    d.wait_state("stopped")
    assert len(a.queries("203.0.113.1")) >= 2


def test_a_failing_second_look_confirms_nothing(make, two):
    """Seen once; then nobody can tell any more."""
    first, a, second, b = two
    d = make(check={"confirm_delay": "700ms"})
    d.wait_health("usable")
    addressed(a)
    d.wait_log("not confirmed yet")
    first.mode, second.mode = "servfail", "stripped"
    d.wait_health("blind")
    stays(d, "sending", a, b)
    assert not [x for x in d.egress()["listings"] if x["confirmed"]]


# -- what happens to one question is no matter of the others

@pytest.mark.parametrize("tcp", [False, "closes", True])
def test_a_cut_answer_harms_no_other_question(place, tcp):
    """One list's answers do not fit and the resolver has no TCP: the other
    list, asked at the same time, is heard."""
    dns = place.add(Dns(tcp=tcp))
    cut, slow = dns.list("cut.test"), dns.list("slow.test")
    cut.play("203.0.113.1", lambda name, kind, via: Answer(truncated=True))
    cut.play("203.0.113.2", lambda name, kind, via: Answer(truncated=True))
    slow.add("203.0.113.1")
    slow.delay = 0.1
    d = Daemon(place, dns=dns, lists=[catalogue_list(zone, kinds=["ipv4"])
        for zone in ("slow.test", "cut.test")], egress=(
        {"name": "mx1", "addresses": ["203.0.113.1"]},
        {"name": "mx2", "addresses": ["203.0.113.2"]}),
        settings={"check": {**QUICK, "timeout": "1s", "tries": 2}}).start()
    d.wait_state("stopped")
    slow.wait_sweeps(4)
    assert d.list("slow.test")["health"] == "usable"
    assert not d.logged(r"slow\.test.*(blind|broken)|at fault")
    assert d.egress("mx2")["state"] == "sending"


# -- whose fault it is

ZONES = ["one.test", "two.test", "three.test"]


@pytest.fixture(scope="module")
def dns(module_place):
    dns = module_place.add(Dns())
    for zone in ZONES:
        dns.list(zone)
    dns.zones["one.test"].add("203.0.113.1")
    return dns


@pytest.fixture(scope="module")
def of_three(module_place, dns):
    d = Daemon(module_place, dns=dns, lists=[catalogue_list(z)
        for z in ZONES], settings={"check": QUICK}).start()
    d.wait_state("stopped")
    return d


@pytest.fixture
def blamed(of_three, dns):
    """Stopped by one of three lists, which are all well, and will be."""
    yield of_three
    dns.mode = None
    for zone in ZONES:
        dns.zones[zone].mode = "healthy"
    for zone in ZONES:
        of_three.wait_health("usable", zone)
    wait_fault(of_three, False)


def fault(d):
    return d.status()["resolver_fault"]


def wait_fault(d, there=True):
    return wait_for(lambda: (fault(d) or "") if there else
        fault(d) is None, 15, lambda: "fault: %s, is %s" % (there,
        fault(d)), every=0.05)


@pytest.mark.parametrize("mode, words", [
    ("silent", "does not answer"),
    ("servfail", "cannot resolve anything"),
    ("stripped", "rebinding protection"),
    ("refused_code", "refuse what it asks.*own recursive"),
    ("foreign", "rewrites NXDOMAIN.*own recursive"),
    ("nxdomain", "nothing exists"),
])
def test_what_all_lists_have_in_common_is_the_resolvers_fault(blamed, dns,
    mode, words):
    d = blamed
    mark = d.mark()
    dns.mode = mode
    text = wait_fault(d)
    for zone in ZONES:
        d.wait_health("broken" if mode == "foreign" else "blind", zone)
    dns.zones["one.test"].wait_sweeps(2)
    assert re.search(words, text) and dns.server in text
    assert "3 lists" in text
    assert len(d.logged(re.escape(text), since=mark)) == 1
    assert text in " ".join(d.must("status").split())
    e = d.egress()
    assert e["state"] == "stopped" and e["blind"]
    mark = d.mark()
    dns.mode = None
    wait_fault(d, False)
    for zone in ZONES:
        d.wait_health("usable", zone)
    assert len(d.logged("can be seen.* again", since=mark)) == 1
    assert d.egress()["state"] == "stopped"


def test_of_the_resolvers_fault_no_list_is_accused(blamed, dns):
    """One line when it begins, one when it ends, however many lists."""
    d = blamed
    mark = d.mark()
    dns.mode = "servfail"
    wait_fault(d)
    dns.zones["one.test"].wait_sweeps(2)
    dns.mode = None
    wait_fault(d, False)
    for zone in ZONES:
        d.wait_health("usable", zone)
    assert not d.logged(r"(one|two|three)\.test \(", since=mark)


def test_one_list_that_fails_is_its_own_fault(blamed, dns):
    d = blamed
    mark = d.mark()
    dns.zones["two.test"].mode = "servfail"
    d.wait_log(r"two\.test.*blind", since=mark)
    assert fault(d) is None
    dns.zones["two.test"].mode = "healthy"
    d.wait_log(r"two\.test.*usable again", since=mark)


def test_two_of_three_lists_are_their_own_fault(blamed, dns):
    d = blamed
    mark = d.mark()
    for zone in ZONES[1:]:
        dns.zones[zone].mode = "filtered"
    for zone in ZONES[1:]:
        d.wait_log(r"%s.*blind" % re.escape(zone), since=mark)
    dns.zones["one.test"].wait_sweeps(2)
    assert fault(d) is None


def test_lists_that_fail_differently_are_their_own_fault(blamed, dns):
    d = blamed
    for zone, mode in zip(ZONES, ("servfail", "world", "filtered")):
        dns.zones[zone].mode = mode
    for zone, health in zip(ZONES, ("blind", "broken", "blind")):
        d.wait_health(health, zone)
    now = time.monotonic()
    for zone in ZONES:
        dns.zones[zone].wait_sweeps(1, since=now)
    assert fault(d) is None
    assert len({d.list(zone)["reason"] for zone in ZONES}) == 3


def test_a_single_list_is_never_the_resolvers_fault(brake, place):
    dns = place.add(Dns())
    bl = dns.list("bl.test")
    bl.mode = "filtered"
    d = brake(dns=dns, settings={"check": QUICK})
    row = d.wait_health("blind")
    bl.wait_sweeps(2)
    assert fault(d) is None
    assert "rebinding" in row["reason"] and dns.server in row["reason"]


@pytest.fixture
def stripping(place):
    """A mailbraked whose resolver has had rebinding protection always."""
    dns = place.add(Dns())
    for zone in ZONES:
        dns.list(zone).add("203.0.113.1")
    dns.mode = "stripped"
    return Daemon(place, dns=dns, lists=[catalogue_list(z) for z in
        ZONES], settings={"check": QUICK}).start()


def test_a_resolver_that_strips_from_the_start_is_named(stripping):
    assert "rebinding" in wait_fault(stripping)
    e = stripping.egress()
    assert e["state"] == "sending" and e["blind"]
    assert e["listings"] == []


def test_a_resolver_that_strips_from_the_start_is_named_once(stripping):
    """In the log; the lists are not."""
    wait_fault(stripping)
    assert len(stripping.logged("rebinding")) == 1


def test_a_resolver_that_starts_to_strip_does_not_release(place):
    """Delisted or not, with all lists: nobody can know."""
    dns = place.add(Dns())
    for zone in ZONES:
        dns.list(zone).add("203.0.113.1")
    d = Daemon(place, dns=dns, lists=[catalogue_list(z) for z in
        ZONES], settings={"check": QUICK}).start()
    d.wait_egress(lambda e: e["score"] == 300)
    dns.mode = "stripped"
    for zone in ZONES:
        dns.zones[zone].remove("203.0.113.1")
    wait_fault(d)
    now = time.monotonic()
    for zone in ZONES:
        dns.zones[zone].wait_sweeps(3, since=now)
    e = d.egress()
    assert (e["state"], e["score"]) == ("stopped", 300)
    assert ask(d).startswith("451 4.7.1 ")
    dns.mode = None
    d.wait_state("sending")


@pytest.mark.parametrize("mode, words", [("stripped", "rebinding"),
    ("refused_code", "refuse"), ("servfail", "cannot resolve")])
def test_a_bad_first_resolver_is_named_though_the_second_helps(place, mode,
    words):
    """Two lists can be seen all the same, and stop."""
    first, second = place.add(Dns()), place.add(Dns())
    for zone in ZONES[:2]:
        bl = first.list(zone)
        second.serve(bl)
        bl.add("203.0.113.1")
    first.mode = mode
    d = Daemon(place, dns=[first, second], lists=[catalogue_list(z)
        for z in ZONES[:2]], settings={"check": QUICK}).start()
    d.wait_egress(lambda e: e["score"] == 200)
    text = wait_fault(d)
    assert first.server in text and second.server not in text
    assert re.search(words, text)
    assert {d.list(z)["health"] for z in ZONES[:2]} == {"usable"}
    assert not d.egress()["blind"]
    first.mode = None
    wait_fault(d, False)
    d.wait_log(re.escape(first.server) + ".*again")


def test_two_resolvers_can_share_one_list(place, make, two):
    """And a third that is dead does not matter."""
    dead = Dns()
    dead.stop()
    bl = BlockList("bl.test")
    for server in (two[0], two[2]):
        server.serve(bl)
    bl.add("203.0.113.1")
    d = Daemon(place, dns=[dead, two[0], two[2]], settings={"check":
        QUICK}).start()
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("sending")
