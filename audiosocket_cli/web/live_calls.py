"""Calls in progress, as JSON for programs and pages; and hanging up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from audiosocket_cli.finding import id_of
from audiosocket_cli.model import why_no_result
from audiosocket_cli.server.api_routes import order_end, parse_form, uuid_of
from audiosocket_cli.server.call_list import ListedCall
from audiosocket_cli.server.watching import Levels, Watching
from audiosocket_cli.text import printable
from audiosocket_cli.web.answers import failure, json_answer
from audiosocket_cli.web.bounds import BodyError, read_body

MAX_LISTED: Final = 1000
"""Calls in one answer; `count` says how many there are."""

MAX_SHOWN_DIGITS: Final = 200
"""The last digits of a call that are shown; `digit_count` says how many there are."""


def shown_finding(text: str) -> dict[str, Any]:
    """Return a finding as JSON values: its text, and its id if it has one."""
    return {"finding": text, "finding_id": id_of(text)}


class LiveCalls:
    """Answers about calls in progress, and those that ended lately. For one loop."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._calls = watching.calls
        self.listeners: dict[str, list[str]] = {}
        """The addresses of those who listen, by the `id` of the call."""

    def shown(self, call: ListedCall, levels: Levels) -> dict[str, Any]:
        """Return a call as JSON values, with its level: `levels` has those of all calls, while a page is open."""
        return {
            "id": call.id,
            **call.as_dict(self._calls.clock()),
            "server": call.server,
            "digits": call.digits[-MAX_SHOWN_DIGITS:],
            "digit_count": len(call.digits),
            "findings": [shown_finding(text) for text in call.findings],
            "levels_dbfs": list(levels.get(call.id, (None, None))),
            "listeners": self.listeners.get(call.id, []),
        }

    def snapshot(self) -> Mapping[str, Any]:
        """Return how many calls are in progress, and the oldest of them."""
        count, listed = self._calls.live(MAX_LISTED)
        levels = self._watching.levels()
        return {"count": count, "calls": [self.shown(call, levels) for call in listed]}

    async def all(self, _: Request) -> Response:
        """Return the calls in progress."""
        return json_answer(self.snapshot())

    async def one(self, request: Request) -> Response:
        """Return one call."""
        call = self.find(request.path_params["call"])
        return call if isinstance(call, Response) else self._answer(call)

    def _answer(self, call: ListedCall) -> Response:
        return json_answer(self.shown(call, self._watching.levels()))

    async def hang_up(self, request: Request) -> Response:
        """Hang up a call, and give it a result if one is in the body."""
        call = self.find(request.path_params["call"], live_first=True)
        if isinstance(call, Response):
            return call
        try:
            fields = parse_form(await read_body(request))
        except BodyError as error:
            return failure(error.status, str(error))
        if fields is None or fields.keys() - {"result"}:
            return failure(400, "send nothing, or result=TEXT as a form")
        result = fields.get("result")
        problem = None if result is None else why_no_result(result)
        if problem is not None:
            return failure(400, problem)
        if not call.has_ended:
            ordered = await order_end(self._calls, call, result, by_bot=False)
            if ordered is None:
                return failure(503, "the call's process does not respond; try again")
            call = ordered
        if call.has_ended and result not in (None, call.result):
            return failure(409, f"the call has ended, with the result {printable(call.result or 'none')}")
        return self._answer(call)

    def find(self, name: str, *, live_first: bool = False) -> ListedCall | Response:
        """Return a call by its `id`, or the newest with a UUID; or the answer when there is none."""
        found = self._calls.find_id(name)
        if found is not None:
            return found
        uuid = uuid_of(name)
        found = (self._calls.find_live(uuid) if live_first else self._calls.find(uuid)) if uuid else None
        return found or failure(404, "there is no such call in progress, or it ended too long ago")
