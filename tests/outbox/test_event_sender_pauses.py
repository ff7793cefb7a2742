"""A bus that asks to be left alone is left alone, and one that refuses now and then fills no log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from audiosocket_cli.outbox.bus import Answer, Done, Fate
from audiosocket_cli.outbox.event_sender import EventSender
from audiosocket_cli.outbox.news import News

DELIVERED = Answer(Fate.DELIVERED)


@dataclass(frozen=True)
class Event:
    """An event of a call of its own."""

    id: int
    event: str = "call"
    body: bytes = b"{}"
    attempts: int = 0

    @property
    def event_id(self) -> str:
        return f"event-{self.id}"

    @property
    def uuid(self) -> str:
        return f"call-{self.id}"


class Queue:
    """Has ever more events."""

    def __init__(self, most: int) -> None:
        self._numbers = count(1)
        self._left = most
        self.news = News()
        self.finished: list[int] = []

    def due_events(self, most: int) -> Sequence[Event]:
        most = min(most, self._left)
        self._left -= most
        return [Event(next(self._numbers)) for _ in range(most)]

    def finish_events(self, numbers: Sequence[int]) -> None:
        self.finished += numbers

    def postpone_event(self, number: int, seconds: float, reason: str) -> None:
        raise AssertionError(reason)

    def drop_event(self, number: int, reason: str) -> None:
        raise AssertionError(reason)

    def take_dropped(self) -> int:
        return 0


class HeldBus:
    """Takes events, and answers when the test says so."""

    name = "http://bus"
    parallel = 4
    max_bytes = 1000

    def __init__(self) -> None:
        self.waiting: list[Done] = []
        self.answer: Callable[[], Answer] | None = None

    def look(self, done: Done) -> None:
        done(DELIVERED)

    def send(self, event: str, event_id: str, body: bytes, done: Done) -> None:
        if self.answer is None:
            self.waiting.append(done)
        else:
            done(self.answer())

    def close(self) -> None:
        """Nothing to close."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_event_that_was_on_its_way_and_arrives_ends_no_pause_that_was_asked_for() -> None:
    told: list[str] = []
    bus, clock = HeldBus(), Clock()
    sender = EventSender(Queue(20), bus, told.append, clock=clock)
    sender.step(0)
    refused, *others = bus.waiting
    assert len(others) == 3
    refused(Answer(Fate.AWAY, "HTTP 429 Too Many Requests", 30.0))
    sender.step(0)
    for done in others:
        done(DELIVERED)
    sender.step(0)
    sender.step(0)
    assert len(bus.waiting) == 4  # nothing new
    assert told == ["events wait: http://bus: HTTP 429 Too Many Requests"]
    clock.now += 31
    sender.step(0)
    assert len(bus.waiting) == 5  # one, to try it
    bus.waiting[-1](DELIVERED)
    sender.step(0)
    sender.step(0)
    assert len(bus.waiting) == 9
    assert told[1:] == ["events go out again: http://bus was away for 31 s"]


def test_a_bus_that_refuses_every_other_event_for_a_moment_is_not_told_each_time() -> None:
    told: list[str] = []
    bus, clock, queue = HeldBus(), Clock(), Queue(200)
    answers = count()
    bus.answer = lambda: DELIVERED if next(answers) % 2 else Answer(Fate.AWAY, "HTTP 503 Slow Down")
    sender = EventSender(queue, bus, told.append, clock=clock)
    while len(queue.finished) < 200:
        clock.now += 0.25
        sender.step(0)
    assert told == []
