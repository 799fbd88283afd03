"""mailbrake status --watch: the status in place, on a terminal and on a
pipe, with a daemon that goes and comes."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from harness.daemon import MAILBRAKE, environment
from harness.place import wait_for


class Watcher:
    """The command on a terminal of its own, or with its output in a pipe;
    all that it wrote is in text."""

    def __init__(self, daemon, *args, rows=None):
        self.text = ""
        if rows:
            self.fd, slave = pty.openpty()
            self.resize(rows, slave)
        else:
            self.fd, slave = os.pipe()
        self.process = subprocess.Popen([str(MAILBRAKE), "-c",
            str(daemon.conf_path), "status", "--watch", *args],
            stdin=subprocess.DEVNULL, stdout=slave,
            stderr=subprocess.PIPE, text=True,
            env=environment(TERM="xterm", NO_COLOR="1"))
        os.close(slave)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def resize(self, rows, fd=None):
        fcntl.ioctl(fd or self.fd, termios.TIOCSWINSZ,
            struct.pack("HHHH", rows, 100, 0, 0))

    def read(self):
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:             # a terminal whose program ended
                return
            if not data:
                return
            self.text += data.decode()

    def wait(self, pattern, since=0, timeout=10):
        return wait_for(lambda: re.search(pattern, self.text[since:],
            re.S), timeout, lambda: "/%s/ in %r" % (pattern,
                self.text[since:]))

    def frames(self):
        return self.text.split("\033[H")[1:]

    def stop_quietly(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        self.process.stderr.close()
        self.reader.join(5)
        os.close(self.fd)


@pytest.fixture
def watch(place):
    def make(*args, **options):
        return place.add(Watcher(*args, **options))
    return make


def interrupted(watcher, sig=signal.SIGINT):
    watcher.process.send_signal(sig)
    status = watcher.process.wait(5)
    watcher.reader.join(2)
    return status


def test_on_a_terminal(bl, brake, watch):
    daemon = brake()
    daemon.wait_health("usable")
    watcher = watch(daemon, "1", rows=40)
    watcher.wait("every 1s; ctrl-C ends it.*mx1.*\033\\[\\?7h")
    daemon.must("stop", "mx1", "--reason", "look here")
    watcher.wait("look here")
    wait_for(lambda: len(watcher.frames()) >= 4, 10)
    assert interrupted(watcher) == 0
    assert watcher.process.stderr.read() == ""
    # Once before the first, and never again: that would flicker.
    assert watcher.text.count("\033[2J") == 1
    for frame in watcher.frames():
        assert frame.startswith("\033[?7l") and "\033[?7h" in frame
        lines = frame.split("\033[?7h")[0].split("\r\n")
        assert len(lines) <= 40
        assert all("\033[K" in line for line in lines[:-1])
    assert watcher.text.endswith("\r\n")


def test_a_daemon_that_goes_and_comes(bl, brake, watch):
    daemon = brake()
    daemon.wait_health("usable")
    watcher = watch(daemon, "1", rows=50)
    watcher.wait("mx1")
    daemon.stop()
    watcher.wait("No answer since .*mailbraked is not running.*"
        "What was so then:.*mx1")
    since = len(watcher.text)
    daemon.start()
    watcher.wait("\033\\[H(?!.*No answer).*mx1.*\033\\[\\?7h", since)
    # One that hangs is shown too, and ctrl-C works all the same.
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        since = len(watcher.text)
        time_before = time.monotonic()
        assert interrupted(watcher) == 0
        assert time.monotonic() - time_before < 3
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def test_a_daemon_that_is_not_there_yet(bl, brake, watch):
    daemon = brake(start=False)
    watcher = watch(daemon, "1", rows=50)
    watcher.wait("No answer since .*mailbraked is not running")
    assert "What was so then" not in watcher.text
    daemon.start()
    watcher.wait("mx1")
    assert interrupted(watcher, signal.SIGTERM) == 0


def test_a_small_window(bl, brake, watch):
    egress = tuple({"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n],
        "transport": "mx%d" % n} for n in range(1, 15))
    daemon = brake(egress=egress)
    daemon.wait_health("usable")
    watcher = watch(daemon, "3600", rows=10)
    watcher.wait(r"\.\.\. \d+ more lines: make the window higher.*7h")
    assert all(frame.count("\r\n") < 10 for frame in watcher.frames())
    # A window that gets higher is filled at once.
    since = len(watcher.text)
    watcher.resize(60)
    watcher.process.send_signal(signal.SIGWINCH)
    watcher.wait("mx14.*7h", since)
    assert "more lines" not in watcher.text[since:]


def test_on_a_pipe(bl, brake, watch):
    daemon = brake()
    daemon.wait_health("usable")
    watcher = watch(daemon, "1")
    header = r"-- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d --\n"
    watcher.wait("^%s.*mx1.*\n\n%s.*mx1" % (header, header))
    daemon.stop()
    watcher.wait("\n\n%smailbrake: mailbraked is not running" % header)
    since = len(watcher.text)
    daemon.start()
    watcher.wait("mx1", since)
    assert interrupted(watcher) == 0
    assert "\033" not in watcher.text


def test_as_json(bl, brake, watch):
    daemon = brake()
    daemon.wait_health("usable")
    watcher = watch(daemon, "1", "--json")
    wait_for(lambda: watcher.text.count("\n") >= 2, 10)
    assert interrupted(watcher) == 0
    for line in watcher.text.splitlines():
        assert json.loads(line)["egress"][0]["name"] == "mx1"


def test_a_reader_that_leaves_ends_it(bl, brake):
    daemon = brake()
    daemon.wait_health("usable")
    process = subprocess.Popen([str(MAILBRAKE), "-c", str(daemon.conf_path),
        "status", "--watch=1"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=environment())
    try:
        assert select.select([process.stdout], [], [], 10)[0]
        process.stdout.close()
        process.wait(10)
    finally:
        process.kill()
        process.wait(5)
        process.stderr.close()


def test_mistakes_end_it_at_once(bl, brake):
    daemon = brake()
    for args, status in ((("-s", "nonsense"), 2), (("-c", "/nonexistent"),
        1)):
        done = subprocess.run([str(MAILBRAKE), *args, "status", "--watch"],
            capture_output=True, text=True, timeout=10, env=environment())
        assert done.returncode == status and done.stderr, done
    status, _, said = daemon.cli("status", "--watch=100000")
    assert status == 2 and "at most" in said
    status, _, said = daemon.cli("lists", "--watch")
    assert status == 2 and "does not take --watch" in said
