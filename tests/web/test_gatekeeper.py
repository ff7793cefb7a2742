"""Who may ask: with a password or without, from which host, and from which page."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from audiosocket_cli.web import pages
from support.peers import opening
from support.running import Serve
from support.web import TOKEN, Stream, Web, begin, calling, running

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
        assert set(answer.json) == {"schema", "error"}, path
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


def test_a_cookie_is_found_among_odd_ones_of_other_programs_of_this_host(web: Web) -> None:
    cookie = web.ask("/login", "POST", urlencode({"password": TOKEN})).headers["set-cookie"].partition(";")[0]
    for odd in ('a[b]={"c": 1}', "no value", "=", 'x="', "a=" + "\\" * 9000, f"{cookie.partition('=')[0]}x=1"):
        assert web.ask("/api/calls", Cookie=f"{odd}; {cookie}").status == 200, odd
        assert web.ask("/api/calls", Cookie=f"{cookie}; {odd}").status == 200, odd
        assert web.ask("/api/calls", Cookie=odd).status == 401, odd


def test_what_a_session_has_opened_ends_with_it(web: Web) -> None:
    cookie = web.ask("/login", "POST", urlencode({"password": TOKEN})).headers["set-cookie"].partition(";")[0]
    with calling(web), Stream(web, Cookie=cookie) as stream, Stream(web, Authorization=f"Bearer {TOKEN}") as other:
        stream.next("calls")
        web.until("/api/calls", lambda told: told["count"], Authorization=f"Bearer {TOKEN}")
        with web.raw() as listener:
            call = opening()[0]
            path = f"GET /api/calls/{call}/sound HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
            listener.sendall(path.encode())
            assert listener.recv(12) == b"HTTP/1.1 200"
            assert web.ask("/logout", "POST", Cookie=cookie).status == 303
            with contextlib.suppress(ConnectionResetError):
                while listener.recv(65536):
                    pass
        with calling(web, 2):  # an event, so that nobody waits for the heartbeat
            with pytest.raises(AssertionError, match="the stream ended"):
                stream.next("nothing")
            other.next("call")


def test_failures_are_json_of_one_line(web: Web) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    for path, method, status in (("/", "PUT", 405), ("/api/calls", "DELETE", 405), ("/nothing", "GET", 404),
                                 ("/api/calls/0-1/hangup", "GET", 405), ("/api/events", "POST", 405)):  # fmt: skip
        answer = web.ask(path, method, **token)
        assert (answer.status, set(answer.json)) == (status, {"schema", "error"}), path
        assert status != 405 or answer.headers["allow"]


def test_asking_by_head_ends_at_once(own: Web) -> None:
    for path, status in (("/", 200), ("/api/calls", 200), ("/api/events", 405), ("/api/calls/0-1/sound", 404)):
        answer = own.ask(path, "HEAD")
        assert (answer.status, answer.body) == (status, b""), path


def test_a_page_with_an_odd_name_is_found_after_logging_in(web: Web) -> None:
    where = "/calls/a%20b/%C3%A9%3F"
    login = web.ask(where, Accept="text/html").headers["location"]
    form = web.ask(login).body.decode()
    assert f'value="{where}"' in form
    answer = web.ask("/login", "POST", urlencode({"password": TOKEN, "next": where}))
    assert answer.headers["location"] == where


def test_what_strangers_ask_for_is_not_kept() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(300):
            pages.login_page("", f"/{number:0400}")
            pages.asset(f"{number:0400}")
        assert tracemalloc.get_traced_memory()[0] - before < 300_000
    finally:
        tracemalloc.stop()
