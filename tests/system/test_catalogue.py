"""The shipped catalogue, with lists that answer as those of the world do;
keys, which nobody sees; zones that must not be asked."""

import contextlib
import json
import pathlib
import re
import time

import pytest

from harness.clients import Policy, ask
from harness.daemon import Daemon, catalogue_list, run_daemon, run_tool
from harness.dns import Answer, Dns, a_record, txt_record
from harness.place import Timeout, wait_for

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "etc" / "lists.conf"
STOPS, PASSES = "stopped", "sending"

# Lists that are off, for the traps in them.
EXTRA = tuple({"zone": zone, "enabled": True} for zone in (
    "hostkarma.junkemailfilter.com", "bl.score.senderscore.com",
    "b.barracudacentral.org"))

# The test entries where they are not RFC 5782's, or answer with something
# else: zone: {subject: codes}.
POINTS = {
    "zen.spamhaus.org": {"127.0.0.2": ["127.0.0.2", "127.0.0.4",
        "127.0.0.10"]},
    "dbl.spamhaus.org": {"test": ["127.0.1.2"]},
    "multi.surbl.org": {"test": ["127.0.0.254"]},
    "multi.uribl.com": {"127.0.0.2": ["127.0.0.14"]},
    "uribl.spameatingmonkey.net": {"_dnsbl_.test": ["127.0.0.2"],
        # It does not know RFC 5782's.
        "test": [], "invalid": ["127.0.0.2"]},
    "all.spamrats.com": {"127.0.0.2": ["127.0.0.36", "127.0.0.37",
        "127.0.0.38"]},
    "dnsbl.dronebl.org": {"127.0.0.2": ["127.0.0.1"]},
    # The white list's entry is there on purpose.
    "hostkarma.junkemailfilter.com": {"127.0.0.1": ["127.0.0.1"]},
}

# An address on real lists: ({zone: last octets}, state, score).
ADDRESSES = {
    "SBL": ({"zen.spamhaus.org": [2]}, STOPS, 100),
    "CSS": ({"zen.spamhaus.org": [3]}, STOPS, 100),
    "XBL": ({"zen.spamhaus.org": [4]}, STOPS, 100),
    "SBL and DROP": ({"zen.spamhaus.org": [2, 9]}, STOPS, 100),
    "PBL, set by the network": ({"zen.spamhaus.org": [10]}, PASSES, 0),
    "PBL, set by Spamhaus": ({"zen.spamhaus.org": [11]}, PASSES, 0),
    "PBL and XBL": ({"zen.spamhaus.org": [11, 4]}, STOPS, 100),
    "a code that Spamhaus has not used yet":
        ({"zen.spamhaus.org": [8]}, PASSES, 0),
    "SpamCop alone": ({"bl.spamcop.net": [2]}, PASSES, 50),
    "SpamCop and Barracuda": ({"bl.spamcop.net": [2],
        "b.barracudacentral.org": [2]}, STOPS, 110),
    "SpamCop, Mailspike and GBUdb": ({"bl.spamcop.net": [2],
        "bl.mailspike.net": [11], "truncate.gbudb.net": [2]}, STOPS, 120),
    "RATS-Dyna and NoPtr": ({"all.spamrats.com": [36, 37]}, PASSES, 0),
    "RATS-Spam": ({"all.spamrats.com": [38]}, PASSES, 40),
    "RATS-Auth": ({"all.spamrats.com": [43]}, PASSES, 30),
    "all of UCEPROTECT": ({"dnsbl-1.uceprotect.net": [2],
        "dnsbl-2.uceprotect.net": [2], "dnsbl-3.uceprotect.net": [2],
        "ips.backscatterer.org": [2]}, PASSES, 10),
    "an IRC drone": ({"dnsbl.dronebl.org": [3]}, PASSES, 10),
    "a DroneBL code that sources disagree on":
        ({"dnsbl.dronebl.org": [19]}, PASSES, 0),
    "Hostkarma white": ({"hostkarma.junkemailfilter.com": [1]}, PASSES, 0),
    "Hostkarma yellow": ({"hostkarma.junkemailfilter.com": [3]}, PASSES, 0),
    "Hostkarma black": ({"hostkarma.junkemailfilter.com": [2]}, PASSES, 20),
    "Sender Score, which refuses us":
        ({"bl.score.senderscore.com": [2]}, PASSES, 0),
}
DOMAINS = {
    "dbl-spam.example": ({"dbl.spamhaus.org": "127.0.1.2"}, STOPS, 100),
    "dbl-botnet.example": ({"dbl.spamhaus.org": "127.0.1.6"}, STOPS, 100),
    "dbl-hacked.example": ({"dbl.spamhaus.org": "127.0.1.102"}, PASSES, 0),
    "dbl-abused.example": ({"dbl.spamhaus.org": "127.0.1.106"}, PASSES, 0),
    "surbl.example": ({"multi.surbl.org": "127.0.0.80"}, PASSES, 50),
    "cracked.example": ({"multi.surbl.org": "127.0.0.128"}, PASSES, 0),
    "uribl.example": ({"multi.uribl.com": "127.0.0.2"}, PASSES, 50),
    "urigrey.example": ({"multi.uribl.com": "127.0.0.12"}, PASSES, 0),
    "both.example": ({"multi.surbl.org": "127.0.0.8",
        "multi.uribl.com": "127.0.0.2"}, STOPS, 100),
    "clean.example": ({}, PASSES, 0),
}


def address_of(case):
    return "203.0.113.%d" % (1 + list(ADDRESSES).index(case))


def name_of(case):
    return "c%d" % list(ADDRESSES).index(case)


@pytest.fixture(scope="module")
def world(module_place):
    """A mailbraked with the shipped catalogue: its status, what it says of
    its lists, and itself."""
    dns = module_place.add(Dns())
    egress = [{"name": name_of(c), "addresses": [address_of(c)],
        "transport": name_of(c)} for c in ADDRESSES]
    d = Daemon(module_place, dns=dns, egress=tuple(egress), settings={
        "catalogue": str(SHIPPED), "lists": EXTRA, "domains": list(DOMAINS),
        "check": {"interval": "2s", "timeout": "2s"}})
    # The tool knows which lists are on before any is there.
    rc, out, err = d.cli("check", "--json", "203.0.113.250",
        "2001:db8::250", "some.example")
    assert rc == 2, err
    for row in json.loads(out)["lists"]:
        if row["zone"] in dns.zones:
            continue
        bl = dns.list(row["zone"])
        points = POINTS.get(bl.zone, {})
        for subject, codes in points.items():
            bl.add(subject, codes)
            bl.must_hit = [x for x in bl.must_hit if x != subject]
        bl.pulse = "_dnsbl_.test" if "uribl.spam" in bl.zone else \
            "test" if row["about"] == "domains" and "uribl" not in \
            bl.zone else "127.0.0.2"
    # Since 2026 this is what those without an account get.
    dns.zones["bl.score.senderscore.com"].mode = "refused_code"
    for case, (entries, _, _) in ADDRESSES.items():
        for zone, octets in entries.items():
            dns.zones[zone].add(address_of(case),
                ["127.0.0.%d" % n for n in octets])
    for domain, (entries, _, _) in DOMAINS.items():
        for zone, codes in entries.items():
            dns.zones[zone].add(domain, codes)
    d.start()
    stopped = sum(x[1] == STOPS for x in [*ADDRESSES.values(),
        *DOMAINS.values()])
    # What is missing then is told by the tests below.
    with contextlib.suppress(Timeout):
        wait_for(lambda: len([x for x in [*d.status()["egress"],
            *d.status()["domains"]] if x["state"] == "stopped"]) >= stopped,
            20, every=0.1)
    now = time.monotonic()
    for bl in dns.zones.values():
        if bl.zone != "bl.score.senderscore.com":       # see below
            bl.wait_sweeps(1, since=now)
    return d.status(), json.loads(d.must("lists", "--json")), d, dns


def test_every_list_that_is_on_can_be_believed(world):
    """With test points as the lists have them."""
    _, lists, _, _ = world
    assert len(lists) >= 20
    assert {x["zone"]: x["reason"] for x in lists if x["health"] !=
        "usable"}.keys() == {"bl.score.senderscore.com"}


def test_a_list_that_wants_an_account_is_blind(world):
    _, lists, _, _ = world
    row, = [x for x in lists if x["zone"] == "bl.score.senderscore.com"]
    assert row["health"] == "blind" and "refuses" in row["reason"]


def test_a_list_with_an_interval_of_its_own_is_asked_as_rarely(world):
    """Of 10,000 free questions in 30 days."""
    bl = world[3].zones["bl.score.senderscore.com"]
    assert len(bl.queries("127.0.0.2")) == 1
    row, = [x for x in world[1] if x["zone"] == bl.zone]
    assert row["daily"] == 4 * (len(ADDRESSES) + 3)


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_on_real_lists(world, case):
    entries, state, score = ADDRESSES[case]
    e, = [e for e in world[0]["egress"] if e["name"] == name_of(case)]
    assert (e["state"], e["score"]) == (state, score), e
    seen = {x["zone"] for x in e["listings"]}
    assert seen == set(entries) - {"bl.score.senderscore.com"}, \
        "shown, if not counted"


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_on_real_lists(world, name):
    entries, state, score = DOMAINS[name]
    seen, = [x for x in world[0]["domains"] if x["name"] == name]
    assert (seen["state"], seen["score"]) == (state, score), seen
    assert {x["zone"] for x in seen["listings"]} == set(entries)


def test_real_listings_come_with_links(world):
    e, = [e for e in world[0]["egress"] if e["name"] == name_of(
        "SpamCop alone")]
    assert e["listings"][0]["lookup"].endswith("?" + address_of(
        "SpamCop alone"))
    e, = [e for e in world[0]["egress"] if e["name"] == name_of("SBL")]
    assert e["listings"][0]["delist"].startswith("https://")


def test_no_list_of_the_deny_table_is_asked(world):
    """Nor one that wants a key."""
    assert not [q for q in world[3].log if re.search(
        r"[{}]|dq\.spamhaus|abusix|sorbs|dnswl|nerd\.dk", q.name)]


# -- keys

KEY = "s3cr3tk3y0123456789abcdefg"


def keyed(zone="dq.test", **more):
    return {"zone": "{key}." + zone, "key": KEY, **more}


@pytest.fixture
def secret(place, dns, redis):
    """A mailbraked that talks a lot, with a list by key that lists it, one
    by key that fails, and Redis."""
    bl = dns.list(KEY + ".dq.test")
    bl.add("203.0.113.1", txt="sent spam")
    sick = dns.list(KEY + ".sick.test")
    sick.mode = "refused_code"
    d = Daemon(place, dns=dns, fronts=("milter", "policy"), lists=[
        catalogue_list("{key}.dq.test", enabled=False),
        catalogue_list("{key}.sick.test", enabled=False)], settings={
        "lists": (keyed(), keyed("sick.test")),
        "redis": {"server": redis.server}})
    d.start(args=["-v"])
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    d.wait_health("blind", "{key}.sick.test")
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "stopped" and c.exists("mailbrake:list:{key}.dq.test"))
    return d


def dump(redis):
    with redis.client() as c:
        for key in c.scan_iter():
            kind = c.type(key)
            yield key, {"string": c.get, "hash": c.hgetall,
                "zset": lambda k: c.zrange(k, 0, -1, withscores=True),
                "set": c.smembers, "list": lambda k: c.lrange(k, 0, -1),
                "stream": c.xrange}[kind](key)


def test_the_key_is_in_the_question_and_nowhere_else(secret, dns, redis):
    d = secret
    assert [q for q in dns.log if KEY + ".dq.test" in q.name]
    assert not [q for q in dns.log if "{key}" in q.name]
    with Policy(d.policy) as p:
        reply = p.ask()
    assert "{key}.dq.test" in reply
    shown = {"reply": reply, "redis": str(list(dump(redis)))}
    for command in (["status"], ["status", "--json"], ["lists"],
        ["lists", "--json"], ["events", "-n", "1000"],
        ["explain", "ann@example.org", "bob@example.net"]):
        shown[" ".join(command)] = d.must(*command)
    for command in (["check", "203.0.113.1"],
        ["check", "--json", "203.0.113.1"]):
        rc, out, err = d.cli(*command)
        assert rc == 1
        shown[" ".join(command)] = out + err
    assert d.stop() == 0
    shown["log"] = d.log()
    shown["state file"] = d.state_path.read_text()
    assert "{key}.dq.test" in shown["log"]
    for where, text in shown.items():
        assert KEY not in text.lower(), where


def test_a_text_that_repeats_the_question_does_not_give_the_key_away(
    secret, dns):
    """The list, or whoever stands between, may say anything."""
    d = secret
    dns.zones[KEY + ".dq.test"].play("203.0.113.2", lambda name, kind, via:
        Answer(records=[a_record("127.0.0.2", 1)] if kind == "A" else
        [txt_record(b"no such name: " + name.encode())]))
    d.write_conf({"egress": d.settings["egress"] + ({"name": "mx2",
        "addresses": ["203.0.113.2"], "transport": "mx2"},)})
    d.must("reload")
    e = d.wait_egress(lambda e: e["listings"] and e["listings"][0]["text"],
        "mx2")
    assert "no such name" in e["listings"][0]["text"]
    assert KEY not in d.must("status", "--json") + d.must("status")


def test_a_key_typed_into_the_zone_is_a_key(brake, dns, bl):
    keyed_list = dns.list(KEY + ".dq.test")
    keyed_list.add("203.0.113.1")
    d = brake(lists=[catalogue_list("{key}.dq.test", enabled=False)],
        settings={"lists": ({"zone": KEY + ".dq.test"},)})
    d.wait_state("stopped")
    assert "{key}.dq.test" in ask(d)
    assert KEY not in d.log() + d.must("status", "--json") + ask(d)


@pytest.mark.parametrize("row", [
    {"zone": "{key}.dq.test", "key": "two." + KEY},
    {"zone": "{key}.dq.test", "key": KEY + " "},
    {"zone": "{key}.dq.test", "key": KEY, "weight": -1},
    {"zone": "bl.test", "key": KEY},
    {"zone": "{key}.dq.test", "keyy": KEY},
    {"zone": "{key}.dq.test", "key": [KEY]},
])
def test_a_complaint_about_a_key_does_not_show_it(brake, row):
    d = brake(start=False, settings={"lists": (row,)})
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc != 0 and re.search("key|weight", err), err
    assert KEY not in out + err
    rc, out, err = d.cli("check", "203.0.113.1")
    assert rc == 2 and KEY not in out + err


def test_a_list_without_its_key_is_refused(brake):
    d = brake(start=False, settings={"lists": ({"zone": "{key}.dq.test"},)})
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc != 0 and "key" in err and "{key}.dq.test" in err


# -- the deny table of the shipped catalogue

@pytest.mark.parametrize("zone, reason", [
    ("dnsbl.sorbs.net", "2024-06"),             # quiet
    ("spam.dnsbl.sorbs.net", "2024-06"),        # all of its zones
    ("ix.dnsbl.manitu.net", "2025-01"),
    ("relays.ordb.org", "whole world"),
    ("bl.spamcannibal.org", "2018-05"),
    ("ZIN.Spamhaus.org.", "zen.spamhaus.org"),  # a typing error
    ("list.dnswl.org", "allow list"),
    ("swl.spamhaus.org", "allow list"),
    ("rep.mailspike.net", "reputation"),
    ("origin.asn.cymru.com", "every address"),
    ("ebl.msbl.org", "hashes"),
    ("nszones.com", "trusted"),
])
def test_a_zone_that_must_not_be_asked(brake, zone, reason):
    d = brake(start=False, settings={"catalogue": str(SHIPPED),
        "lists": ({"zone": zone},)})
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc != 0
    assert "%s:" % d.conf_path in err and "refused" in err
    assert zone.lower().rstrip(".") in err.lower() and reason in err, err
    rc, out, err = run_tool("-c", d.conf_path, "check", "203.0.113.1")
    assert rc == 2 and reason in err


@pytest.mark.parametrize("row", [
    {"zone": "dnsbl.sorbs.net", "enabled": False},
    {"zone": "mysorbs.net"}, {"zone": "bl.example.net"},
    {"zone": "bl.spamcop.net"}, {"zone": "zen.spamhaus.org", "weight": 0}])
def test_a_zone_that_may_be_named(brake, row):
    d = brake(start=False, settings={"catalogue": str(SHIPPED),
        "lists": (row,)})
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc == 0, err


def test_a_private_list_takes_one_line(brake, dns):
    """IPv4, 127.0.0.2 stops; any other answer is unknown."""
    mine = dns.list("bl.example.net")
    mine.add("203.0.113.1")
    mine.add("203.0.113.2", "127.0.0.3")
    d = brake(lists=[], settings={"lists": ({"zone": "bl.example.net"},)},
        egress=({"name": "mx1", "addresses": ["203.0.113.1"]},
        {"name": "mx2", "addresses": ["203.0.113.2"]}))
    d.wait_state("stopped", "mx1")
    e = d.wait_egress(lambda e: e["listings"] and
        e["listings"][0]["confirmed"], "mx2")
    assert e["state"] == "sending"
    assert e["listings"][0]["kind"] == "unknown"
