"""A private Postfix: own configuration, queue, data directory and log; the
host's instance is not touched.

	pf = Postfix(place, sink, main={...}, listeners={"milter": {...}})
	answer = pf.send("ann@example.org", ["bob@example.net"], on="milter")
	answer.code, answer.text

Remote mail leaves through the transport mx1 (from 203.0.113.1) to the sink;
local.test is local and delivered to nowhere, which the log shows.
"""

import collections
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import time

from harness.place import free_port, wait_for

DAEMONS = "/usr/lib/postfix/sbin"
QUEUES = ["q/" + name for name in ("active", "bounce", "corrupt", "defer",
    "deferred", "flush", "hold", "incoming", "private", "saved", "trace")]

# What a client was told: the code and text that settled the message's fate;
# rcpt has one (code, text) a recipient, stage where it ended.
Answer = collections.namedtuple("Answer", "code text stage rcpt queue_id")

MASTER = """\
pickup    unix  n  -  n  1     1  pickup
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  300   1  qmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
trace     unix  -  -  n  -     0  bounce
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
verify    unix  -  -  n  -     1  verify
flush     unix  n  -  n  1000? 0  flush
proxymap  unix  -  -  n  -     -  proxymap
smtp      unix  -  -  n  -     -  smtp
relay     unix  -  -  n  -     -  smtp
showq     unix  n  -  n  -     -  showq
error     unix  -  -  n  -     -  error
retry     unix  -  -  n  -     -  error
discard   unix  -  -  n  -     -  discard
local     unix  -  -  n  -     -  discard
virtual   unix  -  -  n  -     -  discard
lmtp      unix  -  -  n  -     -  lmtp
anvil     unix  -  -  n  -     1  anvil
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
scache    unix  -  -  n  -     1  scache
postlog   unix-dgram n - n -   1  postlogd
"""


class Postfix:
    def __init__(self, place, sink, main=None, listeners=None,
        transports=None, egress="mx1", start=True, ports=None):
        """main: main.cf settings.  listeners: name -> smtpd's own settings;
        ports: those of them that want a certain one.
        transports: name -> an smtp(8) client's own settings.  egress: the
        default transport."""
        self.dir = place.subdir("pf")
        self.sink = sink
        self.conf = self.dir / "etc"
        self.queue_dir = self.dir / "q"
        self.log_path = self.dir / "mail.log"
        self.process = None
        self._make_directories()
        if transports is None:
            transports = {"mx1": {"smtp_bind_address": "203.0.113.1",
                "smtp_bind_address6": "2001:db8::1"}}
        self.listeners = listeners or {"plain": {}}
        self.ports = {name: (ports or {}).get(name) or free_port()
            for name in self.listeners}
        self.main = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue_dir,
            "data_directory": self.dir / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": DAEMONS,
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": self.log_path,
            "maillog_file_prefixes": self.dir,
            "myhostname": "mx1.brake.test",
            "mydestination": "mx1.brake.test, local.test, localhost",
            "local_recipient_maps": "",
            "alias_maps": "", "alias_database": "",
            "inet_interfaces": "127.0.0.1, [::1]",
            "mynetworks": "127.0.0.0/8, [::1]/128",
            "default_transport": "%s:%s" % (egress, sink.nexthop),
            "smtpd_recipient_restrictions":
                "permit_mynetworks, reject",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no",
            "smtp_bind_address_enforce": "yes",
            "smtp_connection_cache_on_demand": "no",
            "smtp_tls_security_level": "",
            "smtpd_tls_security_level": "",
            "in_flow_delay": "0",
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "disable_vrfy_command": "yes",
            "notify_classes": "",
            "smtputf8_enable": "no",
            "line_length_limit": "4096",
        }
        self.main.update(main or {})
        (self.conf / "main.cf").write_text("".join("%s = %s\n" % kv
            for kv in self.main.items() if kv[1] is not None))
        services = ""
        for name, options in self.listeners.items():
            services += "127.0.0.1:%d inet n - n - - smtpd\n" % \
                self.ports[name]
            services += "  -o syslog_name=postfix/%s\n" % name
            services += "".join("  -o { %s = %s }\n" % kv
                for kv in options.items())
        for name, options in transports.items():
            services += "%s unix - - n - - smtp\n" % name
            services += "".join("  -o { %s = %s }\n" % kv
                for kv in options.items())
        (self.conf / "master.cf").write_text(MASTER + services)
        # Postfix waits two seconds for a main.cf that was just written, as
        # somebody may still be at it.
        for name in ("main.cf", "master.cf"):
            os.utime(self.conf / name, (time.time() - 60,) * 2)
        place.add(self)
        if start:
            self.start()

    # -- the instance

    def _make_directories(self):
        """What "postfix check" would make, in a hundredth of its time; the
        file quick-start spares that check at the next start."""
        for name in ("etc", "q", "q/pid"):
            (self.dir / name).mkdir(mode=0o755)
        for names, group, mode in ((QUEUES, "root", 0o700),
            (("q/maildrop",), "postdrop", 0o1730),
            (("q/public",), "postdrop", 0o2710),
            (("data",), "root", 0o700)):
            for name in names:
                path = self.dir / name
                path.mkdir()
                shutil.chown(path, "postfix", group)
                path.chmod(mode)

    def start(self):
        (self.queue_dir / "quick-start").touch()
        self.process = subprocess.Popen(["/usr/sbin/postfix", "-c",
            str(self.conf), "start-fg"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.dir / "start.log", "ab"),
            start_new_session=True)

        def up():
            if self.process.poll() is not None:
                raise AssertionError("Postfix does not start:\n" +
                    self.log() + (self.dir / "start.log").read_text())
            try:
                for port in self.ports.values():
                    with smtplib.SMTP("127.0.0.1", port, timeout=5):
                        pass
            except OSError:
                return False
            return True
        wait_for(up, 15, "Postfix takes connections")

    def stop(self):
        if self.process is None:
            return
        try:
            with open(self.queue_dir / "pid" / "master.pid") as f:
                master = int(f.read())
            os.kill(master, signal.SIGTERM)
        except (OSError, ValueError):
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        self._kill()

    def _kill(self):
        """Everything with this instance's name on its session."""
        if self.process is None:
            return
        try:
            with open(self.queue_dir / "pid" / "master.pid") as f:
                os.killpg(int(f.read()), signal.SIGKILL)
        except (OSError, ValueError):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.process.wait(5)
        self.process = None

    def stop_quietly(self):
        self._kill()

    def command(self, name, *args, check=True):
        done = subprocess.run(["/usr/sbin/" + name, "-c", str(self.conf),
            *args], capture_output=True, text=True, timeout=30)
        if check and done.returncode != 0:
            raise AssertionError("%s %s: %s" % (name, args, done.stderr))
        return done.stdout

    def flush(self):
        self.command("postqueue", "-f")

    # -- mail

    def connect(self, on=None):
        """An open session (EHLO said)."""
        port = self.ports[on or next(iter(self.ports))]
        smtp = smtplib.SMTP("127.0.0.1", port, timeout=30)
        smtp.ehlo("client.example")
        return smtp

    def send(self, sender, recipients, on=None, text="hello", subject="test",
        smtp=None):
        """One message by SMTP.  Recipients that are refused do not stop the
        others; with none left, code is the last refusal."""
        if isinstance(recipients, str):
            recipients = [recipients]
        mine = smtp is None
        smtp = smtp or self.connect(on)
        try:
            return self._send(smtp, sender, recipients, text, subject)
        finally:
            if mine:
                try:
                    smtp.quit()
                except smtplib.SMTPException:
                    pass

    def _send(self, smtp, sender, recipients, text, subject):
        def clean(reply):
            return reply[0], reply[1].decode("utf-8", "replace")
        code, said = clean(smtp.docmd("MAIL", "FROM:<%s>" % sender))
        if code != 250:
            smtp.docmd("RSET")
            return Answer(code, said, "mail", [], None)
        rcpt = [clean(smtp.docmd("RCPT", "TO:<%s>" % r)) for r in recipients]
        if not any(r[0] == 250 for r in rcpt):
            smtp.docmd("RSET")
            return Answer(*rcpt[-1], "rcpt", rcpt, None)
        code, said = clean(smtp.docmd("DATA"))
        if code != 354:
            return Answer(code, said, "data", rcpt, None)
        smtp.send("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n\r\n%s\r\n.\r\n"
            % (sender, recipients[0], subject, text))
        code, said = clean(smtp.getreply())
        queue_id = re.search(r"queued as (\w+)", said)
        return Answer(code, said, "end", rcpt,
            queue_id and queue_id.group(1))

    def sendmail(self, sender, *recipients, text="hello",
        subject="from the shell"):
        """A message by sendmail(1).  Returns its exit status."""
        done = subprocess.run(["/usr/sbin/sendmail", "-C", str(self.conf),
            "-i", "-f", sender, "--", *recipients], input="To: <%s>\n"
            "Subject: %s\n\n%s\n" % (recipients[0], subject, text),
            text=True, capture_output=True, timeout=30)
        return done.returncode

    def queue(self, name=None):
        """The queue's messages, as postqueue -j has them."""
        found = []
        for line in self.command("postqueue", "-j").splitlines():
            message = json.loads(line)
            if name is None or message["queue_name"] == name:
                found.append(message)
        return found

    def maildrop(self):
        return sorted(os.listdir(self.queue_dir / "maildrop"))

    def wait_queue(self, name, count=1, timeout=20):
        return wait_for(lambda: len(self.queue(name)) == count and
            (self.queue(name) or True), timeout,
            lambda: "%d messages in the %s queue, there are %r" % (count,
            name, self.queue()))

    def wait_empty(self, timeout=30):
        wait_for(lambda: not self.queue() and not self.maildrop(), timeout,
            lambda: "an empty queue, there are %r %r" % (self.queue(),
            self.maildrop()))

    # -- the log

    def log(self):
        try:
            return self.log_path.read_text(errors="replace")
        except OSError:
            return ""

    def mark(self):
        return len(self.log())

    def wait_log(self, pattern, timeout=20.0, since=0):
        """The match of pattern in the log after since (see mark())."""
        return wait_for(lambda: re.search(pattern, self.log()[since:]),
            timeout, "/%s/ in Postfix's log" % pattern)

    def report(self):
        return "Postfix", self.log()[-6000:]
