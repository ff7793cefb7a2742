"""What passed on a connection while it is not known yet what it is: kept, and looked at for what tells."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from audiosocket_cli.capture.streams import OPENING_BYTES, Head
from audiosocket_cli.capture.tcp import Piece

_MAX_BYTES: Final = 128 << 10
"""How much of one side of a connection is kept to find out what it is: a run of the longest frames."""

_MAX_EVENTS: Final = 4000
"""How many of its segments are."""

Happened = Piece | str | None
"""Bytes, a comment, or the end of a direction."""

Event = tuple[int, int, Happened]
"""When, in ns; which end; what."""


class Undecided:
    """The beginning of a connection, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.heads = (Head(), Head())
        """What each end began with."""

    def take(self, event: Event) -> None:
        """Keep what happened."""
        self.events.append(event)
        _, who, happened = event
        if isinstance(happened, Piece):
            self.heads[who].take(happened)

    @property
    def is_much(self) -> bool:
        """Whether no more can be waited for."""
        return max(len(head.data) for head in self.heads) >= _MAX_BYTES or len(self.events) >= _MAX_EVENTS

    @property
    def has_data(self) -> bool:
        """Whether either end has said anything."""
        return any(head.data for head in self.heads)

    @property
    def is_whole(self) -> bool:
        """Whether no bytes are missing."""
        return all(head.is_first for head in self.heads)

    def shows_frames(self, *, ends: bool) -> bool:
        """Whether either end has said frames, more than by accident; `ends` says that nothing more is coming."""
        return any(head.shows_frames(ends=ends) for head in self.heads)

    def uuid(self, caller: int) -> UUID | None:
        """Return the UUID that an end began with, if it did."""
        return self.heads[caller].uuid()

    def opened_ns(self, caller: int, last_ns: int) -> int:
        """Return when an end's first 19 bytes were there; `last_ns` where they are not."""
        size = 0
        for at_ns, who, happened in self.events:
            if who == caller and isinstance(happened, Piece):
                size += len(happened.data)
                if size >= OPENING_BYTES:
                    return at_ns
        return last_ns
