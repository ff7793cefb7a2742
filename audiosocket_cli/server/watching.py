"""Watching the calls of a server while they go on, for pages in browsers: how loud they are, and what one sounds like.

Used from the thread that answers browsers. The processes that answer calls are told when to begin and when to end, and
measure nothing while nobody looks. News of calls pass through here on their way to the list of calls (`CallList`).

    watching.begin()                                 # the first page looks
    watching.levels()                                # {"0-1": (-20, None), ...}: dBFS of the caller and the server
    watching.end()                                   # the last one has gone
    with await watching.listen(call, by) as listening:   # raises `CannotListenError`
        async for samples in listening:              # 16-bit samples, little-endian, caller left, server right
            ...
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any, Final

from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.server.call_list import CallList, Key, ListedCall, Order, id_of_key
from audiosocket_cli.server.listening import Listening

MAX_LISTENERS: Final = 20
"""Pages that listen at once: our own choice."""

_START_TIMEOUT_S: Final = 3.0
"""How long the process of a call may take to tell of its sound."""

WatchOrder = Callable[[int | None, dict[str, Any]], object]
"""Gives an order (`WatchedCalls.order`) to a process, or, None, to all."""

Levels = Mapping[str, tuple[int | None, int | None]]
"""The levels of calls, by their `id`, in dBFS: of the caller, and of the server; None of a side that sent no audio."""

OnListeners = Callable[[str, list[str]], object]
"""Gets the `id` of a call, and the addresses of all who listen to it now."""


class CannotListenError(AudioSocketError):
    """A call cannot be listened to."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Watching:
    """All calls in progress, for those who watch and listen. Its methods may be called on any thread; `listen` on one
    whose loop runs."""

    def __init__(self, calls: CallList) -> None:
        self.calls = calls
        self.is_watched = False
        """Whether somebody looks: a process that starts now has to be told."""
        self.on_listeners: OnListeners = lambda call, by: None
        """Called, on the thread of who listens, when somebody begins or ends to listen."""
        self._lock = threading.Lock()
        self._levels: dict[int, Levels] = {}
        """The newest of each process."""
        self._listeners: dict[int, Listening] = {}
        self._numbers = count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._order: WatchOrder | None = None

    # Told by those who answer calls.

    def attach(self, order: Order) -> None:
        """Pass on orders to end calls, as `CallList.attach` does."""
        self.calls.attach(order)

    def attach_watch(self, order: WatchOrder) -> None:
        """Pass on orders of those who watch and listen from now on, to the loop that runs here."""
        with self._lock:
            self._loop, self._order = asyncio.get_running_loop(), order
            if self.is_watched:
                self._give(None, {"watch": True})

    def take(self, process: int, news: Mapping[str, Any]) -> None:
        """Take what a process tells. Raises `ValueError` for anything that it cannot have told."""
        match news:
            case {"levels": list(levels)}:
                self._take_levels(process, levels)
            case {"call": int(number), "samples": bytes() | str() as samples}:
                self._take_samples((process, number), samples, _lost_in(news))
            case {"call": int(number), "sound": {"rate_hz": int(rate_hz), "at_s": int() | float() as at_s}}:
                for listener in self._listeners_of((process, number)):
                    listener.begin(rate_hz, at_s)
            case {"call": int(number), "silent": str(reason)}:
                self._end_listening((process, number), reason, _lost_in(news))
            case _:
                self.calls.take(process, news)

    def lose(self, process: int) -> None:
        """A process has died, and its calls with it."""
        self.calls.lose(process)
        with self._lock:
            self._levels.pop(process, None)
            lost = {one.key for one in self._listeners.values() if one.key[0] == process}
        for key in lost:
            self._end_listening(key, "its process died")

    def _take_levels(self, process: int, levels: list[Any]) -> None:
        told: dict[str, tuple[int | None, int | None]] = {}
        for each in levels:
            match each:
                case [int(number), int() | None as caller, int() | None as server]:
                    told[id_of_key((process, number))] = caller, server
                case _:
                    raise ValueError("levels of no call")
        with self._lock:
            if self.is_watched:
                self._levels[process] = told

    def _take_samples(self, key: Key, samples: bytes | str, lost: int) -> None:
        if isinstance(samples, str):
            try:
                samples = base64.b64decode(samples, validate=True)
            except binascii.Error:
                raise ValueError("odd samples") from None
        for listener in self._listeners_of(key):
            listener.put(samples, lost)

    def _end_listening(self, key: Key, reason: str, lost: int = 0) -> None:
        for listener in self._listeners_of(key):
            listener.end(reason, lost)

    # For those who watch.

    def begin(self) -> None:
        """Somebody looks at levels."""
        self._watch(on=True)

    def end(self) -> None:
        """Nobody looks any more."""
        self._watch(on=False)

    def levels(self) -> Levels:
        """Return how loud calls are now."""
        with self._lock:
            return {name: both for levels in self._levels.values() for name, both in levels.items()}

    def _watch(self, *, on: bool) -> None:
        with self._lock:
            self.is_watched = on
            self._levels.clear()
            self._give(None, {"watch": on})

    # For those who listen.

    async def listen(self, call: ListedCall, by: str) -> Listening:
        """Begin to listen to a call; `by` is the address of who does, for the log.

        Raises `CannotListenError`: it has ended, too many listen, or its process does not respond.
        """
        if call.has_ended:
            raise CannotListenError(HTTPStatus.GONE, f"the call {call.uuid} has ended: listen to its recording")
        listener = self._begin_listening(call.key, by)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await listener.begun()
        except TimeoutError:
            listener.close()
            raise CannotListenError(
                HTTPStatus.SERVICE_UNAVAILABLE, "the call's process does not respond; try again"
            ) from None
        except BaseException:
            listener.close()
            raise
        if not listener.rate_hz:
            listener.close()
            raise CannotListenError(HTTPStatus.GONE, listener.reason or "the call has ended")
        return listener

    def _begin_listening(self, key: Key, by: str) -> Listening:
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                reason = f"there are {MAX_LISTENERS} listeners already: stop one"
                raise CannotListenError(HTTPStatus.SERVICE_UNAVAILABLE, reason)
            number = next(self._numbers)
            listener = self._listeners[number] = Listening(key, by, lambda: self._stop_listening(number))
            self._give(key[0], {"listen": number, "call": key[1], "by": by})
        self._tell_listeners(key)
        return listener

    def _stop_listening(self, number: int) -> None:
        with self._lock:
            listener = self._listeners.pop(number, None)
            if listener is None:
                return
            self._give(listener.key[0], {"leave": number, "missed_s": listener.dropped_s})
        self._tell_listeners(listener.key)

    def _listeners_of(self, key: Key) -> list[Listening]:
        with self._lock:
            return [one for one in self._listeners.values() if one.key == key]

    def _tell_listeners(self, key: Key) -> None:
        self.on_listeners(id_of_key(key), [one.by for one in self._listeners_of(key)])

    def _give(self, process: int | None, order: dict[str, Any]) -> None:
        if self._loop is not None and self._order is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server ends
                self._loop.call_soon_threadsafe(self._order, process, order)


def _lost_in(news: Mapping[str, Any]) -> int:
    """Return how many samples are missing before what is told."""
    lost = news.get("lost")
    return lost if isinstance(lost, int) and lost > 0 else 0
