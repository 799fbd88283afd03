"""Many hosts, one Redis: who is there, and who has seen what."""

import json
import signal

import pytest

from harness.clients import ask
from harness.daemon import catalogue_list
from harness.place import wait_for

KEY = "mailbrake:override:"


def connected(d, timeout=15):
    wait_for(lambda: d.status()["store"]["redis"] == "connected", timeout,
        lambda: "Redis connected, is %s" % d.status()["store"])


def named(name):
    """A command that gives what it runs a host name of its own."""
    return ["unshare", "--uts", "sh", "-c",
        'hostname %s && exec "$@"' % name, "sh"]


@pytest.fixture
def two(brake, redis):
    settings = {"redis": {"server": redis.server}}
    one = brake(settings=settings)
    other = brake(start=False, settings=settings, egress=({"name": "mx2",
        "addresses": ["203.0.113.2"], "transport": "mx2"},))
    other.start(prefix=named("mx2.brake.test"))
    for d in (one, other):
        connected(d)
    wait_for(lambda: len(fleet(one)["hosts"]) == 2, 15, "both")
    return one, other


def fleet(d):
    return json.loads(d.must("status", "--fleet", "--json"))


def host(d, name):
    return [h for h in fleet(d)["hosts"] if h["host"] == name][0]


def seen(d, target="all"):
    return [(o["seen_by"], o["of"]) for o in fleet(d)["overrides"]
        if o["target"] == target]


def test_who_is_there(two):
    one, other = two
    for d, name in ((one, "mx1.brake.test"), (other, "mx2.brake.test")):
        found = fleet(d)
        assert [h["host"] for h in found["hosts"]] == ["mx1.brake.test",
            "mx2.brake.test"]
        assert [h["host"] for h in found["hosts"] if h["here"]] == [name]
        for h in found["hosts"]:
            assert h["alive"] and h["same_rules"] and h["same_overrides"]
            assert h["mode"] == "enforce" and h["overrides"] == 0
            assert h["version"] == d.status()["version"]
    text = one.must("status", "--fleet")
    assert "mx1.brake.test (this one)" in text and "as here" in text


def test_an_override_is_seen_by_all_or_it_shows(two, redis):
    one, other = two
    redis.cli("SET", KEY + "all", "stop")
    wait_for(lambda: seen(one) == [(2, 2)] == seen(other), 15, "2 of 2")
    other.process.send_signal(signal.SIGSTOP)
    try:
        redis.cli("SET", KEY + "all", "stop for another reason")
        redis.cli("SET", KEY + "account:ann", "send")
        wait_for(lambda: seen(one) == [(1, 2)], 15, "1 of 2")
        assert seen(one, "account:ann") == [(1, 2)]
        assert "1 of 2" in one.must("status", "--fleet")
        assert not host(one, "mx2.brake.test")["same_overrides"]
    finally:
        other.process.send_signal(signal.SIGCONT)
    wait_for(lambda: seen(one) == [(2, 2)] and
        seen(one, "account:ann") == [(2, 2)], 10, "2 of 2 again")
    assert host(one, "mx2.brake.test")["same_overrides"]


def test_more_overrides_than_have_marks(two, redis):
    one, other = two
    client = redis.client()
    with client.pipeline() as p:
        for n in range(300):
            p.set(KEY + "account:a%d" % n, "stop")
        p.execute()
    wait_for(lambda: len(fleet(one)["overrides"]) == 300 and
        {(o["seen_by"], o["of"]) for o in fleet(one)["overrides"]} ==
        {(2, 2)}, 20, "all seen by both")
    assert host(one, "mx2.brake.test")["overrides"] == 300


def test_other_rules_are_shown(two):
    one, other = two
    other.write_conf({"stop": {"score": 70}})
    other.must("reload")
    wait_for(lambda: not host(one, "mx2.brake.test")["same_rules"], 15,
        "the difference")
    assert "OTHERS" in one.must("status", "--fleet")
    # What belongs to a host alone makes no difference.
    other.write_conf({"stop": {"score": 100},
        "local_domains": ["elsewhere.test"]})
    other.must("reload")
    wait_for(lambda: host(one, "mx2.brake.test")["same_rules"], 15,
        "the same again")


def test_a_host_that_is_gone_is_missed(two, redis):
    one, other = two
    other.kill9()
    ttl = redis.client().ttl("mailbrake:node:mx2.brake.test")
    assert 0 < ttl <= 30
    redis.cli("DEL", "mailbrake:node:mx2.brake.test")   # as it will be
    wait_for(lambda: not host(one, "mx2.brake.test")["alive"], 15,
        "its absence")
    redis.cli("SET", KEY + "all", "stop")
    wait_for(lambda: seen(one) == [(1, 1)], 15, "those that are there")
    assert "not heard of" in one.must("status", "--fleet")


def test_without_redis_there_is_no_fleet(brake, redis):
    d = brake()
    rc, out, err = d.cli("status", "--fleet")
    assert rc == 1 and "no redis" in out + err
    d.write_conf({"redis": {"server": redis.server}})
    d.must("reload")
    connected(d)
    wait_for(lambda: fleet(d)["hosts"], 15, "this one")
    redis.kill9()
    wait_for(lambda: d.status()["store"]["redis"] != "connected", 10)
    found = fleet(d)
    assert found["store"]["redis"] != "connected"
    assert [h["host"] for h in found["hosts"]] == ["mx1.brake.test"]
    assert "Redis is not connected" in d.must("status", "--fleet")


def test_a_word_of_one_hosts_tool_reaches_the_other(two):
    one, other = two
    one.must("stop", "all", "--reason", "drill")
    wait_for(lambda: ask(other) != "DUNNO", 15, "the stop")
    other.must("auto", "all")
    wait_for(lambda: ask(one) == "DUNNO", 15, "its removal")


# -- what is shown in Redis

def test_the_state_of_an_egress_with_another_name_goes(two, redis):
    one, other = two
    redis.wait_key(lambda c: c.exists("mailbrake:state:mx1") and
        c.exists("mailbrake:state:mx2"))
    one.must("stop", "mx1")
    redis.wait_key(lambda c: c.zscore("mailbrake:stopped", "mx1"))
    names = "mailbrake:names:mx1.brake.test"
    redis.wait_key(lambda c: c.get(names) == "mx1\n")
    one.stop()
    one.write_conf({"egress": ({"name": "out-1", "addresses":
        ["203.0.113.1"], "transport": "mx1"},)})
    # With many hosts it may not look at the states of all of them.
    for n in range(50):
        redis.client().hset("mailbrake:state:far%d" % n, "host", "far")
    redis.client().config_resetstat()
    one.start()
    redis.wait_key(lambda c: c.exists("mailbrake:state:out-1") and
        not c.exists("mailbrake:state:mx1") and
        c.zscore("mailbrake:stopped", "mx1") is None)
    assert redis.client().exists("mailbrake:state:mx2"), "another host's"
    redis.wait_key(lambda c: c.get(names) == "out-1\n")
    assert redis.client().info("commandstats")["cmdstat_hget"]["calls"] < 10


def test_an_egress_that_simply_sends_takes_little_room(two, redis):
    redis.wait_key(lambda c: set(c.hkeys("mailbrake:state:mx1")) ==
        {"state", "since", "checked", "host"})
    assert redis.client().hget("mailbrake:state:mx1", "state") == "sending"


def test_the_state_of_a_sender_domain(brake, redis, dns):
    dns.list("dbl.test", test_codes=("127.0.1.2",))
    dbl = dns.zones["dbl.test"]
    d = brake(lists=[catalogue_list("dbl.test", kinds=("domains",),
        answers=({"code": "127.0.1.2", "means": "listed", "name": "SPAM"},))],
        settings={"domains": ["example.org", "example.net"],
        "redis": {"server": redis.server}})
    connected(d)
    redis.wait_key(lambda c: c.hget("mailbrake:state:domain:example.org",
        "state") == "sending")
    dbl.add("example.org", codes="127.0.1.2")
    state = redis.wait_key(lambda c: c.zscore("mailbrake:stopped",
        "domain:example.org") and
        c.hgetall("mailbrake:state:domain:example.org"), timeout=10)
    assert state["state"] == "stopped" and state["score"] == "100"
    assert "l:dbl.test" in state and "dbl.test" in state["reason"]
    redis.cli("SET", KEY + "domain:example.net", "stop drill")
    redis.wait_key(lambda c: c.hget("mailbrake:state:domain:example.net",
        "state") == "stopped")
    redis.cli("DEL", KEY + "domain:example.net")
    dbl.remove("example.org")
    redis.wait_key(lambda c: c.zcard("mailbrake:stopped") == 0, timeout=10)
