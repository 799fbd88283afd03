"""An egress that is another host's: mail goes through it when the own one is
listed, and never round in circles."""

import pytest

from harness.place import free_port
from harness.postfix import Postfix

ADDRESS = {"mx1": "203.0.113.1", "mx2": "203.0.113.2"}
SIBLINGS = "siblings"                   # the listener for the other host


class Host:
    """A Postfix and a daemon, which has the other's address as well."""

    def __init__(self, place, brake, sink, name, other, port, other_port):
        self.name = name
        self.daemon = brake(fronts=("policy", "socketmap"), egress=(
            {"name": name, "addresses": [ADDRESS[name]], "transport": name},
            {"name": other, "addresses": [ADDRESS[other]], "warm": True,
            "transport": "to-sibling",
            "nexthop": "[127.0.0.1]:%d" % other_port}))
        socketmap = "socketmap:unix:%s:" % self.daemon.map
        self.pf = Postfix(place, sink, egress=name, listeners={"plain": {},
            SIBLINGS: {"content_filter": "%s:%s" % (name, sink.nexthop)}},
            ports={SIBLINGS: port}, transports={
            name: {"smtp_bind_address": ADDRESS[name],
            "smtp_tls_policy_maps": socketmap + "gate-" + name},
            "to-sibling": {"smtp_tls_policy_maps": socketmap + "gate-" +
            other}}, main={"relayhost": sink.nexthop,
            "sender_dependent_default_transport_maps": socketmap + "route"})

    def send(self, number=0):
        """Postfix minds for half a minute which way an address goes."""
        return self.pf.send("ann@example.org", "bob%d@remote.test" % number)


@pytest.fixture
def two(place, brake, sink):
    """Two hosts that stand in for each other."""
    first, second = free_port(), free_port()
    return (Host(place, brake, sink, "mx1", "mx2", first, second),
        Host(place, brake, sink, "mx2", "mx1", second, first))


def sources(sink):
    return [m.source for m in sink.messages]


def test_mail_goes_by_the_other_host(two, bl, sink):
    one, other = two
    assert one.send().code == 250
    sink.wait(count=1)
    bl.add(ADDRESS["mx1"])
    for h in two:
        h.daemon.wait_state("stopped")
    assert one.send(1).code == 250
    sink.wait(count=2)
    assert sources(sink) == [ADDRESS["mx1"], ADDRESS["mx2"]]
    # The other one is listed as well: it goes nowhere.
    bl.add(ADDRESS["mx2"])
    for h in two:
        h.daemon.wait_state("stopped", "mx2")
    answer = one.send(2)
    assert answer.code == 450 and "Outbound mail paused" in answer.text


def test_it_is_not_sent_back(two, sink):
    """Each thinks that the other may send."""
    one, other = two
    one.daemon.must("stop", "mx1")
    other.daemon.must("stop", "mx2")
    assert one.send().code == 250
    other.pf.wait_queue("deferred")
    assert not one.pf.queue() and not sink.messages
    other.daemon.must("auto", "mx2")
    other.pf.flush()
    sink.wait(count=1)
    assert sources(sink) == [ADDRESS["mx2"]]
    # From the client, and from the other.
    assert sink.messages[0].data.lower().count("received: from") == 2
