"""The milter in a real Sendmail: new mail, mail of sendmail(1), quarantine."""

import pytest

from harness.place import wait_for
from harness.sendmail import Sendmail, parse_mailq

MILTER = ("INPUT_MAIL_FILTER(`mailbrake', `S=unix:/run/mailbrake/milter.sock,"
    "%s T=C:5s;S:5s;R:5s;E:30s')dnl")
CLOSED = MILTER % " F=T,"
OPEN = MILTER % ""

HOLD = {"pools": ({"name": "default", "egress": ["mx1"],
    "actions": ["hold"]},)}


@pytest.fixture
def pair(place, brake, bl, sink):
    """pair(listed=True, settings={}, line=CLOSED): a mailbraked and a
    Sendmail that asks its milter at the usual place."""
    def make(listed=True, settings=None, line=CLOSED, **options):
        if listed:
            bl.add("203.0.113.1")
        d = brake(start=False, fronts=("milter",), settings=settings,
            egress=({"name": "mx1", "addresses": ["203.0.113.1"]},))
        d.milter = d.dir / "milter.sock"
        d.write_conf({"listen": {"milter": "unix:%s" % d.milter,
            "group": "mailbrake"}})
        d.start()
        sm = Sendmail(place, sink, options=[line], start=False, **options)
        sm.root.bind(d.dir, "run/mailbrake")
        sm.start()
        if listed:
            d.wait_state("stopped")
        return d, sm
    return make


def test_a_recipient_outside_is_refused_with_the_reason(pair, sink):
    d, sm = pair()
    answer = sm.send("ann@example.org", ["bob@d1.test", "ann@local.test"])
    assert answer.rcpt[0][0] == 451
    assert answer.rcpt[0][1].startswith("4.7.1 Outbound mail paused: "
        "203.0.113.1 is listed by bl.test (SPAM)")
    assert answer.rcpt[1][0] == 250 and answer.code == 250
    wait_for(lambda: len(sm.mailbox()) == 1, 10, "mail for ann")
    sm.quiet()
    assert not sink.messages and not sm.queue()


def test_mail_goes_when_nothing_is_listed(pair, sink):
    d, sm = pair(listed=False)
    assert sm.send("ann@example.org", "bob@d1.test").code == 250
    message, = sink.wait()
    assert message.source == "203.0.113.1" and message.sender == \
        "ann@example.org" and message.recipients == ["bob@d1.test"]
    assert d.must("status").count("milter")


def test_aliases_are_expanded_after_the_milter_was_asked(pair, sink):
    """What the manual says of what a milter does not see."""
    d, sm = pair()
    sm.root.write("aliases", "away: bob@d1.test\n")
    sm.root.command("newaliases")
    assert sm.send("ann@example.org", "away@local.test").code == 250
    sink.wait("bob@d1.test")


def test_mail_of_sendmail_waits_in_the_client_queue_with_the_reason(pair, bl,
    sink):
    d, sm = pair()
    assert sm.sendmail("ann@example.org", "bob@d1.test",
        text="from the shell") == 0
    waiting, = wait_for(sm.client_queue, 10, "the client queue")
    assert "4.7.1 Outbound mail paused" in (waiting.status or
        waiting.recipients[0][1])
    assert waiting.recipients[0][0] == "bob@d1.test"
    sm.quiet()
    # Tried again, it is refused again, and stays.
    sm.run_client_queue()
    assert len(sm.client_queue()) == 1 and not sink.messages

    bl.remove("203.0.113.1")
    d.wait_state("sending")
    sm.run_client_queue()
    assert len(sink.wait("from the shell")) == 1
    sm.quiet()
    assert not sm.client_queue() and not sm.queue()
    assert len(sink.messages) == 1


def test_local_mail_of_sendmail_is_delivered(pair):
    d, sm = pair()
    assert sm.sendmail("ann@example.org", "ben@local.test") == 0
    wait_for(lambda: len(sm.mailbox("ben")) == 1, 10, "mail for ben")


@pytest.mark.parametrize("line, passes", [(OPEN, True), (CLOSED, False)])
def test_while_the_daemon_is_away(pair, sink, line, passes):
    d, sm = pair(listed=False, line=line)
    assert sm.send("ann@example.org", "bob@d1.test", text="one").code == 250
    d.kill9()
    answer = sm.send("ann@example.org", "bob@d1.test", text="two")
    sm.sendmail("ann@example.org", "bob@d1.test", text="three")
    if passes:
        assert answer.code == 250
        sink.wait(count=3)
    else:
        assert answer.code == 451 and answer.text.startswith("4.3.2 ")
        wait_for(sm.client_queue, 10, "the client queue")
        d.start()
        assert sm.send("ann@example.org", "bob@d1.test",
            text="two").code == 250
        sm.run_client_queue()
        sink.wait(count=3)
    sm.quiet()
    assert sorted(m.data.split("\r\n\r\n")[1].strip()
        for m in sink.messages) == ["one", "three", "two"]
    assert not sm.queue() and not sm.client_queue()


@pytest.mark.parametrize("line, passes", [(OPEN, True), (CLOSED, False)])
def test_local_mail_while_the_daemon_is_away(pair, line, passes):
    """F=T puts local mail off, too: it says so of all mail."""
    d, sm = pair(listed=False, line=line)
    d.kill9()
    answer = sm.send("ann@example.org", "ben@local.test")
    assert (answer.code == 250) == passes
    d.start()
    assert sm.send("ann@example.org", "ben@local.test").code == 250


def test_held_mail_is_in_quarantine_with_the_reason(pair, bl, sink):
    d, sm = pair(settings=HOLD)
    answer = sm.send("ann@example.org", ["bob@d1.test"], text="held one")
    assert answer.code == 250
    sm.sendmail("ann@example.org", "bob@d2.test", text="held two")
    wait_for(lambda: len(sm.queue("-qQ")) == 2, 10, "two in quarantine")
    for held in sm.queue("-qQ"):
        assert held.reason.startswith(
            "Outbound mail paused: 203.0.113.1 is listed by bl.test")
    assert not sm.queue() and not sm.client_queue()
    # A run of the queue leaves them alone, also when all is well again.
    sm.run_queue()
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    sm.run_queue()
    sm.quiet()
    assert not sink.messages and len(sm.queue("-qQ")) == 2


def test_one_held_message_is_released(pair, sink):
    d, sm = pair(settings=HOLD)
    queue_id = sm.send("ann@example.org", "bob@d1.test",
        text="held one").queue_id
    sm.send("ann@example.org", "bob@d1.test", text="held two")
    assert len(sm.queue("-qQ")) == 2
    # As in the manual.
    sm.sendmail_command("-qQ", "-qI" + queue_id, "-Q")
    sm.sendmail_command("-qI" + queue_id)
    message, = sink.wait("held one")
    sm.quiet()
    assert len(sink.messages) == 1 and len(sm.queue("-qQ")) == 1
    assert not sm.queue()


def test_all_held_messages_are_released(pair, sink):
    d, sm = pair(settings=HOLD)
    for n in range(5):
        sm.send("ann@example.org", "bob@d%d.test" % (n + 1),
            text="held %d" % n)
    assert len(sm.queue("-qQ")) == 5
    sm.sendmail_command("-qQ", "-Q")
    sm.sendmail_command("-q")
    sink.wait(count=5)
    sm.quiet()
    assert len(sink.messages) == 5
    assert not sm.queue() and not sm.queue("-qQ")


def test_mail_that_is_queued_can_be_held_by_hand(pair, sink):
    d, sm = pair(listed=False)
    sink.refuse = "450 4.2.0 later"
    sm.send("ann@example.org", "bob@d1.test", text="waiting")
    sm.wait_queue(1)
    sm.quiet()
    sink.refuse = None
    sm.sendmail_command("-Qlisted, look first", "-qSann@example.org")
    held, = sm.queue("-qQ")
    assert held.reason == "listed, look first"
    sm.run_queue()
    assert not sink.messages
    sm.sendmail_command("-qQ", "-Q")
    sm.run_queue()
    sink.wait("waiting")


def test_a_mixed_message_is_held_as_a_whole(pair, sink):
    d, sm = pair(settings=HOLD)
    sm.send("ann@example.org", ["bob@d1.test", "ben@local.test"])
    held, = sm.queue("-qQ")
    assert len(held.recipients) == 2 and not sm.mailbox("ben")


def test_the_smart_host_has_to_be_taken_out_of_local_transports(pair, sink):
    smart = "define(`SMART_HOST', `[%s]')dnl" % sink.address
    d, sm = pair(line=smart + "\n" + CLOSED)
    # By default "relay" is a way that does not lead out.
    assert sm.send("ann@example.org", "bob@d1.test").code == 250
    sink.wait()
    d.write_conf({"local_transports": ["local", "prog", "procmail",
        "*file*", "*include*", "error", "discard"]})
    d.must("reload")
    answer = sm.send("ann@example.org", "bob@d1.test")
    assert answer.code == 451 and "paused" in answer.text
    assert sm.send("ann@example.org", "ben@local.test").code == 250


def test_what_mailq_says_is_understood():
    """The harness: the lines as Sendmail 8.17 prints them."""
    found = parse_mailq("""\
		/var/spool/mqueue (2 requests)
-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------
6AM9guqo000743*       6 Sun Nov 22 09:42 <ann@example.org>
                 (451 4.7.1 some text)
					 <bob@d1.test>
					 (reply: later)
					 <joe@d2.test>
6AM9guqo000744        6 Sun Nov 22 09:42 MAILER-DAEMON
      QUARANTINE: some reason
					 <bob@d1.test>
		Total requests: 2
""")
    assert [q.queue_id for q in found] == ["6AM9guqo000743",
        "6AM9guqo000744"]
    assert found[0].sender == "ann@example.org"
    assert found[0].status == "451 4.7.1 some text"
    assert found[0].recipients == [("bob@d1.test", "reply: later"),
        ("joe@d2.test", None)]
    assert found[1].reason == "some reason"
    assert found[1].recipients == [("bob@d1.test", None)]
