"""What events are sent to, as their sender sees it, and what came of one try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from audiosocket_cli.outbox.news import News
from audiosocket_cli.outbox.waiting import WaitingEvent


class Fate(Enum):
    """What came of one try to send an event."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The other side refuses this event, however often it is sent."""
    FAILED = "failed"
    """Not this time. It may be the fault of this event alone."""
    AWAY = "away"
    """Not this time, and none of the others either."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try: `reason` is one line that is safe to show, empty for a delivered event."""

    fate: Fate
    reason: str = ""
    wait_s: float | None = None
    """How long it asks to be left alone, if it does."""


DELIVERED = Answer(Fate.DELIVERED)

Done = Callable[[Answer], object]
"""Called once for each event that was given to a bus, from any thread."""


class Bus(Protocol):
    """Takes events. It sends them as they are given, at most `parallel` at once, and repeats none."""

    name: str
    """Where they go, without any secret."""
    parallel: int
    max_bytes: int
    """The most that one event may have. It may become less once the other side has said so."""

    def look(self, done: Done) -> None:
        """Find out whether events can be sent, and send none; never waits."""

    def send(self, event: str, event_id: str, body: bytes, done: Done) -> None:
        """Begin to send an event: its name, the id that tells repetitions apart, and its JSON; never waits."""

    def close(self) -> None:
        """Give up what is on its way. Its `done` may be called yet, or never."""


class EventQueue(Protocol):
    """Events that wait on disk: the part of the spool that their sender uses."""

    def due_events(self, most: int) -> Sequence[WaitingEvent]:
        """Return the next events that are due, in order: each once, and again when it was postponed."""

    def finish_events(self, ids: Sequence[int]) -> None:
        """Forget events that were delivered."""

    def postpone_event(self, id: int, seconds: float, reason: str) -> None:
        """Hold back an event, and the later ones of its call that were returned, for so long; `reason` is told."""

    def drop_event(self, id: int, reason: str) -> None:
        """Forget an event that nobody will have, and count it; `reason` is told."""

    def take_dropped(self) -> int:
        """Return how many events were dropped since this returned a number last. Raises `OSError` when that cannot be
        noted now."""

    @property
    def news(self) -> News:
        """Tells when an event was put."""
