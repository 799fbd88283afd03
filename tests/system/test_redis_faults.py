"""No trouble of Redis lets mail out, keeps mail in, or loses a word.

Each fault comes while mail goes through a real Postfix, by milter and by
policy service.  One sender domain is stopped by an override: not one of its
messages may be taken.  The others' must all be, and arrive once.
"""

import contextlib
import datetime
import json
import os
import random
import shutil
import subprocess
import time

import pytest

from harness.clients import Policy, ask
from harness.fakeclock import Clock
from harness.place import wait_for
from harness.proxy import Proxy
from harness.redisserver import Redis, Sentinels
from harness.traffic import STOPPED, Traffic

KEY = "mailbrake:override:"
STOP = KEY + "domain:" + STOPPED


def redis_is(d, state):
    return d.status()["store"]["redis"] == state


def connected(d, yes=True, timeout=30):
    wait_for(lambda: redis_is(d, "connected") == yes, timeout,
        lambda: "Redis connected: %s; is %s" % (yes, d.status()["store"]))


def words(d):
    return {o["target"]: o["word"] for o in d.status()["overrides"]}


class Scene:
    """A daemon with Redis, behind a proxy, and a stopped domain."""

    def __init__(self, place, brake, redis, **more):
        self.place, self.redis = place, redis
        self.proxy = Proxy(place, redis.server)
        self.d = brake(fronts=("milter", "policy"), settings={"redis":
            {"server": self.proxy.server}}, **more)
        connected(self.d)
        redis.cli("SET", STOP, "stop spam run")
        wait_for(lambda: words(self.d), 15, "the stop")

    def word_is_heard(self):
        """Once all is well again."""
        connected(self.d)
        wait_for(lambda: self.redis.cli("GET", STOP) == "stop spam run", 15,
            "the stop in Redis")
        self.redis.cli("SET", KEY + "account:zoe", "stop")
        wait_for(lambda: words(self.d).get("account:zoe") == "stop", 10,
            "a new word")
        self.redis.cli("DEL", KEY + "account:zoe")
        wait_for(lambda: "account:zoe" not in words(self.d), 10,
            "its removal")
        assert words(self.d) == {"domain:" + STOPPED: "stop"}


def closed(postfix, d):
    """A Postfix that puts new mail off while the daemon is away."""
    return postfix(main={"milter_default_action": "tempfail",
        "milter_connect_timeout": "2s", "milter_command_timeout": "5s"},
        listeners={
        "milter": {"smtpd_milters": "unix:%s" % d.milter},
        "policy": {"smtpd_recipient_restrictions":
            "check_policy_service { unix:%s, timeout=2s, try_limit=1, "
            "{ default_action = 451 4.7.1 Try again later } }, "
            "permit_mynetworks, reject" % d.policy}})


@pytest.fixture
def scene(place, brake, redis):
    return Scene(place, brake, redis)


def kill9(s, traffic):
    s.redis.kill9()
    connected(s.d, False)
    traffic.wait()
    s.redis.start()


def kill9_often(s, traffic):
    for _ in range(5):
        s.redis.kill9()
        traffic.wait(1)
        s.redis.start()
        traffic.wait(1)


def freeze(s, traffic):
    s.redis.freeze()
    connected(s.d, False)
    traffic.wait()
    s.redis.thaw()


def blackhole(s, traffic):
    """Packets vanish; nobody closes anything."""
    def nft(rules):
        subprocess.run(["nft", "-f", "-"], input=rules, text=True,
            check=True)
    nft("table inet hole { chain in { type filter hook input priority 0; "
        "tcp dport { %d, %d } drop; tcp sport { %d, %d } drop; }; }\n" % (
        (s.redis.port, s.proxy.port) * 2))
    try:
        connected(s.d, False)
        traffic.wait()
    finally:
        nft("delete table inet hole")


def deaf(s, traffic):
    s.proxy.deaf = True
    connected(s.d, False)
    traffic.wait()
    s.proxy.deaf = False


def slow(s, traffic):
    """Slow, but not too slow to be used."""
    s.proxy.delay = 0.3
    traffic.wait(10)
    assert redis_is(s.d, "connected")
    s.redis.cli("SET", KEY + "account:yan", "stop")
    wait_for(lambda: "account:yan" in words(s.d), 10, "a word")
    s.redis.cli("DEL", KEY + "account:yan")
    wait_for(lambda: "account:yan" not in words(s.d), 10, "its removal")
    s.proxy.delay = 0


def too_slow(s, traffic):
    s.proxy.delay = 3
    connected(s.d, False)
    traffic.wait()
    s.proxy.delay = 0


def out_of_memory(s, traffic):
    s.redis.cli("CONFIG", "SET", "maxmemory", "1")
    s.d.must("stop", "account:full")
    s.d.wait_log("cannot be written: OOM")
    traffic.wait()
    # What is there is read, and removals are.
    assert redis_is(s.d, "connected")
    assert words(s.d)["account:full"] == "stop"
    assert "OOM" in s.d.status()["store"]["why"]
    s.redis.cli("CONFIG", "SET", "maxmemory", "0")
    s.redis.wait_key(lambda c: c.get(KEY + "account:full") == "stop", 20)
    s.d.must("auto", "account:full")
    s.redis.wait_key(lambda c: not c.exists(KEY + "account:full"))


def disk_trouble(s, traffic):
    """It refuses writes because it cannot save: MISCONF."""
    s.redis.cli("CONFIG", "SET", "dir", "/proc/self")
    s.redis.cli("CONFIG", "SET", "save", "1 1")
    s.redis.cli("BGSAVE")
    wait_for(lambda: "MISCONF" in s.redis.cli("SET", "x", "y"), 10,
        "MISCONF")
    s.d.must("stop", "account:full")
    s.d.wait_log("cannot be written: MISCONF")
    traffic.wait()
    assert words(s.d)["account:full"] == "stop"
    s.redis.cli("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    s.redis.wait_key(lambda c: c.get(KEY + "account:full") == "stop", 20)
    s.d.must("auto", "account:full")
    s.redis.wait_key(lambda c: not c.exists(KEY + "account:full"))


def demoted(s, traffic):
    """It becomes a replica with our connections open, then a master."""
    master = Redis(s.place)
    s.redis.cli("REPLICAOF", "127.0.0.1", master.port)
    connected(s.d, False)
    traffic.wait()
    s.redis.cli("REPLICAOF", "NO", "ONE")


def wrong_password(s, traffic):
    s.redis.cli("CONFIG", "SET", "requirepass", "new")
    c = s.redis.client(password="new")
    for kind in ("normal", "pubsub"):
        c.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    connected(s.d, False)
    traffic.wait()
    c.config_set("requirepass", "")


def flushed(s, traffic):
    for _ in range(5):
        s.redis.cli("FLUSHALL")
        traffic.wait(1)


def dropped_and_flushed(s, traffic):
    s.redis.cli("CLIENT", "KILL", "TYPE", "normal")
    s.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
    s.redis.cli("FLUSHALL")
    traffic.wait()


def garbage(s, traffic):
    for rubbish in (b"\x00\xff*$:\r\n", b"+UNASKED\r\n+AGAIN\r\n",
        b"-ERR what was that?\r\n", b"$2000000000\r\n", b"*-7\r\n",
        b"*1\r\n" * 40000, b"+" + b"a" * 3000000):
        before = s.proxy.connections
        s.proxy.inject = rubbish
        wait_for(lambda: s.proxy.connections > before, 15,
            "another connection after %r" % rubbish[:20])
        traffic.wait(1)
    s.proxy.inject = b""


def resident_kb(d):
    with open("/proc/%d/status" % d.process.pid) as f:
        return [int(line.split()[1]) for line in f
            if line.startswith("VmRSS")][0]


def endless(s, traffic):
    """Answers that never end, of each kind that there is."""
    for answer in (b"+OK\r\n" * 1000, b"$5\r\nhello\r\n" * 1000,
        b"*1\r\n" * 1000, b"+" * 10000, b"*1000000\r\n" + b":1\r\n" * 1000,
        b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"
        b"*1\r\n$3\r\nfoo\r\n" * 100):
        before = s.proxy.connections
        s.proxy.endless = answer
        wait_for(lambda: s.proxy.connections > before + 1, 60,
            "another connection after %r" % answer[:20])
        assert resident_kb(s.d) < 400000, answer[:20]
        s.proxy.endless = b""
        connected(s.d)
    traffic.wait()


def net_output(redis):
    return redis.client().info("stats")["total_net_output_bytes"]


def half_a_gigabyte(s, traffic):
    """A value of that size is not read, nor does the daemon grow by it."""
    with open("/proc/meminfo") as f:
        free = {l.split(":")[0]: int(l.split()[1]) for l in f}
    size = 512 << 20 if free["MemAvailable"] > 2 << 20 else 64 << 20
    mark, before = s.d.mark(), net_output(s.redis)
    s.redis.cli("SETRANGE", KEY + "mx1", size - 1, "x")
    s.d.wait_log("override:mx1 is not understood.*longer than 4096", 30,
        since=mark)
    traffic.wait()
    assert net_output(s.redis) - before < 1 << 20
    assert words(s.d) == {"domain:" + STOPPED: "stop"}
    assert resident_kb(s.d) < 400000
    s.redis.cli("DEL", KEY + "mx1")
    # Nor where a word was.
    s.redis.cli("SETRANGE", STOP, size - 1, "x")
    s.d.wait_log("%s is not understood.*longer than 4096" % STOPPED, 30,
        since=mark)
    traffic.wait()
    s.redis.cli("SET", STOP, "stop spam run")


def other_types(s, traffic):
    """Where a word was there is a list, and a hash where there was none."""
    c = s.redis.client()
    mark = s.d.mark()
    with c.pipeline() as p:
        p.delete(STOP)
        p.rpush(STOP, "send")
        p.hset(KEY + "mx1", "stop", "yes")
        p.zadd(KEY + "all", {"stop": 1})
        p.execute()
    for target in (STOPPED, "mx1", "all"):
        s.d.wait_log("%s is not understood.*not a string" % target, 30,
            since=mark)
    traffic.wait()
    c.set(STOP, "stop spam run")        # in one step: it was never gone
    c.delete(KEY + "mx1", KEY + "all")


FAULTS = [kill9, kill9_often, freeze, blackhole, deaf, slow, too_slow,
    out_of_memory, disk_trouble, demoted, wrong_password, flushed,
    dropped_and_flushed, garbage, endless, other_types, half_a_gigabyte]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_fault(place, brake, postfix, sink, fault):
    redis = Redis(place, "--enable-protected-configs", "yes")
    s = Scene(place, brake, redis)
    pf = postfix(s.d)
    with Traffic(pf, sink) as traffic:
        fault(s, traffic)
        s.word_is_heard()
        traffic.wait()
    assert traffic.settle() > 10
    assert s.d.running()
    assert not s.d.logged("evidence decides again.*" + STOPPED)


@pytest.mark.parametrize("how", ["graceful", "kill9", "freeze"])
def test_fail_over(place, brake, postfix, sink, how):
    s = Sentinels(place)
    d = brake(fronts=("milter", "policy"), settings=s.settings())
    connected(d)
    s.master.cli("SET", STOP, "stop spam run")
    wait_for(lambda: words(d), 15, "the stop")
    new = s.replicas[0]
    pf = postfix(d)
    with Traffic(pf, sink) as traffic:
        if how == "graceful":
            s.failover()
        else:
            getattr(s.master, how)()
        d.wait_log("inet:127.0.0.1:%d: connected" % new.port, 40)
        traffic.wait()
        if how == "freeze":
            s.master.thaw()
        new.cli("SET", KEY + "account:zoe", "stop")
        wait_for(lambda: words(d).get("account:zoe"), 10, "a new word")
        new.cli("DEL", KEY + "account:zoe")
        wait_for(lambda: "account:zoe" not in words(d), 10, "its removal")
        traffic.wait()
    assert traffic.settle() > 10
    assert words(d) == {"domain:" + STOPPED: "stop"}


# -- values that are no words

def test_keys_of_other_types_where_ours_belong(scene, bl):
    """Somebody else uses the same names."""
    c = scene.redis.client()
    for key in ("state:mx1", "stopped", "events", "list:bl.test",
        "node:mx1.brake.test", "life"):
        c.delete("mailbrake:" + key)
        c.rpush("mailbrake:" + key, "mine")
    c.hset(KEY + "mx1", "stop", "yes")
    scene.d.wait_log("override:mx1 is not understood.*not a string")
    bl.add("203.0.113.1")
    scene.d.wait_state("stopped")
    scene.redis.cli("SET", KEY + "account:zoe", "stop")
    wait_for(lambda: words(scene.d).get("account:zoe"), 10, "a new word")
    assert scene.d.status()["store"]["redis"] == "connected"
    # And puts an end to it.
    for key in ("state:mx1", "stopped", "events", "list:bl.test",
        "node:mx1.brake.test", "life"):
        c.delete("mailbrake:" + key)
    wait_for(lambda: c.zscore("mailbrake:stopped", "mx1"), 40,
        "what is stopped")


# -- clocks

@pytest.mark.parametrize("hours", [-1, 1])
def test_a_host_whose_clock_is_wrong(place, brake, redis, postfix, sink,
    hours):
    settings = {"redis": {"server": redis.server}}
    right = brake(settings=settings)
    wrong = brake(start=False, fronts=("milter", "policy"),
        settings=settings)
    wrong.start(env=Clock(place, 3600 * hours).env())
    both = right, wrong
    for d in both:
        connected(d)
    apart = [datetime.datetime.fromisoformat(d.status()["now"].replace("Z",
        "+00:00")).timestamp() for d in both]
    assert abs(apart[1] - apart[0] - 3600 * hours) < 600, "wrong indeed"
    redis.cli("SET", STOP, "stop spam run", "EX", 900)
    for d in both:
        wait_for(lambda: words(d), 10, "the stop")
    with Traffic(postfix(wrong), sink) as traffic:
        start = time.monotonic()
        redis.cli("SET", KEY + "account:zoe", "stop", "EX", 8)
        for d in both:
            wait_for(lambda: "account:zoe" in words(d), 15, "the stop")
        for d in both:
            wait_for(lambda: "account:zoe" not in words(d), 30, "the end")
            assert time.monotonic() - start > 7.5
        # A word of either one's tool ends in time for both.
        for d in both:
            start = time.monotonic()
            d.must("stop", "account:zoe", "--for", "8s")
            for other in both:
                wait_for(lambda: "account:zoe" in words(other), 15,
                    "the stop")
            assert 1 <= redis.client().pttl(KEY + "account:zoe") <= 8000
            for other in both:
                wait_for(lambda: "account:zoe" not in words(other), 30,
                    "the end")
                assert time.monotonic() - start > 7.5
        # A flush brings words back with the end that they had.
        redis.cli("FLUSHALL")
        redis.wait_key(lambda c: 700 < c.ttl(STOP) <= 901, 20)
        traffic.wait()
    assert traffic.settle() > 10


# -- descriptors

@contextlib.contextmanager
def no_descriptors(d):
    """It can open nothing more."""
    def limit(soft):
        # Its own user may, root without CAP_SYS_RESOURCE may not.
        subprocess.run(["setpriv", "--reuid", "mailbrake", "--regid",
            "mailbrake", "--clear-groups", "prlimit", "--pid",
            str(d.process.pid), "--nofile=%d:" % soft], check=True)
    with open("/proc/%d/limits" % d.process.pid) as f:
        old = [int(line.split()[3]) for line in f
            if line.startswith("Max open files")][0]
    used = {int(n) for n in os.listdir("/proc/%d/fd" % d.process.pid)}
    limit(min(set(range(len(used) + 1)) - used))
    try:
        yield
    finally:
        limit(old)


def test_without_descriptors(place, brake, redis, postfix, sink):
    """Redis goes and comes while nothing can be opened; those that are
    connected get their answers, and the others later."""
    s = Scene(place, brake, redis)
    pf = closed(postfix, s.d)
    with Traffic(pf, sink, absent=True) as traffic, Policy(s.d.policy,
        timeout=20) as p:
        def answers():
            assert p.ask(sender="a@" + STOPPED).startswith("451 ")
            assert p.ask(sender="a@example.org") == "DUNNO"
        answers()
        mark = s.d.mark()
        s.redis.kill9()
        s.d.wait_log("lost: ", since=mark)
        # What its connections had is taken by others.
        with contextlib.ExitStack() as stack:
            stack.enter_context(no_descriptors(s.d))
            s.redis.start()
            s.d.wait_log("redis.*Too many open files", 20, since=mark)
            for _ in range(50):
                answers()
            traffic.wait(2)
        answers()
        s.word_is_heard()
        answers()
        traffic.wait(6)
    assert traffic.settle(slowest=40) > 10
    assert s.d.running()


# -- the daemon itself

def intact(path):
    with open(path) as f:
        return json.load(f)


def test_killed_at_any_instant(place, brake, redis, bl, postfix, sink):
    """Words and states change all the time; kill -9 comes whenever it
    likes.  Fail-closed, so that what is stopped stays so meanwhile."""
    s = Scene(place, brake, redis, egress=(
        {"name": "mx1", "addresses": ["203.0.113.1"], "transport": "mx1"},
        {"name": "mx2", "addresses": ["203.0.113.2"], "transport": "mx2"}))
    pf = closed(postfix, s.d)
    rng = random.Random(4)
    said = 0
    with Traffic(pf, sink, absent=True) as traffic:
        for n in range(60):
            c = redis.client()
            for k in range(rng.randrange(4)):
                said += 1
                if rng.random() < 0.5:
                    c.set(KEY + "account:a%d" % said, "stop %d" % said)
                else:
                    s.d.must("stop", "account:t%d" % said)
            if n % 8 == 3:
                bl.add("203.0.113.2")
            elif n % 8 == 7:
                bl.remove("203.0.113.2")
            if n % 10 == 5:
                redis.cli("FLUSHALL")
            time.sleep(rng.random() * 0.03)     # the instant
            s.d.kill9()
            intact(s.d.state_path)
            s.d.start()
            assert words(s.d)["domain:" + STOPPED] == "stop"
        connected(s.d)
        redis.wait_key(lambda c: c.get(STOP) == "stop spam run", 15)
        traffic.wait(6)
    assert traffic.settle(slowest=15) > 10
    assert not s.d.logged("cannot be used|starting without memory")


def test_postfix_is_restarted(place, brake, redis, postfix, sink):
    """Again and again, amid connections of every kind."""
    s = Scene(place, brake, redis)
    pf = postfix(s.d)
    with Traffic(pf, sink, restarts=True) as traffic:
        for n in range(4):
            if n % 2 == 0:
                pf.stop()
                pf.start()
            else:
                pf.command("postfix", "reload")
            traffic.wait(2)
    assert traffic.settle(slowest=40) > 10
    s.word_is_heard()


# -- the state file, without Redis

def fill(disk):
    path = disk / "filler"
    with open(path, "wb", buffering=0) as f:
        with pytest.raises(OSError):
            while True:
                f.write(b"x" * 512)
    return path


def test_trouble_with_the_state_file(place, brake, postfix, sink):
    """Cut, overwritten, emptied, on a full disk, in a directory that may not
    be written: what is stopped stays so over every kill -9."""
    disk = place.small_disk("small", user="mailbrake")
    d = brake(fronts=("milter", "policy"), state_dir=disk)
    d.must("stop", "domain:" + STOPPED, "--reason", "spam run")
    saved = 0

    def save():
        """Twice, so that the one before it knows the stop too."""
        nonlocal saved
        for _ in range(2):
            saved += 1
            d.must("stop", "account:a%d" % saved)
            wait_for(lambda: b'"account:a%d"' % saved in
                d.state_path.read_bytes(), 20, "a saved word")

    def again():
        d.kill9()
        d.start()
        assert words(d)["domain:" + STOPPED] == "stop"
    with Traffic(closed(postfix, d), sink, absent=True) as traffic:
        for damage in (lambda data: data[:len(data) // 2],
            lambda data: data[:-2], lambda data: b"",
            lambda data: b"\0" * len(data),
            lambda data: bytes(reversed(data)),
            lambda data: b"{}", lambda data: data + data):
            save()
            d.kill9()
            d.state_path.write_bytes(damage(d.state_path.read_bytes()))
            mark = d.mark()
            d.start()
            d.wait_log("cannot be used", since=mark)
            assert words(d)["domain:" + STOPPED] == "stop"
            traffic.wait(1)
        save()
        filler = fill(disk)
        mark = d.mark()
        d.must("stop", "account:unsaved")
        d.wait_log("[Nn]o space", since=mark)
        again()
        traffic.wait(1)
        filler.unlink()
        save()
        shutil.chown(disk, "root", "root")
        mark = d.mark()
        d.must("stop", "account:forbidden")
        d.wait_log("ermission denied", since=mark)
        again()
        traffic.wait(1)
        shutil.chown(disk, "mailbrake", "mailbrake")
        save()
        again()
        traffic.wait(6)
    assert traffic.settle(slowest=40) > 10
