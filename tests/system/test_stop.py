"""A listed address is stopped, whichever way a mail server asks."""

import re

import pytest

from harness.clients import Milter, ask
from harness.daemon import catalogue_list
from harness.dns import Dns, Rbldnsd

BOTH = ("milter", "policy")

REFUSAL = re.compile(r"4\.7\.1 .*Outbound mail paused: 203\.0\.113\.1 is "
    r"listed by bl\.test.*\[mailbrake mx1\]")


@pytest.mark.parametrize("front", BOTH)
def test_a_listed_address_is_refused_with_the_reason(brake, bl, postfix,
    sink, front):
    bl.add("203.0.113.1", txt="sent to a trap")
    d = brake(fronts=(front,))
    pf = postfix(d)
    d.wait_state("stopped")
    answer = pf.send("ann@example.org", ["bob@example.net"])
    assert (answer.code, answer.stage) == (451, "rcpt")
    assert REFUSAL.search(answer.text), answer.text
    assert pf.queue() == [] and sink.messages == []


@pytest.mark.parametrize("front", BOTH)
def test_an_unlisted_address_sends(brake, bl, postfix, sink, front):
    d = brake(fronts=(front,))
    pf = postfix(d)
    d.wait_health("usable")
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 250
    assert sink.wait()[0].source == "203.0.113.1"
    assert d.egress()["state"] == "sending"


def test_before_the_first_answer_mail_flows(brake, dns, bl, postfix):
    dns.mode = "silent"
    d = brake(fronts=BOTH)
    pf = postfix(d)
    assert pf.send("ann@example.org", ["bob@example.net"],
        on="milter").code == 250
    assert pf.send("ann@example.org", ["bob@example.net"],
        on="policy").code == 250


def test_a_listing_stops_a_session_that_is_already_open(brake, bl, postfix):
    d = brake(fronts=BOTH)
    pf = postfix(d)
    sessions = {front: pf.connect(front) for front in BOTH}
    for smtp in sessions.values():
        assert pf.send("ann@example.org", ["bob@example.net"],
            smtp=smtp).code == 250
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    for smtp in sessions.values():
        answer = pf.send("ann@example.org", ["bob@example.net"], smtp=smtp)
        assert answer.code == 451, answer
        smtp.quit()


def test_a_real_list_server_stops_and_releases(place, brake, postfix, sink):
    rbl = place.add(Rbldnsd(place))
    d = brake(dns=rbl, lists=[catalogue_list("rbl.test", kinds=["ipv4"])],
        fronts=BOTH)
    pf = postfix(d)
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 250
    sink.wait()
    d.wait_health("usable", "rbl.test")
    rbl.add("203.0.113.1", txt="see https://rbl.test/203.0.113.1")
    d.wait_state("stopped")
    for front in BOTH:
        answer = pf.send("ann@example.org", ["bob@example.net"], on=front)
        assert answer.code == 451 and "rbl.test" in answer.text
    rbl.remove("203.0.113.1")
    d.wait_state("sending")
    for front in BOTH:
        assert pf.send("ann@example.org", ["bob@example.net"],
            on=front).code == 250
    sink.wait(count=3)


def test_an_ipv6_egress_is_stopped_by_its_ipv6_listing(brake, bl, postfix):
    bl.add("2001:db8::1")
    d = brake(egress=({"name": "mx1", "addresses": ["203.0.113.1",
        "2001:db8::1"], "transport": "mx1"},), fronts=BOTH)
    pf = postfix(d)
    d.wait_state("stopped")
    for front in BOTH:
        answer = pf.send("ann@example.org", ["bob@example.net"], on=front)
        assert answer.code == 451 and "2001:db8::1" in answer.text, answer
    listing, = d.egress()["listings"]
    assert listing["address"] == "2001:db8::1" and listing["confirmed"]


def test_an_ipv4_mapped_address_is_asked_about_as_ipv4(brake, bl):
    bl.add("203.0.113.1")
    d = brake(egress=({"name": "mx1", "addresses": ["::ffff:203.0.113.1"]},))
    d.wait_state("stopped")
    assert bl.queries("203.0.113.1")


def test_a_list_of_ipv4_is_not_asked_about_ipv6(brake, bl):
    d = brake(lists=[catalogue_list("bl.test", kinds=["ipv4"])],
        egress=({"name": "mx1", "addresses": ["203.0.113.1",
        "2001:db8::1"]},))
    bl.wait_sweeps(2)
    assert bl.queries("203.0.113.1") and not bl.queries("2001:db8::1")
    assert not bl.queries("::ffff:7f00:2")
    assert d.running()


def test_the_listing_is_shown_with_what_the_list_said(brake, bl):
    bl.add("203.0.113.1", "127.0.0.4", txt="bought a\x07botnet \x1b[31m")
    d = brake()
    e = d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"] and e["listings"][0]["text"])
    listing, = e["listings"]
    assert (listing["zone"], listing["code"], listing["name"],
        listing["weight"], listing["confirmed"]) == ("bl.test", "127.0.0.4",
        "BOT", 100, True)
    assert "botnet" in listing["text"]
    assert "\x07" not in listing["text"] and "\x1b" not in listing["text"]
    assert e["score"] == 100 and e["evidence_state"] == "stopped"
    assert "\x1b" not in d.log()


def test_the_log_says_why_it_stopped_in_one_line(brake, bl):
    bl.add("203.0.113.1")
    d = brake()
    d.wait_state("stopped")
    line = d.wait_log(r"mx1.*stopped.*").group(0)
    assert "bl.test" in line or d.logged("203.0.113.1.*bl.test")
    bl.wait_sweeps(2)
    assert len(d.logged(r"mx1.*\bstopped\b")) == 1, "repeats are not news"


def test_two_middling_lists_of_different_operators_stop_together(place,
    dns, brake):
    a, b = dns.list("a.test"), dns.list("b.test")
    a.add("203.0.113.1")
    d = brake(lists=[catalogue_list("a.test", 50, "ann"),
        catalogue_list("b.test", 50, "ben")])
    d.wait_egress(lambda e: e["score"] == 50 and e["state"] == "sending")
    b.add("203.0.113.1")
    e = d.wait_state("stopped")
    assert e["score"] == 100
    assert {x["zone"] for x in e["listings"]} == {"a.test", "b.test"}


def test_two_lists_of_one_operator_count_once(dns, brake):
    a, b = dns.list("a.test"), dns.list("b.test")
    a.add("203.0.113.1")
    b.add("203.0.113.1")
    d = brake(lists=[catalogue_list("a.test", 50, "ann"),
        catalogue_list("b.test", 60, "ann")])
    e = d.wait_egress(lambda e: len([x for x in e["listings"] if
        x["confirmed"]]) == 2)
    assert e["state"] == "sending" and e["score"] == 60
    assert ask(d) == "DUNNO"


def test_a_list_without_weight_only_reports(brake, bl):
    bl.add("203.0.113.1")
    d = brake(lists=[catalogue_list("bl.test", 0)])
    e = d.wait_egress(lambda e: e["listings"] and
        e["listings"][0]["confirmed"])
    assert e["state"] == "sending" and e["score"] == 0
    assert ask(d) == "DUNNO"


def test_a_lower_score_can_be_asked_for(brake, bl):
    bl.add("203.0.113.1")
    d = brake(lists=[catalogue_list("bl.test", 40)],
        settings={"stop": {"score": 40}})
    d.wait_state("stopped")
    assert ask(d).startswith("451 4.7.1 ")


def test_a_list_added_in_the_configuration_counts(dns, brake):
    own = dns.list("own.test")
    own.add("203.0.113.1")
    d = brake(settings={"lists": ({"zone": "own.test", "weight": 100},)})
    d.wait_state("stopped")
    assert "own.test" in ask(d)


def test_the_configuration_changes_the_catalogues_weight(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"lists": ({"zone": "bl.test", "weight": 30},)})
    e = d.wait_egress(lambda e: e["score"] == 30)
    assert e["state"] == "sending"


TWO = ({"name": "mx1", "addresses": ["203.0.113.1"], "transport": "mx1"},
    {"name": "mx2", "addresses": ["203.0.113.2"], "transport": "mx2"})


def test_only_the_listed_egress_is_stopped(brake, bl, postfix, sink):
    bl.add("203.0.113.1")
    d = brake(egress=TWO, fronts=("milter",), settings={"pools": (
        {"name": "one", "egress": ["mx1"], "actions": ["tempfail"]},
        {"name": "two", "egress": ["mx2"], "actions": ["tempfail"]})})
    pf = postfix(d, transports={
        "mx1": {"smtp_bind_address": "203.0.113.1"},
        "mx2": {"smtp_bind_address": "203.0.113.2"}},
        main={"relayhost": sink.nexthop,
            "sender_dependent_default_transport_maps":
            "inline:{ { carl@example.org = mx2: } }"})
    d.wait_state("stopped", "mx1")
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 451
    assert pf.send("carl@example.org", ["bob@example.net"]).code == 250
    assert sink.wait()[0].source == "203.0.113.2"
    assert d.egress("mx2")["state"] == "sending"


def test_observe_mode_reports_and_lets_everything_pass(brake, bl, postfix,
    sink):
    bl.add("203.0.113.1")
    d = brake(settings={"mode": "observe"}, fronts=BOTH)
    pf = postfix(d)
    d.wait_state("stopped")
    for front in BOTH:
        assert pf.send("ann@example.org", ["bob@example.net"], on=front,
            text=front).code == 250
        sink.wait(front)
    assert d.status()["mode"] == "observe"


def test_a_second_resolver_confirms(place, brake, dns, bl):
    other = place.add(Dns())
    other.serve(bl)
    bl.add("203.0.113.1")
    d = brake(dns=[dns, other])
    d.wait_state("stopped")
    for server in (dns, other):
        assert [q for q in server.queries() if q.subject == "203.0.113.1"]


def test_a_dead_second_resolver_does_not_save_a_listed_address(place, brake,
    dns, bl):
    dead = place.add(Dns())
    dead.serve(bl)
    dead.stop()
    bl.add("203.0.113.1")
    d = brake(dns=[dns, dead])
    d.wait_state("stopped")
    assert ask(d).startswith("451 4.7.1 ")


def test_a_cut_answer_is_asked_for_again_over_tcp(brake, bl):
    bl.truncate = True
    bl.add("203.0.113.1")
    d = brake()
    d.wait_state("stopped")
    assert [q for q in bl.queries("203.0.113.1") if q.via == "tcp"]


def test_names_are_absolute(brake, dns, bl):
    brake()
    bl.wait_sweeps(2)
    outside = [q.name for q in dns.queries() if q.zone is None]
    assert outside == [], "the search list of resolv.conf was used"


def test_status_counts_what_the_front_ends_were_asked(brake, bl, postfix):
    d = brake(fronts=BOTH)
    pf = postfix(d)
    for front in BOTH:
        pf.send("ann@example.org", ["bob@example.net"], on=front)
    fronts = {f["name"]: f for f in d.status()["fronts"]}
    assert fronts["milter"]["requests"] >= 1 and fronts["milter"]["last"]
    assert fronts["policy"]["requests"] >= 1 and fronts["policy"]["last"]


def test_both_front_ends_and_explain_say_the_same(brake, bl):
    bl.add("203.0.113.1")
    d = brake(fronts=BOTH)
    d.wait_state("stopped")
    with Milter(d.milter) as m:
        m.connect()
        m.helo()
        m.mail("ann@example.org")
        by_milter = m.rcpt("bob@example.net")[1]
    by_policy = ask(d)
    out = d.must("explain", "ann@example.org", "bob@example.net")
    assert by_milter == by_policy
    sentence = by_policy[len("451 4.7.1 "):]
    assert sentence in " ".join(out.split()), out
