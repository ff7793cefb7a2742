"""Watching the calls of a server while they go on, for pages in browsers: what is there, how loud it is, what it sounds
like. Used from the thread that answers browsers; the processes that answer calls are told when to begin and to end.

    with watching.watch() as watch:                  # of all calls, until the block is left
        async for event in watch:                    # a name, and JSON text that is made once for all who watch
            ...
    listening = await watching.listen(uuid, by)      # of one call; raises `CannotListenError`
    with listening:
        async for samples in listening:              # 16-bit samples, little-endian, caller left, server right
            ...

Events: `calls` (first: all calls in progress), `call` (a call has begun, changed, or ended), `digit`, `finding`,
`levels` (of all calls at once, in dBFS, null where a side sent no audio), `listened` (who listens to a call), and
`lost`: how many events a slow reader did not get; `calls` follows.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any, Final

from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.server.call_list import CallList, Key, ListedCall, Order
from audiosocket_cli.server.watched_calls import MAX_TOLD_DIGITS
from audiosocket_cli.server.watchers import Listening, Seen, Watch

MAX_WATCHES: Final = 100
MAX_LISTENERS: Final = 20
"""Pages that watch, and that listen, at once. Our own choice: each listener of slin takes some 0.5 % of a core."""

MAX_SHOWN: Final = 1000
"""Calls that are told to a page that begins to watch; `count` says how many there are."""

_START_TIMEOUT_S: Final = 3.0
"""How long the process of a call may take to tell of its sound."""

WatchOrder = Callable[[int | None, dict[str, Any]], object]
"""Gives an order (`watched_calls`) to a process, or, None, to all."""


class CannotListenError(AudioSocketError):
    """A call cannot be listened to."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _State:
    """What is known of a call beside what the list of calls knows, while somebody watches."""

    __slots__ = ("digit_count", "digits", "findings", "levels")

    def __init__(self) -> None:
        self.digits = ""
        self.digit_count = 0
        self.findings: list[dict[str, Any]] = []
        self.levels: tuple[int | None, int | None] = None, None

    def as_dict(self) -> dict[str, Any]:
        return {
            "digits": self.digits,
            "digit_count": self.digit_count,
            "findings": self.findings,
            "levels_dbfs": list(self.levels),
        }


_UNSEEN: Final = {"digits": None, "digit_count": None, "findings": None, "levels_dbfs": [None, None]}
"""What is known of a call that nobody has watched yet."""


class Watching:
    """All calls in progress, for those who watch and listen. Its methods may be called on any thread, but those who
    watch and listen on a thread whose loop runs."""

    def __init__(self, calls: CallList) -> None:
        """`calls` is what is known of calls anyway: news of them pass through here."""
        self.calls = calls
        self._lock = threading.RLock()
        self._states: dict[Key, _State] = {}
        self._watches: set[Watch] = set()
        self._listeners: dict[int, Listening] = {}
        self._numbers = count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._order: WatchOrder | None = None

    # Told by those who answer calls.

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks: a process that starts now has to be told."""
        return bool(self._watches)

    def attach(self, order: Order) -> None:
        """Pass on orders to end calls, as `CallList.attach` does."""
        self.calls.attach(order)

    def attach_watch(self, order: WatchOrder) -> None:
        """Pass on orders of those who watch from now on, to the loop that runs here."""
        with self._lock:
            self._loop, self._order = asyncio.get_running_loop(), order
            if self._watches:
                self._give(None, {"watch": True})

    def take(self, process: int, news: Mapping[str, Any]) -> None:
        """Take what a process tells. Raises `ValueError` for anything that it cannot have told."""
        with self._lock:
            match news:
                case {"levels": list(levels)}:
                    self._take_levels(process, levels)
                case {"call": int(number), "samples": bytes() | str() as samples}:
                    self._take_samples((process, number), samples, news.get("lost", 0))
                case {"call": int(number), "sound": {"rate_hz": int(rate_hz), "at_s": int() | float() as at_s}}:
                    for listener in self._listeners_of((process, number)):
                        listener.begin(rate_hz, at_s)
                case {"call": int(number), "silent": str(reason)}:
                    self._end_listening((process, number), reason)
                case {"call": int(number), "state": dict(state)}:
                    self._take_state((process, number), state)
                case {"call": int(number), "digit": dict(facts)}:
                    self._take_digit((process, number), facts)
                case {"call": int(number), "finding": dict(facts)}:
                    self._take_finding((process, number), facts)
                case _:
                    self.calls.take(process, news)
                    self._tell_call((process, int(news["call"])))

    def lose(self, process: int) -> None:
        """A process has died, and its calls with it."""
        with self._lock:
            lost = [call.key for call in self.calls.live(MAX_SHOWN)[1] if call.key[0] == process]
            self.calls.lose(process)
            for key in lost:
                self._tell_call(key)
            for key in {one.key for one in self._listeners.values() if one.key[0] == process}:
                self._end_listening(key, "its process died")

    def _take_levels(self, process: int, levels: list[Any]) -> None:
        told: dict[str, list[int | None]] = {}
        for number, *both in levels:
            if not (
                isinstance(number, int) and len(both) == 2 and all(one is None or type(one) is int for one in both)
            ):
                raise ValueError("levels of no call")
            state = self._states.get((process, number))
            if state is not None:
                state.levels = both[0], both[1]
                told[id_of((process, number))] = both
        fragment = json.dumps(told, separators=(",", ":"))[1:-1]
        for watch in self._watches:
            watch.put_levels(process, fragment)

    def _take_state(self, key: Key, told: Mapping[str, Any]) -> None:
        match told:
            case {"digits": str(digits), "digit_count": int(digit_count), "findings": list(findings)}:
                pass
            case _:
                raise ValueError("an odd state of a call")
        if not self._watches:
            return
        state = self._states[key] = _State()
        state.digits, state.digit_count = digits, digit_count
        state.findings = [_finding(one) for one in findings]
        self._tell_call(key)

    def _take_digit(self, key: Key, facts: Mapping[str, Any]) -> None:
        state = self._states.get(key)
        if not isinstance(facts.get("digit"), str):
            raise ValueError("an odd digit")
        if state is not None:
            state.digits = (state.digits + facts["digit"])[-MAX_TOLD_DIGITS:]
            state.digit_count += 1
            self._tell(Seen.of("digit", {**self._named(key), **facts, "digit_count": state.digit_count}))

    def _take_finding(self, key: Key, facts: Mapping[str, Any]) -> None:
        state, finding = self._states.get(key), _finding(facts)
        if state is not None:
            state.findings.append(finding)
            self._tell(Seen.of("finding", self._named(key) | finding))

    def _take_samples(self, key: Key, samples: bytes | str, lost: Any) -> None:
        if isinstance(samples, str):
            try:
                samples = base64.b64decode(samples, validate=True)
            except binascii.Error:
                raise ValueError("odd samples") from None
        for listener in self._listeners_of(key):
            listener.put(samples, lost if isinstance(lost, int) and lost > 0 else 0)

    # For those who watch.

    def watch(self) -> Watch:
        """Begin to watch all calls. Raises `CannotListenError` where too many do."""
        with self._lock:
            if len(self._watches) >= MAX_WATCHES:
                raise CannotListenError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_WATCHES} pages watch already: close one")
            watch = Watch(self._shown, self._leave)
            self._watches.add(watch)
            if len(self._watches) == 1:
                self._give(None, {"watch": True})
            return watch

    def shown(self, call: ListedCall) -> dict[str, Any]:
        """Return what is known of a call as JSON values, for a page."""
        with self._lock:
            state = self._states.get(call.key)
            seen = _UNSEEN if state is None else state.as_dict()
            by = [one.by for one in self._listeners_of(call.key)]
            return {"id": id_of(call.key), **call.as_dict(self.calls.clock()), **seen, "listeners": by}

    def _shown(self) -> Seen:
        number, live = self.calls.live(MAX_SHOWN)
        return Seen.of("calls", {"count": number, "calls": [self.shown(call) for call in live]})

    def _leave(self, watch: Watch) -> None:
        with self._lock:
            if watch not in self._watches:
                return
            self._watches.discard(watch)
            if not self._watches:
                self._states.clear()
                self._give(None, {"watch": False})

    def _tell_call(self, key: Key) -> None:
        call = self.calls.get(key)
        if call is None:
            return
        if self._watches:
            self._tell(Seen.of("call", self.shown(call)))
        if call.has_ended:
            self._states.pop(key, None)

    def _tell(self, event: Seen) -> None:
        for watch in self._watches:
            watch.put(event)

    def _named(self, key: Key) -> dict[str, Any]:
        call = self.calls.get(key)
        return {"id": id_of(key), "uuid": None if call is None else call.uuid}

    # For those who listen.

    async def listen(self, name: str, by: str) -> Listening:
        """Begin to listen to the live call with a UUID; `by` is the address of who does, for the log.

        Raises `CannotListenError`: there is no such call, it has ended, too many listen, or its process does not
        respond.
        """
        call = self.calls.find_live(name)
        if call is None:
            raise CannotListenError(HTTPStatus.NOT_FOUND, f"there is no call {name}")
        if call.has_ended:
            raise CannotListenError(HTTPStatus.GONE, f"the call {name} has ended: listen to its recording")
        listener = self._begin_listening(call.key, by)
        try:
            await asyncio.wait_for(listener.begun(), _START_TIMEOUT_S)
        except TimeoutError:
            listener.close()
            raise CannotListenError(
                HTTPStatus.SERVICE_UNAVAILABLE, "the call's process does not respond; try again"
            ) from None
        except BaseException:
            listener.close()
            raise
        if listener.rate_hz == 0:
            listener.close()
            raise CannotListenError(HTTPStatus.GONE, listener.reason or "the call has ended")
        return listener

    def _begin_listening(self, key: Key, by: str) -> Listening:
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                reason = f"{MAX_LISTENERS} listen already: end one"
                raise CannotListenError(HTTPStatus.SERVICE_UNAVAILABLE, reason)
            number = next(self._numbers)
            listener = self._listeners[number] = Listening(key, by, lambda: self._stop_listening(number))
            self._give(key[0], {"listen": number, "call": key[1], "by": by})
            self._tell_listeners(key)
            return listener

    def _stop_listening(self, number: int) -> None:
        with self._lock:
            listener = self._listeners.pop(number, None)
            if listener is not None:
                self._give(listener.key[0], {"leave": number})
                self._tell_listeners(listener.key)

    def _end_listening(self, key: Key, reason: str) -> None:
        for listener in self._listeners_of(key):
            listener.end(reason)

    def _listeners_of(self, key: Key) -> list[Listening]:
        return [one for one in self._listeners.values() if one.key == key]

    def _tell_listeners(self, key: Key) -> None:
        self._tell(Seen.of("listened", self._named(key) | {"listeners": [one.by for one in self._listeners_of(key)]}))

    def _give(self, process: int | None, order: dict[str, Any]) -> None:
        if self._loop is None or self._order is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server ends
            self._loop.call_soon_threadsafe(self._order, process, order)


def id_of(key: Key) -> str:
    """Return the name of a call that no other call has; two may have the same UUID."""
    return f"{key[0]}-{key[1]}"


def _finding(facts: Any) -> dict[str, Any]:
    match facts:
        case {"finding": str(text), "finding_id": str() | None as finding_id}:
            return {"finding": text, "finding_id": finding_id}
    raise ValueError("an odd finding")
