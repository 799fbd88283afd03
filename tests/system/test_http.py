"""The status page, /status.json, /metrics and /healthz, asked over HTTP."""

import http.client
import json
import socket

import pytest

from harness.place import wait_for

PORT = 9845
WHERE = "inet:127.0.0.1:%d" % PORT


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()
        self.text = self.body.decode("ascii")


def get(path="/", method="GET", timeout=10, **headers):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        c.request(method, path, headers=headers)
        return Answer(c.getresponse())
    finally:
        c.close()


@pytest.fixture
def site(brake):
    def make(settings=None, **options):
        settings = dict(settings or {})
        settings["listen"] = {"http": WHERE, **settings.get("listen", {})}
        return brake(settings=settings, **options)
    return make


def test_what_is_there(site):
    d = site()
    for path, kind in (("/", "text/html"), ("/status.json",
        "application/json"), ("/metrics", "text/plain; version=0.0.4"),
        ("/healthz", "text/plain")):
        a = get(path)
        assert a.status == 200, path
        assert a.headers["content-type"].startswith(kind), path
        assert a.headers["cache-control"] == "no-store"
    assert get("/healthz").text == "ok\n"
    mine, told = d.status(), json.loads(get("/status.json").text)
    assert set(mine) == set(told)
    print(get("/").text)
    print(get("/metrics").text)
