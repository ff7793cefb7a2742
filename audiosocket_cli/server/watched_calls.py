"""The calls of a process, watched: how loud they are while somebody looks, and the sound of those that somebody listens
to. It runs on the loop of the calls, takes orders, and tells what it measures as `call_news` does.

Nothing is measured, kept or told while nobody looks, and no call is slower for it: work is done in turns of half a
millisecond, and whoever does not take what is told loses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from audiosocket_cli.call.deferred import Deferred
from audiosocket_cli.call.events import CallListened, Report
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.taps.levels import level_of
from audiosocket_cli.server.call_news import CallNews
from audiosocket_cli.server.listened_call import STEP_S, ListenedCall

LOOK_S: Final = 0.25
"""Seconds between two looks at the levels of all calls."""

_TOGETHER: Final = 4
"""Calls that are measured in one step: a tenth of a millisecond."""


class _Listener(NamedTuple):
    """Who listens to which call."""

    number: int
    """Of the call."""
    by: str
    from_s: float
    """Since when, in the call."""
    left_out_s: float
    """What was left out of the call's sound before that."""


class WatchedCalls:
    """What is told of the live calls of a process, by order."""

    def __init__(self, news: CallNews, report: Report, blame: Callable[[str, Exception], object]) -> None:
        """`news` numbers the calls and tells; `report` gets who listens, `blame` our own errors, with the peer."""
        self._news = news
        self._report = report
        self._blame = blame
        self._meters: _Meters | None = None
        self._listened: dict[int, ListenedCall] = {}
        self._callers: dict[int, _Listener] = {}
        self._step: asyncio.TimerHandle | None = None

    def order(self, what: Mapping[str, Any]) -> None:
        """Follow an order; one that is not known, or comes too late, does nothing."""
        match what:
            case {"watch": bool(on)}:
                self._watch(on=on)
            case {"listen": int(listener), "call": int(number), "by": str(by)}:
                self._listen(listener, number, by)
            case {"leave": int(listener), "missed_s": int() | float() as missed_s}:
                self._leave(listener, missed_s)

    def close(self) -> None:
        """The calls are over."""
        self._watch(on=False)
        for listener in list(self._callers):
            self._leave(listener)
        if self._step is not None:
            self._step.cancel()

    def _watch(self, *, on: bool) -> None:
        if on and self._meters is None:
            self._meters = _Meters(self._news)
        elif not on and self._meters is not None:
            self._meters.close()
            self._meters = None

    # Listening.

    def _listen(self, listener: int, number: int, by: str) -> None:
        live = self._news.live.get(number)
        if live is None or live.session.call is None:
            self._news.tell({"call": number, "silent": "the call has ended"})
            return
        if number in self._listened:
            self._listened[number].tell_beginning()
        else:
            self._listened[number] = ListenedCall(number, live, self._news.tell)
        from_s = live.session.age_s
        self._callers[listener] = _Listener(number, by, from_s, self._listened[number].left_out_s)
        self._report(CallListened(live.session.call, by, from_s))
        if self._step is None:
            self._step = asyncio.get_running_loop().call_later(STEP_S, self._go_on)

    def _leave(self, listener: int, missed_s: float = 0.0) -> None:
        gone = self._callers.pop(listener, None)
        if gone is None:
            return
        listened = self._listened[gone.number]
        live = listened.live
        assert live.session.call is not None
        missed_s = max(0.0, missed_s + listened.left_out_s - gone.left_out_s)
        self._report(CallListened(live.session.call, gone.by, gone.from_s, live.session.age_s, missed_s))
        if all(other.number != gone.number for other in self._callers.values()):
            self._listened.pop(gone.number).close()

    def _go_on(self) -> None:
        """Tell what has come of all calls that are listened to."""
        goes_on = False
        for listened in list(self._listened.values()):
            reason = None if listened.is_over else self._why_over(listened)
            if reason is not None:
                listened.tell_end(reason)  # its listeners leave once they have heard the last of it
            goes_on = goes_on or not listened.is_over
        self._step = asyncio.get_running_loop().call_later(STEP_S, self._go_on) if goes_on else None

    def _why_over(self, listened: ListenedCall) -> str | None:
        try:
            return listened.go_on(is_live=listened.number in self._news.live)
        except Exception as error:  # a fault of ours, which is not to harm the call
            self._blame(listened.live.peer, error)
            return "internal error"


class _Meters:
    """Looks at all live calls again and again."""

    def __init__(self, news: CallNews) -> None:
        self._news = news
        self._loop = asyncio.get_running_loop()
        self._deferred = Deferred(self._loop)
        self._peeks: dict[int, tuple[LiveCall, Peek]] = {}
        self._todo: list[int] = []
        self._levels: list[list[int | None]] = []
        self._has_told = self._is_closed = False
        self._next_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for live, peek in self._peeks.values():
            live.session.end_peek(peek)

    def _look(self) -> None:
        """Look at all calls, in turns."""
        live = self._news.live
        for number in self._peeks.keys() - live.keys():
            gone, peek = self._peeks.pop(number)
            gone.session.end_peek(peek)
        self._todo = list(live)
        self._levels = []
        self._deferred.add(self._look_at_some)

    def _look_at_some(self) -> None:
        if self._is_closed:
            return
        for _ in range(min(_TOGETHER, len(self._todo))):
            number = self._todo.pop()
            live = self._news.live.get(number)
            if live is not None:
                self._look_at(number, live)
        if self._todo:
            self._deferred.add(self._look_at_some)
            return
        if self._levels or self._has_told:
            self._has_told = bool(self._levels)
            self._news.tell({"levels": self._levels})
        self._next_s = max(self._next_s + LOOK_S, self._loop.time() + LOOK_S / 2)
        self._timer = self._loop.call_at(self._next_s, self._look)

    def _look_at(self, number: int, live: LiveCall) -> None:
        if number not in self._peeks:
            self._peeks[number] = live, live.session.peek()
            return
        live.session.catch_up()
        levels = map(level_of, self._peeks[number][1].take_pieces())  # of the caller, and of the server, which we are
        self._levels.append([number, *(None if level is None else round(level) for level in levels)])
