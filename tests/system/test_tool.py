"""mailbrake, the operator's tool."""

import json
import os
import pty
import re
import signal
import socket
import subprocess

import pytest

from harness.daemon import MAILBRAKE, catalogue_list, environment, run_tool

ESCAPE = "\x1b["


@pytest.fixture
def stopped(brake, bl):
    bl.add("203.0.113.1", txt="see https://bl.test/?203.0.113.1")
    d = brake(fronts=("milter", "policy"))
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    return d


def on_terminal(d, *args, columns=80):
    """What the tool prints where it believes in a terminal, and its exit
    status."""
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", str(columns), "rows", "40"],
        stdin=slave, check=True)
    process = subprocess.Popen([str(MAILBRAKE), "-c", str(d.conf_path),
        *args], stdin=slave, stdout=slave, stderr=slave,
        env=environment(TERM="xterm"))
    os.close(slave)
    data = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        data += more
    os.close(master)
    return process.wait(20), data.decode("utf-8", "replace")


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


# -- status

def test_status_says_what_is_stopped_and_why(stopped):
    out = stopped.must("status")
    for word in ("mx1", "stopped", "203.0.113.1", "bl.test", "SPAM"):
        assert word in out, out
    assert ESCAPE not in out
    assert max(map(len, out.splitlines())) <= 80, out


def test_status_as_json_is_complete(stopped, bl):
    status = stopped.status()
    assert status["mode"] == "enforce"
    assert status["host"] == "mx1.brake.test" and status["version"]
    e, = status["egress"]
    for key in ("name", "pool", "addresses", "state", "evidence_state",
        "score", "since", "until", "checked", "blind", "override",
        "listings"):
        assert key in e, key
    for key in ("address", "zone", "code", "name", "text", "weight",
        "since", "confirmed"):
        assert key in e["listings"][0], key
    for key in ("zone", "health", "reason", "weight", "checked"):
        assert key in status["lists"][0], key
    assert status["store"]["redis"] == "off"
    assert {f["name"] for f in status["fronts"]} == {"milter", "policy",
        "socketmap"}
    for time in (e["since"], e["checked"], e["listings"][0]["since"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
            r"(\.\d+)?(Z|[+-]\d\d:\d\d)", time), time


def test_status_shows_overrides_and_sick_lists(brake, bl):
    bl.mode = "world"
    d = brake()
    d.wait_health("broken")
    d.must("stop", "account:ann", "--for", "2h", "--reason", "phished")
    out = d.must("status")
    assert "account:ann" in out and "phished" in out
    assert "broken" in out and "bl.test" in out


def test_status_of_many_egresses_fits_the_screen(brake, bl):
    egress = [{"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n],
        "transport": "mx%d" % n} for n in range(1, 20)]
    egress.append({"name": "an-egress-with-quite-a-long-name-of-40-letters",
        "addresses": ["2001:db8:1234:5678:9abc:def0:1234:5678"],
        "transport": "long"})
    bl.add("2001:db8:1234:5678:9abc:def0:1234:5678", txt="x" * 300)
    for n in range(1, 20, 3):
        bl.add("203.0.113.%d" % n)
    d = brake(egress=tuple(egress))
    d.wait_state("stopped", "mx1")
    d.wait_state("stopped", egress[-1]["name"])
    out = d.must("status")
    assert max(map(len, out.splitlines())) <= 80, out
    for e in egress:
        assert e["name"] in out


def test_colour_only_on_a_terminal(stopped):
    rc, out = on_terminal(stopped, "status")
    assert rc == 0 and ESCAPE in out
    assert "stopped" in plain(out)
    assert max(map(len, plain(out).splitlines())) <= 80
    assert ESCAPE not in stopped.must("status")


def test_no_color_is_respected(stopped):
    os.environ["NO_COLOR"] = "1"
    try:
        rc, out = on_terminal(stopped, "status")
    finally:
        del os.environ["NO_COLOR"]
    assert rc == 0 and "\x1b[3" not in out


# -- explain

def test_explain_says_every_reason(stopped):
    out = " ".join(stopped.must("explain", "ann@example.org",
        "bob@example.net").split())
    for word in ("mx1", "bl.test", "203.0.113.1", "451 4.7.1", "100"):
        assert word in out, out


def test_explain_of_mail_that_passes(stopped):
    out = stopped.must("explain", "ann@example.org", "joe@local.test")
    assert "pass" in out and "local" in out
    stopped.must("send", "domain:example.org", "--reason", "the boss asks")
    out = " ".join(stopped.must("explain", "ann@example.org",
        "bob@example.net").split())
    assert "pass" in out and "the boss asks" in out


def test_explain_without_a_recipient_and_of_the_null_sender(stopped):
    assert "mx1" in stopped.must("explain", "ann@example.org")
    assert "mx1" in stopped.must("explain", "")


# -- when it cannot

@pytest.mark.parametrize("arguments", [["status"], ["stop", "mx1"],
    ["auto", "mx1"], ["explain", "ann@example.org"], ["status", "--json"]])
def test_a_daemon_that_does_not_run_is_said_plainly(brake, arguments):
    d = brake(start=False)
    rc, out, err = d.cli(*arguments)
    assert rc == 3
    assert out == "" and "running" in err and str(d.control) in err
    assert len(err.strip().splitlines()) <= 3


def test_a_killed_daemon_is_said_plainly(brake):
    d = brake()
    d.kill9()
    rc, out, err = d.cli("status")
    assert rc == 3 and "running" in err


def test_a_socket_that_is_not_permitted_is_said_plainly(brake):
    d = brake()
    rc, out, err = run_tool("-s", "unix:%s" % d.control, "status",
        user="nobody")
    assert rc == 3, (rc, out, err)
    assert "permi" in err.lower() and str(d.control) in err
    assert "not running" not in err


def test_a_daemon_that_hangs_is_said(brake, place):
    d = brake(start=False)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(d.control))
        s.listen(5)
        try:
            rc, out, err = d.cli("status", timeout=40)
        except subprocess.TimeoutExpired:
            pytest.fail("it hangs as well")
    assert rc in (1, 3) and err


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["status", "x"],
    ["explain"], ["--nonsense"], ["status", "--nonsense"], ["-c"]])
def test_a_wrong_command_line_has_status_2(arguments):
    rc, out, err = run_tool(*arguments)
    assert rc == 2 and err.strip()


def test_a_slip_of_the_pen_gets_a_suggestion():
    rc, out, err = run_tool("stauts")
    assert rc == 2 and "status" in err
    rc, out, err = run_tool("status", "--jsno")
    assert rc == 2 and "--json" in err


def test_help_and_version():
    rc, out, err = run_tool("--help")
    assert rc == 0
    for command in ("status", "check", "stop", "send", "auto", "explain"):
        assert command in out
    rc, out, err = run_tool("--version")
    assert rc == 0 and re.search(r"\d+\.\d+", out)
    rc, out, err = run_tool("stop", "--help")
    assert rc == 0 and "--for" in out


def test_options_may_stand_anywhere(brake):
    d = brake()
    for arguments in (["-c", d.conf_path, "status", "--json"],
        ["status", "-c", d.conf_path, "--json"],
        ["--json", "status", "-s", "unix:%s" % d.control]):
        rc, out, err = run_tool(*arguments)
        assert rc == 0 and json.loads(out)["mode"] == "enforce", err


def test_a_bad_reason_cannot_forge_a_line(brake):
    d = brake()
    mark = d.mark()
    d.must("stop", "mx1", "--reason", "a\nNov 22 forged\x1b[2J")
    assert not d.logged("^Nov 22 forged", since=mark)
    assert ESCAPE not in d.log() + d.must("status")


def test_who_said_it_is_kept(brake):
    d = brake()
    d.must("stop", "mx1", "--reason", "drill")
    word, = d.status()["overrides"]
    assert "root" in str(word) or "uid 0" in str(word)
    d.wait_log("mx1.*drill")


# -- check: needs no daemon

@pytest.fixture
def checker(brake, dns):
    """A configuration only; the lists are bl.test and two.test."""
    dns.list("two.test")
    return brake(start=False, lists=[catalogue_list("bl.test"),
        catalogue_list("two.test", 50)])


def test_check_of_a_clean_address(checker):
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 0, (rc, out, err)
    assert "203.0.113.9" in out
    assert ESCAPE not in out + err


def test_check_of_a_listed_address(checker, bl):
    bl.add("203.0.113.9", "127.0.0.4", txt="bought a botnet")
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 1, (rc, out, err)
    for word in ("203.0.113.9", "bl.test", "BOT", "bought a botnet"):
        assert word in out, out
    assert max(map(len, out.splitlines())) <= 80, out


def test_check_of_an_ipv6_address(checker, bl):
    bl.add("2001:db8::9")
    rc, out, err = checker.cli("check", "2001:db8::9")
    assert rc == 1 and "2001:db8::9" in out
    rc, out, err = checker.cli("check", "2001:db8::8")
    assert rc == 0


def test_check_of_several_addresses(checker, bl):
    bl.add("203.0.113.9")
    rc, out, err = checker.cli("check", "203.0.113.8", "203.0.113.9")
    assert rc == 1 and "203.0.113.8" in out and "203.0.113.9" in out


def test_check_without_an_address_checks_the_egresses(checker, bl):
    rc, out, err = checker.cli("check")
    assert rc == 0 and "203.0.113.1" in out
    bl.add("203.0.113.1")
    rc, out, err = checker.cli("check")
    assert rc == 1 and "203.0.113.1" in out


@pytest.mark.parametrize("mode", ["silent", "servfail", "refused_code",
    "world", "foreign", "nodata", "nxdomain"])
def test_check_where_no_list_can_be_believed_says_so(checker, dns, bl,
    mode):
    bl.add("203.0.113.9")
    for zone in dns.zones.values():
        zone.mode = mode
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 2, (rc, out, err)
    assert "bl.test" in out + err


def test_check_without_a_resolver_says_so(checker, dns):
    dns.stop()
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 2


def test_check_of_a_listed_address_beside_a_sick_list(checker, dns, bl):
    """Known is known."""
    dns.zones["two.test"].mode = "silent"
    bl.add("203.0.113.9")
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 1, (rc, out, err)


def test_check_does_not_take_a_policy_answer_for_a_listing(checker, bl):
    bl.add("203.0.113.9", "127.0.0.10")
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 0, (rc, out, err)


@pytest.mark.parametrize("word", ["203.0.113.256", "not/a/domain", "..",
    "a" * 300])
def test_check_of_nonsense_is_refused(checker, word):
    rc, out, err = checker.cli("check", word)
    assert rc == 2 and err


def test_check_shows_its_progress_on_a_terminal_only(checker, dns, bl):
    bl.delay = 0.1
    rc, out = on_terminal(checker, "check", "203.0.113.9")
    assert rc == 0
    assert "\r" in out.replace("\r\n", "\n") or ESCAPE in out
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 0 and "\r" not in out + err


def test_check_as_nobody(checker, bl):
    """It needs no rights."""
    checker.conf_path.chmod(0o644)
    rc, out, err = run_tool("-c", checker.conf_path, "check", "203.0.113.9",
        user="nobody")
    assert rc == 0, (rc, out, err)


def test_check_with_a_bad_configuration_names_its_line(checker):
    checker.write_conf("modee = \"x\";\n")
    rc, out, err = checker.cli("check", "203.0.113.9")
    assert rc == 2 and "%s:1:" % checker.conf_path in err


def test_check_can_be_interrupted(checker, dns):
    checker.write_conf({"check": {"timeout": "20s"}})
    for zone in dns.zones.values():
        zone.mode = "silent"
    process = subprocess.Popen([str(MAILBRAKE), "-c",
        str(checker.conf_path), "check", "203.0.113.9"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    dns.zones["bl.test"].wait_query("127.0.0.2", since=0)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)
    assert process.returncode not in (0, 1)


# -- events, lists

def test_events_tell_the_story(brake, bl):
    bl.add("203.0.113.1")
    d = brake()
    d.wait_state("stopped")
    d.must("send", "mx1", "--reason", "drill")
    out = " ".join(d.must("events").split())
    for words in ("203.0.113.1", "bl.test", "stopped", "drill"):
        assert words in out, out
    assert out.index("stopped") < out.index("drill"), "oldest first"


def test_events_can_be_followed(brake, bl):
    d = brake()
    process = subprocess.Popen([str(MAILBRAKE), "-c", str(d.conf_path),
        "events", "--follow"], stdout=subprocess.PIPE, text=True,
        env=environment())
    try:
        d.wait_health("usable")
        bl.add("203.0.113.1")
        for line in process.stdout:
            if "stopped" in line:
                break
        else:
            pytest.fail("it ended before the news")
    finally:
        process.terminate()
        process.communicate(timeout=15)


def test_lists_shows_their_health(brake, bl):
    bl.mode = "world"
    d = brake()
    d.wait_health("broken")
    out = d.must("lists")
    assert "bl.test" in out and "broken" in out
    assert max(map(len, out.splitlines())) <= 80, out
