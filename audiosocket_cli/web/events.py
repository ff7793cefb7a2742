"""What happens, as server-sent events: calls that begin, change and end, their digits and findings, how loud they are.

All readers share one look at the calls, which goes on while there is a reader, four times a second: what has happened
since is written once, and every reader gets those bytes. So a watcher costs the calls nothing, and the next watcher
costs hardly more than what is sent to it.

A reader that does not keep up loses events: it is told how many, and then gets all calls anew, as at its beginning.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from audiosocket_cli.server.call_list import ListedCall
from audiosocket_cli.server.watching import Levels, Watching
from audiosocket_cli.web.answers import SCHEMA, failure, wrong_method
from audiosocket_cli.web.live_calls import LiveCalls, shown_finding
from audiosocket_cli.web.readers import Reader
from audiosocket_cli.websocket.messages import text_of

MAX_READERS: Final = 64

TICK_S: Final = 0.25
HEARTBEAT_S: Final = 15.0

LINGER_S: Final = 2.0
"""How long calls are looked at after the last reader has gone: one that loads a page again need not have it begun anew,
and however often readers come and go, calls begin and end to be measured seldom."""

_MAX_NEWS: Final = 5000
"""Events that may wait for a tick; when there are more, all readers begin anew."""

_RETRY: Final = b"retry: 2000\n\n"
"""After how many milliseconds a browser tries again."""

About = Callable[[], Mapping[str, Any]]
"""Returns what a page shows of the server itself."""


class Events:
    """Tells readers what happens. Everything but `_take` runs on the loop of the pages."""

    def __init__(
        self, watching: Watching, live: LiveCalls, about: About, *, heartbeat_s: float = HEARTBEAT_S,
        linger_s: float = LINGER_S,
    ) -> None:  # fmt: skip
        self._watching = watching
        self._live = live
        self._about = about
        self._heartbeat_s = heartbeat_s
        self._linger_s = linger_s
        self._readers: set[Reader] = set()
        self._news: deque[tuple[str, ListedCall, Any]] = deque()
        self._has_lost = False
        self._told_levels: Mapping[str, tuple[int | None, int | None]] = {}
        self._told_about: Mapping[str, Any] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._left_s = 0.0
        """When the last reader went."""
        watching.on_listeners = self._on_listeners

    async def stream(self, request: Request) -> Response:
        """Tell what happens, from now on, until the reader has gone."""
        if request.method != "GET":
            return wrong_method("GET")
        if len(self._readers) >= MAX_READERS:
            return failure(503, f"{MAX_READERS} pages are open already: close one")
        reader = self.enter()
        return _Stream(self._pieces(reader), lambda: self.leave(reader))

    async def _pieces(self, reader: Reader) -> AsyncIterator[bytes]:
        yield _RETRY + self._all()
        while True:
            try:
                piece = await asyncio.wait_for(reader.next(), self._heartbeat_s)
            except TimeoutError:
                piece = b": still here\n\n"
            lost = reader.take_lost()
            yield piece if not lost else _event("lost", {"events": lost}) + self._all()

    def enter(self) -> Reader:
        """Add a reader, who gets all calls as they are now, and what happens from now on."""
        if self._ticking is None:
            self._told_levels, self._told_about = {}, self._about()
            self._watching.calls.watch(self._take)
            self._watching.begin()
            self._ticking = asyncio.create_task(self._tick(), name="web events")
        self._flush()  # to the others: this one begins with it
        reader = Reader()
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """Remove a reader."""
        self._readers.discard(reader)
        if not self._readers:
            self._left_s = asyncio.get_running_loop().time()

    def _end(self) -> None:
        self._ticking = None
        self._watching.end()
        self._watching.calls.unwatch(self._take)
        self._news.clear()

    def _take(self, name: str, call: ListedCall, news: Any) -> None:
        """Take what happened, on the thread of those who answer calls."""
        if len(self._news) < _MAX_NEWS:
            self._news.append((name, call, news))
        else:
            self._has_lost = True

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._readers or clock() < self._left_s + self._linger_s:
            await asyncio.sleep(TICK_S)
            self._flush()
        self._end()

    def _flush(self) -> None:
        """Give readers what has happened since the last time."""
        pieces = []
        has_count = False
        levels = self._watching.levels()
        while self._news:
            name, call, news = self._news.popleft()
            pieces.append(self._event_of(name, call, news, levels))
            has_count = has_count or name in ("begun", "ended")
        if has_count:
            pieces.append(_event("count", {"count": self._watching.calls.live(0)[0]}))
        if self._has_lost:
            self._has_lost = False
            for reader in self._readers:
                reader.lose(1)
        changed = {id_: both for id_, both in levels.items() if self._told_levels.get(id_) != both}
        self._told_levels = levels
        if changed:
            pieces.append(_event("levels", {"levels": changed}))
        about = self._about()
        if about != self._told_about:
            self._told_about = about
            pieces.append(_event("about", about))
        if pieces:
            self._give(b"".join(pieces), len(pieces))

    def _give(self, piece: bytes, count: int) -> None:
        for reader in self._readers:
            reader.give(piece, count)

    def _on_listeners(self, call: str, by: list[str]) -> None:
        self._live.listeners[call] = by
        if not by:
            del self._live.listeners[call]
        self._give(_event("listened", {"id": call, "listeners": by}), 1)

    def _all(self) -> bytes:
        return _event("about", self._told_about) + _event("calls", {"schema": SCHEMA, **self._live.snapshot()})

    def _event_of(self, name: str, call: ListedCall, news: Any, levels: Levels) -> bytes:
        """Return an event of a call. Digits are counted, so that a reader knows which it has already."""
        if name == "digit":
            return _event("digit", {"id": call.id, "uuid": call.uuid, **news, "digit_count": len(call.digits)})
        if name == "finding":
            return _event("finding", {"id": call.id, "uuid": call.uuid, **shown_finding(news)})
        return _event("call", self._live.shown(call, levels))


class _Stream(StreamingResponse):
    """An answer that goes on, and tells when its reader has gone, in whatever way."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], on_end: Callable[[], object]) -> None:
        super().__init__(pieces, headers={"X-Accel-Buffering": "no"})  # nginx would keep it until it has a page full
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def _event(name: str, facts: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), text_of(facts))
