"""mailbraked and mailbrake, as they were built."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from harness import libconfig
from harness.place import Timeout, wait_for

BUILD = pathlib.Path(os.environ.get("MAILBRAKE_BUILD",
    pathlib.Path(__file__).resolve().parents[3]))
MAILBRAKED = BUILD / "mailbraked"
MAILBRAKE = BUILD / "mailbrake"

SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|"
    r"WARNING: ThreadSanitizer|runtime error: |AddressSanitizer:DEADLYSIGNAL|"
    r"LeakSanitizer has encountered a fatal error|"
    r"==\d+==ERROR")

# What an answer means, for the lists of most tests.
ANSWERS = (
    {"code": "127.0.0.2", "means": "listed", "name": "SPAM"},
    {"code": "127.0.0.4-127.0.0.7", "means": "listed", "name": "BOT"},
    {"code": "127.0.0.10-127.0.0.11", "means": "policy", "name": "RANGE"},
    {"code": "127.255.255.0-127.255.255.255", "means": "refused"},
)


def catalogue_list(zone, weight=100, operator=None, kinds=("ipv4", "ipv6"),
    **more):
    """A row of a catalogue."""
    return {"zone": zone, "operator": operator or zone,
        "lists": list(kinds), "weight": weight, "answers": ANSWERS, **more}


def environment(**more):
    env = dict(os.environ)
    for name in list(env):
        if name.startswith(("NOTIFY_", "LISTEN_", "MAILBRAKE_")):
            del env[name]
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("LSAN_OPTIONS", "print_suppressions=0:suppressions=%s" %
        pathlib.Path(__file__).with_name("lsan.supp"))
    env.update(more)
    return env


def sanitized():
    """Whether mailbraked was built with a sanitizer: slower and larger."""
    data = MAILBRAKED.read_bytes()
    return b"__asan_init" in data or b"__tsan_init" in data


def sanitizer_report(text):
    found = SANITIZER.search(text)
    return text[found.start():][:2500] if found else None


def run_tool(*args, timeout=30, user=None, env=None, stdin=None):
    """mailbrake ARGS: (exit status, standard output, standard error).
    user: run it as that user, without any other group."""
    command = [str(MAILBRAKE)] + [str(a) for a in args]
    if user:
        command = ["setpriv", "--reuid", user, "--regid", "nogroup",
            "--clear-groups"] + command
    done = subprocess.run(command, capture_output=True, text=True,
        errors="replace", timeout=timeout, env=environment(**(env or {})),
        stdin=stdin or subprocess.DEVNULL)
    report = sanitizer_report(done.stderr)
    if report:
        raise AssertionError("mailbrake %s: %s" % (args, report))
    return done.returncode, done.stdout, done.stderr


def run_daemon(*args, timeout=20, env=None):
    """mailbraked ARGS where it should end by itself."""
    done = subprocess.run([str(MAILBRAKED)] + [str(a) for a in args],
        capture_output=True, text=True, errors="replace", timeout=timeout,
        env=environment(**(env or {})), stdin=subprocess.DEVNULL)
    report = sanitizer_report(done.stderr)
    if report:
        raise AssertionError("mailbraked %s: %s" % (args, report))
    return done.returncode, done.stdout, done.stderr


class Daemon:
    """One mailbraked with its configuration, socket, state and log.

    The base configuration is quick: three sweeps a second.  settings change
    it (a dict, merged deeply; None removes).  front ends: the milter costs
    a thread pool, so tests name what they use: milter, policy, socketmap,
    gate (the file).
    """

    def __init__(self, place, dns=None, lists=None, settings=None,
        state_dir=None, fronts=("policy",), egress=None):
        self.place = place
        self.dir = place.subdir("mb", user="mailbrake")
        self.conf_path = self.dir / "mailbrake.conf"
        self.catalogue_path = self.dir / "lists.conf"
        self.state_dir = state_dir or place.subdir("state", mode=0o700,
            user="mailbrake")
        self.state_path = self.state_dir / "state"
        self.control = self.dir / "c.sock"
        self.milter = self.dir / "m.sock"
        self.policy = self.dir / "p.sock"
        self.map = self.dir / "map.sock"
        self.gate = self.dir / "gate"
        self.process = None
        self.lines = []                 # of the log: (time, text)
        self.notices = []               # sd_notify's
        self.checked_to = 0             # lines already looked at
        self._notify = None
        listen = {"control": "unix:%s" % self.control}
        if "milter" in fronts:
            listen["milter"] = "unix:%s" % self.milter
        if "policy" in fronts:
            listen["policy"] = "unix:%s" % self.policy
        if "socketmap" in fronts:
            listen["socketmap"] = "unix:%s" % self.map
        self.settings = {
            "mode": "enforce",
            "egress": egress or ({"name": "mx1",
                "addresses": ["203.0.113.1"], "transport": "mx1"},),
            "local_domains": ["local.test"],
            "check": {
                "interval": "300ms", "confirm_delay": "100ms",
                "timeout": "200ms", "tries": 1,
                "resolvers": [d.server for d in (dns if isinstance(dns,
                    (list, tuple)) else [dns] if dns else [])],
            },
            "resume": {"clean": 2, "after": "300ms", "ramp": "0s"},
            "catalogue": str(self.catalogue_path),
            "listen": listen,
            "state_file": str(self.state_path),
            "gate_file": str(self.gate) if "gate" in fronts else "",
        }
        self.settings = libconfig.merge(self.settings, settings or {})
        self.write_catalogue(lists if lists is not None else [
            catalogue_list("bl.test")])
        self.write_conf()
        place.add(self)

    # -- files

    def write_catalogue(self, lists):
        if not isinstance(lists, str):
            lists = libconfig.dumps({"lists": tuple(lists)})
        self.catalogue_path.write_text(lists)

    def write_conf(self, settings=None):
        """settings: changes to what is there, or the whole text."""
        if isinstance(settings, str):
            text = settings
        else:
            self.settings = libconfig.merge(self.settings, settings or {})
            text = libconfig.dumps(self.settings)
        new = pathlib.Path(str(self.conf_path) + ".new")
        new.write_text(text)
        new.chmod(0o644)
        new.replace(self.conf_path)

    # -- the process

    def start(self, wait=True, args=(), env=None, prefix=()):
        """Starts it and waits for READY=1.  prefix: a command that runs
        it."""
        if not MAILBRAKED.exists():
            raise AssertionError("%s is not built" % MAILBRAKED)
        assert self.process is None or self.process.poll() is not None
        self.notices = []
        path = self.dir / "notify"
        if self._notify is None:
            self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._notify.bind(str(path))
            path.chmod(0o777)
            self._notice_reader = threading.Thread(
                target=self._read_notices, args=(self._notify,),
                daemon=True)
            self._notice_reader.start()
        self.process = subprocess.Popen([*prefix, str(MAILBRAKED), "-f",
            "-c", str(self.conf_path), *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(NOTIFY_SOCKET=str(path), **(env or {})))
        self._reader = threading.Thread(target=self._read_log,
            args=(self.process.stdout,), daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=15):
        def ready():
            if "READY=1" in self.notices:
                return True
            if self.process.poll() is not None:
                self._reader.join(2)
                raise AssertionError("mailbraked ended with %s:\n%s" % (
                    self.process.returncode, self.log()))
            return False
        wait_for(ready, timeout, lambda: "READY=1, log:\n" + self.log())

    def _read_notices(self, notify):
        while True:
            data = notify.recv(4096)
            if not data:                # shut down
                return
            self.notices.extend(data.decode("utf-8", "replace").split("\n"))

    def _read_log(self, stream):
        with stream:
            for line in stream:
                self.lines.append((time.monotonic(),
                    line.decode("utf-8", "replace").rstrip("\n")))

    def running(self):
        return self.process is not None and self.process.poll() is None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout=15):
        """SIGTERM; the exit status."""
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise Timeout("mailbraked does not end within %s s of SIGTERM"
                % timeout)
        self._reader.join(2)
        return status

    def kill9(self):
        self.process.kill()
        self.process.wait(5)
        self._reader.join(2)

    def restart(self, how="stop"):
        """Ends it (stop or kill9) and starts it with what it kept."""
        getattr(self, how)()
        self.lines.append((time.monotonic(), "-- %s, start --" % how))
        return self.start()

    def stop_quietly(self):
        complaint = None
        if self.running():
            try:
                status = self.stop()
                if status != 0:
                    complaint = "mailbraked ended with status %s" % status
            except Timeout as e:
                complaint = str(e)
        if self._notify is not None:
            # The reader first: its descriptor may soon be another's.
            self._notify.shutdown(socket.SHUT_RDWR)
            self._notice_reader.join(5)
            self._notify.close()
        return sanitizer_report(self.log()) or complaint

    # -- the log

    def log(self):
        return "\n".join(text for _, text in list(self.lines))

    def mark(self):
        return len(self.lines)

    def wait_log(self, pattern, timeout=20.0, since=0):
        """The match of pattern in a line after since (see mark())."""
        def found():
            for _, text in list(self.lines)[since:]:
                match = re.search(pattern, text)
                if match:
                    return match
            return None
        return wait_for(found, timeout, "/%s/ in mailbraked's log" % pattern)

    def logged(self, pattern, since=0):
        return [text for _, text in list(self.lines)[since:]
            if re.search(pattern, text)]

    def report(self):
        first = self.lines[0][0] if self.lines else 0
        return "mailbraked", "\n".join(["%8.3f %s" % (t - first, text)
            for t, text in self.lines[-200:]] + ["-- configuration --",
            self.conf_path.read_text()])

    # -- the tool

    def cli(self, *args, **options):
        return run_tool("-c", self.conf_path, *args, **options)

    def must(self, *args, **options):
        """The same where it must succeed; its output."""
        rc, out, err = self.cli(*args, **options)
        assert rc == 0, "mailbrake %s: %s %s %s" % (" ".join(args), rc, out,
            err)
        return out

    def status(self):
        return json.loads(self.must("status", "--json"))

    def egress(self, name="mx1"):
        for e in self.status()["egress"]:
            if e["name"] == name:
                return e
        raise AssertionError("status knows no egress %s" % name)

    def list(self, zone="bl.test"):
        for item in self.status()["lists"]:
            if item["zone"] == zone:
                return item
        raise AssertionError("status knows no list %s" % zone)

    def wait_egress(self, condition, name="mx1", timeout=20, what=None):
        """Waits until condition(the egress's status) is true."""
        last = [None]

        def met():
            last[0] = self.egress(name)
            return condition(last[0]) and last[0]
        return wait_for(met, timeout, lambda: "%s of %s, last was %s" % (
            what or "a status", name, json.dumps(last[0])), every=0.05)

    def wait_state(self, state, name="mx1", timeout=20):
        return self.wait_egress(lambda e: e["state"] == state, name,
            timeout, "state " + state)

    def wait_health(self, health, zone="bl.test", timeout=20):
        last = [None]

        def met():
            last[0] = self.list(zone)
            return last[0]["health"] == health and last[0]
        return wait_for(met, timeout, lambda: "%s to be %s, last was %s" % (
            zone, health, last[0]), every=0.05)
