"""What comes one after the other: listed, blind, clean, listed again."""

import re
import time

import pytest

from harness.clients import ask
from harness.daemon import catalogue_list
from harness.dns import Answer, a_record, cname

QUICK = {"interval": "100ms", "confirm_delay": "50ms", "timeout": "300ms"}
NOW = {"check": QUICK, "resume": {"after": "0s"}}

GRADED = (
    {"code": "127.0.0.2", "means": "listed", "name": "SPAM"},
    {"code": "127.0.0.3", "means": "listed", "name": "HALF", "weight": 50},
    {"code": "127.0.0.10", "means": "policy", "name": "RANGE"},
)


@pytest.fixture
def quick(brake):
    def make(settings=None, **options):
        merged = {**NOW, **(settings or {})}
        return brake(settings=merged, **options)
    return make


def stays(d, state, bl, sweeps=2):
    bl.wait_sweeps(sweeps)
    e = d.egress()
    assert e["state"] == state, e
    assert (ask(d) == "DUNNO") == (state == "sending")
    return e


def test_listed_blind_clean_listed(quick, bl):
    d = quick()
    d.wait_health("usable")
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    since = d.egress()["listings"][0]["since"]
    bl.mode = "servfail"
    d.wait_health("blind")
    e = stays(d, "stopped", bl)
    assert e["blind"] and e["listings"][0]["since"] == since
    bl.remove("203.0.113.1")
    stays(d, "stopped", bl)
    bl.mode = "healthy"
    d.wait_state("sending")
    assert not d.egress()["blind"]
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    assert d.egress()["listings"][0]["since"] >= since


def test_listed_while_nobody_could_see(quick, bl):
    """The stop comes with the sight."""
    bl.mode = "filtered"
    bl.add("203.0.113.1")
    d = quick()
    d.wait_health("blind")
    stays(d, "sending", bl)
    bl.mode = "healthy"
    d.wait_state("stopped")


EGRESSES = ({"name": "mx1", "addresses": ["203.0.113.1"]},
    {"name": "mx2", "addresses": ["203.0.113.2"]})


def test_a_list_that_turns_broken_after_it_listed(quick, bl):
    """What it said neither vanishes nor counts anew; what it says now of
    others is nothing."""
    bl.add("203.0.113.1")
    d = quick(egress=EGRESSES)
    d.wait_state("stopped")
    before = d.egress()
    mark = d.mark()
    bl.mode = "world"
    d.wait_health("broken")
    bl.wait_sweeps(4)
    e = d.egress()
    for field in ("state", "score", "since"):
        assert e[field] == before[field]
    for field in ("zone", "code", "since", "confirmed"):
        assert e["listings"][0][field] == before["listings"][0][field]
    assert d.egress("mx2")["state"] == "sending"
    assert d.egress("mx2")["listings"] == []
    assert not d.logged(r"listed by|listed no longer|->", since=mark)
    bl.remove("203.0.113.1")
    bl.mode = "healthy"
    d.wait_state("sending")
    assert not d.logged(r"(mx2|203\.0\.113\.2\b).*(listed|seen|->)",
        since=mark)


def test_broken_and_back_while_it_lists_changes_nothing(quick, bl):
    bl.add("203.0.113.1")
    d = quick()
    d.wait_state("stopped")
    since = d.egress()["since"]
    bl.mode = "foreign"
    d.wait_health("broken")
    bl.mode = "healthy"
    d.wait_health("usable")
    e = stays(d, "stopped", bl)
    assert e["since"] == since


# -- answers about one address that come after its listing

def script(*records, **options):
    return lambda name, kind, via: Answer(records=records, **options)


LISTED = a_record("127.0.0.2", 1)
AFTER = {
    "an unknown code": script(a_record("127.0.0.99", 1)),
    "a refusal": script(a_record("127.255.255.254", 1)),
    "a policy beside a refusal": script(a_record("127.0.0.10", 1),
        a_record("127.255.255.255", 1)),
    "a listing beside a foreign address": script(LISTED,
        a_record("10.0.0.1", 1)),
    "a block page": script(a_record("146.112.61.108", 1)),
    "no data": script(),
    "an alias out of the zone": script(cname("park.example.net"),
        a_record("127.0.0.10", 1, "park.example.net")),
    "an alias to nowhere": script(cname("park.example.net"), rcode=3),
    "another's record": script(a_record("127.0.0.10", 1, "x.bl.test")),
    "more records than can be": script(*[a_record("127.0.0.%d" % n, 1)
        for n in range(10, 60)]),
    "a cut answer": lambda name, kind, via: Answer(truncated=True)
        if via == "udp" else None,
    "NOTIMP": script(rcode=4),
    "an NXDOMAIN with a record": script(LISTED, rcode=3),
    "a message cut short": script(a_record("127.0.0.10", 1),
        mangle=lambda reply: reply[:-2]),
}


def test_what_is_no_clean_answer_does_not_release(quick, bl):
    egress = [{"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n]}
        for n in range(1, len(AFTER) + 1)]
    names = dict(zip(AFTER, egress))
    for e in egress:
        bl.add(e["addresses"][0])
    d = quick(egress=tuple(egress))
    for e in egress:
        d.wait_state("stopped", e["name"])
    mark = d.mark()
    for what, e in names.items():
        bl.remove(e["addresses"][0])
        bl.play(e["addresses"][0], AFTER[what])
    bl.wait_sweeps(3)
    states = {e["name"]: e["state"] for e in d.status()["egress"]}
    assert {what: states[e["name"]] for what, e in names.items()} == {
        what: "stopped" for what in AFTER}
    assert not d.logged("listed no longer|sending", since=mark)
    assert d.list()["health"] == "usable", "and is no matter of the list"
    bl.scripts.clear()
    for e in egress:
        d.wait_state("sending", e["name"])


# -- weights

def graded(brake_or_quick, **options):
    return brake_or_quick(lists=[catalogue_list("bl.test", answers=GRADED),
        catalogue_list("two.test", 50)], **options)


def test_a_listing_that_gets_heavier_is_looked_at_twice(quick, dns, bl):
    dns.list("two.test")
    bl.add("203.0.113.1", "127.0.0.3")
    d = graded(quick)
    d.wait_egress(lambda e: e["score"] == 50)
    stays(d, "sending", bl)
    bl.add("203.0.113.1", "127.0.0.2")
    d.wait_state("stopped")
    assert d.egress()["score"] == 100
    bl.add("203.0.113.1", "127.0.0.3")
    d.wait_state("sending")
    assert d.egress()["score"] == 50


def test_two_halves_that_come_and_go(quick, dns, bl):
    two = dns.list("two.test")
    bl.add("203.0.113.1", "127.0.0.3")
    d = graded(quick)
    d.wait_egress(lambda e: e["score"] == 50)
    assert d.egress()["state"] == "sending"
    two.add("203.0.113.1")
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    e = d.wait_state("sending")
    assert e["score"] == 50 and [x["zone"] for x in e["listings"]] == [
        "two.test"]
    bl.add("203.0.113.1", "127.0.0.3")
    d.wait_state("stopped")
    two.mode = "silent"
    d.wait_health("blind", "two.test")
    two.remove("203.0.113.1")
    stays(d, "stopped", bl)
    bl.remove("203.0.113.1")
    d.wait_state("sending")


def test_policy_listed_policy(quick, dns, bl):
    dns.list("two.test")
    bl.add("203.0.113.1", "127.0.0.10")
    d = graded(quick)
    d.wait_egress(lambda e: e["listings"] and e["listings"][0]["confirmed"])
    stays(d, "sending", bl)
    bl.add("203.0.113.1", ["127.0.0.10", "127.0.0.2"])
    d.wait_state("stopped")
    bl.add("203.0.113.1", "127.0.0.10")
    e = d.wait_state("sending")
    assert [x["kind"] for x in e["listings"]] == ["policy"]
    d.wait_log("listed no longer, but noted")


def test_unknown_then_listed_then_unknown(quick, bl):
    bl.add("203.0.113.1", "127.0.0.99")
    d = quick()
    d.wait_egress(lambda e: e["listings"] and e["listings"][0]["confirmed"])
    stays(d, "sending", bl)
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    bl.add("203.0.113.1", "127.0.0.99")
    stays(d, "stopped", bl, sweeps=4)
    bl.remove("203.0.113.1")
    d.wait_state("sending")


# -- clean answers, one after the other

def cleans_until_released(d, bl, name="203.0.113.1"):
    """Delists, and counts the clean answers that it took."""
    mark = d.mark()
    bl.remove(name)
    start = time.monotonic()
    d.wait_log("listed no longer", since=mark, timeout=15)
    end = [t for t, text in d.lines[mark:] if "listed no longer" in text][0]
    return len([q for q in bl.queries(name, since=start) if q.time <= end])


def test_a_listing_that_comes_and_goes_needs_more_clean_answers(quick, bl):
    """Twice as many, three times, four times."""
    d = quick({"resume": {"after": "0s", "clean": 2}})
    d.wait_health("usable")
    counts = []
    for turn in range(3):
        mark = d.mark()
        bl.add("203.0.113.1")
        d.wait_log("-> stopped", since=mark)
        if turn > 0:
            d.wait_log("comes and goes, %d time.*%d clean" % (turn,
                2 * (turn + 1)), since=mark)
        counts.append(cleans_until_released(d, bl))
        d.wait_state("sending")
    for turn, count in enumerate(counts):
        assert count >= 2 * (turn + 1), counts
    assert "comes and goes" in " ".join(d.must("events").split())


def test_without_a_window_nobody_minds(quick, bl):
    d = quick({"resume": {"after": "0s", "clean": 3, "flap_window": "0s"}})
    for turn in range(3):
        mark = d.mark()
        bl.add("203.0.113.1")
        d.wait_log("-> stopped", since=mark)
        assert cleans_until_released(d, bl) >= 3
        d.wait_state("sending")
    assert not d.logged("comes and goes")


def test_a_flicker_starts_the_count_anew(quick, bl):
    """Clean, clean, listed, clean, clean: not three in a row."""
    answers = []

    def flicker(name, kind, via):
        """Every third answer says listed."""
        if kind != "A":
            return Answer()
        answers.append(len(answers) % 3 == 0)
        return Answer(records=[LISTED]) if answers[-1] else Answer(rcode=3)
    bl.add("203.0.113.1")
    d = quick({"resume": {"after": "0s", "clean": 3}})
    d.wait_state("stopped")
    bl.play("203.0.113.1", flicker)
    bl.wait_query("203.0.113.1", 9)
    e = d.egress()
    assert e["state"] == "stopped" and e["listings"][0]["confirmed"]
    bl.scripts.clear()
    bl.remove("203.0.113.1")
    d.wait_state("sending")


# -- the configuration changes

def test_a_list_that_is_added_and_taken_out(quick, dns, bl):
    two = dns.list("two.test")
    two.add("203.0.113.1")
    d = quick()
    d.wait_health("usable")
    d.write_conf({"lists": ({"zone": "two.test"},)})
    d.must("reload")
    d.wait_state("stopped")
    d.write_conf({"lists": ({"zone": "two.test", "weight": 0},)})
    d.must("reload")
    e = d.wait_state("sending")
    assert e["listings"], "watched still"
    d.write_conf({"lists": ({"zone": "two.test", "weight": 100},)})
    d.must("reload")
    d.wait_state("stopped")
    d.write_conf({"lists": ({"zone": "two.test", "enabled": False},)})
    d.must("reload")
    e = d.wait_state("sending")
    assert e["listings"] == []


def test_every_change_stands_in_the_log_in_one_sentence(quick, dns, bl):
    dns.pointer("203.0.113.1", "mx1.brake.test")
    dns.host("mx1.brake.test", "A", "203.0.113.1")
    d = quick({"check": {**QUICK, "confirm_delay": "300ms"}})
    d.wait_health("usable")
    mark = d.mark()
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    bl.mode = "world"
    d.wait_health("broken")
    bl.wait_sweeps(3)
    bl.mode = "healthy"
    d.wait_health("usable")
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    bl.wait_sweeps(2)
    lines = [re.sub(r"^.*?mailbraked: (warning: )?", "", text)
        for text in d.logged("", since=mark)]
    for pattern in (r"203\.0\.113\.1: seen, not confirmed yet, by bl\.test",
        r"203\.0\.113\.1: listed by bl\.test \(SPAM: listed, weight 100\)",
        r"egress mx1: sending -> stopped: .*bl\.test.*score 100 of 100",
        r"bl\.test \(ipv4\): broken: lists the whole world",
        r"bl\.test \(ipv4\): usable again, was broken",
        r"203\.0\.113\.1: listed no longer by bl\.test",
        r"egress mx1: stopped -> sending: score 0 of 100"):
        assert len([x for x in lines if re.match(pattern, x)]) == 1, (
            pattern, lines)
    assert len(lines) == 7, lines
