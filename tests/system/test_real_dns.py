"""rbldnsd and NSD as lists, unbound as the resolver before them, each as
administrators run them."""

import re

import pytest

from harness.clients import ask
from harness.daemon import Daemon, catalogue_list
from harness.dns import Dns, Rbldnsd
from harness.nlnet import TEST_POINTS, Nsd, Unbound, listed
from harness.place import wait_for

# Real servers' answers live a second, so there is no point in hurry.
CHECK = {"interval": "300ms", "confirm_delay": "50ms", "timeout": "2s"}


@pytest.fixture
def rbl(place):
    return place.add(Rbldnsd(place))


@pytest.fixture
def make(place):
    def start(server, *lists, **options):
        return Daemon(place, dns=server, lists=[catalogue_list(zone,
            kinds=kinds) for zone, kinds in lists], settings={
            "check": CHECK, **options.pop("settings", {})},
            **options).start(args=["-v"])
    return start


IPV4 = ["ipv4"]


def asked_again(d, zone, count=3):
    """Waits for that many rounds from now on, all answered."""
    mark = d.mark()
    wait_for(lambda: len(d.logged(r"debug: %s by |: %s by .*:" % ((re.escape(
        zone),) * 2), since=mark)) >= count, 15, "rounds of %s" % zone)


# -- unbound before rbldnsd

def test_unbound_that_recurses(place, rbl, make):
    rbl.add("203.0.113.1", txt="sent spam")
    d = make(Unbound(place, {"rbl.test": rbl}), ("rbl.test", IPV4))
    e = d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    assert e["listings"][0]["text"] == "sent spam"
    assert d.list("rbl.test")["health"] == "usable"
    rbl.remove("203.0.113.1")
    d.wait_state("sending", timeout=15)


def test_unbound_that_protects_against_rebinding(place, rbl, make):
    """Everything would look clean."""
    rbl.add("203.0.113.1")
    unbound = Unbound(place, {"rbl.test": rbl},
        settings=["private-address: 127.0.0.0/8"])
    assert unbound.ask("1.113.0.203.rbl.test") == ("NOERROR", [])
    d = make(unbound, ("rbl.test", IPV4))
    row = d.wait_health("blind", "rbl.test")
    assert "rebinding" in row["reason"]
    assert "strips 127.0.0.0/8" in row["reason"]
    assert unbound.server in row["reason"]
    assert "rebinding" in " ".join(d.must("lists").split())
    assert d.egress()["state"] == "sending" and d.egress()["blind"]


def test_a_list_that_rebinding_protection_spares(place, rbl, make):
    """The cure that the reason names, for one of two lists."""
    rbl.add("203.0.113.1")
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + listed("203.0.113.1")})
    d = make(Unbound(place, {"rbl.test": rbl, "nsd.test": nsd},
        settings=["private-address: 127.0.0.0/8",
        'private-domain: "nsd.test"']), ("rbl.test", IPV4),
        ("nsd.test", IPV4))
    d.wait_state("stopped")
    d.wait_health("blind", "rbl.test")
    e = d.egress()
    assert [x["zone"] for x in e["listings"]] == ["nsd.test"]
    assert d.status()["resolver_fault"] is None


def test_protection_that_is_switched_on_does_not_release(place, rbl, make):
    """A restart of the resolver with other settings, on the same port."""
    rbl.add("203.0.113.1")
    plain = Unbound(place, {"rbl.test": rbl})
    d = make(plain, ("rbl.test", IPV4))
    d.wait_state("stopped")
    plain.stop()
    plain.conf.write_text(plain.conf.read_text().replace("server:\n",
        "server:\n  private-address: 127.0.0.0/8\n"))
    plain.run("unbound", "-d", "-c", str(plain.conf), answers="localhost")
    d.wait_log("rebinding", timeout=15)
    rbl.remove("203.0.113.1")
    asked_again(d, "rbl.test")
    assert d.egress()["state"] == "stopped"
    assert ask(d).startswith("451 4.7.1 ")


def test_unbound_that_forwards_to_a_public_resolver(place, make):
    public = place.add(Dns())
    bl = public.list("rbl.test")
    bl.mode = "refused_code"
    bl.add("203.0.113.1")
    unbound = Unbound(place, forward=public)
    assert unbound.ask("2.0.0.127.rbl.test") == ("NOERROR",
        ["127.255.255.254"])
    d = make(unbound, ("rbl.test", IPV4))
    row = d.wait_health("blind", "rbl.test")
    assert re.search("refuses.*forwards.*own recursive", row["reason"])
    assert d.egress()["state"] == "sending"


def test_unbound_that_forwards_to_a_search_help(place, make):
    """NXDOMAIN is rewritten behind it."""
    provider = place.add(Dns())
    provider.list("rbl.test")
    provider.mode = "foreign"
    d = make(Unbound(place, forward=provider), ("rbl.test", IPV4))
    row = d.wait_health("broken", "rbl.test")
    assert "91.195.240.117" in row["reason"]
    assert "rewrites NXDOMAIN" in row["reason"]
    assert d.egress()["state"] == "sending"


def test_unbound_before_a_list_that_is_gone(place, rbl, make):
    """Its name servers do not answer: SERVFAIL, and nothing is released."""
    rbl.add("203.0.113.1")
    d = make(Unbound(place, {"rbl.test": rbl}), ("rbl.test", IPV4))
    d.wait_state("stopped")
    rbl.stop()
    row = d.wait_health("blind", "rbl.test", timeout=20)
    assert "time-out" in row["reason"] or "SERVFAIL" in row["reason"]
    assert d.egress()["state"] == "stopped"


def test_unbound_that_blocks_a_list(place, rbl, make):
    """A policy zone of somebody who wants to protect."""
    rbl.add("203.0.113.1")
    d = make(Unbound(place, {"rbl.test": rbl}, settings=[
        'local-zone: "rbl.test" always_refuse']), ("rbl.test", IPV4))
    row = d.wait_health("blind", "rbl.test")
    assert "REFUSED" in row["reason"]
    assert d.egress()["state"] == "sending"


def test_unbound_that_asks_label_by_label(place, make):
    """Query names are minimised, and the list denies what has entries
    below it (RFC 8020): the listing is seen all the same."""
    server = place.add(Dns())
    bl = server.list("list.test")
    bl.add("203.0.113.1")
    unbound = Unbound(place, {"list.test": server},
        settings=["qname-minimisation: yes", "aggressive-nsec: yes"])
    d = make(unbound, ("list.test", IPV4))
    d.wait_state("stopped")
    names = {q.name for q in server.log}
    assert "1.113.0.203.list.test" in names
    assert d.list("list.test")["health"] == "usable"


def test_two_resolvers_of_two_kinds(place, rbl, make):
    """The one strips, the other is asked."""
    rbl.add("203.0.113.1")
    strict = Unbound(place, {"rbl.test": rbl},
        settings=["private-address: 127.0.0.0/8"])
    good = Unbound(place, {"rbl.test": rbl})
    d = make([strict, good], ("rbl.test", IPV4))
    d.wait_state("stopped")
    assert d.list("rbl.test")["health"] == "usable"


# -- NSD as the list

BOTH = ["ipv4", "ipv6"]


def test_nsd_lists_and_delists(place, make):
    entry = listed("203.0.113.1", text="see https://nsd.test/") + \
        listed("2001:db8::1", "127.0.0.4") + \
        listed("203.0.113.3", "127.0.0.10")
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + entry})
    d = make(nsd, ("nsd.test", BOTH), egress=(
        {"name": "mx1", "addresses": ["203.0.113.1"]},
        {"name": "mx2", "addresses": ["2001:db8::1"]},
        {"name": "mx3", "addresses": ["203.0.113.3"]}))
    e = d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    assert e["listings"][0]["text"] == "see https://nsd.test/"
    d.wait_state("stopped", "mx2")
    d.wait_egress(lambda e: e["listings"] and
        e["listings"][0]["kind"] == "policy", "mx3")
    assert d.egress("mx3")["state"] == "sending"
    nsd.change("nsd.test", TEST_POINTS, lambda: nsd.ask(
        "1.113.0.203.nsd.test")[0] == "NXDOMAIN")
    d.wait_state("sending")
    d.wait_state("sending", "mx2")


def test_nsd_with_a_wildcard_for_a_network(place, make):
    """A whole range is listed, and that is not the world."""
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + ["*.113.0.203 A 127.0.0.2"]})
    d = make(nsd, ("nsd.test", IPV4))
    d.wait_state("stopped")
    assert d.list("nsd.test")["health"] == "usable"


def test_nsd_with_a_wildcard_for_the_world(place, make):
    """Its test points are right, one by one."""
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + ["* A 127.0.0.2",
        '1.0.0.127 TXT "not listed"']})
    d = make(nsd, ("nsd.test", IPV4))
    row = d.wait_health("broken", "nsd.test")
    assert "whole world" in row["reason"]
    assert d.egress()["state"] == "sending"


def test_nsd_with_an_alias_in_the_zone(place, make):
    """Many entries, one text."""
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + ["1.113.0.203 CNAME bad",
        "bad A 127.0.0.2", 'bad TXT "a bad one"']})
    d = make(nsd, ("nsd.test", IPV4))
    e = d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    assert e["listings"][0]["text"] == "a bad one"


def test_nsd_with_an_alias_out_of_the_zone(place, make):
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + [
        "1.113.0.203 CNAME parked.example."], "example": [
        "parked A 127.0.0.2"]})
    unbound = Unbound(place, {"nsd.test": nsd, "example": nsd})
    assert unbound.ask("1.113.0.203.nsd.test")[1][-1] == "127.0.0.2"
    d = make(unbound, ("nsd.test", IPV4))
    d.wait_health("usable", "nsd.test")
    asked_again(d, "nsd.test")
    assert d.egress()["state"] == "sending"
    assert d.egress()["listings"] == []


def test_a_domain_that_is_only_a_parent(place, make):
    """www.hacked.example is listed, hacked.example is an empty
    non-terminal: NODATA, which is no listing."""
    nsd = Nsd(place, {"dbl.test": TEST_POINTS + listed("www.hacked.example")
        + listed("bad.example")})
    assert nsd.ask("hacked.example.dbl.test") == ("NOERROR", [])
    d = make(nsd, ("dbl.test", ["domains"]), settings={"domains":
        ["hacked.example", "bad.example"]})

    def states():
        return {x["name"]: x["state"] for x in d.status()["domains"]}
    d.wait_log("domain bad.example: sending -> stopped")
    assert states() == {"hacked.example": "sending",
        "bad.example": "stopped"}
    assert d.list("dbl.test")["health"] == "usable"
    assert ask(d, sender="ann@hacked.example") == "DUNNO"
    assert ask(d, sender="ann@bad.example").startswith("451 ")


def test_nsd_whose_zone_is_emptied(place, make):
    """As lists are closed well: nobody is released by it."""
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + listed("203.0.113.1")})
    d = make(nsd, ("nsd.test", IPV4))
    d.wait_state("stopped")
    nsd.change("nsd.test", [], lambda: nsd.ask(
        "2.0.0.127.nsd.test")[0] == "NXDOMAIN")
    row = d.wait_health("blind", "nsd.test")
    assert "emptied or closed" in row["reason"]
    assert d.egress()["state"] == "stopped"


def test_nsd_and_many_records(place, make):
    """More than fits: over TCP, from a real server."""
    text = ['1.113.0.203 TXT "%s"' % ("%02d" % n * 60) for n in range(40)]
    nsd = Nsd(place, {"nsd.test": TEST_POINTS + ["1.113.0.203 A 127.0.0.%d"
        % n for n in range(2, 30)] + text})
    d = make(nsd, ("nsd.test", IPV4))
    e = d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    assert len(e["listings"][0]["text"]) < 240
