"""What a capture consists of, whatever its format: calls, and what happened in them, in order of time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from audiosocket_cli.codec import Frame
from audiosocket_cli.model import Side


@dataclass(slots=True, eq=False)
class CapturedCall:
    """One connection of a capture. Times in its items are seconds since its start: the UUID, or the first byte seen."""

    name: str
    """The UUID, followed by `#2` and so on from the second call with the same UUID on; a number if there is none."""
    uuid: UUID | None = None
    caller: str = ""
    """The caller's address as host:port; "" when the capture does not have it."""
    server: str = ""
    started_ns: int | None = None
    """Wall clock of its start in ns since 1970; None in a capture without times."""
    me: Side | None = None
    """The side that took the capture, if one of the two did."""
    whole: bool = True
    """Whether its beginning was seen."""
    unseen: Side | None = None
    """The side of which no packet was captured, if there is one; known at the call's end."""
    file: str = ""
    """The capture that it begins in, if several were joined."""
    remarks: list[str] = field(default_factory=list)
    """How it was captured: more than once, or not all of it; known at the call's end."""


class CallNames:
    """Gives each call of a capture a name of its own."""

    def __init__(self) -> None:
        self._calls = 0
        self._same: Counter[UUID] = Counter()

    def name(self, uuid: UUID | None) -> str:
        """Return the name of the next call."""
        self._calls += 1
        if uuid is None:
            return str(self._calls)
        self._same[uuid] += 1
        return f"{uuid}#{self._same[uuid]}" if self._same[uuid] > 1 else str(uuid)


class Opened(NamedTuple):
    """A connection was recognised as a call; `at_s` is when it began, at or before 0.0."""

    call: CapturedCall
    at_s: float


class Captured(NamedTuple):
    """A whole frame of one side.

    `at_s` is when its last byte passed, `begun_s` when its first did: earlier where a frame came in parts. `offset` is
    where it starts in the bytes of its side, those that are missing included. `gap_s` is the longest time without a
    byte inside it.
    """

    call: CapturedCall
    at_s: float
    side: Side
    frame: Frame
    begun_s: float
    offset: int
    gap_s: float = 0.0


class Remark(NamedTuple):
    """A comment that somebody wrote into the capture."""

    call: CapturedCall
    at_s: float
    text: str


MISSING: Final = "missing from the capture"
CUT_FRAME: Final = "of a frame that is not whole"


class Lost(NamedTuple):
    """Bytes of a side that are not whole frames: missing from the capture, or passed over to find the next frame."""

    call: CapturedCall
    at_s: float
    side: Side
    lost_bytes: int
    reason: str


class Ended(NamedTuple):
    """A side closed its half of the connection, or reset all of it."""

    call: CapturedCall
    at_s: float
    side: Side
    reset: bool


class Over(NamedTuple):
    """Nothing more of a call follows."""

    call: CapturedCall


class NoCall(NamedTuple):
    """A connection that should have been a call and was not, with the reason."""

    started_ns: int
    caller: str
    server: str
    reason: str


class Damage(NamedTuple):
    """The file itself is damaged at `offset`; `skipped_bytes` of it were passed over (None: reading ended there)."""

    offset: int
    reason: str
    skipped_bytes: int | None = None


class Step(NamedTuple):
    """A line of a script that is not a frame: something to do, or to expect."""

    at_s: float | None
    what: str
    facts: dict[str, Any]
    line: int
    """Where it stands in the script."""


Item = Opened | Captured | Remark | Lost | Ended | Over | NoCall | Damage | Step
