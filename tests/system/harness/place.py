"""Where a test's things live, and how a test waits.

A place is one directory with short paths (a Unix socket's path may have 107
characters), ports that nobody else takes, and a stack of things to stop.
"""

import contextlib
import itertools
import os
import pathlib
import socket
import subprocess
import time

WORK = pathlib.Path(os.environ.get("MAILBRAKE_WORK", "/nonexistent"))

# Ports below the ephemeral range, so that no outgoing connection can take
# one between here and the server's bind(); a block for each pytest worker.
_WORKER = int("".join(filter(str.isdigit,
    os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
_ports = itertools.cycle(range(12000 + 2000 * (_WORKER % 9),
    14000 + 2000 * (_WORKER % 9)))
_numbers = itertools.count(1)


class Timeout(AssertionError):
    """What was waited for did not happen."""


def wait_for(condition, timeout=15.0, what=None, every=0.02):
    """Poll until condition() is true; its value.  Fails with what (a
    string, or a function called then) after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            if callable(what):
                what = what()
            raise Timeout("not within %.1f s: %s" % (timeout,
                what or getattr(condition, "__name__", "condition")))
        time.sleep(every)


def free_port():
    """A TCP and UDP port free on every address of this namespace."""
    for port in _ports:
        with contextlib.ExitStack() as stack:
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    s = stack.enter_context(
                        socket.socket(socket.AF_INET6, kind))
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                    s.bind(("::", port))
            except OSError:
                continue
        return port


class Place:
    """A test's directory and the servers in it."""

    def __init__(self, name):
        self.name = name
        self.dir = WORK / ("%d.%d" % (_WORKER, next(_numbers)))
        self.dir.mkdir(mode=0o755)
        self.dir.chmod(0o755)
        self.servers = []       # in the order of their start
        self.counts = {}
        self.mounts = []

    def subdir(self, name, mode=0o755, user=None):
        """A new directory; a second one of that name gets a number."""
        self.counts[name] = n = self.counts.get(name, 0) + 1
        path = self.dir / (name if n == 1 else "%s%d" % (name, n))
        path.mkdir()
        path.chmod(mode)
        if user is not None:
            import shutil
            shutil.chown(path, user, user)
        return path

    def small_disk(self, name, size="64k", user=None):
        """A directory on a file system of its own that is soon full."""
        path = self.subdir(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,mode=755" %
            size, "small", str(path)], check=True)
        self.mounts.append(path)
        if user is not None:
            import shutil
            shutil.chown(path, user, user)
        return path

    def add(self, server):
        """server.stop_quietly() is called at the end, last one first."""
        self.servers.append(server)
        return server

    def close(self):
        """Stops everything.  Returns complaints: (server, text)."""
        complaints = []
        for server in reversed(self.servers):
            try:
                text = server.stop_quietly()
            except Exception as e:      # the others must still be stopped
                text = "%s: %s" % (type(e).__name__, e)
            if text:
                complaints.append((server, text))
        for path in self.mounts:
            subprocess.run(["umount", "-l", str(path)], check=False)
        return complaints

    def reports(self):
        """What a person wants to see when the test failed."""
        for server in self.servers:
            report = getattr(server, "report", None)
            if report:
                yield report()
