"""contrib/hooks: what comes with mailbrake does what it says, run by the real
daemon; and a mail about a stopped address does not leave by it."""

import ctypes
import http.server
import json
import os
import pathlib
import subprocess
import threading

import pytest

from harness.place import free_port, wait_for
from harness.sink import Sink

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "contrib/hooks"
EGRESS = tuple({"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n],
    "transport": "mx%d" % n} for n in (1, 2))
FREE = "203.0.113.9"            # of this host, and no egress
CLONE_NEWNET = 0x40000000


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=20)


class Elsewhere:
    """Another host, at 192.0.2.2: a network name space with a cable to it.
    What listens there does so from inside this process."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c",
            "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        pid = str(self.process.pid)
        run("ip", "link", "add", "cable0", "type", "veth", "peer", "name",
            "cable1", "netns", pid)
        run("ip", "addr", "add", "192.0.2.1/24", "dev", "cable0")
        run("ip", "link", "set", "cable0", "up")
        for command in ("addr add 192.0.2.2/24 dev cable1",
            "link set cable1 up", "link set lo up",
            "route add default via 192.0.2.1"):
            run("nsenter", "--net", "--target", pid, "ip", *command.split())
        # The way there has the source that may be stopped.
        run("ip", "route", "replace", "192.0.2.0/24", "dev", "cable0", "src",
            "203.0.113.1")

    def enter(self):
        """This thread, for good."""
        fd = os.open("/proc/%d/ns/net" % self.process.pid, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def stop_quietly(self):
        run("ip", "link", "del", "cable0")
        self.process.kill()
        self.process.wait(5)
        self.process.stdout.close()


class SinkElsewhere(Sink):
    def __init__(self, elsewhere, port):
        self.elsewhere = elsewhere
        super().__init__("192.0.2.2", port)

    def _run(self):
        self.elsewhere.enter()
        super()._run()


@pytest.fixture
def elsewhere(place):
    return place.add(Elsewhere())


@pytest.fixture
def shipped(place, brake):
    """shipped(name, settings) starts a daemon with that hook."""
    def make(name, settings=None, **more):
        directory = place.subdir("hooks.d")
        (directory / name).symlink_to(SHIPPED / name)
        if settings is not None:
            conf = directory / (name + ".conf")
            conf.write_text("".join("%s='%s'\n" % item
                for item in settings.items()))
            conf.chmod(0o644)
        daemon = brake(egress=EGRESS, settings={"hooks": str(directory),
            **more})
        daemon.hook_conf = directory / (name + ".conf")
        daemon.wait_health("usable")
        return daemon
    return make


def try_hook(daemon):
    """The one hook's result: (exit status, all that it said)."""
    _, out, err = daemon.cli("test-alert", "--json")
    assert out, err
    (result,) = json.loads(out)["hooks"]
    return result["status"], "\n".join(result["output"])


def test_mail_from_an_address_that_is_not_stopped(shipped, place, elsewhere):
    sink = place.add(SinkElsewhere(elsewhere, 25))
    settings = {"to": "ann@example.net bob@example.net", "tls": "none",
        "relay": "192.0.2.2", "port": "25", "source": FREE}
    daemon = shipped("mail", settings)
    daemon.must("stop", "all", "--reason", "a try")
    wait_for(lambda: sink.messages, 20, daemon.log)
    (message,) = sink.messages
    assert message.source == FREE
    assert message.recipients == ["ann@example.net", "bob@example.net"]
    data = message.data if isinstance(message.data, str) else \
        message.data.decode()
    assert "Subject: [mailbrake mx1.brake.test] all: sending -> stopped" \
        in data
    assert "(a try)" in data and "Stopped now: mx1 mx2" in data
    assert "Auto-Submitted: auto-generated" in data
    daemon.wait_log("hook mail: sent to ann@.* by 192.0.2.2 from " + FREE)

    # The same with a source that is stopped itself: rather no mail.
    settings["source"] = "203.0.113.2"
    daemon.hook_conf.write_text("".join("%s='%s'\n" % item
        for item in settings.items()))
    status, said = try_hook(daemon)
    assert status == 75 and "203.0.113.2 is stopped itself" in said
    assert len(sink.messages) == 1


def test_mail_by_the_submission_port_of_a_relay(shipped, place, elsewhere):
    """The relay sends it on, by an address of its own."""
    sink = place.add(SinkElsewhere(elsewhere, 587))
    daemon = shipped("mail", {"to": "ann@example.net", "tls": "none",
        "relay": "192.0.2.2"}, mode="observe")
    daemon.must("stop", "mx2")
    wait_for(lambda: sink.messages, 20, daemon.log)
    data = sink.messages[0].data
    data = data if isinstance(data, str) else data.decode()
    assert "] (observe) mx2: sending -> stopped" in data
    assert "Observe mode: mail passes all the same." in data
    sink.refuse = "451 4.3.0 later"
    status, said = try_hook(daemon)
    assert status == 75, said


@pytest.mark.parametrize("settings, why", [
    (None, "sendmail(1) of this host is not used"),
    ({"to": "a@example.net"}, "relay is not set"),
    ({"relay": "192.0.2.2"}, "to is not set"),
    ({"relay": "192.0.2.2", "to": "a@example.net", "port": "25"},
        "port 25 without source"),
    ({"relay": "127.0.0.1", "to": "a@example.net"}, "this host itself"),
    ({"relay": "localhost", "to": "a@example.net"}, "this host itself"),
    ({"relay": "203.0.113.5", "to": "a@example.net"}, "this host itself"),
    ({"relay": "[2001:db8::1]", "to": "a@example.net"}, "this host itself"),
    ({"relay": "mx1.brake.test", "to": "a@example.net"},
        "this host itself"),
    ({"relay": "192.0.2.2", "to": "a@example.net", "source": "192.0.2.77"},
        "no address of this host"),
    ({"relay": "192.0.2.2", "to": "a@example.net\" x"},
        "no list of plain addresses"),
    ({"relay": "a b", "to": "a@example.net"}, "does not belong there"),
    ({"relay": "192.0.2.2", "to": "a@example.net", "port": "smtp"},
        "port in .* is no number"),
])
def test_mail_that_is_refused(place, settings, why):
    conf = place.dir / "mail.conf"
    if settings is not None:
        conf.write_text("".join("%s='%s'\n" % item
            for item in settings.items()))
    # Were it used, it would say so.
    sendmail = place.subdir("bin") / "sendmail"
    sendmail.write_text("#!/bin/sh\ntouch %s/used\n" % place.dir)
    sendmail.chmod(0o755)
    done = subprocess.run([str(SHIPPED / "mail")], input="{}\n", text=True,
        capture_output=True, timeout=20, env={"MAILBRAKE_SETTINGS":
            str(conf), "MAILBRAKE_HOST": "mx1.brake.test",
            "PATH": "%s:/usr/bin:/bin" % sendmail.parent})
    import re
    assert done.returncode == 78, done
    assert re.search(re.escape(why) if ".*" not in why else why,
        done.stderr), done.stderr
    assert not (place.dir / "used").exists()


class Web:
    """Takes what is posted; answers as told."""

    def __init__(self):
        self.posts = []
        self.codes = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.posts.append((self.path, dict(self.headers), body))
                self.send_response(web.codes.pop(0) if web.codes else 200)
                self.end_headers()
                self.wfile.write(b"so be it\n")

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1",
            free_port()), Handler)
        threading.Thread(target=self.server.serve_forever,
            daemon=True).start()
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_port

    def stop_quietly(self):
        self.server.shutdown()
        self.server.server_close()


def test_webhook(shipped, place):
    web = place.add(Web())
    daemon = shipped("webhook", {"url": web.url, "token": 'a"b\\c'})
    web.codes = [503]
    daemon.must("stop", "mx1", "--reason", 'with "quotes" and \\')
    daemon.wait_log("hook webhook: not taken now: 503: so be it")
    daemon.wait_log("hook webhook: status 75; tried again in 10s")
    daemon.wait_log("hook webhook: posted: 200", timeout=20)
    (path, headers, first), (_, _, second) = web.posts
    assert headers["Authorization"] == 'Bearer a"b\\c'
    assert headers["Content-Type"] == "application/json"
    facts = json.loads(second)
    assert facts["to"] == "stopped" and facts["try"] == 2
    assert 'with "quotes" and \\' in facts["text"]
    web.codes = [404]
    status, said = try_hook(daemon)
    assert status == 78 and "404" in said
    daemon.hook_conf.write_text("url='%s' text=content\n" % web.url)
    daemon.must("send", "mx1", "--reason", 'a "word" \\')
    wait_for(lambda: len(web.posts) == 4, 10)
    words = json.loads(web.posts[-1][2])
    assert set(words) == {"content"}
    assert words["content"].startswith("mx1.brake.test: mx1: override "
        "\"send\"") and '(a "word" \\)' in words["content"]
    daemon.hook_conf.write_text("url='http://127.0.0.1:1/'\n")
    assert try_hook(daemon)[0] == 75
    daemon.hook_conf.write_text("")
    assert try_hook(daemon)[0] == 78


def connects(source, port=25):
    done = subprocess.run(["/usr/bin/python3", "-c",
        "import socket, sys\ns = socket.socket()\ns.settimeout(5)\n"
        "s.bind((sys.argv[1], 0))\ns.connect(('192.0.2.2', int(sys.argv[2])))"
        "\n", source, str(port)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 or "refused" in done.stderr, done.stderr
    return done.returncode == 0


def test_nftables(shipped, place, elsewhere):
    place.add(SinkElsewhere(elsewhere, 25))
    place.add(SinkElsewhere(elsewhere, 587))
    run("nft", "add", "table", "inet", "others")
    # As the drop-in gives it.
    daemon = shipped("nftables", user="root")
    try:
        assert connects("203.0.113.1") and connects("203.0.113.2")
        daemon.must("stop", "mx1")
        daemon.wait_log("port 25 is blocked from: 203.0.113.1$")
        assert not connects("203.0.113.1")
        assert connects("203.0.113.1", 587)
        assert connects("203.0.113.2") and connects(FREE)
        assert try_hook(daemon)[0] == 0       # once more: the same
        assert not connects("203.0.113.1") and connects("203.0.113.2")
        daemon.must("stop", "mx2")
        daemon.wait_log("blocked from: 203.0.113.1,203.0.113.2$")
        assert not connects("203.0.113.2")
        daemon.must("send", "all")
        daemon.must("auto", "mx1")
        daemon.must("auto", "mx2")
        daemon.must("auto", "all")
        daemon.wait_log("blocked from: no address")
        assert connects("203.0.113.1") and connects("203.0.113.2")
        daemon.must("stop", "mx1")
        daemon.wait_log("blocked from: 203.0.113.1$", since=daemon.mark())
        assert not connects("203.0.113.1")
        daemon.write_conf({"mode": "observe"})
        daemon.must("reload")
        daemon.must("test-alert")
        assert connects("203.0.113.1"), "observe mode blocks nothing"
        tables = subprocess.run(["nft", "list", "tables"],
            capture_output=True, text=True).stdout
        assert "others" in tables
    finally:
        subprocess.run(["nft", "flush", "ruleset"])


def test_nftables_without_the_right_to(shipped, place):
    daemon = shipped("nftables")
    status, said = try_hook(daemon)
    assert status == 75 and "CAP_NET_ADMIN" in said


def test_postfix_flush(shipped, place):
    flushed = place.subdir("flushed", user="mailbrake") / "n"
    daemon = shipped("postfix-flush", {"command": "echo x >>%s" % flushed})
    daemon.must("stop", "mx1")
    daemon.wait_log("hook postfix-flush: nothing goes on")
    assert not flushed.exists()
    daemon.must("auto", "mx1")
    daemon.wait_log("hook postfix-flush: flushed: mx1")
    assert flushed.read_text() == "x\n"
    daemon.must("test-alert")
    assert flushed.read_text() == "x\nx\n"
    daemon.hook_conf.write_text("command=false\n")
    assert try_hook(daemon)[0] == 75
    daemon.hook_conf.unlink()
    status, said = try_hook(daemon)
    assert status == 78 and "flushes its queue itself" in said
