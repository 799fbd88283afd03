"""Many addresses on many lists: spread over the interval, never more at a
time than allowed, nothing lost, and how much it is is shown."""

import json
import re

import pytest

from harness.daemon import Daemon, catalogue_list
from harness.dns import Dns
from harness.place import wait_for

ADDRESSES = ["%s.%d" % (net, n) for net in ("203.0.113", "198.51.100")
    for n in range(1, 151)]
ZONES = ["l%d.test" % n for n in range(10)]
LISTED = "203.0.113.150"        # by the last list
INTERVAL, PARALLEL = 5, 50
QUESTIONS = len(ADDRESSES) + 3  # a round of one list, with its probes
# Twice what asking everything once an interval takes.
RATE = 2 * len(ZONES) * QUESTIONS / INTERVAL


class Sweep:
    def __init__(self, d, dns):
        self.d, self.dns = d, dns
        self.lists = {x["zone"]: x for x in
            json.loads(d.must("lists", "--json"))}
        self.log = [q for q in dns.queries() if q.zone]


@pytest.fixture(scope="module")
def sweep(module_place):
    """A first sweep, and half of the second."""
    dns = module_place.add(Dns())
    dns.delay = 0.01
    rows = []
    for zone in ZONES:
        dns.list(zone)
        rows.append(catalogue_list(zone, kinds=["ipv4"]))
    rows[1]["limit"] = 1000000
    rows[2]["limit"] = 100000000
    rows[9]["interval"] = "1h"
    dns.zones[ZONES[9]].add(LISTED)
    d = Daemon(module_place, dns=dns, lists=rows, egress=tuple(
        {"name": "mx%d" % n, "addresses": ADDRESSES[n::10]}
        for n in range(10)), settings={"check": {"interval": "%ds" %
        INTERVAL, "timeout": "5s", "tries": 2, "parallel": PARALLEL}})
    d.start()
    for zone in ZONES[:5]:
        bl = dns.zones[zone]
        wait_for(lambda: len(bl.queries("127.0.0.2")) >= 2, 30,
            "a second round of %s" % zone)
    d.wait_egress(lambda e: e["state"] == "stopped", "mx9")
    return Sweep(d, dns)


def rounds(log, zone):
    """The questions about a list, round by round; the last is cut."""
    result = []
    for q in log:
        if q.zone == zone:
            if q.subject == "127.0.0.2":
                result.append([])
            result[-1].append(q)
    return result


@pytest.mark.parametrize("zone", ZONES[:5])
def test_each_question_is_asked_once_a_round(sweep, zone):
    """None is missing, and none was repeated: no time-out that was none."""
    first = rounds(sweep.log, zone)[0]
    subjects = [q.subject for q in first]
    assert sorted(s for s in subjects if not s.startswith("mb-")) == sorted(
        ADDRESSES + ["127.0.0.1", "127.0.0.2"])
    assert len(subjects) == QUESTIONS


def test_no_list_was_suspected(sweep):
    assert not sweep.d.logged("blind|broken|time-out|resolver")
    assert {x["health"] for x in sweep.lists.values()} == {"usable"}


def test_never_more_than_allowed_at_a_time(sweep):
    assert 2 <= sweep.dns.most_open <= PARALLEL


def test_the_rate_is_kept(sweep):
    """In any second: what the bucket gives, what it may hold, and what
    this server may have let wait."""
    times = [q.time for q in sweep.log]
    start = 0
    for end, now in enumerate(times):
        while times[start] < now - 1:
            start += 1
        assert end - start + 1 <= RATE * 1.05 + 2 * PARALLEL, now


def test_the_rounds_of_the_lists_are_spread(sweep):
    """The first sweep asks all at once, the second has the interval."""
    second = sorted(rounds(sweep.log, zone)[1][0].time
        for zone in ZONES[:5])
    assert second[-1] - second[0] >= INTERVAL * 4 / len(ZONES) * 0.8


def test_a_second_look_does_not_wait_for_the_others(sweep):
    """Thousands of questions are before it, and all can wait."""
    looks = [q.time for q in sweep.log if q.zone == ZONES[9] and
        q.subject == LISTED]
    text = [q.time for q in sweep.log if q.zone == ZONES[9] and
        q.type == "TXT"]
    assert len(looks) >= 3 and len(text) == 1   # two looks and the text
    between = [q for q in sweep.log if looks[0] < q.time < text[0]]
    assert len(between) < RATE + 2 * PARALLEL
    assert sweep.d.egress("mx9")["state"] == "stopped"


def test_the_volume_is_shown(sweep):
    day = 24 * 3600
    for zone in ZONES[:9]:
        assert sweep.lists[zone]["daily"] == QUESTIONS * day // INTERVAL
    assert sweep.lists[ZONES[9]]["daily"] == QUESTIONS * 24
    out = sweep.d.must("lists")
    for number in (QUESTIONS * day // INTERVAL, QUESTIONS * 24):
        assert re.search(r"\b%d\b" % number, out), out


def test_a_list_is_not_asked_more_often_than_it_wants(sweep):
    assert len([q for q in sweep.dns.zones[ZONES[9]].queries(
        ADDRESSES[0])]) == 1


def test_a_broken_limit_is_warned_about(sweep):
    lines = sweep.d.logged("questions a day")
    assert len(lines) == 1 and ZONES[1] in lines[0], lines
    assert "1000000" in lines[0] and "interval" in lines[0]
    out = " ".join(sweep.d.must("lists").split())
    assert "%s: %d questions a day are more than the 1000000" % (ZONES[1],
        sweep.lists[ZONES[1]]["daily"]) in out
    assert sweep.lists[ZONES[1]]["limit"] == 1000000


def test_an_operator_who_hurries_is_not_warned_before(brake, dns, bl):
    """Within the limit: no word."""
    d = brake(lists=[catalogue_list("bl.test", kinds=["ipv4"],
        limit=400)], settings={"check": {"interval": "15m"}})
    d.wait_health("usable")
    assert not d.logged("questions a day")
    row, = json.loads(d.must("lists", "--json"))
    assert row["daily"] == 4 * 96
