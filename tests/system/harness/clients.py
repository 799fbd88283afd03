"""The protocols that a mail server speaks to mailbraked, by hand."""

import asyncio
import collections
import re
import socket
import struct

REQUEST = collections.OrderedDict([
    ("request", "smtpd_access_policy"),
    ("protocol_state", "RCPT"),
    ("protocol_name", "ESMTP"),
    ("client_address", "127.0.0.1"),
    ("client_name", "localhost"),
    ("helo_name", "client.example"),
    ("sender", "ann@example.org"),
    ("recipient", "bob@example.net"),
    ("recipient_count", "0"),
    ("queue_id", ""),
    ("instance", "123.456.7"),
    ("size", "0"),
    ("sasl_method", ""),
    ("sasl_username", ""),
    ("sasl_sender", ""),
    ("encryption_protocol", ""),
    ("policy_context", ""),
])


def request(**attributes):
    """The bytes of one policy request; None leaves an attribute out."""
    merged = {**REQUEST, **attributes}
    return ("".join("%s=%s\n" % kv for kv in merged.items()
        if kv[1] is not None) + "\n").encode()


class Policy:
    """A connection to the policy service."""

    def __init__(self, where, timeout=5):
        if isinstance(where, tuple):
            self.socket = socket.create_connection(where, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next answer's action, or None when the server closed."""
        while b"\n\n" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                assert not self.buffer, "half an answer: %r" % self.buffer
                return None
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n\n", 1)
        text = text.decode()
        assert text.startswith("action=") and "\n" not in text, text
        return text[len("action="):]

    def ask(self, **attributes):
        self.send(request(**attributes))
        return self.answer()


def ask(daemon, **attributes):
    """One question on a connection of its own."""
    with Policy(daemon.policy) as policy:
        return policy.ask(**attributes)


def netstring(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"%d:%s," % (len(data), data)


class Socketmap:
    """A connection to the socketmap service."""

    def __init__(self, where, timeout=5):
        if isinstance(where, tuple):
            self.socket = socket.create_connection(where, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            assert not self.buffer, "half an answer: %r" % self.buffer
        self.buffer += data
        return data

    def answer(self):
        """The next answer without its frame, or None when the server
        closed."""
        while b":" not in self.buffer:
            if not self._more():
                return None
        size, rest = self.buffer.split(b":", 1)
        assert re.fullmatch(b"0|[1-9][0-9]*", size), self.buffer
        while len(rest) <= int(size):
            if not self._more():
                return None
            rest = self.buffer.split(b":", 1)[1]
        assert rest[int(size):int(size) + 1] == b",", self.buffer
        self.buffer = rest[int(size) + 1:]
        return rest[:int(size)].decode()

    def ask(self, name, key):
        self.send(netstring("%s %s" % (name, key)))
        return self.answer()


def look_up(daemon, name, key):
    """One look-up on a connection of its own."""
    with Socketmap(daemon.map) as m:
        return m.ask(name, key)


class Milter:
    """An MTA's side of the milter protocol, version 6.

    Every step returns (answer, text), for instance ("tempfail", "") or
    ("reply", "451 4.7.1 ..."); a step that the filter did not ask for, or
    does not answer, gives ("continue", "").  end() returns the last answer
    and the changes that came before it.
    """

    ANSWERS = {b"c": "continue", b"a": "accept", b"t": "tempfail",
        b"r": "reject", b"d": "discard", b"y": "reply", b"s": "skip",
        b"f": "connfail"}
    # command: (name, "do not send" flag, "no reply" flag)
    STEPS = {b"C": (0x01, 0x1000), b"H": (0x02, 0x2000),
        b"M": (0x04, 0x4000), b"R": (0x08, 0x8000), b"T": (0x200, 0x10000),
        b"L": (0x20, 0x80), b"N": (0x40, 0x40000), b"B": (0x10, 0x80000),
        b"U": (0x100, 0x20000)}

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.changes = []
        self._send(b"O", struct.pack(">III", 6, 0x1ff, 0x1fffff))
        kind, data = self._packet()
        assert kind == b"O", (kind, data)
        self.version, self.actions, self.protocol = struct.unpack(">III",
            data[:12])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def _send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + command +
            data)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the milter closed")
            data += more
        return data

    def _packet(self):
        size, = struct.unpack(">I", self._exactly(4))
        data = self._exactly(size)
        return data[:1], data[1:]

    def _answer(self):
        while True:
            kind, data = self._packet()
            if kind in self.ANSWERS:
                # As Sendmail and Postfix do: "%%" is one, a single one
                # vanishes.
                return self.ANSWERS[kind], re.sub("%(%?)", r"\1",
                    data.rstrip(b"\0").decode("utf-8", "replace"))
            if kind != b"p":                # "p": still at work
                self.changes.append((kind.decode(),
                    data.rstrip(b"\0").decode("utf-8", "replace")))

    def step(self, command, data=b"", macros=None):
        skip, quiet = self.STEPS[command]
        if self.protocol & skip:
            return "continue", ""
        if macros:
            self._send(b"D", command + b"".join(
                k.encode() + b"\0" + v.encode() + b"\0"
                for k, v in macros.items()))
        self._send(command, data)
        if self.protocol & quiet:
            return "continue", ""
        return self._answer()

    def connect(self, name="localhost", address="127.0.0.1"):
        return self.step(b"C", name.encode() + b"\0" + b"4" + struct.pack(
            ">H", 25) + address.encode() + b"\0", {"j": "mx1.brake.test",
            "{daemon_name}": "smtpd", "v": "Postfix 3.7"})

    def helo(self, name="client.example"):
        return self.step(b"H", name.encode() + b"\0")

    def mail(self, sender, **macros):
        return self.step(b"M", b"<" + sender.encode() + b">\0",
            {"{%s}" % k: v for k, v in {"mail_addr": sender,
            "mail_mailer": "mx1", **macros}.items()})

    def rcpt(self, recipient, mailer="mx1", host=""):
        return self.step(b"R", b"<" + recipient.encode() + b">\0",
            {"{rcpt_mailer}": mailer, "{rcpt_host}": host,
            "{rcpt_addr}": recipient})

    def end(self):
        """DATA to the end of the message: (answer, text, changes)."""
        self.changes = []
        for command, data in ((b"T", b""), (b"L", b"Subject\0test\0"),
            (b"N", b""), (b"B", b"hello\r\n")):
            answer = self.step(command, data)
            if answer[0] not in ("continue", "skip"):
                return answer[0], answer[1], self.changes
        self._send(b"E")
        answer = self._answer()
        return answer[0], answer[1], self.changes

    def abort(self):
        self._send(b"A")

    def quit(self):
        self._send(b"Q")
        self.socket.close()


async def smtp_session(port, sender, recipients, text, gate=None):
    """One SMTP session on an event loop, for hundreds at once: the code and
    text that settled the message, and the seconds that RCPT took.  gate is
    awaited after MAIL, so that all sessions are in the middle at a time."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def reply():
        lines = []
        while True:
            line = (await reader.readline()).decode("utf-8", "replace")
            if not line:
                raise ConnectionError("closed after %r" % lines)
            lines.append(line[4:].rstrip())
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    async def say(line):
        writer.write(line.encode() + b"\r\n")
        return await reply()
    waited = 0.0
    try:
        code, said = await reply()
        if code != 220:
            return code, said, waited
        await say("EHLO client.example")
        code, said = await say("MAIL FROM:<%s>" % sender)
        if gate is not None:
            await gate()
        if code == 250:
            for recipient in recipients:
                start = loop.time()
                code, said = await say("RCPT TO:<%s>" % recipient)
                waited = max(waited, loop.time() - start)
        if code == 250:
            code, said = await say("DATA")
        if code == 354:
            code, said = await say("Subject: %s\r\n\r\n%s\r\n." % (text,
                text))
        writer.write(b"QUIT\r\n")
        return code, said, waited
    finally:
        writer.close()
