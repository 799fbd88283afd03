"""Hooks: what an operator's programs are told, and that nothing of theirs
holds up the daemon."""

import json
import os
import pathlib
import signal
import time

import pytest

from harness.daemon import run_tool
from harness.place import wait_for

ADDRESS = "203.0.113.1"
MX2 = {"name": "mx2", "addresses": ["203.0.113.2"], "transport": "mx2"}


class Hooks:
    """A hooks.d, and what its hooks write."""

    def __init__(self, place):
        self.dir = place.subdir("hooks.d")
        self.record = place.subdir("record", user="mailbrake")

    def add(self, name, body, mode=0o755, dir=None):
        path = (dir or self.dir) / name
        new = path.with_name(".new")
        new.write_text("#!/bin/sh\n" + body)
        new.chmod(mode)
        new.replace(path)
        return path

    def recorder(self, name="10-record", then="", dir=None):
        """One that writes down what it is told, then does something."""
        return self.add(name, """
n=%s/%s.$(date +%%s%%N)
env -0 >$n.env
cat >$n.new
mv $n.new $n.json
%s
""" % (self.record, name, then), dir=dir)

    def told(self, name="10-record"):
        """Its runs, oldest first: (the JSON, the environment)."""
        runs = []
        for path in sorted(self.record.glob(name + ".*.json")):
            pairs = path.with_suffix(".env").read_bytes().split(b"\0")
            env = dict(pair.decode().split("=", 1) for pair in pairs if pair)
            runs.append((json.loads(path.read_text()), {
                key[10:]: value for key, value in env.items()
                if key.startswith("MAILBRAKE_")}))
        return runs

    def wait(self, count=1, name="10-record", timeout=15):
        wait_for(lambda: len(self.told(name)) >= count, timeout,
            lambda: "%d runs of %s, there were %s" % (count, name,
                self.told(name)))
        return self.told(name)

    def wait_event(self, condition, name="10-record", timeout=15):
        """The first run that the condition is true of."""
        def found():
            for facts, env in self.told(name):
                if condition(facts):
                    return facts, env
            return None
        return wait_for(found, timeout, lambda: "not among %s" %
            self.told(name))


@pytest.fixture
def hooks(place):
    return Hooks(place)


def with_hooks(hooks, **more):
    return {"hooks": str(hooks.dir), "hooks_timeout": "2s", **more}


def started(brake, hooks, settings=None, **options):
    daemon = brake(settings=with_hooks(hooks, **(settings or {})), **options)
    daemon.wait_health("usable")
    return daemon


def test_a_listing_is_one_run_with_all_that_belongs_to_it(bl, brake, hooks):
    hooks.recorder()
    daemon = started(brake, hooks)
    bl.add(ADDRESS, txt="spam")
    daemon.wait_state("stopped")
    (facts, env), = hooks.wait()
    assert facts["event"] == env["EVENT"] == "state"
    assert facts["egress"] == env["EGRESS"] == "mx1"
    assert (facts["from"], facts["to"]) == ("sending", "stopped")
    assert (env["FROM"], env["TO"]) == ("sending", "stopped")
    assert facts["address"] == env["ADDRESS"] == ADDRESS
    assert facts["list"] == env["LIST"] == "bl.test"
    assert facts["mode"] == env["MODE"] == "enforce"
    assert facts["host"] == env["HOST"] == "mx1.brake.test"
    assert facts["incident"] == 1 and env["INCIDENT"] == "1"
    assert facts["stopped"] == ["mx1"] and env["STOPPED"] == "mx1"
    assert facts["stopped_addresses"] == [ADDRESS]
    assert env["STOPPED_ADDRESSES"] == ADDRESS
    assert facts["try"] == 1 and env["TRY"] == "1"
    assert facts["left_out"] == 0 and env["LEFT_OUT"] == "0"
    assert env["HOOK"] == "10-record"
    assert env["SETTINGS"] == str(hooks.dir / "10-record.conf")
    assert env["TIME"] == facts["time"] and facts["time"].endswith("Z")
    assert {e["event"] for e in facts["events"]} == {"state", "incident",
        "listing"}
    assert env["COUNT"] == str(len(facts["events"]))
    assert "-> stopped" in env["TEXT"] and "\n" not in env["TEXT"]
    assert env["LINES"].splitlines() == [e["text"] for e in facts["events"]]
    daemon.wait_log(r"hook 10-record: told of \d alerts")
    assert len(hooks.told()) == 1
    bl.remove(ADDRESS)
    daemon.wait_state("sending", timeout=20)
    facts, env = hooks.wait_event(lambda f: "mx1" in f["resumed"])
    assert env["RESUMED"] == "mx1" and env["STOPPED"] == ""
    hooks.wait_event(lambda f: any(e["event"] == "incident" and
        e["to"] == "closed" for e in f["events"]))


def test_words_are_told_when_they_change_what_counts(bl, brake, hooks):
    hooks.recorder()
    daemon = started(brake, hooks, egress=({"name": "mx1",
        "addresses": [ADDRESS], "transport": "mx1"}, MX2),
        settings={"domains": ["example.org"]})
    daemon.must("stop", "account:bob")      # no egress is any different
    daemon.must("send", "mx2")              # it sends anyhow
    daemon.must("stop", "mx1", "--reason", "a try")
    (facts, env), = hooks.wait()
    assert (env["EVENT"], env["EGRESS"], env["FROM"], env["TO"]) == (
        "override", "mx1", "sending", "stopped")
    assert "(a try)" in env["TEXT"] and env["ADDRESS"] == ADDRESS
    assert len(facts["events"]) == 1
    daemon.must("stop", "domain:example.org")
    facts, env = hooks.wait_event(
        lambda f: f["egress"] == "domain:example.org")
    assert env["STOPPED"].split() == ["mx1", "domain:example.org"]
    daemon.must("auto", "mx1")
    facts, env = hooks.wait_event(lambda f: f["to"] == "sending")
    assert env["RESUMED"] == "mx1"
    assert "account:bob" not in json.dumps(hooks.told())


def test_the_guard_of_a_pool_is_told(bl, brake, hooks):
    hooks.recorder()
    egress = tuple({"name": "mx%d" % n, "addresses": ["203.0.113.%d" % n],
        "transport": "mx%d" % n} for n in (1, 2, 3))
    daemon = started(brake, hooks, egress=egress, settings={
        "pools": ({"name": "out", "egress": ["mx1", "mx2", "mx3"],
            "burn_limit": 1},)})
    bl.add("203.0.113.1")
    bl.add("203.0.113.2")
    daemon.wait_state("stopped", "mx2")
    facts, env = hooks.wait_event(lambda f: any(e["event"] == "guard"
        for e in f["events"]))
    assert (env["EVENT"], env["EGRESS"], env["TO"]) == ("guard", "pool:out",
        "guarded")
    assert set(facts["stopped"]) == {"mx1", "mx2", "mx3"}


def test_observe_mode_is_told_and_says_so(bl, brake, hooks):
    hooks.recorder()
    started(brake, hooks, settings={"mode": "observe"})
    bl.add(ADDRESS)
    (facts, env), = hooks.wait()
    assert facts["mode"] == env["MODE"] == "observe"
    assert "observe mode" in env["TEXT"]


def test_a_restart_tells_nothing_twice(bl, brake, hooks):
    hooks.recorder()
    daemon = started(brake, hooks)
    bl.add(ADDRESS)
    daemon.wait_log("hook 10-record: told of")
    daemon.restart()
    daemon.wait_state("stopped")
    daemon.must("stop", "mx1")      # no change: it is stopped
    daemon.must("send", "mx1")
    runs = hooks.wait(2)
    assert [(e["event"], e["from"], e["to"]) for e in runs[1][0]["events"]
        if e["event"] != "listing"] == [("override", "stopped", "sending")]


def test_what_may_not_be_run_is_not(bl, brake, hooks, place):
    hooks.recorder()
    bad = {"20-not-executable": 0o644, "30-group": 0o775, "40-others": 0o757}
    for name, mode in bad.items():
        hooks.add(name, "touch %s/ran\n" % hooks.record, mode)
    os.chown(hooks.add("50-foreign", "touch %s/ran\n" % hooks.record), 65534,
        65534)
    (hooks.dir / "60-directory").mkdir()
    (hooks.dir / "70-dangling").symlink_to("/nonexistent/hook")
    loose = place.subdir("loose")
    loose.chmod(0o777)
    hooks.add("hook", "touch %s/ran\n" % hooks.record, dir=loose)
    (hooks.dir / "80-elsewhere").symlink_to(loose / "hook")
    settings = hooks.add("90-settings", "touch %s/ran\n" % hooks.record)
    settings.with_name("90-settings.conf").write_text("")
    settings.with_name("90-settings.conf").chmod(0o666)
    for name in ("README", ".hidden", "x~", "y.dpkg-old", "10-record.conf"):
        hooks.add(name, "touch %s/ran\n" % hooks.record)
    daemon = started(brake, hooks)
    for name, why in (("20-not-executable", "may not execute"),
        ("30-group", "writable by its group"),
        ("40-others", "writable by others"),
        ("50-foreign", "belongs neither to root"),
        ("60-directory", "no regular file"),
        ("70-dangling", "No such file"),
        ("80-elsewhere", "loose is writable by others"),
        ("90-settings", "90-settings.conf is writable by others")):
        daemon.wait_log("hook %s/%s is not run: .*%s" % (hooks.dir, name,
            why))
    for name in ("README", "hidden", "x~", "dpkg", "10-record"):
        assert not daemon.logged("%s.*is not run" % name)
    mark = daemon.mark()
    bl.add(ADDRESS)
    hooks.wait()
    daemon.wait_log("hook 10-record: told of")
    assert not (hooks.record / "ran").exists()
    assert not daemon.logged("is not run", since=mark), "each once"


def test_a_directory_that_others_may_write(bl, brake, hooks):
    hooks.recorder()
    hooks.dir.chmod(0o777)
    daemon = started(brake, hooks)
    daemon.wait_log("no hooks are run: .*writable by others")
    bl.add(ADDRESS)
    daemon.wait_state("stopped")
    status, _, said = daemon.cli("test-alert")
    assert status == 1 and "writable by others" in said
    hooks.dir.chmod(0o755)          # mended: no restart is needed
    daemon.must("stop", "all")
    daemon.must("send", "all")
    assert hooks.wait_event(lambda f: f["to"] == "sending")


def test_a_directory_that_is_not_there_yet(bl, brake, hooks, place):
    later = place.dir / "later"
    daemon = brake(settings={"hooks": str(later)})
    daemon.wait_log("no hooks are run: .*No such file")
    daemon.wait_health("usable")
    later.mkdir()
    hooks.recorder(dir=later)
    bl.add(ADDRESS)
    assert hooks.wait()[0][0]["to"] == "stopped"


def test_a_failing_hook_is_run_again_with_what_came_since(bl, brake, hooks):
    fails = hooks.record / "fails"
    hooks.recorder(then="echo no luck >&2; rm %s && exit 3; exit 0" % fails)
    hooks.recorder("20-other")
    fails.write_text("")
    os.chown(hooks.record, 0, 0)
    hooks.record.chmod(0o777)
    daemon = started(brake, hooks)
    bl.add(ADDRESS)
    daemon.wait_log("hook 10-record: no luck")
    daemon.wait_log("hook 10-record: status 3; tried again in 10s")
    daemon.must("send", "mx1", "--reason", "while it waits")
    runs = hooks.wait(2, timeout=20)
    assert runs[1][1]["TRY"] == "2" and runs[0][1]["TRY"] == "1"
    said = " ".join(e["text"] for e in runs[1][0]["events"])
    assert "-> stopped" in said and "while it waits" in said
    # Who had no trouble got each once.
    others = hooks.wait(2, "20-other")
    assert "while it waits" not in json.dumps(others[0])
    assert "-> stopped:" not in json.dumps(others[1])


def test_a_hook_that_gives_up_is_not_run_again(bl, brake, hooks):
    hooks.recorder(then="exit 78")
    daemon = started(brake, hooks)
    bl.add(ADDRESS)
    daemon.wait_log("hook 10-record: status 78; given up: \\d alerts not "
        "told")
    daemon.must("send", "mx1")
    first, second = hooks.wait(2)
    assert second[1]["TRY"] == "1"
    assert int(second[1]["LEFT_OUT"]) == len(first[0]["events"])


def test_a_hanging_hook_delays_nobody(bl, brake, hooks):
    hooks.add("05-hangs", "trap '' TERM\nsleep 600 & sleep 600\n")
    hooks.recorder()
    daemon = started(brake, hooks, settings={"hooks_timeout": "12s"})
    bl.add(ADDRESS)
    hooks.wait(timeout=10)
    # While it hangs the daemon decides and answers.
    for _ in range(5):
        daemon.must("explain", "a@example.org", "b@example.net")
    assert not daemon.logged("not done in time")
    daemon.wait_log("hook 05-hangs: not done in time, ended; tried again",
        timeout=40)


def test_a_huge_output_is_bounded(bl, brake, hooks):
    hooks.add("10-talks", "yes 'too much' | head -c 50000000\n"
        "printf 'a\\033[31mb\\001\\n' >&2\n")
    hooks.add("20-binary", "printf '\\033[31mred\\001\\n'\n")
    daemon = started(brake, hooks, settings={"hooks_timeout": "1m"})
    bl.add(ADDRESS)
    daemon.wait_log("hook 10-talks: told of", timeout=60)
    assert len(daemon.logged("hook 10-talks: too much")) == 20
    daemon.wait_log("hook 10-talks: more output is left out")
    daemon.wait_log(r"hook 20-binary: \?\[31mred\?")


def test_a_hook_that_goes_while_it_runs(bl, brake, hooks):
    pid = hooks.record / "pid"
    path = hooks.add("10-goes", "echo $$ >%s\nexec sleep 600\n" % pid)
    hooks.recorder("20-record")
    daemon = started(brake, hooks, settings={"hooks_timeout": "1m"})
    bl.add(ADDRESS)
    wait_for(lambda: pid.exists() and pid.read_text().strip(), 10)
    path.unlink()
    daemon.must("send", "mx1")
    daemon.wait_log("hook 10-goes: is no longer run")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    daemon.wait_log("hook 10-goes: ended by signal 9; it is no longer run")
    hooks.wait(2, "20-record")


def test_a_reload_with_another_directory(bl, brake, hooks, place):
    pid = hooks.record / "pid"
    hooks.add("05-runs", "echo $$ >%s\nwhile [ -e %s ]; do sleep 0.1; done\n"
        "echo to its end\n" % (pid, pid))
    hooks.recorder()
    other = place.subdir("other.d")
    hooks.recorder("10-other", dir=other)
    daemon = started(brake, hooks, settings={"hooks_timeout": "30s"})
    bl.add(ADDRESS)
    hooks.wait()
    wait_for(pid.exists, 10)
    daemon.write_conf({"hooks": str(other)})
    daemon.must("reload")
    daemon.wait_log("hook 10-record: is no longer run")
    daemon.must("send", "mx1")
    told = hooks.wait(1, "10-other")
    assert told[0][1]["TO"] == "sending"
    pid.unlink()
    daemon.wait_log("hook 05-runs: to its end")
    assert len(hooks.told()) == 1
    daemon.write_conf({"hooks": ""})
    daemon.must("reload")
    daemon.wait_log("hook 10-other: is no longer run")
    status, _, said = daemon.cli("test-alert")
    assert status == 1 and "no hooks are configured" in said
    daemon.write_conf({"hooks": "relative"})
    status, _, said = run_tool("-s", "unix:%s" % daemon.control, "reload")
    assert status == 1 and "must be an absolute path" in said


def test_the_daemon_stops_while_a_hook_runs(bl, brake, hooks):
    pid = hooks.record / "pid"
    hooks.add("10-runs", "echo $$ >%s\nexec sleep 600\n" % pid)
    daemon = started(brake, hooks, settings={"hooks_timeout": "5m"})
    bl.add(ADDRESS)
    wait_for(lambda: pid.exists() and pid.read_text().strip(), 10)
    assert daemon.stop() == 0, "not after its five minutes"
    wait_for(lambda: not pathlib.Path("/proc/" +
        pid.read_text().strip()).exists() or "Z" in pathlib.Path("/proc/" +
        pid.read_text().strip() + "/stat").read_text().split(), 5)
    assert "hook 10-runs: the daemon stops before it is told of" in \
        daemon.log()


def test_thousands_of_events_are_few_runs(bl, brake, hooks):
    hooks.recorder(then="sleep 0.2")
    daemon = started(brake, hooks)
    count = 0
    with daemon_link(daemon) as ask:
        began = time.monotonic()
        while count < 3000 and time.monotonic() - began < 10:
            for word in ("stop", "auto"):
                assert ask({"command": "override", "word": word,
                    "target": "mx1"})["ok"]
                count += 1
        took = time.monotonic() - began
    daemon.must("stop", "mx1", "--reason", "the last one")
    facts, env = hooks.wait_event(lambda f: "the last one" in
        f["events"][-1]["text"], timeout=30)
    runs = hooks.told()
    assert len(runs) <= 10 and len(runs) <= took / 2 + 3
    told = sum(len(f["events"]) for f, _ in runs)
    left = sum(f["left_out"] for f, _ in runs)
    assert told + left == count + 1
    if count > 300 * (took / 2 + 1):        # more than are kept
        assert left > 0
    assert all(len(f["events"]) <= 200 for f, _ in runs)
    assert env["STOPPED"] == "mx1"


class daemon_link:
    """The control socket without a process for each question."""

    def __init__(self, daemon):
        import socket
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(daemon.control))
        self.file = self.socket.makefile("r")

    def __enter__(self):
        def ask(request):
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(self.file.readline())
        return ask

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def test_test_alert(bl, brake, hooks):
    hooks.recorder()
    hooks.add("20-fails", "echo one; echo two >&2; exit 5\n")
    hooks.add("30-hangs", "exec sleep 600\n")
    daemon = started(brake, hooks, settings={"hooks_timeout": "1s"})
    status, out, err = daemon.cli("test-alert")
    assert status == 1, err
    assert "10-record: worked: status 0" in out
    assert "20-fails: FAILED: status 5" in out
    assert "    one\n    two\n" in out
    assert "30-hangs: FAILED: not done in time" in out
    (facts, env), = hooks.told()
    assert facts["event"] == env["EVENT"] == "test"
    assert "test" in env["TEXT"] and env["EGRESS"] == ""
    assert "10-record: worked" in daemon.must("test-alert", "10-record")
    status, out, _ = daemon.cli("test-alert", "20-fails", "--json")
    (one,) = json.loads(out)["hooks"]
    assert status == 1
    assert (one["hook"], one["worked"], one["status"], one["output"]) == (
        "20-fails", False, 5, ["one", "two"])
    status, _, err = daemon.cli("test-alert", "10-recrod")
    assert status == 1 and "there is no hook 10-recrod" in err
    # A hook that may not be run is no success either.
    (hooks.dir / "20-fails").unlink()
    (hooks.dir / "30-hangs").unlink()
    daemon.must("test-alert")
    hooks.add("40-bad", "", 0o777)
    status, out, _ = daemon.cli("test-alert")
    assert status == 1 and "40-bad is not run" in out
    # A test is no alert, and takes none away.
    bl.add(ADDRESS)
    assert hooks.wait_event(lambda f: f["event"] == "state")


def test_two_tests_at_once_and_one_who_leaves(bl, brake, hooks):
    wait = hooks.record / "wait"
    wait.write_text("")
    hooks.add("10-waits", "while [ -e %s ]; do sleep 0.1; done\n" % wait)
    daemon = started(brake, hooks, settings={"hooks_timeout": "30s"})
    with daemon_link(daemon) as ask:
        assert ask({"command": "test-alert"})["data"]["hooks"] == [
            "10-waits"]
        status, _, err = daemon.cli("test-alert")
        assert status == 1 and "being made already" in err
    wait.unlink()           # who asked has gone
    daemon.wait_log("hook 10-waits: test: status 0")
    daemon.must("test-alert")
