"""What waits in a spool: calls, events, and figures of both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from audiosocket_cli.outbox.call_files import CallFiles


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call whose files wait for a store."""

    id: int
    files: CallFiles
    stem: str | None
    """The stem of its objects' names that was chosen, if one was."""
    done: Mapping[str, str]
    """Names of its objects that are there, with the SHA-256 of each."""
    attempts: int
    """How often it was postponed by this process."""


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event that waits for a bus."""

    id: int
    """Rising: events are in the order in which they came."""
    event_id: str
    """Unique for ever: by it receivers know an event that comes twice."""
    event: str
    """Its name."""
    uuid: str | None
    """Of the call that it belongs to, if to one."""
    body: bytes
    """The object of `--json`, as JSON."""
    attempts: int
    """How often it was postponed by this process."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call whose `call` event was put, and no `ended` yet."""

    id: int
    process: str
    uuid: str
    body: bytes
    """The object of its `call` event, as JSON."""


class SpoolFigures(NamedTuple):
    """How much waits, and what came of all that ever did."""

    waiting_calls: int
    waiting_bytes: int
    """Of the files of these calls."""
    waiting_events: int
    event_bytes: int
    oldest_at: float | None
    """When the oldest of all that waits was put, in seconds since 1970."""
    uploaded: int
    """Calls whose files are all in the store."""
    given_up: int
    """Calls that are not sent: their files stay."""
    sent: int
    """Events that the bus has."""
    dropped: int
    """Events that are lost."""

    @property
    def oldest_s(self) -> int:
        """For how many seconds the oldest has waited; 0 where nothing waits."""
        return 0 if self.oldest_at is None else max(round(time.time() - self.oldest_at), 0)
