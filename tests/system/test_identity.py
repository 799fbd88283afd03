"""The name of an egress: its PTR record, the address of that name, and the
greeting agree or not.  That is reported and never stops anything."""

import re

import pytest

from harness.clients import Milter
from harness.daemon import Daemon
from harness.dns import Dns, Record, reverse, wire_name
from harness.place import wait_for

# name: (address, hostname, PTR names, forward {name: addresses}, state,
# words of the complaint)
CASES = {
    "all agree": ("203.0.113.1", "mx1.brake.test", ["mx1.brake.test"],
        {"mx1.brake.test": ["203.0.113.1"]}, "good", ""),
    "in another case": ("203.0.113.2", "MX2.brake.test", ["mx2.BRAKE.test"],
        {"mx2.brake.test": ["203.0.113.2"]}, "good", ""),
    "no name in the greeting is known": ("203.0.113.3", None,
        ["mx3.brake.test"], {"mx3.brake.test": ["203.0.113.3"]}, "good", ""),
    "one of several addresses": ("203.0.113.4", "mx4.brake.test",
        ["mx4.brake.test"], {"mx4.brake.test": ["192.0.2.1", "203.0.113.4"]},
        "good", ""),
    "one of several names": ("203.0.113.5", "mx5.brake.test",
        ["www.brake.test", "mx5.brake.test"], {"www.brake.test":
        ["192.0.2.1"], "mx5.brake.test": ["203.0.113.5"]}, "good", ""),
    "by IPv6": ("2001:db8::1", "mx6.brake.test", ["mx6.brake.test"],
        {"mx6.brake.test": ["2001:db8::1"]}, "good", ""),
    "no PTR record": ("203.0.113.7", "mx7.brake.test", [],
        {"mx7.brake.test": ["203.0.113.7"]}, "bad", "PTR"),
    "no PTR record by IPv6": ("2001:db8::2", "mx8.brake.test", [],
        {"mx8.brake.test": ["2001:db8::2"]}, "bad", "PTR"),
    "a name that does not exist": ("203.0.113.9", "mx9.brake.test",
        ["mx9.brake.test"], {}, "bad", "mx9.brake.test"),
    "a name of another address": ("203.0.113.10", "mx10.brake.test",
        ["mx10.brake.test"], {"mx10.brake.test": ["192.0.2.10"]}, "bad",
        "mx10.brake.test has not this address"),
    "a name without an IPv6 address": ("2001:db8::3", "mx11.brake.test",
        ["mx11.brake.test"], {"mx11.brake.test": ["203.0.113.11"]}, "bad",
        "AAAA"),
    "another greeting": ("203.0.113.12", "mail.brake.test",
        ["mx12.brake.test"], {"mx12.brake.test": ["203.0.113.12"],
        "mail.brake.test": ["203.0.113.12"]}, "bad",
        "mx12.brake.test.*mail.brake.test"),
    "a name that a provider gives": ("203.0.113.13", "mx13.brake.test",
        ["static-203-0-113-13.isp.test"], {"static-203-0-113-13.isp.test":
        ["203.0.113.13"]}, "bad", "static-203-0-113-13.isp.test"),
}
EGRESS_OF = {case: "mx%d" % n for n, case in enumerate(CASES, 1)}


@pytest.fixture(scope="module")
def named(module_place):
    dns = module_place.add(Dns())
    bl = dns.list("bl.test")
    for address, _, pointers, forward, _, _ in CASES.values():
        if pointers:
            dns.pointer(address, *pointers)
        for name, addresses in forward.items():
            for kind, mark in (("A", "."), ("AAAA", ":")):
                some = [a for a in addresses if mark in a]
                if some:
                    dns.host(name, kind, *some)
    # RFC 2317: the PTR record stands in somebody's own zone.
    alias = "14.0-31.113.0.203.in-addr.arpa"
    dns.hosts["%s.in-addr.arpa" % reverse("203.0.113.14"), "PTR"] = [
        Record(None, "CNAME", 60, wire_name(alias)),
        Record(alias, "PTR", 60, wire_name("mx14.brake.test"))]
    dns.host("mx14.brake.test", "A", "203.0.113.14")
    egress = [{"name": EGRESS_OF[case], "addresses": [row[0]],
        "hostname": row[1]} for case, row in CASES.items()]
    egress.append({"name": "alias", "addresses": ["203.0.113.14"],
        "hostname": "mx14.brake.test"})
    dns.pointer("203.0.113.15", "mx15.brake.test")
    dns.host("mx15.brake.test", "A", "203.0.113.15")
    egress.append({"name": "dual", "addresses": ["203.0.113.15",
        "2001:db8::9"], "hostname": "mx15.brake.test"})
    d = Daemon(module_place, dns=dns, fronts=("milter",), egress=tuple(
        dict(e, transport=e["name"]) for e in egress)).start()
    wait_for(lambda: all(i["state"] != "unknown" for e in
        d.status()["egress"] for i in e["identity"]), 15,
        lambda: "what is known of all: %s" % [(e["name"], e["identity"])
        for e in d.status()["egress"]], every=0.1)
    bl.wait_sweeps(1)
    return d


@pytest.mark.parametrize("case", CASES)
def test_identity(named, case):
    address, hostname, pointers, _, state, words = CASES[case]
    e = named.egress(EGRESS_OF[case])
    known, = e["identity"]
    assert known["address"] == address
    assert known["state"] == state, known
    if state == "good":
        assert known["text"] is None
        assert known["name"].lower() in [p.lower() for p in pointers]
        assert not named.logged("warning: egress %s:" % e["name"])
    else:
        assert re.search(words, known["text"]), known
        assert len(named.logged("warning: egress %s: %s: " % (e["name"],
            re.escape(address)))) == 1
    assert (e["state"], e["score"]) == ("sending", 0), "never stops"


def test_a_pointer_by_an_alias(named):
    known, = named.egress("alias")["identity"]
    assert (known["state"], known["name"]) == ("good", "mx14.brake.test")


def test_each_address_has_its_own(named):
    first, second = named.egress("dual")["identity"]
    assert (first["address"], first["state"]) == ("203.0.113.15", "good")
    assert (second["address"], second["state"]) == ("2001:db8::9", "bad")


def test_mail_goes_whatever_the_name(named):
    for case in CASES:
        with Milter(named.milter) as m:
            m.mail("ann@example.org")
            assert m.rcpt("bob@example.net", mailer=EGRESS_OF[case])[0] == \
                "continue"


def test_status_tells_people(named):
    out = " ".join(named.must("status", "--all").split())
    for words in ("static-203-0-113-13.isp.test", "PTR",
        "mx10.brake.test has not this address"):
        assert words in out, out


def test_no_answer_is_no_complaint(brake, dns, bl):
    """Nothing is known then; and it does not disturb the lists."""
    asked = []

    def silent(name, kind, via):
        asked.append(name)
    dns.list("in-addr.arpa").play("203.0.113.1", silent)
    d = brake()
    wait_for(lambda: asked, 10, "a question for the name")
    bl.wait_sweeps(2)
    known, = d.egress()["identity"]
    assert known["state"] == "unknown" and known["text"] is None
    assert not d.logged("PTR")
    assert d.list()["health"] == "usable"


def test_lists_are_asked_for_addresses_alone(named, module_place):
    """AAAA and PTR are for names."""
    dns = [s for s in module_place.servers if isinstance(s, Dns)][0]
    kinds = {(q.type, q.zone is not None) for q in dns.log}
    assert kinds == {("A", True), ("A", False), ("AAAA", False),
        ("PTR", False)}
