"""The calls of a server, in progress and recently ended, for the thread of the API.

The processes that answer calls report to it (`call_news`). It holds no call itself, so that a question delays no call,
and is answered from the last report even while a process hangs.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from audiosocket_cli.model import MAX_DIGITS

MAX_ENDED: Final = 1000
"""Calls that have ended, and are still known."""

_MAX_FINDINGS: Final = 32
"""A call has fewer (`Call.note`); a process that tells of more is wrong."""

_MAX_ID: Final = 40
"""Characters."""

ENDED_S: Final = 600.0
"""For how many seconds they are."""

Key = tuple[int, int]
"""A call: its process, and its number there."""

Order = Callable[[Key, str | None, bool], object]
"""Has a call ended by its process, with a result if there is one; True: its bot is asked to, rather than hung up on."""

Tell = Callable[[str, "ListedCall", Any], object]
"""Is told what happened to a call, such as "begun" or "digit", the call as it is then, and what is new."""

_UNKNOWN_END: Final = {"ended_by": None, "ended_how": None, "ended_reason": None}


def id_of_key(key: Key) -> str:
    """Return the `id` of the call with this key."""
    return f"{key[0]}-{key[1]}"


class ListedCall(NamedTuple):
    """What is known of a call."""

    key: Key
    uuid: str
    peer: str
    started_at: str
    call_sid: str | None
    begun_s: float
    """When it was told of, on the monotonic clock."""
    server: str | None = None
    """The server that it is passed on to, where it is."""
    digits: str = ""
    """The keys that were pressed so far."""
    findings: tuple[str, ...] = ()
    """What was found wrong with it so far."""
    result: str | None = None
    is_ending: bool = False
    """Whether its end was asked for."""
    ended_s: float | None = None
    """When its end was told, if it has ended."""
    duration_s: float = 0.0
    """How long it was, once it has ended."""
    end: Mapping[str, Any] = _UNKNOWN_END
    """How it ended, as in the call's JSON."""

    @property
    def id(self) -> str:
        """Its name among all calls of this server, also where several have one UUID."""
        return id_of_key(self.key)

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.ended_s is not None

    def as_dict(self, now_s: float) -> dict[str, Any]:
        """Return it as JSON values."""
        state = "ended" if self.has_ended else "ending" if self.is_ending else "live"
        duration_s = self.duration_s if self.has_ended else now_s - self.begun_s
        facts = {"uuid": self.uuid, "state": state, "peer": self.peer, "started_at": self.started_at}
        facts |= {"duration_s": round(duration_s, 3), "result": self.result}  # type: ignore[dict-item]
        return facts | (dict(self.end) if self.has_ended else {})


class CallList:
    """All calls in progress, and the last that ended. Its methods may be called on any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._calls: dict[Key, ListedCall] = {}  # in the order of their beginnings
        self._ended: dict[Key, None] = {}  # in the order of their ends
        self._by_name: dict[str, Key] = {}
        """The newest call of each UUID, and of each name that a bot's service has for one."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._order: Order | None = None
        self._watchers: list[Tell] = []

    # Told by those who answer calls.

    def attach(self, order: Order) -> None:
        """Pass on orders from now on, to the loop that runs here."""
        self._loop, self._order = asyncio.get_running_loop(), order

    def take(self, process: int, news: Mapping[str, Any]) -> None:
        """Take what a process tells of one of its calls. Raises `ValueError` for anything that it cannot have told."""
        with self._lock:
            match news:
                case {"call": int(number), "began": dict(facts)}:
                    self._begin((process, number), facts)
                case {"call": int(number), "result": str(result)}:
                    self._change("result", (process, number), result, result=result)
                case {"call": int(number), "digit": str(digit), "at_s": int() | float() as at_s}:
                    self._press((process, number), digit, at_s)
                case {"call": int(number), "finding": str(text)}:
                    self._find((process, number), text)
                case {"call": int(number), "ending": True}:
                    self._change("ending", (process, number), None, is_ending=True)
                case {"call": int(number), "ended": dict(facts)}:
                    self._end((process, number), facts)
                case _:
                    raise ValueError("news of no call")

    def lose(self, process: int) -> None:
        """A process has died, and its calls with it."""
        with self._lock:
            for key in [key for key, call in self._calls.items() if key[0] == process and not call.has_ended]:
                call = self._calls[key]
                self._end(key, {**_UNKNOWN_END, "ended_reason": "its process died", "result": call.result,
                                "duration_s": self.clock() - call.begun_s})  # fmt: skip

    def _begin(self, key: Key, facts: dict[str, Any]) -> None:
        match facts:
            case {"uuid": str(uuid), "peer": str(peer), "started_at": str(started_at), "call_sid": sid}:
                call_sid = sid if isinstance(sid, str) else None
            case _:
                raise ValueError("a call without its facts")
        self._forget(key)
        server, digits, findings = facts.get("server"), str(facts.get("digits", "")), facts.get("findings", [])
        call = self._calls[key] = ListedCall(
            key, uuid, peer, started_at, call_sid, self.clock(),
            server if isinstance(server, str) else None, digits[:MAX_DIGITS], tuple(map(str, findings))[:_MAX_FINDINGS],
        )  # fmt: skip
        for name in (uuid, call_sid):
            if name is not None:
                self._by_name[name] = key
        self._tell("begun", call, None)

    def _press(self, key: Key, digit: str, at_s: float) -> None:
        call = self._calls.get(key)
        if call is not None and len(call.digits) + len(digit) <= MAX_DIGITS:
            self._change("digit", key, {"digit": digit, "at_s": at_s}, digits=call.digits + digit)

    def _find(self, key: Key, text: str) -> None:
        call = self._calls.get(key)
        if call is not None and len(call.findings) < _MAX_FINDINGS:
            self._change("finding", key, text, findings=(*call.findings, text))

    def _change(self, name: str, key: Key, news: object, **facts: Any) -> None:
        if key in self._calls:  # else it has been forgotten
            self._calls[key] = self._calls[key]._replace(**facts)
            self._tell(name, self._calls[key], news)

    def _tell(self, name: str, call: ListedCall, news: object) -> None:
        for tell in self._watchers:
            tell(name, call, news)

    def _end(self, key: Key, facts: dict[str, Any]) -> None:
        duration_s, result = facts.get("duration_s"), facts.get("result")
        if not isinstance(duration_s, int | float) or not 0 <= duration_s < math.inf:
            raise ValueError("an ended call without a duration")
        if result is not None and not isinstance(result, str):
            raise ValueError("an odd result of a call")
        end = {name: facts.get(name) for name in _UNKNOWN_END}
        self._change("ended", key, None, ended_s=self.clock(), duration_s=duration_s, result=result, end=end)
        self._ended[key] = None
        self._forget_old()

    def _forget_old(self) -> None:
        before_s = self.clock() - ENDED_S
        while self._ended:
            oldest = next(iter(self._ended))
            call = self._calls.get(oldest)
            if len(self._ended) <= MAX_ENDED and call is not None and (call.ended_s or 0.0) > before_s:
                return
            self._forget(oldest)

    def _forget(self, key: Key) -> None:
        self._ended.pop(key, None)
        call = self._calls.pop(key, None)
        if call is not None:
            for name in (call.uuid, call.call_sid):
                if name is not None and self._by_name.get(name) == key:
                    del self._by_name[name]

    # For those who ask.

    def watch(self, tell: Tell) -> None:
        """Tell of all that happens from now on. `tell` is called on the threads of those who answer calls: it must be
        quick, and must not ask anything here."""
        with self._lock:
            self._watchers.append(tell)

    def unwatch(self, tell: Tell) -> None:
        """No longer call `tell`."""
        with self._lock:
            self._watchers.remove(tell)

    def find(self, name: str) -> ListedCall | None:
        """Return the newest call with a UUID, or with a `call_sid`."""
        with self._lock:
            self._forget_old()
            key = self._by_name.get(name)
            return None if key is None else self._calls.get(key)

    def find_id(self, name: str) -> ListedCall | None:
        """Return the call with this `id`."""
        process, _, number = name.partition("-")
        if not (name.isascii() and process.isdecimal() and number.isdecimal() and len(name) < _MAX_ID):
            return None
        with self._lock:
            return self._calls.get((int(process), int(number)))

    def look(self, call: ListedCall) -> ListedCall:
        """Return what is known of a call now; the same where it has been forgotten meanwhile."""
        with self._lock:
            return self._calls.get(call.key, call)

    def find_live(self, name: str) -> ListedCall | None:
        """Return the newest call with a UUID that goes on; where none does, as `find`."""
        found = self.find(name)
        if found is not None and found.has_ended:
            with self._lock:
                for call in reversed(self._calls.values()):
                    if call.uuid == name and not call.has_ended:
                        return call
        return found

    def live(self, most: int) -> tuple[int, list[ListedCall]]:
        """Return how many calls are in progress, and the oldest of them."""
        with self._lock:
            live = [call for call in self._calls.values() if not call.has_ended]
        return len(live), live[:most]

    def end(self, call: ListedCall, result: str | None, *, by_bot: bool) -> bool:
        """Order the end of a call; False where nobody takes orders: the server is about to end. That it is ending shows
        here once its process has taken the order."""
        if self._loop is None or self._order is None:
            return False
        try:
            self._loop.call_soon_threadsafe(self._order, call.key, result, by_bot)
        except RuntimeError:  # the loop is closed
            return False
        return True
