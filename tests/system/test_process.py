"""mailbraked as a process: start, signals, rights, its end."""

import grp
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from harness.clients import Milter, Policy, ask
from harness.daemon import MAILBRAKED, run_daemon
from harness.place import free_port, wait_for

ALL = ("milter", "policy")


def test_version_and_help():
    rc, out, err = run_daemon("--version")
    assert rc == 0 and re.search(r"mailbrake\w* \d+\.\d+", out + err)
    rc, out, err = run_daemon("--help")
    assert rc == 0
    for option in ("-c", "-f", "-t", "-v"):
        assert option in out + err


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-c"], ["extra"]])
def test_a_wrong_command_line_is_refused(arguments):
    rc, out, err = run_daemon(*arguments)
    assert rc != 0 and (out + err).strip()


def test_it_tells_systemd_when_it_is_ready_and_when_it_ends(brake):
    d = brake(fronts=ALL)
    assert "READY=1" in d.notices
    assert ask(d) == "DUNNO", "ready means ready"
    d.stop()
    wait_for(lambda: "STOPPING=1" in d.notices, 2, "STOPPING=1")


def test_it_tells_systemd_of_a_reload(brake):
    d = brake()
    d.notices.clear()
    d.reload()
    wait_for(lambda: "READY=1" in d.notices, 5, "READY=1")
    assert "RELOADING=1" in d.notices


def test_it_has_no_rights_that_it_does_not_need(brake):
    d = brake(fronts=ALL)
    status = open("/proc/%d/status" % d.process.pid).read()
    uids = re.search(r"^Uid:\s+(.*)$", status, re.M).group(1).split()
    gids = re.search(r"^Gid:\s+(.*)$", status, re.M).group(1).split()
    assert "0" not in uids and len(set(uids)) == 1
    assert "0" not in gids and len(set(gids)) == 1
    caps = re.search(r"^CapEff:\s+(.*)$", status, re.M).group(1)
    assert int(caps, 16) == 0
    groups = re.search(r"^Groups:\s*(.*)$", status, re.M).group(1).split()
    assert "0" not in groups


def test_its_sockets_are_for_those_who_need_them(brake):
    d = brake(fronts=ALL)
    postfix = grp.getgrnam("postfix").gr_gid
    for path in (d.milter, d.policy):
        info = path.stat()
        assert info.st_gid == postfix
        assert stat.S_IMODE(info.st_mode) == 0o660
    assert stat.S_IMODE(d.control.stat().st_mode) & 0o007 == 0


def test_an_unknown_user_is_an_error(brake):
    d = brake(start=False, settings={"user": "nosuchuser"})
    rc, out, err = run_daemon("-f", "-c", d.conf_path)
    assert rc == 1 and "nosuchuser" in out + err


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_soon(brake, postfix, sig):
    d = brake(fronts=ALL)
    pf = postfix(d)
    sessions = [pf.connect(front) for front in ALL]
    for smtp in sessions:       # both front ends have an open connection
        smtp.docmd("MAIL", "FROM:<ann@example.org>")
        smtp.docmd("RCPT", "TO:<bob@example.net>")
    with Policy(d.policy) as idle, Milter(d.milter) as open_milter:
        idle.ask()
        open_milter.mail("ann@example.org")
        d.process.send_signal(sig)
        assert d.process.wait(20) == 0, "not when they have gone"
    for smtp in sessions:
        smtp.close()
    for path in (d.milter, d.policy, d.control):
        assert not path.exists(), "sockets are taken away"


def test_it_ends_while_dns_and_redis_are_silent(brake, dns, redis):
    dns.mode = "silent"
    redis.freeze()
    d = brake(settings={"redis": {"server": redis.server},
        "check": {"timeout": "30s"}})
    assert d.stop(20) == 0, "not after the 30 s of a question"
    redis.thaw()


def test_it_starts_over_what_a_killed_one_left_behind(brake):
    d = brake(fronts=ALL)
    d.kill9()
    assert d.policy.exists()
    d.start()
    assert ask(d) == "DUNNO"
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "continue"


def test_a_second_instance_refuses_to_start(brake):
    d = brake(fronts=ALL)
    rc, out, err = run_daemon("-f", "-c", d.conf_path)
    assert rc == 1 and (out + err).strip()
    assert re.search("another mailbraked|listens", out + err), out + err
    assert ask(d) == "DUNNO", "the first one goes on"
    with Milter(d.milter) as m:
        m.mail("ann@example.org")
        assert m.rcpt("bob@example.net")[0] == "continue"
    assert d.must("status")


def test_a_port_that_is_taken_is_said(brake, place):
    with socket.create_server(("127.0.0.1", 0)) as s:
        where = "inet:127.0.0.1:%d" % s.getsockname()[1]
        d = brake(start=False, settings={"listen": {"policy": where}})
        rc, out, err = run_daemon("-f", "-c", d.conf_path)
    assert rc == 1 and where in out + err


def test_a_socket_directory_that_is_missing_is_said(brake, place):
    path = "unix:%s/none/m.sock" % place.dir
    d = brake(start=False, settings={"listen": {"policy": path}})
    rc, out, err = run_daemon("-f", "-c", d.conf_path)
    assert rc == 1 and "none" in out + err


def test_inet_sockets(brake, place):
    policy, milter = free_port(), free_port()
    d = brake(settings={"listen": {
        "policy": "inet:127.0.0.1:%d" % policy,
        "milter": "inet:[::1]:%d" % milter}})
    with Policy(("127.0.0.1", policy)) as p:
        assert p.ask() == "DUNNO"
    with socket.create_connection(("::1", milter), 5):
        pass
    assert d.running()


def test_in_the_background_it_is_quiet_and_leaves_the_terminal(brake):
    """Without -f it serves on after its parent has gone; SIGTERM ends
    it."""
    d = brake(start=False)
    process = subprocess.Popen([str(MAILBRAKED), "-c", str(d.conf_path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: d.policy.exists() and d.control.exists() and
            d.cli("status")[0] == 0, 10, "the daemon's socket")
        assert ask(d) == "DUNNO"
    finally:
        # Whether it put itself in the background or stays where systemd
        # started it, the control socket's owner is the daemon.
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(d.control))
            pid = int.from_bytes(s.getsockopt(socket.SOL_SOCKET,
                socket.SO_PEERCRED, 12)[:4], "little")
        os.kill(pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    wait_for(lambda: not d.control.exists(), 6, "its end")
    assert out == b"", out


def test_the_log_has_no_control_characters_from_outside(brake, bl):
    bl.add("203.0.113.1", txt=b"evil\r\nNov 22 fake line\x1b[2J\x00\xff")
    d = brake()
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    with Policy(d.policy) as p:
        p.send(b"\x1b[2Jno attribute\n\n")
        assert p.answer() is None
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\uffff]", d.log())
    assert not d.logged("^Nov 22 fake")


def test_v_adds_debug_lines(brake, bl):
    d = brake(start=False)
    d.start(args=["-v"])
    bl.wait_sweeps(2)
    verbose = len(d.lines)
    d.stop()
    quiet_from = d.mark()
    d.start()
    bl.wait_sweeps(2)
    assert len(d.lines) - quiet_from < verbose


def test_running_out_of_descriptors_does_not_spin_or_end_it(brake):
    """Everybody may connect; nobody may stop it by that."""
    d = brake(start=False)
    soft = 64
    d.start(prefix=["prlimit", "--nofile=%d:%d" % (soft, soft)])
    held = []
    try:
        for _ in range(soft + 40):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(2)
            s.connect(str(d.policy))
            held.append(s)
        mark = d.mark()

        def cpu():
            with open("/proc/%d/stat" % d.process.pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf(
                "SC_CLK_TCK")
        before, start = cpu(), time.monotonic()
        wait_for(lambda: time.monotonic() - start >= 1.5, 5)
        assert cpu() - before < 0.7, "it spins"
        assert len(d.lines) - mark < 40
    finally:
        for s in held:
            s.close()
    wait_for(lambda: _asks(d) == "DUNNO", 5, "service afterwards")


def _asks(d):
    try:
        return ask(d)
    except (OSError, AssertionError):
        return None
