"""A list is asked no faster than its row allows."""

from harness.daemon import catalogue_list

ADDRESSES = ["203.0.113.%d" % n for n in range(1, 13)]


def make(brake, **row):
    return brake(lists=[catalogue_list("bl.test", **row)], egress=({
        "name": "mx1", "addresses": ADDRESSES},),
        settings={"check": {"interval": "10s"}})


def first_asked(bl):
    """When each of the addresses was asked about first."""
    times = {}
    for q in bl.queries():
        if q.subject in ADDRESSES:
            times.setdefault(q.subject, q.time)
    return sorted(times.values())


def test_the_rate_of_a_list_spreads_its_questions(brake, bl):
    d = make(brake, rate=5)
    d.wait_health("usable", timeout=15)
    times = first_asked(bl)
    assert len(times) == len(ADDRESSES)
    # Five at once, five a second later, and the last two after another.
    assert times[5] - times[0] > 0.8 and times[10] - times[5] > 0.8


def test_without_a_rate_all_are_asked_at_once(brake, bl):
    make(brake).wait_health("usable")
    times = first_asked(bl)
    assert len(times) == len(ADDRESSES) and times[-1] - times[0] < 0.8


def test_a_reload_in_the_middle_of_a_slow_round_harms_nothing(brake, bl):
    bl.add(ADDRESSES[-1])
    d = make(brake, rate=2)
    bl.wait_query(ADDRESSES[0], since=0)
    d.reload()
    d.wait_log("read again")
    d.wait_state("stopped", timeout=30)
