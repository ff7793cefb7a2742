"""The facts of a call, in the words of the field: its sides, its frames with their times, who ended it and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

from audiosocket_cli.finding import tagged

T = TypeVar("T")


class Side(StrEnum):
    """Who: the caller is what Asterisk sends, the server what Asterisk receives."""

    CALLER = "caller"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The side across the wire."""
        return Side.SERVER if self is Side.CALLER else Side.CALLER


class How(StrEnum):
    """How a call ended on the wire."""

    HANGUP = "hangup"  # kind 00
    CLOSED = "closed"  # end of stream
    RESET = "reset"  # connection reset or lost
    FAULT = "fault"  # one side broke the protocol


class Ending(NamedTuple):
    """Who ended a call, how, and why in words."""

    by: Side
    how: How
    reason: str


class Digit(NamedTuple):
    """A digit with the time of its end, in seconds since the call's start."""

    at_s: float
    digit: str
    in_band: bool = False
    """Whether it was heard as tones in the audio, rather than said as a frame."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values; `in_band` is there only where it is so."""
        return {"at_s": round(self.at_s, 3), "digit": self.digit} | ({"in_band": True} if self.in_band else {})


class Pacing(Protocol):
    """How well the schedule of what we say was kept."""

    late: int
    """Frames sent more than half a ptime after they were due."""
    worst_lateness_s: float
    held: int
    """Frames that were due while the peer did not read."""
    slips: int
    """How often the schedule was given up for a later one, and by how much in all: `slipped_s`."""
    slipped_s: float


_BOTH: Final = tagged("digits-twice", "digits come as frames and as tones at once: each is counted as a frame only")
_MORE: Final = tagged("more-findings", "and more of the kind")
_MAX_NOTES = 20

MAX_DIGITS: Final = 10_000
"""Digits of a call that are listed."""

MAX_RESULT: Final = 200
"""Characters that the result of a call may have."""

_DIGITS_AT_ONCE: Final = 50
_DIGITS_A_SECOND: Final = 20
"""Our own choice: ITU-T Q.24 has keys of 40 ms and pauses of 40 ms, 12 a second. More do not come from fingers, and
would fill a log."""


_SAME_PRESS_S: Final = 10.0
"""A tone and a frame of the same digit this near are one press. Our own choice: a key may be held so long before its
frame comes, at its release, and its tone may leak through at the beginning (`ast_dsp_process` mutes it once it is
sure)."""


_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(slots=True)
class Call:
    """The facts of one call. Times in seconds are since its start: the UUID, sent or received."""

    me: Side
    peer: str
    uuid: UUID
    started_at: datetime
    pacer: Pacing
    digits: list[Digit] = field(default_factory=list)
    digits_left_out: int = 0
    """Digits that were neither listed nor reported."""
    notes: list[str] = field(default_factory=list)
    ending: Ending | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: _NO_VARIABLES)
    """What is known of the caller beside the UUID, as the operator gave it: names and values."""
    result: str | None = None
    """What came of the call, as its bot said: see `take_result`."""
    duration_s: float = 0.0
    in_bulk: bool = False
    """Whether what is heard is read some times a second: when each frame arrived is then known to 20 ms."""
    backlog_bytes: int = 0
    """The most bytes that we had sent and the peer's system had not confirmed."""
    undelivered_bytes: int = 0
    """The same when the connection was closed: what may never arrive."""
    _tones: tuple[Digit, ...] = ()
    """Digits that came as tones alone so far; none once a frame has come and they are too old for it."""
    _leaks: tuple[Digit, ...] = ()
    """Those between the tone and the frame of one press, which may be of that press, or have a frame to come."""
    _frames_come: bool = False
    _tell_note: Callable[[Call, str], object] | None = None
    _tell_result: Callable[[str], object] | None = None

    def by_side(self, heard: Sequence[T], said: Sequence[T]) -> tuple[tuple[Side, Sequence[T]], ...]:
        """Return what was heard and what was said under the name of the side that spoke it, caller first."""
        pairs = ((self.me, said), (self.me.other, heard))
        return pairs if self.me is Side.CALLER else pairs[::-1]

    @property
    def ended_at(self) -> datetime:
        """Wall-clock end, from the start and the monotonic duration."""
        return self.started_at + timedelta(seconds=self.duration_s)

    def press(self, digit: Digit) -> bool:
        """List a digit of the other side; False if it is listed already, there are too many, or they come too fast.

        Once digits come as frames, tones are left out: a phone sends either; what leaks of the other is not a press.
        """
        if digit.in_band and self._frames_come:
            self.note(_BOTH)
            return False
        if not digit.in_band:
            self._frames_come = True
            if self._tones and self._is_told(digit):
                self.note(_BOTH)
                return False
        if len(self.digits) < min(MAX_DIGITS, _DIGITS_AT_ONCE + _DIGITS_A_SECOND * digit.at_s):
            self.digits.append(digit)
            if digit.in_band:
                self._tones += (digit,)
            return True
        self.digits_left_out += 1
        return False

    def _is_told(self, frame: Digit) -> bool:
        """Whether a frame's press was reported when its tone came; then the frame takes the place of the tone in the
        list."""
        self._tones = tuple(tone for tone in self._tones if frame.at_s - tone.at_s <= _SAME_PRESS_S)
        of_digit = [tone for tone in self._tones if tone.digit == frame.digit]
        if not of_digit:
            return False
        first, *others = of_digit
        self._tones = tuple(tone for tone in self._tones if tone is not first)
        leaks = tuple(tone for tone in self._leaks if tone is not first)
        self._leaks = leaks + tuple(tone for tone in others if tone not in self._leaks)
        self.digits[self.digits.index(first)] = frame
        return True

    def presses(self) -> list[Digit]:
        """Return all digits in the order of their times, each press once."""
        return sorted((digit for digit in self.digits if digit not in self._leaks), key=lambda digit: digit.at_s)

    def note(self, text: str) -> None:
        """Keep a finding, a line with its id (`tagged`), once, however often it happens; of too many, the first."""
        if len(self.notes) < _MAX_NOTES and text not in self.notes:
            self.notes.append(text if len(self.notes) < _MAX_NOTES - 1 else _MORE)
            if self._tell_note is not None:
                self._tell_note(self, self.notes[-1])

    def take_result(self, result: object) -> str | None:
        """Keep what came of the call, and report it at once: before a hangup, the dialplan will ask for it. The last of
        several counts. Returns why not, for what cannot be one."""
        problem = why_no_result(result)
        if problem is not None or not isinstance(result, str):
            return problem
        self.result = result
        if self._tell_result is not None:
            self._tell_result(result)
        return None

    def report_result(self, tell: Callable[[str], object]) -> None:
        """Report each result from now on to `tell`, which must not refer to the call (as that of `report_notes`)."""
        self._tell_result = tell

    def environment(self) -> dict[str, str]:
        """Return the variables as programs get them in their environment: AUDIOSOCKET_VAR_ and the name as given."""
        return {f"AUDIOSOCKET_VAR_{name}": value for name, value in self.variables.items()}

    def report_notes(self, tell: Callable[[Call, str], object]) -> None:
        """Report the lines kept by `note`, and from now on each new one, to `tell`. `tell` must not refer to the call,
        so that the call leaves memory as soon as it is over."""
        for text in self.notes:
            tell(self, text)
        self._tell_note = tell


def why_no_result(result: object) -> str | None:
    """Return why something cannot be the result of a call, or None."""
    if isinstance(result, str):
        if 0 < len(result) <= MAX_RESULT and result.isprintable():
            return None
        return f"{result[:50]!r} is not a result: it has 1 to {MAX_RESULT} printable characters"
    return f"{result!r:.50} is not a result: it is text, of 1 to {MAX_RESULT} printable characters"


def now_utc() -> datetime:
    """The wall clock, for a call's start; everything after it is counted on the monotonic clock."""
    return datetime.now(UTC)
