"""What a list says of an address, case by case: what must stop its mail and
what must not.

All cases of this file that need no time play at once, each with an egress of
its own in one mailbraked; see test_doubt.py for lists that misbehave as a
whole and test_phases.py for what comes one after the other.
"""

import collections
import contextlib
import json
import re
import struct
import time

import pytest

from harness.clients import Milter
from harness.daemon import Daemon, catalogue_list
from harness.dns import (Answer, Dns, Record, a_record, cname, reverse,
    txt_record, wire_name)
from harness.place import Timeout, wait_for

STOPS, PASSES = "stopped", "sending"

# what: {zone: codes or script}; kind: of the listing that status shows, None
# where there must not be one.
Case = collections.namedtuple("Case", "what state kind score")


def stops(what, zone="codes.test", score=100):
    return Case({zone: what} if not isinstance(what, dict) else what, STOPS,
        "listed", score)


def passes(what, kind=None, zone="codes.test", score=0):
    return Case({zone: what} if not isinstance(what, dict) else what, PASSES,
        kind, score)


# -- the lists

CODES = (
    {"code": "127.0.0.1", "means": "refused", "name": "BLOCKED"},
    {"code": "127.0.0.2", "means": "listed", "name": "SPAM"},
    {"code": "127.0.0.3", "means": "listed", "name": "HALF", "weight": 50},
    {"code": "127.0.0.4-127.0.0.7", "means": "listed", "name": "BOT"},
    {"code": "127.0.0.9", "means": "listed", "name": "NOTE", "weight": 0},
    {"code": "127.0.0.10-127.0.0.11", "means": "policy", "name": "RANGE"},
    {"code": "127.0.0.12", "means": "policy", "name": "WANTED",
        "weight": 100},
    {"code": "127.0.0.20", "means": "grey", "name": "MIXED"},
    {"code": "127.0.0.21", "means": "good", "name": "TRUSTED"},
    {"code": "127.0.0.22", "means": "age", "name": "NEW"},
    {"code": "127.0.0.23", "means": "info", "name": "COUNTRY"},
)
# As SURBL, URIBL and Validity have them.
BITS = (
    {"bits": 1, "means": "refused", "name": "access blocked"},
    {"bits": 4, "means": "listed", "name": "DM"},
    {"bits": 8, "means": "listed", "name": "phishing"},
    {"bits": 16, "means": "listed", "name": "malware", "weight": 120},
    {"bits": 32, "means": "listed", "name": "tracker", "weight": 0},
    {"bits": 64, "means": "listed", "name": "abuse"},
    {"bits": 128, "means": "grey", "name": "cracked"},
)
LISTS = [
    catalogue_list("codes.test", answers=CODES),
    catalogue_list("bits.test", answers=BITS, kinds=["ipv4"]),
    catalogue_list("shape.test", kinds=["ipv4"]),
    catalogue_list("quiet.test", kinds=["ipv4"]),
    catalogue_list("text.test", kinds=["ipv4"]),
    catalogue_list("a.one.test", 60, "one", kinds=["ipv4"]),
    catalogue_list("b.one.test", 60, "one", kinds=["ipv4"]),
    catalogue_list("two.test", 60, "two", kinds=["ipv4"]),
    catalogue_list("watched.test", 0, kinds=["ipv4"]),
]


# -- what an answer means

def octet(*numbers):
    return ["127.0.0.%d" % n for n in numbers]


MEANINGS = {
    "a code of the table": stops(octet(2)),
    "the first code of a range": stops(octet(4)),
    "a code inside a range": stops(octet(6)),
    "the last code of a range": stops(octet(7)),
    "a code just behind a range": passes(octet(8), "unknown"),
    "several codes that are listings": stops(octet(2, 4, 7)),
    "a code that weighs half": passes(octet(3), "listed", score=50),
    "the heaviest of several": stops(octet(3, 9, 2)),
    "one listing has one weight however many records":
        passes(octet(3, 9), "listed", score=50),
    "a listing that weighs nothing": passes(octet(9), "listed"),
    "a policy": passes(octet(10), "policy"),
    "two policies": passes(octet(10, 11), "policy"),
    "a policy that the operator gave a weight":
        Case({"codes.test": octet(12)}, STOPS, "policy", 100),
    "a mixed source": passes(octet(20), "grey"),
    "an allow list's code": passes(octet(21), "good"),
    "a new domain's code": passes(octet(22), "age"),
    "information": passes(octet(23), "info"),
    "an unknown code": passes(octet(99), "unknown"),
    "an unknown code of another network": passes(["127.0.1.2"], "unknown"),
    "an unknown code beside a policy": passes(octet(99, 10), "policy"),
    "an unknown code beside a listing": stops(octet(99, 2)),
    "a listing beside a policy": stops(octet(10, 2)),
    "a listing beside a trusted sender's code": stops(octet(21, 2)),
    "a listing beside all that means nothing":
        stops(octet(20, 21, 22, 23, 10, 99, 2)),

    "refused: zone name mistyped": passes(["127.255.255.252"]),
    "refused: public resolver": passes(["127.255.255.254"]),
    "refused: too many queries": passes(["127.255.255.255"]),
    "refused, with an octet that is a listing elsewhere":
        passes(["127.255.255.2"]),
    "refused by the zone's own code": passes(octet(1)),
    "a listing beside a refusal": passes(["127.0.0.2", "127.255.255.254"]),
    "a refusal before a listing": passes(["127.255.255.254", "127.0.0.2"]),
    "a listing beside the zone's own refusal": passes(octet(2, 1)),
    "a policy beside a refusal": passes(["127.0.0.10", "127.255.255.255"]),

    "before 127/8": passes(["126.255.255.255"]),
    "behind 127/8": passes(["128.0.0.2"]),
    "a private address": passes(["192.168.0.2"]),
    "a parking host": passes(["91.195.240.117"]),
    "a block page of a public resolver": passes(["146.112.61.108"]),
    "a search help of a provider": passes(["92.242.140.21"]),
    "the zero of a filter": passes(["0.0.0.0"]),
    "a listing beside a foreign address":
        passes(["127.0.0.2", "146.112.61.108"]),
    "foreign addresses before a listing":
        passes(["91.195.240.117", "0.0.0.0", "127.0.0.2"]),

    "a bit that is a listing": stops(octet(8), "bits.test"),
    "several bits, the heaviest counts": stops(octet(8 | 16 | 64),
        "bits.test", 120),
    "bits in several records": stops(octet(8, 64), "bits.test"),
    "a bit in another network": stops(["127.0.3.8"], "bits.test"),
    "a bit that weighs nothing": passes(octet(32), "listed", "bits.test"),
    "a weightless bit beside one that counts": stops(octet(32 | 4),
        "bits.test"),
    "a bit that means a mixed source": passes(octet(128), "grey",
        "bits.test"),
    "a mixed source's bit beside a listing's": stops(octet(128 | 8),
        "bits.test"),
    "an unknown bit": passes(octet(2), "unknown", "bits.test"),
    "an unknown bit beside a listing's": stops(octet(2 | 8), "bits.test"),
    "no bit at all": passes(["127.0.0.0"], "unknown", "bits.test"),
    "the bit that refuses": passes(octet(1), zone="bits.test"),
    "the bit that refuses beside a listing's": passes(octet(1 | 8),
        zone="bits.test"),
    "a refusal's record beside a listing's": passes(octet(1, 64),
        zone="bits.test"),
    "a refusal that has all bits": passes(["127.255.255.254"],
        zone="bits.test"),

    "a list without weight is watched only": passes(octet(2), "listed",
        "watched.test"),
    "one list that does not suffice": passes(octet(2), "listed",
        "a.one.test", 60),
    "two lists of two operators": stops({"a.one.test": octet(2),
        "two.test": octet(2)}, score=120),
    "two lists of one operator count once": passes({"a.one.test": octet(2),
        "b.one.test": octet(2)}, "listed", score=60),
    "one operator twice, and another": stops({"a.one.test": octet(2),
        "b.one.test": octet(2), "two.test": octet(2)}, score=120),
    "halves of a list's code and another list": stops({
        "codes.test": octet(3), "two.test": octet(2)}, score=110),
}


# -- the shape of the answer

def play(*records, **options):
    """A script that answers so for addresses.  records and the values of
    options may be functions of the name that was asked."""
    def script(name, kind, via):
        if kind != "A":
            return Answer()
        given = {k: v(name) if callable(v) and k != "mangle" else v
            for k, v in options.items()}
        if "mangle" in given:
            mangle = given["mangle"]
            given["mangle"] = lambda reply: mangle(reply, name)
        return Answer(records=[r(name) if callable(r) else r
            for r in records], **given)
    return script


def by_udp_and_tcp(udp, tcp):
    """Either an Answer, or None for silence."""
    return lambda name, kind, via: Answer() if kind != "A" else \
        udp if via == "udp" else tcp


LISTED = a_record("127.0.0.2", 1)


def mixed(name):
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(name))


def question_end(name):
    return 12 + len(wire_name(name)) + 4


def chain(hops, zone="shape.test"):
    names = ["hop%d.%s" % (n, zone) for n in range(hops)]
    return [cname(names[0])] + [cname(b, name=a) for a, b in zip(names,
        names[1:])] + [a_record("127.0.0.2", 1, names[-1])]


def other(zone="shape.test"):
    """The name of an address that nobody asks about."""
    return "%s.%s" % (reverse("192.0.2.77"), zone)


def with_flags(on=0, off=0):
    def mangle(reply, name):
        flags, = struct.unpack_from(">H", reply, 2)
        return reply[:2] + struct.pack(">H", flags & ~off | on) + reply[4:]
    return mangle


def with_counts(questions=1, answers=1):
    return lambda reply, name: reply[:4] + struct.pack(">HH", questions,
        answers) + reply[8:]


SHAPES = {
    "an alias inside the zone": stops(play(cname("a.shape.test"),
        a_record("127.0.0.2", 1, "a.shape.test")), "shape.test"),
    "a chain of aliases inside the zone": stops(play(*chain(3)),
        "shape.test"),
    "aliases in the wrong order": stops(play(*reversed(chain(3))),
        "shape.test"),
    "an alias that is no listing": passes(play(cname("a.shape.test"),
        a_record("127.0.0.10", 1, "a.shape.test")), "policy", "shape.test"),
    "an alias out of the zone": passes(play(cname("a.other.test"),
        a_record("127.0.0.2", 1, "a.other.test")), zone="shape.test"),
    "an alias to a zone of a similar name": passes(
        play(cname("a.xshape.test"), a_record("127.0.0.2", 1,
        "a.xshape.test")), zone="shape.test"),
    "an alias to the parent of the zone": passes(play(cname("test"),
        a_record("127.0.0.2", 1, "test")), zone="shape.test"),
    "an alias to a parking host": passes(play(cname("park.example.net"),
        a_record("91.195.240.117", 1, "park.example.net")),
        zone="shape.test"),
    "an alias that leads nowhere": passes(play(cname("a.shape.test")),
        zone="shape.test"),
    "an alias that leads out and nowhere": passes(
        play(cname("a.other.test"), rcode=3), zone="shape.test"),
    "an alias to itself": passes(play(lambda name: cname(name)),
        zone="shape.test"),
    "aliases in a circle": passes(play(lambda name: cname("a.shape.test"),
        lambda name: cname(name, name="a.shape.test"), LISTED._replace(
        name="b.shape.test")), zone="shape.test"),
    "a chain that is too long": passes(play(*chain(20)), zone="shape.test"),
    "an alias whose address is another's": passes(
        play(cname("a.shape.test"), a_record("127.0.0.2", 1,
        "b.shape.test")), zone="shape.test"),

    "a record of another address": passes(play(a_record("127.0.0.2", 1,
        other())), zone="shape.test"),
    "a record of the zone itself": passes(play(a_record("127.0.0.2", 1,
        "shape.test")), zone="shape.test"),
    "a record of the root": passes(play(Record("", *LISTED[1:])),
        zone="shape.test"),
    "a listing beside a refusal of another address": stops(play(LISTED,
        a_record("127.255.255.254", 1, other())), "shape.test"),
    "a policy beside a listing of another address": passes(
        play(a_record("127.0.0.10", 1), a_record("127.0.0.2", 1, other())),
        "policy", "shape.test"),
    "a listing in the authority section": passes(play(authority=[LISTED]),
        zone="shape.test"),
    "a listing in the additional section": passes(play(additional=[LISTED]),
        zone="shape.test"),
    "a listing beside name servers and their addresses": stops(play(LISTED,
        authority=[Record("shape.test", "NS", 1, wire_name(
        "ns.shape.test"))], additional=[a_record("192.0.2.53", 1,
        "ns.shape.test")]), "shape.test"),
    "a signed listing": stops(play(LISTED, Record(None, "RRSIG", 1,
        struct.pack(">HBBIIIH", 1, 8, 5, 1, 2, 1, 3) + wire_name("test") +
        b"x" * 64)), "shape.test"),
    "a referral": passes(play(authority=[Record("shape.test", "NS", 1,
        wire_name("ns.shape.test"))]), zone="shape.test"),

    "the question in mixed case": stops(play(LISTED, mangle=lambda reply,
        name: reply.replace(wire_name(name), wire_name(mixed(name)), 1)),
        "shape.test"),
    "the owner in mixed case": stops(play(lambda name: LISTED._replace(
        name=mixed(name))), "shape.test"),
    "an alias in mixed case": stops(play(cname("A.Shape.TEST"), a_record(
        "127.0.0.2", 1, "a.shAPE.test")), "shape.test"),

    "a TTL of nothing": stops(play(a_record("127.0.0.2", 0)), "shape.test"),
    "a TTL of 68 years": stops(play(a_record("127.0.0.2", 0x7fffffff)),
        "shape.test"),
    "a TTL with the top bit set": stops(play(a_record("127.0.0.2",
        0x90000000)), "shape.test"),

    "20 records": stops(play(*[a_record("127.0.0.%d" % n, 1)
        for n in range(2, 22)]), "shape.test"),
    "40 records, more than any list has": passes(play(*[a_record(
        "127.0.0.%d" % n, 1) for n in range(2, 42)]), zone="shape.test"),
    "more than 512 octets, not marked as cut": stops(play(LISTED,
        additional=[txt_record(*[b"x" * 255] * 4, name="x.shape.test")]),
        "shape.test"),
    "the same record twice": stops(play(LISTED, LISTED), "shape.test"),

    "cut, and whole over TCP": stops(by_udp_and_tcp(Answer(truncated=True),
        Answer(records=[LISTED])), "shape.test"),
    "cut behind a policy, over TCP a listing too": stops(by_udp_and_tcp(
        Answer(records=[a_record("127.0.0.10", 1)], truncated=True),
        Answer(records=[a_record("127.0.0.10", 1), LISTED])), "shape.test"),
    "cut behind a listing, over TCP a refusal too": passes(by_udp_and_tcp(
        Answer(records=[LISTED], truncated=True), Answer(records=[LISTED,
        a_record("127.255.255.254", 1)])), zone="shape.test"),
    "cut behind a listing, over TCP nothing": passes(by_udp_and_tcp(
        Answer(records=[LISTED], truncated=True), Answer(rcode=3)),
        zone="shape.test"),
    "cut even over TCP": passes(by_udp_and_tcp(Answer(truncated=True),
        Answer(records=[LISTED], truncated=True)), zone="shape.test"),
    "40 records over TCP": passes(by_udp_and_tcp(Answer(truncated=True),
        Answer(records=[a_record("127.0.0.%d" % n, 1)
        for n in range(2, 42)])), zone="shape.test"),

    "no records": passes(play(), zone="shape.test"),
    "a parent of other entries": passes(play(authority=[Record("shape.test",
        "SOA", 1, wire_name("ns.test") * 2 + struct.pack(">IIIII", 1, 60,
        60, 60, 1))]), zone="shape.test"),
    "text alone": passes(lambda name, kind, via: Answer(records=[txt_record(
        b"listed!")] if kind == "TXT" else []), zone="shape.test"),
    "text instead of an address": passes(play(txt_record(b"listed!")),
        zone="shape.test"),
    "an IPv6 address alone": passes(play(Record(None, "AAAA", 1,
        b"\0" * 10 + b"\xff\xff\x7f\0\0\2")), zone="shape.test"),
    "an address of 16 octets": passes(play(Record(None, "A", 1,
        b"\x7f\0\0\2" * 4)), zone="shape.test"),
    "an address of 3 octets": passes(play(Record(None, "A", 1,
        b"\x7f\0\0")), zone="shape.test"),
    "a listing that does not exist": passes(play(LISTED, rcode=3),
        zone="shape.test"),
    "a listing in a SERVFAIL": passes(play(LISTED, rcode=2),
        zone="shape.test"),
    "a listing in a REFUSED": passes(play(LISTED, rcode=5),
        zone="shape.test"),
    "SERVFAIL": passes(play(rcode=2), zone="shape.test"),
    "REFUSED": passes(play(rcode=5), zone="shape.test"),
    "FORMERR": passes(play(rcode=1), zone="shape.test"),
    "NOTIMP": passes(play(rcode=4), zone="shape.test"),
    "an error that no resolver gives": passes(play(rcode=9),
        zone="shape.test"),
    "a message that ends too soon": passes(play(LISTED, mangle=lambda reply,
        name: reply[:-3]), zone="shape.test"),
    "fewer records than are counted": passes(play(LISTED,
        mangle=with_counts(answers=9)), zone="shape.test"),
    "an owner that points to itself": passes(play(LISTED, mangle=lambda
        reply, name: reply[:question_end(name)] + b"\xc0" +
        bytes([question_end(name)]) + reply[question_end(name) + 2:]),
        zone="shape.test"),

    "silence": passes(lambda name, kind, via: None, zone="quiet.test"),
    "cut, and TCP is dead": passes(by_udp_and_tcp(Answer(truncated=True),
        None), zone="quiet.test"),
    "cut behind a listing, and TCP is dead": passes(by_udp_and_tcp(Answer(
        records=[LISTED], truncated=True), None), zone="quiet.test"),
    "an answer with another number": passes(play(LISTED, mangle=lambda
        reply, name: bytes([reply[0] ^ 0x55]) + reply[1:]),
        zone="quiet.test"),
    "an answer to another question": passes(play(lambda name:
        LISTED._replace(name=name), mangle=lambda reply, name:
        reply.replace(wire_name(name), wire_name("9" + name[1:]), 1)),
        zone="quiet.test"),
    "a question for an answer": passes(play(LISTED, mangle=with_flags(
        off=0x8000)), zone="quiet.test"),
    "an answer without the question": passes(play(lambda name:
        LISTED._replace(name=name), mangle=lambda reply, name:
        with_counts(questions=0)(reply[:12] + reply[question_end(name):],
        name)), zone="quiet.test"),
    "nothing but a header": passes(play(LISTED, mangle=lambda reply, name:
        reply[:12]), zone="quiet.test"),
    "bytes that are no message": passes(play(LISTED, mangle=lambda reply,
        name: b"\0\1\2"), zone="quiet.test"),
}


# -- the text, which only people read

def says(*records, rcode=0, via_tcp=False):
    """A listing with these TXT records, each a tuple of strings."""
    def script(name, kind, via):
        if kind == "A":
            return Answer(records=[LISTED])
        if via_tcp and via == "udp":
            return Answer(truncated=True)
        return Answer(rcode=rcode, records=[txt_record(*strings)
            for strings in records])
    return stops(script, "text.test")


# What status must show of it: a pattern.
TEXTS = {
    "plain": (says((b"see https://text.test/?203.0.113.1",)),
        r"see https://text\.test/\?203\.0\.113\.1"),
    "control characters": (says((b"a\0b\rc\nd\x07e\x7ff",)),
        r"a\?b c d\?e\?f"),
    "a terminal's escapes": (says(
        (b"\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b1m",)),
        r"\?\[2J\?\]0;owned\?\?\[31mred\?1m"),
    "a forged log line": (says(
        (b"x\r\nNov 22 00:00:00 mx1 mailbraked: mx1: stopped -> sending",)),
        "x Nov 22 00:00:00 mx1 mailbraked: .*"),
    "a reply of its own": (says((b"\r\n250 ok",)), "250 ok"),
    "percent signs and quotes": (says((b"%s%n%d \"'`$(id)`",)),
        r"%s%n%d \"'`\$\(id\)`"),
    "bytes outside ASCII": (says((b"J\xc3\xbcrg \xff\xfe",)),
        r"J\?\?rg \?\?"),
    "many strings": (says((b"a",) * 60), "a{60}"),
    "an empty string": (says((b"",)), None),
    "many records": (says(*[(b"r%d" % n,) for n in range(20)]),
        r"r0 \| r1 \| r2( \| r\d+)*.*"),
    "long": (says((b"x" * 255,)), r"x+\.\.\."),
    "far too long": (says((b"y" * 255,) * 200, via_tcp=True),
        r"y+\.\.\."),
    "the text that says it is clean": (says((b"not listed",)),
        "not listed"),
    "none": (says(), None),
    "a failure": (says(rcode=2), None),
}

CASES = {**MEANINGS, **SHAPES, **{"text: " + name: case
    for name, (case, _) in TEXTS.items()}}
assert len(CASES) == len(MEANINGS) + len(SHAPES) + len(TEXTS)

# What the table above cannot say: several addresses, and IPv6.
MORE = (
    {"name": "v6", "addresses": ["2001:db8:0:a::7"]},
    {"name": "v6policy", "addresses": ["2001:db8:0:a::8"]},
    {"name": "v6clean", "addresses": ["2001:db8:0:a::9"]},
    {"name": "mapped", "addresses": ["::ffff:192.0.2.1"]},
    {"name": "dual", "addresses": ["192.0.2.2", "2001:db8:0:a::a"]},
    {"name": "pair", "addresses": ["192.0.2.3", "192.0.2.4"]},
    {"name": "spread", "addresses": ["192.0.2.5", "192.0.2.6"]},
)


def name_of(case):
    return "c%d" % list(CASES).index(case)


def address_of(case):
    n = list(CASES).index(case)
    return "203.0.113.%d" % (n + 1) if n < 254 else \
        "198.51.100.%d" % (n - 253)


class Played:
    """What was seen when all had been played."""

    def __init__(self, d, dns):
        self.d, self.dns = d, dns
        self.status = d.status()
        self.egress = {e["name"]: e for e in self.status["egress"]}
        self.plain = d.must("status", "--all")


@pytest.fixture(scope="module")
def played(module_place):
    dns = module_place.add(Dns())
    for row in LISTS:
        dns.list(row["zone"])
    for name, case in CASES.items():
        for zone, what in case.what.items():
            if callable(what):
                dns.zones[zone].play(address_of(name), what)
            else:
                dns.zones[zone].add(address_of(name), what)
    codes = dns.zones["codes.test"]
    codes.add("2001:db8:0:a::7")
    codes.add("2001:db8:0:a::8", "127.0.0.10")
    codes.add("192.0.2.1")
    codes.add("2001:db8:0:a::a")
    for address in ("192.0.2.3", "192.0.2.4", "192.0.2.5"):
        dns.zones["a.one.test"].add(address)
    dns.zones["two.test"].add("192.0.2.6")
    egress = [{"name": name_of(c), "addresses": [address_of(c)],
        "transport": name_of(c)} for c in CASES]
    d = Daemon(module_place, dns=dns, lists=LISTS, fronts=("milter",),
        egress=tuple(egress + [dict(e, transport=e["name"]) for e in MORE]),
        settings={"check": {"interval": "1s", "timeout": "1s"}}).start()
    waiting = {name_of(c) for c in CASES if CASES[c].state == STOPS} | {
        "v6", "mapped", "dual", "spread"}

    def stopped():
        for e in d.status()["egress"]:
            if e["state"] == "stopped":
                waiting.discard(e["name"])
        return not waiting
    # What is missing then is told by the tests of the cases.
    with contextlib.suppress(Timeout):
        wait_for(stopped, 20, every=0.2)
    with contextlib.suppress(Timeout):
        for name, (_, pattern) in TEXTS.items():
            if pattern is not None:
                d.wait_egress(lambda e: e["listings"] and
                    e["listings"][0]["text"], name_of("text: " + name))
    now = time.monotonic()
    for row in LISTS:
        dns.zones[row["zone"]].wait_sweeps(1, since=now)
    return Played(d, dns)


@pytest.mark.parametrize("case", [*MEANINGS, *SHAPES])
def test_case(played, case):
    want, e = CASES[case], played.egress[name_of(case)]
    assert (e["state"], e["score"]) == (want.state, want.score), e
    kinds = {x["kind"] for x in e["listings"] if x["confirmed"]}
    assert kinds == ({want.kind} if want.kind else set()), e
    if want.kind is None:
        assert e["listings"] == [], "not even a suspicion"


@pytest.mark.parametrize("case", ["a code of the table",
    "several bits, the heaviest counts", "two lists of two operators",
    "an alias inside the zone", "cut, and whole over TCP",
    "a listing beside a refusal", "an unknown code", "SERVFAIL"])
def test_the_mail_of_a_case(played, case):
    with Milter(played.d.milter) as m:
        m.mail("ann@example.org")
        answer, text = m.rcpt("bob@example.net", mailer=name_of(case))
    if CASES[case].state == STOPS:
        assert answer == "reply" and text.startswith("451 4.7.1 ")
        assert "%s is listed by" % address_of(case) in text
    else:
        assert answer == "continue"


@pytest.mark.parametrize("case", TEXTS)
def test_text(played, case):
    e = played.egress[name_of("text: " + case)]
    assert e["state"] == "stopped", "whatever it says"
    text, pattern = e["listings"][0]["text"], TEXTS[case][1]
    if pattern is None:
        assert text is None
    else:
        assert re.fullmatch(pattern, text) and len(text) < 240, text
    with Milter(played.d.milter) as m:
        m.mail("ann@example.org")
        answer, reply = m.rcpt("bob@example.net",
            mailer=name_of("text: " + case))
        assert answer == "reply" and re.fullmatch(
            r"451 4\.7\.1 [ -~]{,200}", reply)


def test_no_text_reaches_terminal_or_log_as_it_is(played):
    out = played.plain + played.d.must("events", "-n", "1000") + \
        played.d.log()
    assert re.search("[^\n -~]", out) is None
    assert max(map(len, played.plain.splitlines())) <= 80
    assert re.search("^(Nov 22|250)", out, re.M) is None
    json.loads(played.d.must("status", "--json"))


def test_all_lists_of_these_cases_can_be_believed(played):
    """An answer about one address says nothing of the list."""
    assert {x["zone"]: x["health"] for x in played.status["lists"]} == {
        row["zone"]: "usable" for row in LISTS}
    assert not played.d.logged(r"\.test .*(blind|broken)")


# -- IPv6, several addresses

def test_an_ipv6_address_is_asked_by_nibbles(played):
    name = ("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.0.0.0.0.0.0.0."
        "8.b.d.0.1.0.0.2.codes.test")
    assert [q for q in played.dns.log if q.name == name and q.type == "A"]
    e = played.egress["v6"]
    assert e["state"] == "stopped"
    assert e["listings"][0]["address"] == "2001:db8:0:a::7"


def test_an_ipv6_policy_does_not_stop(played):
    e = played.egress["v6policy"]
    assert e["state"] == "sending" and e["listings"][0]["kind"] == "policy"
    assert played.egress["v6clean"]["listings"] == []


def test_ipv6_test_points_have_rfc_5782s_names(played):
    names = {q.name for q in played.dns.log}
    for last in "12":
        assert last + ".0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20 + \
            ".codes.test" in names


def test_a_list_of_ipv4_is_not_asked_about_ipv6(played):
    assert not [q for q in played.dns.log if q.zone == "bits.test" and
        ":" in q.subject]


def test_an_ipv4_mapped_address_is_asked_as_ipv4(played):
    names = {q.name for q in played.dns.log}
    assert "1.2.0.192.codes.test" in names
    assert not [n for n in names if n.startswith("1.0.2.0.0.0.0.c.")]
    e = played.egress["mapped"]
    assert e["state"] == "stopped"
    assert e["listings"][0]["address"] == "192.0.2.1"


def test_one_of_two_addresses_listed_stops_the_egress(played):
    assert played.egress["dual"]["state"] == "stopped"


def test_one_operators_word_about_two_addresses_counts_once(played):
    e = played.egress["pair"]
    assert (e["state"], e["score"], len(e["listings"])) == ("sending", 60, 2)


def test_two_operators_about_two_addresses_add_up(played):
    assert (played.egress["spread"]["state"],
        played.egress["spread"]["score"]) == ("stopped", 120)


# -- what is asked

def list_queries(played):
    return [q for q in list(played.dns.log)
        if not q.name.endswith((".in-addr.arpa", ".ip6.arpa"))]


def test_every_name_is_in_a_list(played):
    """No search list: resolv.conf has one, with a wildcard behind it."""
    assert [q for q in list_queries(played) if q.zone is None] == []


def test_no_zone_is_asked_about_itself(played):
    zones = {row["zone"] for row in LISTS}
    assert [q for q in played.dns.log if q.name in zones] == []


def test_lists_are_asked_for_addresses_and_text_only(played):
    assert {q.type for q in list_queries(played)} == {"A", "TXT"}


def test_text_is_asked_for_once_it_is_listed(played):
    """And not for what does not count: that is the list's own affair."""
    for case in ("a refusal before a listing", "before 127/8",
        "no records"):
        zone, = CASES[case].what
        assert not played.dns.zones[zone].queries(address_of(case), "TXT")
    zone = played.dns.zones["codes.test"]
    assert len(zone.queries(address_of("a code of the table"), "TXT")) == 1


def test_names_are_in_lower_case_and_printable(played):
    for q in list_queries(played):
        assert re.fullmatch(r"[a-z0-9.-]+", q.name), q


def test_no_round_goes_without_its_probes(played):
    """At most one sweep and one second look may be under way."""
    for zone in ("codes.test", "two.test"):
        queries = played.dns.zones[zone].queries()
        counts = [len([q for q in queries if re.fullmatch(probe,
            q.subject)]) for probe in (r"127\.0\.0\.2", r"127\.0\.0\.1",
            "mb-[a-z]{12}")]
        if zone == "codes.test":        # IPv6 has random labels of its own
            counts[2] -= len([q for q in queries
                if q.subject == "::ffff:7f00:2"])
        assert counts[0] > 2 and max(counts) - min(counts) <= 3, counts


def test_random_labels_are_never_the_same(played):
    labels = [q.subject for q in played.dns.log if q.subject.startswith(
        "mb-")]
    assert len(labels) > 20 and len(set(labels)) == len(labels)


def test_what_is_asked_until_a_listing_counts(brake, dns, bl):
    """The second look has probes of its own: a list that breaks between
    the looks is found out.  The random label is the last of each."""
    bl.add("203.0.113.1", txt="why")
    d = brake(settings={"check": {"interval": "1h"}})
    e = d.wait_egress(lambda e: e["listings"] and e["listings"][0]["text"])
    assert e["state"] == "stopped"
    asked = [(re.sub("mb-[a-z]{12}", "random", q.subject), q.type)
        for q in dns.zones["bl.test"].queries(type=None)]
    look = [("127.0.0.2", "A"), ("127.0.0.1", "A"), ("203.0.113.1", "A"),
        ("random", "A")]
    assert asked == look * 2 + [("203.0.113.1", "TXT")]
