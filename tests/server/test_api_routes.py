"""What the API answers, over a real connection, from a list of calls that the test tells what happens."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_server import HttpServer
from audiosocket_cli.net.listen import bind
from audiosocket_cli.server import api_routes
from audiosocket_cli.server.api import Gatekeeper
from audiosocket_cli.server.api_routes import MAX_LISTED, parse_form
from audiosocket_cli.server.call_list import CallList, Key, ListedCall
from support.peers import get

UUID = "11111111-2222-4333-8444-555555555555"
OTHER = "11111111-2222-4333-8444-666666666666"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TWILIO = "/2010-04-01/Accounts/AC1/Calls/{}.json"


class Desk:
    """An API whose calls' process is the test: it takes orders on a loop of its own, and does as told."""

    def __init__(self, token: str = "") -> None:
        self.calls = CallList()
        self.orders: list[tuple[Key, str | None, bool]] = []
        self.takes_orders = True
        why_not = Gatekeeper(token).why_not
        routes = {**api_routes.call_routes(self.calls, why_not), **api_routes.twilio_routes(self.calls, why_not)}
        (listener,) = bind(Address("127.0.0.1", 0))
        self.port = int(listener.getsockname()[1])
        HttpServer([listener], routes)
        self._stop = threading.Event()
        attached = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(attached)))
        self._thread.start()
        assert attached.wait(60)

    def begin(self, number: int = 1, uuid: str = UUID, call_sid: str | None = None) -> None:
        facts = {"uuid": uuid, "peer": "192.0.2.1:5060", "started_at": "2026-11-30T02:52:04.000+00:00"}
        self.calls.take(0, {"call": number, "began": {**facts, "call_sid": call_sid}})

    def end(self, number: int = 1, result: str | None = None) -> None:
        facts = {"duration_s": 2.5, "ended_by": "server", "ended_how": "hangup", "ended_reason": "the program hung up"}
        self.calls.take(0, {"call": number, "ended": {**facts, "result": result}})

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    async def _run(self, attached: threading.Event) -> None:
        self.calls.attach(self._order)
        attached.set()
        while not self._stop.is_set():
            await asyncio.sleep(0.005)

    def _order(self, key: Key, result: str | None, by_bot: bool) -> None:
        self.orders.append((key, result, by_bot))
        if self.takes_orders:
            if result is not None:
                self.calls.take(0, {"call": key[1], "result": result})
            self.calls.take(0, {"call": key[1], "ending": True})


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_routes, "RESULT_WAIT_S", 60.0)
    monkeypatch.setattr(api_routes, "ORDER_TIMEOUT_S", 60.0)


waits_long = pytest.mark.usefixtures("_patient")
"""The API waits for longer than who asks it: for 20 s."""


def later(seconds: float, *args: object) -> threading.Timer:
    timer = threading.Timer(seconds, *args)  # type: ignore[arg-type]
    timer.start()
    return timer


def get_json(desk: Desk, path: str, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, object]:
    status, text = get(desk.port, path, method, body, **headers)
    return status, json.loads(text)


# What goes on.


def test_live_calls_are_listed_and_one_is_found_by_its_uuid_also_after_its_end(desk: Desk) -> None:
    assert get_json(desk, "/calls") == (200, {"schema": "audiosocket.api/1", "count": 0, "calls": []})
    desk.begin()
    desk.begin(2, OTHER)
    status, listed = get_json(desk, "/calls")
    assert isinstance(listed, dict)
    assert (status, listed["count"], [call["uuid"] for call in listed["calls"]]) == (200, 2, [UUID, OTHER])
    assert set(listed["calls"][0]) == {"uuid", "state", "peer", "started_at", "duration_s", "result"}
    desk.end(1, "sales")
    assert get_json(desk, f"/calls/{UUID.upper()}") == (
        200,
        {
            "schema": "audiosocket.api/1", "uuid": UUID, "state": "ended", "peer": "192.0.2.1:5060",
            "started_at": "2026-11-30T02:52:04.000+00:00", "duration_s": 2.5, "result": "sales",
            "ended_by": "server", "ended_how": "hangup", "ended_reason": "the program hung up",
        },
    )  # fmt: skip
    assert get_json(desk, "/calls")[1]["count"] == 1  # type: ignore[index]


def test_an_answer_has_a_bound(desk: Desk) -> None:
    for number in range(MAX_LISTED + 10):
        desk.begin(number, f"{number:036d}")
    _, listed = get_json(desk, "/calls")
    assert isinstance(listed, dict)
    assert (listed["count"], len(listed["calls"])) == (MAX_LISTED + 10, MAX_LISTED)


@pytest.mark.parametrize("uuid", ["x", "1", UUID[:-1], UUID + "0", "z" * 36, "{" + UUID[1:-1] + "}", "%7B" * 12])
def test_what_is_not_a_uuid_is_told_so_and_where_a_result_is_asked_for_with_nothing_else(desk: Desk, uuid: str) -> None:
    told = (400, "bad request: that is not a UUID of 36 characters\n")
    assert get(desk.port, f"/calls/{uuid}") == told
    assert get(desk.port, f"/calls/{uuid}/hangup", "POST") == told
    assert get(desk.port, f"/calls/{uuid}/result") == (400, "")


def test_a_call_that_nobody_knows_is_not_found(desk: Desk) -> None:
    assert get(desk.port, f"/calls/{UUID}") == (404, f"not found: there is no call {UUID}\n")
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST") == (404, f"not found: there is no call {UUID}\n")
    assert get(desk.port, f"/calls/{UUID}/result") == (404, "")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/calls", "GET, HEAD"), ("DELETE", f"/calls/{UUID}", "GET, HEAD"),
     ("GET", f"/calls/{UUID}/hangup", "POST"), ("PUT", f"/calls/{UUID}/result", "GET, HEAD"),
     ("GET", TWILIO.format("CA1"), "POST")],
)  # fmt: skip
def test_a_wrong_method_is_told_the_right_one(desk: Desk, method: str, path: str, allowed: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    connection.close()


# Results.


def test_a_result_is_the_whole_body_while_the_call_goes_on_and_after_it(desk: Desk) -> None:
    desk.begin()
    desk.calls.take(0, {"call": 1, "result": "K\u00f6ln"})
    assert get(desk.port, f"/calls/{UUID}/result") == (200, "K\u00f6ln")
    desk.end(1, "K\u00f6ln")
    assert get(desk.port, f"/calls/{UUID}/result") == (200, "K\u00f6ln")
    assert get(desk.port, f"/calls/{UUID}/result", "HEAD") == (200, "")


@waits_long
def test_a_call_that_ended_without_a_result_has_none_at_once(desk: Desk) -> None:
    desk.begin()
    desk.end()
    assert get(desk.port, f"/calls/{UUID}/result") == (204, "")


@waits_long
@pytest.mark.parametrize("how", ["result", "end"])
def test_a_call_that_is_about_to_tell_its_result_is_waited_for(desk: Desk, how: str) -> None:
    desk.begin()
    if how == "result":
        later(0.2, desk.calls.take, (0, {"call": 1, "result": "sales"}))
    else:
        later(0.2, desk.end, (1, "sales"))
    assert get(desk.port, f"/calls/{UUID}/result") == (200, "sales")


def test_a_call_that_goes_on_is_not_waited_for_longer_than_a_second(desk: Desk) -> None:
    desk.begin()
    begun_s = time.monotonic()
    assert get(desk.port, f"/calls/{UUID}/result") == (204, "")
    assert 0.9 < time.monotonic() - begun_s < 15


def test_the_newest_of_calls_with_one_uuid_is_meant(desk: Desk) -> None:
    desk.begin(1)
    desk.end(1, "old")
    desk.begin(2)
    desk.end(2, "new")
    assert get(desk.port, f"/calls/{UUID}/result") == (200, "new")


@waits_long
def test_a_call_that_is_waited_for_is_not_taken_for_a_newer_one_with_its_uuid(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.begin(1)
    look, looks = desk.calls.look, 0

    def look_while_it_goes_on(call: ListedCall) -> ListedCall:
        nonlocal looks
        looks += 1
        if looks == 5:
            desk.begin(2)
        elif looks == 10:
            desk.end(1, "sales")
        return look(call)

    monkeypatch.setattr(desk.calls, "look", look_while_it_goes_on)
    assert get(desk.port, f"/calls/{UUID}/result") == (200, "sales")


# Hanging up.


@pytest.mark.parametrize(("body", "result"), [(None, None), ("", None), ("result=sales+desk", "sales desk"),
                                              ("result=K%C3%B6ln", "K\u00f6ln")])  # fmt: skip
def test_a_call_is_hung_up_with_a_result_or_without(desk: Desk, body: str | None, result: str | None) -> None:
    desk.begin(4)
    status, call = get_json(desk, f"/calls/{UUID}/hangup", "POST", body, **FORM)
    assert isinstance(call, dict)
    assert (status, call["state"], call["result"]) == (200, "ending", result)
    assert desk.orders == [((0, 4), result, False)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("result=", "'' is not a result: it has 1 to 200 printable characters"),
        ("result=a%0Ab", "'a\\nb' is not a result: it has 1 to 200 printable characters"),
        ("result=" + "x" * 201, f"'{'x' * 50}' is not a result: it has 1 to 200 printable characters"),
        ("reason=x", "send nothing, or result=TEXT as a form"),
        ("result=x&more=y", "send nothing, or result=TEXT as a form"),
        ('{"result": "x"}', "send nothing, or result=TEXT as a form"),
        ("result=%FF", "send nothing, or result=TEXT as a form"),
        ("&".join(["result=x"] * 60), "send nothing, or result=TEXT as a form"),
    ],
)
def test_an_order_that_is_not_understood_hangs_up_nobody(desk: Desk, body: str, problem: str) -> None:
    desk.begin()
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST", body) == (400, f"bad request: {problem}\n")
    assert desk.orders == []


def test_a_body_that_is_too_long_is_refused(desk: Desk) -> None:
    desk.begin()
    status, _ = get(desk.port, f"/calls/{UUID}/hangup", "POST", "x" * 10_000)
    assert (status, desk.orders) == (413, [])


def test_a_call_that_has_ended_can_be_hung_up_again_but_gets_no_other_result(desk: Desk) -> None:
    desk.begin()
    desk.end(1, "sales")
    for body in (None, "result=sales"):
        status, call = get_json(desk, f"/calls/{UUID}/hangup", "POST", body)
        assert isinstance(call, dict)
        assert (status, call["state"]) == (200, "ended")
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST", "result=support") == (
        409, "conflict: the call has ended, with the result sales\n",
    )  # fmt: skip
    assert desk.orders == []


def test_of_calls_with_one_uuid_the_newest_that_goes_on_is_hung_up(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.begin(number)
    desk.end(3)
    assert get_json(desk, f"/calls/{UUID}/hangup", "POST", "result=sales")[0] == 200
    assert desk.orders == [((0, 2), "sales", False)]


@waits_long
def test_a_second_hangup_is_answered_once_its_result_is_there(desk: Desk) -> None:
    desk.begin()
    assert get_json(desk, f"/calls/{UUID}/hangup", "POST", "result=sales")[0] == 200
    desk.takes_orders = False
    later(0.2, desk.calls.take, [0, {"call": 1, "result": "support"}])
    status, call = get_json(desk, f"/calls/{UUID}/hangup", "POST", "result=support")
    assert isinstance(call, dict)
    assert (status, call["result"]) == (200, "support")


@waits_long
def test_a_result_that_comes_after_the_end_is_told_to_be_too_late(desk: Desk) -> None:
    desk.begin()
    desk.takes_orders = False
    later(0.2, desk.end, [1, "sales"])
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST", "result=support") == (
        409, "conflict: the call has ended, with the result sales\n",
    )  # fmt: skip


def test_a_process_that_takes_no_orders_is_not_waited_for_for_ever(desk: Desk) -> None:
    desk.begin()
    desk.takes_orders = False
    begun_s = time.monotonic()
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST") == (
        503, "service unavailable: the call's process does not respond; try again\n",
    )  # fmt: skip
    assert 1.5 < time.monotonic() - begun_s < 15
    desk.close()
    assert get(desk.port, f"/calls/{UUID}/hangup", "POST")[0] == 503


# Twilio's way.


def test_a_bot_that_was_made_for_twilio_ends_its_call_by_its_sid(desk: Desk) -> None:
    desk.begin(3, call_sid="CA1")
    for _ in range(2):  # the second time it is ending
        assert get_json(desk, TWILIO.format("CA1"), "POST", urlencode({"Status": "completed"}), **FORM) == (
            200,
            {
                "sid": "CA1", "account_sid": "AC1", "status": "completed", "api_version": "2010-04-01",
                "direction": "inbound", "uri": TWILIO.format("CA1"),
            },
        )  # fmt: skip
    assert desk.orders == [((0, 3), None, True)]
    desk.end(3)
    assert get_json(desk, TWILIO.format("CA1"), "POST", "Status=completed")[0] == 200


@pytest.mark.parametrize(
    ("sid", "body", "status", "code"),
    [
        ("CA2", "Status=completed", 404, 20404),
        (UUID, "Status=completed", 404, 20404),
        ("CA1", "Status=canceled", 400, 20001),
        ("CA1", "Url=http://example.com", 400, 20001),
        ("CA1", None, 400, 20001),
        ("CA1", "%", 400, 20001),
    ],
)
def test_what_twilio_would_refuse_or_we_cannot_do_is_told_as_twilio_tells_it(
    desk: Desk, sid: str, body: str | None, status: int, code: int
) -> None:
    desk.begin(3, call_sid="CA1")
    told, answer = get_json(desk, TWILIO.format(sid), "POST", body)
    assert isinstance(answer, dict)
    assert (told, answer["code"], answer["status"]) == (status, code, status)
    assert isinstance(answer["message"], str)
    assert desk.orders == []


# Who may ask.


def test_with_a_password_each_route_refuses_who_does_not_have_it() -> None:
    guarded = Desk("secret")
    guarded.begin(call_sid="CA1")
    try:
        basic = "Basic " + base64.b64encode(b"anybody:secret").decode()
        for wrong in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic !"}, {"Authorization": "secret"}):
            assert get(guarded.port, "/calls", **wrong)[0] == 401
            assert get(guarded.port, f"/calls/{UUID}", **wrong)[0] == 401
            assert get(guarded.port, f"/calls/{UUID}/result", **wrong) == (401, "")
            assert get(guarded.port, f"/calls/{UUID}/hangup", "POST", **wrong)[0] == 401
            status, text = get(guarded.port, TWILIO.format("CA1"), "POST", "Status=completed", **wrong)
            assert (status, json.loads(text)["code"]) == (401, 20003)
        assert guarded.orders == []
        for right in ("Bearer secret", "bearer  secret", basic, basic.replace("Basic", "basic")):
            assert get(guarded.port, "/calls", Authorization=right)[0] == 200
        assert get(guarded.port, TWILIO.format("CA1"), "POST", "Status=completed", Authorization=basic)[0] == 200
    finally:
        guarded.close()


@pytest.mark.parametrize(
    ("body", "fields"),
    [(b"", {}), (b"a=1&b=", {"a": "1", "b": ""}), (b"a=1&a=2", {"a": "2"}), (b"a", None), (b"\xff", None),
     (b"a=%ff", None), (b"&", None), (b"=", {"": ""})],
)  # fmt: skip
def test_a_form_has_fields_or_is_none(body: bytes, fields: dict[str, str] | None) -> None:
    assert parse_form(body) == fields
