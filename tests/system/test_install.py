"""What an installation gives the daemon's user: the groups, the directory in
Postfix' chroot, the sandbox; and what "make install" brings."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.daemon import BUILD
from harness.place import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
UNIT = TOP / "contrib/systemd/mailbraked.service.in"


def as_user(user, groups, *command):
    """Runs a command as the unit does: in these groups alone, and a set-gid
    bit counts for nothing."""
    return subprocess.run(["setpriv", "--reuid", user, "--regid", user,
        "--groups", groups] + ["--no-new-privs", "--bounding-set=-all",
        "--inh-caps=-all", *map(str, command)], capture_output=True,
        text=True, timeout=20)


# -- postqueue(1) without its set-gid bit

@pytest.fixture
def deferred(postfix):
    """A Postfix with one message that stays in its queue."""
    # No host has the address to send from, so nothing can leave.
    pf = postfix(main={"minimal_backoff_time": "1h",
        "maximal_backoff_time": "1h"}, transports={"mx1": {
        "smtp_bind_address": "192.0.2.1"}})
    assert pf.send("ann@example.org", "bob@example.net").code == 250
    pf.wait_queue("deferred")
    return pf


def test_group_postdrop_is_enough_to_read_the_queue(deferred):
    done = as_user("mailbrake", "postdrop,postfix", "postqueue", "-c",
        deferred.conf, "-j")
    assert done.returncode == 0, done.stderr
    assert '"queue_name": "deferred"' in done.stdout


@pytest.mark.parametrize("what", ["-f", "-i"])
def test_group_postdrop_is_enough_to_flush_the_queue(deferred, what):
    queue_id = deferred.queue("deferred")[0]["queue_id"]
    mark = deferred.mark()
    done = as_user("mailbrake", "postdrop,postfix", "postqueue", "-c",
        deferred.conf, *(["-f"] if what == "-f" else ["-i", queue_id]))
    assert done.returncode == 0, done.stderr
    deferred.wait_log("%s: .*status=deferred" % queue_id, since=mark)


def test_without_the_group_the_queue_is_closed(deferred):
    """That the set-gid bit does not help is what the group is for."""
    for args in (["-f"], ["-j"]):
        done = as_user("mailbrake", "mailbrake", "postqueue", "-c",
            deferred.conf, *args)
        assert done.returncode != 0 and "ermission denied" in done.stderr, \
            done


def test_postmap_writes_where_the_daemon_may(deferred, place):
    dir = place.subdir("gate", mode=0o750, user="mailbrake")
    (dir / "gate").write_text("example.net shut\n")
    shutil.chown(dir / "gate", "mailbrake", "mailbrake")
    done = as_user("mailbrake", "mailbrake", "postmap", "-c", deferred.conf,
        "hash:%s" % (dir / "gate"))
    assert done.returncode == 0, done.stderr
    assert (dir / "gate.db").exists()


# -- the directory for sockets in Postfix' queue directory

def can_connect(path, user, group):
    """Whether a process of that user may connect."""
    done = subprocess.run(["setpriv", "--reuid", user, "--regid", group,
        "--clear-groups", "/usr/bin/python3", "-c", "import socket, sys\n"
        "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", str(path)],
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 or "PermissionError" in done.stderr, done
    return done.returncode == 0


@pytest.fixture
def installed(brake, place):
    """A daemon as the unit starts it, with its sockets where the manual has
    them."""
    queue = place.subdir("queue")
    dir = queue / "mailbrake"
    subprocess.run(["install", "-d", "-o", "mailbrake", "-g", "postfix",
        "-m", "2750", str(dir)], check=True)
    d = brake(start=False, fronts=(), settings={"listen": {
        "milter": "unix:%s/milter.sock" % dir,
        "policy": "unix:%s/policy.sock" % dir}})
    # The harness made these as root, and this daemon never is.
    for path in (d.dir, d.state_dir):
        shutil.chown(path, "mailbrake", "mailbrake")
    d.start(prefix=["setpriv", "--reuid", "mailbrake", "--regid",
        "mailbrake", "--groups", "mailbrake,postfix,postdrop",
        "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"])
    d.sockets = [dir / "milter.sock", dir / "policy.sock"]
    return d


def test_postfix_gets_in_and_nobody_else(installed):
    for path in installed.sockets:
        assert can_connect(path, "postfix", "postfix"), path
        for user in ("nobody", "mail"):
            assert not can_connect(path, user, "nogroup"), (path, user)
        assert (path.stat().st_mode & 0o777) == 0o660, path
    assert (installed.sockets[0].parent.stat().st_mode & 0o7777) == 0o2750


def test_a_user_without_rights_cannot_put_a_socket_there(installed):
    dir = installed.sockets[0].parent
    for user in ("nobody", "postfix"):
        done = subprocess.run(["setpriv", "--reuid", user, "--regid",
            "postfix", "--clear-groups", "rm", "-f", str(dir /
            "milter.sock")], capture_output=True, text=True)
        assert done.returncode != 0, user
    assert installed.sockets[0].is_socket()


def test_a_chrooted_postfix_reaches_the_milter(installed, postfix, place):
    """smtpd with chroot "y" and the socket's path as the manual has it."""
    pf = postfix(listeners={"in": {"smtpd_milters":
        "{ unix:mailbrake/milter.sock, default_action=tempfail }"}},
        start=False)
    os.rename(installed.sockets[0].parent, pf.queue_dir / "mailbrake")
    master = pf.conf / "master.cf"
    text = re.sub(r"(inet n - )n( - - smtpd)", r"\1y\2", master.read_text())
    assert " y - - smtpd" in text
    master.write_text(text)
    os.utime(master, (1, 1))
    # What smtpd looks for in its root, as Debian's start script puts it.
    (pf.queue_dir / "etc").mkdir()
    for name in ("services", "hosts", "resolv.conf", "nsswitch.conf"):
        shutil.copy("/etc/%s" % name, pf.queue_dir / "etc")
    pf.start()
    answer = pf.send("ann@example.org", "bob@example.net")
    assert answer.code == 250, answer
    wait_for(lambda: [f["requests"] for f in installed.status()["fronts"]
        if f["name"] == "milter"] != [0], what="a question to the milter")


# -- the unit

@pytest.fixture
def unit(place):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    path = place.subdir("unit") / "mailbraked.service"
    path.write_text(UNIT.read_text().replace("@sbindir@", str(BUILD)))
    return path


def test_the_unit_is_one_that_systemd_understands(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
        str(unit)], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines()
        if "mailbraked.service" in line]
    assert not complaints, done.stderr


def test_the_unit_stays_as_closed_as_it_is(unit):
    """What systemd says of it, times ten: 96 is a service with nothing of
    it, and what is left is the network and its sockets."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true",
        "--no-pager", "--threshold=20", str(unit)],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-300:]


# -- make install

def test_make_install_brings_all_and_uninstall_takes_it(place):
    dest = place.subdir("dest")
    env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}

    def make(*args):
        subprocess.run(["make", "-s", "-C", str(BUILD), "DESTDIR=%s" % dest,
            *args], check=True, capture_output=True, env=env, timeout=120)
    make("install", "prefix=/usr", "sysconfdir=/etc")
    for path in ("usr/sbin/mailbraked", "usr/bin/mailbrake",
        "etc/mailbrake/mailbrake.conf", "usr/share/mailbrake/lists.conf",
        "usr/lib/systemd/system/mailbraked.service",
        "usr/lib/sysusers.d/mailbrake.conf",
        "usr/lib/tmpfiles.d/mailbrake.conf",
        "usr/share/bash-completion/completions/mailbrake",
        "usr/share/zsh/site-functions/_mailbrake"):
        assert (dest / path).is_file(), path
    unit = (dest / "usr/lib/systemd/system/mailbraked.service").read_text()
    assert re.search(r"^ExecStart=/\S+/sbin/mailbraked -f$", unit, re.M)
    make("uninstall", "prefix=/usr", "sysconfdir=/etc")
    left = [p for p in dest.rglob("*") if p.is_file()]
    assert not left, left


def test_the_port_for_freebsd_packs_what_is_installed(place):
    dest = place.subdir("dest")
    subprocess.run(["make", "-s", "-C", str(BUILD), "install",
        "DESTDIR=%s" % dest, "prefix=/p", "sysconfdir=/p/etc",
        "systemdsystemunitdir=", "sysusersdir=", "tmpfilesdir="],
        check=True, capture_output=True, timeout=120, env={k: v for k, v in
        os.environ.items() if k != "MAKEFLAGS"})
    there = {str(p.relative_to(dest / "p")) for p in dest.rglob("*")
        if p.is_file()}
    packed = set()
    for line in (TOP / "contrib/freebsd/pkg-plist").read_text().splitlines():
        line = line.replace("%%ETCDIR%%", "etc/mailbrake").replace(
            "%%DATADIR%%", "share/mailbrake")
        if not line.startswith("@dir"):
            packed.add(re.sub(r"^@sample (.*)\.sample$|\.gz$", r"\1", line))
    docs = {path for path in there if path.startswith("share/doc/")}
    assert docs, "PORTDOCS packs these"
    assert there - docs == packed


def test_the_script_for_freebsd_tests_before_it_reloads(place):
    """With an rc.subr that does what that of FreeBSD does, as far as this
    script needs it."""
    dir = place.subdir("rc")
    (dir / "rc.subr").write_text("""
load_rc_config() { :; }
run_rc_command()
{
	eval cmd=\\$${1}_cmd pre=\\$${1}_precmd
	[ -z "$pre" ] || $pre || return 1
	if [ -n "$cmd" ]; then $cmd; else echo "$1: $command $command_args"; fi
}
""")
    (dir / "conf").write_text('catalogue = "%s";\n' % (TOP /
        "etc/lists.conf"))
    script = (TOP / "contrib/freebsd/files/mailbraked.in").read_text()
    script = script.replace("/etc/rc.subr", str(dir / "rc.subr")).replace(
        "%%PREFIX%%/sbin/mailbraked", str(BUILD / "mailbraked"))
    assert "%%" in script, "the configuration is below the prefix too"
    (dir / "mailbraked").write_text(script)

    def run(what):
        return subprocess.run(["sh", str(dir / "mailbraked"), what], env={
            **os.environ, "mailbraked_config": str(dir / "conf")},
            capture_output=True, text=True, timeout=20)
    assert run("configtest").returncode == 0, run("configtest")
    assert run("start").stdout.endswith("start: %s -c %s\n" % (BUILD /
        "mailbraked", dir / "conf"))
    (dir / "conf").write_text("nonsense = 1;\n")
    for what in ("configtest", "start", "reload"):
        done = run(what)
        assert done.returncode != 0 and "nonsense" in done.stderr, what
        assert what + ":" not in done.stdout


def test_sysusers_makes_the_user_and_no_groups_of_postfix(place):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd is not installed")
    root = place.subdir("root")
    (root / "etc").mkdir()
    subprocess.run(["systemd-sysusers", "--root=%s" % root, str(TOP /
        "contrib/systemd/sysusers.d/mailbrake.conf")], check=True,
        capture_output=True)
    groups = (root / "etc/group").read_text()
    assert re.search(r"^mailbrake:", groups, re.M)
    assert "postfix" not in groups and "postdrop" not in groups
    assert re.search(r"^mailbrake:x:.*:/nonexistent:/usr/sbin/nologin$",
        (root / "etc/passwd").read_text(), re.M)
