"""Bad configurations are refused with everything that is wrong, good ones
are taken, at the start and on SIGHUP."""

import re

import pytest

from harness.clients import ask
from harness.daemon import catalogue_list, run_daemon
from harness.place import wait_for

# Two lines stand before each of these: @@ marks the line that must be
# named.  Then what the message must hold: the setting, the value found, what
# is allowed.
BAD = [
    ("an unknown setting", """
@@lsits = ();""",
        ["lsits", "lists"]),
    ("an unknown setting in a group", """
check = {
@@	intervall = "5m";
};""",
        ["intervall", "interval"]),
    ("an unknown setting in a list's group", """
egress = ( { name = "mx1"; addresses = ["203.0.113.1"];
@@	adresses = ["203.0.113.2"]; } );""",
        ["adresses", "addresses"]),
    ("an unknown setting like nothing else", """
@@frobnicate = true;""",
        ["frobnicate"]),
    ("a wrong word", """
@@mode = "enforced";""",
        ["mode", "enforced", "observe"]),
    ("a number for a word", """
@@mode = 1;""",
        ["mode", "1"]),
    ("a duration without a unit", """
check = {
@@	interval = "5";
};""",
        ["interval", "5", "unit"]),
    ("a duration as a number", """
check = {
@@	interval = 5;
};""",
        ["interval", "5", "5m|15m|duration"]),
    ("a duration with an unknown unit", """
check = {
@@	interval = "5 parsecs";
};""",
        ["interval", "5 parsecs"]),
    ("a negative duration", """
resume = {
@@	after = "-1m";
};""",
        ["after", "-1m"]),
    ("a duration beyond all sense", """
resume = {
@@	after = "99999999999999w";
};""",
        ["after", "99999999999999w"]),
    ("an integer that wraps to one", """
stop = {
@@	score = 4294967297;
};""",
        ["score", "4294967297"]),
    ("an integer that wraps to a negative one", """
stop = {
@@	score = 2147483648;
};""",
        ["score", "2147483648"]),
    ("an integer of many digits", """
stop = {
@@	score = 99999999999999999999;
};""",
        ["score", "99999999999999999999"]),
    ("an octal integer", """
stop = {
@@	score = 010;
};""",
        ["score", "010"]),
    ("an integer out of range", """
stop = {
@@	score = 0;
};""",
        ["score", "0"]),
    ("a string for an integer", """
stop = {
@@	score = "100";
};""",
        ["score", "100", "number"]),
    ("a float for an integer", """
check = {
@@	tries = 2.5;
};""",
        ["tries", "2.5", "number"]),
    ("a group for a string", """
@@state_file = { path = "/x"; };""",
        ["state_file", "string"]),
    ("a string for a group", """
@@check = "5m";""",
        ["check", "5m", "group"]),
    ("a group for a list", """
@@lists = { zone = "bl.test"; };""",
        ["lists"]),
    ("a relative path of the state file", """
@@state_file = "state";""",
        ["state_file", "state", "absolute"]),
    ("an address that is none", """
egress = ( { name = "mx1";
@@	addresses = ["203.0.113.256"]; } );""",
        ["addresses", "203.0.113.256"]),
    ("an egress without a name", """
@@egress = ( { addresses = ["203.0.113.1"]; } );""",
        ["egress", "name"]),
    ("two egresses of one name", """
egress = ( { name = "mx1"; addresses = ["203.0.113.1"]; },
@@	{ name = "mx1"; addresses = ["203.0.113.2"]; transport = "b"; } );""",
        ["mx1", "twice"]),
    ("one address of two egresses", """
egress = ( { name = "mx1"; addresses = ["203.0.113.1"]; },
@@	{ name = "mx2"; addresses = ["203.0.113.1"]; } );""",
        ["203.0.113.1", "mx1"]),
    ("a reserved name", """
@@egress = ( { name = "all"; addresses = ["203.0.113.1"]; } );""",
        ["all"]),
    ("a pool of an egress that is not there", """
egress = ( { name = "mx1"; addresses = ["203.0.113.1"]; } );
pools = ( { name = "default";
@@	egress = ["mx2"]; } );""",
        ["mx2", "mx1"]),
    ("an action that is none", """
egress = ( { name = "mx1"; addresses = ["203.0.113.1"]; } );
pools = ( { name = "default"; egress = ["mx1"];
@@	actions = ["tempfail", "bounce"]; } );""",
        ["actions", "bounce", "tempfail"]),
    ("a resolver that is a name", """
check = {
@@	resolvers = ["dns.example.net"];
};""",
        ["resolvers", "dns.example.net"]),
    ("a resolver's port that is none", """
check = {
@@	resolvers = ["127.0.0.1:99999"];
};""",
        ["resolvers", "127.0.0.1:99999"]),
    ("a socket that is no endpoint", """
listen = {
	control = "unix:/run/c.sock";
@@	milter = "/run/milter.sock";
};""",
        ["milter", "/run/milter.sock", "unix:"]),
    ("a socket's path that is too long", """
listen = {
@@	milter = "unix:/%s";
};""" % ("x" * 120),
        ["milter"]),
    ("a Redis server that is a name", """
redis = {
	prefix = "mailbrake:";
@@	server = "redis.example.net:6379";
};""",
        ["server", "redis.example.net"]),
    ("a list without a zone", """
@@lists = ( { weight = 40; } );""",
        ["zone"]),
    ("a zone that is none", """
@@lists = ( { zone = "bl..test"; } );""",
        ["bl..test"]),
    ("a weight beyond the limit", """
lists = ( { zone = "own.test";
@@	weight = 1001; } );""",
        ["weight", "1001", "1000"]),
    ("a code outside 127/8", """
lists = ( { zone = "own.test"; answers = (
@@	{ code = "10.0.0.2"; means = "listed"; } ); } );""",
        ["own.test", "10.0.0.2", "127"]),
    ("a range that runs backwards", """
lists = ( { zone = "own.test"; answers = (
@@	{ code = "127.0.0.9-127.0.0.2"; means = "listed"; } ); } );""",
        ["127.0.0.9-127.0.0.2"]),
    ("a refusal that should mean a listing", """
lists = ( { zone = "own.test"; answers = (
@@	{ code = "127.255.255.254"; means = "listed"; } ); } );""",
        ["127.255.255.254", "refus"]),
    ("a meaning that is none", """
lists = ( { zone = "own.test"; answers = (
@@	{ code = "127.0.0.2"; means = "bad"; } ); } );""",
        ["means", "bad", "listed"]),
    ("a catalogue that is not there", """
@@catalogue = "/nonexistent/lists.conf";""",
        ["/nonexistent/lists.conf", "No such file"]),
    ("a missing equals sign", """
@@mode "enforce";
user = "mailbrake";""",
        ["mode", "semicolon"]),
    ("an unquoted address", """
check = {
@@	resolvers = [127.0.0.1];
};""",
        ["quote"]),
    ("the same setting twice", """
mode = "enforce";
@@mode = "observe";""",
        []),
    ("a key where the zone has none", """
@@lists = ( { zone = "own.test"; key = "s3cret"; } );""",
        ["key"]),
]


def marked(text):
    """The text without its mark, and the number of the marked line."""
    lines = text.strip("\n").split("\n")
    number = [i for i, line in enumerate(lines, 1)
        if line.startswith("@@")][0]
    return "\n".join(line.removeprefix("@@") for line in lines), number


def write(place, text, catalogue=True):
    conf = place.dir / "mailbrake.conf"
    lists = place.dir / "lists.conf"
    lists.write_text("lists = ();\n")
    head = "// a comment\n"
    head += 'catalogue = "%s";\n' % lists if catalogue else "\n"
    conf.write_text(head + text + "\n")
    return conf


@pytest.mark.parametrize("text, needed", [row[1:] for row in BAD],
    ids=[row[0].replace(" ", "-") for row in BAD])
def test_a_bad_configuration_names_its_line(place, text, needed):
    text, line = marked(text)
    conf = write(place, text, catalogue="catalogue" not in text)
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1, (rc, out, err)
    where = "%s:%d:" % (conf, line + 2)
    found = [one for one in (out + err).splitlines() if where in one]
    assert found, "no message for %s in:\n%s%s" % (where, out, err)
    for word in needed:
        assert any(re.search(word if "|" in word else re.escape(word), one)
            for one in found), (word, found)
    assert "s3cret" not in out + err


def test_all_errors_are_told_at_once(place):
    bad, lines = "", []
    for _, text, _ in BAD[:6] + BAD[9:12]:
        text, line = marked(text)
        if any(text.split(" ")[0] == b.split(" ")[0]
            for b in bad.splitlines()):
            continue        # libconfig itself refuses a name twice
        lines.append(bad.count("\n") + line + 2)
        bad += text + "\n"
    conf = write(place, bad)
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1 and len(lines) >= 5
    for line in lines:
        assert "%s:%d:" % (conf, line) in out + err, (line, out + err)


def test_a_missing_quote_is_told_with_a_hint(place):
    """The string runs on into the next lines, so only near it."""
    conf = write(place, 'mode = "enforce;\nuser = "mailbrake";')
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1
    assert re.search(r"%s:[3-5]: .*quote" % re.escape(str(conf)), out + err)


def test_an_error_in_an_included_file_names_that_file(place):
    (place.dir / "more.conf").write_text("\n\nmodee = \"enforce\";\n")
    conf = write(place, '@include "more.conf"')
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1
    assert re.search(r"more\.conf:3: .*modee", out + err), out + err


def test_an_error_in_the_catalogue_names_the_catalogue(place):
    conf = write(place, "")
    (place.dir / "lists.conf").write_text('lists = (\n'
        '\t{ zone = "bl.test"; wieght = 10; } );\n')
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1
    assert re.search(r"lists\.conf:2: .*wieght.*weight", out + err), out + err


def test_a_zone_of_the_deny_table_is_refused_with_the_reason(place):
    conf = write(place, 'lists = ( { zone = "bl.dead.test"; } );')
    (place.dir / "lists.conf").write_text('deny = ( { zone = "dead.test"; '
        'since = "2020-01"; reason = "lists the world"; } );\n')
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1
    message, = [one for one in (out + err).splitlines()
        if "bl.dead.test" in one]
    assert "%s:3:" % conf in message
    assert "lists the world" in message and "2020-01" in message


def test_a_missing_file_is_said(place):
    rc, out, err = run_daemon("-t", "-c", place.dir / "none.conf")
    assert rc == 1
    assert "none.conf" in out + err and "No such file" in out + err


def test_a_directory_is_no_configuration(place):
    rc, out, err = run_daemon("-t", "-c", place.dir)
    assert rc == 1 and str(place.dir) in out + err


NOISE = {
    "zeros": b"\x00" * 100,
    "bytes": b"\xff\xfe" * 50,
    "a long word": b"a" * 100000,
    "open groups": b"{" * 10000,
    "open lists": b"a = " + b"(" * 10000,
    "an endless string": b'a = "' + b"x" * 500000,
    "a device": b"@include \"/dev/zero\"\n",
    "itself": b"@include \"mailbrake.conf\"\n",
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_refused_and_nothing_worse(place, name):
    conf = place.dir / "mailbrake.conf"
    conf.write_bytes(NOISE[name])
    rc, out, err = run_daemon("-t", "-c", conf)
    assert rc == 1 and out + err


def test_a_good_file_is_accepted_silently(brake):
    d = brake(start=False)
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc == 0, out + err
    assert "error" not in (out + err).lower()


def test_an_empty_file_is_valid(place):
    """Only the catalogue may be missing, where it is not installed yet."""
    conf = place.dir / "mailbrake.conf"
    conf.write_text("")
    rc, out, err = run_daemon("-t", "-c", conf)
    complaints = [one for one in (out + err).splitlines()
        if "lists.conf" not in one and not one.endswith(" 1 error")]
    assert rc == 0 or not complaints, out + err


def test_without_an_egress_the_hosts_own_addresses_are_watched(brake, bl):
    bl.add("203.0.113.1")
    d = brake(start=False)
    del d.settings["egress"]
    d.write_conf()
    d.start()
    e = d.wait_state("stopped", "default")
    assert "203.0.113.1" in e["addresses"]
    assert any(a.startswith("2001:db8::") for a in e["addresses"])
    assert ask(d).startswith("451 4.7.1 ")


def test_a_refused_start_ends_at_once_with_the_errors(brake):
    d = brake(start=False)
    d.write_conf("mode = \"x\";\nfoo = 1;\n")
    rc, out, err = run_daemon("-f", "-c", d.conf_path)
    assert rc == 1
    assert "%s:1:" % d.conf_path in out + err
    assert "%s:2:" % d.conf_path in out + err


# -- reload

def test_a_reload_takes_the_new_configuration(brake, dns, bl):
    other = dns.list("other.test")
    other.add("203.0.113.1")
    d = brake()
    d.wait_health("usable")
    d.write_catalogue([catalogue_list("bl.test"),
        catalogue_list("other.test")])
    d.reload()
    d.wait_state("stopped")
    assert "other.test" in ask(d)


def test_a_reload_by_the_tool(brake):
    d = brake()
    d.write_conf({"mode": "observe"})
    d.must("reload")
    assert d.status()["mode"] == "observe"


def test_what_is_stopped_stays_stopped_over_a_reload(brake, bl, dns):
    bl.add("203.0.113.1")
    d = brake(fronts=("milter", "policy"))
    d.wait_state("stopped")
    d.must("stop", "domain:example.com")
    since = d.egress()["since"]
    dns.stop()
    d.write_conf({"mode": "enforce", "local_domains": ["other.test"]})
    mark = d.mark()
    d.reload()
    d.wait_log("[Rr]eload|configuration", since=mark)
    wait_for(lambda: ask(d, recipient="x@other.test") == "DUNNO", 5,
        "the new configuration")
    e = d.egress()
    assert (e["state"], e["since"]) == ("stopped", since)
    assert ask(d).startswith("451 4.7.1 ")
    assert [o["target"] for o in d.status()["overrides"]] == [
        "domain:example.com"]


def test_a_bad_file_leaves_the_old_configuration_running(brake, bl):
    bl.add("203.0.113.1")
    d = brake()
    d.wait_state("stopped")
    d.conf_path.write_text(d.conf_path.read_text() + "modee = \"x\";\n")
    line = d.conf_path.read_text().count("\n")
    mark = d.mark()
    d.reload()
    d.wait_log(r"%s:%d: .*modee" % (re.escape(str(d.conf_path)), line),
        since=mark)
    assert d.running() and ask(d).startswith("451 4.7.1 ")
    rc, out, err = d.cli("-s", "unix:%s" % d.control, "reload")
    assert rc == 1 and "modee" in out + err


def test_sighup_does_not_end_the_milter(brake, postfix):
    """libmilter takes SIGHUP for its end."""
    d = brake(fronts=("milter",))
    pf = postfix(d)
    smtp = pf.connect()
    assert pf.send("ann@example.org", ["bob@example.net"],
        smtp=smtp).code == 250
    for n in range(3):
        mark = d.mark()
        d.write_conf({"resume": {"clean": 2 + n}})
        d.reload()
        d.wait_log("[Rr]eload|configuration", since=mark)
        assert pf.send("ann@example.org", ["bob@example.net"],
            smtp=smtp).code == 250, "the open session goes on"
        assert pf.send("ann@example.org", ["bob@example.net"]).code == 250
    smtp.quit()


def test_an_egress_added_by_a_reload_is_watched(brake, bl):
    bl.add("203.0.113.2")
    d = brake()
    d.wait_health("usable")
    d.write_conf({"egress": d.settings["egress"] + ({"name": "mx2",
        "addresses": ["203.0.113.2"], "transport": "mx2"},)})
    d.reload()
    d.wait_state("stopped", "mx2")
    assert d.egress("mx1")["state"] == "sending"
