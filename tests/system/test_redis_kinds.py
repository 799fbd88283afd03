"""Every way to reach a Redis: TLS, Sentinel, a Unix socket, ACL."""

import pathlib
import re
import shutil
import time

import pytest

from harness.certs import Authority
from harness.clients import ask
from harness.daemon import run_daemon
from harness.place import wait_for
from harness.redisserver import FakeRedis, Redis, Sentinels

KEY = "mailbrake:override:"
SOURCES = pathlib.Path(__file__).resolve().parents[2]


def connected(d, state="connected", timeout=15):
    wait_for(lambda: d.status()["store"]["redis"] == state, timeout,
        lambda: "Redis %s, is %s" % (state, d.status()["store"]))


def refused(d, why, timeout=10):
    """It says why, goes on trying, and is not connected."""
    d.wait_log(why, timeout)
    assert d.status()["store"]["redis"] != "connected"


def stopped(d):
    return ask(d) != "DUNNO"


def works(d, redis, client=None):
    """Overrides in both directions, and the mirror."""
    connected(d)
    c = client or redis.client()
    c.set(KEY + "mx1", "stop")
    wait_for(lambda: stopped(d), 15, "the stop")
    wait_for(lambda: c.hget("mailbrake:state:mx1", "state") == "stopped", 15,
        "the mirror")
    c.delete(KEY + "mx1")
    wait_for(lambda: not stopped(d), 15, "the release")
    d.must("stop", "mx1")
    wait_for(lambda: c.get(KEY + "mx1") == "stop", 15, "the tool's word")
    d.must("auto", "mx1")
    wait_for(lambda: not c.exists(KEY + "mx1"), 15, "its removal")


# -- a Unix socket

@pytest.mark.parametrize("form", ["unix:%s", "%s"])
def test_a_unix_socket(place, brake, form):
    directory = place.subdir("sock")
    path = directory / "redis.sock"
    redis = Redis(place, "--unixsocket", str(path), "--unixsocketperm",
        "777")
    d = brake(settings={"redis": {"server": form % path}})
    works(d, redis)
    redis.kill9()
    connected(d, "down")
    redis.start()
    connected(d)


# -- the password's file

def secret(place, text, mode=0o640):
    path = place.subdir("secret") / "password"
    path.write_text(text)
    path.chmod(mode)
    shutil.chown(path, "mailbrake", "mailbrake")
    return path


def test_a_password_from_a_file_is_read_for_every_connection(place, brake,
    redis):
    redis.cli("CONFIG", "SET", "requirepass", "first-word")
    path = secret(place, "first-word\n")
    d = brake(settings={"redis": {"server": redis.server,
        "password_file": str(path)}})
    connected(d)
    redis.client(password="first-word").config_set("requirepass",
        "second-word")
    redis.client(password="second-word").execute_command("CLIENT", "KILL",
        "TYPE", "normal", "SKIPME", "yes")
    d.wait_log("the password is refused")
    path.write_text("second-word\nand a remark\n")
    connected(d, timeout=30)
    assert "first-word" not in d.log() and "second-word" not in d.log()


@pytest.mark.parametrize("text, mode, why", [
    ("right\n", 0o644, "everybody may read or change it: chmod o= it"),
    ("right\n", 0o000, "Permission denied"),
    ("\nright\n", 0o600, "its first line is empty"),
    ("", 0o600, "its first line is empty"),
])
def test_a_file_that_is_no_place_for_a_password(place, brake, redis, text,
    mode, why):
    redis.cli("CONFIG", "SET", "requirepass", "right")
    path = secret(place, text, mode)
    d = brake(settings={"redis": {"server": redis.server,
        "password_file": str(path)}})
    refused(d, re.escape("redis.password_file %s: %s" % (path, why)))
    path.chmod(0o600)
    path.write_text("right")
    connected(d, timeout=30)


# -- TLS

@pytest.fixture
def ca(place):
    return Authority(place)


def tls_redis(place, ca, names="IP:127.0.0.1,DNS:redis.test", days=30,
    clients="no"):
    cert, key = ca.issue("redis", names, days)
    r = Redis(place)
    r.tls_port = r.port
    r.options = ["--port", "0", "--tls-port", str(r.port),
        "--tls-cert-file", str(cert), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(ca.cert), "--tls-auth-clients", clients]
    r.kill9()
    r.start()
    return r


def tls_client(redis, ca, **more):
    return redis.client(ssl=True, ssl_ca_certs=str(ca.cert), **more)


def test_tls(place, brake, ca):
    redis = tls_redis(place, ca)
    d = brake(settings={"redis": {"server": redis.server,
        "tls": {"ca": str(ca.cert)}}})
    works(d, redis, tls_client(redis, ca))
    redis.kill9()
    connected(d, "down")
    redis.start()
    connected(d)
    # What is said while it stops must not be lost.
    redis.freeze()
    d.must("stop", "mx1")
    d.stop()
    redis.thaw()
    d.start()
    wait_for(lambda: tls_client(redis, ca).get(KEY + "mx1") == "stop", 10,
        "the word")


def test_tls_by_name(place, brake, ca):
    redis = tls_redis(place, ca, "DNS:redis.test")
    d = brake(settings={"redis": {"server": redis.server,
        "tls": {"ca": str(ca.cert), "server_name": "redis.test"}}})
    works(d, redis, tls_client(redis, ca, ssl_check_hostname=False))


def test_tls_with_a_certificate_of_our_own(place, brake, ca):
    redis = tls_redis(place, ca, clients="yes")
    cert, key = ca.issue("mailbrake")
    bare = brake(settings={"redis": {"server": redis.server,
        "tls": {"ca": str(ca.cert)}}})
    refused(bare, "TLS|closed the connection|broke")
    d = brake(settings={"redis": {"server": redis.server, "tls": {
        "ca": str(ca.cert), "cert": str(cert), "key": str(key)}}})
    works(d, redis, tls_client(redis, ca, ssl_certfile=str(cert),
        ssl_keyfile=str(key)))


@pytest.mark.parametrize("names, settings, why", [
    ("IP:127.0.0.1", {"ca": "other"}, "its certificate is not accepted: "),
    ("IP:127.0.0.1", {}, "its certificate is not accepted: "),
    ("IP:127.0.0.9", {"ca": "ca"}, "not accepted: IP address mismatch"),
    ("DNS:redis.test", {"ca": "ca"}, "not accepted: IP address mismatch"),
    ("DNS:redis.test", {"ca": "ca", "server_name": "evil.test"},
        "not accepted: [Hh]ostname mismatch"),
])
def test_tls_to_somebody_else(place, brake, ca, names, settings, why):
    redis = tls_redis(place, ca, names)
    certs = {"ca": ca.cert, "other": Authority(place, "other").cert}
    if "ca" in settings:
        settings = {**settings, "ca": str(certs[settings["ca"]])}
    d = brake(settings={"redis": {"server": redis.server,
        "password": "not-for-strangers", "tls": settings}})
    refused(d, why)
    assert not stopped(d)
    # Whoever wants that may do so, and is warned.
    d.write_conf({"redis": {"tls": {"verify": False},
        "password": None}})
    d.must("reload")
    connected(d)
    d.wait_log("redis.tls.verify = false")


def test_tls_files_that_cannot_be_used(place, brake, ca):
    redis = tls_redis(place, ca)
    cert, key = ca.issue("mailbrake")
    key.chmod(0)
    d = brake(settings={"redis": {"server": redis.server, "tls": {
        "ca": str(ca.cert), "cert": str(cert), "key": str(key)}}})
    refused(d, "%s: Permission denied" % key)
    key.chmod(0o600)
    connected(d, timeout=20)


def test_tls_to_a_server_without(brake, redis, ca):
    d = brake(settings={"redis": {"server": redis.server,
        "tls": {"ca": str(ca.cert)}}})
    refused(d, "does it speak TLS?")


def test_a_tls_server_asked_without(place, brake, ca):
    redis = tls_redis(place, ca)
    d = brake(settings={"redis": {"server": redis.server}})
    refused(d, "closed the connection|broke|protocol")


# -- a user of the ACL

def manual_rules():
    """What the manual says to type, as arguments of redis-cli."""
    text = (SOURCES / "src" / "mailbraked.8").read_text()
    found = re.findall(r"^ACL SETUSER (\w+) ((?:.*\\e\n)*.*)$", text, re.M)
    assert found, "the manual has no ACL SETUSER"
    return {user: rest.replace("\\e\n", " ").replace("\\&", "").split()
        for user, rest in found}


def test_the_users_of_the_manual(brake, redis, bl):
    """They may do all that is needed, and nothing is refused."""
    rules = manual_rules()
    assert set(rules) == {"mailbrake", "operator"}
    for user, rest in rules.items():
        rest = [">secret-%s" % user if r.startswith(">") else r
            for r in rest]
        assert redis.cli("ACL", "SETUSER", user, *rest) == "OK", rest
    bl.add("203.0.113.1")
    d = brake(settings={"redis": {"server": redis.server,
        "username": "mailbrake", "password": "secret-mailbrake"}})
    connected(d)
    assert d.status()["store"]["way"] == "tracking"
    d.wait_state("stopped")
    # What the operator types.
    auth = ("operator", "secret-operator")
    assert redis.cli("SET", KEY + "mx1", "send", "EX", 600,
        auth=auth) == "OK"
    wait_for(lambda: not stopped(d), 15, "the send")
    assert redis.cli("GET", KEY + "mx1", auth=auth) == "send"
    assert redis.cli("DEL", KEY + "mx1", auth=auth) == "1"
    wait_for(lambda: stopped(d), 15, "its removal")
    assert "NOPERM" in redis.cli("DEL", "mailbrake:life", auth=auth)
    assert "NOPERM" in redis.cli("FLUSHALL", auth=auth)
    redis.wait_key(lambda c: c.hget("mailbrake:state:mx1", "state") ==
        "stopped")
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    redis.client().flushall()
    redis.wait_key(lambda c: c.exists("mailbrake:life") and
        c.exists("mailbrake:node:mx1.brake.test") and
        c.exists("mailbrake:state:mx1"))
    denied = [e for e in redis.client().acl_log()
        if e["username"] == "mailbrake"]
    assert not denied, denied


# -- those that are refused

def test_a_replica_is_refused(place, brake, redis):
    replica = Redis(place, "--replicaof", "127.0.0.1", str(redis.port))
    d = brake(settings={"redis": {"server": replica.server}})
    refused(d, "it is a replica of 127.0.0.1 port %d: redis.server must be "
        "the master" % redis.port)
    # It becomes one.
    replica.cli("REPLICAOF", "NO", "ONE")
    connected(d, timeout=20)
    # And is none any more, with the connection open.
    replica.cli("REPLICAOF", "127.0.0.1", redis.port)
    connected(d, "down")


def test_a_cluster_is_refused(place, brake):
    redis = Redis(place, "--cluster-enabled", "yes")
    d = brake(settings={"redis": {"server": redis.server}})
    refused(d, "part of a Redis Cluster, which is not supported")
    d.must("stop", "mx1")
    assert stopped(d), "it goes on without Redis"


def test_a_sentinel_as_server_is_refused(place, brake):
    s = Sentinels(place, replicas=0, count=1)
    d = brake(settings={"redis": {"server": s.servers[0]}})
    refused(d, "it is a Sentinel: redis.server must be the Redis server")


# -- Sentinel

@pytest.fixture
def sentinels(place):
    return Sentinels(place)


@pytest.mark.parametrize("how", ["graceful", "kill9", "freeze"])
def test_a_fail_over_is_followed(sentinels, brake, how):
    s, new = sentinels, sentinels.replicas[0]
    d = brake(settings=s.settings())
    works(d, s.master)
    s.master.cli("SET", KEY + "mx1", "stop by ann")
    wait_for(lambda: stopped(d), 15, "the stop")
    new.wait_key(lambda c: c.get(KEY + "mx1"))
    mark = d.mark()
    if how == "graceful":
        s.failover()
    else:
        getattr(s.master, how)()
    d.wait_log("inet:127.0.0.1:%d: connected" % new.port, 30, since=mark)
    assert stopped(d)
    assert not d.logged("evidence decides again", since=mark)
    # The old one still takes words, and forgets them.
    new.cli("SET", KEY + "mx1", "send")
    wait_for(lambda: not stopped(d), 15, "the word at the new master")
    if how == "freeze":
        s.master.thaw()
        s.master.wait_key(lambda c: c.role()[0] == "slave", 30)
    new.cli("SET", KEY + "mx1", "stop")
    wait_for(lambda: stopped(d), 15, "the next one")
    connected(d)


def test_a_graceful_fail_over_takes_no_second_more(sentinels, brake):
    """The old master keeps its connections for ten seconds."""
    s, new = sentinels, sentinels.replicas[0]
    d = brake(settings=s.settings())
    connected(d)
    client = s.sentinels[0].client()
    with client.pubsub() as p:
        p.subscribe("+switch-master")
        p.get_message(timeout=5)
        s.failover()
        wait_for(lambda: (p.get_message(timeout=1) or {}).get("type") ==
            "message", 30, "+switch-master")
        start = time.monotonic()
    wait_for(lambda: any(c["name"].startswith("mailbrake:")
        for c in new.client().client_list()), 15, "the connection")
    assert time.monotonic() - start < 4


def test_a_sentinel_that_has_not_heard_of_the_fail_over_yet(place, brake):
    """They hear of it one after the other, and are asked at once."""
    old, new = Redis(place), Redis(place)
    asked = []

    def sentinel(name):
        def answer(data):
            if b"SUBSCRIBE" in data:
                return (b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master"
                    b"\r\n:1\r\n")
            asked.append(name)
            return b"*6\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport" \
                b"\r\n$%d\r\n%d\r\n$12\r\nconfig-epoch\r\n$1\r\n4\r\n" % (
                len(str(old.port)), old.port)
        return FakeRedis(place, answer=answer)
    fakes = [sentinel("a"), sentinel("b")]
    d = brake(settings={"redis": {"sentinels": [f.server for f in fakes],
        "master_name": "m"}})
    works(d, old)
    mark, before = d.mark(), len(asked)
    news = b"m 127.0.0.1 %d 127.0.0.1 %d" % (old.port, new.port)
    for s in [s for f in fakes for s in f.sockets]:
        try:
            s.sendall(b"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n"
                b"$%d\r\n%s\r\n" % (len(news), news))
        except OSError:
            pass                        # a question that was answered
    d.wait_log("inet:127.0.0.1:%d: connected" % new.port, since=mark)
    wait_for(lambda: len(asked) > before, 10, "both to be asked again")
    works(d, new)
    assert not d.logged("inet:127.0.0.1:%d: connected" % old.port,
        since=mark)


def test_words_lost_in_a_fail_over_are_written_back(sentinels, brake):
    s, new = sentinels, sentinels.replicas[0]
    d = brake(settings=s.settings())
    connected(d)
    # The replica hears nothing any more, but is thought to be well.
    new.cli("CONFIG", "SET", "replica-priority", "1")
    new.freeze()
    s.master.cli("SET", KEY + "mx1", "stop by ann")
    wait_for(lambda: stopped(d), 15, "the stop")
    s.master.kill9()
    new.thaw()
    d.wait_log("inet:127.0.0.1:%d: connected" % new.port, 60)
    new.wait_key(lambda c: c.get(KEY + "mx1") == "stop by ann", 10)
    assert stopped(d)


def test_sentinels_come_and_go(sentinels, brake):
    s = sentinels
    d = brake(settings=s.settings())
    connected(d)
    s.sentinels[0].kill9()
    s.sentinels[1].freeze()
    s.master.cli("CLIENT", "KILL", "TYPE", "normal")
    s.master.cli("CLIENT", "KILL", "TYPE", "pubsub")
    works(d, s.master)
    s.sentinels[2].kill9()
    works(d, s.master)
    s.master.kill9()
    refused(d, "Sentinel inet:127.0.0.1:")
    assert d.running() and not stopped(d)


def test_a_master_that_the_sentinels_do_not_know(sentinels, brake):
    d = brake(settings=sentinels.settings(master_name="yourmaster"))
    refused(d, 'it knows no master "yourmaster": see redis.master_name')


def test_sentinels_with_a_password(place, brake):
    s = Sentinels(place, replicas=0, count=1)
    s.sentinels[0].cli("ACL", "SETUSER", "mb", "on", ">sesame-9", "-@all",
        "+auth", "+sentinel|master", "+subscribe", "allchannels")
    s.sentinels[0].cli("ACL", "SETUSER", "default", "off")
    d = brake(settings=s.settings())
    refused(d, "NOAUTH")
    d.write_conf({"redis": {"sentinel_username": "mb",
        "sentinel_password": "sesame-9"}})
    d.must("reload")
    works(d, s.master)
    assert "sesame-9" not in d.log()


@pytest.mark.parametrize("answer", [b"*0\r\n", b"+OK\r\n", b":7\r\n", None,
    b"*4\r\n$2\r\nip\r\n$9\r\nmaster.eg\r\n$4\r\nport\r\n$4\r\n6379\r\n",
    b"*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$6\r\n999999\r\n"])
def test_a_sentinel_that_talks_nonsense(place, brake, answer):
    fake = FakeRedis(place, answer=answer)
    d = brake(settings={"redis": {"sentinels": [fake.server],
        "master_name": "m"}})
    refused(d, "Sentinel inet:127.0.0.1:%d: " % fake.port)
    d.must("stop", "mx1")
    assert stopped(d)
    assert fake.connections < 60


def test_settings_that_do_not_fit(place, brake):
    d = brake(start=False, settings={"redis": {"sentinels":
        ["127.0.0.1:26379"]}})
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc == 1
    assert "redis.sentinels and redis.master_name need each other" in \
        out + err
