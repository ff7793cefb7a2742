"""What happens, as server-sent events: what `Watching` tells of all calls, and now and then that we are still here.

All readers share one look at the calls, and the text of each event is made once. A reader that does not keep up loses
events: it is told how many, and then gets all calls anew, as at its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from audiosocket_cli.server.watching import CannotListenError, Watching
from audiosocket_cli.web.answers import SCHEMA, encoded, failure

HEARTBEAT_S: Final = 15.0

_RETRY: Final = b"retry: 2000\n\n"
"""After how many milliseconds a browser tries again."""

About = Callable[[], Mapping[str, Any]]
"""Returns what a page shows of the server itself."""


class Events:
    """Answers those who want to be told."""

    def __init__(self, watching: Watching, about: About, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._watching = watching
        self._about = about
        self._heartbeat_s = heartbeat_s

    async def stream(self, _: Request) -> Response:
        """Tell what happens, from now on, until the reader has gone."""
        try:
            watch = self._watching.watch()
        except CannotListenError as error:
            return failure(error.status, str(error))
        return StreamingResponse(self._pieces(watch), media_type="text/event-stream")

    async def _pieces(self, watch: Any) -> AsyncIterator[bytes]:
        with watch:
            yield _RETRY + self._told_about()
            state = self._about()["state"]
            while True:
                try:
                    event = await asyncio.wait_for(anext(watch), self._heartbeat_s)
                    yield _event(event.name, event.text.encode())
                except TimeoutError:
                    yield b": still here\n\n"
                if self._about()["state"] != state:
                    state = self._about()["state"]
                    yield self._told_about()

    def _told_about(self) -> bytes:
        return _event("about", encoded({"schema": SCHEMA, **self._about()}))


def _event(name: str, text: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), text)
