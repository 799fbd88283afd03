"""Whatever happens to the process or the disk, the brake stays on."""

import os
import shutil
import stat
import threading
import time

import pytest

from harness.clients import ask
from harness.place import wait_for


def wait_saved(d, what=b"stopped"):
    """Until the state file says so."""
    wait_for(lambda: d.state_path.exists() and
        what in d.state_path.read_bytes(), 15, "%r in the state file" % what)


def fill(disk):
    """To the last byte; the file that does it."""
    path = disk / "filler"
    with open(path, "wb", buffering=0) as f:
        with pytest.raises(OSError):
            while True:
                f.write(b"x" * 512)
    return path


@pytest.fixture
def stopped(brake, bl):
    bl.add("203.0.113.1", txt="sent to a trap")
    d = brake()
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    wait_saved(d)
    return d


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_it_stays_stopped_over_a_restart_without_dns(stopped, dns, how):
    before = stopped.egress()
    dns.stop()
    stopped.restart(how)
    # The very first answer, before anything can have been asked.
    assert ask(stopped).startswith("451 4.7.1 ")
    after = stopped.egress()
    for key in ("state", "score", "since"):
        assert after[key] == before[key], key
    for key in ("address", "zone", "code", "name", "text", "since"):
        assert after["listings"][0][key] == before["listings"][0][key], key
    assert after["listings"][0]["confirmed"]
    stopped.wait_egress(lambda e: e["blind"])
    assert ask(stopped).startswith("451 4.7.1 ")


def test_after_the_restart_it_is_released_as_usual(stopped, bl):
    stopped.restart("kill9")
    assert stopped.egress()["state"] == "stopped"
    bl.remove("203.0.113.1")
    stopped.wait_state("sending")


def test_postfix_does_not_see_the_restart(brake, bl, postfix):
    bl.add("203.0.113.1")
    d = brake(fronts=("milter", "policy"))
    pf = postfix(d)
    d.wait_state("stopped")
    wait_saved(d)
    d.restart("kill9")
    for front in ("milter", "policy"):
        answer = pf.send("ann@example.org", ["bob@example.net"], on=front)
        assert answer.code == 451 and "203.0.113.1" in answer.text, answer


def test_while_it_is_dead_nothing_is_lost(brake, postfix, sink):
    d = brake(fronts=("milter", "policy"))
    pf = postfix(d)
    d.kill9()
    for front in ("milter", "policy"):
        answer = pf.send("ann@example.org", ["bob@example.net"], on=front)
        assert answer.code // 100 == 4, answer
    d.start()
    for front in ("milter", "policy"):
        assert pf.send("ann@example.org", ["bob@example.net"],
            on=front).code == 250
    sink.wait(count=2)


def test_an_operators_word_survives_kill_9(brake, dns):
    d = brake()
    d.must("stop", "mx1", "--for", "1h", "--reason", "drill")
    d.must("send", "domain:example.com")
    wait_saved(d, b"domain:example.com")
    dns.stop()
    d.restart("kill9")
    assert ask(d).startswith("451 4.7.1 ")
    words = {o["target"]: o for o in d.status()["overrides"]}
    assert words["mx1"]["word"] == "stop" and words["mx1"]["until"]
    assert words["mx1"]["reason"].startswith("drill")
    assert words["domain:example.com"]["word"] == "send"


def test_who_is_told_that_it_is_stopped_may_count_on_it(brake):
    """A disk that hangs keeps the tool waiting for a moment, and nobody's
    mail."""
    d = brake()
    d.wait_health("usable")
    d.must("stop", "domain:example.com")
    assert b"domain:example.com" in d.state_path.read_bytes(), "at once"
    # A pipe that nobody reads, in place of the file to be written.
    os.mkfifo(d.state_dir / "state.tmp", 0o666)
    (d.state_dir / "state.tmp").chmod(0o666)
    begun = time.monotonic()
    tool = threading.Thread(target=d.must, args=("stop", "mx1"))
    tool.start()
    wait_for(lambda: ask(d).startswith("451 4.7.1 "), 5, "the stop")
    tool.join(10)
    assert 0.4 < time.monotonic() - begun < 5
    (d.state_dir / "state.tmp").read_bytes()    # the disk comes back


def test_an_operators_word_that_ended_meanwhile_is_gone(brake, dns):
    d = brake()
    d.must("stop", "mx1", "--for", "1s", "--reason", "drill")
    wait_saved(d, b"drill")
    d.restart("kill9")
    wait_for(lambda: ask(d) == "DUNNO", 15, "the end of the override")
    assert not d.status()["overrides"]


def test_the_state_file_is_private_and_whole(stopped):
    info = stopped.state_path.stat()
    assert stat.S_IMODE(info.st_mode) & 0o027 == 0
    assert info.st_uid != 0
    assert {p.name for p in stopped.state_dir.iterdir()} <= {"state",
        "state.old", "state.lock"}, "no temporary file is left behind"


def test_a_state_file_that_cannot_be_written_is_said_and_does_not_matter(
    brake, bl, place):
    d = brake()
    d.wait_health("usable")
    shutil.chown(d.state_dir, "root", "root")
    d.state_dir.chmod(0o755)
    mark = d.mark()
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    assert ask(d).startswith("451 4.7.1 ")
    d.wait_log("%s" % d.state_path.name, since=mark)
    d.wait_log("ermission denied", since=mark)
    shutil.chown(d.state_dir, "mailbrake", "mailbrake")
    wait_saved(d)


def test_a_full_disk_keeps_the_brake_on(place, brake, bl, dns):
    disk = place.small_disk("small", user="mailbrake")
    d = brake(state_dir=disk)
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    wait_saved(d)
    filler = fill(disk)
    # What changes now cannot be saved, and the old file must survive that.
    mark = d.mark()
    d.must("stop", "domain:example.com", "--reason", "unsaved")
    d.wait_log("[Nn]o space", since=mark)
    assert b"stopped" in d.state_path.read_bytes()
    dns.stop()
    d.restart("kill9")
    assert d.egress()["state"] == "stopped"
    assert ask(d).startswith("451 4.7.1 ")
    filler.unlink()
    d.must("stop", "domain:example.com", "--reason", "saved at last")
    wait_saved(d, b"saved at last")


def test_a_disk_that_is_full_from_the_start_does_not_stop_the_brake(place,
    brake, bl):
    disk = place.small_disk("small", user="mailbrake")
    filler = fill(disk)
    d = brake(state_dir=disk)
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    d.wait_log("[Nn]o space")
    filler.unlink()
    wait_saved(d)


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:len(data) // 2],
    "noise": lambda data: os.urandom(len(data)),
    "zeros": lambda data: b"\0" * len(data),
    "huge": lambda data: b"x" * 20000000,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_state_file_is_said_and_does_not_stop_the_start(stopped,
    name):
    stopped.stop()
    stopped.state_path.write_bytes(DAMAGE[name](
        stopped.state_path.read_bytes()))
    mark = stopped.mark()
    stopped.start()
    stopped.wait_log(r"state.*cannot be used", since=mark)
    stopped.wait_state("stopped")       # found again by asking


def test_a_state_file_of_other_addresses_does_no_harm(stopped, bl):
    """The configuration changed while it was down."""
    stopped.stop()
    stopped.write_conf({"egress": ({"name": "mx9", "addresses":
        ["203.0.113.9"], "transport": "mx1"},)})
    stopped.start()
    bl.wait_sweeps(2)
    assert stopped.egress("mx9")["state"] == "sending"
    assert ask(stopped) == "DUNNO"


def test_without_a_state_file_everything_else_works(brake, bl):
    bl.add("203.0.113.1")
    d = brake(settings={"state_file": ""})
    d.wait_state("stopped")
    assert ask(d).startswith("451 4.7.1 ")
