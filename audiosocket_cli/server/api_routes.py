"""The answers of the API: calls in progress, one call, its result, its end; and the route over which a bot made for
Twilio ends its call.

A dialplan's `CURL()` does not see the status, only the body. So the body of a result is the result, or empty. The
answers are made on the loop of the HTTP server. An order to end a call goes to the process that has the call, and is
waited for here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from audiosocket_cli.model import why_no_result
from audiosocket_cli.net.http_routes import TEXT, Answer, Handler, Request, Route, failure
from audiosocket_cli.server.call_list import CallList, ListedCall

SCHEMA: Final = "audiosocket.api/1"

MAX_LISTED: Final = 1000
"""Calls in one answer; `count` says how many there are."""

RESULT_WAIT_S: Final = 1.0
"""How long to wait for the result of a call that goes on: its end may be on the way to us."""

ORDER_TIMEOUT_S: Final = 2.0
"""How long a process may take to take an order."""

_LOOK_S: Final = 0.01
_JSON: Final = ("Content-Type", "application/json")
_AUTHENTICATE: Final = ("WWW-Authenticate", 'Basic realm="audiosocket", charset="UTF-8"')
_UUID_CHARACTERS: Final = 36

WhyNot = Callable[[Request], int | None]
"""Returns the HTTP status for somebody who may not ask, or None."""


def call_routes(calls: CallList, why_not: WhyNot) -> Mapping[str, Route]:
    """Return the routes about calls."""
    of_calls = _CallAnswers(calls)

    def guarded(handler: Handler, refused: Callable[[HTTPStatus], Answer] = _refused) -> Handler:
        return _guarded(handler, why_not, refused)

    return {
        "/calls": {"GET": guarded(of_calls.all)},
        "/calls/{uuid}": {"GET": guarded(of_calls.one)},
        "/calls/{uuid}/result": {"GET": guarded(of_calls.result, _without_body)},
        "/calls/{uuid}/hangup": {"POST": guarded(of_calls.hang_up)},
    }


def twilio_routes(calls: CallList, why_not: WhyNot) -> Mapping[str, Route]:
    """Return the route of Twilio's REST API that ends a call."""
    path = "/2010-04-01/Accounts/{account}/Calls/{call}.json"
    return {path: {"POST": _guarded(_TwilioAnswers(calls).update, why_not, _twilio_refused)}}


def _guarded(handler: Handler, why_not: WhyNot, refused: Callable[[HTTPStatus], Answer]) -> Handler:
    def answer(request: Request) -> Any:
        status = why_not(request)
        return handler(request) if status is None else refused(HTTPStatus(status))

    return answer


class _CallAnswers:
    """Answers about calls, by their UUIDs."""

    def __init__(self, calls: CallList) -> None:
        self._calls = calls

    def all(self, _: Request) -> Answer:
        """Return the calls in progress."""
        count, listed = self._calls.live(MAX_LISTED)
        now_s = self._calls.clock()
        return _json_of({"schema": SCHEMA, "count": count, "calls": [call.as_dict(now_s) for call in listed]})

    def one(self, request: Request) -> Answer:
        """Return one call, in progress or ended recently."""
        call = self._find(request)
        return call if isinstance(call, Answer) else self._shown(call)

    async def result(self, request: Request) -> Answer:
        """Return the result of a call as text; the body never holds anything else."""
        call = self._find(request)
        if isinstance(call, Answer):
            return _without_body(HTTPStatus(call.status))
        waiting = _Waiting(RESULT_WAIT_S)
        while call.result is None and not call.has_ended and await waiting.goes_on():
            call = self._calls.look(call)
        if call.result is None:
            return _without_body(HTTPStatus.NO_CONTENT)
        return Answer(HTTPStatus.OK, call.result.encode())

    async def hang_up(self, request: Request) -> Answer:
        """Hang up a call, and give it a result if one is in the body."""
        call = self._find(request, live_first=True)
        if isinstance(call, Answer):
            return call
        fields = parse_form(request.body)
        if fields is None or fields.keys() - {"result"}:
            return failure(HTTPStatus.BAD_REQUEST, more=": send nothing, or result=TEXT as a form")
        result = fields.get("result")
        problem = None if result is None else why_no_result(result)
        if problem is not None:
            return failure(HTTPStatus.BAD_REQUEST, more=f": {problem}")
        if not call.has_ended:
            ordered = await order_end(self._calls, call, result, by_bot=False)
            if ordered is None:
                return _too_late()
            call = ordered
        if call.has_ended and result not in (None, call.result):
            return failure(HTTPStatus.CONFLICT, more=f": the call has ended, with the result {call.result or 'none'}")
        return self._shown(call)

    def _shown(self, call: ListedCall) -> Answer:
        return _json_of({"schema": SCHEMA, **call.as_dict(self._calls.clock())})

    def _find(self, request: Request, *, live_first: bool = False) -> ListedCall | Answer:
        uuid = uuid_of(request.parts["uuid"])
        if not uuid:
            return failure(HTTPStatus.BAD_REQUEST, more=": that is not a UUID of 36 characters")
        found = self._calls.find_live(uuid) if live_first else self._calls.find(uuid)
        return found or failure(HTTPStatus.NOT_FOUND, more=f": there is no call {uuid}")


class _TwilioAnswers:
    """Answers as Twilio's REST API does, to a bot that ends its call with Status=completed."""

    def __init__(self, calls: CallList) -> None:
        self._calls = calls

    async def update(self, request: Request) -> Answer:
        """End a call once its bot has said what it has to say."""
        fields = parse_form(request.body)
        if fields is None or fields.get("Status", "").lower() != "completed":
            return _twilio_failure(HTTPStatus.BAD_REQUEST, 20001, "only Status=completed is understood, as a form")
        call = self._calls.find(request.parts["call"])
        if call is None or call.call_sid != request.parts["call"]:
            return _twilio_failure(HTTPStatus.NOT_FOUND, 20404, f"The requested resource {request.path} was not found")
        if not call.has_ended and not call.is_ending:
            ordered = await order_end(self._calls, call, None, by_bot=True)
            if ordered is None:
                return _twilio_failure(HTTPStatus.SERVICE_UNAVAILABLE, 20503, "the call's process does not respond")
        return _json_of({
            "sid": call.call_sid, "account_sid": request.parts["account"], "status": "completed",
            "api_version": "2010-04-01", "direction": "inbound", "uri": request.path,
        })  # fmt: skip


def uuid_of(text: str) -> str:
    """Return a UUID of 36 characters as calls have it; empty for anything else."""
    try:
        return str(UUID(text)) if len(text) == _UUID_CHARACTERS else ""
    except ValueError:
        return ""


async def order_end(calls: CallList, call: ListedCall, result: str | None, *, by_bot: bool) -> ListedCall | None:
    """Order the end of a call, and return the call once its process has taken the order, with the result, which others
    may change then; None if it does not."""
    if not calls.end(call, result, by_bot=by_bot):
        return None
    waiting = _Waiting(ORDER_TIMEOUT_S)
    while not (call.has_ended or (call.is_ending and result in (None, call.result))) and await waiting.goes_on():
        call = calls.look(call)
    return call if call.is_ending or call.has_ended else None


class _Waiting:
    """Looks again and again, for so long."""

    def __init__(self, seconds: float) -> None:
        self._until_s = asyncio.get_running_loop().time() + seconds

    async def goes_on(self) -> bool:
        """Wait a moment; False when the time is over."""
        await asyncio.sleep(_LOOK_S)
        return asyncio.get_running_loop().time() < self._until_s


def parse_form(body: bytes) -> dict[str, str] | None:
    """Return the fields of a form as a browser and `curl -d` send it; None for anything else."""
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=50
        )
    except ValueError:
        return None
    return {name: values[-1] for name, values in fields.items()}


def _refused(status: HTTPStatus) -> Answer:
    if status == HTTPStatus.UNAUTHORIZED:
        return failure(status, _AUTHENTICATE, more=": send the password of --api-token-file")
    return failure(
        status,
        more=": without a password, no web page may ask, and the host in the URL must be an address or localhost",
    )


def _twilio_refused(status: HTTPStatus) -> Answer:
    refused = _twilio_failure(status, 20003, "Authenticate: the password is that of --api-token-file")
    return refused._replace(headers=(_JSON, _AUTHENTICATE))


def _without_body(status: HTTPStatus) -> Answer:
    return Answer(status, b"", (TEXT, _AUTHENTICATE) if status == HTTPStatus.UNAUTHORIZED else (TEXT,))


def _too_late() -> Answer:
    return failure(HTTPStatus.SERVICE_UNAVAILABLE, more=": the call's process does not respond; try again")


def _json_of(value: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode() + b"\n", (_JSON,))


def _twilio_failure(status: HTTPStatus, code: int, message: str) -> Answer:
    return _json_of({"code": code, "message": message, "status": int(status), "more_info": ""}, status)
