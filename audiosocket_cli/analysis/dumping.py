"""The pipeline of `dump`: open a capture, read it, select from it, and put it into a sink.

    frames()   noted -> beside -> judged, where asked for -> selected -> the sink
    rows()     noted -> beside -> in runs -> reviewed, and put in order -> the sink
    calls()    the same, without rows

Each stage is a generator that pulls from the one before it, and the sink pulls the last of them: a value crosses each
once. Nothing here makes text: a sink and notes do, and are handed in (`ui.dump_sinks`, `ui.dump_notes`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.noting import noted
from audiosocket_cli.analysis.reviewing import CallRow, Shown, Summary, at_once, in_turn, judged, review
from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item
from audiosocket_cli.capture.joining import JoinedCapture, joined_captures
from audiosocket_cli.capture.opening import Capture, open_capture
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.errors import FileError


class Form(Enum):
    """In which form a capture is shown."""

    ROWS = auto()
    STATS = auto()
    STATS_JSON = auto()
    FRAMES = auto()
    FRAMES_HEX = auto()
    FRAMES_JSON = auto()


class Copy(NamedTuple):
    """Another format that a capture is written in: pcapng, jsonl or bin; and the file's name, or - for a pipe."""

    format: str
    out: str
    force: bool = False
    """Whether a file that is there is replaced."""


@dataclass(frozen=True, slots=True)
class DumpRequest:
    """What is to be shown, and of what."""

    captures: tuple[str, ...]
    """Names of files; - is standard input."""
    form: Form = Form.ROWS
    selection: Selection = EVERYTHING
    limit: int | None = None
    """The most rows, calls (STATS) or frames."""
    follow: bool = False
    """Wait for more at the end of the file."""
    resync: bool = False
    """Search on after damage."""
    strict: bool = False
    """Judge the calls, also where frames are shown, in which findings have no place."""
    copy: Copy | None = None
    """Write it in another format rather than show it."""


@dataclass(slots=True)
class DumpResult:
    """What was found and shown."""

    calls: int = 0
    frames: int = 0
    findings: int = 0
    damages: int = 0
    """Places where a file is damaged, and files that cannot be read."""
    shown: int = 0
    """What the limit counts."""
    is_full: bool = False
    """Whether the limit was reached."""
    interrupted: bool = False

    def add(self, other: DumpResult) -> None:
        """Add what was found in the next capture."""
        self.calls += other.calls
        self.frames += other.frames
        self.findings += other.findings
        self.damages += other.damages
        self.shown += other.shown
        self.is_full |= other.is_full
        self.interrupted |= other.interrupted


class Notes(Protocol):
    """Gets the notes on a capture, as it is read: what is to be said about it, besides its content."""

    def damaged(self, damage: Damage, file: str, *, is_beyond_resync: bool) -> None:
        """The capture is damaged; `file` where there are several."""

    def remarked(self, call: CapturedCall, file: str) -> None:
        """A call is over, and how it was captured (`remarks`) is shown nowhere else."""

    def ended(self, reading: Reading) -> None:
        """A capture was read."""

    def failed(self, error: FileError) -> None:
        """One of several captures cannot be read."""


class Beside(Protocol):
    """What sees all frames on their way, as what writes WAV files does."""

    def watch(self, items: Iterable[Item], *, both: bool) -> Iterator[Item]:
        """Hand on all items; `both` says that they may hold both sides of a call."""


class Reading:
    """A capture that is read once, by the one method that a sink calls."""

    def __init__(
        self, capture: Capture, name: str, request: DumpRequest, before: DumpResult, notes: Notes, beside: Beside | None
    ) -> None:
        """`name` is the user's own; `before` is what was found in the captures before this one."""
        self.capture = capture
        self.name = name
        is_one_of_several = len(request.captures) > 1 and not isinstance(capture, JoinedCapture)
        self.file = name if is_one_of_several else ""
        """The name, where there are several that are not joined."""
        self.request = request
        self.calls_before = before.calls
        self.found = DumpResult()
        self._most = math.inf if request.limit is None else request.limit - before.shown
        self._tells_remarks = False
        self._notes = notes
        self._beside = beside

    def frames(self) -> Iterator[Item]:
        """Yield what is selected, frame by frame, up to the limit."""
        selection = self.request.selection
        self._tells_remarks = True
        items = self._watched(noted(self.capture, self))
        if self.request.strict:
            items = judged(items, selection, self._count_findings)
        frames, most = 0, self._most
        try:
            for item in selection.items(items):
                if type(item) is Captured:
                    frames += 1
                yield item
                if frames >= most:
                    self.found.is_full = True
                    return
        finally:
            self.found.frames = self.found.shown = frames

    def rows(self) -> Iterator[Shown]:
        """Yield the rows of all calls, with their headings and summaries, up to the limit."""
        found = self.found
        for shown in self._in_order(with_rows=True):
            if isinstance(shown, Damage):
                continue  # the notes have it
            if isinstance(shown, Summary):
                found.frames += shown.call.frames
            elif isinstance(shown, CallRow):
                found.findings += shown.row.what == "finding"
            yield shown
            if isinstance(shown, CallRow) and self._has_shown_most():
                return

    def calls(self) -> Iterator[CallReview]:
        """Yield each call that is over, with its figures and findings, up to the limit."""
        for shown in self._in_order(with_rows=False):
            if isinstance(shown, Summary):
                self.found.frames += shown.call.frames
                self._count_findings(shown.call)
                yield shown.call
                if self._has_shown_most():
                    return

    def _in_order(self, *, with_rows: bool) -> Iterator[Shown]:
        follow = self.request.follow
        calls = review(self._runs(), self.request.selection, with_rows=with_rows, live=follow)
        return at_once(calls) if follow else in_turn(calls)

    def _runs(self) -> Iterator[Run | Item]:
        """Yield all in runs of frames; from raw bytes they come as such, unless somebody wants to see each frame."""
        if self.capture.format == "raw" and self._beside is None:
            return noted(self.capture.runs(), self)
        return in_runs(self._watched(noted(self.capture, self)))

    def _watched(self, items: Iterator[Item]) -> Iterator[Item]:
        if self._beside is None:
            return items
        return self._beside.watch(items, both=self.capture.format != "raw")

    # The account that it keeps of what is read.

    def opened(self, call: CapturedCall) -> None:
        """Count a call that begins."""
        self.found.calls += self.request.selection.takes_call(call)

    def over(self, call: CapturedCall) -> None:
        """Tell how a call was captured, where that is shown nowhere else."""
        if self._tells_remarks and self.request.selection.takes_call(call):
            self._notes.remarked(call, self.file)

    def damaged(self, damage: Damage) -> None:
        """Count damage, and tell of it."""
        capture = self.capture
        self.found.damages += 1
        file = self.file or (capture.current.name if capture.current is not capture else "")
        self._notes.damaged(damage, file, is_beyond_resync=capture.is_beyond_resync)

    def interrupted(self) -> None:
        """Note that the user interrupted the reading."""
        self.found.interrupted = True

    def _count_findings(self, call: CallReview) -> None:
        self.found.findings += len(call.findings)

    def _has_shown_most(self) -> bool:
        self.found.shown += 1
        self.found.is_full = self.found.shown >= self._most
        return self.found.is_full


Sink = Callable[[Reading], None]
"""Takes all of one capture: its `frames()`, `rows()` or `calls()`."""


def dump(request: DumpRequest, sink: Sink, notes: Notes, beside: Beside | None = None) -> DumpResult:
    """Show captures. If one of several cannot be read, that is reported, and the others are shown.

    Raises `FileError` where the only one cannot be read, and what the sink raises.
    """
    result = DumpResult()
    several = len(request.captures) > 1
    for one in joined_captures(request.captures, resync=request.resync) if several else request.captures:
        try:
            _dump_one(one, request, result, sink, notes, beside)
        except FileError as error:
            if not several:
                raise
            result.damages += 1
            notes.failed(error)
        if result.is_full or result.interrupted:
            break
    return result


def _dump_one(
    one: Capture | str, request: DumpRequest, result: DumpResult, sink: Sink, notes: Notes, beside: Beside | None
) -> None:
    """Show a capture, or one by its name, and add to the result what was found in it."""
    if isinstance(one, str):
        capture, name = open_capture(one, resync=request.resync, follow=request.follow), one
    else:
        capture, name = one, one.name
    reading = Reading(capture, name, request, result, notes, beside)
    try:
        sink(reading)
    finally:
        result.add(reading.found)
    notes.ended(reading)
