"""Only clean answers of a healthy list release; a missing one never does."""

import pytest

from harness.clients import Milter, ask
from harness.daemon import Daemon, catalogue_list
from harness.dns import Dns
from harness.place import wait_for


@pytest.fixture
def stopped(brake, bl):
    """A mailbraked whose only egress was listed and is stopped."""
    bl.add("203.0.113.1")
    d = brake()
    d.wait_state("stopped")
    return d


def stays_stopped(d, bl, sweeps=4):
    bl.wait_sweeps(sweeps)
    assert d.egress()["state"] == "stopped"
    assert ask(d).startswith("451 4.7.1 ")


def test_clean_answers_release(stopped, bl):
    bl.remove("203.0.113.1")
    e = stopped.wait_state("sending")
    assert e["listings"] == [] and e["score"] == 0
    assert ask(stopped) == "DUNNO"
    stopped.wait_log("mx1.*sending")


def test_one_clean_answer_is_not_enough(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"clean": 3}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    bl.wait_query("203.0.113.1", 1)
    bl.add("203.0.113.1")
    stays_stopped(d, bl, sweeps=3)


def test_it_waits_as_long_as_it_was_told(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"clean": 1, "after": "1h"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    e = d.wait_egress(lambda e: not e["listings"])
    assert e["state"] == "stopped" and e["until"]
    stays_stopped(d, bl, sweeps=2)


SICK = ["silent", "servfail", "refused", "refused_code", "nodata",
    "nxdomain", "foreign", "world", "filtered", "garbage"]
MISSING = ["servfail", "silent", "nodata", "foreign"]


@pytest.fixture(scope="module")
def sick(module_place):
    """For each of SICK an egress, stopped by a list that then delists it and
    cannot be seen any more; for each of MISSING one on a healthy list that
    has no answer for its address alone."""
    dns = module_place.add(Dns())
    healthy = dns.list("healthy.test")
    egress, lists = [], [catalogue_list("healthy.test")]
    for n, mode in enumerate(SICK + MISSING, 1):
        address = "203.0.113.%d" % n
        egress.append({"name": "mx%d" % n, "addresses": [address],
            "transport": "mx%d" % n})
        if n <= len(SICK):
            dns.list("l%d.test" % n).add(address)
            lists.append(catalogue_list("l%d.test" % n))
        else:
            healthy.add(address)
    d = Daemon(module_place, dns=dns, egress=tuple(egress), lists=lists,
        fronts=("milter",), settings={"check": {"interval": "500ms",
        "timeout": "500ms"}}).start()
    for e in egress:
        d.wait_state("stopped", e["name"])
    for n, mode in enumerate(SICK + MISSING, 1):
        address = "203.0.113.%d" % n
        if n <= len(SICK):
            dns.zones["l%d.test" % n].remove(address)
            dns.zones["l%d.test" % n].mode = mode
        else:
            healthy.remove(address)
            healthy.behave(address, mode)
    for n in range(1, len(SICK) + 1):
        wait_for(lambda: d.list("l%d.test" % n)["health"] in
            ("blind", "broken"), 10, lambda: "the end of trust in %s" %
            d.list("l%d.test" % n))
    healthy.wait_sweeps(4)
    return d


def refused_by_milter(d, name):
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        return m.rcpt("bob@example.net", mailer=name)[0] == "reply"


@pytest.mark.parametrize("mode", SICK)
def test_a_list_that_cannot_be_seen_does_not_release(sick, mode):
    """Delisted or not: nobody can know."""
    name = "mx%d" % (SICK.index(mode) + 1)
    e = sick.egress(name)
    assert e["state"] == "stopped" and e["listings"] and e["blind"]
    assert refused_by_milter(sick, name)


@pytest.mark.parametrize("answer", MISSING)
def test_an_answer_that_is_missing_for_the_address_alone_does_not_release(
    sick, answer):
    name = "mx%d" % (len(SICK) + MISSING.index(answer) + 1)
    e = sick.egress(name)
    assert e["state"] == "stopped" and e["listings"]
    assert refused_by_milter(sick, name)


def test_failures_between_clean_answers_do_not_count(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"clean": 3}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    bl.wait_query("203.0.113.1", 1)
    bl.mode = "servfail"
    d.wait_health("blind")
    stays_stopped(d, bl, sweeps=3)
    bl.mode = "healthy"
    d.wait_state("sending")


def test_no_resolver_at_all_does_not_release(stopped, dns, bl):
    bl.remove("203.0.113.1")
    dns.stop()
    stopped.wait_health("blind")
    e = stopped.wait_egress(lambda e: e["blind"])
    assert e["state"] == "stopped"
    assert ask(stopped).startswith("451 4.7.1 ")
    dns.start()
    stopped.wait_state("sending")


def test_the_other_lists_clean_answer_does_not_release(dns, brake):
    a, b = dns.list("a.test"), dns.list("b.test")
    a.add("203.0.113.1")
    d = brake(lists=[catalogue_list("a.test"), catalogue_list("b.test")])
    d.wait_state("stopped")
    a.mode = "silent"
    d.wait_health("blind", "a.test")
    stays_stopped(d, b, sweeps=3)


def test_delisted_by_one_of_two_it_stays_stopped_for_the_other(dns, brake):
    a, b = dns.list("a.test"), dns.list("b.test")
    a.add("203.0.113.1")
    b.add("203.0.113.1")
    d = brake(lists=[catalogue_list("a.test"), catalogue_list("b.test")])
    d.wait_egress(lambda e: e["score"] == 200)
    a.remove("203.0.113.1")
    d.wait_egress(lambda e: [x["zone"] for x in e["listings"]] == ["b.test"])
    assert d.egress()["state"] == "stopped"
    assert "b.test" in ask(d)
    b.remove("203.0.113.1")
    d.wait_state("sending")


def test_listed_again_it_stops_again(stopped, bl):
    bl.remove("203.0.113.1")
    stopped.wait_state("sending")
    bl.add("203.0.113.1")
    stopped.wait_state("stopped")
    assert ask(stopped).startswith("451 4.7.1 ")


def test_probation_lets_some_of_the_mail_through(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"ramp": "1h"}}, fronts=("milter",
        "policy"))
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("probation")
    answers = [ask(d, sender="ann%d@example.org" % n) for n in range(400)]
    passed = answers.count("DUNNO")
    assert 2 <= passed <= 80, passed
    waiting = [a for a in answers if a != "DUNNO"]
    assert all(a.startswith("451 4.7.1 ") for a in waiting)
    # The same message gets the same answer, whoever asks.
    again = [ask(d, sender="ann%d@example.org" % n) == "DUNNO"
        for n in range(100)]
    assert again == [a == "DUNNO" for a in answers[:100]]
    with Milter(d.milter) as m:
        m.connect()
        m.helo()
        for n in range(100):
            m.mail("ann%d@example.org" % n)
            assert (m.rcpt("bob@example.net")[0] == "continue") == again[n]
            m.abort()


def test_listed_in_probation_it_stops_again(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"ramp": "1h"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("probation")
    bl.add("203.0.113.1")
    d.wait_state("stopped")


def test_the_ramp_ends_in_sending(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"ramp": "2s"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("probation")
    d.wait_state("sending")
    assert ask(d) == "DUNNO"
