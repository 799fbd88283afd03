"""mailbrake setup postfix: shown, applied, tried and undone on a real
Postfix."""

import json
import os
import stat
import subprocess

import pytest

from harness.daemon import BUILD, environment
from harness.place import wait_for
from harness.sink import Sink

ONE = ({"name": "mx1", "addresses": ["203.0.113.1", "2001:db8::1"],
    "transport": "smtp"},)
TWO = ({"name": "mx1", "addresses": ["203.0.113.1"], "transport": "smtp",
        "hostname": "mx1.brake.test"},
    {"name": "mx2", "addresses": ["203.0.113.2"],
        "hostname": "mx2.brake.test"})
IPV4 = {"inet_interfaces": "127.0.0.1"}


class Site:
    """A Postfix that knows nothing of mailbrake, and a mailbraked beside
    it."""

    def __init__(self, place, postfix, brake, egress=ONE, main=None,
        settings=None, start=True, **options):
        options.setdefault("transports", {})
        self.pf = postfix(egress="smtp", main={
            "smtp_connection_cache_on_demand": None,
            "smtp_bind_address_enforce": None, **(main or {})}, **options)
        self.d = brake(start=False, fronts=("milter",), egress=egress)
        self.gate = self.d.dir / "gate"
        self.d.write_conf({"gate_file": str(self.gate), "postfix":
            {"config_directory": str(self.pf.conf)},
            "listen": {"socketmap": "unix:%s/s.sock" % self.d.dir},
            **(settings or {})})
        self.undo_file = self.d.state_dir / ("undo" +
            str(self.pf.conf.resolve()).replace("/", "-"))
        if start:
            self.d.start()
            wait_for((self.d.dir / "gate.db").exists, 10, "a gate file")

    def setup(self, *args, **options):
        return self.d.cli("setup", "postfix", *args, timeout=120, **options)

    def must(self, *args, **options):
        rc, out, err = self.setup(*args, **options)
        assert rc == 0, "%s: %s\n%s\n%s" % (args, rc, out, err)
        return out

    def config(self):
        return [self.pf.command("postconf", option)
            for option in ("-n", "-M", "-P")]

    def value(self, name):
        return self.pf.command("postconf", "-h", name).strip()

    def points(self, *args):
        rc, out, err = self.setup("--verify", "--json", *args)
        assert err == "", err
        return rc, json.loads(out)["points"]

    def wrapped(self, place, script):
        """An environment where postconf is what script makes of it; $real
        is the right one."""
        path = place.subdir("bin")
        (path / "postconf").write_text("#!/bin/sh\nreal=/usr/sbin/postconf\n"
            + script)
        (path / "postconf").chmod(0o755)
        return {"PATH": "%s:%s" % (path, os.environ["PATH"])}


@pytest.fixture
def site(place, postfix, brake):
    return lambda **options: Site(place, postfix, brake, **options)


def files(pf):
    return [(pf.conf / name).read_bytes() for name in ("main.cf",
        "master.cf")]


def result(points, name, service=None):
    found = [p["result"] for p in points if p["point"] == name and
        (service is None or p["service"].startswith(service + "/"))]
    assert found, (name, service, points)
    return found[0]


# -- showing

def test_showing_changes_nothing(site):
    s = site()
    before = files(s.pf), s.config()
    out = s.must()
    assert "postconf -c %s -e" % s.pf.conf in out
    assert "smtp_tls_policy_maps=pipemap:{static:mx1, hash:%s}" % s.gate \
        in out
    assert "smtp_connection_cache_on_demand=no" in out
    assert "Nothing has been changed" in out
    assert (files(s.pf), s.config()) == before
    assert not s.undo_file.exists()


def test_what_is_shown_can_be_pasted(site):
    s = site(egress=TWO, main={**IPV4,
        "smtp_tls_policy_maps": "inline:{ {it's.test = may} }"})
    out = s.must()
    done = subprocess.run(["sh", "-e"], input=out, text=True,
        capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Nothing to change" in s.must()
    assert s.value("mailbrake_mx2_smtp_tls_policy_maps") == \
        "pipemap:{static:mx2,hash:%s}, inline:{ {it's.test = may} }" % s.gate


def test_as_json(site):
    s = site()
    plan = json.loads(s.must("--json"))
    commands = [c["command"] for c in plan["changes"]]
    assert ["postconf", "-e", "smtp_connection_cache_on_demand=no"] in \
        commands
    assert plan["config_directory"] == str(s.pf.conf)
    assert plan["postfix"].startswith("3.") and plan["blocks"] == []


@pytest.mark.parametrize("args, text", [
    ((), "something is missing"),
    (("sendmail",), "only \"postfix\""),
    (("postfix", "--undo", "--apply"), "neither --apply"),
    (("postfix", "--force"), "--force is for --undo"),
    (("postfix", "--gate", "door"), "neither \"file\" nor \"socketmap\""),
    (("postfix", "--fail-open", "--fail-closed"), "not both"),
])
def test_a_wrong_command_line_is_told(brake, args, text):
    rc, out, err = brake(start=False).cli("setup", *args)
    assert rc == 2 and text in err, err


# -- apply, and what mail does then

def test_queued_mail_stops_at_the_gate(site, sink):
    s = site()
    s.must("--apply")
    sink.refuse = "450 4.2.0 later"
    assert s.pf.send("ann@example.org", "bob@example.net").code == 250
    s.pf.wait_queue("deferred")
    s.d.must("stop", "mx1")
    sink.refuse = None
    s.pf.wait_log(r"dsn=4\.7\.5, status=deferred", timeout=15)
    s.pf.flush()
    assert sink.messages == []
    s.d.must("auto", "mx1")
    wait_for(lambda: sink.messages, 15, "the message")
    s.pf.wait_empty()


def test_relay_is_gated_like_smtp(site, sink):
    s = site(main={"relay_domains": "inside.test", "relay_transport":
        "relay:[127.0.0.1]:9"})
    s.must("--apply")
    s.d.must("stop", "mx1")
    wait_for(lambda: "mx1" in s.gate.read_text(), 10, "a shut gate")
    s.pf.send("ann@example.org", "joe@inside.test")
    s.pf.wait_log(r"relay=none, .*dsn=4\.7\.5, status=deferred")


def test_two_egresses_send_from_their_own_address(site, sink):
    s = site(egress=TWO, main=IPV4, settings={"routes": (
        {"sender": "@two.test", "pool": "b"},),
        "pools": ({"name": "a", "egress": ["mx1"]},
            {"name": "b", "egress": ["mx2"]})})
    s.pf.command("postconf", "-e", "default_transport=smtp:%s" %
        sink.nexthop, "relayhost=%s" % sink.nexthop)
    s.must("--apply")
    services = s.pf.command("postconf", "-P")
    for line in ("mx2/unix/smtp_bind_address = 203.0.113.2",
        "mx2/unix/inet_protocols = ipv4",
        "mx2/unix/smtp_bind_address_enforce = yes",
        "mx2/unix/smtp_helo_name = mx2.brake.test",
        "mx2/unix/syslog_name = postfix/mx2",
        "mx2/unix/smtp_connection_cache_on_demand = no",
        "smtp/unix/smtp_bind_address = 203.0.113.1",
        "relay/unix/smtp_tls_policy_maps = pipemap:{static:mx1,hash:%s}" %
        s.gate):
        assert line + "\n" in services, services
    s.pf.send("ann@one.test", "bob@example.net")
    s.pf.send("ann@two.test", "bob@example.net")
    wait_for(lambda: len(sink.messages) == 2, 15, "two messages")
    assert {(m.sender, m.source, m.helo) for m in sink.messages} == {
        ("ann@one.test", "203.0.113.1", "mx1.brake.test"),
        ("ann@two.test", "203.0.113.2", "mx2.brake.test")}
    assert "postfix/mx2/smtp" in s.pf.log()


def test_a_second_transport_that_was_made_goes_with_undo(site):
    s = site(egress=TWO, main=IPV4)
    before = s.config()
    s.must("--apply")
    assert "mx2/unix" in s.pf.command("postconf", "-P")
    s.must("--undo")
    assert s.config() == before


# -- verify

def test_verify_asks_everything_and_leaves_nothing(site, sink):
    s = site()
    s.must("--apply", "--gate", "socketmap", "--route")
    mark = s.pf.mark()
    rc, points = s.points()
    assert rc == 0, points
    for name in ("milter", "milter-local", "route", "gate"):
        assert result(points, name) == "live", (name, points)
    assert s.pf.queue() == [] and s.pf.maildrop() == []
    assert sink.messages == []
    log = s.pf.log()[mark:]
    assert "not sending trace/success notification" in log
    assert "status=sent" not in log and "bounced" not in log


def test_verify_sees_the_gate_file_in_use(site):
    s = site()
    assert result(s.points()[1], "gate") == "not configured"
    s.must("--apply")
    rc, points = s.points()
    assert rc == 0, points
    assert result(points, "gate") == "live"
    assert result(points, "others", "relay") == "live"


def test_verify_sees_what_is_not_in_effect(site, sink):
    s = site()
    s.pf.send("ann@example.org", "bob@example.net")
    wait_for(lambda: sink.messages, 10, "a message")
    s.pf.command("postconf", "-e",
        "smtp_tls_policy_maps=pipemap:{static:mx1, hash:%s}" % s.gate,
        "smtp_connection_cache_on_demand=no",
        "smtpd_milters=unix:%s" % s.d.milter,
        "non_smtpd_milters=unix:%s" % s.d.milter)
    rc, points = s.points()
    assert rc == 1
    assert result(points, "gate", "smtp") == "not asked", points
    assert result(points, "milter") == "not asked", points
    s.pf.command("postfix", "reload")
    rc, points = s.points()
    assert rc == 0, points
    assert result(points, "milter") == "live"


def test_verify_during_a_stop_leaves_nothing_either(site):
    s = site()
    s.must("--apply")
    s.d.must("stop", "mx1")
    rc, points = s.points()
    assert rc == 0, points
    assert s.pf.queue() == [] and s.pf.maildrop() == []


def test_verify_without_a_daemon_or_postfix(site):
    s = site()
    s.must("--apply")
    s.d.stop()
    rc, out, err = s.setup("--verify")
    assert rc == 1 and "does not answer" in " ".join(out.split()), out
    assert "not running" in err, err
    s.d.start()
    s.pf.stop()
    rc, out, err = s.setup("--verify")
    assert rc == 1 and "Postfix does not run" in out


# -- undo

def test_undo_restores_every_value(site):
    s = site(egress=TWO, main={**IPV4,
        "smtp_tls_policy_maps": "inline:{ { a.test = may } },\n"
            "  inline:{ {b.test = may} }",
        "smtpd_milters": "inet:127.0.0.1:9", "milter_default_action":
        "accept"}, transports={"other": {"smtp_bind_address":
        "203.0.113.2", "smtp_tls_policy_maps":
        "inline:{ {c.test = may} }"}})
    before = s.config()
    s.must("--apply")
    assert s.config() != before
    assert "other/unix/smtp_tls_policy_maps = $mailbrake_other_" in \
        s.config()[2]
    info = s.undo_file.stat()
    assert stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == 0
    assert "was inet:127.0.0.1:9\n" in s.undo_file.read_text()
    out = s.must("--undo")
    assert s.config() == before
    assert not s.undo_file.exists() and "as it was before" in out
    rc, out, err = s.setup("--undo")
    assert rc == 1 and "nothing to undo" in err


def test_applying_twice_keeps_the_first_old_values(site):
    s = site(main={"smtpd_milters": "inet:127.0.0.1:9",
        "milter_default_action": "accept"})
    before = s.config()
    s.must("--apply")
    text, first = s.undo_file.read_text(), s.config()
    out = s.must("--apply")
    assert s.config() == first and s.undo_file.read_text() == text
    assert "postconf" not in out
    s.must("--apply", "--fail-closed", "--gate", "socketmap")
    assert "default_action=tempfail" in s.value("smtpd_milters")
    assert "default_action=accept" in s.value("non_smtpd_milters")
    assert "gate-mx1" in s.value("smtp_tls_policy_maps")
    s.must("--undo")
    assert s.config() == before


def test_undo_refuses_what_was_changed_since(site):
    s = site()
    before = s.config()
    s.must("--apply")
    s.pf.command("postconf", "-e", "smtp_connection_cache_on_demand=yes")
    changed = s.config()
    rc, out, err = s.setup("--undo")
    assert rc == 1
    assert "smtp_connection_cache_on_demand has been changed since: it is " \
        "\"yes\", not \"no\"" in err
    assert s.config() == changed and s.undo_file.exists()
    s.must("--undo", "--force")
    assert s.config() == before


def test_another_users_undo_file_is_not_believed(site):
    s = site()
    s.must("--apply")
    now = s.config()
    os.chown(s.undo_file, 65534, 65534)
    for word in ("--undo", "--apply"):
        rc, out, err = s.setup(word, "--gate", "socketmap") if \
            word == "--apply" else s.setup(word)
        assert rc == 1 and "somebody else could have written it" in err
    assert s.config() == now


# -- failures

@pytest.mark.parametrize("parameter", ["smtp_connection_cache_on_demand",
    "non_smtpd_milters", "smtp_helo_name"])
def test_a_failure_in_the_middle_changes_nothing(site, place, parameter):
    s = site(egress=TWO, main=IPV4)
    before = s.config()
    env = s.wrapped(place, "case \"$*\" in\n*%s=*) echo 'no space left' >&2;"
        " exit 1 ;;\nesac\nexec $real \"$@\"\n" % parameter)
    rc, out, err = s.setup("--apply", env=env)
    assert rc == 1 and "no space left" in err, err
    assert "everything has been put back" in err
    assert s.config() == before and not s.undo_file.exists()


def test_a_value_that_keeps_smtp_from_starting_is_put_back(site, place,
    sink):
    s = site()
    before = s.config()
    env = s.wrapped(place, "case \"$*\" in\n*-e*cache_on_demand=no*) exec "
        "$real -c \"$2\" -e smtp_connection_cache_on_demand=perhaps ;;\n"
        "esac\nexec $real \"$@\"\n")
    rc, out, err = s.setup("--apply", env=env)
    assert rc == 1, out
    assert "Postfix cannot start smtp with this" in err, err
    assert s.config() == before and not s.undo_file.exists()


def test_a_value_that_silences_the_listener_is_put_back(site, place):
    s = site()
    before = s.config()
    env = s.wrapped(place, "case \"$*\" in\n*-e*smtpd_milters=*) exec "
        "$real -c \"$2\" -e 'smtpd_milters={ unix:x, nonsense }' ;;\n"
        "esac\nexec $real \"$@\"\n")
    rc, out, err = s.setup("--apply", env=env)
    assert rc == 1 and "no listener greets any more" in err, err
    assert s.config() == before and not s.undo_file.exists()


def test_without_a_gate_file_nothing_is_changed(site):
    s = site(start=False)
    before = s.config()
    rc, out, err = s.setup("--apply")
    assert rc == 1 and "the gate file cannot be used" in err
    assert s.config() == before
    rc, out, err = s.setup("--apply", "--gate", "socketmap")
    assert rc == 1 and "nobody answers at listen.socketmap" in err
    assert s.config() == before and not s.undo_file.exists()


# -- what the site has of its own

def test_the_sites_tls_policy_is_still_honoured(site, place, sink):
    other = place.add(Sink("198.51.100.2"))
    s = site(main={
        "transport_maps": "inline:{ {tls.test = smtp:%s} }" % other.nexthop,
        "smtp_tls_policy_maps": "inline:{ {%s = encrypt} }" %
        other.nexthop})
    s.must("--apply")
    s.pf.send("ann@example.org", "bob@example.net")
    wait_for(lambda: sink.messages, 15, "a message")
    s.pf.send("ann@example.org", "bob@tls.test")
    s.pf.wait_log(r"to=<bob@tls\.test>.*status=deferred .*TLS", timeout=15)
    assert other.messages == []


def test_milters_that_are_there_stay_behind(site):
    s = site(main={"smtpd_milters": "{ inet:127.0.0.1:9, "
        "default_action=accept }"}, listeners={"plain": {}, "own":
        {"smtpd_milters": "{ inet:127.0.0.1:9, default_action=accept }"},
        "back": {"smtpd_milters": ""}})
    s.must("--apply")
    assert s.value("smtpd_milters").startswith("{ unix:%s, " % s.d.milter)
    assert s.value("smtpd_milters").endswith(
        "}, { inet:127.0.0.1:9, default_action=accept }")
    own = [line for line in s.config()[2].splitlines()
        if "%d/inet/smtpd_milters" % s.pf.ports["own"] in line][0]
    assert own.endswith("default_action=accept},{inet:127.0.0.1:9,"
        "default_action=accept}"), own
    rc, points = s.points()
    port = "127.0.0.1:%d"
    assert result(points, "milter", port % s.pf.ports["own"]) == "live"
    assert result(points, "milter", port % s.pf.ports["back"]) == "not used"
    s.d.must("stop", "mx1")
    for name, code in (("plain", 451), ("own", 451), ("back", 250)):
        assert s.pf.send("ann@example.org", "bob@example.net",
            on=name).code == code, name


def test_a_senders_table_is_filtered(site, sink):
    s = site(egress=TWO, main={**IPV4,
        "sender_dependent_default_transport_maps":
        "inline:{ {ann@one.test = mx2:}, {@two.test = mx2:} }"})
    s.pf.command("postconf", "-e", "default_transport=smtp:%s" %
        sink.nexthop, "relayhost=%s" % sink.nexthop)
    s.must("--apply")
    assert s.value("sender_dependent_default_transport_maps") == \
        "pipemap:{inline:{ {ann@one.test = mx2:}, {@two.test = mx2:} }, " \
        "socketmap:unix:%s/s.sock:filter}" % s.d.dir
    s.pf.send("ann@one.test", "bob@example.net")
    s.pf.send("joe@two.test", "bob@example.net")
    wait_for(lambda: len(sink.messages) == 2, 15, "two messages")
    assert {m.source for m in sink.messages} == {"203.0.113.2"}
    assert result(s.points()[1], "route") == "configured"


def test_an_obsolete_tls_table_is_not_overruled(site):
    s = site(main={"smtp_tls_per_site": "inline:{ {a.test = MAY} }"})
    before = s.config()
    rc, out, err = s.setup("--apply")
    assert rc == 1 and "To be mended first" in out and \
        "smtp_tls_per_site" in out
    assert s.config() == before


# -- the host

def test_a_chroot_that_cannot_see_the_socket(site):
    s = site()
    port = s.pf.ports["plain"]
    s.pf.command("postconf", "-F", "127.0.0.1:%d/inet/chroot=y" % port)
    before = s.config()
    rc, out, err = s.setup("--apply")
    said = " ".join(out.replace("#", " ").split())
    assert rc == 1 and "runs in a chroot" in said
    assert 'milter = "unix:%s/mailbrake/milter.sock"' % s.pf.queue_dir in \
        said
    assert s.config() == before
    inside = s.pf.queue_dir / "mailbrake"
    subprocess.run(["install", "-d", "-o", "mailbrake", "-g", "postfix",
        "-m", "2750", str(inside)], check=True)
    s.d.write_conf({"listen": {"milter": "unix:%s/m.sock" % inside}})
    s.d.restart()
    s.must("--apply")
    assert s.value("smtpd_milters").startswith("{ unix:mailbrake/m.sock, ")
    assert result(s.points()[1], "milter") == "live"


def test_an_address_that_this_host_does_not_have(site):
    egress = (TWO[0], {"name": "mx2", "addresses": ["192.0.2.77"]})
    s = site(egress=egress, main=IPV4)
    rc, out, err = s.setup("--apply")
    assert rc == 1
    assert "192.0.2.77 of mx2 is not an address of this host" in \
        " ".join(out.split())


def test_a_postfix_before_3_7(site, place):
    s = site(egress=TWO, main=IPV4)
    env = s.wrapped(place,
        "$real \"$@\" | grep -v smtp_bind_address_enforce\n")
    out = s.must(env=env)
    assert "smtp_bind_address_enforce=yes" not in out
    assert "this Postfix has no smtp_bind_address_enforce" in " ".join(
        out.split())


def test_without_postfix_at_all(brake):
    d = brake(start=False)
    rc, out, err = d.cli("setup", "postfix", "--config-directory",
        str(d.dir))
    assert rc == 1 and "postconf" in err and out == ""


def test_the_policy_service_where_there_is_no_milter(site):
    s = site(settings={"listen": {"milter": "", "policy":
        "inet:127.0.0.1:10047"}})
    s.must("--apply")
    assert s.value("smtpd_recipient_restrictions") == \
        "check_policy_service, { inet:127.0.0.1:10047, timeout=5s, " \
        "try_limit=1, default_action=DUNNO }, permit_mynetworks, reject"
    assert result(s.points()[1], "policy") == "live"
    s.must("--apply", "--fail-closed")
    s.d.stop()
    answer = s.pf.send("ann@example.org", "bob@example.net")
    assert (answer.code, "Try again later" in answer.text) == (451, True)
