"""The rest of the world: an SMTP server that takes everything and remembers
from which address it came."""

import asyncio
import collections
import re
import threading
import time

from harness.place import free_port, wait_for

Message = collections.namedtuple("Message",
    "source helo sender recipients data")


class Sink:
    def __init__(self, address="198.51.100.1", port=None):
        self.address = address
        self.port = port or free_port()
        self.messages = []
        self.refuse = None      # "450 4.2.0 later": the answer to DATA
        self.delay = 0          # seconds before a message is taken
        self.started = []       # of every MAIL: (monotonic time, source)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(5):
            raise RuntimeError("the sink does not start")

    @property
    def nexthop(self):
        return "[%s]:%d" % (self.address, self.port)

    def _run(self):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(
            self._session, self.address, self.port, limit=1 << 24))
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _session(self, reader, writer):
        source = writer.get_extra_info("peername")[0]
        helo = sender = None
        recipients = []

        def say(text):
            writer.write(text.encode() + b"\r\n")
        say("220 sink.example ESMTP")
        try:
            while True:
                line = (await reader.readuntil(b"\n")).decode(
                    "utf-8", "replace").strip()
                verb = line[:4].upper()
                if verb in ("EHLO", "HELO"):
                    helo = line[5:]
                    say("250 sink.example")
                elif verb in ("MAIL", "RCPT"):
                    mailbox = re.search("<(.*?)>", line).group(1)
                    if verb == "MAIL":
                        sender, recipients = mailbox, []
                        self.started.append((time.monotonic(), source))
                    else:
                        recipients.append(mailbox)
                    say("250 2.0.0 ok")
                elif verb == "DATA":
                    say("354 go on")
                    data = await reader.readuntil(b"\r\n.\r\n")
                    if self.delay:
                        await asyncio.sleep(self.delay)
                    if self.refuse:
                        say(self.refuse)
                        continue
                    self.messages.append(Message(source, helo, sender,
                        recipients, data[:-3].decode("utf-8", "replace")))
                    say("250 2.0.0 taken")
                elif verb == "QUIT":
                    say("221 2.0.0 bye")
                    break
                elif verb in ("RSET", "NOOP"):
                    sender, recipients = None, []
                    say("250 2.0.0 ok")
                else:
                    say("500 5.5.1 what?")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def find(self, text):
        """Messages with text in their data, sender or recipients."""
        return [m for m in list(self.messages) if text in m.data or
            text == m.sender or text in m.recipients]

    def wait(self, text=None, count=1, timeout=10.0):
        """Waits for count messages (with text); returns them."""
        def enough():
            found = list(self.messages) if text is None else self.find(text)
            return found if len(found) >= count else None
        return wait_for(enough, timeout, lambda: "%d messages (%s) at the "
            "sink, had %r" % (count, text, [(m.sender, m.recipients)
            for m in self.messages[-10:]]))

    def stop_quietly(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def report(self):
        return "sink", "\n".join("%s %s -> %s" % (m.source, m.sender,
            ", ".join(m.recipients)) for m in self.messages[-50:])
