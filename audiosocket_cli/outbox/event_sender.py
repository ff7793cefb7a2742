"""The sender of events: takes them from the spool, in order for each call, and gives them to a bus, many at once.

Each event is sent until it is delivered: it is removed from the spool after that, so one whose answer was lost, or
whose sender was killed, is sent again under the same id. Only an event that the other side will not have is given up.

Lane      the events of one call, of which one is on its way; the next goes when that one has arrived. An event of no
          call has a lane to itself
BusState  whether the bus may be used at all: after failures nothing is sent for a while, then one event to try it
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from audiosocket_cli.outbox.back_off import wait_after
from audiosocket_cli.outbox.bus import Answer, Bus, EventQueue, Fate
from audiosocket_cli.outbox.event_size import fit
from audiosocket_cli.outbox.spool_tables import DROPPED
from audiosocket_cli.outbox.waiting import WaitingEvent

MAX_HELD: Final = 2000
MAX_HELD_BYTES: Final = 16 << 20
"""Events in memory, and their bytes. There may be some more: those that were asked for together."""

_ASKED_FOR: Final = 50

_MANY_FAILURES: Final = 8
"""After so many in a row, it is not the fault of one event: the bus is away."""

_COUNT_S: Final = 1.0
"""How often it looks whether events were dropped."""

_TOLD_FROM_S: Final = 5.0
"""A pause that is over sooner is not told: a bus that refuses some of what it gets has one after the other."""


class EventSender:
    """Sends events until it is told to stop."""

    def __init__(
        self,
        spool: EventQueue,
        bus: Bus,
        tell: Callable[[str], object],
        *,
        on_dropped: Callable[[int], object] = lambda count: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` gets a line when the bus goes away, and when it is back; `on_dropped` the number of events that were
        dropped, once others arrive after them."""
        self._spool, self._bus, self._clock = spool, bus, clock
        self._lanes = _Lanes()
        self._bus_state = _BusState(bus.name, tell, clock)
        self._answers: queue.SimpleQueue[tuple[WaitingEvent | None, Answer] | None] = queue.SimpleQueue()
        """And None where there may be new events."""
        self._finished: list[int] = []
        self._next_look = 0.0
        self._on_dropped: Callable[[int], object] | None = on_dropped
        self._next_count = 0.0

    def work(self, stop: threading.Event) -> None:
        """Send what is due and what comes, until `stop`. What is on its way then is not waited for: it stays in the
        spool. Blocks."""
        self._bus.look(partial(self._take, None))
        self._spool.news.listen("events", lambda: self._answers.put(None))
        try:
            while not stop.is_set():
                self.step(min(self._spool.news.look_s, self._bus_state.pause_s or math.inf))
        finally:
            self._take_answers(0.0)
            self._note()

    def step(self, wait_s: float) -> None:
        """Send what can be sent, wait at most so long for answers, and note them."""
        self._refill()
        self._send()
        self._take_answers(wait_s)
        self._note()

    @property
    def problem(self) -> str | None:
        """Why nothing can be sent now; None while all is well."""
        return self._bus_state.problem

    def _refill(self) -> None:
        now = self._clock()
        if now < self._next_look or not self._bus_state.may_send:
            return
        lanes = self._lanes
        while lanes.held < MAX_HELD and lanes.held_bytes < MAX_HELD_BYTES:
            events = self._spool.due_events(_ASKED_FOR)
            for event in events:
                lanes.add(event)
            if len(events) < _ASKED_FOR:
                self._next_look = now + self._spool.news.look_s
                return

    def _send(self) -> None:
        while self._lanes.busy < self._bus_state.most_at_once(self._bus.parallel):
            event = self._lanes.take()
            if event is None:
                return
            body = fit(with_id(event), self._bus.max_bytes)
            if body is None:
                reason = f"it is larger than {self._bus.max_bytes:,} bytes, however short its lists are"
                self._take(event, Answer(Fate.REFUSED, reason))
                continue
            self._bus.send(event.event, event.event_id, body, partial(self._take, event))

    def _take(self, event: WaitingEvent | None, answer: Answer) -> None:
        """Put the answer for an event, or for a look, among those to be judged; from any thread."""
        self._answers.put((event, answer))

    def _take_answers(self, wait_s: float) -> None:
        """Take all answers that there are, and wait for the first."""
        try:
            answer = self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
            while True:
                if answer is None:
                    self._next_look = 0.0
                else:
                    self._judge(*answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            pass

    def _judge(self, event: WaitingEvent | None, answer: Answer) -> None:
        if event is None:  # a look only
            if answer.fate is not Fate.DELIVERED:
                self._bus_state.failed(answer, at_once=True, is_start=True)
            return
        if answer.fate is Fate.DELIVERED or answer.fate is Fate.REFUSED:
            self._bus_state.succeeded()
        if answer.fate is Fate.DELIVERED:
            self._lanes.finish(event)
            self._finished.append(event.id)
        elif answer.fate is Fate.REFUSED:
            self._lanes.finish(event)
            if event.event == DROPPED:
                self._on_dropped = None  # else that would be told in the next, for ever
            which = f"{event.event} of {event.uuid}" if event.uuid else event.event
            self._spool.drop_event(event.id, f"an event ({which}) is dropped: {self._bus.name}: {answer.reason}")
        else:
            self._put_off(event, answer)

    def _put_off(self, event: WaitingEvent, answer: Answer) -> None:
        is_away = answer.fate is Fate.AWAY
        self._bus_state.failed(answer, at_once=is_away)
        if is_away or self._bus_state.is_away:
            self._lanes.put_back(event)  # it is as good as any other to try again with
            return
        self._lanes.forget(event)
        wait_s = wait_after(event.attempts + 1, answer.wait_s)
        self._spool.postpone_event(event.id, wait_s, f"an event waits: {self._bus.name}: {answer.reason}")

    def _note(self) -> None:
        if self._finished:
            self._spool.finish_events(self._finished)
            self._finished = []
            self._report_dropped()

    def _report_dropped(self) -> None:
        now = self._clock()
        if now < self._next_count or self._on_dropped is None:
            return
        self._next_count = now + _COUNT_S
        with contextlib.suppress(OSError):  # the spool has told of it, and counts on
            count = self._spool.take_dropped()
            if count:
                self._on_dropped(count)


def with_id(event: WaitingEvent) -> bytes:
    """Return the JSON of an event with its id as the last member."""
    return b'%s, "id": "%s"}' % (event.body[:-1], event.event_id.encode())


def _lane_of(event: WaitingEvent) -> str | int:
    return event.uuid or event.id


class _Lanes:
    """Events in memory, by call."""

    def __init__(self) -> None:
        self._lanes: dict[str | int, deque[WaitingEvent]] = {}
        """Each call's, the first of which may be on its way."""
        self._ready: deque[str | int] = deque()
        """Calls of which nothing is on its way, in turn."""
        self.held = 0
        self.busy = 0
        self.held_bytes = 0

    def add(self, event: WaitingEvent) -> None:
        """Add an event, which is not here yet."""
        self.held += 1
        self.held_bytes += len(event.body)
        key = _lane_of(event)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            self._ready.append(key)
        lane.append(event)

    def take(self) -> WaitingEvent | None:
        """Return the next event to send, and count it as being on its way."""
        if not self._ready:
            return None
        self.busy += 1
        return self._lanes[self._ready.popleft()][0]

    def finish(self, event: WaitingEvent) -> None:
        """An event that was on its way is done with: the next of its call may go."""
        self.busy -= 1
        key = _lane_of(event)
        lane = self._lanes[key]
        self._remove(lane.popleft())
        if lane:
            self._ready.append(key)
        else:
            del self._lanes[key]

    def put_back(self, event: WaitingEvent) -> None:
        """An event that was on its way is to be sent again, after those of other calls."""
        self.busy -= 1
        self._ready.append(_lane_of(event))

    def forget(self, event: WaitingEvent) -> None:
        """Forget all events of a call: the spool has them."""
        self.busy -= 1
        for each in self._lanes.pop(_lane_of(event)):
            self._remove(each)

    def _remove(self, event: WaitingEvent) -> None:
        self.held -= 1
        self.held_bytes -= len(event.body)


class _BusState:
    """Whether the bus may be used: all at once while it works, nothing while it is away, then one event to try it."""

    def __init__(self, name: str, tell: Callable[[str], object], clock: Callable[[], float]) -> None:
        self._name, self._tell, self._clock = name, tell, clock
        self._failures = 0
        """In a row, of any events."""
        self._tries = 0
        """How often it was tried in vain since it went away."""
        self._away_since: float | None = None
        self._wait_until = 0.0
        self._reason = self._told = ""
        """Why it is away, and what was told of that."""

    @property
    def is_away(self) -> bool:
        return self._away_since is not None

    @property
    def problem(self) -> str | None:
        return f"{self._name}: {self._reason}" if self.is_away else None

    @property
    def may_send(self) -> bool:
        return self._clock() >= self._wait_until

    @property
    def pause_s(self) -> float:
        """How long nothing may be sent."""
        return max(0.0, self._wait_until - self._clock())

    def most_at_once(self, parallel: int) -> int:
        """Return how many events may be on their way."""
        if self._away_since is None:
            return parallel
        return 1 if self.may_send else 0

    def failed(self, answer: Answer, *, at_once: bool, is_start: bool = False) -> None:
        """Something could not be sent. `at_once`: it was not the fault of one event. `is_start`: it never could, which
        may be a mistake of who has just started this, and is told at once."""
        self._failures += 1
        if not at_once and self._failures < _MANY_FAILURES and not self.is_away:
            return
        now = self._clock()
        if self._away_since is None:
            self._away_since, self._tries, self._told = now, 0, ""
        elif now < self._wait_until:
            return  # an event that was on its way when it went away
        self._tries += 1
        self._wait_until = now + wait_after(self._tries, answer.wait_s)
        self._reason = answer.reason
        if self._reason != self._told and (is_start or self._wait_until - self._away_since >= _TOLD_FROM_S):
            self._told = self._reason
            self._tell(f"events wait: {self._name}: {self._reason}")

    def succeeded(self) -> None:
        """Something has arrived."""
        if self._away_since is None:
            self._failures = 0
        elif self.may_send:  # else it was on its way when the bus went away, or asked to be left alone
            away_s = self._clock() - self._away_since
            self._failures, self._away_since, self._wait_until = 0, None, 0.0
            if self._told:
                self._tell(f"events go out again: {self._name} was away for {away_s:.0f} s")
