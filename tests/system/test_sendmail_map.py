"""The rules of contrib/sendmail against a map server that follows a script:
what Sendmail asks, and that no answer but the right one lets mail out."""

import time

import pytest

from harness.place import wait_for
from harness.sendmail import (GATE_OPEN, NO_MILTER, Sendmail, SocketMap,
    snippet)

PAUSED = ("Outbound mail paused: 203.0.113.1 is listed by zen.spamhaus.org "
    "(SBL123456), don't (retry) at 50% [mailbrake mx1]")


@pytest.fixture
def gated(place, sink):
    """gated(*changes of mailbrake.mc): a Sendmail with the gate, and the
    server that answers it."""
    def make(*changes):
        run = place.subdir("run")
        answers = SocketMap(place, run / "map.sock", "OK PASS")
        sm = Sendmail(place, sink, start=False)
        sm.root.bind(run, "run/mailbrake")
        sm.configure(tail=snippet("mailbrake.mc", NO_MILTER, *changes))
        sm.root.write("aliases", 'prog: "|/bin/echo bob@d1.test"\n'
            "file: /tmp/box\n"
            "away: bob@d3.test, ben\n")
        sm.root.command("newaliases")
        sm.start()
        return sm, answers
    return make


# --- what is asked ---------------------------------------------------------

@pytest.mark.parametrize("recipient, key", [
    ("bob@d1.test", "<@d1.test>"),
    ("Mixed.Case+x@D4.TEST", "<@d4.test>"),
    ("u@[198.51.100.1]", "<@[198.51.100.1]>"),
    ('"a b"@d5.test', "<@d5.test>"),
    ('"x> <y"@d2.test', "<@d2.test>"),
    ("|prog@d1.test", "<@d1.test>"),
    ('"|prog"@d1.test', "<@d1.test>"),
    ("@d1.test:jo@d6.test", "<@d6.test>"),
    # What an alias expands to, and what only looks local.
    ("away@local.test", "<@d3.test>"),
    ("bob%d2.test@local.test", "<@d2.test>"),
    ("d2.test!bob@local.test", "<@d2.test>"),
])
def test_mail_that_leaves_is_asked_about(gated, sink, recipient, key):
    sm, answers = gated()
    answers.answer = 'OK LISTED "no"'
    assert sm.send("ann@example.org", recipient).code == 250
    sm.quiet()
    assert answers.keys() == ["<ann@example.org> " + key]
    assert not sink.messages
    answers.answer = "OK PASS"
    sm.run_queue()
    sm.quiet()
    assert len(sink.messages) == 1 and not sm.queue()


@pytest.mark.parametrize("recipient", ["ben@local.test", "ben",
    "ben+d1.test@local.test", "Ben@LOCAL.TEST", "prog@local.test",
    "file@local.test"])
def test_local_mail_is_never_asked_about(gated, recipient):
    sm, answers = gated()
    # Nobody to be asked at all.
    answers.stop()
    assert sm.send("ann@example.org", recipient).code == 250
    wait_for(lambda: sm.root.logged("to=.*stat=Sent"), 10, "a delivery")
    sm.quiet()
    assert not sm.queue() and not answers.requests


def test_local_mail_is_not_asked_about_after_mail_that_leaves(gated, sink):
    """One process, one message, in any order of mailers."""
    sm, answers = gated()
    answers.answer = 'OK LISTED "no"'
    sm.send("ann@example.org", ["bob@d1.test", "ben+x@local.test",
        "joe@d2.test", "ann@local.test", "prog@local.test"])
    sm.quiet()
    assert len(sm.mailbox("ann")) == 1 and len(sm.mailbox("ben")) == 1
    waiting, = sm.queue()
    assert sorted(a for a, _ in waiting.recipients) == ["bob@d1.test",
        "joe@d2.test"]
    sm.run_queue()
    assert len(sm.mailbox("ann")) == 1 and not sink.messages
    answers.answer = "OK PASS"
    sm.run_queue()
    sm.quiet()
    assert len(sink.messages) == 2 and not sm.queue()


def test_who_the_sender_is(gated):
    sm, answers = gated()
    for sender in ("", "Ann@EXAMPLE.org", '"a b"@example.org'):
        sm.send(sender, "bob@d1.test")
    sm.quiet()
    assert sorted(answers.keys()) == ["<> <@d1.test>",
        "<a b@example.org> <@d1.test>", "<ann@example.org> <@d1.test>"]


def test_bounces_that_sendmail_makes_are_asked_about(gated, sink):
    sm, answers = gated()
    answers.answer = lambda name, key: "OK PASS" if "d1.test" in key else \
        'OK LISTED "no"'
    sink.refuse = "550 5.1.1 who?"
    sm.send("ann@example.org", "bob@d1.test")
    sm.wait_queue(1)
    sm.quiet()
    assert answers.keys()[-1] == "<mailer-daemon> <@example.org>"
    answers.answer, sink.refuse = "OK PASS", None
    sm.run_queue()
    message, = sink.wait()
    assert message.sender == "" and message.recipients == ["ann@example.org"]


def test_the_hosts_that_an_operator_names_are_inside(gated, sink):
    sm, answers = gated(("C{BrakeInside}", "C{BrakeInside}d7.test "))
    answers.answer = 'OK LISTED "no"'
    sm.send("ann@example.org", ["bob@d7.test", "bob@d8.test"])
    sm.quiet()
    assert sink.wait()[0].recipients == ["bob@d7.test"]
    assert answers.keys() == ["<ann@example.org> <@d8.test>"]


# --- what is answered --------------------------------------------------------

def test_the_reason_is_in_the_log(gated, sink):
    sm, answers = gated()
    answers.answer = 'OK LISTED "%s"' % PAUSED
    sm.send("ann@example.org", "bob@d1.test")
    sm.quiet()
    line, = sm.root.logged("Outbound")
    assert line.endswith(": " + PAUSED)
    waiting, = sm.queue()
    assert "clt_features=TEMPFAIL" in waiting.status
    assert not sink.messages


def test_a_text_without_quotes_stops_too(gated, sink):
    sm, answers = gated()
    for text in ("", " no more", " it's (listed", ' 12" <x', ' "', " \\"):
        answers.answer = "OK LISTED" + text
        sm.send("ann@example.org", "bob@d1.test")
    sm.quiet()
    assert len(sm.queue()) == 6 and not sink.messages
    assert not sm.root.logged("mailer=esmtp.*stat=(Sent|User|Service)")
    answers.answer = "OK PASS"
    sm.run_queue()
    sm.quiet()
    assert len(sink.messages) == 6 and not sm.queue()


WRONG = {
    "not found": "NOTFOUND ", "not found, bare": "NOTFOUND",
    "permanent": "PERM no", "temporary": "TEMP later",
    "timeout": "TIMEOUT", "unknown word": "FOO bar", "nothing": "",
    "ok and nothing": "OK ", "an unknown value": "OK GO",
    "more than pass": "OK PASS on", "a quoted pass": 'OK "PASS"',
    "half a quote": 'OK "PASS', "a bracket": "OK <PASS",
    "closed": False, "no netstring": b"OK PASS\n",
    "no length": b":OK PASS,", "a negative length": b"-7:OK PASS,",
    "no comma": b"7:OK PASS;", "too short a length": b"2:OK PASS,",
    "a huge length": b"99999999999:OK PASS,",
    "a late second answer": b"0:,7:OK PASS,",
}


def rid_of(sm, sink, answers, sent=None):
    """Everything goes, once each."""
    answers.answer = "OK PASS"
    sent = sent or len(sink.messages) + len(sm.queue())
    sm.run_queue()
    sm.quiet()
    assert not sm.queue() and len(sink.messages) == sent


def test_no_wrong_answer_lets_mail_out(gated, sink):
    sm, answers = gated()
    for n, (what, answer) in enumerate(WRONG.items()):
        answers.answer = answer
        assert sm.send("ann@example.org", "bob@d1.test",
            text=what).code == 250
        sm.quiet()
        assert not sink.messages, what
        assert len(sm.queue()) == n + 1, what
    # Nor when it is tried again.
    for what, answer in WRONG.items():
        answers.answer = answer
        sm.run_queue()
        assert not sink.messages, what
        assert len(sm.queue()) == len(WRONG), what
    assert not sm.root.logged("dsn=5")
    rid_of(sm, sink, answers)


def test_with_the_other_last_rule_only_a_listing_stops(gated, sink):
    sm, answers = gated(GATE_OPEN)
    for n, (what, answer) in enumerate(WRONG.items()):
        answers.answer = answer
        sm.send("ann@example.org", "bob@d1.test", text=what)
        sm.quiet()
    # What kills or confuses the delivering process leaves the mail queued.
    left = len(sm.queue())
    assert len(sink.messages) + left == len(WRONG) and left <= 2
    assert not sm.root.logged("dsn=5")
    answers.answer = 'OK LISTED "no"'
    before = len(sink.messages)
    sm.send("ann@example.org", "bob@d1.test")
    sm.quiet()
    sm.run_queue()
    assert len(sink.messages) == before
    rid_of(sm, sink, answers)


def test_an_ok_without_a_blank_ends_a_delivery_but_loses_nothing(gated,
    sink):
    """A fault of Sendmail 8.17: it dies of this answer."""
    sm, answers = gated()
    answers.answer = "OK"
    sm.send("ann@example.org", "bob@d1.test")
    sm.quiet()
    assert len(sm.queue()) == 1 and not sink.messages
    rid_of(sm, sink, answers)


@pytest.mark.parametrize("changes, passes", [((), False),
    ((GATE_OPEN,), True)])
def test_nobody_to_ask(gated, sink, changes, passes):
    sm, answers = gated(*changes)
    answers.stop()
    sm.send("ann@example.org", "bob@d1.test", text="one")
    sm.sendmail("ann@example.org", "bob@d1.test", text="two")
    wait_for(lambda: len(sink.messages) + len(sm.queue()) == 2, 10,
        "two messages")
    sm.quiet()
    assert len(sink.messages) == (2 if passes else 0)
    answers.start()
    rid_of(sm, sink, answers)


@pytest.mark.parametrize("changes, passes", [((), False),
    ((GATE_OPEN,), True)])
def test_an_answer_that_does_not_come(gated, sink, changes, passes):
    sm, answers = gated(("-d5 ", "-d1 "), *changes)
    answers.answer = None
    start = time.monotonic()
    sm.send("ann@example.org", ["bob@d1.test"])
    sm.quiet()
    assert time.monotonic() - start < 5
    assert len(sink.messages) == (1 if passes else 0)
    rid_of(sm, sink, answers)


def test_an_answer_that_comes_late_is_not_the_next_ones(gated, sink):
    sm, answers = gated(("-d5 ", "-d1 "))

    def late(name, key):
        if "d1.test" in key:
            time.sleep(1.5)
            return "OK PASS"
        return 'OK LISTED "no"'
    answers.answer = late
    sm.send("ann@example.org", ["bob@d%d.test" % n for n in (1, 2, 3)])
    sm.quiet()
    assert len(answers.keys()) == 3 and not sink.messages
    waiting, = sm.queue()
    assert len(waiting.recipients) == 3


def test_only_the_message_in_progress_goes_when_the_brake_comes(gated, sink):
    """In the middle of a run of a full queue."""
    sm, answers = gated()
    answers.answer = 'OK LISTED "no"'
    for n in range(30):
        sm.send("ann@example.org", "bob@d%d.test" % (n % 20 + 1))
    sm.quiet()
    assert len(sm.queue()) == 30
    passed = []

    def ten(name, key):
        if len(passed) == 10:
            return 'OK LISTED "no"'
        passed.append(key)
        return "OK PASS"
    answers.answer = ten
    sm.run_queue()
    sm.quiet()
    assert len(sink.messages) == 10 and len(sm.queue()) == 20
    rid_of(sm, sink, answers)


def test_each_message_of_a_run_is_asked_about(gated, sink):
    """All for one host, which Sendmail would keep a connection to."""
    sm, answers = gated()
    answers.answer = 'OK LISTED "no"'
    for n in range(5):
        sm.send("ann@example.org", ["bob@d1.test", "joe@d1.test"])
    sm.quiet()
    answers.requests.clear()
    rid_of(sm, sink, answers)
    assert len(answers.keys()) == 5


def test_each_domain_of_a_message_is_asked_about(gated, sink):
    sm, answers = gated()
    answers.answer = lambda name, key: "OK PASS" if "d1.test" in key else \
        'OK LISTED "not there"'
    sm.send("ann@example.org", ["bob@d1.test", "joe@d1.test",
        "bob@d2.test"])
    sm.quiet()
    message, = sink.messages
    assert sorted(message.recipients) == ["bob@d1.test", "joe@d1.test"]
    waiting, = sm.queue()
    assert [a for a, _ in waiting.recipients] == ["bob@d2.test"]


# --- nothing bounces ----------------------------------------------------------

def test_a_refused_recipient_does_not_bounce_the_others(gated, sink):
    """In check_compat it does."""
    sm, answers = gated()
    sink.refuse = "550 5.1.1 who?"
    answers.answer = lambda name, key: "OK PASS" if "<@d1.test>" in key \
        else 'OK LISTED "no"'
    sm.send("ann@example.org", ["bob@d1.test", "bob@d2.test",
        "bob@d3.test"])
    sm.quiet()
    sink.refuse = None
    # The bounce of the first waits like the two others.
    first, second = sorted(sm.queue(), key=lambda q: len(q.recipients))
    assert [a for a, _ in first.recipients] == ["ann@example.org"]
    assert sorted(a for a, _ in second.recipients) == ["bob@d2.test",
        "bob@d3.test"]
    assert not sink.messages
    rid_of(sm, sink, answers, 3)


def test_a_failing_program_does_not_bounce_the_others(gated, sink):
    sm, answers = gated()
    sm.root.write("aliases", 'prog: "|/bin/false"\n')
    sm.root.command("newaliases")
    answers.answer = 'OK LISTED "no"'
    sm.send("ann@example.org", ["prog@local.test", "bob@d1.test"])
    sm.quiet()
    assert len(sm.queue()) == 2 and not sink.messages
    rid_of(sm, sink, answers, 2)
    assert sorted(m.recipients for m in sink.messages) == [
        ["ann@example.org"], ["bob@d1.test"]]


def test_an_unknown_recipient_does_not_bounce_the_others(gated, sink):
    sm, answers = gated()
    answers.answer = 'OK LISTED "no"'
    answer = sm.send("ann@example.org", ["nobody@mx1.brake.test",
        "who@local.test", "bob@d1.test"])
    assert answer.rcpt[1][0] == 550 and answer.code == 250
    sm.quiet()
    rid_of(sm, sink, answers)
    assert sink.messages[-1].recipients == ["bob@d1.test"]
