"""Events of calls and of the server, reported as they happen: the lines of a log, the objects of `--json`.

The content of an event is defined here, and for those about sending calls on in `sending_events`; where and how it is
shown is the business of `ui`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from audiosocket_cli.finding import id_of
from audiosocket_cli.model import Call, Digit, How, Side
from audiosocket_cli.runs import FrameRun
from audiosocket_cli.text import counted


class Event(ABC):
    """An event: its name, its facts, and a sentence for people."""

    __slots__ = ()

    name: ClassVar[str]

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what is known of it as JSON values, units in the keys."""

    @abstractmethod
    def sentence(self) -> str:
        """Say it in one line."""


Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """Calls are accepted from now on, and recorded somewhere, or not."""

    name = "listening"

    host: str
    port: int
    record: str | None
    program: str | None = None
    """The command line that answers calls, if one does."""
    capture: str | None = None
    """Where calls are captured to, if they are."""
    addresses: tuple[str, ...] = ()
    """All that is listened on, as host:port; `host` and `port` are the first."""
    host_name: str = ""
    """The name that these are the addresses of, where one was given."""
    passed: bool = False
    """Whether systemd has passed the sockets."""
    targets: tuple[str, ...] = ()
    """The servers that calls are passed on to, as host:port, if they are."""
    mirror: str | None = None
    """The server that hears the same callers, if there is one."""
    is_open: bool = True
    """Whether calls are accepted already; else once a server is up."""
    bridge: str | None = None
    """The URL of the bot that answers, where one is reached by a WebSocket."""

    def facts(self) -> dict[str, Any]:
        where = {"host": self.host, "port": self.port, "addresses": self.addresses}
        capture = {"capture": self.capture} if self.capture else {}
        targets = {"targets": self.targets, "open": self.is_open} if self.targets else {}
        mirror = {"mirror": self.mirror} if self.mirror else {}
        bridge = {"bridge": self.bridge} if self.bridge else {}
        return {**where, **targets, **mirror, "record": self.record, "program": self.program, **bridge, **capture}

    def sentence(self) -> str:
        """Say where calls are accepted, and how to open it to others."""
        recording = f"recording to {self.record}" if self.record else "not recording"
        if self.capture:
            recording += f", capturing to {self.capture}"
        if self.targets:
            mirror = f", mirrored to {self.mirror}" if self.mirror else ""
            recording = f"passing calls on to {', '.join(self.targets)}{mirror}, {recording}"
        if self.program:
            recording += f", running {self.program}"
        if self.bridge:
            recording += f", bridging to {self.bridge}"
        remarks = []
        if self.host_name and len(self.addresses) > 1:
            where = f"{self.host_name}:{self.port}"
            remarks.append(" and ".join(address.rpartition(":")[0] for address in self.addresses))
        else:
            addresses = self.addresses or (f"{self.host}:{self.port}",)
            where = " and ".join(map(_listening_place, addresses))
        if self.passed:
            remarks.append("by systemd; --listen is not used")
        elif self.host in ("127.0.0.1", "::1"):
            remarks.append(f"this machine only; --listen :{self.port} opens it to the network")
        remark = f" ({'; '.join(remarks)})" if remarks else ""
        when = "" if self.is_open else " once a server is up"
        return f"listening on {where}{when}{remark}, {recording}"


def _listening_place(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"port {port} of all interfaces" if host in ("0.0.0.0", "[::]") else address


@dataclass(frozen=True, slots=True)
class CallStarted(Event):
    """A connection said its UUID."""

    name = "call"

    call: Call

    def facts(self) -> dict[str, Any]:
        started_at = self.call.started_at.isoformat(timespec="milliseconds")
        return {"uuid": str(self.call.uuid), "peer": self.call.peer, "started_at": started_at}

    def sentence(self) -> str:
        return f"call {self.call.uuid} {'from' if self.call.me is Side.SERVER else 'to'} {self.call.peer}"


@dataclass(frozen=True, slots=True)
class DigitHeard(Event):
    """The caller pressed a key."""

    name = "digit"

    call: Call
    digit: Digit

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), **self.digit.as_dict()}

    def sentence(self) -> str:
        at_s, digit, in_band = self.digit
        return f"{self.call.uuid} digit {digit} at {at_s:.2f} s{' (in-band)' if in_band else ''}"


@dataclass(frozen=True, slots=True)
class Finding(Event):
    """Something is odd about a call: a line with its cure."""

    name = "finding"

    call: Call
    text: str

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), "finding": self.text, "finding_id": id_of(self.text)}

    def sentence(self) -> str:
        return f"{self.call.uuid} finding: {self.text}"


@dataclass(frozen=True, slots=True)
class ProgramSaid(Event):
    """A program that answers a call wrote a line to its standard error."""

    name = "program"

    call: Call
    line: str

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), "line": self.line}

    def sentence(self) -> str:
        return f"{self.call.uuid} | {self.line.expandtabs()}"


@dataclass(frozen=True, slots=True)
class RecordingFailed(Event):
    """A recording ended before its call did."""

    name = "recording-failed"

    call: Call
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), "reason": self.reason}

    def sentence(self) -> str:
        return f"{self.call.uuid} recording failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class CaptureFailed(Event):
    """A capture ended before its connection did."""

    name = "capture-failed"

    peer: str
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"peer": self.peer, "reason": self.reason}

    def sentence(self) -> str:
        return f"capture of {self.peer} failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class CallEnded(Event):
    """A call is over; `result` is the content of its JSON file, `files` are its recordings."""

    name = "ended"

    call: Call
    result: dict[str, Any]
    files: Sequence[Path]
    capture: Path | None = None
    json: Path | None = None
    """The JSON file, where there is one."""
    mirrored: Sequence[Path] = ()
    """The recordings of its mirror, their JSON, and its capture."""

    def facts(self) -> dict[str, Any]:
        capture = {"capture": str(self.capture)} if self.capture else {}
        return {
            "uuid": str(self.call.uuid), "files": [str(path) for path in self.files], **capture, "call": self.result
        }  # fmt: skip

    def sentence(self) -> str:
        """Say who ended it, how and when; the rest of its result is shown by `results`."""
        by, how, reason = self.result["ended_by"], self.result["ended_how"], self.result["ended_reason"]
        is_told = by == self.call.me or how == How.FAULT
        how = f"{how}: {reason}" if is_told else how
        return f"{self.call.uuid} ended by {by} ({how}) after {self.result['duration_s']:.2f} s"


@dataclass(frozen=True, slots=True)
class CallListened(Event):
    """Somebody listens to the sound of a live call in a browser, or no longer does."""

    name = "listened"

    call: Call
    by: str
    """The address of who listens."""
    from_s: float
    to_s: float | None = None
    """When it ended, in seconds since the call's start; None at its beginning."""
    missed_s: float = 0.0
    """How much was left out, because it came too late or too early, or was not read in time."""

    def facts(self) -> dict[str, Any]:
        begun = {"uuid": str(self.call.uuid), "by": self.by, "from_s": round(self.from_s, 3)}
        if self.to_s is None:
            return {**begun, "to_s": None}
        return {**begun, "to_s": round(self.to_s, 3), "missed_s": round(self.missed_s, 3)}

    def sentence(self) -> str:
        if self.to_s is None:
            return f"{self.call.uuid} is listened to by {self.by} from {self.from_s:.2f} s on"
        missed = f", and missed {self.missed_s:.1f} s of it" if self.missed_s >= 0.05 else ""
        return f"{self.call.uuid} was listened to by {self.by} from {self.from_s:.2f} to {self.to_s:.2f} s{missed}"


@dataclass(frozen=True, slots=True)
class MirrorEnded(Event):
    """The mirror of a call has ended; `result` is as in the JSON of the call."""

    name = "mirror"

    call: Call
    result: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), **self.result}

    def sentence(self) -> str:
        """Say whether the mirror answered as the server did."""
        return f"{self.call.uuid} mirror {self.result['target']}: {self._outcome()}"

    def _outcome(self) -> str:
        outcome, differences = self.result["outcome"], self.result["differences"]
        if outcome == "same":
            return "the same answer"
        if outcome != "different":
            return f"{'gone' if outcome == 'gone' else 'not compared'}: {self.result['reason']}"
        first = differences[0]
        at_s = first["seen_s"] if first["expected_s"] is None else first["expected_s"]
        text = f"{first['what']} at {at_s:.2f} s {first['difference']}"
        more = f"; and {counted(len(differences) - 1, 'more difference')}" if len(differences) > 1 else ""
        return f"different answer: {text}{more}"


@dataclass(frozen=True, slots=True)
class CallRefused(Event):
    """A connection was turned away before it became a call."""

    name = "refused"

    peer: str
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"peer": self.peer, "reason": self.reason}

    def sentence(self) -> str:
        return f"refused {self.peer}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ConnectionFailed(Event):
    """A connection ended without having become a call."""

    name = "no-call"

    peer: str
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"peer": self.peer, "reason": self.reason}

    def sentence(self) -> str:
        return f"no call from {self.peer}: {self.reason}"


@dataclass(frozen=True, slots=True)
class MoreRefused(Event):
    """The number of further connections of one address that were turned away or failed, since the last report."""

    name = "more-refused"

    host: str
    count: int

    def facts(self) -> dict[str, Any]:
        return {"host": self.host, "count": self.count}

    def sentence(self) -> str:
        return f"and {counted(self.count, 'more connection')} from {self.host} refused or failed"


@dataclass(frozen=True, slots=True)
class HookFailed(Event):
    """A command that was to be run after a call went wrong."""

    name = "on-call-end-failed"

    call: Call
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"uuid": str(self.call.uuid), "reason": self.reason}

    def sentence(self) -> str:
        return f"{self.call.uuid} on-call-end failed: {self.reason}"


class _ReportFinding:
    """Reports what is noted on calls."""

    __slots__ = ("_report",)

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, call: Call, text: str) -> None:
        self._report(Finding(call, text))


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
        call.report_notes(_ReportFinding(report))

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        pass

    def digit(self, at_s: float, digit: str) -> None:
        assert self._call is not None
        self._report(DigitHeard(self._call, Digit(at_s, digit)))

    def closed(self, call: Call) -> None:
        pass
