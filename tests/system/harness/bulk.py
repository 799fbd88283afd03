"""Thousands of messages into a Postfix, quickly."""

import collections
import socket
import threading

Mail = collections.namedtuple("Mail", "id sender recipients")


def mails(count, start=0, sender="s%d@example.org",
    recipient="r%d@example.net", senders=1000):
    """count messages, each with a subject, "m00000" and so on, that no other
    has; so many senders and recipients take turns."""
    return [Mail("m%05d" % n, sender % (n % senders) if "%" in sender else
        sender, [recipient % (n % senders) if "%" in recipient else
        recipient]) for n in range(start, start + count)]


class _Session(threading.Thread):
    def __init__(self, port, todo, refused):
        super().__init__(daemon=True)
        self.port, self.todo, self.refused = port, todo, refused
        self.error = None
        self.start()

    def _reply(self):
        while True:
            line = self.stream.readline().decode("utf-8", "replace")
            if not line:
                raise ConnectionError("Postfix has closed")
            if line[3:4] != "-":
                return line.rstrip()

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port),
                60) as s, s.makefile("rb") as self.stream:
                self._reply()
                s.sendall(b"EHLO client.example\r\n")
                self._reply()
                while True:
                    try:
                        mail = self.todo.popleft()
                    except IndexError:
                        break
                    self._send(s, mail)
                s.sendall(b"QUIT\r\n")
        except Exception as e:          # shown by whoever joins
            self.error = e

    def _send(self, s, mail):
        s.sendall(("MAIL FROM:<%s>\r\n%sDATA\r\n" % (mail.sender, "".join(
            "RCPT TO:<%s>\r\n" % r for r in mail.recipients))).encode())
        replies = [self._reply() for _ in range(2 + len(mail.recipients))]
        if replies[-1].startswith("354"):
            s.sendall(("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n\r\nhello"
                "\r\n.\r\n" % (mail.sender, mail.recipients[0],
                mail.id)).encode())
            replies.append(self._reply())
            if replies[-1].startswith("250"):
                return
        else:
            s.sendall(b"RSET\r\n")
            self._reply()
        self.refused[mail.id] = [r for r in replies if r[0] in "45"]


def pour(port, what, sessions=6):
    """Sends all of these by several sessions at a time.  {id: [replies]} of
    those that were not taken."""
    todo, refused = collections.deque(what), {}
    threads = [_Session(port, todo, refused) for _ in range(sessions)]
    for t in threads:
        t.join(300)
    errors = [t.error for t in threads if t.error] + [
        TimeoutError("still sending") for t in threads if t.is_alive()]
    if errors:
        raise errors[0]
    return refused
