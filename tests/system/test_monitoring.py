"""What monitoring systems are told: the Nagios plugin, and the user parameter
and the template for Zabbix."""

import json
import os
import pathlib
import re
import signal
import subprocess
import uuid

import pytest
import yaml

from harness.clients import ask
from harness.daemon import BUILD, MAILBRAKE, catalogue_list, environment
from harness.place import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = TOP / "contrib/nagios/check_mailbrake"
ZABBIX = TOP / "contrib/zabbix"


def check(d, *args, program=MAILBRAKE):
    """The plugin's exit status, first line, other lines, performance data."""
    done = subprocess.run([str(PLUGIN), "--program", str(program),
        "--config", str(d.conf_path) if d else "/nonexistent",
        *map(str, args)], capture_output=True, text=True, timeout=30,
        env=environment())
    assert "Traceback" not in done.stderr, done.stderr
    first, *rest = done.stdout.splitlines()
    text, _, data = first.partition(" | ")
    assert not any("|" in line for line in rest)
    return done.returncode, text, rest, data


def numbers(data):
    """By label, as the plugin guidelines have it: only what their form
    allows."""
    found = {}
    for item in data.split():
        match = re.fullmatch(r"([a-z_]+)=(\d+)(c?)((?:;\d*){0,4})", item)
        assert match, item
        found[match.group(1)] = int(match.group(2))
    return found


@pytest.fixture
def asked(brake):
    """A daemon that a mail server has asked."""
    def make(**options):
        d = brake(**options)
        ask(d)
        wait_for(lambda: any(f["last"] for f in d.status()["fronts"]))
        return d
    return make


# -- the plugin

def test_all_is_well(asked):
    status, text, rest, data = check(asked())
    assert (status, text) == (0, "MAILBRAKE OK - 1 egress sending"), text
    assert rest == []
    found = numbers(data)
    assert found["stopped"] == found["probation"] == 0
    assert found["lists_unusable"] == 0 and found["score"] == 0
    assert found["policy_requests"] == found["policy_passed"] == 1


def test_a_stop_is_critical_and_says_why(asked, bl):
    d = asked()
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    status, text, _, data = check(d)
    assert status == 2, text
    assert re.match(r"MAILBRAKE CRITICAL - mx1 is stopped since \S+Z: "
        r"203\.0\.113\.1 is listed by bl\.test \(SPAM\)$", text), text
    assert numbers(data)["stopped"] == 1
    assert numbers(data)["score"] == 100


def test_a_stop_by_a_person_is_critical_with_the_reason(asked):
    d = asked()
    d.must("stop", "mx1", "--reason", "a|b")
    status, text, _, _ = check(d)
    assert status == 2 and 'an operator said "stop": a/b' in text, text


def test_a_stop_that_is_only_observed_says_so(asked, bl):
    d = asked(settings={"mode": "observe"})
    assert "OBSERVE MODE" in check(d)[1]
    bl.add("203.0.113.1")
    d.wait_egress(lambda e: e["evidence_state"] == "stopped")
    status, text, _, _ = check(d)
    assert status == 2 and "observe mode: its mail passes" in text, text


def test_a_listed_domain_is_critical(asked, dns):
    bl = dns.list("dbl.test")
    bl.pulse = "test"
    bl.add("one.example")
    d = asked(lists=[catalogue_list("dbl.test", kinds=["domains"])],
        settings={"domains": ["one.example"]})
    wait_for(lambda: d.status()["domains"][0]["state"] == "stopped", 10)
    status, text, _, _ = check(d)
    assert status == 2, text
    assert "one.example is stopped since" in text and \
        "one.example is listed by dbl.test (SPAM)" in text, text


def test_probation_is_a_warning(asked, bl):
    d = asked(settings={"resume": {"ramp": "1h"}})
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    bl.remove("203.0.113.1")
    d.wait_state("probation")
    status, text, _, data = check(d)
    assert status == 1 and "mx1 is in probation since" in text, text
    assert numbers(data)["probation"] == 1


def test_to_send_in_spite_of_a_listing_is_a_warning(asked, bl):
    d = asked()
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    d.must("send", "mx1")
    status, text, _, _ = check(d)
    assert status == 1 and "mx1 sends though it is listed" in text, text


def test_a_list_that_cannot_be_used_is_a_warning(asked, dns):
    # Two of three: with all of them the resolver would be at fault.
    for zone in ("two.test", "three.test"):
        dns.list(zone)
    d = asked(lists=[catalogue_list(zone) for zone in ("bl.test",
        "two.test", "three.test")])
    for zone in ("two.test", "three.test"):
        dns.zones[zone].mode = "world"
        d.wait_health("broken", zone)
    status, text, _, data = check(d)
    assert status == 1, text
    assert "2 of 3 lists cannot be used: two.test (broken), three.test " \
        "(broken)" in text
    assert numbers(data)["lists_unusable"] == 2
    assert check(d, "--lists", 3)[0] == 0
    assert check(d, "--lists", 2)[0] == 1
    assert check(d, "--lists", 0)[0] == 0


def test_a_brake_that_nobody_asks_is_a_warning(brake):
    status, text, _, _ = check(brake())
    assert status == 1 and "no mail server has asked since" in text, text


def test_a_mail_server_that_no_longer_asks_is_a_warning(asked):
    d = asked()
    assert check(d, "--asked", "1h")[0] == 0
    status = wait_for(lambda: check(d, "--asked", "1s")[0])
    assert status == 1
    assert "no mail server has asked for" in check(d, "--asked", "1s")[1]


def test_redis_away_is_a_warning(asked):
    d = asked(settings={"redis": {"server": "127.0.0.1:1"}})
    wait_for(lambda: d.status()["store"]["redis"] == "down",
        what="Redis down")
    status, text, _, _ = check(d)
    assert status == 1 and "Redis is " in text, text


def test_the_worst_comes_first_and_the_rest_below(brake, bl):
    d = brake(settings={"redis": {"server": "127.0.0.1:1"}})
    bl.add("203.0.113.1")
    d.wait_state("stopped")
    wait_for(lambda: d.status()["store"]["redis"] == "down")
    status, text, rest, _ = check(d)
    assert status == 2
    assert text.startswith("MAILBRAKE CRITICAL - mx1 is stopped")
    assert text.endswith("(and 2 more)"), text
    assert len(rest) == 2 and all(line.startswith("WARNING: ")
        for line in rest), rest


def test_a_daemon_that_is_away_is_unknown(asked):
    d = asked()
    d.stop()
    status, text, _, data = check(d)
    assert status == 3 and "not running" in text and data == "", text
    assert check(d, "--away", "critical")[0] == 2


def test_a_daemon_that_hangs_is_unknown(asked):
    d = asked()
    d.process.send_signal(signal.SIGSTOP)
    try:
        status, text, _, _ = check(d, "-t", "0.3")
    finally:
        d.process.send_signal(signal.SIGCONT)
    assert (status, text) == (3, "MAILBRAKE UNKNOWN - no answer within 0.3 "
        "seconds")


def test_with_sudo_it_asks_as_the_daemons_user(asked, place):
    dir = place.subdir("bin")
    (dir / "sudo").write_text("#!/bin/sh\necho \"$*\" >%s/args\nshift 3\n"
        "exec \"$@\"\n" % dir)
    (dir / "sudo").chmod(0o755)
    d = asked()
    done = subprocess.run([str(PLUGIN), "--sudo", "--program",
        str(MAILBRAKE), "--socket", "unix:%s" % d.control],
        capture_output=True, text=True, timeout=30, env=environment(
        PATH="%s:%s" % (dir, os.environ["PATH"])))
    assert done.returncode == 0, done
    assert (dir / "args").read_text() == \
        "-n -u mailbrake %s --socket unix:%s status --json\n" % (MAILBRAKE,
        d.control)


def test_what_is_not_mailbrake_is_unknown(place):
    dir = place.subdir("bin")
    for name, text in (("noise", "echo hello"), ("other", "echo '{}'"),
        ("bad", "echo no >&2; exit 1")):
        (dir / name).write_text("#!/bin/sh\n%s\n" % text)
        (dir / name).chmod(0o755)
        assert check(None, program=dir / name)[0] == 3, name
    assert check(None, program=dir / "missing")[0] == 3


@pytest.mark.parametrize("args", [["--wrong"], ["--asked", "soon"],
    ["-t", "x"]])
def test_a_wrong_command_line_is_unknown(args):
    assert check(None, *args)[0] == 3


# -- Zabbix: what the agent runs

def user_parameters():
    found = {}
    for line in (ZABBIX / "mailbrake.conf").read_text().splitlines():
        if line.startswith("UserParameter="):
            key, command = line.split("=", 1)[1].split(",", 1)
            found[key] = command
    return found


def agent(key, d):
    """What the agent would read, and the command's status."""
    done = subprocess.run(["/bin/sh", "-c", user_parameters()[key].replace(
        "mailbrake status", "mailbrake -c %s status" % d.conf_path)],
        capture_output=True, text=True, timeout=10, env=environment(
        PATH="%s:%s" % (BUILD, os.environ["PATH"])))
    return done.returncode, done.stdout, done.stderr


def test_the_agent_reads_the_status(asked):
    rc, out, err = agent("mailbrake.status", asked())
    assert rc == 0 and err == ""
    assert json.loads(out)["mode"] == "enforce"


def test_the_agent_reads_an_empty_object_where_there_is_no_daemon(asked):
    d = asked()
    d.stop()
    assert agent("mailbrake.status", d) == (0, "{}\n", "")


# -- Zabbix: the template

class Strict(yaml.SafeLoader):
    """Refuses a key that is there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), (keys, str(node.start_mark))
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def template():
    export = yaml.load((ZABBIX / "template_mailbrake.yaml").read_text(),
        Strict)["zabbix_export"]
    return export["templates"][0]


def walk(node):
    """Every mapping in it."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


# What an export of Zabbix 6.0 has in each kind of element (its manual,
# "Configuration export/import", "Templates"), as far as it is used here.
ELEMENTS = {
    "items": {"uuid", "name", "type", "key", "delay", "history", "trends",
        "value_type", "units", "description", "valuemap", "preprocessing",
        "master_item", "tags", "triggers"},
    "item_prototypes": {"uuid", "name", "type", "key", "delay", "history",
        "trends", "value_type", "units", "description", "valuemap",
        "preprocessing", "master_item", "tags", "trigger_prototypes"},
    "triggers": {"uuid", "expression", "name", "opdata", "priority",
        "description", "dependencies", "tags"},
    "trigger_prototypes": {"uuid", "expression", "name", "opdata",
        "priority", "description", "tags"},
    "discovery_rules": {"uuid", "name", "type", "key", "delay", "lifetime",
        "item_prototypes", "trigger_prototypes", "master_item",
        "lld_macro_paths", "preprocessing"},
    "preprocessing": {"type", "parameters", "error_handler"},
    "macros": {"macro", "value", "description"},
    "valuemaps": {"uuid", "name", "mappings"},
    "mappings": {"value", "newvalue"},
    "tags": {"tag", "value"},
}


def test_the_template_has_the_form_of_an_export(template):
    export = yaml.load((ZABBIX / "template_mailbrake.yaml").read_text(),
        Strict)["zabbix_export"]
    assert export["version"] == "6.0"
    assert set(export) == {"version", "date", "groups", "templates"}
    seen = []
    for node in walk(export):
        for name, allowed in ELEMENTS.items():
            for element in node.get(name, ()):
                assert set(element) <= allowed, (name, element)
                assert all(isinstance(v, str) for k, v in element.items()
                    if not isinstance(v, (list, dict))), element
        if "uuid" in node:
            seen.append(node["uuid"])
            assert uuid.UUID(node["uuid"]).version == 4, node["uuid"]
    assert len(seen) == len(set(seen)), "a uuid is there twice"
    for node in walk(template):
        assert node.get("priority", "INFO") in ("INFO", "WARNING",
            "AVERAGE", "HIGH")
        assert node.get("value_type", "TEXT") in ("TEXT", "CHAR", "FLOAT")
        if node.get("type") == "DEPENDENT":
            assert node["delay"] == "0"
            assert node["master_item"] == {"key": "mailbrake.status"}


def test_the_template_asks_for_what_the_agent_has(template):
    polled = [item["key"] for item in template["items"]
        if item.get("type") != "DEPENDENT"]
    assert polled == list(user_parameters()) == ["mailbrake.status"]


def test_triggers_and_maps_are_of_what_is_there(template):
    keys = {node["key"] for node in walk(template) if "key" in node and
        "name" in node}
    maps = {node["name"] for node in template["valuemaps"]}
    macros = {node["macro"] for node in template["macros"]}
    triggers = {(node["name"], node["expression"])
        for node in walk(template) if "priority" in node}
    for node in walk(template):
        for other in node.get("dependencies", ()):
            assert (other["name"], other["expression"]) in triggers
        for host, key in re.findall(r"/([^/()]+)/([a-z_.]+(?:\[[^]]*\])?)",
            node.get("expression", "")):
            assert host == template["name"] and key in keys, (host, key)
        assert set(re.findall(r"\{\$[A-Z.]+\}", node.get("expression",
            ""))) <= macros
        if "valuemap" in node:
            assert node["valuemap"]["name"] in maps


def follow(path, document, macros):
    """The values that a JSONPath of the forms used here finds."""
    for macro, value in macros.items():
        path = path.replace(macro, value)
    assert path.startswith("$"), path
    found, rest = [document], path[1:]
    while rest:
        for form, step in (
            (r"\.first\(\)", lambda v, m: [v]),
            (r"\.(\w+)", lambda v, m: [v[m[1]]]),
            (r"\['(\w+)','(\w+)'\]", lambda v, m: [v[m[1]], v[m[2]]]),
            (r"\[\*\]", lambda v, m: list(v)),
            (r"\[\?\(@\.(\w+) == '([^']*)'\)\]",
                lambda v, m: [x for x in v if x[m[1]] == m[2]])):
            match = re.match(form, rest)
            if match:
                break
        assert match, (path, rest)
        found = [x for v in found for x in step(v, match)]
        rest = rest[match.end():]
    return found


def test_every_path_of_the_template_is_in_the_status(asked, template):
    d = asked(settings={"domains": ["example.org"]})
    status = d.status()
    example = {"{#EGRESS}": "mx1", "{#DOMAIN}": "example.org",
        "{#FRONT}": "policy"}
    paths = [step["parameters"][0] for node in walk(template)
        for step in node.get("preprocessing", ())
        if step["type"] == "JSONPATH"]
    assert len(paths) > 10
    for path in paths:
        assert follow(path, status, example), path
    for rule in template["discovery_rules"]:
        rows = follow(rule["preprocessing"][0]["parameters"][0], status, {})
        for row in rows[0]:
            for macro in rule["lld_macro_paths"]:
                assert follow(macro["path"], row, {}), rule["name"]


def test_every_name_in_the_templates_scripts_is_in_the_status(asked, bl,
    template):
    bl.add("203.0.113.1")
    d = asked(settings={"domains": ["example.org"]})
    d.wait_state("stopped")
    d.must("stop", "all")
    names = {key for node in walk(d.status()) for key in node}
    scripts = [step["parameters"][0] for node in walk(template)
        for step in node.get("preprocessing", ())
        if step["type"] == "JAVASCRIPT"]
    assert len(scripts) > 5
    for script in scripts:
        for name in re.findall(r"\b(?:status|front|entry|party|x|"
            r"override|JSON\.parse\(value\)(?:\.store)?)\.([a-z_]+)", script):
            if name != "forEach":
                assert name in names | {"store", "filter", "domain"}, (
                    name, script)
