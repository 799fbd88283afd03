"""Unbound and NSD: a resolver, and a name server, as they are in the world.

Both run as the user mailbrake with a configuration of their own.
"""

import signal
import subprocess

import dnslib

from harness.dns import reverse
from harness.place import free_port, wait_for

ANYBODY = ["setpriv", "--reuid", "mailbrake", "--regid", "mailbrake",
    "--clear-groups"]


def ask(address, port, name, type="A", timeout=1):
    """(rcode, [data]), or None while nobody answers."""
    question = dnslib.DNSRecord.question(name, type)
    try:
        answer = dnslib.DNSRecord.parse(question.send(address, port,
            timeout=timeout))
    except OSError:
        return None
    return (dnslib.RCODE[answer.header.rcode],
        [str(r.rdata) for r in answer.rr])


class _Server:
    def __init__(self, place, name):
        self.dir = place.subdir(name, user="mailbrake")
        self.address, self.port = "127.0.0.1", free_port()
        self.conf = self.dir / "conf"
        self.log_path = self.dir / "log"
        self.process = None
        place.add(self)

    @property
    def server(self):
        """As check.resolvers wants it."""
        return "%s:%d" % (self.address, self.port)

    def run(self, *command, answers):
        """answers: a name that it has an answer for, whichever."""
        self.process = subprocess.Popen([*ANYBODY, *command],
            stdin=subprocess.DEVNULL, stdout=open(self.log_path, "ab"),
            stderr=subprocess.STDOUT, cwd=self.dir)

        def up():
            assert self.process.poll() is None, self.report()[1]
            # Before it listens a question is lost, not refused.
            return self.ask(answers, timeout=0.1)
        wait_for(up, 20, lambda: "%s answers\n%s" % (command[0],
            self.report()[1]))

    def ask(self, name, type="A", timeout=1):
        return ask(self.address, self.port, name, type, timeout)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    stop_quietly = stop

    def report(self):
        return type(self).__name__, "%s\n-- configuration --\n%s" % (
            self.log_path.read_text(errors="replace")[-3000:],
            self.conf.read_text())


class Unbound(_Server):
    """A resolver.  stubs: {zone: whoever serves it}, asked as authorities;
    forward: a resolver that is asked about everything instead.  settings:
    more lines for the server clause."""

    def __init__(self, place, stubs=None, forward=None, settings=()):
        super().__init__(place, "unbound")
        text = ['server:', '  username: ""', '  chroot: ""',
            '  directory: "%s"' % self.dir, '  pidfile: ""',
            '  use-syslog: no', '  logfile: ""', '  verbosity: 1',
            '  interface: 127.0.0.1@%d' % self.port,
            '  access-control: 127.0.0.0/8 allow', '  do-ip6: no',
            '  num-threads: 1', '  module-config: "iterator"',
            '  do-not-query-localhost: no', '  local-zone: "test." nodefault',
            # The tests' lists change by the second.
            '  cache-max-ttl: 1', '  cache-max-negative-ttl: 1',
            '  infra-host-ttl: 1']
        text += ["  " + line for line in settings]
        for zone, target in (stubs or {}).items():
            text += ["stub-zone:", '  name: "%s"' % zone,
                "  stub-addr: %s@%d" % (target.address, target.port)]
        if forward is not None:
            text += ["forward-zone:", '  name: "."',
                "  forward-addr: %s@%d" % (forward.address, forward.port)]
        text += ["remote-control:", "  control-enable: no"]
        self.conf.write_text("\n".join(text) + "\n")
        self.run("unbound", "-d", "-c", str(self.conf),
            answers="localhost")


class Nsd(_Server):
    """An authority.  zones: {name: the lines of its file}, with the owner
    names as in a zone file; see listed()."""

    def __init__(self, place, zones):
        super().__init__(place, "nsd")
        self.zones = dict(zones)
        self.serial = 1
        text = ['server:', '  username: ""', '  chroot: ""',
            '  ip-address: 127.0.0.1@%d' % self.port, '  server-count: 1',
            '  zonesdir: "%s"' % self.dir, '  database: ""',
            '  pidfile: "%s/pid"' % self.dir,
            '  xfrdfile: "%s/xfrd"' % self.dir,
            '  zonelistfile: "%s/zonelist"' % self.dir,
            '  xfrdir: "%s"' % self.dir, 'remote-control:',
            '  control-enable: no']
        for zone in self.zones:
            text += ["zone:", '  name: "%s"' % zone,
                '  zonefile: "%s.zone"' % zone]
            self._write(zone)
        self.conf.write_text("\n".join(text) + "\n")
        self.run("nsd", "-d", "-c", str(self.conf),
            answers=next(iter(self.zones)))

    def _write(self, zone):
        path = self.dir / (zone + ".zone")
        path.write_text("$ORIGIN %s.\n$TTL 1\n"
            "@ SOA ns host %d 60 60 60 1\n@ NS ns\nns A 127.0.0.1\n%s\n" % (
            zone, self.serial, "\n".join(self.zones[zone])))
        path.chmod(0o644)

    def change(self, zone, lines, until):
        """New lines, and waits until until() is true."""
        self.zones[zone] = lines
        self.serial += 1
        self._write(zone)
        self.process.send_signal(signal.SIGHUP)
        wait_for(until, 10, "NSD reads its zone again")


def listed(subject, code="127.0.0.2", text=None):
    """The lines of an entry: an address, or labels as they are."""
    owner = reverse(subject) if ":" in subject or subject[0].isdigit() \
        else subject
    return ["%s A %s" % (owner, code)] + (['%s TXT "%s"' % (owner, text)]
        if text else [])


# What RFC 5782 section 5 wants in a zone.
TEST_POINTS = listed("127.0.0.2", text="test point") + \
    listed("::ffff:7f00:2") + listed("test")
