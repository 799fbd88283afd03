"""contrib/postfix: what is there to be pasted works as it stands."""

import json
import pathlib
import re
import subprocess

import pytest

from harness.place import wait_for

CONTRIB = pathlib.Path(__file__).resolve().parents[2] / "contrib/postfix"


def settings(*wanted):
    """main.cf.example: what is in effect as it stands, and instead or
    beside it the commented setting that has all the words of one of
    wanted."""
    lines = (CONTRIB / "main.cf.example").read_text().splitlines()
    found, open_for = {}, None
    for line in lines:
        match = re.match(r"(#?)([a-z]\w*) =\s*(.*)$", line)
        rest = re.match(r"(#?) {4,}(\S.*)$", line)
        if match:
            key = (bool(match.group(1)), match.group(2), len(found))
            found[key] = match.group(3)
            open_for = key
        elif rest and open_for and open_for[0] == bool(rest.group(1)):
            found[open_for] += " " + rest.group(2)
        else:
            open_for = None
    chosen = {name: value for (off, name, _), value in found.items()
        if not off}
    for words in wanted:
        hits = [(name, value) for (off, name, _), value in found.items()
            if off and words in "%s = %s" % (name, value)]
        assert len(hits) == 1, (words, hits)
        chosen[hits[0][0]] = hits[0][1]
    return chosen


@pytest.fixture
def site(place, postfix, brake):
    """site(main, master, egress): a Postfix with these, and a mailbraked
    beside it; the paths and addresses of the examples are those of the
    test."""
    def make(main, master="", egress=None):
        pf = postfix(egress="mx1" if master else "smtp", start=False,
            main={"smtp_connection_cache_on_demand": None,
                "smtp_bind_address_enforce": None, "inet_interfaces":
                "127.0.0.1"}, transports={})
        inside = pf.queue_dir / "mailbrake"
        subprocess.run(["install", "-d", "-o", "mailbrake", "-g",
            "postfix", "-m", "2750", str(inside)], check=True)
        d = brake(start=False, fronts=("milter",), egress=egress or
            ({"name": "mx1", "addresses": ["203.0.113.7"],
                "transport": "smtp"},))
        d.write_conf({"gate_file": "%s/gate" % d.dir,
            "postfix": {"config_directory": str(pf.conf)},
            "listen": {"milter": "unix:%s/milter.sock" % inside,
                "socketmap": "unix:%s/map.sock" % inside,
                "policy": "inet:127.0.0.1:10045"}})

        def here(text):
            return text.replace("/var/lib/mailbrake/gate",
                "%s/gate" % d.dir).replace(
                "/etc/mailbrake/status.regexp", str(CONTRIB /
                "status.regexp")).replace(
                "/etc/postfix/sender_transport", str(place.dir /
                "senders"))
        with open(pf.conf / "main.cf", "a") as f:
            f.write("".join("%s = %s\n" % (name, here(value))
                for name, value in main.items()))
        if master:
            path = pf.conf / "master.cf"
            kept = re.sub(r"(?m)^relay .*\n", "", path.read_text())
            path.write_text(kept + here(master))
        d.start()
        wait_for((d.dir / "gate.db").exists, 10, "a gate file")
        pf.start()
        return d, pf
    return make


def verified(d):
    rc, out, err = d.cli("setup", "postfix", "--verify", "--json",
        timeout=60)
    return rc, {p["point"]: p for p in json.loads(out)["points"]}


def wait_put_off(pf):
    """A flush just then may leave it in the incoming queue."""
    wait_for(lambda: any(r.get("delay_reason") for m in pf.queue()
        for r in m["recipients"]), 20, lambda: "a message to be put off: %s" %
        pf.queue())


@pytest.mark.parametrize("wanted, form", [
    ((), "hash:"), (("gate-mx1",), "socketmap")])
def test_milter_and_either_gate(site, sink, wanted, form):
    d, pf = site(settings(*wanted))
    rc, points = verified(d)
    assert rc == 0, points
    assert form in points["gate"]["text"]
    assert points["gate"]["result"] == points["milter"]["result"] == "live"
    sink.refuse = "450 4.2.0 later"
    pf.send("ann@example.org", "bob@example.net")
    wait_put_off(pf)
    d.must("stop", "mx1")
    assert pf.send("ann@example.org", "bob@example.net").code == 451
    sink.refuse = None
    pf.wait_log(r"dsn=4\.7\.5, status=deferred", timeout=15)
    d.must("auto", "mx1")
    wait_for(lambda: sink.messages, 15, "the message")


def test_policy_service(site):
    d, pf = site(settings("check_policy_service"))
    assert verified(d)[1]["policy"]["result"] == "live"


def test_what_is_held_is_called_so(site, sink):
    d, pf = site(settings("smtp_delivery_status_filter"))
    sink.refuse = "450 4.2.0 later"
    pf.send("ann@example.org", "bob@example.net")
    wait_put_off(pf)
    d.must("stop", "mx1")
    pf.wait_log(r"dsn=4\.7\.1, status=deferred \(held by mailbrake",
        timeout=15)


EGRESS = ({"name": "mx1", "addresses": ["203.0.113.7", "2001:db8::7"],
        "transport": "mx1", "hostname": "mx1.example.org"},
    {"name": "mx2", "addresses": ["203.0.113.8"], "transport": "mx2",
        "hostname": "mx2.example.org"})


def two(site, *wanted):
    main = settings(*wanted)
    for name in ("smtp_tls_policy_maps", "smtp_connection_cache_on_demand"):
        del main[name]
    # smtp has no gate in the example: nothing is sent by it.
    return site(main, (CONTRIB / "master.cf.example").read_text(), EGRESS)


def test_two_transports_and_the_route(site, sink):
    d, pf = two(site, "map.sock:route", "map.sock:rcptroute")
    pf.command("postconf", "-e", "relayhost=%s" % sink.nexthop)
    pf.command("postconf", "-MX", "smtp/unix")
    pf.command("postfix", "reload")
    rc, points = verified(d)
    assert rc == 0, points
    pf.send("ann@example.org", "bob@example.net")
    wait_for(lambda: sink.messages, 15, "a message")
    assert (sink.messages[0].source, sink.messages[0].helo) == (
        "203.0.113.7", "mx1.example.org")
    sink.refuse = "450 4.2.0 later"
    pf.send("ann@example.org", "bob@example.net")
    wait_put_off(pf)
    d.must("stop", "all")
    pf.wait_log(r"dsn=4\.7\.[15], status=deferred", timeout=15)
    sink.refuse = None
    pf.flush()
    d.must("auto", "all")
    wait_for(lambda: len(sink.messages) == 2, 15, "the second message")


def test_a_table_of_senders_is_kept(site, place, sink):
    (place.dir / "senders").write_text("joe@example.org mx2:\n")
    subprocess.run(["postmap", "hash:%s" % (place.dir / "senders")],
        check=True)
    d, pf = two(site, "map.sock:filter")
    pf.command("postconf", "-e", "relayhost=%s" % sink.nexthop)
    pf.command("postfix", "reload")
    pf.send("joe@example.org", "bob@example.net")
    wait_for(lambda: sink.messages, 15, "a message")
    assert sink.messages[0].source == "203.0.113.8"
