"""The sound of a live call over HTTP: raw samples for as long as the call goes on.

    GET /api/calls/{uuid}/sound     200: 16-bit samples, little-endian, two channels in turn: caller left, server right

The header `X-Audio-Rate` has the samples of each channel in a second. Nothing waits here but what a slow reader leaves,
a second at most (`server.listening`). The end of the body is the end of the call. `assets/listen.js` plays it; so does

    curl -sN http://127.0.0.1:8080/api/calls/UUID/sound | ffplay -nodisp -f s16le -ar 8000 -ch_layout stereo -
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from audiosocket_cli.server.call_list import ListedCall
from audiosocket_cli.server.listening import Listening
from audiosocket_cli.server.watching import CannotListenError, Watching
from audiosocket_cli.web.answers import failure, wrong_method

OPERATION: Final[dict[str, Any]] = {
    "summary": "Listen to a live call",
    "description": (
        "Raw samples as they come, until the call ends: 16 bits, little-endian, two channels in turn (caller left, "
        "server right), X-Audio-Rate samples a second of each. A slow reader loses the oldest. Listeners are logged."
    ),
    "responses": {
        "200": {
            "description": "The sound of the call from now on",
            "headers": {"X-Audio-Rate": {"schema": {"type": "integer"}, "description": "Hz, of each channel"}},
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        "404": {"description": "There is no such call"},
        "410": {"description": "The call has ended"},
        "503": {"description": "There are too many listeners, or the process of the call does not respond"},
    },
}
"""What OpenAPI says of the route."""


async def sound(watching: Watching, call: ListedCall, request: Request) -> Response:
    """Answer a request for the sound of a call."""
    if request.method != "GET":
        return wrong_method("GET")
    by = request.client.host if request.client is not None else "unknown"
    try:
        return SoundResponse(await watching.listen(call, by))
    except CannotListenError as error:
        return failure(error.status, str(error))


class SoundResponse(Response):
    """A body of samples that goes on until the call or the reader ends."""

    media_type = "application/octet-stream"

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        headers = {
            "X-Audio-Rate": str(listening.rate_hz),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Accel-Buffering": "no",
        }
        super().__init__(headers=headers)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until either leaves, or the reader takes nothing for too long."""
        with self.listening:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            leaving = asyncio.create_task(_left(receive), name="listener leaves")
            leaving.add_done_callback(lambda _: self.listening.end("nobody listens"))  # else it waits for the call
            try:
                await self._send_samples(send)
            finally:
                leaving.cancel()

    async def _send_samples(self, send: Send) -> None:
        async for samples in self.listening:
            await send({"type": "http.response.body", "body": samples, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Wait until the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
