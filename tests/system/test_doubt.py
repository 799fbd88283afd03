"""A doubtful answer never stops mail."""

import pytest

from harness.clients import ask
from harness.daemon import Daemon, catalogue_list
from harness.dns import Dns
from harness.place import wait_for


def stays_sending(d, bl, sweeps=3):
    """However often it looks."""
    bl.wait_sweeps(sweeps)
    e = d.egress()
    assert e["state"] == e["evidence_state"] == "sending", e
    assert e["score"] == 0
    assert not [x for x in e["listings"] if x["confirmed"]], e
    assert ask(d) == "DUNNO"


# Each in a list of its own, and all of them list the address: mode, and what
# the list's health must be called.
MODES = {
    "world": "broken",
    "refused_code": "blind",
    "silent": "blind",
    "servfail": "blind",
    "refused": "blind",
    "formerr": "blind",
    "notimp": "blind",
    "foreign": "broken",
    "blocked": "blind|broken",
    "nodata": "blind",
    "nxdomain": "blind",
    "filtered": "blind",
    "parked_alias": "blind|broken",
    "garbage": "blind",
    "wrong_id": "blind",
}

# Answers for an address that are no listing, by what is wrong with them.
ANSWERS = {
    "a listing beside a refusal": ["127.0.0.2", "127.255.255.254"],
    "a refusal": ["127.255.255.255"],
    "a policy": ["127.0.0.10"],
    "a code that the table lacks": ["127.0.0.99"],
    "a code of another octet": ["127.0.1.2"],
    "a private address": ["10.0.0.2"],
    "a public address": ["203.0.113.99"],
    "a listing beside a public address": ["127.0.0.2", "91.195.240.117"],
    "no address at all": ["0.0.0.0"],
    "text alone": [],
}


def zone_of(mode):
    return "%s.test" % mode.replace("_", "-")


@pytest.fixture(scope="module")
def doubtful(module_place):
    """One mailbraked among all of this, after some rounds: its status, and
    the daemon."""
    dns = module_place.add(Dns())
    for mode in MODES:
        bl = dns.list(zone_of(mode))
        bl.add("203.0.113.1")
        bl.mode = mode
    bl = dns.list("bl.test")
    egress = [{"name": "mx1", "addresses": ["203.0.113.1"]}]
    for n, codes in enumerate(ANSWERS.values(), 2):
        bl.add("203.0.113.%d" % n, codes, txt="you are listed")
        egress.append({"name": "mx%d" % n,
            "addresses": ["203.0.113.%d" % n]})
    d = Daemon(module_place, dns=dns, egress=tuple(egress),
        lists=[catalogue_list(zone) for zone in dns.zones],
        settings={"check": {"interval": "1s", "timeout": "500ms"}}).start()
    for mode in MODES:
        wait_for(lambda: d.list(zone_of(mode))["health"] in
            ("blind", "broken"), 10, lambda: "the end of trust in %s" %
            d.list(zone_of(mode)))
    d.wait_health("usable")
    bl.wait_sweeps(2)
    return d


@pytest.mark.parametrize("mode", MODES)
def test_a_list_that_misbehaves_does_not_stop(doubtful, mode):
    row = doubtful.list(zone_of(mode))
    assert row["health"] in MODES[mode].split("|"), row
    assert row["reason"]
    assert not [x for x in doubtful.egress()["listings"] if
        x["zone"] == zone_of(mode) and x["confirmed"]]


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_is_no_listing_does_not_stop(doubtful, what):
    e = doubtful.egress("mx%d" % (list(ANSWERS).index(what) + 2))
    assert (e["state"], e["score"]) == ("sending", 0), e


def test_none_of_it_stops_the_mail(doubtful):
    e = doubtful.egress()
    assert (e["state"], e["score"]) == ("sending", 0), e
    assert ask(doubtful) == "DUNNO"


@pytest.mark.parametrize("mode", ["world", "refused_code", "silent",
    "servfail", "foreign", "nodata"])
def test_a_list_that_starts_to_misbehave_does_not_stop(brake, bl, mode):
    d = brake()
    d.wait_health("usable")
    bl.mode = mode
    e = d.wait_egress(lambda e: d.list()["health"] != "usable")
    assert e["state"] == "sending"
    stays_sending(d, bl, sweeps=2)


def test_a_healthy_list_does_not_hide_behind_a_sick_one(brake, dns, bl):
    sick = dns.list("sick.test")
    sick.mode = "silent"
    bl.add("203.0.113.1")
    d = brake(lists=[catalogue_list("bl.test"), catalogue_list("sick.test")])
    d.wait_state("stopped")
    assert d.wait_health("blind", "sick.test")


def test_a_list_that_shows_the_wrong_test_point_is_broken(brake, bl):
    bl.behave("127.0.0.1", "world")
    bl.add("203.0.113.1")
    d = brake()
    d.wait_health("broken")
    stays_sending(d, bl)


def test_a_wildcard_that_spares_the_test_points_is_found(brake, bl):
    """Only a random label shows it."""
    for point in ("127.0.0.1", "::ffff:7f00:1", "invalid"):
        bl.behave(point, "nxdomain")
    bl.mode = "world"
    d = brake()
    d.wait_health("broken")
    stays_sending(d, bl)


def test_random_labels_are_new_each_time(brake, bl):
    brake()
    bl.wait_sweeps(3)
    labels = [q.subject for q in bl.queries() if "." not in q.subject and
        ":" not in q.subject and q.subject not in ("test", "invalid")]
    assert len(labels) >= 3 and len(set(labels)) == len(labels)


def test_a_lost_test_point_makes_the_list_blind(brake, bl):
    bl.must_hit.remove("127.0.0.2")
    bl.add("203.0.113.1")
    d = brake()
    d.wait_health("blind")
    stays_sending(d, bl)


def test_the_ipv4_listing_of_a_list_without_ipv6_test_points_counts(brake,
    bl):
    """Its IPv6 half is blind; IPv4 has test points of its own."""
    bl.behave("::ffff:7f00:2", "nxdomain")
    bl.add("203.0.113.1")
    bl.add("2001:db8::1")
    d = brake(egress=({"name": "mx1", "addresses": ["203.0.113.1"]},
        {"name": "mx6", "addresses": ["2001:db8::1"]}), settings={"pools": (
        {"name": "four", "egress": ["mx1"], "actions": ["tempfail"]},
        {"name": "six", "egress": ["mx6"], "actions": ["tempfail"]})})
    d.wait_state("stopped", "mx1")
    bl.wait_sweeps(2)
    assert d.egress("mx6")["state"] == "sending"


def test_a_listing_seen_once_does_not_stop(brake, bl):
    """Gone at the second look."""
    d = brake(settings={"check": {"confirm_delay": "900ms"}})
    d.wait_health("usable")
    bl.add("203.0.113.1")
    bl.wait_query("203.0.113.1")
    bl.remove("203.0.113.1")
    stays_sending(d, bl)


def test_a_listing_whose_second_look_fails_does_not_stop(brake, bl):
    d = brake(settings={"check": {"confirm_delay": "900ms"}})
    d.wait_health("usable")
    bl.add("203.0.113.1")
    bl.wait_query("203.0.113.1")
    bl.mode = "servfail"
    stays_sending(d, bl)


def test_a_second_look_without_an_answer_is_made_again(brake, bl):
    """Soon, not with the next sweep."""
    bl.add("203.0.113.1")
    d = brake(start=False, settings={"check": {"interval": "1h",
        "confirm_delay": "3s", "timeout": "200ms", "tries": 1}})
    d.start()
    d.wait_log("not confirmed yet")
    bl.mode = "silent"
    bl.wait_query("203.0.113.1", count=2)
    assert d.egress()["state"] == "sending"
    bl.mode = "healthy"
    d.wait_state("stopped")


def test_a_listing_is_not_counted_before_its_second_look(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"check": {"confirm_delay": "30s"}})
    d.wait_egress(lambda e: e["listings"] and not
        e["listings"][0]["confirmed"])
    stays_sending(d, bl)


def test_two_resolvers_that_disagree_confirm_nothing(place, brake, dns, bl):
    other = place.add(Dns())
    clean = other.list("bl.test")
    bl.add("203.0.113.1")
    d = brake(dns=[dns, other])
    bl.wait_sweeps(2)
    clean.wait_sweeps(1)
    stays_sending(d, bl)
    clean.add("203.0.113.1")
    d.wait_state("stopped")


def test_a_resolver_that_rewrites_what_does_not_exist_stops_nothing(brake,
    dns, bl):
    dns.mode = "foreign"
    d = brake()
    d.wait_egress(lambda e: d.list()["health"] in ("blind", "broken"))
    stays_sending(d, bl)


def test_a_resolver_that_refuses_everything_stops_nothing(brake, dns, bl):
    dns.mode = "refused"
    bl.add("203.0.113.1")
    d = brake()
    d.wait_health("blind")
    assert d.egress()["blind"] is True
    stays_sending(d, bl)


def test_the_log_names_a_sick_list_once(brake, bl):
    d = brake()
    d.wait_health("usable")
    mark = d.mark()
    bl.mode = "world"
    d.wait_health("broken")
    bl.wait_sweeps(2)
    lines = d.logged(r"bl\.test.*broken", since=mark)
    assert len(lines) == 1, lines
    mark = d.mark()
    bl.mode = "healthy"
    d.wait_health("usable")
    d.wait_log(r"bl\.test", since=mark)
