"""A private Sendmail in a root directory of its own, laid out by Debian's own
scripts: /etc/mail with its sendmail.mc, submit.mc and make, the queue of the
daemon and that of the submission program.  Nothing of the host is touched.

	sm = Sendmail(place, sink, options=[...], tail=[...])
	answer = sm.send("ann@example.org", ["bob@d1.test"])
	sm.sendmail("ann@example.org", "bob@d1.test")
	sm.run_queue(); sm.queue()

Remote mail leaves from 203.0.113.1 by the mailer esmtp to the sink, which is
every host of REMOTE; ann@local.test is local, see mailbox().

The files of Sendmail's packages, which cannot be installed beside Postfix, are
taken from where contrib/packages has unpacked them (MAILBRAKE_SENDMAIL), or
from the host if that has Sendmail.
"""

import collections
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from harness.place import WORK, free_port, wait_for

CACHE = pathlib.Path(os.environ.get("MAILBRAKE_SENDMAIL",
    "/var/cache/mailbrake/sendmail"))
PROGRAM = "/usr/libexec/sendmail/sendmail"

# What a client was told: the code and text that settled the message's fate;
# rcpt has one (code, text) a recipient, stage where it ended.
Answer = collections.namedtuple("Answer", "code text stage rcpt queue_id")

# One message of a queue: status is the message's own, as mailq shows it,
# recipients has (address, status), reason is the quarantine's.
Queued = collections.namedtuple("Queued",
    "queue_id size sender status recipients reason")

# The hosts that mail may go to, and those that senders are of.
REMOTE = ["d%d.test" % n for n in range(1, 21)] + ["example.net",
    "remote.test", "sub.remote.test"]
SENDERS = ["example.org", "news.example.org"]

USERS = (("root", 0, 0), ("mail", 8, 8), ("nobody", 65534, 65534),
    ("smmta", 64991, 64991), ("smmsp", 64992, 64992),
    ("ann", 64993, 64993), ("ben", 64994, 64994))

# Nothing shall depend on how busy this machine is, nor on its resolver.
FOR_TESTS = """\
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confDELAY_LA', `0')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confTO_IDENT', `0s')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h %(sink)d')dnl
define(`RELAY_MAILER_ARGS', `TCP $h %(sink)d')dnl
"""

# Debian's own sendmail.mc, without what makes it slow on purpose: a pause at
# the greeting, limits on connections.
MAIN = """\
divert(-1)dnl
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA-v4, Port=%(port)d, Addr=127.0.0.1')dnl
CLIENT_OPTIONS(`Family=inet, Addr=%(address)s')dnl
define(`confDOMAIN_NAME', `%(name)s')dnl
FEATURE(`use_cw_file')dnl
FEATURE(`access_db', , `skip')dnl
%(options)sMAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
%(tail)s"""

SUBMIT = """\
divert(-1)dnl
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-msp')dnl
define(`confQUEUE_LA', `10000')dnl
define(`RELAY_MAILER_ARGS', `TCP $h %d')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""


def files():
    """Where Sendmail's files are; skips the test if there are none."""
    for root in (CACHE, pathlib.Path("/")):
        if (root / PROGRAM[1:]).exists() and \
            (root / "usr/share/sendmail/cf/m4/cf.m4").exists():
            return root
    pytest.skip("Sendmail is not unpacked in %s: run contrib/packages test" %
        CACHE)


class Root:
    """A root directory with Sendmail in it as Debian has it, and its own
    mounts and log.  Mounts are of the tests' own namespace."""

    def __init__(self, place, layout=True):
        """layout: /etc/mail and the queues are made, too."""
        self.files = files()
        self.dir = place.subdir("sm")
        self.mounts = []
        self.daemons = set()            # process numbers
        self.log_lines = []
        self._log_socket = None
        place.add(self)
        self._make()
        if layout:
            self._lay_out()
        self._listen()

    def _make(self):
        root, files = self.dir, self.files
        for name in ("dev", "etc", "proc", "tmp", "usr", "usr/sbin",
            "usr/share", "var", "var/lib", "var/log", "var/mail", "var/run",
            "var/spool", "home"):
            (root / name).mkdir(mode=0o755)
        (root / "tmp").chmod(0o1777)
        (root / "var/mail").chmod(0o3777)
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to("usr/" + name)
        (root / "run").symlink_to("var/run")
        for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/share/perl",
            "usr/share/perl5", "proc"):
            if os.path.isdir("/" + name):
                self.bind("/" + name, name)
        for name in ("null", "zero", "urandom"):
            self.bind("/dev/" + name, "dev/" + name)
        self.bind(files / "usr/share/sendmail", "usr/share/sendmail")
        # A copy: the program is set-group-id, and to a group of this root.
        shutil.copytree(files / "usr/libexec/sendmail",
            root / "usr/libexec/sendmail", symlinks=True)
        os.chown(root / PROGRAM[1:], 0, 64992)
        (root / PROGRAM[1:]).chmod(0o2755)
        (root / "usr/sbin/sendmail").symlink_to(PROGRAM)
        (root / "usr/sbin/sendmail-mta").symlink_to(PROGRAM)
        (root / "usr/sbin/sendmail-msp").symlink_to(PROGRAM)
        for name in ("makemap", "mailstats"):
            (root / "usr/sbin" / name).symlink_to("../libexec/sendmail/" +
                name)
        shutil.copy(files / "usr/sbin/sensible-mda", root / "usr/sbin")
        shutil.copytree(files / "etc/mail", root / "etc/mail",
            symlinks=True)
        (root / "etc/init.d").mkdir()
        shutil.copy(files / "etc/init.d/sendmail", root / "etc/init.d")
        shutil.copy("/sbin/start-stop-daemon", root / "usr/sbin")
        for name in ("ld.so.cache", "services", "protocols"):
            shutil.copy("/etc/" + name, root / "etc")
        (root / "etc/nsswitch.conf").write_text("passwd: files\n"
            "group: files\nhosts: files dns\nservices: files\n")
        shutil.copy("/etc/resolv.conf", root / "etc")
        (root / "etc/passwd").write_text("".join(
            "%s:x:%d:%d::/home/%s:/bin/sh\n" % (name, uid, gid, name)
            for name, uid, gid in USERS))
        (root / "etc/group").write_text("".join("%s:x:%d:\n" % (name, gid)
            for name, _, gid in USERS) + "adm:x:4:\n")
        self.hosts({})

    def hosts(self, more):
        """more: address -> names, in addition to this host's own."""
        lines = ["127.0.0.1 localhost", "203.0.113.1 mx1.brake.test mx1"]
        # A line each: the first name of a line is that of all the others.
        lines += ["%s %s" % (address, name) for address, names in
            more.items() for name in names]
        (self.dir / "etc/hosts").write_text("\n".join(lines) + "\n")

    def bind(self, source, target):
        target = self.dir / target
        if pathlib.Path(source).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.touch()
        subprocess.run(["mount", "--bind", str(source), str(target)],
            check=True)
        self.mounts.append(target)

    def _lay_out(self):
        """What the packages do when they are installed; once for all tests,
        as it takes a second."""
        template = WORK / "sendmail-layout"
        if not template.exists():
            self.command("/usr/share/sendmail/update_sendmail", check=None)
            made = WORK / "sendmail-layout.new"
            subprocess.run(["mkdir", str(made)], check=True)
            subprocess.run(["cp", "-a", str(self.dir / "etc"),
                str(self.dir / "var"), str(made)], check=True)
            made.rename(template)
        else:
            for name in ("etc", "var"):
                subprocess.run(["cp", "-a", "%s/." % (template / name),
                    str(self.dir / name)], check=True)

    def _listen(self):
        """/dev/log."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.dir / "dev/log"
        s.bind(str(path))
        path.chmod(0o666)
        self._log_socket = s
        self._log_reader = threading.Thread(target=self._read_log,
            daemon=True)
        self._log_reader.start()

    def _read_log(self):
        while True:
            data = self._log_socket.recv(65536)
            if not data:
                return
            text = re.sub(r"^<\d+>\w+ +\d+ [\d:]+ ", "",
                data.decode("utf-8", "replace").rstrip("\0\n"))
            self.log_lines.append((time.monotonic(), text))

    # -- commands

    def argv(self, *args, user=None):
        # No group but its own, which a program started for the user has.
        return ["chroot", *(["--userspec=%s" % user, "--groups="] if user
            else []), str(self.dir), *[str(a) for a in args]]

    def command(self, *args, user=None, check=True, stdin="", timeout=60):
        """Runs it inside.  check: raise an error if it fails; None: do not
        even look.  Its standard output."""
        done = subprocess.run(self.argv(*args, user=user), input=stdin,
            capture_output=True, text=True, errors="replace",
            timeout=timeout, env={"PATH": "/usr/sbin:/usr/bin",
            "LANG": "C", "TZ": "UTC"}, cwd="/")
        if check and done.returncode != 0:
            raise AssertionError("%s: %d\n%s%s" % (args, done.returncode,
                done.stdout, done.stderr))
        return done.stdout if check else done

    def write(self, name, text):
        """A file of Sendmail's: name is relative to /etc/mail."""
        (self.dir / "etc/mail" / name).write_text(text)

    # -- the log

    def log(self):
        return "\n".join(text for _, text in list(self.log_lines))

    def mark(self):
        return len(self.log_lines)

    def logged(self, pattern, since=0):
        return [text for _, text in list(self.log_lines)[since:]
            if re.search(pattern, text)]

    def wait_log(self, pattern, timeout=8.0, since=0, count=1):
        """The first lines that have pattern after since (see mark())."""
        def found():
            lines = self.logged(pattern, since)
            return lines if len(lines) >= count else None
        return wait_for(found, timeout, "/%s/ in Sendmail's log" % pattern)

    def report(self):
        return "Sendmail", self.log()[-8000:]

    # -- the end

    def processes(self):
        """Those that still run inside."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "root") == str(self.dir):
                    found.append(int(process.name))
            except OSError:
                pass
        return found

    def kill_all(self):
        def gone():
            left = self.processes()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not left
        wait_for(gone, 10, lambda: "no process inside, there are %r" %
            self.processes())

    def stop_quietly(self):
        self.kill_all()
        if self._log_socket is not None:
            self._log_socket.shutdown(socket.SHUT_RDWR)
            self._log_reader.join(5)
            self._log_socket.close()
        for target in reversed(self.mounts):
            subprocess.run(["umount", "-l", str(target)], check=False)


class Sendmail:
    """A daemon and its queue."""

    def __init__(self, place, sink, options=(), tail=(), root=None,
        conf="sendmail", address="203.0.113.1", start=True, stock=False):
        """options: lines of sendmail.mc before the mailers, tail: those
        after.  root: where another instance is already; then conf is the
        name of this one's configuration, and tail is all of it.  stock:
        as Debian configures it, on port 25; its own script starts it."""
        first = root is None
        self.root = root or Root(place)
        self.sink = sink
        self.conf = conf
        self.port = 25 if stock else free_port()
        self.process = None
        self.queue_dir = "/var/spool/mqueue" if first else \
            "/var/spool/mqueue-" + conf
        if first:
            self.root.hosts({sink.address: REMOTE + SENDERS,
                address: ["local.test"]})
            self.root.write("local-host-names", "local.test\n"
                "mx1.brake.test\nlocalhost\n")
            self.root.write("service.switch", "hosts files\naliases files\n")
            if stock:
                place.add(self)
                return
            self.root.write("submit.mc", SUBMIT % self.port)
        else:
            path = self.root.dir / self.queue_dir[1:]
            path.mkdir()
            shutil.copymode(self.root.dir / "var/spool/mqueue", path)
            stat = (self.root.dir / "var/spool/mqueue").stat()
            os.chown(path, stat.st_uid, stat.st_gid)
        self.values = {"port": self.port, "address": address,
            "name": "mx1.brake.test", "sink": sink.port}
        self.configure(options, tail)
        place.add(self)
        if start:
            self.start()

    def configure(self, options=(), tail=()):
        """Writes sendmail.mc anew and makes sendmail.cf."""
        options, text = ("".join(line + "\n" for line in lines)
            for lines in (options, tail))
        if self.conf == "sendmail":
            text = MAIN % dict(self.values, options=options, tail=text)
        place = "DOMAIN(`debian-mta')dnl\n"
        assert place in text
        text = text.replace(place, place + FOR_TESTS % self.values)
        self.root.write(self.conf + ".mc", text)
        self.make_cf(self.conf)
        if self.conf == "sendmail":
            self.make_cf("submit")

    def make_cf(self, name):
        done = self.root.command("sh", "-c", "cd /etc/mail && m4 %s.mc "
            ">%s.cf" % (name, name), check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr

    # -- the instance

    def start(self):
        self.process = subprocess.Popen(self.root.argv(PROGRAM, "-L",
            "sm-" + self.conf, "-C", "/etc/mail/%s.cf" % self.conf, "-bD"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.root.dir / "start.log", "ab"), cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin", "TZ": "UTC"})

        self.root.daemons.add(self.process.pid)

        def up():
            if self.process.poll() is not None:
                raise AssertionError("Sendmail does not start:\n" +
                    self.root.log() + (self.root.dir /
                    "start.log").read_text())
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                    return True
            except OSError:
                return False
        wait_for(up, 15, "Sendmail takes connections")

    def stop(self):
        """Ends the daemon; deliveries under way go on."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
            self.root.daemons.discard(self.process.pid)
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def stop_quietly(self):
        self.stop()

    def sendmail_command(self, *args, **options):
        """sendmail(8) of this instance, as root."""
        return self.root.command(PROGRAM, "-C", "/etc/mail/%s.cf" %
            self.conf, *args, **options)

    # -- mail

    def connect(self):
        """An open session (EHLO said)."""
        smtp = smtplib.SMTP("127.0.0.1", self.port, timeout=60)
        smtp.ehlo("client.example")
        return smtp

    def send(self, sender, recipients, text="hello", subject="test",
        smtp=None):
        """One message by SMTP.  Recipients that are refused do not stop the
        others; with none left, code is the last refusal."""
        if isinstance(recipients, str):
            recipients = [recipients]
        mine = smtp is None
        smtp = smtp or self.connect()
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
        queue_id = re.search(r"(\w{14,}) Message accepted", said)
        return Answer(code, said, "end", rcpt,
            queue_id and queue_id.group(1))

    def sendmail(self, sender, *recipients, text="hello",
        subject="from the shell", user="ann"):
        """A message by sendmail(1), as an ordinary user.  Returns its exit
        status."""
        done = self.root.command("/usr/sbin/sendmail", "-i", "-f", sender,
            "--", *recipients, user=user, check=None, stdin="To: <%s>\n"
            "Subject: %s\n\n%s\n" % (recipients[0], subject, text))
        return done.returncode

    def mailbox(self, user="ann"):
        """The messages that were delivered to a local user."""
        try:
            text = (self.root.dir / "var/mail" / user).read_text()
        except FileNotFoundError:
            return []
        return re.split(r"^From .*\n", text, flags=re.M)[1:]

    # -- the queues

    def run_queue(self, *args):
        """One run of the whole queue, to its end.  args as -qS... select
        messages."""
        # Verbose ones do not divide the work among other processes.
        return self.sendmail_command(*(args or ("-q",)), "-v", check=None,
            timeout=120).stdout

    def run_client_queue(self):
        """The same for mail that sendmail(1) could not hand over."""
        return self.root.command(PROGRAM, "-Ac", "-q", "-v", check=None,
            timeout=120).stdout

    def queue(self, *args):
        """The queue's messages; args: -qQ for those in quarantine."""
        return parse_mailq(self.sendmail_command("-bp", *args))

    def client_queue(self, *args):
        return parse_mailq(self.root.command(PROGRAM, "-Ac", "-bp", *args))

    def wait_queue(self, count, timeout=10):
        """Waits until there are so many; returns them."""
        last = [None]

        def met():
            last[0] = self.queue()
            return len(last[0]) == count
        wait_for(met, timeout, lambda: "%d messages in the queue, there are "
            "%r" % (count, last[0]))
        return last[0]

    def quiet(self, timeout=20):
        """Waits until no delivery is under way."""
        def idle():
            return not set(self.root.processes()) - self.root.daemons
        wait_for(idle, timeout, "Sendmail to be idle")


CONTRIB = pathlib.Path(__file__).resolve().parents[3] / "contrib/sendmail"


def snippet(name, *changes):
    """A file of contrib/sendmail, as lines; changes: (old, new), which have
    to be there."""
    text = (CONTRIB / name).read_text()
    for old, new in changes:
        assert old in text, "%s has no %r" % (name, old)
        text = text.replace(old, new)
    return text.splitlines()


# Of mailbrake.mc: without the milter, and letting mail out in doubt.
NO_MILTER = ("INPUT_MAIL_FILTER(", "dnl INPUT_MAIL_FILTER(")
GATE_OPEN = ("\nR$*				$#temp", "\nR$*				$@ ok")


def parse_mailq(text):
    """What mailq prints, as Queued."""
    found = []
    for line in text.splitlines():
        first = re.match(r"(\w{14,})([*X-]?) +(\d+|\(job deferred\)|"
            r"\(no control file\)) ?(.*)", line)
        if first:
            when = re.match(r"(\w{3} \w{3} +\d+ \d\d:\d\d) (\S+)?",
                first.group(4))
            found.append(Queued(first.group(1), first.group(3),
                ((when and when.group(2)) or "").strip("<>"), None, [],
                None))
            continue
        if not found or not line[:1].isspace():
            continue
        at, last = line.strip(), found[-1]
        if at.startswith("QUARANTINE: "):
            found[-1] = last._replace(reason=at[len("QUARANTINE: "):])
        elif at.startswith("("):
            if last.recipients:
                address, _ = last.recipients[-1]
                last.recipients[-1] = address, at[1:-1]
            else:
                found[-1] = last._replace(status=at[1:-1])
        elif not at.startswith("Total requests") and at != "(BODY":
            last.recipients.append((at.strip("<>"), None))
    return found


class SocketMap:
    """A map server that follows a script.

    answer: a function of (map's name, key) that returns the reply's text,
    bytes to send as they are, None for silence, or False to close.
    """

    def __init__(self, place, path, answer="NOTFOUND "):
        self.path = pathlib.Path(path)
        self.answer = answer
        self.requests = []              # (name, key)
        self.sockets, self.threads = [], []
        self.listener = None
        self.start()
        place.add(self)

    def start(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o666)
        self.listener.listen(100)
        self._run(self._accept, self.listener)

    def _run(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            self.sockets.append(s)
            self._run(self._serve, s)

    def _serve(self, s):
        stream = s.makefile("rb")
        try:
            while True:
                size = b""
                while not size.endswith(b":"):
                    byte = stream.read(1)
                    if not byte:
                        return
                    size += byte
                data = stream.read(int(size[:-1]) + 1)[:-1]
                name, key = data.decode("latin-1").split(" ", 1)
                self.requests.append((name, key))
                reply = self.answer(name, key) if callable(self.answer) \
                    else self.answer
                if reply is False:
                    return
                if isinstance(reply, str):
                    text = reply.encode()
                    reply = b"%d:%s," % (len(text), text)
                if reply is not None:
                    s.sendall(reply)
        except (OSError, ValueError):
            pass
        finally:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def keys(self, name="brake"):
        return [key for n, key in list(self.requests) if n == name]

    def stop(self):
        """Goes away, with its connections and its socket file."""
        if self.listener is None:
            return
        self.path.unlink(missing_ok=True)
        for s in [self.listener] + self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        for s in [self.listener] + self.sockets:
            s.close()
        self.listener, self.sockets, self.threads = None, [], []

    def stop_quietly(self):
        self.stop()
