"""A captured call as people want to see it: its rows in order of time, its figures, its findings."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from audiosocket_cli.asterisk import (
    EXAMPLE_UUID,
    EXAMPLE_UUID_FINDING,
    Side,
    finding_on_silence,
    findings_on_caller,
    findings_on_frame,
    findings_on_server,
)
from audiosocket_cli.call.facts import Digit
from audiosocket_cli.capture.items import CapturedCall, Damage, Ended, Item, Lost, NoCall, Opened, Over, Remark
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import (
    Frame,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    is_audio,
    kind_name,
)
from audiosocket_cli.errors import FrameError
from audiosocket_cli.review.figures import SideFigures
from audiosocket_cli.review.folding import Folder, Row

DUMP_SCHEMA: Final = "audiosocket.dump/1"

_MOST_ALIKE: Final = 8
"""More frames than this that are alike, and no audio, are one row."""

_MOST_FINDINGS: Final = 50

_SAID_BY_FRAMES: Final = ("call ", "audio: ", "digit ", "hangup", "error: ", "finding: ", "a frame of unknown kind")
"""How comments of `capture.trace` begin that the rows of the frames say as well, and this review finds itself."""


class CallReview:
    """One call, told what the capture holds of it; `ready` are the rows that can be shown by now."""

    def __init__(self, call: CapturedCall, *, with_rows: bool = True, most_s: float = math.inf) -> None:
        """Without rows there are figures and findings only; a row holds at most `most_s` of audio."""
        self.call = call
        self.timed = call.started_ns is not None
        self.sides = {side: SideFigures(timed=self.timed) for side in Side}
        self.findings: list[str] = []
        self.ready: deque[Row] = deque()
        self.is_over = False
        self.duration_s = 0.0
        self.ended: list[Ended] = []
        self._with_rows = with_rows
        self._folders = {side: Folder(side, self._put, timed=self.timed, most_s=most_s) for side in Side}
        self._rows: list[tuple[float, int, Row]] = []
        self._number = 0
        self._last_sent_s: float | None = None
        self._longest_silence_s = 0.0
        self._hung_up = False

    def take(self, found: Run | Item) -> None:
        """Take what the capture holds next of this call."""
        match found:
            case Run():
                self._take_run(found)
            case Lost(_, at_s, side, lost_bytes, reason):
                self._note_time(at_s)
                self._folders[side].interrupt()
                self.sides[side].lost_bytes += lost_bytes
                self._put(Row(at_s, side, "lost", f"{lost_bytes} bytes {reason}"))
            case Remark(_, at_s, text):
                if not (self.call.me and text.startswith(_SAID_BY_FRAMES)):
                    self._put(Row(at_s, None, "comment", text))
            case Ended(_, at_s, side, reset):
                self._note_time(at_s)
                self.ended.append(found)
                self._folders[side].interrupt()
                if self.timed:
                    self._put(Row(at_s, side, "reset" if reset else "closed"))
            case Over():
                self._finish()
        self._release()

    def _note_time(self, at_s: float) -> None:
        self.duration_s = max(self.duration_s, at_s)

    def _take_run(self, run: Run) -> None:
        first_s, last_s = float(run.at_s[0]), float(run.at_s[-1])
        if self._last_sent_s is not None:
            self._longest_silence_s = max(self._longest_silence_s, first_s - self._last_sent_s)
        self._last_sent_s = max(last_s, self._last_sent_s or 0.0)
        self._note_time(last_s)
        samples = self.sides[run.side].take(run)
        size = run.payloads.shape[1]
        folder = self._folders[run.side]
        if is_audio(run.kind) and size:
            if self._with_rows:
                folder.take(run, samples)
            found = findings_on_frame(run.side, Frame(run.kind, b"\0\0"), run.slowest_s)
            self._find(found, first_s)
            return
        folder.interrupt()
        self._put_frames(run)

    def _put_frames(self, run: Run) -> None:
        """Make rows of frames that are no audio."""
        alike = len(run.at_s) > _MOST_ALIKE
        shown = [run.payloads[0]] if alike else run.payloads
        for at_s, payload in zip(run.at_s.tolist(), shown, strict=False):
            frame = Frame(run.kind, payload.tobytes())
            what, text = _meaning(frame)
            if what == "digit" and not alike:
                self.sides[run.side].digits.append(Digit(at_s, text))
            frames = len(run.at_s) if alike else 1
            self._put(Row(at_s, run.side, what, text, run.kind, frames, offset=run.offset))
            self._find(findings_on_frame(run.side, frame, run.slowest_s), at_s)
            self._hung_up |= run.kind == Kind.HANGUP

    def _find(self, found: Iterable[str], at_s: float) -> None:
        for text in found:
            if text not in self.findings and len(self.findings) < _MOST_FINDINGS:
                self.findings.append(text)
                self._put(Row(at_s, None, "finding", text))

    def _finish(self) -> None:
        self.is_over = True
        for folder in self._folders.values():
            folder.interrupt()
        for side in self.sides.values():
            side.finish(self.duration_s)
        self._find(self._judge(), self.duration_s)

    def _judge(self) -> Iterator[str]:
        if self.call.uuid == EXAMPLE_UUID:
            yield EXAMPLE_UUID_FINDING
        caller, server = (self.sides[side] for side in Side)
        if caller.frames:
            yield from findings_on_caller(caller.heard(self.duration_s))
        if server.frames or (self.timed and caller.frames and self.call.whole):
            yield from findings_on_server(server.heard(self.duration_s))
        if self.timed:
            pause_s = self._longest_silence_s
            if self._last_sent_s is not None:
                pause_s = max(pause_s, self.duration_s - self._last_sent_s)
            finding = finding_on_silence(pause_s)
            if finding:
                yield finding

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known of the call as JSON values, units in the keys."""
        call = self.call
        ending = self.ended[0] if self.ended else None
        return {
            "schema": DUMP_SCHEMA,
            "call": call.name,
            "uuid": str(call.uuid) if call.uuid else None,
            "whole": call.whole,
            "caller_address": call.caller or None,
            "server_address": call.server or None,
            "duration_s": round(self.duration_s, 6) if self.timed else None,
            "ended_by": ending.side.value if ending and self.timed else None,
            "ended_how": ("reset" if ending.reset else "hangup" if self._hung_up else "closed") if ending else None,
            **{side.value: figures.as_dict(self.duration_s) for side, figures in self.sides.items()},
            "findings": self.findings,
        }

    def _put(self, row: Row) -> None:
        if not self._with_rows:
            return
        self._number += 1
        heappush(self._rows, (row.at_s, self._number, row))

    def _release(self) -> None:
        """Let go of the rows before which none can come any more."""
        until_s = math.inf if self.is_over else min(folder.open_since_s for folder in self._folders.values())
        if not self.is_over:
            until_s = min(until_s, self.duration_s)
        while self._rows and self._rows[0][0] <= until_s:
            self.ready.append(heappop(self._rows)[2])


def review(
    found: Iterable[Run | Item], *, with_rows: bool = True, most_s: float = math.inf
) -> Iterator[CallReview | NoCall | Damage]:
    """Go through a capture, and yield a call each time it has rows to show, at its end the last time.

    Damage comes as it is found.
    """
    reviews: dict[CapturedCall, CallReview] = {}
    for one in found:
        match one:
            case Opened(call, _):
                reviews[call] = CallReview(call, with_rows=with_rows, most_s=most_s)
                yield reviews[call]
            case NoCall() | Damage():
                yield one
            case Run() | Lost() | Remark() | Ended() | Over():
                current = reviews[one.call]
                current.take(one)
                if current.ready or current.is_over:
                    yield current
                if current.is_over:
                    del reviews[one.call]


def _meaning(frame: Frame) -> tuple[str, str]:
    """Return what a frame that is no audio is called, and what it says."""
    try:
        if frame.kind == Kind.UUID:
            return "uuid", str(decode_uuid(frame.payload))
        if frame.kind == Kind.DTMF:
            return "digit", decode_digit(frame.payload)
    except FrameError as error:
        return kind_name(frame.kind), str(error)
    if frame.kind == Kind.HANGUP:
        return "hangup", ""
    if frame.kind == Kind.ERROR:
        return "error", describe_error(frame.payload)
    shown = frame.payload[:16].hex(" ") + (" …" if len(frame.payload) > 16 else "")
    return kind_name(frame.kind), f"{len(frame.payload)} bytes{': ' if shown else ''}{shown}"


class Heading(NamedTuple):
    """A call begins to be shown."""

    call: CallReview


class CallRow(NamedTuple):
    """A row of a call."""

    call: CallReview
    row: Row


class Summary(NamedTuple):
    """A call has been shown to its end."""

    call: CallReview


Shown = Heading | CallRow | Summary | NoCall | Damage


def in_turn(found: Iterable[CallReview | NoCall | Damage]) -> Iterator[Shown]:
    """Show one call after the other, in the order of their beginnings, each as soon as it is its turn.

    Calls that are at the same time wait with their rows, which are few.
    """
    queue: deque[CallReview] = deque()
    for one in found:
        if not isinstance(one, CallReview):
            yield one
            continue
        if one not in queue:
            queue.append(one)
            if one is queue[0]:
                yield Heading(one)
        while queue:
            first = queue[0]
            while first.ready:
                yield CallRow(first, first.ready.popleft())
            if not first.is_over:
                break
            yield Summary(first)
            queue.popleft()
            if queue:
                yield Heading(queue[0])


def at_once(found: Iterable[CallReview | NoCall | Damage]) -> Iterator[Shown]:
    """Show each row as soon as it can be, whichever call it belongs to."""
    known: set[CallReview] = set()
    for one in found:
        if not isinstance(one, CallReview):
            yield one
            continue
        if one not in known:
            known.add(one)
            yield Heading(one)
        while one.ready:
            yield CallRow(one, one.ready.popleft())
        if one.is_over:
            known.discard(one)
            yield Summary(one)
