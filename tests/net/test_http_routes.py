"""Which handler answers a request: by its path, with parts that have names, and by its method."""

from __future__ import annotations

import pytest

from audiosocket_cli.net.http_routes import Answer, Handler, Request, Router


def says(word: str) -> Handler:
    return lambda request: Answer(200, f"{word} {dict(request.parts)}".encode())


ROUTER = Router({
    "/healthz": says("health"),
    "/calls": {"GET": says("all")},
    "/calls/all": {"GET": says("exactly")},
    "/calls/{uuid}": {"GET": says("one"), "DELETE": says("delete")},
    "/calls/{uuid}/hangup": {"POST": says("hangup")},
    "/A/{account}/Calls/{call}.json": {"POST": says("twilio")},
})  # fmt: skip


def asked(method: str, path: str) -> str:
    found = ROUTER.find(Request(path, "", {}, method))
    if isinstance(found, Answer):
        allowed = [value for name, value in found.headers if name == "Allow"]
        return f"{found.status} {' '.join(allowed)}".strip()
    handler, request = found
    answer = handler(request)
    assert isinstance(answer, Answer)
    return answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/healthz", "health {}"),
        ("OPTIONS", "/healthz", "health {}"),
        ("HEAD", "/healthz", "health {}"),
        ("POST", "/healthz", "405 GET, HEAD, OPTIONS"),
        ("HEAD", "/calls", "all {}"),
        ("OPTIONS", "/calls", "405 GET, HEAD"),
        ("GET", "/calls/all", "exactly {}"),
        ("GET", "/calls/7", "one {'uuid': '7'}"),
        ("DELETE", "/calls/7", "delete {'uuid': '7'}"),
        ("POST", "/calls/7", "405 GET, DELETE, HEAD"),
        ("POST", "/calls/7/hangup", "hangup {'uuid': '7'}"),
        ("HEAD", "/calls/7/hangup", "405 POST"),
        ("GET", "/calls/", "404"),
        ("GET", "/calls/7/", "404"),
        ("GET", "/calls//hangup", "404"),
        ("GET", "/calls/7/hangup/now", "404"),
        ("GET", "", "404"),
        ("POST", "/A/AC1/Calls/CA2.json", "twilio {'account': 'AC1', 'call': 'CA2'}"),
        ("POST", "/A/AC1/Calls/CA2_json", "404"),
        ("POST", "/A/a.b/Calls/x.json.json", "twilio {'account': 'a.b', 'call': 'x.json'}"),
    ],
)
def test_a_request_finds_its_handler_or_why_there_is_none(method: str, path: str, answer: str) -> None:
    assert asked(method, path) == answer


def test_a_path_that_is_not_there_is_told_those_that_are() -> None:
    found = Router({"/a": says("a"), "/b/{c}": says("b")}).find(Request("/", "", {}))
    assert isinstance(found, Answer)
    assert found.body == b"not found: try /a or /b/{c}\n"


def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has() -> None:
    found = ROUTER.find(Request("/calls/7/hangup", "", {}, "GET"))
    assert isinstance(found, Answer)
    assert found.body == b"method not allowed: use POST\n"
