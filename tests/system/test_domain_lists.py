"""Lists of domains: they brake the mail of the listed domain alone, or the
egress that greets with it."""

import collections
import contextlib
import re
import time

import pytest

from harness.clients import Milter, Policy, ask
from harness.daemon import Daemon, catalogue_list, run_daemon
from harness.dns import Dns
from harness.place import Timeout, wait_for

# As the DBL, with the codes that mean a site was broken into.
ABUSED = (
    {"code": "127.0.1.2", "means": "listed", "name": "spam"},
    {"code": "127.0.1.4-127.0.1.6", "means": "listed", "name": "phishing"},
    {"code": "127.0.1.102-127.0.1.106", "means": "grey", "name": "abused"},
    {"code": "127.0.1.255", "means": "refused", "name": "no domain"},
)
BITS = (
    {"bits": 1, "means": "refused", "name": "blocked"},
    {"bits": 2, "means": "listed", "name": "black"},
    {"bits": 4, "means": "grey", "name": "grey"},
    {"bits": 64, "means": "listed", "name": "abuse"},
)
# So long that a registered domain of 63 letters does not fit before it.
LONG = ".".join(["l" * 60] * 3) + ".test"
LISTS = [
    catalogue_list("dbl.test", kinds=["domains"], answers=ABUSED),
    catalogue_list("bits.test", 50, kinds=["domains"], answers=BITS),
    catalogue_list("other.test", 50, kinds=["domains"], answers=BITS,
        test={"domain": "2.0.0.127"}),
    catalogue_list("odd.test", 50, kinds=["domains"],
        test={"domain": "_DNSBL_.test", "domain_clean": "_DNSBLNEG_.test"}),
    catalogue_list(LONG, 50, kinds=["domains"]),
    catalogue_list("bl.test", kinds=["ipv4"]),
]

# name: (what is asked, {zone: codes}, state, score)
Domain = collections.namedtuple("Domain", "asked entries state score")
STOPS, PASSES = "stopped", "sending"
DOMAINS = {
    "listed.example": Domain("listed.example",
        {"dbl.test": "127.0.1.2"}, STOPS, 100),
    "phishing.example": Domain("phishing.example",
        {"dbl.test": "127.0.1.5"}, STOPS, 100),
    # Abused, but legitimate: a warning.
    "hacked.example": Domain("hacked.example",
        {"dbl.test": "127.0.1.102"}, PASSES, 0),
    "redirector.example": Domain("redirector.example",
        {"dbl.test": "127.0.1.103"}, PASSES, 0),
    "worse.example": Domain("worse.example",
        {"dbl.test": ["127.0.1.104", "127.0.1.4"]}, STOPS, 100),
    "unknown.example": Domain("unknown.example",
        {"dbl.test": "127.0.1.77"}, PASSES, 0),
    "form.example": Domain("form.example",
        {"dbl.test": "127.0.1.255"}, PASSES, 0),
    "address.example": Domain("address.example",
        {"dbl.test": "127.0.0.2"}, PASSES, 0),
    "half.example": Domain("half.example",
        {"bits.test": "127.0.0.66"}, PASSES, 50),
    "whole.example": Domain("whole.example", {"bits.test": "127.0.0.64",
        "other.test": "127.0.0.2"}, STOPS, 100),
    "grey.example": Domain("grey.example",
        {"bits.test": "127.0.0.4", "other.test": "127.0.0.4"}, PASSES, 0),
    "blocked.example": Domain("blocked.example",
        {"bits.test": "127.0.0.65", "other.test": "127.0.0.2"}, PASSES, 50),
    "odd.example": Domain("odd.example", {"odd.test": "127.0.0.2",
        "other.test": "127.0.0.2"}, STOPS, 100),
    "clean.example": Domain("clean.example", {}, PASSES, 0),
    # Asked is what was registered.
    "news.shop.example": Domain("shop.example",
        {"dbl.test": "127.0.1.2"}, STOPS, 100),
    "mail.firm.co.uk": Domain("firm.co.uk",
        {"dbl.test": "127.0.1.2"}, STOPS, 100),
    "friend.co.uk": Domain("friend.co.uk", {}, PASSES, 0),
    "user.github.io": Domain("user.github.io", {}, PASSES, 0),
    "b\u00fccher.example": Domain("xn--bcher-kva.example",
        {"dbl.test": "127.0.1.2"}, STOPS, 100),
    "B\u00dcCHER.stra\u00dfe.example": Domain("xn--strae-oqa.example", {},
        PASSES, 0),
    "UPPER.Example.": Domain("upper.example",
        {"dbl.test": "127.0.1.2"}, STOPS, 100),
    "one.same.example": Domain("same.example", {}, PASSES, 0),
    "two.same.example": Domain("same.example", {}, PASSES, 0),
    "x" * 63 + ".example": Domain("x" * 63 + ".example",
        {"bits.test": "127.0.0.2", "other.test": "127.0.0.2"}, STOPS, 100),
}
EGRESS = (
    {"name": "mx1", "addresses": ["203.0.113.1"],
        "hostname": "mx1.clean.example"},
    {"name": "bad", "addresses": ["203.0.113.2"],
        "hostname": "mx2.badname.example"},
    {"name": "deep", "addresses": ["203.0.113.3"],
        "hostname": "MX3.Mail.BadFirm.co.uk."},
    {"name": "hacked", "addresses": ["203.0.113.4"],
        "hostname": "mx4.hackedname.example"},
    {"name": "nameless", "addresses": ["203.0.113.5"]},
    {"name": "sum", "addresses": ["203.0.113.6"],
        "hostname": "mx6.halfname.example"},
)


@pytest.fixture(scope="module")
def dns(module_place):
    dns = module_place.add(Dns())
    for row in LISTS:
        bl = dns.list(row["zone"])
        bl.pulse = "test"
    dns.zones["dbl.test"].test_codes = ["127.0.1.2"]
    for zone, point in (("other.test", "127.0.0.2"),
        ("odd.test", "_dnsbl_.test"), ("bl.test", "127.0.0.2")):
        dns.zones[zone].must_hit = [point]
        dns.zones[zone].pulse = point
    # RFC 5782's point must not be there: that of the list is another.
    dns.zones["odd.test"].add("invalid")
    for domain in DOMAINS.values():
        for zone, codes in domain.entries.items():
            dns.zones[zone].add(domain.asked, codes,
                txt="why %s is here" % domain.asked)
    # Not registered, so not to be asked: a company is not its country.
    for name in ("co.uk", "github.io", "example", "news.shop.example"):
        dns.zones["dbl.test"].add(name, "127.0.1.2")
    dns.zones["dbl.test"].add("badname.example", "127.0.1.2")
    dns.zones["dbl.test"].add("badfirm.co.uk", "127.0.1.2")
    dns.zones["dbl.test"].add("hackedname.example", "127.0.1.106")
    dns.zones["bits.test"].add("halfname.example", "127.0.0.2")
    dns.zones["other.test"].add("halfname.example", "127.0.0.2")
    return dns


@pytest.fixture(scope="module")
def d(module_place, dns):
    d = Daemon(module_place, dns=dns, lists=LISTS, fronts=("milter",
        "policy"), egress=tuple(dict(e, transport=e["name"]) for e in
        EGRESS), settings={"domains": list(DOMAINS), "check": {
        "interval": "1s", "timeout": "1s"}}).start()
    stopped = sum(x.state == STOPS for x in DOMAINS.values())
    # What is missing then is told by the tests below.
    with contextlib.suppress(Timeout):
        wait_for(lambda: len([x for x in d.status()["domains"]
            if x["state"] == "stopped"]) >= stopped and all(e["state"] ==
            "stopped" for e in d.status()["egress"] if e["name"] in ("bad",
            "deep", "sum")), 15, every=0.1)
    now = time.monotonic()
    for row in LISTS:
        dns.zones[row["zone"]].wait_sweeps(1, since=now)
    return d


@pytest.fixture(scope="module")
def status(d):
    return d.status()


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain(d, dns, status, name):
    want = DOMAINS[name]
    seen = status["domains"][list(DOMAINS).index(name)]
    assert seen["asked"] == want.asked
    assert seen["name"].isascii() and seen["name"].islower()
    assert (seen["state"], seen["score"]) == (want.state, want.score), seen
    assert dns.zones["dbl.test"].queries(want.asked)
    for x in seen["listings"]:
        assert x["domain"] == want.asked
        if x["confirmed"]:
            assert x["text"] == "why %s is here" % want.asked


def test_all_lists_can_be_believed(d, status):
    """By test points of several kinds."""
    assert {x["zone"]: x["health"] for x in status["lists"]} == {
        row["zone"]: "usable" for row in LISTS}


@pytest.mark.parametrize("name, kind", [("hacked.example", "grey"),
    ("redirector.example", "grey"), ("unknown.example", "unknown"),
    ("grey.example", "grey"), ("form.example", None),
    ("half.example", "listed")])
def test_what_does_not_stop_is_shown(status, name, kind):
    seen, = [x for x in status["domains"] if x["name"] == name]
    assert {x["kind"] for x in seen["listings"]} == (
        {kind} if kind else set())


def test_only_registered_domains_are_asked(dns, status):
    asked = {q.subject for q in dns.log if q.zone in ("dbl.test",
        "bits.test") and q.type == "A"}
    assert {s for s in asked if not s.startswith("mb-")} == {"test",
        "invalid"} | {x.asked for x in DOMAINS.values()} | {
        "badname.example", "badfirm.co.uk", "hackedname.example",
        "halfname.example"}


def test_names_are_asked_in_a_form_that_dns_has(dns, status):
    for q in dns.log:
        assert re.fullmatch(r"[a-z0-9_.-]+", q.name), q.name
        assert len(q.name) <= 253
        assert max(map(len, q.name.split("."))) <= 63


def test_a_name_that_gets_too_long_is_not_asked(dns, status):
    assert dns.zones[LONG].queries("listed.example")
    assert not [q for q in dns.zones[LONG].queries() if "xxx" in q.subject]


def test_what_two_domains_share_is_asked_once(dns, status):
    odd = dns.zones["odd.test"]
    asked, rounds = len(odd.queries("same.example")), len(odd.queries(
        "_dnsbl_.test"))
    assert rounds - 2 <= asked <= rounds


def test_lists_of_domains_are_not_asked_about_addresses(dns, status):
    names = [q.name for q in dns.log if q.zone != "bl.test"]
    assert not [n for n in names if n.split(".")[1:4] == ["113", "0",
        "203"] and not n.endswith("in-addr.arpa")]
    assert not [q for q in dns.zones["bl.test"].queries()
        if "example" in q.subject]


# -- the mail

SENDERS = {
    "the domain itself": ("ann@listed.example", "listed.example"),
    "whichever its case": ("Ann@LISTED.Example", "listed.example"),
    "one below it": ("ann@news.listed.example", "listed.example"),
    "far below it": ("ann@a.b.c.listed.example", "listed.example"),
    "with a quoted local part": ('"a@clean.example"@listed.example',
        "listed.example"),
    "the configured sub-domain": ("ann@news.shop.example", "shop.example"),
    "below the configured sub-domain": ("ann@a.news.shop.example",
        "shop.example"),
    "a name of two labels below a country": ("ann@mail.firm.co.uk",
        "firm.co.uk"),
    "an A-label": ("ann@xn--bcher-kva.example", "xn--bcher-kva.example"),
    "a U-label": ("ann@b\u00fccher.example", "xn--bcher-kva.example"),
    "a U-label in capitals": ("ann@B\u00dcCHER.example",
        "xn--bcher-kva.example"),
    "below a U-label": ("ann@neu.b\u00fccher.example",
        "xn--bcher-kva.example"),
    "with a dot at the end of the setting": ("ann@upper.example",
        "upper.example"),
    "with a dot at the end": ("ann@listed.example.", "listed.example"),

    "another domain": ("ann@clean.example", None),
    "a domain that nobody watches": ("ann@somewhere.example", None),
    "one that ends in the same letters": ("ann@unlisted.example", None),
    "one above it": ("ann@example", None),
    "the domain as a local part": ("listed.example@clean.example", None),
    "the domain as a first label": ("ann@listed.example.clean.example",
        None),
    "a warning only": ("ann@hacked.example", None),
    "half of a stop": ("ann@half.example", None),
    "above the configured sub-domain": ("ann@shop.example", None),
    "beside the configured sub-domain": ("ann@old.shop.example", None),
    "nobody, as of a bounce": ("", None),
    "a bare name": ("root", None),
}


@pytest.mark.parametrize("who", SENDERS)
def test_a_sender_by_the_policy_service(d, who):
    sender, domain = SENDERS[who]
    with Policy(d.policy) as p:
        answer = p.ask(sender=sender)
    if domain is None:
        assert answer == "DUNNO"
    else:
        assert answer.startswith("451 4.7.1 ")
        assert "%s is listed by" % domain in answer


@pytest.mark.parametrize("who", SENDERS)
def test_a_sender_by_the_milter(d, who):
    sender, domain = SENDERS[who]
    with Milter(d.milter) as m:
        m.mail(sender)
        answer, text = m.rcpt("bob@example.net")
        assert (answer == "reply") == (domain is not None), text
        if domain is not None:
            assert text.startswith("451 4.7.1 ") and domain in text


def test_local_mail_of_a_listed_domain_passes(d):
    assert ask(d, sender="ann@listed.example",
        recipient="joe@local.test") == "DUNNO"
    with Milter(d.milter) as m:
        m.mail("ann@listed.example")
        assert m.rcpt("joe@local.test", mailer="local")[0] == "continue"


def test_a_listed_domain_is_stopped_whichever_way_it_goes(d):
    with Milter(d.milter) as m:
        for mailer in ("mx1", "nameless", "hacked"):
            m.mail("ann@listed.example")
            assert m.rcpt("bob@example.net", mailer=mailer)[0] == "reply"
            m.abort()
            m.mail("ann@clean.example")
            assert m.rcpt("bob@example.net", mailer=mailer)[0] == \
                "continue"
            m.abort()


def test_explain_names_the_domain(d):
    out = " ".join(d.must("explain", "ann@listed.example",
        "bob@example.net").split())
    for words in ("listed.example", "dbl.test", "127.0.1.2", "451 4.7.1"):
        assert words in out, out
    out = " ".join(d.must("explain", "ann@hacked.example",
        "bob@example.net").split())
    assert "pass" in out


def test_status_names_the_domain_and_the_warning(d):
    out = d.must("status")
    assert "listed.example" in out and "hacked.example" in out
    assert max(map(len, out.splitlines())) <= 80, out
    assert "xn--bcher-kva.example" in out


# -- the name in the greeting

@pytest.mark.parametrize("name, state, score", [
    ("mx1", PASSES, 0), ("bad", STOPS, 100), ("deep", STOPS, 100),
    ("hacked", PASSES, 0), ("nameless", PASSES, 0), ("sum", STOPS, 100)])
def test_an_egress_and_the_domain_of_its_name(status, name, state, score):
    e, = [e for e in status["egress"] if e["name"] == name]
    assert (e["state"], e["score"]) == (state, score), e


def test_mail_through_an_egress_with_a_listed_name_is_stopped(d):
    with Milter(d.milter) as m:
        m.mail("ann@clean.example")
        answer, text = m.rcpt("bob@example.net", mailer="bad")
        assert answer == "reply" and "badname.example is listed by" in text
        m.abort()
        m.mail("ann@clean.example")
        assert m.rcpt("bob@example.net", mailer="mx1")[0] == "continue"


# -- in time: each has a mailbraked of its own

QUICK = {"interval": "100ms", "confirm_delay": "50ms", "timeout": "300ms"}


@pytest.fixture
def dbl(dns_of_test):
    bl = dns_of_test.list("dbl.test")
    bl.pulse = "test"
    return bl


@pytest.fixture
def dns_of_test(place):
    return place.add(Dns())


@pytest.fixture
def watched(place, dns_of_test, dbl):
    """Two domains, both listed, and one that is not watched."""
    for name in ("one.example", "two.example"):
        dbl.add(name)
    d = Daemon(place, dns=dns_of_test, lists=[catalogue_list("dbl.test",
        kinds=["domains"])], settings={"check": QUICK, "domains": [
        "one.example", "two.example"]}).start()
    wait_for(lambda: [x["state"] for x in d.status()["domains"]] ==
        ["stopped"] * 2, 10, "both domains stopped")
    return d


def domain_state(d, name):
    return [x["state"] for x in d.status()["domains"] if x["name"] == name][0]


def test_a_domain_that_is_clean_again_sends_again(watched, dbl):
    dbl.remove("one.example")
    wait_for(lambda: domain_state(watched, "one.example") == "sending", 10)
    assert ask(watched, sender="ann@one.example") == "DUNNO"
    assert ask(watched, sender="ann@two.example").startswith("451 ")
    watched.wait_log("one.example.*sending")


def test_a_list_that_cannot_be_seen_does_not_release_a_domain(watched, dbl):
    dbl.remove("one.example")
    dbl.mode = "nodata"
    watched.wait_health("blind", "dbl.test")
    dbl.wait_sweeps(3)
    assert ask(watched, sender="ann@one.example").startswith("451 ")


def test_an_operators_word_for_a_listed_domain(watched):
    watched.must("send", "mx1")
    assert ask(watched, sender="ann@one.example").startswith("451 "), \
        "the egress may send, the domain may not"
    watched.must("send", "domain:one.example")
    assert ask(watched, sender="ann@one.example") == "DUNNO"
    assert ask(watched, sender="ann@two.example").startswith("451 ")
    watched.must("auto", "domain:one.example")
    assert ask(watched, sender="ann@one.example").startswith("451 ")


@pytest.mark.parametrize("sender", ["xn--bcher-kva.example",
    "b\u00fccher.example", "neu.B\u00dcCHER.example"])
def test_an_operators_word_for_an_international_domain(watched, sender):
    watched.must("stop", "domain:xn--bcher-kva.example")
    assert ask(watched, sender="ann@" + sender).startswith("451 ")
    watched.must("auto", "domain:xn--bcher-kva.example")
    assert ask(watched, sender="ann@" + sender) == "DUNNO"


def test_a_stopped_domain_stays_stopped_over_a_restart(watched, dbl):
    wait_for(lambda: watched.state_path.exists() and
        watched.state_path.read_text().count('"stopped"') >= 2, 5,
        "both domains in the state file")
    dbl.mode = "silent"
    watched.restart("kill9")
    assert ask(watched, sender="ann@one.example").startswith("451 ")
    dbl.wait_sweeps(2)
    assert ask(watched, sender="ann@one.example").startswith("451 ")
    assert ask(watched, sender="ann@three.example") == "DUNNO"


def test_a_domain_that_is_no_longer_configured_is_forgotten(watched):
    watched.write_conf({"domains": ["two.example"]})
    watched.must("reload")
    assert ask(watched, sender="ann@one.example") == "DUNNO"
    assert ask(watched, sender="ann@two.example").startswith("451 ")


def test_a_domain_list_that_lists_the_world_is_found(place, dns_of_test,
    dbl):
    """INVALID is listed too."""
    dbl.behave("invalid", "world")
    dbl.add("one.example")
    d = Daemon(place, dns=dns_of_test, lists=[catalogue_list("dbl.test",
        kinds=["domains"])], settings={"check": QUICK,
        "domains": ["one.example"]}).start()
    d.wait_health("broken", "dbl.test")
    dbl.wait_sweeps(2)
    assert domain_state(d, "one.example") == "sending"


def test_a_domain_list_without_its_test_entry_is_blind(place, dns_of_test,
    dbl):
    dbl.must_hit = []
    dbl.add("one.example")
    d = Daemon(place, dns=dns_of_test, lists=[catalogue_list("dbl.test",
        kinds=["domains"])], settings={"check": QUICK,
        "domains": ["one.example"]}).start()
    d.wait_health("blind", "dbl.test")
    dbl.wait_sweeps(2)
    assert domain_state(d, "one.example") == "sending"


@pytest.mark.parametrize("name, complaint", [
    ("a..example", "empty label"), ("a b.example", "character"),
    ("y" * 64 + ".example", "63"), ("example", "no domain"),
    (".".join(["z" * 60] * 5), "long")])
def test_what_is_no_domain_is_refused(place, name, complaint):
    d = Daemon(place, settings={"domains": [name]}, lists=[])
    rc, out, err = run_daemon("-t", "-c", d.conf_path)
    assert rc != 0 and "domains" in err and complaint in err, err
