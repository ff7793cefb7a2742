"""What happens while calls come and go, told as it happens: the lines of a log, the objects of `--json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiosocket_cli.model import Call, Digit
from audiosocket_cli.runs import FrameRun


@dataclass(frozen=True, slots=True)
class Listening:
    """Calls are accepted from now on, and recorded somewhere, or not."""

    host: str
    port: int
    record: str | None
    program: str | None = None
    """The command line that answers calls, if one does."""
    capture: str | None = None
    """Where calls are captured to, if they are."""
    addresses: tuple[str, ...] = ()
    """All that is listened on, as host:port; `host` and `port` are the first."""
    name: str = ""
    """The name that these are the addresses of, where one was given."""
    passed: bool = False
    """Whether systemd has passed the sockets."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A connection said its UUID."""

    call: Call


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """The caller pressed a key."""

    call: Call
    digit: Digit


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is odd about a call: a line with its cure."""

    call: Call
    text: str


@dataclass(frozen=True, slots=True)
class ProgramSaid:
    """A program that answers a call wrote a line to its standard error."""

    call: Call
    line: str


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording ended before its call did."""

    call: Call
    reason: str


@dataclass(frozen=True, slots=True)
class CaptureFailed:
    """A capture ended before its connection did."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over; `result` is the content of its JSON file, `files` are its recordings."""

    call: Call
    result: dict[str, Any]
    files: Sequence[Path]
    capture: Path | None = None


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A connection was turned away before it became a call."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """A connection ended without having become a call."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoreRefused:
    """So many more connections of one address were turned away, or failed, as were told of lately."""

    host: str
    count: int


@dataclass(frozen=True, slots=True)
class HookFailed:
    """A command that was to be run after a call went wrong."""

    call: Call
    reason: str


Event = (
    Listening
    | CallStarted
    | DigitHeard
    | Finding
    | ProgramSaid
    | RecordingFailed
    | CaptureFailed
    | CallEnded
    | HookFailed
    | CallRefused
    | ConnectionFailed
    | MoreRefused
)
Report = Callable[[Event], None]


class EventTap:
    """A tap that reports a call's start, digits and findings the moment they happen."""

    __slots__ = ("_call", "_report")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._call: Call | None = None

    def opened(self, call: Call) -> None:
        self._call = call
        report = self._report
        report(CallStarted(call))
        call.tell_notes(lambda call, text: report(Finding(call, text)))

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        pass

    def digit(self, at_s: float, digit: str) -> None:
        assert self._call is not None
        self._report(DigitHeard(self._call, Digit(at_s, digit)))

    def closed(self, call: Call) -> None:
        pass
