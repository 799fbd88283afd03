"""The milter, by hand and in a real Postfix."""

import socket

import pytest

from harness.clients import Milter
from harness.place import wait_for

# Also run with the daemon built for finding races.
pytestmark = pytest.mark.threads

HOLD = {"pools": ({"name": "default", "egress": ["mx1"],
    "actions": ["hold"]},)}


def start(brake, bl, listed=True, **options):
    if listed:
        bl.add("203.0.113.1")
    d = brake(fronts=("milter",), **options)
    if listed:
        d.wait_state("stopped")
    return d


def test_it_asks_for_no_more_than_it_needs(brake, bl):
    d = start(brake, bl, listed=False)
    with Milter(d.milter) as m:
        assert m.version >= 6
        for name, flag in (("connect", 0x01), ("helo", 0x02),
            ("body", 0x10), ("headers", 0x20), ("end of headers", 0x40),
            ("unknown commands", 0x100), ("data", 0x200)):
            assert m.protocol & flag, "it asks for " + name
        assert m.actions & ~(0x20 | 0x100) == 0, "quarantine, macros"


def test_recipients_are_refused_one_by_one(brake, bl):
    d = start(brake, bl)
    with Milter(d.milter) as m:
        m.connect()
        m.helo()
        assert m.mail("ann@example.org")[0] == "continue"
        answer, text = m.rcpt("bob@example.net")
        assert answer == "reply" and text.startswith("451 4.7.1 ")
        assert m.rcpt("joe@local.test", mailer="local") == ("continue", "")
        assert m.end()[0] in ("continue", "accept")
        # The next message of the same connection.
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "reply"
        m.abort()
        m.mail("ann@example.org")
        assert m.rcpt("joe@local.test", mailer="local")[0] == "continue"
        m.quit()


@pytest.mark.parametrize("mailer", ["local", "virtual", "lmtp", "relay",
    "error", "discard", "dovecot"])
def test_recipients_that_an_mta_keeps_pass(brake, bl, mailer):
    d = start(brake, bl)
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("joe@anything.test", mailer=mailer)[0] == "continue"


def test_the_transport_tells_the_egress(brake, bl):
    d = start(brake, bl, egress=(
        {"name": "mx1", "addresses": ["203.0.113.1"], "transport": "mx1"},
        {"name": "mx2", "addresses": ["203.0.113.2"],
            "transport": ["mx2", "mx2-slow"]}))
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net", mailer="mx1")[0] == "reply"
        assert m.rcpt("bob@example.net", mailer="mx2")[0] == "continue"
        assert m.rcpt("bob@example.net", mailer="mx2-slow")[0] == "continue"


def test_the_null_sender_is_stopped_like_any(brake, bl):
    d = start(brake, bl)
    with Milter(d.milter) as m:
        m.mail("")
        assert m.rcpt("bob@example.net")[0] == "reply"


def test_an_account_is_known_by_its_login(brake, bl):
    d = start(brake, bl, listed=False)
    d.must("stop", "account:ann")
    with Milter(d.milter) as m:
        m.mail("x@example.org", auth_authen="ann")
        assert m.rcpt("bob@example.net")[0] == "reply"
        m.abort()
        m.mail("x@example.org", auth_authen="ben")
        assert m.rcpt("bob@example.net")[0] == "continue"
        m.abort()
        m.mail("x@example.org")
        assert m.rcpt("bob@example.net")[0] == "continue"


def test_a_percent_sign_in_a_reason_arrives(brake, bl, postfix):
    """The protocol takes the text for a format."""
    d = start(brake, bl, listed=False)
    pf = postfix(d)
    d.must("stop", "mx1", "--reason", "100%s safe, 50% off %n")
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert "100%s safe, 50% off %n" in m.rcpt("bob@example.net")[1]
    answer = pf.send("ann@example.org", ["bob@example.net"])
    assert "100%s safe, 50% off %n" in answer.text


def test_a_stop_between_recipient_and_end_of_message_counts(brake, bl):
    d = start(brake, bl, listed=False)
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "continue"
        d.must("stop", "mx1")
        answer, text, changes = m.end()
        assert answer == "reply" and text.startswith("451 4.7.1 ")


def test_hold_quarantines_at_the_end_of_the_message(brake, bl):
    d = start(brake, bl, settings=HOLD)
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "continue"
        answer, _, changes = m.end()
        assert answer in ("continue", "accept")
        (kind, reason), = changes
        assert kind == "q" and "bl.test" in reason


@pytest.mark.parametrize("data", [b"", b"junk", b"\x00" * 64,
    b"\xff\xff\xff\xffO", b"\x00\x00\x00\x01Z" * 10], ids=["nothing", "text",
    "empty packets", "a huge packet", "unknown commands"])
def test_a_client_that_talks_nonsense_hurts_nobody(brake, bl, data):
    d = start(brake, bl)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(d.milter))
        s.sendall(data)
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "reply"
    assert d.running()


def test_hundreds_of_connections(brake, bl):
    d = start(brake, bl)
    held = [Milter(d.milter) for _ in range(200)]
    try:
        for m in held:
            m.mail("ann@example.org")
        for m in held:
            assert m.rcpt("bob@example.net")[0] == "reply"
        wait_for(lambda: [f for f in d.status()["fronts"] if
            f["name"] == "milter"][0].get("connections", 200) == 200, 5)
    finally:
        for m in held:
            m.socket.close()


# -- in Postfix

def test_hold_puts_mail_on_hold_and_keeps_it(brake, bl, postfix, sink):
    d = start(brake, bl, settings=HOLD)
    pf = postfix(d)
    answer = pf.send("ann@example.org", ["bob@example.net"])
    assert answer.code == 250
    held, = pf.wait_queue("hold")
    assert held["queue_id"] == answer.queue_id
    pf.flush()
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    pf.command("postsuper", "-H", answer.queue_id)
    pf.flush()
    assert sink.wait()[0].sender == "ann@example.org"


def test_mail_of_sendmail_is_held_and_never_put_off(brake, bl, postfix,
    sink):
    """A tempfail would leave it in maildrop, tried again by every later
    submission."""
    d = start(brake, bl)
    pf = postfix(d)
    for n in range(3):
        assert pf.sendmail("ann@example.org", "bob@example.net") == 0
    pf.wait_queue("hold", 3)
    assert pf.maildrop() == []
    assert sink.messages == []
    # By SMTP it is refused as ever.
    assert pf.send("ann@example.org", ["bob@example.net"]).code == 451


def test_mail_of_sendmail_passes_when_nothing_is_listed(brake, bl, postfix,
    sink):
    d = start(brake, bl, listed=False)
    pf = postfix(d)
    pf.sendmail("ann@example.org", "bob@example.net")
    sink.wait()
    assert d.egress()["state"] == "sending"


def test_local_mail_of_sendmail_is_delivered(brake, bl, postfix):
    """cron's mail to root."""
    d = start(brake, bl)
    pf = postfix(d)
    assert pf.sendmail("root@mx1.brake.test", "joe@local.test") == 0
    pf.wait_log("to=<joe@local.test>.*status=sent")
    assert pf.queue("hold") == [] and d.running()


def test_observe_mode_does_not_hold(brake, bl, postfix, sink):
    d = start(brake, bl, settings={"mode": "observe"})
    pf = postfix(d)
    pf.sendmail("ann@example.org", "bob@example.net")
    sink.wait()
    assert pf.queue() == [] and d.running()


def test_local_recipients_pass(brake, bl, postfix, sink):
    d = start(brake, bl)
    pf = postfix(d)
    assert pf.send("ann@example.org", ["joe@local.test"]).code == 250
    pf.wait_log("to=<joe@local.test>.*status=sent")
    assert d.running() and sink.messages == []


def test_a_virtual_alias_is_decided_by_where_it_leads_at_the_latest_there(
    brake, bl, postfix):
    """Postfix shows the alias with the mailer "error": it must not be
    refused as if it left."""
    d = start(brake, bl)
    pf = postfix(d, main={"virtual_alias_domains": "alias.test",
        "virtual_alias_maps": "inline:{ { joe@alias.test = "
        "joe@local.test } }"})
    assert pf.send("ann@example.org", ["joe@alias.test"]).code == 250
    pf.wait_log("to=<joe@local.test>.*status=sent")
    assert d.running()


def test_local_and_remote_recipients_of_one_message(brake, bl, postfix,
    sink):
    d = start(brake, bl)
    pf = postfix(d)
    answer = pf.send("ann@example.org", ["bob@example.net",
        "joe@local.test", "carl@example.com"])
    assert [code for code, _ in answer.rcpt] == [451, 250, 451]
    assert answer.code == 250
    pf.wait_log("to=<joe@local.test>.*status=sent")
    assert sink.messages == [] and d.running()


def test_the_null_sender_in_postfix(brake, bl, postfix):
    d = start(brake, bl)
    pf = postfix(d)
    assert pf.send("", ["bob@example.net"]).code == 451
    assert pf.send("", ["joe@local.test"]).code == 250
    assert d.running()


def test_a_refused_recipient_is_said_to_the_sender_in_full(brake, bl,
    postfix):
    bl.add("203.0.113.1", txt="x" * 2000)
    d = start(brake, bl)
    pf = postfix(d)
    answer = pf.send("ann@example.org", ["bob@example.net"])
    assert answer.code == 451
    assert "[mailbrake mx1]" in answer.text
    assert len(answer.text) < 512


def test_postfix_logs_no_trouble_with_the_milter(brake, bl, postfix, sink):
    d = start(brake, bl, listed=False)
    pf = postfix(d)
    for _ in range(5):
        pf.send("ann@example.org", ["bob@example.net", "joe@local.test"])
    pf.sendmail("ann@example.org", "bob@example.net")
    sink.wait(count=6)
    assert "warning: milter" not in pf.log()
    assert "configuration error" not in pf.log()
    assert d.running()
