"""The status page, /status.json, /metrics and /healthz, asked over HTTP."""

import base64
import ctypes
import hashlib
import html.parser
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
import yaml

from harness.clients import ask
from harness.daemon import catalogue_list
from harness.place import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
PORT = 9845
WHERE = "inet:127.0.0.1:%d" % PORT
RULES = TOP / "contrib/prometheus/mailbrake.rules.yml"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")

VOID = {"meta", "rect", "br", "link", "img"}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()
        self.text = self.body.decode("ascii")


def get(path="/", method="GET", body=None, timeout=10):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        c.request(method, path, body=body)
        return Answer(c.getresponse())
    finally:
        c.close()


class Page(html.parser.HTMLParser):
    """Fails on what is not well formed, or comes from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.tags, self.ids = [], [], [], []
        self.style, self.links = "", []
        assert text.startswith("<!DOCTYPE html>\n")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, attrs)
        assert tag not in ("script", "iframe", "img", "link", "object",
            "form", "embed"), tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src",
                "style"), (tag, name)
            if name == "href":
                assert tag == "a"
                self.links.append(value)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag == "rect", tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        if "style" in self.open:
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)


def page():
    answer = get("/")
    assert answer.status == 200
    return Page(answer.text)


def wait_page(words):
    last = [None]

    def there():
        last[0] = page()
        return words in last[0].text and last[0]
    return wait_for(there, 15, lambda: "%r on the page, last was %s" % (
        words, last[0].text))


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)'
    r'\})? (-?[0-9.e+-]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def parse_metrics(text):
    """{name: {labels: value}}; fails on what the format, and the rules for
    names, do not allow."""
    found, kinds, current, helped = {}, {}, None, None
    assert text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert words and helped not in kinds, line
            continue
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current == helped and kind in ("gauge", "counter"), line
            assert re.fullmatch(r"mailbrake_[a-z_]+", current), line
            assert current.endswith("_total") == (kind == "counter"), line
            kinds[current] = kind
            found[current] = {}
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        assert name == current, line
        labels = tuple(LABEL.findall(labels or ""))
        assert labels not in found[name], line
        found[name][labels] = float(value)
    return found


def metrics():
    answer = get("/metrics")
    assert answer.status == 200
    return parse_metrics(answer.text)


def wait_metric(name, value, **labels):
    last = [None]

    def there():
        last[0] = metrics()[name].get(tuple(labels.items()))
        return last[0] == value
    wait_for(there, 15, lambda: "%s%s to be %s, last was %s" % (name, labels,
        value, last[0]))


@pytest.fixture
def site(brake):
    def make(settings=None, **options):
        settings = dict(settings or {})
        settings["listen"] = {"http": WHERE, **settings.get("listen", {})}
        return brake(settings=settings, **options)
    return make


# -- what is there

def test_what_is_there(site):
    d = site()
    d.wait_health("usable")
    for path, kind in (("/", "text/html"), ("/status.json",
        "application/json"), ("/metrics", "text/plain; version=0.0.4"),
        ("/healthz", "text/plain")):
        answer = get(path)
        assert answer.status == 200, path
        assert answer.headers["content-type"].startswith(kind), path
        assert answer.headers["cache-control"] == "no-store"
        head = get(path, method="HEAD")
        assert head.status == 200 and head.body == b"", path
        assert int(head.headers["content-length"]) > 0
    assert get("/healthz").text == "ok\n"
    assert get("/nothing").status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = get("/", method=method, body=b"x=1" if method != "OPTIONS"
            else None)
        assert answer.status == 405, method
        assert answer.headers["allow"] == "GET, HEAD"


def test_the_status_is_that_of_the_tool(site):
    d = site()
    d.wait_health("usable")
    wait_for(lambda: json.loads(get("/status.json").text)["lists"][0][
        "health"] == "usable", 15)
    told, mine = json.loads(get("/status.json").text), d.status()

    def keys(o):
        if isinstance(o, dict):
            return {k: keys(v) for k, v in o.items()}
        return [keys(v) for v in o] if isinstance(o, list) else None
    assert keys(told) == keys(mine)
    assert told["host"] == mine["host"] and \
        told["config_file"] == mine["config_file"]


def test_the_style_is_the_one_that_is_allowed(site):
    site()
    answer = get("/")
    digest = base64.b64encode(hashlib.sha256(Page(answer.text).style.encode()
        ).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert "style-src 'sha256-%s';" % digest in policy, \
        "PAGE_STYLE_SHA256 has to be %s" % digest
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy and "http" not in policy


# -- what it shows

@pytest.mark.threads
def test_a_stop_from_the_first_look_to_the_end(site, bl):
    d = site()
    d.wait_health("usable")
    wait_page("SENDING")
    bl.add("203.0.113.1", txt="spam seen, case 4711")
    d.wait_state("stopped")
    began = time.monotonic()
    shown = wait_page("mx1 is stopped since")
    assert time.monotonic() - began < 5
    for words in ("because 203.0.113.1 is listed by bl.test (SPAM). Next: it "
        "stays stopped until", "Do now: find what sends the spam",
        'mailbrake incident --cause "what it was"', "[NEXT] Find the cause.",
        "-> stopped"):
        assert words in shown.text, words
    assert "svg" in shown.tags
    wait_page("spam seen, case 4711")
    m = metrics()
    assert m["mailbrake_egress_stopped"][(("egress", "mx1"),)] == 1
    assert m["mailbrake_egress_score"][(("egress", "mx1"),)] == 100
    assert m["mailbrake_list_listings"][(("list", "bl.test"),)] == 1
    assert m["mailbrake_incident_open"][()] == 1
    assert m["mailbrake_events_total"][(("kind", "listed"),)] == 1
    d.must("incident", "--cause", "account bob was stolen")
    wait_page("Do now: remove the cause")
    bl.remove("203.0.113.1")
    d.wait_state("sending")
    shown = wait_page("Nothing is stopped")
    assert "Incident 1, over" in shown.text
    wait_metric("mailbrake_incident_open", 0)


def test_observe_mode_in_large_letters(site, bl):
    d = site(settings={"mode": "observe"})
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    shown = wait_page("mx1 would be stopped")
    assert "OBSERVE MODE: all mail passes, nothing is stopped" in shown.text
    assert metrics()["mailbrake_observe_mode"][()] == 1


def test_what_a_list_says_is_text(site, bl):
    d = site()
    d.wait_health("usable")
    evil = '"><script>alert(1)</script><img src=x onerror=x>\'&lt;'
    bl.add("203.0.113.1", txt=evil)
    d.wait_state("stopped")
    wait_for(lambda: d.egress()["listings"][0]["text"], 10)
    d.must("stop", "mx1", "--reason", "</p><script>x</script>")
    shown = wait_page("</p><script>x</script>")
    assert evil in shown.text


def test_a_list_that_is_broken(site, dns):
    dns.list("two.test")
    dns.zones["two.test"].mode = "world"
    d = site(lists=[catalogue_list("bl.test"), catalogue_list("two.test")])
    d.wait_health("broken", "two.test")
    shown = wait_page("1 usable, 1 not")
    assert "two.test" in shown.text and "broken" in shown.text
    wait_metric("mailbrake_list_usable", 0, list="two.test")
    wait_metric("mailbrake_lists", 1, health="broken")


def test_mail_is_counted(site):
    d = site()
    for _ in range(3):
        ask(d)
    wait_metric("mailbrake_front_requests_total", 3, front="policy")
    wait_metric("mailbrake_front_verdicts_total", 3, front="policy",
        action="pass")
    assert "NO MAIL SERVER" not in wait_page("policy").text


def test_it_goes_on_after_a_reload(site):
    d = site()
    d.write_conf({"egress": [{"name": "another", "addresses":
        ["203.0.113.2"], "transport": "mx2"}]})
    d.must("reload")
    shown = wait_page("another")
    assert str(d.conf_path) in shown.text
    d.write_conf({"listen": {"http": "inet:127.0.0.1:9846"}})
    mark = d.mark()
    d.must("reload")
    d.wait_log("listen has changed: that takes a restart", since=mark)
    assert get("/healthz").status == 200


# -- metrics

@pytest.mark.skipif(not PROMTOOL, reason="no promtool")
def test_promtool_has_nothing_to_say(site, bl):
    d = site(settings={"domains": ["one.example"]})
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    wait_metric("mailbrake_egress_stopped", 1, egress="mx1")
    done = subprocess.run([PROMTOOL, "check", "metrics"],
        input=get("/metrics").text, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(not PROMTOOL, reason="no promtool")
def test_promtool_takes_the_rules():
    for args in (["check", "rules", RULES], ["test", "rules",
        RULES.with_name("mailbrake.test.yml")]):
        done = subprocess.run([PROMTOOL, *map(str, args)],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def used(expressions):
    return set(re.findall(r"\bmailbrake_[a-z_]+", " ".join(expressions)))


def check_labels(expression, known):
    """Every label that an expression asks of a metric is one of it."""
    for name, inside in re.findall(r"\b(mailbrake_[a-z_]+)\{([^}]*)\}",
        expression):
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", inside):
            assert label in ("instance", "job") or label in known[name], \
                "%s has no %s" % (name, label)


@pytest.fixture
def known(site, dns):
    """Every metric and its labels, from a daemon that shows them all."""
    d = site(settings={"domains": ["one.example"]}, fronts=("policy",
        "gate", "socketmap"))
    d.wait_health("usable")
    found = {name: {label for labels in samples for label, _ in labels}
        for name, samples in metrics().items()}
    # These need a Postfix that was looked at.
    found["mailbrake_postfix_findings"].add("state")
    found["mailbrake_egress_waiting_messages"].add("egress")
    return found


def test_the_rules_ask_for_what_there_is(known):
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) and len(names) >= 10
    labels = set().union(*known.values()) | {"instance"}
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels",
            "annotations"}, rule
        assert re.fullmatch(r"Mailbrake[A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        assert used([rule["expr"]]) <= set(known), rule["alert"]
        if "up{" not in rule["expr"]:
            assert used([rule["expr"]]), rule["alert"]
        check_labels(rule["expr"], known)
        for text in rule["annotations"].values():
            for label in re.findall(r"\$labels\.([a-z]+)", text):
                assert label in labels, (rule["alert"], label)


def test_the_dashboard_asks_for_what_there_is(known):
    board = json.loads((TOP / "contrib/grafana/mailbrake.json").read_text())
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len(panels) >= 10
    for p in panels:
        assert p["title"] and p["targets"], p["id"]
        box = p["gridPos"]
        assert box["x"] + box["w"] <= 24
        for q in panels:
            other = q["gridPos"]
            assert p is q or box["x"] + box["w"] <= other["x"] or \
                other["x"] + other["w"] <= box["x"] or \
                box["y"] + box["h"] <= other["y"] or \
                other["y"] + other["h"] <= box["y"], (p["id"], q["id"])
        for target in p["targets"]:
            assert used([target["expr"]]), target
            assert used([target["expr"]]) <= set(known), target
            check_labels(target["expr"], known)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert used([variable["definition"]]) <= set(known)


def test_the_manual_names_every_metric(known):
    manual = (TOP / "src/mailbraked.8").read_text()
    section = manual.split(".Sh STATUS PAGE AND METRICS\n")[1].split(
        "\n.Sh ")[0]
    listed = re.findall(r"^\.It Li ([a-z_]+)", section, re.M)
    assert len(set(listed)) == len(listed)
    assert {"mailbrake_" + name for name in listed} == set(known)


# -- bad clients, and bad days

def test_slow_and_many_clients_keep_nobody_out(site):
    d = site()
    held = []
    try:
        for _ in range(200):
            s = socket.create_connection(("127.0.0.1", PORT), timeout=10)
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            held.append(s)
        assert get("/healthz").status == 200
        assert get("/").status == 200
        # Whoever goes on sending, a byte at a time, is ended all the same.
        last = held[-1]
        began = time.monotonic()

        def ended():
            try:
                last.sendall(b"x")
            except OSError:
                return True
            return False
        wait_for(ended, 40, "the slow client to be ended", every=0.5)
        assert 15 < time.monotonic() - began < 30
        assert get("/healthz").status == 200
        assert d.status()["mode"] == "enforce"
    finally:
        for s in held:
            s.close()


def test_a_client_that_reads_nothing_delays_nobody(site, bl):
    d = site()
    idle = []
    try:
        for _ in range(20):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            s.connect(("127.0.0.1", PORT))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.append(s)
        d.wait_health("usable")
        bl.add("203.0.113.1")
        d.wait_state("stopped")
        wait_metric("mailbrake_egress_stopped", 1, egress="mx1")
    finally:
        for s in idle:
            s.close()


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Frozen:
    """One thread of a process held still, the others not."""

    def __init__(self, tid):
        self.tid = tid
        self.libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(self, request, data=0):
        if self.libc.ptrace(request, self.tid, None, data) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def __enter__(self):
        try:
            self.ptrace(PTRACE_SEIZE)
        except PermissionError:
            pytest.skip("no ptrace here")
        self.ptrace(PTRACE_INTERRUPT)
        return self

    def __exit__(self, *_):
        # It may be detached only when it has come to its halt.
        def detached():
            try:
                self.ptrace(PTRACE_DETACH)
            except ProcessLookupError:
                return False
            return True
        wait_for(detached, 5, "the thread to go on")


def test_a_loop_that_hangs_is_told_and_nothing_old_is(site):
    d = site()
    wait_page("mx1")
    with Frozen(d.process.pid):
        # Served by the other thread, the loop standing still.
        assert get("/healthz").status == 200
        assert get("/").status == 200
        wait_for(lambda: get("/healthz").status == 503, 40,
            "the sign of life to end")
        for path in ("/", "/metrics", "/status.json"):
            answer = get(path)
            assert answer.status == 503, path
            assert "has not looked after itself for 2" in answer.text
    wait_for(lambda: get("/healthz").status == 200, 10)
    wait_page("mx1")


def test_a_port_that_is_taken_stops_no_brake(site, bl):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", PORT))
        s.listen()
        d = site()
        d.wait_log("another program listens there: stop it .* or change "
            "listen.http")
        d.wait_log("there is no status page and there are no metrics")
        d.wait_health("usable")
        bl.add("203.0.113.1")
        d.wait_state("stopped")


def test_a_unix_socket(site, place):
    path = place.subdir("web", user="mailbrake") / "http.sock"
    d = site(settings={"listen": {"http": "unix:%s" % path}})
    assert path.stat().st_mode & 0o777 == 0o660
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while data := s.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"ok\n")
    assert d.stop() == 0
    assert not path.exists()


def test_with_listen_only_what_it_names(brake):
    brake()
    with pytest.raises(ConnectionRefusedError):
        get("/healthz")


def test_it_ends_with_clients_connected(site):
    d = site()
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as s:
        s.sendall(b"GET / HTTP/1.1\r\n")
        assert get("/healthz").status == 200
        assert d.stop() == 0
