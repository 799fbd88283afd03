"""A Redis that loses what it had removes nobody's word."""

import pytest

from harness.clients import ask
from harness.place import free_port, wait_for

KEY = "mailbrake:override:"


def connected(d, state="connected", timeout=15):
    wait_for(lambda: d.status()["store"]["redis"] == state, timeout,
        lambda: "Redis %s, is %s" % (state, d.status()["store"]))


def stopped(d, **attributes):
    return ask(d, **attributes) != "DUNNO"


def words(d):
    return {o["target"]: o["word"] for o in d.status()["overrides"]}


def settled(d):
    """Until the state file knows these data."""
    wait_for(lambda: b"life " in d.state_path.read_bytes(), 15,
        "the data to be known")


@pytest.fixture
def spoken(brake, redis):
    """A stop without an end, a send with one, and one removed again."""
    d = brake(settings={"redis": {"server": redis.server}})
    connected(d)
    redis.cli("SET", KEY + "mx1", "stop by ann")
    redis.cli("SET", KEY + "account:alerts", "send", "EX", 600)
    redis.cli("SET", KEY + "account:ben", "stop")
    wait_for(lambda: len(words(d)) == 3, 15, "three overrides")
    redis.cli("DEL", KEY + "account:ben")
    wait_for(lambda: len(words(d)) == 2, 15, "two overrides")
    settled(d)
    return d


def flushall(redis):
    redis.cli("FLUSHALL")


def flushdb(redis):
    redis.cli("FLUSHDB", "ASYNC")


def emptied_by_hand(redis):
    """All keys with the prefix, as an administrator would."""
    client = redis.client()
    client.delete(*client.keys("mailbrake:*"))



def restarted_empty(redis):
    redis.kill9()
    redis.start()


def replaced(redis):
    """Another one, long in use, at the same address.  It has all its data
    before it can be reached there."""
    redis.kill9()
    address, redis.port = redis.port, free_port()
    redis.start()
    redis.cli("SET", "mailbrake:life", "0123456789abcdef01234567")
    redis.cli("SET", KEY + "account:cleo", "stop")
    assert redis.cli("SAVE") == "OK"
    redis.kill9()
    redis.port = address
    redis.start()


LOSSES = [flushall, flushdb, emptied_by_hand, restarted_empty, replaced]


@pytest.mark.parametrize("loss", LOSSES)
def test_words_stay_and_are_written_back(spoken, redis, loss):
    mark = spoken.mark()
    loss(redis)
    redis.wait_key(lambda c: c.get(KEY + "mx1") == "stop by ann" and
        c.get(KEY + "account:alerts") == "send", timeout=20)
    assert stopped(spoken)
    assert words(spoken) == {"mx1": "stop", "account:alerts": "send",
        **({"account:cleo": "stop"} if loss is replaced else {})}
    assert 500 < redis.client().ttl(KEY + "account:alerts") <= 600
    assert redis.client().ttl(KEY + "mx1") == -1
    assert not redis.client().exists(KEY + "account:ben"), "was removed"
    # It is said: in the log, in the time line, by status.
    spoken.wait_log("Redis: .*2 overrides that it had lost stay in force",
        since=mark)
    assert not spoken.logged("evidence decides again", since=mark)
    assert "2 overrides that it had lost" in " ".join(
        spoken.must("events").split())
    assert "2 overrides that it had lost" in " ".join(
        spoken.must("status").split())
    redis.wait_key(lambda c: any("had lost" in fields["text"]
        for _, fields in c.xrange("mailbrake:events")))
    # And from then on a removal is one.
    wait_for(lambda: all(o["source"] == "redis"
        for o in spoken.status()["overrides"]), 15, "words from Redis")
    redis.cli("DEL", KEY + "mx1")
    wait_for(lambda: not stopped(spoken), 15, "the release")


def test_databases_exchanged_behind_its_back(spoken, redis):
    redis.cli("SWAPDB", 0, 1)
    # Any look at a key finds it; here the one at a new word.
    redis.cli("SET", KEY + "account:cleo", "stop")
    wait_for(lambda: "account:cleo" in words(spoken), 15, "a new word")
    redis.cli("DEL", KEY + "account:cleo")
    redis.wait_key(lambda c: c.get(KEY + "mx1") == "stop by ann")
    assert stopped(spoken)


def test_an_older_copy_comes_back(spoken, redis):
    """As after a fail-over to a replica without the last writes."""
    redis.cli("SET", KEY + "account:ben", "send")
    redis.cli("SET", KEY + "account:dora", "send")
    wait_for(lambda: len(words(spoken)) == 4, 15, "four overrides")
    assert redis.cli("SAVE") == "OK"
    redis.cli("DEL", KEY + "account:ben")
    redis.cli("SET", KEY + "account:dora", "stop")
    redis.cli("SET", KEY + "account:emil", "stop")
    wait_for(lambda: words(spoken) == {"mx1": "stop",
        "account:alerts": "send", "account:dora": "stop",
        "account:emil": "stop"}, 15, "the last words")
    mark = spoken.mark()
    redis.kill9()
    redis.start()
    redis.wait_key(lambda c: c.get(KEY + "account:emil") == "stop" and
        c.get(KEY + "account:dora") == "stop" and
        not c.exists(KEY + "account:ben"), timeout=20)
    spoken.wait_log("dora shows \"send\"", since=mark)
    spoken.wait_log("ben shows \"send\" again", since=mark)
    assert words(spoken) == {"mx1": "stop", "account:alerts": "send",
        "account:dora": "stop", "account:emil": "stop"}
    assert stopped(spoken, sasl_username="dora")
    # Said again it is heard.
    wait_for(lambda: all(o["source"] == "redis"
        for o in spoken.status()["overrides"]), 15, "words from Redis")
    redis.cli("SET", KEY + "account:dora", "send")
    wait_for(lambda: words(spoken)["account:dora"] == "send", 15, "a send")


def test_a_restart_with_all_its_data_is_no_loss(brake, place):
    from harness.redisserver import Redis
    redis = Redis(place, "--appendonly", "yes", "--appendfsync", "always")
    d = brake(settings={"redis": {"server": redis.server}})
    connected(d)
    redis.cli("SET", KEY + "mx1", "stop")
    wait_for(lambda: stopped(d), 15, "the stop")
    mark = d.mark()
    redis.kill9()
    connected(d, "down")
    redis.start()
    connected(d)
    assert not d.logged("had lost", since=mark)
    redis.cli("DEL", KEY + "mx1")
    wait_for(lambda: not stopped(d), 15, "the release")


def test_it_is_full_and_evicts(spoken, redis):
    redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    redis.cli("CONFIG", "SET", "maxmemory", "1")
    redis.cli("SET", "other", "x")
    redis.wait_key(lambda c: not c.exists(KEY + "mx1"), timeout=10)
    redis.cli("CONFIG", "SET", "maxmemory", "0")
    redis.wait_key(lambda c: c.get(KEY + "mx1") == "stop by ann",
        timeout=40)
    assert stopped(spoken)
    spoken.restart()
    spoken.wait_log("maxmemory-policy is allkeys-random.*noeviction")


@pytest.mark.parametrize("loss", [flushall, restarted_empty])
def test_it_is_lost_while_the_daemon_is_down(spoken, redis, loss):
    spoken.kill9()
    loss(redis)
    spoken.start()
    redis.wait_key(lambda c: c.get(KEY + "mx1") == "stop by ann")
    assert stopped(spoken)
    spoken.wait_log("2 overrides that it had lost stay in force")


def test_a_removal_while_the_daemon_is_down_is_one(spoken, redis):
    spoken.kill9()
    redis.cli("DEL", KEY + "mx1")
    spoken.start()
    wait_for(lambda: not stopped(spoken), 15, "the release")
    assert words(spoken) == {"account:alerts": "send"}


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_auto_while_redis_is_away_survives_a_restart(spoken, redis, how):
    redis.freeze()
    connected(spoken, "down")
    spoken.must("auto", "mx1")
    assert not stopped(spoken)
    spoken.restart(how)
    assert not stopped(spoken)
    redis.thaw()
    redis.wait_key(lambda c: not c.exists(KEY + "mx1"), timeout=15)
    connected(spoken)
    assert not stopped(spoken)
    assert words(spoken) == {"account:alerts": "send"}


def test_a_stop_that_came_after_auto_is_not_removed(spoken, redis):
    redis.freeze()
    connected(spoken, "down")
    spoken.must("auto", "mx1")
    spoken.kill9()
    redis.thaw()
    redis.cli("SET", KEY + "mx1", "stop again")
    spoken.start()
    connected(spoken)
    wait_for(lambda: stopped(spoken), 15, "the new stop")
    assert redis.cli("GET", KEY + "mx1") == "stop again"


@pytest.mark.parametrize("typed", ["MX1", "Mx1"])
def test_one_target_in_two_spellings(spoken, redis, typed):
    redis.cli("SET", KEY + typed, "send")
    redis.cli("SET", KEY + "account:zoe", "stop")
    wait_for(lambda: "account:zoe" in words(spoken), 15, "a later word")
    assert stopped(spoken), "a stop beats a send, however it is typed"
    redis.cli("DEL", KEY + "mx1")
    wait_for(lambda: not stopped(spoken), 15, "the other spelling")
    redis.cli("SET", KEY + "mx1", "stop")
    wait_for(lambda: stopped(spoken), 15, "the stop")
    spoken.must("auto", "mx1")
    assert not stopped(spoken)
    redis.wait_key(lambda c: not c.exists(KEY + "mx1") and
        not c.exists(KEY + typed))
    assert "mx1" not in words(spoken)
