"""Calls in progress, as JSON for programs and pages; and hanging up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from audiosocket_cli.model import why_no_result
from audiosocket_cli.server.api_routes import order_end, parse_form
from audiosocket_cli.server.call_list import ListedCall
from audiosocket_cli.server.watchers import Watch
from audiosocket_cli.server.watching import MAX_SHOWN, CannotListenError, Watching
from audiosocket_cli.text import printable
from audiosocket_cli.web.answers import failure, json_answer
from audiosocket_cli.web.bounds import BodyError, read_body

_UUID_CHARACTERS: Final = 36

_LOOK_S: Final = 10.0
"""For how long calls are watched after a program has asked for them: most ask again."""

_FIRST_LOOK_S: Final = 0.5
"""How long the first may take, for the processes of all calls to tell of their digits and findings."""

_STEP_S: Final = 0.01


class LiveCalls:
    """Answers about calls in progress, and those that ended lately. For one loop."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._calls = watching.calls
        self._watch: Watch | None = None
        self._end: asyncio.TimerHandle | None = None

    async def all(self, _: Request) -> Response:
        """Return the calls in progress: how many there are, and the oldest of them."""
        await self._look()
        count, listed = self._calls.live(MAX_SHOWN)
        return json_answer({"count": count, "calls": [self._watching.shown(call) for call in listed]})

    async def one(self, request: Request) -> Response:
        """Return one call."""
        call = self.find(request.path_params["call"])
        if isinstance(call, Response):
            return call
        await self._look()
        return self._answer(self._calls.look(call))

    async def _look(self) -> None:
        """Watch calls for a while: what they tell is told only while somebody does."""
        loop = asyncio.get_running_loop()
        if self._end is not None:
            self._end.cancel()
        self._end = loop.call_later(_LOOK_S, self._look_away)
        if self._watch is not None:
            return
        with contextlib.suppress(CannotListenError):  # then others watch, and it is known
            self._watch = self._watching.watch()
        until_s = loop.time() + _FIRST_LOOK_S
        while not self._is_known() and loop.time() < until_s:
            await asyncio.sleep(_STEP_S)

    def _is_known(self) -> bool:
        return all(self._watching.shown(call)["digits"] is not None for call in self._calls.live(MAX_SHOWN)[1])

    def _look_away(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

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
        try:
            uuid = str(UUID(name)) if len(name) == _UUID_CHARACTERS else ""
        except ValueError:
            uuid = ""
        found = (self._calls.find_live(uuid) if live_first else self._calls.find(uuid)) if uuid else None
        return found or failure(404, "there is no such call in progress, or it ended too long ago")

    def _answer(self, call: ListedCall) -> Response:
        return json_answer(self._watching.shown(call))
