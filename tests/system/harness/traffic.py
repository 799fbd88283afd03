"""Mail that never stops coming, and is counted in and out."""

import smtplib
import threading
import time

from harness.place import wait_for

STOPPED = "stopped.example"


class Traffic:
    """Messages by milter and by policy service, one after the other: of a
    domain whose mail goes, and of one that is stopped.

        with Traffic(pf, sink) as traffic:
            ...
        traffic.settle()

    Every message that was taken must be at the sink once, and nothing else;
    one of the stopped domain must never be taken, and one of the other
    always, or, with absent=True, be put off while the daemon is away.  With
    restarts=True the mail server may be killed in the middle of a message:
    nobody knows then whether that one was taken, and what was just being
    delivered it may deliver again.
    """

    def __init__(self, pf, sink, absent=False, restarts=False):
        self.pf, self.sink, self.absent = pf, sink, absent
        self.restarts = restarts
        self.stopping = threading.Event()
        self.senders = [_Sender(self, on, domain) for on in pf.ports
            for domain in ("example.org", STOPPED)]

    def __enter__(self):
        for s in self.senders:
            s.start()
        self.wait(3)
        return self

    def wait(self, more=3):
        """Until each sender has had so many more answers."""
        marks = [len(s.answers) for s in self.senders]
        wait_for(lambda: self.errors() or all(len(s.answers) >= m + more
            for s, m in zip(self.senders, marks)), 30,
            lambda: "mail to go on: %s" % self)
        assert not self.errors(), self.errors()

    def errors(self):
        return [s.error for s in self.senders if s.error]

    def __exit__(self, *exception):
        self.stopping.set()
        for s in self.senders:
            s.join(40)

    def __str__(self):
        return ", ".join("%s %s: %d" % (s.on, s.domain, len(s.answers))
            for s in self.senders)

    def settle(self, slowest=5):
        """Counts."""
        assert not self.errors(), self.errors()
        taken = []
        for s in self.senders:
            codes = {code for code, _ in s.answers}
            if s.domain == STOPPED:
                wrong = [a for a in s.answers if a[0] != 451]
                assert not wrong, (s.on, wrong, len(s.answers))
            elif self.absent:
                assert codes <= {250, 451} and 250 in codes, (s.on, codes)
            else:
                wrong = [a for a in s.answers if a[0] != 250]
                assert not wrong, (s.on, wrong, len(s.answers))
            taken += [sender for code, sender in s.answers if code == 250]
            assert s.slowest < slowest, "%s %s: %.1f s" % (s.on, s.domain,
                s.slowest)
        self.sink.wait(count=len(taken), timeout=60)
        self.pf.wait_empty(60)
        arrived = sorted(m.sender for m in self.sink.messages)
        cut = {sender for s in self.senders for sender in s.cut
            if s.domain != STOPPED}
        if self.restarts:
            arrived = sorted(set(arrived) - cut)
        assert arrived == sorted(taken), "%d taken, %d arrived" % (
            len(taken), len(arrived))
        return len(taken)


class _Sender(threading.Thread):
    def __init__(self, traffic, on, domain):
        super().__init__(daemon=True)
        self.traffic, self.on, self.domain = traffic, on, domain
        self.answers, self.slowest, self.error = [], 0.0, None
        self.sent, self.cut = 0, []

    def run(self):
        while not self.traffic.stopping.is_set() and not self.error:
            try:
                self.send_on()
            except (OSError, smtplib.SMTPException, AssertionError) as e:
                if not self.traffic.restarts or isinstance(e,
                    AssertionError):
                    self.error = "%s %s: %r" % (self.on, self.domain, e)
                self.cut.append(self.sender())
                self.sent += 1
                time.sleep(0.05)        # nobody listens for a moment

    def sender(self):
        return "%s%d@%s" % (self.on[0], self.sent, self.domain)

    def send_on(self):
        smtp, fresh = None, 0
        while not self.traffic.stopping.is_set():
            # An error of a milter stays for a session, and one that is
            # refused often is made to wait.
            if smtp is None or fresh >= 5:
                if smtp is not None:
                    smtp.quit()
                smtp, fresh = self.traffic.pf.connect(self.on), 0
            fresh += 1
            sender = self.sender()
            start = time.monotonic()
            answer = self.traffic.pf.send(sender, ["bob@example.net"],
                smtp=smtp)
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.answers.append((answer.code, sender))
            self.sent += 1
        if smtp is not None:
            smtp.quit()
