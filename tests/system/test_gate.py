"""The gate: what Postfix has in its queue stops within a second, and goes
again; and status says whether Postfix asks it."""

from harness.place import wait_for


def gated(brake, path, **settings):
    return brake(settings=dict({"gate_file": str(path)}, **settings))


def wire(path, names=("mx1",)):
    """Transports whose deliveries ask the file."""
    return {name: {"smtp_bind_address": "203.0.113.%d" % (i + 1),
        "smtp_connection_cache_on_demand": "no",
        "smtp_tls_policy_maps": "pipemap:{static:%s, hash:%s}" % (name,
        path)} for i, name in enumerate(names)}


def gate_dir(place):
    return place.subdir("gate", user="mailbrake") / "gate"


def test_mail_in_the_queue_stops_and_goes_again(place, bl, brake, postfix,
    sink):
    path = gate_dir(place)
    daemon = gated(brake, path)
    wait_for(lambda: daemon.status()["gate"]["settled"], 10)
    pf = postfix(transports=wire(path))
    assert pf.send("ann@example.org", "bob@remote.test").code == 250
    sink.wait(count=1)
    bl.add("203.0.113.1")
    daemon.wait_state("stopped")
    daemon.wait_log("mx1: its gate is shut")
    assert pf.send("ann@example.org", "bob@remote.test").code == 250
    pf.wait_queue("deferred")
    assert len(sink.messages) == 1
    bl.remove("203.0.113.1")
    daemon.wait_state("sending", timeout=20)
    daemon.wait_log("mx1: its gate is open")
    pf.flush()
    sink.wait(count=2)
