"""mailbrake check: any address, range or domain, on all lists, at once."""

import json
import re
import time

import pytest

from harness.daemon import catalogue_list, run_tool
from harness.dns import Answer, a_record, txt_record

ANSWERS = (
    {"code": "127.0.0.2", "means": "listed", "name": "SPAM"},
    {"code": "127.0.0.3", "means": "listed", "name": "HALF", "weight": 50},
    {"code": "127.0.0.10", "means": "policy", "name": "RANGE"},
    {"code": "127.0.1.2", "means": "listed", "name": "bad domain"},
    {"code": "127.0.1.102", "means": "grey", "name": "hacked"},
)


@pytest.fixture
def lists(dns, bl):
    """bl.test and two.test for addresses, dbl.test for domains."""
    for zone in ("two.test", "dbl.test"):
        dns.list(zone)
    return dns.zones


@pytest.fixture
def check(brake, lists):
    """check(ARGUMENTS...): (exit status, JSON)."""
    d = brake(start=False, lists=[
        catalogue_list("bl.test", answers=ANSWERS, expires="7d",
            lookup="https://bl.test/look?{subject}",
            delist="https://bl.test/remove?{subject}"),
        catalogue_list("two.test", 40, answers=ANSWERS[:1]),
        catalogue_list("dbl.test", kinds=["domains"], answers=ANSWERS)],
        settings={"check": {"timeout": "1s"}})

    def run(*arguments):
        rc, out, err = d.cli("check", "--json", *arguments)
        return rc, json.loads(out) if out else None
    run.daemon = d
    return run


def plain(check, *arguments):
    rc, out, err = check.daemon.cli("check", *arguments)
    assert max(map(len, out.splitlines()), default=0) <= 80, out
    return rc, out, err


def subjects(result):
    return {x["subject"]: x for x in result["subjects"]}


def test_clean(check):
    rc, result = check("203.0.113.1")
    assert (rc, result["result"]) == (0, "clean")
    one = subjects(result)["203.0.113.1"]
    assert (one["about"], one["state"], one["score"], one["listings"]) == (
        "ipv4", "clean", 0, [])
    assert {x["zone"]: x["health"] for x in result["lists"]} == {
        "bl.test": "usable", "two.test": "usable"}


def test_listed(check, lists):
    lists["bl.test"].add("203.0.113.1", txt="why \x1b[1mso")
    lists["two.test"].add("203.0.113.1")
    rc, result = check("203.0.113.1")
    assert (rc, result["result"]) == (1, "listed")
    one = subjects(result)["203.0.113.1"]
    assert (one["state"], one["score"]) == ("listed", 140)
    first, second = one["listings"]
    assert (first["zone"], first["weight"], first["name"], first["code"],
        first["kind"], first["text"]) == ("bl.test", 100, "SPAM",
        "127.0.0.2", "listed", "why ?[1mso")
    assert first["delist"] == "https://bl.test/remove?203.0.113.1"
    assert (second["zone"], second["weight"]) == ("two.test", 40)
    rc, out, err = plain(check, "203.0.113.1")
    assert rc == 1 and out.index("bl.test") < out.index("two.test"), \
        "the heavier first"
    for words in ("LISTED", "140", "SPAM", "127.0.0.2", "100",
        "https://bl.test/remove?203.0.113.1", "why"):
        assert words in " ".join(out.split()), out
    assert "\x1b" not in out


def test_one_look_is_said_to_be_one(check, lists):
    rc, out, err = plain(check, "203.0.113.1")
    assert "one look" in " ".join(out.split())


def test_when_an_entry_ends(check, lists):
    """A hint: how long entries of this list live."""
    lists["bl.test"].add("203.0.113.1")
    rc, out, err = plain(check, "203.0.113.1")
    assert re.search(r"\b(7d|7 days)\b", out), out


def test_what_does_not_count(check, lists):
    lists["bl.test"].add("203.0.113.1", "127.0.0.10")
    rc, result = check("203.0.113.1")
    assert (rc, result["result"]) == (0, "clean")
    one = subjects(result)["203.0.113.1"]
    assert one["state"] == "noted" and one["score"] == 0
    assert one["listings"][0]["kind"] == "policy"


def test_an_answer_that_proves_nothing_is_no_clean_one(check, lists):
    """A refusal for this address alone."""
    lists["bl.test"].add("203.0.113.1", "127.255.255.254")
    rc, result = check("203.0.113.1")
    assert (rc, result["result"]) == (2, "unknown")
    row, = [x for x in result["lists"] if x["zone"] == "bl.test"]
    assert (row["health"], row["failed"], row["clean"]) == ("usable", 1, 0)


def test_ipv6(check, lists):
    lists["bl.test"].add("2001:db8::1")
    rc, result = check("2001:DB8:0:0::1")
    assert rc == 1
    assert subjects(result)["2001:db8::1"]["about"] == "ipv6"
    assert check("2001:db8::2")[0] == 0


def test_ipv4_mapped(check, lists):
    lists["bl.test"].add("203.0.113.1")
    rc, result = check("::ffff:203.0.113.1")
    assert rc == 1 and list(subjects(result)) == ["203.0.113.1"]


@pytest.mark.parametrize("word, asked", [
    ("bad.example", "bad.example"),
    ("www.BAD.example.", "bad.example"),
    ("mail.bad.co.uk", "bad.co.uk"),
    ("b\u00f6se.example", "xn--bse-sna.example")])
def test_a_domain(check, lists, word, asked):
    lists["dbl.test"].add(asked, "127.0.1.2")
    rc, result = check(word)
    assert rc == 1
    one = subjects(result)[asked]
    assert (one["about"], one["listings"][0]["name"]) == ("domains",
        "bad domain")
    assert lists["dbl.test"].queries(asked)
    assert not lists["bl.test"].queries(asked)


def test_a_hacked_domain_is_noted(check, lists):
    lists["dbl.test"].add("hacked.example", "127.0.1.102")
    rc, result = check("hacked.example")
    assert rc == 0
    assert subjects(result)["hacked.example"]["state"] == "noted"


def test_a_range(check, lists):
    lists["bl.test"].add("203.0.113.5")
    rc, result = check("203.0.113.0/29")
    assert rc == 1
    assert list(subjects(result)) == ["203.0.113.%d" % n for n in range(8)]
    assert [x["subject"] for x in result["subjects"] if
        x["state"] == "listed"] == ["203.0.113.5"]
    lists["bl.test"].remove("203.0.113.5")
    assert check("203.0.113.0/29")[0] == 0


def test_a_range_of_ipv6_and_of_one(check, lists):
    rc, result = check("2001:db8::8/126", "203.0.113.9/32")
    assert rc == 0
    assert list(subjects(result)) == ["2001:db8::8", "2001:db8::9",
        "2001:db8::a", "2001:db8::b", "203.0.113.9"]


@pytest.mark.parametrize("word", ["203.0.113.1/29", "203.0.113.0/33",
    "203.0.113.0/", "203.0.113.0/-1", "0.0.0.0/0", "10.0.0.0/8",
    "2001:db8::/32", "203.0.113.0/29/29", "bad.example/29"])
def test_a_range_that_is_none_or_too_large(check, dns, word):
    rc, out, err = plain(check, word)
    assert rc == 2 and word in err and out == ""
    assert dns.queries() == []


def test_without_a_word_what_the_daemon_watches_is_checked(brake, lists):
    """Addresses, sender domains, and the domains of the greetings."""
    d = brake(start=False, lists=[catalogue_list("bl.test"),
        catalogue_list("dbl.test", kinds=["domains"])], egress=(
        {"name": "mx1", "addresses": ["203.0.113.1", "2001:db8::1"],
        "hostname": "mx1.greeting.example"},), settings={"domains": [
        "news.shop.example"]})
    rc, out, err = d.cli("check", "--json")
    assert rc == 0, err
    assert set(subjects(json.loads(out))) == {"203.0.113.1", "2001:db8::1",
        "shop.example", "greeting.example"}


def test_several_kinds_at_once(check, lists):
    lists["dbl.test"].add("bad.example", "127.0.1.2")
    rc, result = check("203.0.113.1", "2001:db8::1", "bad.example",
        "203.0.113.1")
    assert rc == 1
    assert {k: v["state"] for k, v in subjects(result).items()} == {
        "203.0.113.1": "clean", "2001:db8::1": "clean",
        "bad.example": "listed"}
    assert len(result["subjects"]) == 3, "each once"


REASONS = {
    "refused_code": ("blind", "own recursive resolver"),
    "filtered": ("blind", "rebinding"),
    "nxdomain": ("blind", "test entry"),
    "world": ("broken", "whole world"),
    "foreign": ("broken", "91.195.240.117"),
    "servfail": ("blind", "SERVFAIL"),
    "silent": ("blind", "time-out"),
}


@pytest.mark.parametrize("mode", REASONS)
def test_a_list_that_cannot_be_believed_is_shown_with_the_reason(check,
    lists, mode):
    health, words = REASONS[mode]
    lists["bl.test"].add("203.0.113.1")
    lists["bl.test"].mode = mode
    rc, result = check("203.0.113.1")
    assert (rc, result["result"]) == (2, "unknown"), \
        "the list that could not tell has weight"
    row, = [x for x in result["lists"] if x["zone"] == "bl.test"]
    assert row["health"] == health and words in row["reason"], row
    assert subjects(result)["203.0.113.1"]["listings"] == []
    if mode != "silent":                # takes its time
        rc, out, err = plain(check, "203.0.113.1")
        out = " ".join(out.split())
        assert rc == 2 and "bl.test %s" % health in out and words in out
        assert "1 of 2 lists" in out


def test_a_weightless_list_that_cannot_tell_does_not_matter(brake, dns, bl):
    dns.list("two.test").mode = "servfail"
    d = brake(start=False, lists=[catalogue_list("bl.test"),
        catalogue_list("two.test", 0)])
    assert d.cli("check", "203.0.113.1")[0] == 0


def test_sixty_lists_that_answer_take_less_than_five_seconds(brake, dns,
    bl):
    """Each answer takes half a second, some need TCP."""
    rows = []
    for n in range(60):
        zone = dns.list("l%d.test" % n)
        zone.delay = 0.5
        zone.truncate = n % 10 == 0
        rows.append(catalogue_list(zone.zone, operator="o%d" % n))
        zone.add("203.0.113.1", txt="why")
    d = brake(start=False, lists=rows, settings={"check": {
        "timeout": "3s"}})
    start = time.monotonic()
    rc, out, err = d.cli("check", "--json", "203.0.113.1", "2001:db8::1")
    # One after the other they would take a minute.
    assert time.monotonic() - start < 15
    result = json.loads(out)
    assert rc == 1 and result["took_ms"] < 15000
    one = subjects(result)["203.0.113.1"]
    assert one["score"] == 6000 and len(one["listings"]) == 60
    assert {x["text"] for x in one["listings"]} == {"why"}
    assert {x["health"] for x in result["lists"]} == {"usable"}


def test_a_list_that_is_silent_among_many_costs_one_time_out(brake, dns,
    bl):
    rows = [catalogue_list("l%d.test" % n) for n in range(20)]
    for row in rows:
        dns.list(row["zone"])
    dns.zones["l7.test"].mode = "silent"
    d = brake(start=False, lists=rows, settings={"check": {
        "timeout": "1s", "tries": 1}})
    start = time.monotonic()
    rc, out, err = d.cli("check", "--json", "203.0.113.1")
    assert rc == 2 and time.monotonic() - start < 12
    assert [x["zone"] for x in json.loads(out)["lists"]
        if x["health"] != "usable"] == ["l7.test"]


def test_lists_that_fail_alike_stand_together(check, lists, dns):
    """And not one by one."""
    dns.mode = "stripped"
    rc, out, err = plain(check, "203.0.113.1")
    assert rc == 2
    assert " ".join(out.split()).count("rebinding") == 1, out


def test_the_answers_of_a_hostile_list(check, lists):
    lists["bl.test"].play("203.0.113.1", lambda name, kind, via: Answer(
        records=[a_record("127.0.0.2", 1)] if kind == "A" else [txt_record(
        b"\x1b]0;x\x07" + b"A" * 240, b"\r\n" * 50)]))
    rc, out, err = plain(check, "203.0.113.1")
    assert rc == 1 and not re.search("[^\n -~]", out + err)
    rc, result = check("203.0.113.1")
    assert len(result["subjects"][0]["listings"][0]["text"]) < 240


def test_without_a_daemon_and_without_a_configuration_of_ones_own(check,
    lists):
    """The socket of no daemon is asked, and nobody need be root."""
    rc, out, err = run_tool("-c", check.daemon.conf_path, "check",
        "203.0.113.1", user="nobody")
    assert rc == 0 and err == ""
