"""What the manuals promise of themselves and of JSON."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

PAGES = ["src/mailbraked.8", "src/conf/mailbrake.conf.5",
    "src/conf/lists.conf.5", "src/ctl/mailbrake.1",
    "src/ctl/mailbrake-incident.7"]

# Values that fields have, beside what is printed here.
VALUES = set("""enforce observe null sending stopped probation off connected
    connecting down route filter rcptroute gate brake unknown ok unused
    missing wrong pass tempfail hold reroute queue clean listed noted ipv4
    ipv6 domains auto""".split())
# An address of a domain's listing is its domain.
RENAMED = {"address"}


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_nothing_to_say(page):
    """That other manuals are not installed is no fault of this one."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    said = subprocess.run(["mandoc", "-T", "lint", ROOT / page],
        capture_output=True, text=True)
    assert [line for line in said.stdout.splitlines()
        if "referenced manual not found" not in line] == []


def described():
    """Of the section JSON: (the names in each item's head, the words in
    its text)."""
    text = (ROOT / "src/ctl/mailbrake.1").read_text()
    section = re.search(r"^\.Sh JSON\n(.*?)^\.Sh ", text, re.S | re.M)[1]
    for item in re.split(r"^\.It ", section, flags=re.M)[1:]:
        head, _, body = item.partition("\n")
        words = [w for line in re.findall(r"^\.Li (.*)$", body, re.M)
            for w in line.split()]
        yield [w for w in head.split() if re.fullmatch(r"[a-z_-]{3,}", w)
            or w == "of"], {w for w in words if re.fullmatch("[a-z_]+", w)}


def fields(value):
    """All of them, however deep."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= {key} | fields(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= fields(inner)
    return found


@pytest.fixture(scope="module")
def manual():
    items = {}
    for head, words in described():
        # ".Cm status --fleet" is "fleet", beside the fields of status.
        for name in head[-1:] if "fleet" in head else head:
            items.setdefault(name, set()).update(words)
    return items


def agree(documented, printed, shown=()):
    assert printed - documented == set(), "not in the manual"
    assert documented - printed - VALUES - set(shown) == set(), \
        "not printed"


def test_status_has_the_fields_that_the_manual_has(manual, bl, brake):
    bl.add("203.0.113.1", txt="spam")
    d = brake(fronts=("milter", "policy", "socketmap"), settings={
        "domains": ["example.org"], "pools": (
            {"name": "default", "egress": ["mx1"]},)})
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])
    d.must("stop", "all")
    status = d.status()
    commands = {"explain", "stop", "send", "auto", "events", "incident",
        "delist", "test-alert", "check", "setup", "reload", "fleet"}
    assert set(status) == set(manual) - commands
    listing = set(status["egress"][0]["listings"][0])
    override = set(status["overrides"][0])
    for name, value in status.items():
        documented = set(manual[name])
        if name == "lists":     # and the item of the command
            documented &= {"zone", "health", "reason", "weight", "checked"}
        printed = fields(value)
        if name == "egress":
            printed -= override - documented
        elif name == "domains":
            printed -= (override | listing) - documented
            documented -= {"domain", "address"}
        elif name == "not_understood":
            printed = documented        # see test_redis.py
        elif name == "postfix":
            printed |= documented - VALUES
        agree(documented, printed)
    assert listing <= manual["egress"] and override <= manual["overrides"]


def test_the_other_commands_have_the_fields_that_the_manual_has(manual, bl,
    brake):
    bl.add("203.0.113.1", txt="spam")
    d = brake(fronts=("milter",))
    d.wait_egress(lambda e: e["state"] == "stopped" and
        e["listings"][0]["text"])

    def printed(*args, status=0):
        rc, out, err = d.cli(*args, "--json")
        assert rc == status, err
        return json.loads(out)

    override = {"target", "word", "since", "until", "reason", "source"}
    d.must("incident", "--cause", "a form")
    d.must("delist", "--asked")
    agree(manual["explain"], fields(printed("explain", "a@example.org",
        "b@example.net")))
    for word in ("stop", "send", "auto"):
        agree(manual[word] | override, fields(printed(word, "mx1")),
            shown=["overrides"])
    lines = d.must("events", "--json").splitlines()
    agree(manual["events"], fields([json.loads(x) for x in lines]))
    delist = fields(printed("delist"))
    agree(manual["delist"], delist)
    agree(manual["incident"], fields(printed("incident")) - (delist -
        manual["incident"]))
    agree(manual["lists"], fields(printed("lists")), shown=["lists"])
    agree(manual["check"], fields(printed("check", "203.0.113.1",
        status=1)))
    agree(manual["reload"], fields(printed("reload")))
