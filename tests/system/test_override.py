"""An operator's word beats all evidence, and ends when he said."""

import time

import pytest

from harness.clients import ask
from harness.place import wait_for
from harness.proxy import Proxy

KEY = "mailbrake:override:"


@pytest.fixture
def fleet(brake, redis):
    """A mailbraked with Redis."""
    d = brake(settings={"redis": {"server": redis.server}})
    wait_for(lambda: d.status()["store"]["redis"] == "connected", 15,
        "the connection to Redis")
    return d


def soon(condition, what):
    """By a notice: what is found by reading everything takes half a minute,
    and this a second, unless the machine has no time."""
    wait_for(condition, 8, what)


def stopped(d, **attributes):
    answer = ask(d, **attributes)
    assert answer == "DUNNO" or answer.startswith("451 4.7.1 "), answer
    return answer != "DUNNO"


# -- by redis-cli

@pytest.mark.parametrize("target", ["mx1", "203.0.113.1", "all"])
def test_redis_cli_stops_and_its_removal_releases(fleet, redis, target):
    assert not stopped(fleet)
    assert redis.cli("SET", KEY + target, "stop looking into it") == "OK"
    soon(lambda: stopped(fleet), "the stop")
    e = fleet.egress()
    assert e["state"] == "stopped" and e["evidence_state"] == "sending"
    assert e["override"]["word"] == "stop"
    assert e["override"]["target"] == target
    assert "looking into it" in e["override"]["reason"]
    assert e["override"]["until"] is None
    redis.cli("DEL", KEY + target)
    soon(lambda: not stopped(fleet), "the release")
    assert fleet.egress()["override"] is None


def test_redis_cli_sends_in_spite_of_a_listing(fleet, redis, bl):
    bl.add("203.0.113.1")
    fleet.wait_state("stopped")
    redis.cli("SET", KEY + "mx1", "send")
    soon(lambda: not stopped(fleet), "the word to send")
    e = fleet.egress()
    assert (e["state"], e["evidence_state"]) == ("sending", "stopped")
    redis.cli("DEL", KEY + "mx1")
    soon(lambda: stopped(fleet), "the evidence's return")


def test_an_end_given_with_ex_is_kept(fleet, redis):
    before = time.monotonic()
    redis.cli("SET", KEY + "mx1", "stop", "EX", 5)
    soon(lambda: stopped(fleet), "the stop")
    assert fleet.egress()["override"]["until"]
    wait_for(lambda: not stopped(fleet), 15, "the end")
    assert time.monotonic() - before >= 4.9, "none too early"


def test_an_end_comes_also_when_redis_is_dead(fleet, redis):
    redis.cli("SET", KEY + "mx1", "stop", "EX", 5)
    soon(lambda: stopped(fleet), "the stop")
    redis.kill9()
    wait_for(lambda: fleet.status()["store"]["redis"] != "connected", 15)
    wait_for(lambda: not stopped(fleet), 15, "the end")


def test_a_word_without_an_end_stands_while_redis_is_dead(fleet, redis):
    redis.cli("SET", KEY + "mx1", "stop")
    soon(lambda: stopped(fleet), "the stop")
    redis.kill9()
    wait_for(lambda: fleet.status()["store"]["redis"] != "connected", 15)
    assert stopped(fleet)
    fleet.restart("kill9")
    assert stopped(fleet), "the state file knows it too"


def test_a_word_changed_while_redis_was_away_is_seen(fleet, redis):
    redis.cli("SET", KEY + "mx1", "stop")
    soon(lambda: stopped(fleet), "the stop")
    redis.freeze()
    wait_for(lambda: fleet.status()["store"]["redis"] != "connected", 15,
        "notice of the frozen Redis")
    assert stopped(fleet)
    redis.thaw()
    redis.cli("SET", KEY + "mx1", "send")
    wait_for(lambda: not stopped(fleet), 15, "the new word")


def test_expire_and_persist_change_the_end(fleet, redis):
    redis.cli("SET", KEY + "mx1", "stop")
    soon(lambda: stopped(fleet), "the stop")
    redis.cli("EXPIRE", KEY + "mx1", 600)
    soon(lambda: fleet.egress()["override"]["until"], "an end")
    redis.cli("PERSIST", KEY + "mx1")
    soon(lambda: not fleet.egress()["override"]["until"],
        "no end")


def test_account(fleet, redis):
    redis.cli("SET", KEY + "account:ann", "stop")
    soon(lambda: stopped(fleet, sasl_username="ann"), "the stop")
    assert not stopped(fleet) and not stopped(fleet, sasl_username="ben")
    assert stopped(fleet, sasl_username="ann", recipient="x@local.test"), \
        "a stopped account sends nothing at all"


def test_domain(fleet, redis):
    redis.cli("SET", KEY + "domain:example.org", "stop")
    soon(lambda: stopped(fleet, sender="a@example.org"),
        "the stop")
    assert stopped(fleet, sender="a@EXAMPLE.ORG")
    assert not stopped(fleet, sender="a@example.com")
    assert not stopped(fleet, sender="a@notexample.org")


def test_an_account_may_go_on_while_its_egress_is_listed(fleet, redis, bl):
    bl.add("203.0.113.1")
    fleet.wait_state("stopped")
    redis.cli("SET", KEY + "account:alerts", "send")
    soon(lambda: not stopped(fleet, sasl_username="alerts"),
        "the word to send")
    assert stopped(fleet)


def test_a_stop_beats_every_send(fleet, redis):
    redis.cli("SET", KEY + "account:ann", "stop")
    redis.cli("SET", KEY + "mx1", "send")
    redis.cli("SET", KEY + "all", "send")
    soon(lambda: fleet.egress()["override"] and
        stopped(fleet, sasl_username="ann"), "the stop")
    assert not stopped(fleet)
    redis.cli("SET", KEY + "all", "stop")
    soon(lambda: stopped(fleet), "the stop of all")


@pytest.mark.parametrize("value", ["stpo", "", "STOPP now", "1", "stop" * 99,
    "s\x00top", "stöp"])
def test_a_value_that_is_not_understood_changes_nothing_and_is_said(fleet,
    redis, value):
    mark = fleet.mark()
    client = redis.client()
    client.set(KEY + "mx1", value)
    fleet.wait_log(r"override.*mx1|mx1.*override", since=mark)
    assert not stopped(fleet)
    assert fleet.egress()["override"] is None
    # A good word afterwards works.
    client.set(KEY + "mx1", "stop")
    soon(lambda: stopped(fleet), "the stop")
    # And garbage afterwards does not undo it.
    mark = fleet.mark()
    client.set(KEY + "mx1", value)
    fleet.wait_log(r"override.*mx1|mx1.*override", since=mark)
    assert stopped(fleet), "a doubtful word never releases"


def test_a_key_of_another_type_changes_nothing_and_is_said(fleet, redis):
    mark = fleet.mark()
    redis.client().lpush(KEY + "mx1", "stop")
    fleet.wait_log(r"mx1", since=mark)
    assert not stopped(fleet)
    redis.cli("SET", KEY + "203.0.113.1", "stop")
    soon(lambda: stopped(fleet), "the stop")


def test_a_target_that_nobody_knows_changes_nothing_and_is_said(fleet,
    redis):
    mark = fleet.mark()
    redis.cli("SET", KEY + "mx7", "stop")
    fleet.wait_log(r"mx7", since=mark)
    assert not stopped(fleet)


def test_hundreds_of_words_are_all_seen(fleet, redis):
    client = redis.client()
    with client.pipeline() as p:
        for n in range(500):
            p.set(KEY + "account:a%d" % n, "stop drill %d" % n)
        p.execute()
    wait_for(lambda: stopped(fleet, sasl_username="a0") and
        stopped(fleet, sasl_username="a499") and
        len(fleet.status()["overrides"]) == 500, 15, "500 overrides")
    client.delete(*client.keys(KEY + "*"))
    wait_for(lambda: not fleet.status()["overrides"], 15, "their end")


def test_another_prefix(brake, redis):
    d = brake(settings={"redis": {"server": redis.server,
        "prefix": "mail:one:"}})
    redis.cli("SET", KEY + "mx1", "stop")
    redis.cli("SET", "mail:one:override:mx1", "send other prefix")
    wait_for(lambda: d.egress()["override"], 15, "the override")
    assert not stopped(d)


def test_words_are_not_read_from_another_database(brake, redis):
    d = brake(settings={"redis": {"server": redis.server, "database": 2}})
    redis.client(db=0).set(KEY + "mx1", "stop")
    redis.client(db=2).set(KEY + "account:x", "stop")
    wait_for(lambda: d.status()["overrides"], 15, "the override")
    assert not stopped(d)


# -- by the tool

@pytest.fixture(params=["without Redis", "with Redis"])
def tooled(request):
    if request.param == "with Redis":
        d = request.getfixturevalue("fleet")
        d.redis = request.getfixturevalue("redis")
    else:
        d = request.getfixturevalue("brake")()
        d.redis = None
    return d


def test_the_tool_stops_sends_and_forgets(tooled, bl):
    d = tooled
    out = d.must("stop", "mx1", "--reason", "drill by ann")
    assert "mx1" in out
    assert stopped(d), "at once"
    assert "drill by ann" in d.egress()["override"]["reason"]
    d.must("auto", "mx1")
    assert not stopped(d)
    bl.add("203.0.113.1")
    d.wait_egress(lambda e: e["evidence_state"] == "stopped")
    assert stopped(d)
    d.must("send", "mx1")
    assert not stopped(d)
    d.must("auto", "mx1")
    assert stopped(d)


def test_the_tools_words_are_in_redis(fleet, redis):
    fleet.must("stop", "mx1", "--for", "2h", "--reason", "drill")
    redis.wait_key(lambda c: (c.get(KEY + "mx1") or "").startswith(
        "stop drill"))
    assert 7100 <= redis.client().ttl(KEY + "mx1") <= 7200
    fleet.must("send", "mx1")
    redis.wait_key(lambda c: (c.get(KEY + "mx1") or "").startswith(
        "send") and c.ttl(KEY + "mx1") == -1)
    fleet.must("auto", "mx1")
    redis.wait_key(lambda c: not c.exists(KEY + "mx1"))
    assert not stopped(fleet)


def test_a_word_of_the_tool_while_redis_is_away_gets_there_later(fleet,
    redis):
    redis.kill9()
    fleet.must("stop", "mx1", "--reason", "redis is away")
    assert stopped(fleet)
    redis.start()
    redis.wait_key(lambda c: (c.get(KEY + "mx1") or "").startswith("stop"),
        timeout=20)
    assert stopped(fleet), "the empty Redis did not undo it"


def test_for_ends_by_itself(tooled):
    d = tooled
    d.must("stop", "mx1", "--for", "5s")
    assert stopped(d)
    wait_for(lambda: not stopped(d), 15, "the end")
    assert d.egress()["override"] is None


@pytest.mark.parametrize("front", ["policy", "gate"])
def test_a_word_of_redis_counts_from_the_first_moment(place, brake, redis,
    front):
    """It was set while the daemon was away, and Redis takes its time: no
    question is answered and no gate is opened before it is heard."""
    proxy = Proxy(place, redis.server)
    d = brake(fronts=("policy", front), settings={
        "redis": {"server": proxy.server}})
    wait_for(lambda: d.status()["store"]["redis"] == "connected", 5)
    if front == "gate":
        redis.cli("SET", KEY + "mx1", "stop")
        d.wait_log("mx1: its gate is shut")
    d.kill9()
    for name in ("state", "state.old"):
        (d.state_dir / name).unlink(missing_ok=True)
    redis.cli("SET", KEY + "mx1", "stop")
    proxy.delay = 0.05
    mark = d.mark()
    d.start()
    assert stopped(d), "the very first answer"
    if front == "gate":
        d.wait_log("mx1: its gate is shut, as it was found", since=mark)
        assert not d.logged("gate is open", since=mark)


def test_a_redis_that_says_nothing_is_not_waited_for(place, brake, redis):
    proxy = Proxy(place, redis.server)
    proxy.deaf = True
    d = brake(start=False, settings={"redis": {"server": proxy.server}})
    start = time.monotonic()
    d.start()
    assert time.monotonic() - start < 4
    assert not stopped(d)


@pytest.mark.parametrize("target, hit, miss", [
    ("all", {}, None),
    ("203.0.113.1", {}, None),
    ("account:ann", {"sasl_username": "ann"}, {}),
    ("domain:example.org", {"sender": "x@example.org"},
        {"sender": "x@example.com"}),
])
def test_every_kind_of_target(tooled, target, hit, miss):
    d = tooled
    d.must("stop", target)
    assert stopped(d, **hit)
    if miss is not None:
        assert not stopped(d, **miss)
    assert [o["target"] for o in d.status()["overrides"]] == [target]
    d.must("auto", target)
    assert not stopped(d, **hit)
    assert d.status()["overrides"] == []


@pytest.mark.parametrize("arguments", [
    ["stop", "mx7"],
    ["stop", "203.0.113.77"],
    ["stop", "account:"],
    ["send", "nonsense:x"],
])
def test_a_target_that_nobody_knows_is_refused(brake, arguments):
    d = brake()
    rc, out, err = d.cli(*arguments)
    assert rc == 1, (out, err)
    assert arguments[1] in out + err
    assert not stopped(d) and d.status()["overrides"] == []


@pytest.mark.parametrize("arguments", [
    ["stop"],
    ["stop", "mx1", "--for"],
    ["stop", "mx1", "--for", "5"],
    ["stop", "mx1", "--for", "-5m"],
    ["stop", "mx1", "--for", "soon"],
    ["stop", "mx1", "mx2"],
])
def test_a_word_that_is_not_complete_is_refused(brake, arguments):
    d = brake()
    rc, out, err = d.cli(*arguments)
    assert rc == 2 and err, (rc, out, err)
    assert not stopped(d)
