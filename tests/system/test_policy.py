"""The Postfix policy protocol: what a client may do and what it may not."""

import random
import socket
import time

import pytest

from harness.clients import REQUEST, Policy, ask, request

# Also run with the daemon built for finding races.
pytestmark = pytest.mark.threads


@pytest.fixture
def d(brake):
    """Stopped for the domain example.org, sending for others: answers can
    be told apart."""
    daemon = brake()
    daemon.must("stop", "domain:example.org")
    return daemon


def is_stop(answer):
    return answer is not None and answer.startswith("451 4.7.1 ")


def test_one_question_one_answer(d):
    with Policy(d.policy) as p:
        assert is_stop(p.ask())
        assert p.ask(sender="ann@example.com") == "DUNNO"


def test_the_answer_is_one_line(d):
    with Policy(d.policy) as p:
        p.send(request())
        p.answer()
        p.socket.settimeout(0.2)
        with pytest.raises(socket.timeout):
            p.socket.recv(1)


def test_many_questions_on_one_connection(d):
    with Policy(d.policy) as p:
        for n in range(500):
            assert is_stop(p.ask(sender="a@example.org"))
            assert p.ask(sender="a@example.com") == "DUNNO"


def test_pipelined_questions_are_answered_in_order(d):
    order = [random.Random(1).random() < 0.5 for _ in range(2000)]
    with Policy(d.policy) as p:
        p.send(b"".join(request(sender="a@example.org" if stop else
            "a@example.com") for stop in order[:1000]))
        for stop in order[:1000]:
            assert is_stop(p.answer()) == stop
        p.send(b"".join(request(sender="a@example.org" if stop else
            "a@example.com") for stop in order[1000:]))
        for stop in order[1000:]:
            assert is_stop(p.answer()) == stop


def test_attributes_may_come_in_any_order(d):
    lines = ["%s=%s\n" % kv for kv in REQUEST.items()]
    with Policy(d.policy) as p:
        for seed in range(20):
            random.Random(seed).shuffle(lines)
            p.send("".join(lines).encode() + b"\n")
            assert is_stop(p.answer())


def test_unknown_attributes_are_ignored(d):
    with Policy(d.policy) as p:
        assert is_stop(p.ask(future_attribute="x", sender2="b@example.com",
            **{"x-y": "=", "empty": ""}))


def test_values_may_hold_anything_but_a_line_end(d):
    with Policy(d.policy) as p:
        assert p.ask(sender="a=b==c@example.com") == "DUNNO"
        assert is_stop(p.ask(sender="a=b@example.org"))
        assert is_stop(p.ask(client_name="\x80\xff \x1b[0m"))


@pytest.mark.parametrize("size", [1, 3, 17])
def test_a_question_may_come_in_pieces(d, size):
    data = request() + request(sender="a@example.com")
    with Policy(d.policy) as p:
        p.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for i in range(0, len(data), size):
            p.send(data[i:i + size])
        assert is_stop(p.answer())
        assert p.answer() == "DUNNO"


def test_a_client_that_asks_and_leaves_gets_its_answer(d):
    with Policy(d.policy) as p:
        p.send(request())
        p.socket.shutdown(socket.SHUT_WR)
        assert is_stop(p.answer())
        assert p.answer() is None


MALFORMED = {
    "a line without =": b"request=smtpd_access_policy\nsender\n\n",
    "an empty request": b"\n",
    "no request attribute": b"sender=a@example.org\n\n",
    "another request": b"request=junk\nsender=a@example.org\n\n",
    "an attribute without a name": b"request=smtpd_access_policy\n=x\n\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL": b"request=smtpd_access_policy\nsender=a\0b\n\n",
    "a line without end": b"x" * 100000,
    "attributes without end": b"a=b\n" * 50000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_question_closes_the_connection_with_a_line(d, name):
    mark = d.mark()
    with Policy(d.policy) as p:
        try:
            p.send(MALFORMED[name])
        except ConnectionError:
            pass                        # it was closed before the end
        assert p.answer() is None
    d.wait_log("policy", since=mark)
    assert is_stop(ask(d)), "others are served on"
    assert max(len(text) for _, text in d.lines[mark:]) < 400


def test_questions_before_a_malformed_one_are_answered(d):
    with Policy(d.policy) as p:
        p.send(request() + b"junk\n\n")
        assert is_stop(p.answer())
        assert p.answer() is None


def test_a_flood_of_nonsense_is_not_a_flood_of_lines(d):
    mark = d.mark()
    for _ in range(100):
        with Policy(d.policy) as p:
            p.send(b"junk\n\n")
            p.answer()
    assert len(d.lines) - mark < 20


def test_a_client_that_never_reads_hurts_only_itself(d):
    with Policy(d.policy) as p:
        p.socket.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and sent < 50000000:
            try:
                sent += p.socket.send(request() * 100)
            except BlockingIOError:
                assert is_stop(ask(d)), "or it would wait on and on"
                break
        assert sent < 50000000
    assert is_stop(ask(d))


def test_hundreds_of_open_connections(d):
    open_ones = [Policy(d.policy) for _ in range(400)]
    try:
        for p in open_ones:
            p.send(request())
        for p in open_ones:
            assert is_stop(p.answer())
    finally:
        for p in open_ones:
            p.socket.close()


# -- what is asked

@pytest.fixture
def listed(brake, bl):
    bl.add("203.0.113.1")
    daemon = brake(fronts=("policy",))
    daemon.wait_state("stopped")
    return daemon


@pytest.mark.parametrize("recipient", ["joe@local.test", "JOE@LOCAL.TEST",
    "root@localhost", "root@mx1.brake.test", "root"])
def test_mail_that_stays_here_passes(listed, recipient):
    assert ask(listed, recipient=recipient) == "DUNNO"


@pytest.mark.parametrize("recipient", ["joe@sub.local.test",
    "joe@notlocal.test", "joe@local.test.example.net",
    "\"joe@local.test\"@example.net"])
def test_mail_that_only_looks_local_does_not(listed, recipient):
    assert is_stop(ask(listed, recipient=recipient))


def test_bounces_are_stopped_like_any_mail(listed):
    """They would leave through the listed address too."""
    assert is_stop(ask(listed, sender=""))


@pytest.mark.parametrize("state", ["CONNECT", "EHLO", "HELO", "VRFY",
    "ETRN"])
def test_what_sends_no_mail_passes(listed, state):
    assert ask(listed, protocol_state=state, sender="",
        recipient="") == "DUNNO"


@pytest.mark.parametrize("state", ["RCPT", "DATA", "END-OF-MESSAGE"])
def test_every_state_of_a_message_is_decided(listed, state):
    assert is_stop(ask(listed, protocol_state=state))
    assert is_stop(ask(listed, protocol_state=state, recipient=""))


def test_hold(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"pools": ({"name": "default", "egress": ["mx1"],
        "actions": ["hold"]},)})
    d.wait_state("stopped")
    answer = ask(d)
    assert answer.startswith("HOLD ") and "bl.test" in answer


def test_hold_in_a_real_postfix(brake, bl, postfix, sink):
    bl.add("203.0.113.1")
    d = brake(settings={"pools": ({"name": "default", "egress": ["mx1"],
        "actions": ["hold"]},)})
    pf = postfix(d)
    d.wait_state("stopped")
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 250
    held, = pf.wait_queue("hold")
    assert held["sender"] == "ann@example.org"
    assert sink.messages == []


def test_each_recipient_is_decided_for_itself(brake, bl, postfix, sink):
    bl.add("203.0.113.1")
    d = brake()
    pf = postfix(d)
    d.wait_state("stopped")
    answer = pf.send("ann@example.org", ["bob@example.net",
        "joe@local.test"])
    assert [code for code, _ in answer.rcpt] == [451, 250]
    assert answer.code == 250
    pf.wait_log("to=<joe@local.test>.*status=sent")
    assert sink.messages == []
