"""The steps of README, "INSTALL IT FOR SENDMAIL", on what Debian's own scripts
make of a fresh Sendmail: its sendmail.mc, its make, its init script."""

import re
import smtplib
import subprocess

import pytest

from harness.place import wait_for
from harness.sendmail import CONTRIB, Sendmail
from harness.sink import Sink

README = CONTRIB.parents[1] / "README"


def steps():
    """The commands that connect Sendmail."""
    text = README.read_text()
    at = text.index("INSTALL IT FOR SENDMAIL")
    block = re.search(r"\n((?:    \S.*\n)*    make -C /etc/mail\n"
        r"(?:    \S.*\n)*)", text[at:]).group(1)
    return [line.strip() for line in block.splitlines()]


def listening(sm):
    try:
        with smtplib.SMTP("127.0.0.1", sm.port, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def outside(place):
    """The Internet, at an address that is none of this host's: Sendmail takes
    the names of its own for local."""
    subprocess.run(["ip", "route", "replace", "local", "192.0.2.53/32",
        "dev", "lo"], check=True)
    yield place.add(Sink("192.0.2.53", 25))
    subprocess.run(["ip", "route", "del", "local", "192.0.2.53/32",
        "dev", "lo"], check=True)


def test_the_steps_of_readme(place, brake, bl, outside):
    d = brake(start=False, fronts=("milter", "socketmap"),
        egress=({"name": "mx1", "addresses": ["203.0.113.1"]},))
    d.write_conf({"listen": {"milter": "unix:%s/milter.sock" % d.dir,
        "socketmap": "unix:%s/map.sock" % d.dir, "group": "mailbrake"}})
    d.start()
    sm = Sendmail(place, outside, stock=True)
    root = sm.root
    root.bind(d.dir, "run/mailbrake")
    (root.dir / "root/contrib").mkdir(parents=True)
    root.bind(CONTRIB, "root/contrib/sendmail")
    root.command("/etc/init.d/sendmail", "start")
    wait_for(lambda: listening(sm), 20, "Sendmail takes connections")
    assert sm.send("ann@example.org", "bob@d1.test",
        text="before").code == 250
    outside.wait("before")

    for step in steps():
        root.command("sh", "-e", "-c", "cd /root; " + step)
    # It starts itself anew.
    wait_for(lambda: len(root.logged("starting daemon")) == 2 and
        listening(sm), 20, "Sendmail takes connections again")
    assert not root.logged("SYSERR|rror in|unsafe")
    assert sm.send("ann@example.org", "bob@d1.test", text="with").code == 250
    outside.wait("with")
    made = (root.dir / "etc/mail/sendmail.cf").read_text()
    assert "socket" in made and "brake" in made
    wait_for(lambda: {m["name"]: m["requests"] for m in
        d.status()["maps"]}["brake"] > 0, 5, lambda:
        "the gate to be asked, it is %s" % d.status()["maps"])

    bl.add("203.0.113.1")
    d.wait_state("stopped")
    answer = sm.send("ann@example.org", "bob@d1.test")
    assert answer.code == 451 and "listed by bl.test" in answer.text
    assert sm.sendmail("ann@example.org", "bob@d1.test", text="shell") == 0
    wait_for(sm.client_queue, 10, "the client queue")
    assert len(outside.messages) == 2
    d.must("send", "mx1")
    sm.run_client_queue()
    outside.wait("shell")
