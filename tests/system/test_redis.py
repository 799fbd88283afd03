"""What is kept in Redis, and that its troubles are nobody else's."""

import threading
import time

import pytest

from harness.clients import Policy, ask
from harness.place import wait_for
from harness.redisserver import FakeRedis


def connected(d, state="connected", timeout=10):
    wait_for(lambda: d.status()["store"]["redis"] == state, timeout,
        lambda: "Redis %s, is %s" % (state, d.status()["store"]))


@pytest.fixture
def kept(brake, redis, bl):
    """Stopped, and kept in Redis."""
    bl.add("203.0.113.1", txt="sent to a trap")
    d = brake(settings={"redis": {"server": redis.server}})
    d.wait_state("stopped")
    connected(d)
    return d


def test_the_state_of_an_egress(kept, redis):
    state = redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state")
        == "stopped" and c.hgetall("mailbrake:state:mx1"))
    assert state["score"] == "100"
    for field in ("since", "until", "checked", "blind", "host", "reason"):
        assert field in state, state
    assert state["host"] == "mx1.brake.test"
    assert "bl.test" in state["reason"]
    assert "l:bl.test" in state and "127.0.0.2" in state["l:bl.test"]


def test_what_is_stopped_now(kept, redis, bl):
    (name, since), = redis.wait_key(lambda c: c.zrange("mailbrake:stopped",
        0, -1, withscores=True))
    assert name == "mx1"
    assert abs(since - time.time()) < 60
    bl.remove("203.0.113.1")
    kept.wait_state("sending")
    redis.wait_key(lambda c: not c.zcard("mailbrake:stopped"))
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "sending")
    assert not [f for f in redis.client().hkeys("mailbrake:state:mx1")
        if f.startswith("l:")], "only current listings"


def test_the_health_of_a_list(kept, redis, bl):
    row = redis.wait_key(lambda c: c.hgetall("mailbrake:list:bl.test"))
    assert row["health"] == "usable" and "checked" in row
    bl.mode = "world"
    redis.wait_key(lambda c: c.hget("mailbrake:list:bl.test", "health") ==
        "broken")
    assert redis.client().hget("mailbrake:list:bl.test", "reason")


def test_events(kept, redis, bl):
    def texts(c):
        return [str(fields) for _, fields in c.xrange("mailbrake:events")]
    redis.wait_key(lambda c: any("mx1" in t and "stopped" in t
        for t in texts(c)))
    count = redis.client().xlen("mailbrake:events")
    assert count <= 20, "one a state change"
    bl.remove("203.0.113.1")
    kept.wait_state("sending")
    redis.wait_key(lambda c: any("mx1" in t and "sending" in t
        for t in texts(c)))


def test_an_override_is_part_of_the_state(kept, redis):
    redis.cli("SET", "mailbrake:override:mx1", "send drill")
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "sending" and not c.zcard("mailbrake:stopped"))


def test_nothing_is_written_while_nothing_changes(kept, redis, bl):
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "stopped")
    bl.wait_sweeps(2)
    events = redis.client().xlen("mailbrake:events")
    bl.wait_sweeps(3)
    assert redis.client().xlen("mailbrake:events") == events


def test_an_empty_redis_is_filled_again(kept, redis):
    redis.wait_key(lambda c: c.exists("mailbrake:state:mx1"))
    redis.kill9()
    connected(kept, "down")
    assert kept.egress()["state"] == "stopped"
    redis.start()
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "stopped" and c.zscore("mailbrake:stopped", "mx1"), timeout=20)
    connected(kept)


def test_it_starts_without_redis_and_finds_it_later(brake, redis, bl):
    redis.kill9()
    bl.add("203.0.113.1")
    d = brake(settings={"redis": {"server": redis.server}})
    d.wait_state("stopped")
    connected(d, "down")
    redis.start()
    connected(d, timeout=20)
    redis.wait_key(lambda c: c.zscore("mailbrake:stopped", "mx1"))


def test_its_coming_and_going_is_one_line_each(kept, redis, bl):
    mark = kept.mark()
    redis.kill9()
    connected(kept, "down")
    # It tries again and again, and is quiet about it.
    bl.wait_sweeps(3)
    redis.start()
    connected(kept, timeout=20)
    lines = kept.logged("[Rr]edis", since=mark)
    assert 2 <= len(lines) <= 3, lines


@pytest.mark.parametrize("trouble", ["kill9", "freeze"])
def test_its_death_delays_and_changes_no_decision(kept, redis, trouble):
    slowest, answers = 0.0, set()
    stop = threading.Event()

    def ask_on():
        nonlocal slowest
        with Policy(kept.policy) as p:
            while not stop.is_set():
                start = time.monotonic()
                answers.add(p.ask().split(":")[0])
                slowest = max(slowest, time.monotonic() - start)
    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        getattr(redis, trouble)()
        connected(kept, "down", timeout=20)
        if trouble == "freeze":
            redis.thaw()
        else:
            redis.start()
        connected(kept, timeout=20)
    finally:
        stop.set()
        thread.join()
    assert answers == {"451 4.7.1 Outbound mail paused"}
    assert slowest < 1.5, "no answer of Redis is given up earlier than 2 s"


def silence(data):
    return None


# What it answers to each read, and what it says unasked on connect.
NONSENSE = {
    "silent": (silence, b""),
    "closing": (lambda data: False, b""),
    "an SMTP server": (b"500 5.5.1 what?\r\n", b"220 mx ESMTP\r\n"),
    "an HTTP server": (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""),
    "more replies than questions": (b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
        b""),
    "an unasked reply": (silence, b"+SURPRISE\r\n"),
    "too many clients": (silence,
        b"-ERR max number of clients reached\r\n"),
    "protected mode": (silence, b"-DENIED Redis is running in protected "
        b"mode\r\n"),
    "loading": (b"-LOADING Redis is loading the dataset in memory\r\n",
        b""),
    "no authentication": (b"-NOAUTH Authentication required.\r\n", b""),
    "a replica": (b"-READONLY You can't write against a read only "
        b"replica.\r\n", b""),
    "a cluster": (b"-MOVED 3999 127.0.0.1:6381\r\n", b""),
    "noise": (b"\x00\xff\xfe$*:-+\r\n" * 50, b"\x80\x81"),
    "a huge bulk": (b"$2000000000\r\n", b""),
    "a huge array": (b"*2000000000\r\n", b""),
    "deep nesting": (b"*1\r\n" * 50000, b""),
    "a negative length": (b"$-9\r\n*-7\r\n", b""),
    "integers for everything": (b":1\r\n" * 3, b""),
    "an endless line": (b"+" + b"a" * 1000000, b""),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_redis_that_talks_nonsense_changes_nothing(place, brake, bl,
    name):
    answer, greeting = NONSENSE[name]
    fake = FakeRedis(place, answer=answer, greeting=greeting)
    bl.add("203.0.113.1")
    d = brake(settings={"redis": {"server": fake.server}})
    fake.wait_connections()
    d.wait_state("stopped")
    start = time.monotonic()
    assert ask(d).startswith("451 4.7.1 ")
    assert time.monotonic() - start < 1.5
    wait_for(lambda: d.status()["store"]["redis"] != "connected", 15,
        "status not to believe in this Redis")
    # The tool's words work all the same.
    d.must("send", "mx1")
    assert ask(d) == "DUNNO"
    assert fake.connections < 40, "it does not hammer"
    with open("/proc/%d/status" % d.process.pid) as f:
        resident = [int(line.split()[1]) for line in f
            if line.startswith("VmRSS")][0]
    assert resident < 400000, "%d kB" % resident


def test_a_slow_redis_delays_no_decision(place, brake, bl):
    def slow(data):
        time.sleep(3)
        return b"+OK\r\n"
    fake = FakeRedis(place, answer=slow)
    bl.add("203.0.113.1")
    d = brake(settings={"redis": {"server": fake.server}})
    d.wait_state("stopped")
    with Policy(d.policy) as p:
        for _ in range(50):
            start = time.monotonic()
            assert p.ask().startswith("451 4.7.1 ")
            assert time.monotonic() - start < 1.5


def test_a_refused_tracking_falls_back_to_polling(brake, redis):
    """An ACL user who may not do more than read and write."""
    redis.cli("ACL", "SETUSER", "brake", "on", ">secret", "~mailbrake:*",
        "-@all", "+@read", "+@write", "+@connection", "+@transaction",
        "+@scripting", "-client|tracking")
    d = brake(settings={"redis": {"server": redis.server,
        "username": "brake", "password": "secret"}})
    connected(d)
    assert d.status()["store"]["way"] == "polling"
    # Twice a second; reading everything takes half a minute to come.
    redis.cli("SET", "mailbrake:override:mx1", "stop")
    wait_for(lambda: ask(d) != "DUNNO", 15, "the stop")
    assert "secret" not in d.log()


def test_a_wrong_password_is_said_and_changes_nothing(brake, redis, bl):
    redis.cli("CONFIG", "SET", "requirepass", "right")
    bl.add("203.0.113.1")
    d = brake(settings={"redis": {"server": redis.server,
        "password": "wrong-one"}})
    d.wait_state("stopped")
    connected(d, "down")
    d.wait_log("WRONGPASS|NOAUTH|password|refuses")
    assert "wrong-one" not in d.log()


def test_a_password(brake, redis):
    redis.cli("CONFIG", "SET", "requirepass", "right")
    d = brake(settings={"redis": {"server": redis.server,
        "password": "right"}})
    connected(d)
    assert "right" not in d.log()


def test_a_full_redis_keeps_overrides_working(kept, redis):
    redis.cli("CONFIG", "SET", "maxmemory", "1")
    kept.must("send", "mx1")
    assert ask(kept) == "DUNNO"
    assert kept.running()


def test_what_is_not_understood_is_in_the_status(place, brake, redis):
    d = brake(settings={"redis": {"server": redis.server}})
    connected(d)
    redis.cli("SET", "mailbrake:override:mx1", "halt!")
    redis.cli("SET", "mailbrake:override:domain:a b", "stop")
    wait_for(lambda: len(d.status()["not_understood"]) == 2, 5,
        lambda: "both, is %s" % d.status()["not_understood"])
    text = " ".join(d.must("status").split())
    assert 'override:mx1 is not understood and changes nothing: "halt!"; ' \
        'write "stop" or "send"' in text
    assert "override:domain:a b changes nothing: the target" in text
    assert d.egress()["state"] == "sending"
    redis.cli("SET", "mailbrake:override:mx1", "stop")
    redis.cli("DEL", "mailbrake:override:domain:a b")
    wait_for(lambda: not d.status()["not_understood"], 5, "neither")
    assert d.egress()["override"]
