"""Two Sendmails on one host, each with an address of its own, as in
contrib/sendmail: what the first one hands over to the second, by a map server
that follows a script."""

import pytest

from harness.place import wait_for
from harness.sendmail import NO_MILTER, Sendmail, SocketMap, snippet

STOP = 'OK LISTED "no"'


def make_pair(place, sink, directory, *options, milter=()):
    """Both instances, not started, with /run/mailbrake as directory."""
    first = Sendmail(place, sink, start=False)
    second = Sendmail(place, sink, root=first.root, conf="mx2",
        start=False, tail=["DOMAIN(`debian-mta')dnl"])
    first.root.bind(directory, "run/mailbrake")
    first.configure(options, tail=snippet("mailbrake.mc", *milter,
        ("Kbrake socket", "Kbrake_mx1 socket"),
        ("$(brake ", "$(brake_mx1 ")) + snippet("reroute.mc",
        ("203.0.113.7')", "203.0.113.1')"),
        ("A=TCP $h 10026", "A=TCP $h %d" % second.port)))
    second.configure(tail=snippet("mx2.mc",
        ("203.0.113.8')", "203.0.113.2')"),
        ("`mx2.example.org'", "`mx2.brake.test'"),
        ("Port=10026", "Port=%d" % second.port)))
    return first, second


class Answers:
    """What the script says: states of egresses, and where to."""

    def __init__(self):
        self.brake = {"brake_mx1": "OK PASS", "brake_mx2": "OK PASS"}
        self.reroute = "NOTFOUND "

    def __call__(self, name, key):
        return self.reroute if name == "reroute" else self.brake[name]


@pytest.fixture
def pair(place, sink):
    run = place.subdir("run")
    server = SocketMap(place, run / "map.sock", Answers())
    first, second = make_pair(place, sink, run, milter=(NO_MILTER,))
    first.start()
    second.start()
    return first, second, server


def sources(sink):
    return sorted(m.source for m in sink.messages)


def test_mail_goes_by_the_first_as_a_rule(pair, sink):
    first, second, server = pair
    first.send("ann@example.org", "bob@d1.test")
    message, = sink.wait()
    assert message.source == "203.0.113.1"
    assert message.helo == "mx1.brake.test"
    # At RCPT; delivered at once, it is not asked again.
    assert server.keys("reroute") == ["<ann@example.org> <bob@d1.test.>"]
    assert server.keys("brake_mx1") == ["<ann@example.org> <@d1.test>"]
    assert not server.keys("brake_mx2")


def test_mail_is_handed_over(pair, sink):
    first, second, server = pair
    server.answer.reroute = "OK mx2"
    server.answer.brake["brake_mx1"] = STOP
    first.send("ann@example.org", ["bob@d1.test", "joe@d2.test"])
    first.sendmail("ann@example.org", "bob@d3.test")
    sink.wait(count=3)
    first.quiet()
    assert {(m.source, m.helo) for m in sink.messages} == {
        ("203.0.113.2", "mx2.brake.test")}
    assert sorted(r for m in sink.messages for r in m.recipients) == [
        "bob@d1.test", "bob@d3.test", "joe@d2.test"]
    assert not first.queue() and not second.queue()
    # One hand-over is no leaving.
    assert not server.keys("brake_mx1")
    assert len(server.keys("brake_mx2")) == 3
    assert len(first.root.logged("sm-sendmail.*mailer=mx2.*stat=Sent")) == 2


def test_queued_mail_is_handed_over_by_the_next_run(pair, sink):
    first, second, server = pair
    server.answer.brake["brake_mx1"] = STOP
    for n in range(10):
        first.send("ann@example.org", ["bob@d%d.test" % (n + 1),
            "joe@d%d.test" % (n + 2)])
    first.quiet()
    assert len(first.queue()) == 10 and not sink.messages
    server.answer.reroute = "OK mx2"
    first.run_queue()
    first.quiet()
    assert set(sources(sink)) == {"203.0.113.2"}
    assert sum(len(m.recipients) for m in sink.messages) == 20
    assert not first.queue() and not second.queue()


def test_the_second_has_a_gate_of_its_own(pair, sink):
    first, second, server = pair
    server.answer.reroute = "OK mx2"
    server.answer.brake = {"brake_mx1": STOP, "brake_mx2": STOP}
    first.send("ann@example.org", "bob@d1.test")
    second.wait_queue(1)
    first.quiet()
    assert not sink.messages and not first.queue()
    # It stays there until the second may send.
    server.answer.brake["brake_mx1"] = "OK PASS"
    server.answer.reroute = "NOTFOUND "
    first.run_queue()
    second.run_queue()
    assert not sink.messages
    server.answer.brake["brake_mx2"] = "OK PASS"
    second.run_queue()
    sink.wait(count=1)


def test_local_mail_and_bounces_of_the_second_come_home(pair, sink):
    first, second, server = pair
    server.answer.reroute = "OK mx2"
    sink.refuse = "550 5.1.1 who?"
    first.send("ann@local.test", ["bob@d1.test", "ben@local.test"])
    wait_for(lambda: len(first.mailbox("ann")) == 1, 10, "a bounce for ann")
    assert len(first.mailbox("ben")) == 1
    first.quiet()
    assert not first.queue() and not second.queue()
    assert "who?" in first.mailbox("ann")[0]


def test_mail_waits_while_the_second_is_away(pair, sink):
    first, second, server = pair
    second.stop()
    server.answer.reroute = "OK mx2"
    first.send("ann@example.org", "bob@d1.test")
    first.quiet()
    assert len(first.queue()) == 1 and not sink.messages
    second.start()
    first.run_queue()
    assert sink.wait()[0].source == "203.0.113.2"


@pytest.mark.parametrize("answer", ["NOTFOUND ", "OK esmtp", "OK mx3",
    "OK mx2:", "OK ", "PERM no", "TEMP later", "TIMEOUT", "FOO", False,
    "OK mx2 d9.test"])
def test_any_other_answer_goes_by_the_first(pair, sink, answer):
    """And nothing bounces."""
    first, second, server = pair
    server.answer.reroute = answer
    reply = first.send("ann@example.org", "bob@d1.test")
    assert reply.code == 250
    first.quiet()
    assert not first.root.logged("dsn=[45]")
    assert not first.queue() and not second.queue()
    assert sources(sink) == ["203.0.113.1"]


@pytest.mark.parametrize("answer", [b"garbage,", b"-1:OK mx2,", None])
def test_a_server_that_talks_nonsense_delays_only_mail_that_leaves(pair,
    sink, answer):
    first, second, server = pair
    server.answer.reroute = answer
    reply = first.send("ann@example.org", ["bob@d1.test",
        "ben@local.test"])
    assert reply.rcpt[0][0] == 451 and reply.code == 250
    wait_for(lambda: len(first.mailbox("ben")) == 1, 10, "mail for ben")
    first.quiet()
    assert not first.queue() and not sink.messages


def test_routes_of_the_site_are_not_touched(pair, sink):
    """mailertable, address literals."""
    first, second, server = pair
    server.answer.reroute = "OK mx2"
    first.send("ann@example.org", "bob@[198.51.100.1]")
    assert sink.wait()[0].source == "203.0.113.1"
    assert "bob" not in "".join(server.keys("reroute"))


def test_a_route_by_the_sender(pair, sink):
    """Both may send: the map decides message by message."""
    first, second, server = pair
    answers = server.answer
    server.answer = lambda name, key: "OK mx2" if name == "reroute" and \
        key.startswith("<ann@news.example.org>") else answers(name, key)
    first.send("ann@example.org", "bob@d1.test")
    first.send("ann@news.example.org", "bob@d1.test")
    sink.wait(count=2)
    assert {m.sender: m.source for m in sink.messages} == {
        "ann@example.org": "203.0.113.1",
        "ann@news.example.org": "203.0.113.2"}


def test_nobody_to_ask_where_to(pair, sink):
    """The gate, which is closed then, has the last word."""
    first, second, server = pair
    server.stop()
    assert first.send("ann@example.org", ["bob@d1.test",
        "ben@local.test"]).code == 250
    wait_for(lambda: len(first.mailbox("ben")) == 1, 10, "mail for ben")
    first.quiet()
    assert len(first.queue()) == 1 and not sink.messages
    server.start()
    first.run_queue()
    sink.wait(count=1)
