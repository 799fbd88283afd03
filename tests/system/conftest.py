"""Fixtures: a place, and servers in it that end with the test."""

import signal

import pytest

from harness import daemon as daemon_module
from harness.daemon import Daemon
from harness.dns import Dns
from harness.place import WORK, Place
from harness.postfix import Postfix
from harness.redisserver import Redis
from harness.sink import Sink


def pytest_configure(config):
    # Whatever a shell runs in the background ignores it, and so would all
    # that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "heavy: takes a minute, and both "
        "processors")
    config.addinivalue_line("markers", "threads: also run with the daemon "
        "built with -fsanitize=thread")
    if not WORK.is_dir():
        raise pytest.UsageError(
            "start the system tests with tests/system/run (as root)")


def pytest_report_header(config):
    return "mailbraked: %s%s" % (daemon_module.MAILBRAKED,
        "" if daemon_module.MAILBRAKED.exists() else " (not built)")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    places = {id(p): p for p in (v if isinstance(v, Place) else
        getattr(v, "place", None) for v in
        getattr(item, "funcargs", {}).values()) if p is not None}
    for place in places.values():
        for title, text in place.reports():
            report.sections.append((title, text))


def _place(request):
    p = Place(request.node.name)
    yield p
    complaints = p.close()
    if complaints:
        pytest.fail("\n".join(text for _, text in complaints))


place = pytest.fixture(_place)
# For many claims about one daemon that does all at once.
module_place = pytest.fixture(_place, scope="module",
    name="module_place")


@pytest.fixture
def dns(place):
    """A resolver that knows one healthy list, bl.test."""
    server = place.add(Dns())
    server.list("bl.test")
    return server


@pytest.fixture
def bl(dns):
    return dns.zones["bl.test"]


@pytest.fixture
def brake(place, dns):
    """brake(settings={}, lists=[], ...) starts a mailbraked that asks dns.
    start=False only makes it."""
    def make(start=True, **options):
        options.setdefault("dns", dns)
        d = Daemon(place, **options)
        return d.start() if start else d
    return make


@pytest.fixture
def redis(place):
    return Redis(place)


@pytest.fixture
def sink(place):
    return place.add(Sink())


@pytest.fixture
def postfix(place, sink):
    """postfix(main={}, listeners={}, ...) starts a private Postfix; with a
    daemon as first argument, one that asks it, by its milter on the
    listener "milter" and by its policy service on "policy"."""
    def make(daemon=None, main=None, **options):
        main = dict(main or {})
        if daemon is not None and "listeners" not in options:
            options["listeners"] = {}
            if "milter" in daemon.settings["listen"]:
                options["listeners"]["milter"] = {
                    "smtpd_milters": "unix:%s" % daemon.milter}
                main.setdefault("non_smtpd_milters",
                    "unix:%s" % daemon.milter)
            if "policy" in daemon.settings["listen"]:
                options["listeners"]["policy"] = {
                    "smtpd_recipient_restrictions":
                    "check_policy_service unix:%s, permit_mynetworks, reject"
                    % daemon.policy}
        return Postfix(place, sink, main=main, **options)
    return make
