"""Who may ask: with a password or without, from which host, and from which page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from support.running import Serve
from support.web import TOKEN, Stream, Web, begin, running

OWN = "http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with running(AUDIOSOCKET_WEB_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture(scope="module")
def own() -> Iterator[Web]:
    """One without a password, for this machine."""
    with running() as started:
        yield started


EVERYTHING = ("/", "/api/calls", "/api/calls/0-1", "/api/calls/0-1/sound", "/api/events", "/api/ended",
              "/api/openapi.json", "/calls/x", "/recordings/x/y.wav", "/metrics", "/assets/live.js",
              "/nothing")  # fmt: skip


def test_without_the_password_nothing_is_told(web: Web) -> None:
    for path in EVERYTHING:
        answer = web.ask(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert set(answer.json) == {"error"}, path
    assert web.ask("/api/calls/0-1/hangup", "POST").status == 401
    assert web.ask("/healthz").status == 200


def test_the_password_is_taken_as_a_bearer_token_and_in_basic_authentication(web: Web) -> None:
    assert web.ask("/api/calls", Authorization=f"Bearer {TOKEN}").status == 200
    assert web.ask("/api/calls", Authorization="Basic eDpjb3JyZWN0IGhvcnNl").status == 200
    for wrong in ("Bearer x", "Basic !!", f"Digest {TOKEN}", TOKEN):
        assert web.ask("/api/calls", Authorization=wrong).status == 401


def test_who_tries_too_many_passwords_waits_even_with_the_right_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_WEB_TOKEN", TOKEN)
    web = begin(serve)
    for _ in range(5):
        assert web.ask("/api/calls", Authorization="Bearer wrong").status == 401
    answer = web.ask("/api/calls", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 11


def test_a_browser_logs_in_once_and_out(web: Web) -> None:
    answer = web.ask("/", Accept="text/html")
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=/")
    assert b"Password" in web.ask("/login").body
    wrong = web.ask("/login", "POST", "password=wrong")
    assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
    assert b"That is not the password" in wrong.body
    answer = web.ask("/login", "POST", "password=correct+horse&next=/calls/x")
    assert (answer.status, answer.headers["location"]) == (303, "/calls/x")
    cookie, *facts = answer.headers["set-cookie"].split("; ")
    assert {each.lower() for each in facts} >= {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in cookie
    assert web.ask("/", Cookie=cookie).status == 200
    assert web.ask("/api/calls", Cookie=cookie).status == 200
    assert web.ask("/api/calls", Cookie=f"{cookie}x").status == 401
    assert web.ask("/logout", "POST", Cookie=cookie).status == 303
    assert web.ask("/", Cookie=cookie).status == 401


@pytest.mark.parametrize(
    "where", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/a b"]
)
def test_logging_in_leads_to_no_other_site(web: Web, where: str) -> None:
    answer = web.ask("/login", "POST", urlencode({"password": TOKEN, "next": where}))
    assert (answer.status, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_without_a_password_no_name_of_a_host_is_answered(own: Web, host: str) -> None:
    for path in ("/", "/api/calls", "/login", "/healthz"):
        assert own.ask(path, Host=host).status == 403, path


def test_without_a_password_this_machine_may_ask(own: Web) -> None:
    for host in (f"127.0.0.1:{own.port}", f"localhost:{own.port}", f"[::1]:{own.port}"):
        assert own.ask("/api/calls", Host=host).status == 200
    assert own.ask("/login").status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "document"},
    ],
    ids=str,
)
def test_no_page_of_another_site_may_ask(own: Web, headers: dict[str, str]) -> None:
    for path, method in (("/", "GET"), ("/api/calls", "GET"), ("/api/calls/0-1/hangup", "POST"), ("/login", "POST")):
        assert own.ask(path, method, **headers).status == 403, path
    with Stream(own, **headers) as stream:
        assert stream.status == 403


def test_a_link_of_another_site_leads_here_and_our_own_page_may_ask(own: Web) -> None:
    navigation = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert own.ask("/", **navigation).status == 200
    assert own.ask("/login", "POST", **navigation).status == 403
    ours = {"Origin": OWN.format(port=own.port), "Sec_Fetch_Site": "same-origin"}
    assert own.ask("/api/calls/0-1/hangup", "POST", **ours).status == 404


def test_each_answer_keeps_a_browser_from_guessing_framing_and_keeping_it(own: Web) -> None:
    for path in ("/", "/api/calls", "/nothing", "/login", "/assets/live.js", "/healthz"):
        headers = own.ask(path).headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store"), path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert "server" not in headers
