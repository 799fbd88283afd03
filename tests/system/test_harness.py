"""The tests' own tools do what the other tests take for granted."""

import asyncio
import socket
import time

import dnslib
import pytest

from harness import libconfig
from harness.bulk import mails, pour
from harness.clients import smtp_session
from harness.dns import MODES, Dns, Rbldnsd, reverse
from harness.fastsink import FastSink
from harness.place import Timeout, wait_for
from harness.postfix import Postfix
from harness.redisserver import FakeRedis


def ask(server, subject, zone="bl.test", type="A", tcp=False, timeout=0.5):
    """(rcode, records, truncated) or None for silence."""
    labels = reverse(subject) if subject[0].isdigit() or ":" in subject \
        else subject
    question = dnslib.DNSRecord.question("%s.%s" % (labels, zone), type)
    try:
        answer = dnslib.DNSRecord.parse(question.send(server.address,
            server.port, tcp=tcp, timeout=timeout))
    except socket.timeout:
        return None
    return (dnslib.RCODE[answer.header.rcode],
        [str(r.rdata) for r in answer.rr], bool(answer.header.tc))


def test_a_healthy_list_shows_its_entries_and_test_points(dns, bl):
    bl.add("203.0.113.7", ["127.0.0.2", "127.0.0.4"], txt="why")
    bl.add("2001:db8::7")
    assert ask(dns, "127.0.0.2") == ("NOERROR", ["127.0.0.2"], False)
    assert ask(dns, "127.0.0.1") == ("NXDOMAIN", [], False)
    assert ask(dns, "::ffff:7f00:2")[0] == "NOERROR"
    assert ask(dns, "::ffff:7f00:1")[0] == "NXDOMAIN"
    assert ask(dns, "test")[0] == "NOERROR"
    assert ask(dns, "invalid")[0] == "NXDOMAIN"
    assert ask(dns, "203.0.113.7")[1] == ["127.0.0.2", "127.0.0.4"]
    assert ask(dns, "203.0.113.7", type="TXT")[1] == ['"why"']
    assert ask(dns, "2001:db8::7")[1] == ["127.0.0.2"]
    bl.remove("203.0.113.7")
    assert ask(dns, "203.0.113.7")[0] == "NXDOMAIN"
    assert [q.subject for q in bl.queries("203.0.113.7", type=None)] == \
        ["203.0.113.7"] * 3


@pytest.mark.parametrize("mode, expected", [
    ("world", ("NOERROR", ["127.0.0.2"], False)),
    ("refused_code", ("NOERROR", ["127.255.255.254"], False)),
    ("servfail", ("SERVFAIL", [], False)),
    ("refused", ("REFUSED", [], False)),
    ("silent", None),
    ("nodata", ("NOERROR", [], False)),
    ("foreign", ("NOERROR", ["91.195.240.117"], False)),
    ("nxdomain", ("NXDOMAIN", [], False)),
])
def test_a_list_misbehaves_as_told(dns, bl, mode, expected):
    assert mode in MODES
    bl.mode = mode
    assert ask(dns, "127.0.0.2") == expected
    assert ask(dns, "203.0.113.9") == expected


def test_one_subject_can_misbehave_alone(dns, bl):
    bl.behave("127.0.0.1", "world")
    assert ask(dns, "127.0.0.1")[1] == ["127.0.0.2"]
    assert ask(dns, "203.0.113.9")[0] == "NXDOMAIN"


def test_a_cut_answer_is_whole_over_tcp(dns, bl):
    bl.add("203.0.113.7")
    bl.truncate = True
    assert ask(dns, "203.0.113.7") == ("NOERROR", [], True)
    assert ask(dns, "203.0.113.7", tcp=True) == ("NOERROR", ["127.0.0.2"],
        False)


def test_answers_can_be_late(dns, bl):
    bl.delay = 0.3
    start = time.monotonic()
    assert ask(dns, "127.0.0.2", timeout=2)[0] == "NOERROR"
    assert time.monotonic() - start >= 0.3


def test_a_resolver_can_rewrite_what_does_not_exist(dns):
    dns.mode = "foreign"
    assert ask(dns, "203.0.113.9")[1] == ["91.195.240.117"]
    assert ask(dns, "127.0.0.2")[1] == ["127.0.0.2"]


def test_a_stopped_resolver_comes_back_on_its_port(dns):
    dns.stop()
    with pytest.raises(OSError):
        ask(dns, "127.0.0.2")
        raise ConnectionRefusedError
    dns.start()
    assert ask(dns, "127.0.0.2")[0] == "NOERROR"


def test_two_resolvers_can_share_a_list_and_keep_their_queries(place, dns,
    bl):
    other = place.add(Dns("::1"))
    other.serve(bl)
    bl.add("203.0.113.7")
    q = dnslib.DNSRecord.question("7.113.0.203.bl.test")
    q.send(other.address, other.port, timeout=1, ipv6=True)
    assert ask(dns, "203.0.113.7")[0] == "NOERROR"
    assert len(bl.queries("203.0.113.7")) == 2
    assert len(dns.queries()) == len(other.queries()) == 1


def test_waiting_for_a_query_that_does_not_come_says_so(bl):
    with pytest.raises(Timeout, match="203.0.113.9"):
        bl.wait_query("203.0.113.9", timeout=0.1)


def test_rbldnsd_lists_and_delists(place):
    rbl = place.add(Rbldnsd(place))
    rbl.add("203.0.113.7")
    assert rbl.ask("203.0.113.7") == ["127.0.0.2"]
    assert rbl.ask("127.0.0.1") == []
    rbl.remove("203.0.113.7")
    assert rbl.ask("203.0.113.7") == []


def test_redis_dies_freezes_and_comes_back_empty(redis):
    assert redis.cli("SET", "a", "b", "EX", 100) == "OK"
    assert redis.client().ttl("a") > 90
    redis.freeze()
    with socket.create_connection(("127.0.0.1", redis.port)) as s:
        s.settimeout(0.2)
        s.sendall(b"PING\r\n")
        with pytest.raises(socket.timeout):
            s.recv(10)
        redis.thaw()
        s.settimeout(5)
        assert s.recv(10) == b"+PONG\r\n"
    redis.kill9()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", redis.port))
    redis.start()
    assert redis.client().get("a") is None


def test_the_false_redis_says_what_it_is_told(place):
    fake = FakeRedis(place, answer=b"-LOADING x\r\n", greeting=b"+HI\r\n")
    with socket.create_connection(("127.0.0.1", fake.port)) as s:
        assert s.recv(100) == b"+HI\r\n"
        s.sendall(b"PING\r\n")
        assert s.recv(100) == b"-LOADING x\r\n"


def test_postfix_delivers_through_the_egress_to_the_sink(postfix, sink):
    pf = postfix(transports={
        "mx1": {"smtp_bind_address": "203.0.113.1"},
        "mx2": {"smtp_bind_address": "203.0.113.2",
            "smtp_helo_name": "mx2.brake.test"}},
        main={"sender_dependent_default_transport_maps":
            "inline:{ { carl@example.org = mx2: } }",
            "relayhost": sink.nexthop})
    answer = pf.send("ann@example.org", ["bob@example.net"], text="one")
    assert answer.code == 250 and answer.queue_id
    assert pf.sendmail("ann@example.org", "bob@example.net", text="two") == 0
    pf.send("carl@example.org", ["bob@example.net"], text="three")
    assert sink.wait("one")[0].source == "203.0.113.1"
    assert sink.wait("two")[0].sender == "ann@example.org"
    assert sink.wait("three")[0].source == "203.0.113.2"
    assert sink.find("three")[0].helo == "mx2.brake.test"
    pf.wait_empty()


def test_postfix_keeps_local_mail_and_shows_it_in_its_log(postfix, sink):
    pf = postfix()
    answer = pf.send("ann@example.org", ["joe@local.test"])
    assert answer.code == 250
    pf.wait_log(r"to=<joe@local\.test>.*status=sent")
    assert sink.messages == []


def test_postfix_reports_each_recipients_answer(postfix):
    pf = postfix(main={"smtpd_recipient_restrictions":
        "check_recipient_access inline:{ { bad@example.net = 451 4.7.1 no }"
        " }, permit_mynetworks, reject"})
    answer = pf.send("ann@example.org", ["bad@example.net",
        "joe@local.test"])
    assert answer.rcpt[0][0] == 451 and "4.7.1" in answer.rcpt[0][1]
    assert answer.code == 250


def test_a_dead_milter_has_postfixs_default_answer(postfix, place):
    pf = postfix(listeners={"milter": {"smtpd_milters":
        "unix:%s/none" % place.dir}})
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 451


def test_a_dead_sink_leaves_mail_in_the_queue_until_it_lives(postfix, sink):
    pf = postfix()
    sink.refuse = "450 4.2.0 later"
    pf.send("ann@example.org", ["bob@example.net"])
    message, = pf.wait_queue("deferred")
    assert message["sender"] == "ann@example.org"
    sink.refuse = None
    pf.flush()
    sink.wait()
    pf.wait_empty()


def test_two_hundred_sessions_at_a_time_reach_postfix(postfix):
    pf = postfix(main={"default_process_limit": "250"})

    async def many():
        return await asyncio.gather(*[smtp_session(pf.ports["plain"],
            "ann@example.org", ["joe@local.test"], "x") for _ in range(200)])
    answers = asyncio.run(many())
    assert [code for code, _, _ in answers] == [250] * 200


def test_the_fast_sink_writes_down_what_comes_and_when(place):
    fast = FastSink(place, delay=3600)
    pf = Postfix(place, fast, transports={"mx1": {
        "smtp_bind_address": "203.0.113.3",
        "smtp_helo_name": "mx3.brake.test"}})
    start = time.monotonic()
    assert pour(pf.ports["plain"], mails(30)) == {}
    wait_for(lambda: fast.under_way() == 5, 10)     # as Postfix begins
    assert fast.taken() == []
    fast.delay(0)
    taken = fast.wait(30)
    assert sorted(d.id for d in taken) == ["m%05d" % n for n in range(30)]
    for d in taken:
        assert (d.source, d.helo) == ("203.0.113.3", "mx3.brake.test")
        assert (d.sender, d.recipients) == ("s%d@example.org" %
            int(d.id[1:]), ["r%d@example.net" % int(d.id[1:])])
        assert start < d.begun <= d.ended < time.monotonic()
    assert fast.begun_after(start, "203.0.113.3") == fast.deliveries
    assert fast.begun_after(time.monotonic(), "203.0.113.3") == []
    fast.refuse("450 4.2.0 later")
    pf.send("ann@example.org", ["bob@example.net", "eve@example.net"],
        subject="two")
    wait_for(lambda: fast.read()[-1].end == "R", 10)
    pf.wait_queue("deferred")
    fast.refuse()
    pf.flush()
    assert fast.wait(31)[-1].recipients == ["bob@example.net",
        "eve@example.net"]
    with socket.create_connection((fast.address, fast.port)) as s:
        s.sendall(b"HELO x\r\nMAIL FROM:<>\r\nDATA\r\nSubject: half\r\n")
        wait_for(lambda: fast.under_way() == 1, 5)
    wait_for(lambda: fast.read()[-1].end == "X", 5)
    # A delivery begins with its connection, the next one on that by itself.
    before = len(fast.read())
    with socket.create_connection((fast.address, fast.port)) as s:
        s.recv(100)
        connected = time.monotonic()
        s.sendall(b"HELO x\r\nMAIL FROM:<>\r\n")
        wait_for(lambda: fast.under_way() == 1, 5)
        s.sendall(b"RSET\r\nMAIL FROM:<>\r\n")
        wait_for(lambda: len(fast.read()) == before + 2, 5)
    first, second = fast.read()[-2:]
    assert first.begun < connected < second.begun


def test_mail_that_postfix_refuses_is_told(postfix):
    pf = postfix(main={"smtpd_recipient_restrictions":
        "check_recipient_access inline:{ { r1@example.net = 451 4.7.1 no }"
        " }, permit_mynetworks, reject"})
    refused = pour(pf.ports["plain"], mails(3), sessions=1)
    assert list(refused) == ["m00001"]
    assert refused["m00001"][0].startswith("451 4.7.1")


def test_a_small_disk_fills_up(place):
    disk = place.small_disk("small")
    with pytest.raises(OSError):
        (disk / "big").write_bytes(b"x" * 1000000)


def test_configurations_are_written_as_libconfig_wants():
    text = libconfig.dumps({"a": 1, "b": "x\"\\", "c": True, "d": None,
        "e": ["x", "y"], "f": ({"g": "h"},), "i": {"j": []},
        "k": libconfig.Raw("0x10")})
    assert text == ('a = 1;\nb = "x\\"\\\\";\nc = true;\n'
        'e = ["x", "y"];\nf = (\n\t{\n\t\tg = "h";\n\t});\n'
        'i = {\n\tj = ();\n};\nk = 0x10;\n')


def test_the_network_is_private():
    assert socket.gethostname() == "mx1.brake.test"
    with open("/etc/resolv.conf") as f:
        assert "127.0.0.53" in f.read()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 25))
        assert s.getsockname()[0] == "203.0.113.1"
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.connect(("2001:db8:ffff::1", 25))
        assert s.getsockname()[0].startswith("2001:db8::")
    wait_for(lambda: True)
