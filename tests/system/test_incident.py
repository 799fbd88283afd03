"""The record of an incident: opened by a listing, kept over a restart, its
steps ticked by a person, closed by the return to normal."""

import json

from harness.place import wait_for

ADDRESS = "203.0.113.1"


def incident(daemon, *args):
    return json.loads(daemon.must("incident", "--json", *args))["incident"]


def steps(daemon):
    return {s["step"]: s["state"] for s in incident(daemon)["steps"]}


def listed(brake, bl, **settings):
    daemon = brake(settings=settings)
    daemon.wait_health("usable")
    bl.add(ADDRESS, txt="spam seen, case 4711")
    daemon.wait_state("stopped")
    wait_for(lambda: incident(daemon)["listings"][0]["text"], 5)
    return daemon


def test_nothing_happened(bl, brake):
    daemon = brake()
    assert incident(daemon) is None
    assert "There is no incident" in daemon.must("incident")
    assert "nothing to ask for" in daemon.must("delist")
    status, _, said = daemon.cli("incident", "--cause", "x")
    assert status == 1
    assert "there is no incident" in said


def test_the_steps_in_their_order(bl, brake):
    daemon = listed(brake, bl)
    assert steps(daemon) == {"stopped": "done", "lists": "done",
        "cause": "next", "removed": "open", "asked": "open",
        "resumed": "open"}
    now = incident(daemon)
    assert now["closed"] is None and now["stopped"] is not None
    (listing,) = now["listings"]
    assert listing["subject"] == ADDRESS and listing["zone"] == "bl.test"
    assert listing["text"] == "spam seen, case 4711"
    text = " ".join(line["text"] for line in now["lines"])
    assert "seen, not confirmed yet" in text and "-> stopped" in text
    daemon.must("incident", "--cause", "account bob was stolen")
    assert steps(daemon)["cause"] == "done"
    assert steps(daemon)["removed"] == "next"
    daemon.must("incident", "--removed", "password changed")
    daemon.must("delist", "bl.test", "--asked")
    assert steps(daemon) == {"stopped": "done", "lists": "done",
        "cause": "done", "removed": "done", "asked": "done",
        "resumed": "next"}
    said = daemon.must("incident")
    for words in ("Incident 1, open", "[done] 3. Find the cause",
        "account bob was stolen", "password changed", "[NEXT] 6."):
        assert words in said, said
    bl.remove(ADDRESS)
    daemon.wait_state("sending", timeout=20)
    wait_for(lambda: incident(daemon)["closed"], 5)
    assert set(steps(daemon).values()) == {"done"}
    assert incident(daemon)["listings"][0]["gone"] is not None
    assert "Incident 1, over" in daemon.must("incident", "1")
    assert daemon.cli("incident", "7")[0] == 1
    assert daemon.cli("incident", "x")[0] == 2


def test_words_to_paste(bl, brake):
    daemon = listed(brake, bl)
    said = daemon.must("delist")
    assert "Please remove %s from bl.test." % ADDRESS in said
    assert "spam seen, case 4711" in said
    assert "We have sent no mail from it since" in said
    assert "First: remove the cause" in said
    daemon.must("incident", "--cause", "a form without a captcha")
    daemon.must("incident", "--removed", "the form is closed")
    said = daemon.must("delist", "BL.test")
    assert "The cause: a form without a captcha." in said
    assert "It is removed: the form is closed." in said
    assert "First: remove the cause" not in said
    assert "Asked:" not in said and "not yet" not in said
    status, _, said = daemon.cli("delist", "other.test")
    assert status == 1 and "no listing" in said
    status, said, _ = daemon.cli("delist", "other.test", "--json")
    assert status == 1 and json.loads(said) == []
    (listing,) = json.loads(daemon.must("delist", "bl.test", "--json"))
    assert listing["asked"] is None
    daemon.must("delist", "--asked")
    (listing,) = json.loads(daemon.must("delist", "--json"))
    assert listing["asked"]["at"]
    assert "Asked: by" in daemon.must("delist")


def test_without_a_listing_there_is_nothing_to_ask_for(bl, brake):
    daemon = brake()
    daemon.wait_health("usable")
    assert "nothing to ask for" in daemon.must("delist")
    assert json.loads(daemon.must("delist", "--json")) == []
    status, _, said = daemon.cli("delist", "bl.test")
    assert status == 1 and "incident" not in said


def test_a_restart_keeps_the_record(bl, brake):
    daemon = listed(brake, bl)
    daemon.must("incident", "--cause", "a web form")
    before = incident(daemon)
    daemon.restart("kill9")
    daemon.wait_state("stopped")
    after = incident(daemon)
    for key in ("id", "opened", "stopped", "cause", "listings"):
        assert after[key] == before[key], key
    assert [line["text"] for line in before["lines"]] == \
        [line["text"] for line in after["lines"]][:len(before["lines"])]


def test_mail_is_counted(bl, brake, postfix):
    daemon = listed(brake, bl)
    pf = postfix(daemon)
    for n in range(3):
        assert pf.send("ann@example.org", "bob@remote.test",
            on="policy").code == 451
    # What came last is not forgotten by a restart either.
    daemon.restart()
    daemon.wait_state("stopped")
    assert incident(daemon)["refused"] == 3
    assert pf.send("ann@example.org", "bob@remote.test",
        on="policy").code == 451
    wait_for(lambda: incident(daemon)["refused"] == 4, 15)


def test_a_second_listing_after_the_first(bl, brake):
    daemon = listed(brake, bl)
    bl.remove(ADDRESS)
    wait_for(lambda: incident(daemon)["closed"], 20)
    bl.add(ADDRESS)
    wait_for(lambda: incident(daemon)["id"] == 2, 20)
    assert incident(daemon)["closed"] is None
    assert incident(daemon, "1")["closed"] is not None
