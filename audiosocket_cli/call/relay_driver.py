"""Connects relays to asyncio: one poll for all their sockets, and one clock for all their deadlines.

`driver` does the same for sessions, and says why we poll ourselves. A relay needs less: it has no frames that are due,
and what it reads goes on at once, so that there is nothing to be done for many calls together.

The poll wakes us whenever something has come. Polling at intervals, as `driver` does, saves no CPU here and adds to the
delay: half of the frames came 0.8 ms later there and back rather than 0.1, with 100 calls both ways. To poll again,
before the loop has its turn, costs a tenth more CPU. (Both on a busy virtual machine.)
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import time
from collections.abc import Callable
from typing import Final

from audiosocket_cli.call.deferred import Deferred
from audiosocket_cli.call.feed import Feed
from audiosocket_cli.call.lane import Lane
from audiosocket_cli.call.poll import LOST, READABLE, WRITABLE, make_poll
from audiosocket_cli.call.relay import Relay
from audiosocket_cli.call.wire import SocketWire

SLOT_S: Final = 0.02
"""The grid of deadlines, in seconds: relays whose taps are due in one slot share a wake."""

_FINE_S: Final = 0.01
"""Deadlines nearer than this do not wait for their slot."""

_NEVER: Final = 1 << 62
"""The slot of what wants no wake."""

Over = Callable[[Exception | None], object]


class RelayDriver:
    """Runs any number of relays on the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._poll = make_poll()
        self._deferred = Deferred(self._loop)
        self._ends: dict[int, _End] = {}
        """The sockets of all relays, by descriptor."""
        self._slots: dict[int, list[_Driven]] = {}
        self._next: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = _NEVER

    def begin(self, relay: Relay, caller: SocketWire, server: SocketWire, over: Over) -> None:
        """Start a relay over its connected wires. `over` is called once it has ended and the wires are closed, with the
        error of the relay or its taps, if there was one."""
        self._begin(_Driven(self, relay, [_End(relay, relay.caller, caller), _End(relay, relay.server, server)], over))

    def begin_fed(self, relay: Relay, feed: Feed, server: SocketWire, over: Over) -> None:
        """Start a relay between a feed, which is read after all that is due, and a connected wire."""
        driven = _Driven(self, relay, [_End(relay, relay.server, server)], over, feed)
        self._begin(driven)
        feed.attach(driven.feed_soon)

    def _begin(self, driven: _Driven) -> None:
        if not self._ends:
            self._loop.add_reader(self._poll.fileno(), self._pass_on)
        for end in driven.ends:
            end.driven = driven
            self._ends[end.fd] = end
        driven.relay.start(driven)
        self.plan(driven)

    # Passing on.

    def _pass_on(self) -> None:
        """Pass on what is there to read."""
        ready = self._poll.ready()
        now_s = time.monotonic()
        ends = self._ends
        for fd, events in ready:
            end = ends.get(fd)
            if end is None:
                continue
            if events == READABLE and end.events == READABLE:  # as nearly always
                try:
                    end.relay.readable(end.lane, now_s)
                except Exception as error:
                    self._fail(end.driven, error)
                if end.relay.needs_plan:
                    self.plan(end.driven)
            else:
                self._take(end, events, now_s)

    def _take(self, end: _End, events: int, now_s: float) -> None:
        relay, driven = end.relay, end.driven
        try:
            if events & WRITABLE:
                relay.writable(end.lane, now_s)
            if events & ~WRITABLE:
                if end.events & READABLE:
                    relay.readable(end.lane, now_s)
                elif end.events & LOST:
                    relay.lost(end.lane, now_s)
        except Exception as error:
            self._fail(driven, error)
        self.plan(driven)

    def run(self, driven: _Driven, step: Callable[[], object]) -> None:
        """Let a relay do something."""
        if driven.relay.ended:
            return
        try:
            step()
        except Exception as error:
            self._fail(driven, error)
        self.plan(driven)

    def _fail(self, driven: _Driven, error: Exception) -> None:
        """End a relay in which there is a fault of ours: it harms this call alone; `over` gets the error."""
        driven.error = driven.error or error
        with contextlib.suppress(Exception):
            driven.relay.abort()
        self.release(driven)
        for end in driven.ends:
            end.wire.close()

    # Planning.

    def plan(self, driven: _Driven) -> None:
        """See what a relay waits for now."""
        relay = driven.relay
        relay.needs_plan = False
        if driven.has_left:
            return
        if relay.is_behind and not driven.is_behind:
            driven.is_behind = True
            self._deferred.add(driven.overhear)
        for end in driven.ends:
            events = 0
            if relay.wants_readable(end.lane):
                events = READABLE
            elif relay.wants_loss(end.lane):
                events = LOST
            if end.wire.blocked:
                events |= WRITABLE
            if events != end.events:
                self._poll.look_out(end.fd, end.events, events)
                end.events = events
        feed = driven.feed
        if feed is not None and feed.is_waiting and relay.wants_readable(relay.caller):
            feed.tell()
        self._plan_wake(driven, relay.wake_s)

    def _plan_wake(self, driven: _Driven, wake_s: float) -> None:
        if wake_s == driven.wake_s or math.isinf(wake_s):
            return
        driven.wake_s = wake_s
        if driven.relay.wakes_finely or wake_s - time.monotonic() < _FINE_S:
            driven.cancel_timer()
            driven.timer = self._loop.call_later(max(0.001, wake_s - time.monotonic()), driven.wake)
            return
        slot = math.ceil(wake_s / SLOT_S)
        if slot < driven.slot:
            driven.slot = slot
            if slot not in self._slots:
                self._slots[slot] = []
                heapq.heappush(self._next, slot)
            self._slots[slot].append(driven)
            self._set_timer()

    def _set_timer(self) -> None:
        slot = self._next[0] if self._next else _NEVER
        if slot == self._timer_slot:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_slot = None, slot
        if self._next:
            self._timer = self._loop.call_later(max(0.0, slot * SLOT_S - time.monotonic()) + 0.001, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_slot = _NEVER
        now_slot = time.monotonic() / SLOT_S
        while self._next and self._next[0] <= now_slot:
            for driven in self._slots.pop(heapq.heappop(self._next)):
                driven.slot, driven.wake_s = _NEVER, math.inf
                driven.tick()
        self._set_timer()

    def defer(self, step: Callable[[], object]) -> None:
        """Run a step after all that is there to be passed on."""
        self._deferred.add(step)

    def leave(self, driven: _Driven) -> None:
        """Look after a relay's sockets no more."""
        driven.has_left = True
        driven.cancel_timer()
        for end in driven.ends:
            if self._ends.get(end.fd) is end:
                del self._ends[end.fd]
                if end.events:
                    self._poll.look_out(end.fd, end.events, 0)
        if not self._ends:
            self._loop.remove_reader(self._poll.fileno())

    def release(self, driven: _Driven) -> None:
        """Remove an ended relay, and call its `over`."""
        if not driven.has_left:
            self.leave(driven)
        if not driven.is_over:
            driven.is_over = True
            self._loop.call_soon(self._tell_over, driven)

    def _tell_over(self, driven: _Driven) -> None:
        driven.ends.clear()  # no longer a reference cycle
        driven.over(driven.error)


class _End:
    """One of the two sockets of a relay."""

    __slots__ = ("driven", "events", "fd", "lane", "relay", "wire")

    driven: _Driven

    def __init__(self, relay: Relay, lane: Lane, wire: SocketWire) -> None:
        self.relay = relay
        self.lane = lane
        self.wire = wire
        self.fd = wire.fileno()
        self.events = 0
        """What the poll looks out for."""


class _Driven:
    """One relay on its sockets."""

    __slots__ = (
        "_driver", "ends", "error", "feed", "has_left", "is_behind", "is_over", "over", "relay", "slot", "timer",
        "wake_s",
    )  # fmt: skip

    def __init__(
        self, driver: RelayDriver, relay: Relay, ends: list[_End], over: Over, feed: Feed | None = None
    ) -> None:
        self._driver = driver
        self.relay = relay
        self.ends = ends
        self.over = over
        self.feed = feed
        """What is read in place of the caller's connection, if that is not a socket."""
        self.error: Exception | None = None
        """What went wrong inside the relay."""
        self.has_left = self.is_over = False
        self.is_behind = False
        """Whether it waits for its turn to overhear what has passed."""
        self.wake_s = math.inf
        self.slot = _NEVER
        """When it wants to be woken next, and the slot in which it is."""
        self.timer: asyncio.TimerHandle | None = None
        """Its own timer, for a wake that waits for no slot."""

    def wake(self) -> None:
        """The timer has expired, possibly a little early: then its work is planned again."""
        self.wake_s = math.inf
        self.tick()

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def tick(self) -> None:
        self._driver.run(self, self.relay.tick)

    def overhear(self) -> None:
        self.is_behind = False
        self._driver.run(self, self.relay.overhear)

    def feed_soon(self) -> None:
        self._driver.defer(self._read_feed)

    def defer_flush(self) -> None:
        self._driver.defer(self._flush)

    def run(self, step: Callable[[], object]) -> None:
        self._driver.run(self, step)

    def changed(self) -> None:
        self._driver.plan(self)

    def left(self) -> None:
        self._driver.leave(self)

    def released(self) -> None:
        self._driver.release(self)

    def _flush(self) -> None:
        self._driver.run(self, self.relay.flush)

    def _read_feed(self) -> None:
        assert self.feed is not None
        self.feed.untold()
        self._driver.run(self, self._take_feed)

    def _take_feed(self) -> None:
        relay, feed = self.relay, self.feed
        assert feed is not None
        if feed.failure is not None:
            relay.hang_up(feed.failure)
            relay.abort()
        elif relay.wants_readable(relay.caller):
            relay.readable(relay.caller, time.monotonic())
