"""mailbraked and a real Sendmail with all that contrib/sendmail has: new
mail, queued mail, mail of sendmail(1); nothing is lost, bounced or sent twice.
"""

import collections
import signal
import threading

import pytest

from harness.place import wait_for
from harness.sendmail import GATE_OPEN, NO_MILTER, Sendmail, snippet
from test_sendmail_two import make_pair

CLOSED_MILTER = ("milter.sock, T=", "milter.sock, F=T, T=")

ONE = ({"name": "mx1", "addresses": ["203.0.113.1"],
    "transport": ["esmtp", "smtp"]},)
TWO = ONE + ({"name": "mx2", "addresses": ["203.0.113.2"],
    "transport": "mx2"},)


def make_daemon(brake, **options):
    """Not started, with its sockets where Sendmail's rules have them."""
    d = brake(start=False, fronts=("milter", "socketmap"), **options)
    d.milter, d.map = d.dir / "milter.sock", d.dir / "map.sock"
    d.write_conf({"listen": {"milter": "unix:%s" % d.milter,
        "socketmap": "unix:%s" % d.map, "group": "mailbrake"}})
    return d


@pytest.fixture
def pair(place, brake, bl, sink):
    """pair(*changes of mailbrake.mc, listed=False): both, started."""
    def make(*changes, listed=False, **options):
        options.setdefault("egress", ONE)
        d = make_daemon(brake, **options).start()
        sm = Sendmail(place, sink, start=False)
        sm.root.bind(d.dir, "run/mailbrake")
        sm.configure(tail=snippet("mailbrake.mc", *changes))
        sm.start()
        if listed:
            bl.add("203.0.113.1")
            d.wait_state("stopped")
        return d, sm
    return make


def fill(sm, sink, count):
    """So many messages in the queue, accepted while nothing was listed."""
    sink.refuse = "450 4.2.0 later"
    for n in range(count):
        assert sm.send("ann@example.org", "bob@d%d.test" % (n % 20 + 1),
            text="queued %d." % n).code == 250
    sm.quiet()
    sm.wait_queue(count)
    sink.refuse = None


def texts(sink):
    return [m.data.split("\r\n\r\n", 1)[1].strip() for m in sink.messages]


# --- the brake ---------------------------------------------------------------

def test_queued_mail_stops_and_goes_again(pair, bl, sink):
    d, sm = pair()
    fill(sm, sink, 20)
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    sm.run_queue()
    sm.quiet()
    assert not sink.messages and len(sm.queue()) == 20
    # What the log has for each try.
    assert sm.root.logged("Outbound mail paused: 203.0.113.1 is listed by "
        r"bl.test \(SPAM\) \[mailbrake mx1\]")
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    sm.run_queue()
    sm.quiet()
    assert sorted(texts(sink)) == sorted("queued %d." % n
        for n in range(20))
    assert not sm.queue()


def test_the_brake_comes_in_the_middle_of_a_run(pair, bl, sink):
    """A run that is under way: one message at most is in progress."""
    d, sm = pair()
    fill(sm, sink, 60)
    run = threading.Thread(target=sm.run_queue)
    run.start()
    sink.wait(count=3)
    d.must("stop", "mx1")
    at = len(sink.messages)
    run.join()
    sm.quiet()
    assert len(sink.messages) <= at + 1
    assert len(sink.messages) + len(sm.queue()) == 60
    d.must("auto", "mx1")
    sm.run_queue()
    sm.quiet()
    assert sorted(texts(sink)) == sorted("queued %d." % n
        for n in range(60))


def test_new_mail_is_refused_and_the_rest_waits(pair, bl, sink):
    d, sm = pair(listed=True)
    sm.root.write("aliases", "away: bob@d3.test, ben\n")
    sm.root.command("newaliases")
    answer = sm.send("ann@example.org", "bob@d1.test", text="refused")
    assert answer.code == 451 and "paused" in answer.text
    # sendmail(1), which waits with its own queue, and an alias, which the
    # milter does not see.
    assert sm.sendmail("ann@example.org", "bob@d2.test", text="shell") == 0
    assert sm.send("ann@example.org", "away@local.test",
        text="alias").code == 250
    wait_for(lambda: len(sm.mailbox("ben")) == 1, 10, "mail for ben")
    wait_for(sm.client_queue, 10, "the client queue")
    sm.quiet()
    waiting, = sm.wait_queue(1)
    assert [a for a, _ in waiting.recipients] == ["bob@d3.test"]
    sm.run_queue()
    sm.run_client_queue()
    assert not sink.messages

    bl.remove("203.0.113.1")
    d.wait_state("sending")
    sm.run_queue()
    sm.run_client_queue()
    sink.wait(count=2)
    sm.quiet()
    assert sorted(texts(sink)) == ["alias", "shell"]
    assert len(sm.mailbox("ben")) == 1
    assert not sm.queue() and not sm.client_queue()


def test_without_the_milter_all_is_accepted_and_waits(pair, bl, sink):
    d, sm = pair(NO_MILTER, listed=True)
    assert sm.send("ann@example.org", ["bob@d1.test",
        "ben@local.test"]).code == 250
    assert sm.sendmail("ann@example.org", "bob@d2.test") == 0
    wait_for(lambda: len(sm.mailbox("ben")) == 1, 10, "mail for ben")
    sm.wait_queue(2)
    sm.quiet()
    assert not sink.messages and not sm.client_queue()
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    sm.run_queue()
    sm.quiet()
    assert len(sink.messages) == 2 and not sm.queue()


def test_released_mail_is_asked_about_again(pair, sink):
    """Out of the quarantine, the gate still stands before it."""
    d, sm = pair(listed=True, settings={"pools": ({"name": "default",
        "egress": ["mx1"], "actions": ["hold"]},)})
    assert sm.send("ann@example.org", "bob@d1.test").code == 250
    assert len(sm.queue("-qQ")) == 1
    sm.sendmail_command("-qQ", "-Q")
    sm.run_queue()
    assert not sink.messages and len(sm.queue()) == 1
    d.must("send", "mx1")
    sm.run_queue()
    assert len(sink.wait()) == 1


def test_domains_that_the_daemon_has_as_local_pass_the_gate(pair, sink):
    d, sm = pair(NO_MILTER, listed=True,
        settings={"local_domains": ["d9.test"]})
    assert sm.send("ann@example.org", "bob@d9.test").code == 250
    assert sink.wait()[0].recipients == ["bob@d9.test"]


def test_an_egress_name_that_sendmail_cannot_write(pair, bl, sink):
    """The underscore stands for what a map's name must not have."""
    d, sm = pair(NO_MILTER, ("Kbrake socket", "Kbrake_mx_1_a socket"),
        ("$(brake ", "$(brake_mx_1_a "), egress=(
        {"name": "other", "addresses": ["203.0.113.3"]},
        {"name": "mx-1.a", "addresses": ["203.0.113.1"]}))
    sm.send("ann@example.org", "bob@d1.test")
    sink.wait()
    bl.add("203.0.113.1")
    d.wait_state("stopped", "mx-1.a")
    sm.send("ann@example.org", "bob@d1.test")
    sm.wait_queue(1)
    sm.quiet()
    assert len(sink.messages) == 1


def test_an_egress_that_is_not_there_lets_nothing_out(pair, sink):
    d, sm = pair(NO_MILTER, ("Kbrake socket", "Kbrake_mx7 socket"),
        ("$(brake ", "$(brake_mx7 "))
    sm.send("ann@example.org", "bob@d1.test")
    sm.wait_queue(1)
    sm.quiet()
    assert not sink.messages


def test_with_a_smart_host_the_gate_stops_what_the_milter_lets_in(pair, bl,
    sink):
    """"relay" is among the local transports, by default."""
    d, sm = pair()
    sm.stop()
    sm.configure(["define(`SMART_HOST', `[%s]')dnl" % sink.address],
        tail=snippet("mailbrake.mc"))
    sm.start()
    sm.send("ann@example.org", "bob@d1.test")
    sink.wait()
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    assert sm.send("ann@example.org", "bob@d1.test").code == 250
    sm.wait_queue(1)
    sm.quiet()
    assert len(sink.messages) == 1


# --- while the daemon is away, under load ------------------------------------

class Load:
    """Mail by SMTP and by sendmail(1), all the time, to one local and many
    remote recipients.  accepted: texts of what the sender got a 250 for."""

    def __init__(self, sm):
        self.sm = sm
        self.accepted, self.refused, self.errors = [], [], []
        self.going = True
        self.threads = [threading.Thread(target=self._smtp, args=(n,))
            for n in range(3)] + [threading.Thread(target=self._shell)]
        for thread in self.threads:
            thread.start()

    def _smtp(self, number):
        n = 0
        while self.going:
            n += 1
            text = "smtp %d.%d." % (number, n)
            try:
                answer = self.sm.send("ann@example.org",
                    "bob@d%d.test" % (n % 20 + 1), text=text)
            except OSError as e:
                self.errors.append(e)
                return
            (self.accepted if answer.code == 250 else
                self.refused).append(text)
            if answer.code not in (250, 451):
                self.errors.append(answer)

    def _shell(self):
        n = 0
        while self.going:
            n += 1
            text = "shell %d." % n
            if self.sm.sendmail("ann@example.org",
                "joe@d%d.test" % (n % 20 + 1), text=text) == 0:
                self.accepted.append(text)
            else:
                self.errors.append(text)

    def more(self, count):
        at = len(self.accepted) + len(self.refused)
        wait_for(lambda: len(self.accepted) + len(self.refused) >=
            at + count or self.errors, 60, "%d messages more" % count)

    def end(self):
        self.going = False
        for thread in self.threads:
            thread.join(60)
        assert not self.errors, self.errors


def all_arrived(sm, sink, load):
    """What was accepted, once each, and nothing else, no bounce."""
    sm.run_client_queue()
    sm.quiet(60)
    sm.run_queue()
    sm.quiet(60)
    assert not sm.queue() and not sm.client_queue()
    arrived = collections.Counter(texts(sink))
    assert arrived == collections.Counter(load.accepted)
    assert not [m for m in sink.messages if not m.sender]


@pytest.mark.parametrize("changes", [(), (CLOSED_MILTER,), (GATE_OPEN,)])
def test_killed_under_load_nothing_is_lost(pair, sink, changes):
    d, sm = pair(*changes)
    load = Load(sm)
    try:
        load.more(20)
        d.kill9()
        load.more(20)
        d.start()
        load.more(20)
        d.stop()
        load.more(10)
        d.start()
        load.more(20)
    finally:
        load.end()
    all_arrived(sm, sink, load)


@pytest.mark.parametrize("changes, closed", [((), True),
    ((CLOSED_MILTER,), True), ((GATE_OPEN,), False)])
def test_killed_while_listed_under_load(pair, bl, sink, changes, closed):
    d, sm = pair(*changes, listed=True)
    load = Load(sm)
    try:
        load.more(10)
        assert not sink.messages
        d.kill9()
        load.more(30)
        # Fail-closed is all but what is said to be open.
        assert bool(sink.messages) != closed
        d.start()
        d.wait_state("stopped")
        load.more(10)
    finally:
        load.end()
    sm.quiet()
    if closed:
        assert not sink.messages
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    all_arrived(sm, sink, load)


def test_local_mail_goes_on_while_the_daemon_is_away(pair, sink):
    d, sm = pair(listed=True)
    d.kill9()
    assert sm.send("ann@example.org", ["bob@d1.test",
        "ben@local.test"]).code == 250
    assert sm.sendmail("ann@example.org", "ben@local.test") == 0
    wait_for(lambda: len(sm.mailbox("ben")) == 2, 10, "mail for ben")
    sm.quiet()
    assert len(sm.queue()) == 1 and not sink.messages


def test_while_the_daemon_hangs(pair, sink):
    """Local mail comes late, other mail waits."""
    d, sm = pair(("-d5 ", "-d1 "), ("C:5s;S:5s;R:5s", "C:1s;S:1s;R:1s"))
    d.process.send_signal(signal.SIGSTOP)
    try:
        assert sm.send("ann@example.org", ["bob@d1.test",
            "ben@local.test"]).code == 250
        wait_for(lambda: len(sm.mailbox("ben")) == 1, 20, "mail for ben")
        sm.quiet()
        assert len(sm.queue()) == 1 and not sink.messages
    finally:
        d.process.send_signal(signal.SIGCONT)
    sm.run_queue()
    assert len(sink.wait()) == 1


def test_while_the_daemon_hangs_and_the_milter_is_closed(pair, sink):
    d, sm = pair(CLOSED_MILTER, ("C:5s;S:5s;R:5s", "C:1s;S:1s;R:1s"))
    d.process.send_signal(signal.SIGSTOP)
    try:
        answer = sm.send("ann@example.org", "ben@local.test")
        assert answer.code == 451 and answer.text.startswith("4.3.2 ")
    finally:
        d.process.send_signal(signal.SIGCONT)
    assert sm.send("ann@example.org", "ben@local.test").code == 250


# --- two egresses ------------------------------------------------------------

@pytest.fixture
def two(place, brake, bl, sink):
    d = make_daemon(brake, egress=TWO, settings={"pools": ({
        "name": "default", "egress": ["mx1", "mx2"],
        "actions": ["reroute", "tempfail"]},)}).start()
    first, second = make_pair(place, sink, d.dir)
    first.start()
    second.start()
    return d, first, second


def sources(sink):
    return [m.source for m in sink.messages]


def test_mail_of_a_listed_egress_leaves_by_the_other(two, bl, sink):
    d, first, second = two
    d.must("send", "mx2")           # it has never sent: the guard minds
    fill(first, sink, 10)
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    assert first.send("ann@example.org", "bob@d1.test",
        text="new").code == 250
    assert first.sendmail("ann@example.org", "bob@d2.test",
        text="shell") == 0
    first.run_queue()
    sink.wait(count=12)
    first.quiet()
    assert set(sources(sink)) == {"203.0.113.2"}
    assert not first.queue() and not second.queue()
    assert sorted(texts(sink)) == sorted(["new", "shell"] +
        ["queued %d." % n for n in range(10)])

    bl.remove("203.0.113.1")
    d.wait_state("sending")
    first.send("ann@example.org", "bob@d1.test", text="home")
    message, = sink.wait("home")
    assert message.source == "203.0.113.1"


def test_with_both_listed_all_waits(two, bl, sink):
    d, first, second = two
    bl.add("203.0.113.1")
    bl.add("203.0.113.2")
    d.wait_state("stopped", "mx1")
    d.wait_state("stopped", "mx2")
    answer = first.send("ann@example.org", ["bob@d1.test",
        "ben@local.test"])
    assert answer.rcpt[0][0] == 451 and answer.code == 250
    first.sendmail("ann@example.org", "bob@d2.test")
    wait_for(first.client_queue, 10, "the client queue")
    first.run_client_queue()
    first.quiet()
    assert not sink.messages


def test_what_was_handed_over_stops_at_the_other(two, bl, sink):
    d, first, second = two
    d.must("send", "mx2")
    d.must("stop", "mx1")
    sink.refuse = "450 4.2.0 later"
    assert first.send("ann@example.org", "bob@d1.test").code == 250
    second.wait_queue(1)
    first.quiet()
    sink.refuse = None
    d.must("stop", "mx2")
    second.run_queue()
    first.quiet()
    assert not sink.messages and len(second.queue()) == 1
    d.must("send", "mx2")
    second.run_queue()
    assert sink.wait()[0].source == "203.0.113.2"
