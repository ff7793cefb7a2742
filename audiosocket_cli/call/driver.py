"""Connects sessions to asyncio: one poll for all sockets of a process, and one clock for all its deadlines.

We use our own poll instead of a reader per socket on the loop. One poll reports many sockets at once, and libuv polls a
socket no further once it has seen a reset, so that the data received before the reset would never be reported.

Measured, as CPU per call-second of `serve --echo` with 500 calls, relative to an echo loop in C (0.67 to 0.8 ms) that
ran beside it: with a reader and a timer of the loop's for each call, 2.5 to 3 times as much; with one poll that wakes
for every frame and one clock, 1.6 to 1.9; with the same but polling at intervals while busy, 1.1 to 1.3. uvloop's
protocols, doing nothing but echo, take 1.1.

Most of what is left is code and data that have left the CPU caches. So what can be done for many calls is done for all
of them before the next is begun. Of the sockets that are ready, `_TOGETHER` are read, then their sessions hear, then
what these say is sent. With this, polls a millisecond apart and longer batches for the taps, 300 calls that spoke at
random instants took a quarter less CPU than before, and half of their frames came back within 1.8 ms rather than 6 (on
a slow virtual machine, in turn: 1.9 to 2.2 rather than 2.6 to 2.9 times the C loop's 0.9 ms). Calls that only listen
are woken together, 50 ms apart, and deferred work is done for all calls together, after what is due.
`scripts/bench/run` measures the whole.

Work without a deadline is deferred: flushes to taps, and the rest of what a peer sent beyond one turn. It runs in turns
of half a millisecond; after each, the loop handles what is due and what has arrived. A flooding peer is not polled
again until all that it sent was heard, so there may be many of them, and other calls wait for at most one turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from audiosocket_cli.call.deferred import Deferred
from audiosocket_cli.call.poll import ENDED, READABLE, WRITABLE, make_poll
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.wire import SocketWire

SLOT_S: Final = 0.002
"""The grid of deadlines, in seconds: the calls of one slot share a wake. It divides the frame length, so a call's
frames keep their distance."""

_FINE_SLOT_S: Final = 0.001
"""The same where the time of each frame matters; event loops count no finer."""

SWEEP_S: Final = 0.001
"""The polling interval while there is always something to read: calls hear that much later."""

_BUSY: Final = 8
"""How many polls in a row must find something, or nothing, before the polling mode changes."""

_TOGETHER: Final = 64
"""How many sockets are read before their sessions hear, and then are written to: a millisecond of work."""

_MAX_HEARING_S: Final = 0.005
"""How many seconds sessions may read in a row before the loop does other work."""

_NEVER: Final = 1 << 62
"""The slot of what wants no wake."""


class Driver:
    """Runs any number of sessions on the running loop."""

    def __init__(self, *, at_once: bool = False) -> None:
        """`at_once`: exact times of arrival and sending matter more than CPU."""
        self._loop = asyncio.get_running_loop()
        self._slot_s = _FINE_SLOT_S if at_once else SLOT_S
        self._poll = make_poll()
        self._at_once = at_once
        self._ready_s = 0.0
        """When there was last something to read."""
        self._in_a_row = 0
        """How often it was soon after the time before; while sweeping, how often there was nothing."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._driven: dict[int, _Driven] = {}
        self._slots: dict[int, list[_Driven]] = {}
        self._next: list[int] = []
        """The slots that somebody is in, as a heap."""
        self._deferred = Deferred(self._loop)
        """What can wait until all that was due has been said and heard, in order."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = _NEVER
        self._done_slot = -1
        """The last slot whose sessions were woken. Nobody enters one before it: a session that is late with everything
        would keep the loop from all else, signals included."""

    async def drive(self, session: Session, wire: SocketWire) -> None:
        """Run a session over its connected wire until it has ended and the wire is closed.

        Raises an error of the session or its taps; cancelling aborts the call.
        """
        over: asyncio.Future[Exception | None] = self._loop.create_future()

        def on_over(error: Exception | None) -> None:
            if not over.done():
                over.set_result(error)

        self.begin(session, wire, on_over)
        try:
            error = await over
        finally:
            with contextlib.suppress(Exception):
                session.abort()
        if error is not None:
            raise error

    def begin(self, session: Session, wire: SocketWire, over: Callable[[Exception | None], object]) -> None:
        """Start a session over its connected wire. Nobody has to await it, which saves one task per call.

        `over` is called once it has ended and the wire is closed, with the error of the session or its taps, if there
        was one.
        """
        driven = _Driven(self, session, wire, over)
        if not self._driven:
            self._loop.add_reader(self._poll.fileno(), self._on_ready)
        self._driven[driven.fd] = driven
        self.run(driven, partial(session.start, driven))

    def _on_ready(self) -> None:
        self._hear()
        if self._at_once:
            return
        now_s = time.monotonic()
        self._in_a_row = self._in_a_row + 1 if now_s - self._ready_s < SWEEP_S else 0
        self._ready_s = now_s
        if self._in_a_row >= _BUSY and self._driven:
            # There is always something to read: poll at intervals rather than wake for each frame.
            self._in_a_row = 0
            self._loop.remove_reader(self._poll.fileno())
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        self._in_a_row = 0 if self._hear() else self._in_a_row + 1
        if not self._driven:
            return
        if self._in_a_row >= _BUSY:
            self._in_a_row = 0
            self._loop.add_reader(self._poll.fileno(), self._on_ready)
        else:
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def _hear(self) -> bool:
        """Let all sessions read that have data; False when none has."""
        ready = self._poll.ready()
        until_s = time.monotonic() + _MAX_HEARING_S
        for start in range(0, len(ready), _TOGETHER):
            if start and time.monotonic() >= until_s:  # many calls may end at once: let others begin meanwhile
                self._loop.call_soon(self._hear)
                break
            self._hear_together(ready[start : start + _TOGETHER])
        return bool(ready)

    def _hear_together(self, ready: list[tuple[int, int]]) -> None:
        """Read all these sockets, then let their sessions hear, then send what they say."""
        read = []
        for fd, events in ready:
            driven = self._driven.get(fd)
            if driven is None:
                continue
            if events & WRITABLE:
                self.run(driven, driven.wire.flush)
            session = driven.session
            if events & ~WRITABLE and not (driven.is_behind or session.has_left or session.ended):
                driven.wire.read_ahead()
                read.append(driven)
        now_s = time.monotonic()
        flowing, others = [], []
        for driven in read:
            if not driven.wire.blocked and driven.flow.take(driven.wire.ahead, now_s):
                flowing.append(driven)
            else:
                self._step(driven, driven.session.readable)
                others.append(driven)
        for driven in flowing:
            if not driven.flow.echoes:
                self._pass_on(driven)
                continue
            driven.wire.echo()
            if driven.wire.blocked:
                driven.flow.stop()
                others.append(driven)
        self._send_together(others)

    def _send_together(self, sessions: list[_Driven]) -> None:
        for driven in sessions:
            driven.wire.release()
            self._plan(driven)

    def _on_timer(self) -> None:
        self._timer_slot = -1  # set once, at the end
        self._done_slot = now_slot = math.floor(time.monotonic() / self._slot_s)
        while self._next and self._next[0] <= now_slot:
            slot = heapq.heappop(self._next)
            due = [driven for driven in self._slots.pop(slot) if driven.slot == slot]
            for start in range(0, len(due), _TOGETHER):
                together = due[start : start + _TOGETHER]
                for driven in together:
                    driven.slot, driven.wake_s = _NEVER, math.inf
                    if len(together) > 1:
                        driven.wire.hold()
                    self._step(driven, driven.session.tick)
                self._send_together(together)
        self._set_timer()

    def defer(self, driven: _Driven, step: Callable[[], object]) -> None:
        """Run a step after all that is due, so that it makes no frame late."""
        self._deferred.add(partial(self.run, driven, step))

    def _hear_on(self, driven: _Driven) -> None:
        """Give a session the turn that it waited for."""
        driven.is_behind = False
        driven.session.readable()

    def run(self, driven: _Driven, step: Callable[[], object]) -> None:
        """Let a session do something, and see what it waits for then."""
        self._step(driven, step)
        self._plan(driven)

    def _step(self, driven: _Driven, step: Callable[[], object]) -> None:
        """Let a session do something."""
        if driven.session.ended:
            return
        try:
            step()
        except Exception as error:
            self._fail(driven, error)

    def _pass_on(self, driven: _Driven) -> None:
        """Pass on what the flow of a session has taken."""
        data = driven.wire.take_ahead()
        if driven.session.ended:
            return
        try:
            driven.flow.pass_on(data)
        except Exception as error:
            self._fail(driven, error)

    def _fail(self, driven: _Driven, error: Exception) -> None:
        """End a session in which there is a fault of ours: it harms this call alone; `over` gets the error."""
        driven.error = driven.error or error
        with contextlib.suppress(Exception):
            driven.session.abort()
        self.release(driven)
        driven.wire.close()

    def replan(self, driven: _Driven) -> None:
        """See again what a session waits for, which something else has changed."""
        self._plan(driven)

    def _plan(self, driven: _Driven) -> None:
        """See what a session waits for now."""
        session = driven.session
        if session.ended or driven.error is not None:
            return
        if session.has_more and not driven.is_behind:
            driven.is_behind = True
            self.defer(driven, partial(self._hear_on, driven))
        events = 0  # read nothing while something read is not heard yet
        if not (driven.is_behind or session.has_left):
            events = READABLE if session.receiver.wants_readable else ENDED
        if driven.wire.blocked:
            events |= WRITABLE
        if events != driven.events:
            self._poll.look_out(driven.fd, driven.events, events)
            driven.events = events
        wake_s = session.wake_s
        if wake_s != driven.wake_s:
            driven.wake_s = wake_s
            if math.isinf(wake_s):
                return
            slot = max(math.ceil(wake_s / self._slot_s), self._done_slot + 1)
            # An idle tick in a slot that comes too early costs less than leaving the slot each time.
            if slot < driven.slot:
                self._enter(driven, slot)

    def _enter(self, driven: _Driven, slot: int) -> None:
        driven.slot = slot
        if slot in self._slots:
            self._slots[slot].append(driven)
            return
        self._slots[slot] = [driven]
        heapq.heappush(self._next, slot)
        if slot < self._timer_slot:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_slot = self._next[0] if self._next else _NEVER
        if self._next:
            # uvloop rounds to the nearest millisecond: round up, or frames are asked for before they are due.
            delay_ms = math.ceil((self._timer_slot * self._slot_s - time.monotonic()) * 1000)
            self._timer = self._loop.call_later(max(0, delay_ms) / 1000, self._on_timer)

    def release(self, driven: _Driven) -> None:
        """Remove an ended session, and call its `over`."""
        if self._driven.pop(driven.fd, None) is not driven:
            return
        if driven.events:
            self._poll.look_out(driven.fd, driven.events, 0)
        driven.slot = _NEVER
        if not self._driven:
            self._loop.remove_reader(self._poll.fileno())
            if self._sweeping is not None:
                self._sweeping.cancel()
                self._sweeping = None
        self._loop.call_soon(driven.over, driven.error)


class _Driven:
    """One session on its socket."""

    __slots__ = (
        "_driver",
        "error",
        "events",
        "fd",
        "flow",
        "is_behind",
        "over",
        "session",
        "slot",
        "wake_s",
        "wire",
    )

    def __init__(
        self, driver: Driver, session: Session, wire: SocketWire, over: Callable[[Exception | None], object]
    ) -> None:
        self._driver = driver
        self.session = session
        self.flow = session.flow
        self.wire = wire
        self.fd = wire.fileno()
        self.over = over
        self.error: Exception | None = None
        """What went wrong inside the session."""
        self.events = 0
        """What the poll looks out for."""
        self.is_behind = False
        """Whether it waits for its turn to hear what its peer sent."""
        self.wake_s = math.inf
        self.slot = _NEVER
        """When it wants to be woken next, and the slot in which it is."""

    def defer_flush(self) -> None:
        self._driver.defer(self, self.session.flush)

    def replan(self) -> None:
        self._driver.replan(self)

    def released(self) -> None:
        self._driver.release(self)

    def run(self, step: Callable[[], object]) -> None:
        self._driver.run(self, step)
