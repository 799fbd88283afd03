"""A mail host as the manual describes it: Postfix with several egresses, and
a mailbraked that is asked wherever Postfix can ask.

	host = Host(place, dns, sink, gate="file", egresses=2)
	host.pour(mails(2000))
	dns.zones["bl.test"].add("203.0.113.1")
	stopped = host.wait_stopped("mx1")
	assert host.late("mx1", stopped) == []

Egress n is mx<n>: the transport mx<n>, the address 203.0.113.<n>, the HELO
name mx<n>.brake.test.
"""

import os
import re
import time

from harness.daemon import Daemon
from harness.libconfig import merge
from harness.place import wait_for
from harness.postfix import Postfix

# "Nothing that starts later than one second after the brake."
GRACE = 1.0

# A queue of some size, moved by what mailbraked does and not, as the other
# tests have it, by a queue manager that looks again every second.
MAIN = {
    "queue_run_delay": "300s", "minimal_backoff_time": "300s",
    "maximal_backoff_time": "4000s",
    "default_process_limit": "150",
    "default_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "50",
    "qmgr_message_active_limit": "2000",
    "smtpd_client_connection_count_limit": "0",
    "inet_protocols": "ipv4", "inet_interfaces": "127.0.0.1",
}


def address(egress):
    return "203.0.113.%s" % egress[2:]


def gate_table(gate, egress, daemon):
    """What stands in smtp_tls_policy_maps."""
    if gate == "file":
        return "pipemap:{static:%s, hash:%s}" % (egress, daemon.gate)
    if gate == "map":
        return "socketmap:unix:%s:gate-%s" % (daemon.map, egress)
    return gate or ""


class Host:
    def __init__(self, place, dns, sink, gate="file", egresses=2, route=True,
        rcptroute=False, fronts=None, pool=None, settings=None, main=None,
        transport=None, start=True):
        """gate: "file", "map", a table, None, or a list with one of those
        for each egress.  route, rcptroute: ask these maps.  fronts:
        {listener: (front, default_action)}, front "milter" or "policy"; one
        more listener, plain, asks neither.  pool, settings: of
        mailbrake.conf.  main, transport: of Postfix, for all and for every
        smtp(8)."""
        self.sink = sink
        fronts = fronts or {}
        self.names = ["mx%d" % (n + 1) for n in range(egresses)]
        gates = gate if isinstance(gate, list) else [gate] * egresses
        self.gates = dict(zip(self.names, gates))
        offered = {front for front, _ in fronts.values()}
        if route or rcptroute or "map" in gates:
            offered.add("socketmap")
        if "file" in gates:
            offered.add("gate")
        self.daemon = Daemon(place, dns=dns, fronts=offered, egress=tuple({
            "name": e,
            "addresses": [address(e)], "transport": e} for e in self.names),
            settings=merge({"pools": ({"name": "default",
            "egress": self.names, "burn_limit": 100, **(pool or {})},)},
            settings or {}))
        main = {**MAIN, "relayhost": sink.nexthop,
            "default_transport": "mx1",
            # The transports that Postfix comes with would leave by mx1 too.
            "smtp_tls_policy_maps": gate_table(gates[0], "mx1", self.daemon),
            **(main or {})}
        if route:
            main["sender_dependent_default_transport_maps"] = \
                "socketmap:unix:%s:route" % self.daemon.map
        if rcptroute:
            main["transport_maps"] = "socketmap:unix:%s:rcptroute" % \
                self.daemon.map
        self.postfix = Postfix(place, sink, main=main,
            listeners={"plain": {}, **{name: self._listener(*front)
            for name, front in fronts.items()}}, transports={e: {
            "syslog_name": "postfix/" + e,
            "smtp_bind_address": address(e),
            "smtp_helo_name": e + ".brake.test",
            "smtp_tls_policy_maps": gate_table(g, e, self.daemon),
            **(transport or {})} for e, g in zip(self.names, gates)},
            start=False)
        self.daemon.write_conf({"postfix": {"config_directory":
            str(self.postfix.conf)}})
        if start:
            self.start()

    def _listener(self, front, action):
        """As the manual says, with less patience."""
        if front == "milter":
            return {"smtpd_milters": "{ unix:%s, connect_timeout=2s, "
                "command_timeout=3s, content_timeout=3s, default_action=%s }"
                % (self.daemon.milter, action)}
        return {"smtpd_recipient_restrictions": "check_policy_service { "
            "unix:%s, timeout=2s, try_limit=1, %s }, permit_mynetworks, "
            "reject" % (self.daemon.policy, action)}

    def start_daemon(self):
        """Without set-group-ID programs, as under systemd: as one, postqueue
        takes no configuration but the host's own."""
        self.daemon.start(prefix=("setpriv", "--no-new-privs"))

    def start(self):
        self.start_daemon()
        if self.daemon.settings["gate_file"]:
            wait_for(self.daemon.gate.with_name("gate.db").exists, 10,
                "the gate file")
        self.postfix.start()
        self.daemon.wait_health("usable")

    # -- mail in

    def pour(self, what, on="plain", sessions=6):
        from harness.bulk import pour
        return pour(self.postfix.ports[on], what, sessions)

    # -- the brake

    def since(self, pattern, mark=0, timeout=30):
        """When mailbraked logged that."""
        def found():
            for when, text in list(self.daemon.lines)[mark:]:
                if re.search(pattern, text):
                    return when
            return None
        return wait_for(found, timeout, "/%s/ in mailbraked's log" % pattern)

    def gate_moves(self, egress, mark, what):
        """What: "shut" or "open".  With a socketmap it has no delay."""
        if self.gates[egress] == "file":
            self.since("%s: its gate is %s" % (egress, what), mark)

    def assert_none_late(self, egress, stopped):
        """Nothing begins to leave through it when nothing may."""
        late = self.sink.begun_after(stopped + GRACE, address(egress))
        assert not late, "%d deliveries by %s began too late, the last " \
            "%.3f s after the brake: %r" % (len(late), egress,
            late[-1].begun - stopped, late[:5])

    # -- the queue

    def count(self, *queues):
        """Messages in these queues of Postfix."""
        return sum(len(files) for q in queues for _, _, files in os.walk(
            self.postfix.queue_dir / q))

    def wait_count(self, condition, *queues, timeout=60):
        return wait_for(lambda: condition(self.count(*queues)), timeout,
            lambda: "a number of messages in %s, there are %d" % (queues,
            self.count(*queues)), every=0.1)

    def settle(self, queues=("incoming", "active"), timeout=60):
        """Waits until what can move has moved."""
        self.wait_count(lambda n: n == 0, *queues, timeout=timeout)


def once_each(sink, expected):
    """Lost and doubled messages: both empty if all is well."""
    count = {}
    for d in sink.taken():
        count[d.id] = count.get(d.id, 0) + 1
    return (sorted(set(expected) - set(count)),
        sorted(i for i, n in count.items() if n > 1))
