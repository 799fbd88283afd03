"""A scripted DNS server that stands for a resolver and the lists behind it.

	dns = Dns()
	bl = dns.list("bl.test")
	bl.add("203.0.113.7", txt="bought a botnet")	# listed
	bl.remove("203.0.113.7")			# delisted
	bl.mode = "silent"				# gone

A BlockList may be given to several servers (dns2.serve(bl)): two resolvers
that agree.  Everything may be changed while the server runs; every query is
kept, and can be waited for.  What no mode does a script can:

	bl.play("203.0.113.7", lambda name, kind, via: Answer(records=[...]))
"""

import asyncio
import bisect
import collections
import ipaddress
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import dnslib

from harness.place import free_port, wait_for

Query = collections.namedtuple("Query", "time name type zone subject via")

# What a list says when it is asked about something; see BlockList.mode.
MODES = {
    "healthy": "its entries and test points, NXDOMAIN for the rest",
    "world": "everything is listed",
    "refused_code": "127.255.255.254 for everything",
    "servfail": "SERVFAIL", "refused": "REFUSED", "formerr": "FORMERR",
    "notimp": "NOTIMP",
    "silent": "no answer at all",
    "nodata": "NOERROR without a record for everything",
    "foreign": "a parked domain: 91.195.240.117 for everything",
    "blocked": "0.0.0.0 for everything",
    "nxdomain": "NXDOMAIN for everything, the test points too",
    "filtered": "as healthy, but listings arrive as NODATA",
    "parked_alias": "a CNAME to somebody else's address",
    "garbage": "bytes that are no DNS message",
    "wrong_id": "an answer to another question",
}
SO_RCVBUFFORCE = 33             # Linux; the module lacks it
UDP_MAX = 512                   # without EDNS
NOERROR, NXDOMAIN = 0, 3
RCODES = {"formerr": 1, "servfail": 2, "notimp": 4, "refused": 5}
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15,
    "TXT": 16, "AAAA": 28, "RRSIG": 46}
TYPE_NAMES = {number: name for name, number in TYPES.items()}

# Answers are packed by hand: with a library the server would be the slowest
# part of every test.  name None is the question's.
Record = collections.namedtuple("Record", "name type ttl data")

# What a script says.  mangle: a function of the packed message that returns
# what is sent instead.
Answer = collections.namedtuple("Answer", "rcode records authority additional "
    "truncated mangle", defaults=(0, (), (), (), False, None))


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in
        name.rstrip(".").split(".") if label) + b"\0"


def read_question(data):
    """(id, flags, name in lower case, type, the question's bytes)"""
    ident, flags, count = struct.unpack_from(">HHH", data)
    labels, at = [], 12
    if flags & 0x8000 or count != 1:
        raise ValueError("no question")
    while data[at]:
        size = data[at]
        if size > 63:
            raise ValueError("a pointer in a question")
        labels.append(data[at + 1:at + 1 + size].decode("latin-1"))
        at += 1 + size
    kind, _ = struct.unpack_from(">HH", data, at + 1)
    return (ident, flags, ".".join(labels).lower(), kind, data[12:at + 5])


def pack_answer(ident, flags, question, rcode, records=(), authority=(),
    additional=(), truncated=False):
    out = struct.pack(">HHHHHH", ident, 0x8080 | (flags & 0x0100) | rcode |
        (0x0200 if truncated else 0), 1, len(records), len(authority),
        len(additional))
    out += question
    for r in [*records, *authority, *additional]:
        out += (b"\xc0\x0c" if r.name is None else wire_name(r.name)) + \
            struct.pack(">HHIH", TYPES[r.type], 1, r.ttl, len(r.data)) + \
            r.data
    return out


def a_record(address, ttl, name=None):
    return Record(name, "A", ttl, ipaddress.IPv4Address(address).packed)


def cname(target, ttl=1, name=None):
    return Record(name, "CNAME", ttl, wire_name(target))


def txt_record(*strings, ttl=1, name=None):
    """One TXT record of these strings, bytes of up to 255 each."""
    return Record(name, "TXT", ttl, b"".join(bytes([len(s)]) + s
        for s in strings))


def soa_record(zone):
    return Record(zone, "SOA", 1, wire_name("ns." + zone) +
        wire_name("host." + zone) + struct.pack(">IIIII", 1, 60, 60, 60, 1))


def reverse(address):
    """The labels before the zone, as RFC 5782 wants them."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return ".".join(reversed(str(ip).split(".")))
    return ".".join(reversed(ip.exploded.replace(":", "")))


def subject_of(labels):
    """The other way round: an address, or the labels as they are."""
    parts = labels.split(".")
    if len(parts) == 4 and all(p.isdigit() and int(p) < 256 for p in parts):
        return ".".join(reversed(parts))
    if len(parts) == 32 and all(len(p) == 1 and
        p in "0123456789abcdef" for p in parts):
        h = "".join(reversed(parts))
        return str(ipaddress.ip_address(int(h, 16)))
    return labels


def canonical(subject):
    try:
        ip = ipaddress.ip_address(subject)
    except ValueError:
        return subject.lower()
    return str(ip)


class BlockList:
    """One zone.  Its test points behave unless told otherwise."""

    def __init__(self, zone, test_codes=("127.0.0.2",), ttl=1):
        self.zone = zone.rstrip(".").lower()
        self.mode = "healthy"
        self.ttl = ttl
        self.delay = 0.0        # seconds before each answer
        self.truncate = False   # over UDP; TCP gives it all
        self.tcp = True         # False: no answer over TCP
        self.special = {}       # see behave()
        self.scripts = {}       # see play()
        self.must_hit = ["127.0.0.2", canonical("::ffff:7f00:2"), "test"]
        self.pulse = "127.0.0.2"        # the test point that counts rounds
        self.test_codes = list(test_codes)
        self.entries = {}       # subject -> ([codes], [txt])
        self.servers = []

    def add(self, subject, codes="127.0.0.2", txt=None):
        """Lists subject.  codes and txt: one string or several."""
        if isinstance(codes, str):
            codes = [codes]
        if txt is None:
            txt = []
        elif isinstance(txt, (str, bytes)):
            txt = [txt]
        self.entries[canonical(subject)] = (list(codes), list(txt))

    def behave(self, subject, mode):
        """A mode for this subject alone."""
        self.special[canonical(subject)] = mode

    def play(self, subject, script):
        """script(name, kind, via) makes every Answer about this subject, or
        returns None for silence."""
        self.scripts[canonical(subject)] = script

    def remove(self, subject):
        self.entries.pop(canonical(subject), None)

    def queries(self, subject=None, type="A", since=0.0):
        """What any of its servers was asked, oldest first."""
        if subject is not None:
            subject = canonical(subject)
        return sorted(q for s in self.servers for q in s.queries(since)
            if q.zone == self.zone and
            (type is None or q.type == type) and
            (subject is None or q.subject == subject))

    def wait_query(self, subject=None, count=1, timeout=20.0, type="A",
        since=None):
        """Waits for count queries from now on (or since)."""
        if since is None:
            since = time.monotonic()
        wait_for(lambda: len(self.queries(subject, type, since)) >= count,
            timeout, lambda: "%d queries of %s for %s, had %d" % (count,
            self.zone, subject, len(self.queries(subject, type, since))))

    def wait_sweeps(self, count=2, timeout=30.0, since=None):
        """Waits until count rounds of questions about this list that begin
        from now on (or since) have ended: each asks once for the test
        point, and the next begins when it has ended."""
        if since is None:
            since = time.monotonic()

        def rounds():
            return len([q for q in self.queries(self.pulse, since=since)
                if q.via == "udp"])
        wait_for(lambda: rounds() > count, timeout,
            lambda: "%d rounds of queries on %s, had %d" % (count + 1,
            self.zone, rounds()))

    # -- answering

    def answer(self, subject, kind):
        """(rcode, or None for silence; records)"""
        mode = self.special.get(subject, self.mode)
        assert mode in MODES, mode
        if mode in RCODES:
            return RCODES[mode], []
        if mode == "silent":
            return None, []
        if mode == "nodata":
            return NOERROR, []
        if mode == "nxdomain":
            return NXDOMAIN, []
        txt = []
        if mode == "world":
            codes, txt = ["127.0.0.2"], ["this list is closed"]
        elif mode == "refused_code":
            codes, txt = ["127.255.255.254"], ["open resolver, see faq"]
        elif mode == "foreign":
            codes = ["91.195.240.117"]
        elif mode == "blocked":
            codes = ["0.0.0.0"]
        elif mode == "parked_alias":
            park = "park.example.net"
            return NOERROR, [cname(park, self.ttl),
                a_record("91.195.240.117", self.ttl, park)]
        elif subject in self.entries:
            codes, txt = self.entries[subject]
        elif subject in self.must_hit:
            codes, txt = self.test_codes, ["test point"]
        else:
            return NXDOMAIN, []
        if mode == "filtered":
            return NOERROR, []
        if kind == "A":
            return NOERROR, [a_record(c, self.ttl) for c in codes]
        if kind == "TXT":
            return NOERROR, [Record(None, "TXT", self.ttl, _strings(t))
                for t in txt]
        return NOERROR, []


def _strings(text):
    """A TXT record's data."""
    data = text if isinstance(text, bytes) else text.encode()
    return b"".join(bytes([len(c)]) + c for c in (data[i:i + 255]
        for i in range(0, len(data), 255))) or b"\0"


class Dns:
    """The server: UDP and TCP on one address and port, in its own thread.
    Names outside its lists and records do not exist.  Its own modes, for
    all lists alike: those of RCODES, "silent", "nxdomain", "foreign"
    (rewrites NXDOMAIN), "stripped" (takes out 127.0.0.0/8) and
    "refused_code" (the lists refuse what it asks)."""

    def __init__(self, address="127.0.0.1", port=None, tcp=True):
        self.address = address
        self.port = port or free_port()
        # False: nobody listens there; "closes": and that is all it does.
        self.tcp = tcp
        self.zones = {}
        self.hosts = {}         # (name, type) -> [Record]
        self.mode = None        # set: the whole resolver behaves like this
        self.delay = 0.0
        self.open = self.most_open = 0  # questions not answered yet
        self.log = []
        self.running = False
        self.start()

    @property
    def server(self):
        """As check.resolvers wants it."""
        if ":" in self.address:
            return "[%s]:%d" % (self.address, self.port)
        return "%s:%d" % (self.address, self.port)

    def list(self, zone, **options):
        return self.serve(BlockList(zone, **options))

    def serve(self, bl):
        self.zones[bl.zone] = bl
        bl.servers.append(self)
        return bl

    def host(self, name, type, *values, ttl=60):
        """Records outside the lists, for instance a PTR."""
        pack = {"A": lambda v: ipaddress.IPv4Address(v).packed,
            "AAAA": lambda v: ipaddress.IPv6Address(v).packed,
            "PTR": wire_name, "CNAME": wire_name, "TXT": _strings}[type]
        self.hosts[name.rstrip(".").lower(), type] = [Record(None, type, ttl,
            pack(v)) for v in values]

    def pointer(self, address, *names):
        """The PTR records of an address."""
        self.host("%s.%s" % (reverse(address), "ip6.arpa" if ":" in address
            else "in-addr.arpa"), "PTR", *names)

    def queries(self, since=0.0):
        return self.log[bisect.bisect_left(self.log, (since,)):]

    # -- the thread

    def start(self):
        self._ready = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(5)
        if self._error:
            raise self._error
        self.running = True

    def stop(self):
        """Nobody listens any more; start() brings it back."""
        if self.running:
            self.running = False
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    stop_quietly = stop

    def _run(self):
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        outer = self

        class Udp(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, peer):
                def send(reply):
                    if not self.transport.is_closing():
                        self.transport.sendto(reply, peer)
                outer._ask(data, "udp", send)

        async def tcp(reader, writer):
            try:
                while outer.tcp != "closes":
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)

                    def send(reply):
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                    outer._ask(data, "tcp", send)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        try:
            transport, _ = loop.run_until_complete(
                loop.create_datagram_endpoint(Udp, sock=self._socket()))
            server = loop.run_until_complete(asyncio.start_server(tcp,
                self.address, self.port)) if self.tcp else None
        except OSError as e:
            self._error = e
            self._ready.set()
            return
        self._ready.set()
        try:
            loop.run_forever()
        finally:
            transport.close()
            if server is not None:
                server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _socket(self):
        """With room for all that comes while this machine is busy: what is
        lost here would look like a time-out of the list."""
        s = socket.socket(socket.AF_INET6 if ":" in self.address else
            socket.AF_INET, socket.SOCK_DGRAM)
        try:
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            s.bind((self.address, self.port))
        except OSError:
            s.close()
            raise
        s.setblocking(False)
        return s

    def _find(self, name):
        best = None
        for zone, bl in self.zones.items():
            if (name == zone or name.endswith("." + zone)) and (
                best is None or len(zone) > len(best.zone)):
                best = bl
        return best

    def _ask(self, data, via, send):
        try:
            ident, flags, name, number, question = read_question(data)
        except (ValueError, IndexError, struct.error):
            return
        kind = TYPE_NAMES.get(number, str(number))
        bl = self._find(name)
        labels = name[:-len(bl.zone)].rstrip(".") if bl else name
        subject = canonical(subject_of(labels))
        self.log.append(Query(time.monotonic(), name, kind,
            bl.zone if bl else None, subject, via))

        delay = self.delay + (bl.delay if bl else 0)
        mode = bl.special.get(subject, bl.mode) if bl else None
        script = bl.scripts.get(subject) if bl else None
        authority, additional, mangle = [], [], None
        truncated = bl is not None and bl.truncate and via == "udp"
        if self.mode in RCODES:
            rcode, records = RCODES[self.mode], []
        elif self.mode == "silent" or (bl and via == "tcp" and not bl.tcp):
            return
        elif script is not None:
            answer = script(name, kind, via)
            if answer is None:
                return
            rcode, records, authority, additional, truncated, mangle = answer
        elif bl is not None:
            rcode, records = bl.answer(subject, kind)
        elif any(n == name for n, _ in self.hosts):
            rcode, records = NOERROR, self.hosts.get((name, kind), [])
        else:
            rcode, records = NXDOMAIN, []
        rcode, records = self._as_resolver(bl, kind, rcode, records)
        if rcode is None:
            return

        if script is None and not records and rcode in (NOERROR, NXDOMAIN):
            authority = [soa_record(bl.zone if bl else "test")]
        if script is None and truncated:
            records, authority = [], []
        reply = pack_answer(ident, flags, question, rcode, records,
            authority, additional, truncated)
        if script is None and via == "udp" and len(reply) > UDP_MAX:
            reply = pack_answer(ident, flags, question, rcode,
                truncated=True)
        if mangle is not None:
            reply = mangle(reply)
        elif mode == "garbage":
            reply = b"\x00" * 5 + os.urandom(20)
        elif mode == "wrong_id":
            reply = struct.pack(">H", (ident + 1) & 0xffff) + reply[2:]
        self._send(send, reply, delay)

    def _as_resolver(self, bl, kind, rcode, records):
        """What self.mode makes of an answer."""
        if self.mode == "nxdomain":
            return NXDOMAIN, []
        if self.mode == "foreign" and rcode == NXDOMAIN and kind == "A":
            # A provider's "search help": what exists stays.
            return NOERROR, [a_record("91.195.240.117", 1)]
        if self.mode == "refused_code" and bl is not None and kind == "A":
            return NOERROR, [a_record("127.255.255.254", 1)]
        if self.mode == "stripped":
            return rcode, [r for r in records if r.type != "A" or
                r.data[0] != 127]
        return rcode, records

    def _send(self, send, reply, delay):
        def now():
            self.open -= 1
            send(reply)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        if delay:
            self._loop.call_later(delay, now)
        else:
            now()

    def report(self):
        return "DNS %s" % self.server, "\n".join(
            "%10.3f %s %s %s" % (q.time, q.via, q.type, q.name)
            for q in list(self.log)[-60:])


class Rbldnsd:
    """A real list server.  Entries are "ADDRESS" or "ADDRESS:CODE:TXT"."""

    def __init__(self, place, zone="rbl.test", address="127.0.0.1"):
        self.dir = place.subdir("rbldnsd")
        self.zone, self.address, self.port = zone, address, free_port()
        self.entries = {"127.0.0.2": ":127.0.0.2:test point"}
        self.file = self.dir / "zone"
        self.process = None
        self.log_path = self.dir / "log"
        self._write()
        self.start()

    @property
    def server(self):
        return "%s:%d" % (self.address, self.port)

    def _write(self):
        new = pathlib.Path(str(self.file) + ".new")
        new.write_text("$SOA 1 ns.%s host.%s 1 60 60 60 1\n$TTL 1\n"
            ":127.0.0.2:listed\n%s" % (self.zone, self.zone, "".join(
            "%s %s\n" % e for e in sorted(self.entries.items()))))
        new.chmod(0o644)
        new.replace(self.file)

    def start(self):
        self.process = subprocess.Popen(["rbldnsd", "-n", "-f", "-c", "1s",
            "-b", "%s/%d" % (self.address, self.port), "-w", str(self.dir),
            "%s:ip4set:zone" % self.zone], stdout=subprocess.DEVNULL,
            stderr=open(self.log_path, "wb"))
        # Before it listens a question is lost, not refused.
        wait_for(lambda: self.ask("127.0.0.2", 0.1) == ["127.0.0.2"], 5,
            "rbldnsd answers")

    def ask(self, address, timeout=1):
        """The codes that it gives for address now."""
        try:
            answer = dnslib.DNSRecord.question(
                "%s.%s" % (reverse(address), self.zone)).send(self.address,
                self.port, timeout=timeout)
        except OSError:
            return []
        return [str(r.rdata) for r in dnslib.DNSRecord.parse(answer).rr]

    def add(self, address, code="127.0.0.2", txt="listed"):
        self.entries[address] = ":%s:%s" % (code, txt)
        self._reload(address, [code])

    def remove(self, address):
        self.entries.pop(address, None)
        self._reload(address, [])

    def _reload(self, address, expected):
        self._write()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.ask(address) == expected, 5,
            "rbldnsd reads its file again")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(5)

    stop_quietly = stop

    def report(self):
        return "rbldnsd", self.log_path.read_text(errors="replace")
