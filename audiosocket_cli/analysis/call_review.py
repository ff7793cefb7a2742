"""A captured call as people want to see it: its rows in order of time, its figures, its findings."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.rows import BURST_S, Folder, LossFolder, Row
from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.analysis.side_figures import SideFigures
from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.asterisk.findings import (
    EXAMPLE_UUID_FINDING,
    finding_on_burst,
    finding_on_silence,
    findings_on_caller,
    findings_on_frame,
    findings_on_server,
)
from audiosocket_cli.capture.items import (
    CUT_FRAME,
    MISSING,
    CapturedCall,
    Damage,
    Ended,
    Item,
    Lost,
    NoCall,
    Opened,
    Over,
    Remark,
)
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.codec import (
    HEADER_BYTES,
    Frame,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    is_audio,
    kind_name,
)
from audiosocket_cli.errors import FrameError
from audiosocket_cli.model import How, Side

DUMP_SCHEMA: Final = "audiosocket.dump/1"

_MOST_ALIKE: Final = 8
"""More frames than this that are alike, and no audio, are one row."""

_MOST_SHOWN_DIGITS: Final = 64
"""Digits in a row of many."""

_MOST_FINDINGS: Final = 50

_MOST_LIVE_S: Final = 5.0
"""A row of a live view holds no more audio than this: somebody waits for it."""

_MOST_ROWS: Final = 5000
"""Rows of a call that wait for their turn."""

LONGEST_RUN_S: Final = 0.5
"""What one side sent so long ago may still be on its way here, in a run of its frames (`capture.runs`)."""

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)? (?=m?s\b)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SAID_BY_FRAMES: Final = ("call ", "audio: ", "digit ", "hangup", "error: ", "finding: ", "a frame of unknown kind")
"""How comments of `capture.trace` begin that the rows of the frames say as well, and this review finds itself."""


class CallReview:
    """One call, told what the capture holds of it; `ready` are the rows that can be shown by now."""

    def __init__(
        self, call: CapturedCall, selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False
    ) -> None:
        """Look at what is selected only. Without rows there are figures and findings only.

        `live`: somebody watches. A row is ready as soon as it is complete, not when its turn has come in the order of
        time, and is complete after some seconds.
        """
        self.call = call
        self.timed = call.started_ns is not None
        self.since_s = max(0.0, selection.from_s)
        self.sides = {side: SideFigures(timed=self.timed, since_s=self.since_s) for side in Side}
        self.findings: list[str] = []
        self.ready: deque[Row] = deque()
        self.is_over = False
        self.duration_s = 0.0
        """How long the whole call is, by what came so far."""
        self.ended_by: Side | None = None
        self.ended_how: How | None = None
        self._selection = selection
        self._with_rows = with_rows
        self._live = live
        most_s = _MOST_LIVE_S if live else math.inf
        self._folders = {side: Folder(side, self._put, timed=self.timed, most_s=most_s) for side in Side}
        self._rows: list[tuple[float, int, int, Row]] = []
        """Those that are complete, as a heap: by time, some behind what else is at the same time."""
        self._number = 0
        self._last_sent_s: float | None = None
        self._longest_silence_s = 0.0
        self._losses = {side: LossFolder(side, self._put, most_s=most_s) for side in Side}
        self._cut = dict.fromkeys(Side, 0)
        """Bytes of a frame that a side did not go on with."""
        self._has_missing = dict.fromkeys(Side, False)
        """Whether bytes are missing since a side's last whole frame."""
        self._templates: set[str] = set()
        self._hung_up: Side | None = None
        self._hung_up_s = math.inf
        self._worst_ahead_s = 0.0
        """The most that the server's audio ran ahead, before the last run."""

    @property
    def _all_folders(self) -> list[Folder | LossFolder]:
        return [*self._folders.values(), *self._losses.values()]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the call was selected so far."""
        return not any(side.frames for side in self.sides.values())

    @property
    def is_shown(self) -> bool:
        """Whether there is something to be shown of it: always of a whole call, be it that nothing was said in it."""
        return not (self._selection.is_part_of_calls and self.is_empty)

    @property
    def is_part(self) -> bool:
        """Whether no more than a part of it was looked at."""
        return self._selection.is_part_of_calls

    @property
    def span_s(self) -> float:
        """How long the part of the call is that was looked at."""
        return max(0.0, self._end_s - self.since_s)

    @property
    def _end_s(self) -> float:
        return min(self.duration_s, self._selection.to_s)

    @property
    def _talked_until_s(self) -> float:
        """Until when a side could be expected to send: nobody says anything behind a hangup."""
        return min(self._end_s, max(self._hung_up_s, self.since_s))

    def take(self, found: Run | Item) -> None:
        """Take what the capture holds next of this call."""
        if isinstance(found, Run):
            self._note_time(float(found.at_s[-1]))
            self._note_silence(found)
            part = self._selection.part_of(found)
            if part is not None:
                self._take_run(part)
        elif isinstance(found, Over):
            self._finish()
        else:
            if isinstance(found, Ended):
                self._note_end(found)
            if self._selection.takes(found):
                self._take_item(found)
        self._release()

    def _take_item(self, item: Item) -> None:
        match item:
            case Lost():
                self._lose(item)
            case Remark(_, at_s, text):
                if not is_said_by_frames(text):
                    self._put(Row(at_s, None, "comment", text))
            case Ended(_, at_s, side, reset):
                self._folders[side].interrupt()
                self._losses[side].interrupt()
                if self.timed:
                    self._put(Row(at_s, side, "reset" if reset else "closed"))
                    if self._cut[side]:  # by the side itself, rather than by the end of the capture
                        self._find([f"the {side}'s last frame is cut: it sent {self._cut[side]} bytes of it"], at_s)

    def _lose(self, lost: Lost) -> None:
        """Take bytes that are no frames; whoever captured may have missed what would be found to be lacking."""
        side = lost.side
        self._folders[side].interrupt()
        self._folders[side].forget_time()
        self.sides[side].lose(lost.lost_bytes)
        self._losses[side].take(lost)
        self._has_missing[side] |= lost.reason == MISSING
        self._cut[side] = lost.lost_bytes if lost.reason == CUT_FRAME and not self._has_missing[side] else 0
        self._last_sent_s = max(lost.at_s, self._last_sent_s or 0.0)

    def _note_time(self, at_s: float) -> None:
        self.duration_s = max(self.duration_s, at_s)

    def _note_end(self, item: Ended) -> None:
        self._note_time(item.at_s)
        if self.timed and self.ended_by is None:
            how = How.RESET if item.reset else How.CLOSED
            self.ended_by, self.ended_how = (self._hung_up, How.HANGUP) if self._hung_up else (item.side, how)

    def _note_silence(self, run: Run) -> None:
        """Find where neither side sent anything, at the place where it begins."""
        if run.kind == Kind.HANGUP and self._hung_up is None:
            self._hung_up, self._hung_up_s = run.side, float(run.at_s[0])
        if self._last_sent_s is not None:
            self._judge_silence(float(run.at_s[0]))
        self._last_sent_s = max(float(run.at_s[-1]), self._last_sent_s or 0.0)

    def _judge_silence(self, until_s: float) -> None:
        since_s = self._last_sent_s or 0.0
        if not self.timed or until_s - since_s <= self._longest_silence_s or self._selection.kinds:
            return
        if until_s < self.since_s or since_s > self._selection.to_s:
            return
        self._longest_silence_s = until_s - since_s
        finding = finding_on_silence(self._longest_silence_s)
        if finding:
            self._note_finding(finding, since_s, behind=True)

    def _take_run(self, run: Run) -> None:
        self._losses[run.side].interrupt()
        self._has_missing[run.side] = False
        samples = self.sides[run.side].take(run)
        folder = self._folders[run.side]
        if is_audio(run.kind) and run.payloads.shape[1]:
            if self._with_rows:
                folder.take(run, samples)
            found = findings_on_frame(run.side, Frame(run.kind, b"\0\0"), run.slowest_s)
            self._find(found, float(run.at_s[0]), behind=True)
            self._find_burst(run)
            return
        folder.interrupt()
        self._put_frames(run)

    def _find_burst(self, run: Run) -> None:
        """Find that a server sent too much at once, about where it was: with the run after, behind the burst's row."""
        if run.side is not Side.SERVER:
            return
        ahead_s, self._worst_ahead_s = self._worst_ahead_s, self.sides[run.side].worst_ahead_s
        if ahead_s > BURST_S and not self.sides[Side.SERVER].is_evenly_fast:
            self._find(finding_on_burst(ahead_s), max(0.0, float(run.at_s[-1]) - LONGEST_RUN_S), behind=True)

    def _put_frames(self, run: Run) -> None:
        """Make rows of frames that are no audio."""
        digits = ""
        if run.kind == Kind.DTMF and run.payloads.shape[1] == 1:
            digits = self.sides[run.side].take_digits(run)
        alike = len(run.at_s) > _MOST_ALIKE
        shown = [run.payloads[0]] if alike else run.payloads
        frame_bytes = HEADER_BYTES + run.payloads.shape[1]
        for number, (at_s, payload) in enumerate(zip(run.at_s.tolist(), shown, strict=False)):
            frame = Frame(run.kind, payload.tobytes())
            what, text = _meaning(frame)
            if alike and digits:
                what, text = "digits", digits[:_MOST_SHOWN_DIGITS] + ("…" if len(digits) > _MOST_SHOWN_DIGITS else "")
            offset = run.offset + number * frame_bytes
            self._put(Row(at_s, run.side, what, text, run.kind, len(run.at_s) if alike else 1, offset=offset))
            self._find(findings_on_frame(run.side, frame, run.slowest_s), at_s)

    def _find(self, found: Iterable[str], at_s: float, *, behind: bool = False) -> None:
        """Note findings, each kind of them once, whatever the numbers in it are; `behind` all that is at that time."""
        for text in found:
            template = _NUMBER.sub("#", text)
            if template not in self._templates:
                self._templates.add(template)
                self._note_finding(text, at_s, behind=behind)

    def _note_finding(self, text: str, at_s: float, *, behind: bool) -> None:
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(text)
            self._put(Row(at_s, None, "finding", text), behind=behind)

    def _finish(self) -> None:
        self.is_over = True
        for folder in self._all_folders:
            folder.interrupt()
        for side in self.sides.values():
            side.finish(self._talked_until_s)
        for text in self.call.remarks:
            self._put(Row(self._end_s, None, "remark", text), behind=True)
        if self._last_sent_s is not None and self._hung_up is None and self.call.unseen is None:
            self._judge_silence(self.duration_s)
        self._find(self._judge(), self._end_s, behind=True)

    def _judge(self) -> Iterator[str]:
        selection, end_s = self._selection, self._talked_until_s
        caller, server = (self.sides[side] for side in Side)
        if self.call.uuid == EXAMPLE_UUID and not self.is_empty:
            yield EXAMPLE_UUID_FINDING
        if caller.frames and self.call.me is not Side.CALLER:  # who stands in for a phone may well be silent
            yield from findings_on_caller(caller.heard(end_s))
        is_silent = (
            self.timed and caller.frames and self.call.whole and selection.takes_side(Side.SERVER)
            and self.call.unseen is not Side.SERVER
        )  # fmt: skip
        if server.frames or is_silent:
            heard = server.heard(end_s)
            # Where some kinds are left out, there are pauses that were none.
            yield from findings_on_server(heard._replace(longest_pause_s=0.0) if selection.kinds else heard)

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known of the call as JSON values, units in the keys."""
        call = self.call
        started_at = None
        if call.started_ns is not None:
            started_at = (_EPOCH + timedelta(microseconds=call.started_ns // 1000)).isoformat(timespec="milliseconds")
        return {
            "schema": DUMP_SCHEMA,
            "call": call.name,
            "uuid": str(call.uuid) if call.uuid else None,
            "whole": call.whole,
            "caller_address": call.caller or None,
            "server_address": call.server or None,
            "started_at": started_at,
            "duration_s": round(self.duration_s, 6) if self.timed else None,
            "ended_by": self.ended_by,
            "ended_how": self.ended_how,
            **{side.value: figures.as_dict(self.span_s) for side, figures in self.sides.items()},
            "findings": self.findings,
            **({"remarks": self.call.remarks} if self.call.remarks else {}),
        }

    def _put(self, row: Row, *, behind: bool = False) -> None:
        if not self._with_rows:
            return
        self._number += 1
        rank = 2 if behind else row.what != "lost"  # that row is complete later than those that it stands before
        heappush(self._rows, (row.at_s, rank, self._number, row))

    def _release(self) -> None:
        """Let go of the rows before which none can come any more."""
        until_s = math.inf
        if not self.is_over and not self._live:
            if len(self._rows) > _MOST_ROWS:  # one side goes on and on, and all of the other's waits for it
                for folder in self._all_folders:
                    folder.interrupt()
            open_s = min(folder.open_since_s for folder in self._all_folders)
            until_s = min(open_s, self.duration_s - LONGEST_RUN_S)
        while self._rows and self._rows[0][0] < until_s:
            self.ready.append(heappop(self._rows)[-1])


class Reviewer:
    """Reviews all calls of a capture that are selected."""

    def __init__(self, selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False) -> None:
        """Take what `CallReview` takes."""
        self._selection = selection
        self._with_rows = with_rows
        self._live = live
        self._reviews: dict[CapturedCall, CallReview] = {}

    def take(self, one: Run | Item) -> CallReview | NoCall | Damage | None:
        """Take what comes next. Returns a call when it has rows to show, at its end the last time; damage as it is."""
        match one:
            case Opened(call, _):
                if not self._selection.takes_call(call):
                    return None
                self._reviews[call] = CallReview(call, self._selection, with_rows=self._with_rows, live=self._live)
                return self._reviews[call]
            case NoCall() | Damage():
                return one if self._selection.takes(one) else None
            case Run() | Lost() | Remark() | Ended() | Over():
                current = self._reviews.get(one.call)
                if current is None:
                    return None
                current.take(one)
                if current.is_over:
                    del self._reviews[one.call]
                return current if current.ready or current.is_over else None
        return None


def review(
    found: Iterable[Run | Item], selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False
) -> Iterator[CallReview | NoCall | Damage]:
    """Go through a capture, of which only calls are left out, and yield what a `Reviewer` returns."""
    reviewer = Reviewer(selection, with_rows=with_rows, live=live)
    for one in found:
        shown = reviewer.take(one)
        if shown is not None:
            yield shown


def judged(items: Iterable[Item], selection: Selection, note: Callable[[CallReview], object]) -> Iterator[Item]:
    """Hand on all items, at most half a second late, and tell `note` of each call once it was judged."""
    reviewer = Reviewer(selection, with_rows=False)
    passed: deque[Item] = deque()

    def passing() -> Iterator[Item]:
        for item in items:
            passed.append(item)
            yield item

    for one in in_runs(passing()):
        shown = reviewer.take(one)
        if isinstance(shown, CallReview) and shown.is_over:
            note(shown)
        while passed:
            yield passed.popleft()
    yield from passed


def is_said_by_frames(text: str) -> bool:
    """Whether a comment was written by one of our captures to say what its packet says as well."""
    return text.startswith(_SAID_BY_FRAMES)


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
    headed: set[CallReview] = set()
    for one in found:
        if not isinstance(one, CallReview):
            yield one
            continue
        if one not in queue:
            queue.append(one)
        while queue:
            yield from _ready_of(queue[0], headed)
            if not queue[0].is_over:
                break
            queue.popleft()


def at_once(found: Iterable[CallReview | NoCall | Damage]) -> Iterator[Shown]:
    """Show each row as soon as it can be, whichever call it belongs to."""
    headed: set[CallReview] = set()
    for one in found:
        if isinstance(one, CallReview):
            yield from _ready_of(one, headed)
        else:
            yield one


def _ready_of(call: CallReview, headed: set[CallReview]) -> Iterator[Shown]:
    """Yield what can be shown of a call by now; of one of which nothing is selected, nothing."""
    if call not in headed and (call.ready or call.is_shown):
        headed.add(call)
        yield Heading(call)
    while call.ready:
        yield CallRow(call, call.ready.popleft())
    if call.is_over and call in headed:
        headed.discard(call)
        yield Summary(call)
