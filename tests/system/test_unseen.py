"""Nobody is let out unseen, and nobody is kept in by what does not concern
him."""

import subprocess

from harness.clients import ask
from harness.daemon import catalogue_list


def test_probation_does_not_end_while_nothing_can_be_seen(brake, dns, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"resume": {"ramp": "2s"}})
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    e = d.wait_state("probation")
    dns.mode = "silent"
    d.wait_health("blind")
    d.wait_egress(lambda now: now["until"] is not None and
        d.status()["now"] > e["until"], what="the end of the ramp")
    bl.wait_query("203.0.113.1", count=3)
    assert d.egress()["state"] == "probation"
    dns.mode = None
    d.wait_state("sending")


def test_a_silent_list_of_ipv6_does_not_keep_what_ipv4_let_go(brake, dns,
    bl):
    six = dns.list("six.test")
    six.mode = "silent"
    bl.add("203.0.113.1")
    d = brake(egress=({"name": "mx1", "addresses": ["203.0.113.1",
        "2001:db8::1"]},), lists=[catalogue_list("bl.test",
        kinds=("ipv4",)), catalogue_list("six.test", kinds=("ipv6",))])
    d.wait_state("stopped")
    d.wait_health("blind", "six.test")
    bl.remove("203.0.113.1")
    d.wait_state("sending")


def test_a_target_has_one_spelling(brake, redis):
    d = brake(settings={"redis": {"server": redis.server}})
    d.wait_egress(lambda e: d.status()["store"]["redis"] == "connected")
    d.must("stop", "MX1")
    assert d.egress()["override"]["target"] == "mx1"
    d.wait_egress(lambda e: redis.cli("EXISTS",
        "mailbrake:override:mx1").strip() == "1")
    d.must("auto", "mx1")
    d.wait_egress(lambda e: redis.cli("KEYS",
        "mailbrake:override:*").strip() == "")
    assert ask(d) == "DUNNO"


def test_a_route_that_is_away_at_a_reload_takes_no_address(brake, bl):
    """The default routes are those that tests/system/run has made."""
    def route(*words):
        subprocess.run(["ip", "route", *words, "default", "dev", "lo",
            "src", "203.0.113.1"], check=True)
    bl.add("203.0.113.1")
    d = brake(start=False)
    del d.settings["egress"]
    d.write_conf()
    d.start()
    both = {"203.0.113.1", "2001:db8::1"}
    assert set(d.wait_state("stopped", "default")["addresses"]) == both
    route("del")
    try:
        mark = d.mark()
        d.reload()
        d.wait_log("read again", since=mark)
        bl.wait_query("203.0.113.1", count=3)
        e = d.egress("default")
        assert (set(e["addresses"]), e["state"]) == (both, "stopped")
        assert ask(d).startswith("451 4.7.1 ")
    finally:
        route("add")
