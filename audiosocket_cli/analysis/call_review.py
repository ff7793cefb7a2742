"""A captured call as people want to see it: its rows in order of time, its figures, its findings."""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from audiosocket_cli.analysis.call_findings import CallFindings
from audiosocket_cli.analysis.call_rows import CallRows
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.analysis.side_figures import SideFigures
from audiosocket_cli.analysis.turns import is_heard, turns_of
from audiosocket_cli.asterisk.findings import findings_on_frame
from audiosocket_cli.capture.items import CUT_FRAME, MISSING, CapturedCall, Ended, Item, Lost, Over, Remark
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import (
    HEADER_BYTES,
    Frame,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    kind_name,
)
from audiosocket_cli.errors import FrameError
from audiosocket_cli.finding import ids_of, tagged
from audiosocket_cli.model import How, Side

DUMP_SCHEMA: Final = "audiosocket.dump/1"

_MAX_ALIKE: Final = 8
"""More frames than this that are alike, and no audio, are one row."""

_MAX_SHOWN_DIGITS: Final = 64
"""Digits in a row of many."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SAID_BY_FRAMES: Final = ("call ", "audio: ", "digit ", "hangup", "error: ", "finding: ", "a frame of unknown kind")
"""How comments of `capture.trace` begin that the rows of the frames say as well, and this review finds itself."""


class CallReview:
    """One call, told what the capture holds of it; `ready` are the rows that can be shown by now."""

    def __init__(
        self, call: CapturedCall, selection: Selection = EVERYTHING, *, with_rows: bool = True, live: bool = False
    ) -> None:
        """Look at what is selected only. Without rows there are figures and findings only; `live` as for `CallRows`."""
        self.call = call
        self.timed = call.started_ns is not None
        self.since_s = max(0.0, selection.from_s)
        self.sides = {side: self._figures_of(side) for side in Side}
        self.is_over = False
        self.duration_s = 0.0
        """How long the whole call is, by what came so far."""
        self.rows = CallRows(timed=self.timed, live=live, are_wanted=with_rows)
        self._selection = selection
        self._findings = CallFindings(call, selection, self.rows)
        self.missing_bytes = dict.fromkeys(Side, 0)
        """Bytes of each side that the capture lost."""
        self._cut = dict.fromkeys(Side, 0)
        """Bytes of a frame that a side did not go on with."""
        self._has_missing = dict.fromkeys(Side, False)
        """Whether bytes are missing since a side's last whole frame."""
        self._hung_up: Side | None = None
        self._hung_up_s = math.inf
        self._first_end: Ended | None = None
        """By its time: an end after missing bytes comes later than those of the other side."""

    def _figures_of(self, side: Side) -> SideFigures:
        return SideFigures(timed=self.timed, since_s=self.since_s, plays_on_arrival=side is Side.SERVER)

    @property
    def ready(self) -> deque[Row]:
        """The rows that can be shown by now."""
        return self.rows.ready

    @property
    def findings(self) -> list[str]:
        """What was found so far."""
        return self._findings.texts

    @property
    def frames(self) -> int:
        """The frames of both sides that were selected so far."""
        return sum(side.frames for side in self.sides.values())

    @property
    def is_shown(self) -> bool:
        """Whether there is something to show: always for a whole call, even if nothing was said in it."""
        return not self.is_part or self.frames > 0

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
        """Until when a side could be expected to send: nobody says anything after a hangup."""
        return min(self._end_s, max(self._hung_up_s, self.since_s))

    def take(self, found: Run | Item) -> None:
        """Take what the capture holds next of this call."""
        if isinstance(found, Run):
            self._note_run(found)
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
        self.rows.release(math.inf if self.is_over else self.duration_s)

    def _take_item(self, item: Item) -> None:
        match item:
            case Lost():
                self._lose(item)
            case Remark(_, at_s, text):
                if not is_said_by_frames(text):
                    self.rows.put(Row(at_s, None, "comment", text))
            case Ended(_, at_s, side, reset):
                self.rows.interrupt(side)
                if self.timed:
                    self.rows.put(Row(at_s, side, "reset" if reset else "closed"))
                    if self._cut[side]:  # by the side itself, rather than by the end of the capture
                        cut = f"the {side}'s last frame is cut: it sent {self._cut[side]} bytes of it"
                        self._findings.find([tagged("frame-cut", cut)], at_s)

    def _lose(self, lost: Lost) -> None:
        """Take bytes that are not frames; what seems to be missing after them may be missing in the capture only."""
        side = lost.side
        self.rows.lose(lost)
        self.sides[side].lose(lost.lost_bytes)
        if lost.reason == MISSING:
            self._has_missing[side] = True
            self.missing_bytes[side] += lost.lost_bytes
        self._cut[side] = lost.lost_bytes if lost.reason == CUT_FRAME and not self._has_missing[side] else 0
        self._findings.note_lost(lost.at_s)

    def _note_run(self, run: Run) -> None:
        """Look at the time of frames, selected or not."""
        first_s, last_s = float(run.at_s[0]), float(run.at_s[-1])
        self.duration_s = max(self.duration_s, last_s)
        if run.kind == Kind.HANGUP and first_s < self._hung_up_s:
            self._hung_up, self._hung_up_s = run.side, first_s
        self._findings.note_sent(first_s, last_s)

    def _note_end(self, item: Ended) -> None:
        self.duration_s = max(self.duration_s, item.at_s)
        if self._first_end is None or item.at_s < self._first_end.at_s:
            self._first_end = item

    def _take_run(self, run: Run) -> None:
        self._has_missing[run.side] = False
        figures = self.sides[run.side]
        if run.has_audio:
            self.rows.take_audio(run)  # first: rows need the power of each frame, and the figures come with that
        figures.take(run)
        if not run.has_audio:
            self.rows.interrupt(run.side)
            self._put_frames(run)
            return
        found = findings_on_frame(run.side, Frame(run.kind, b"\0\0"), run.gap_s)
        self._findings.find(found, float(run.at_s[0]), last=True)
        if run.side is Side.SERVER:
            self._findings.find_burst(figures, float(run.at_s[-1]))

    def _put_frames(self, run: Run) -> None:
        """Make rows of frames that are not audio."""
        digits = ""
        if run.kind == Kind.DTMF and run.size == 1:
            digits = self.sides[run.side].take_digits(run)
        alike = len(run) > _MAX_ALIKE
        shown = [run.payloads[0]] if alike else run.payloads
        frame_bytes = HEADER_BYTES + run.size
        for number, (at_s, payload) in enumerate(zip(run.at_s.tolist(), shown, strict=False)):
            frame = Frame(run.kind, payload.tobytes())
            what, text = _meaning(frame)
            if alike and digits:
                what, text = "digits", digits[:_MAX_SHOWN_DIGITS] + ("…" if len(digits) > _MAX_SHOWN_DIGITS else "")
            offset = run.offset + number * frame_bytes
            self.rows.put(Row(at_s, run.side, what, text, run.kind, len(run) if alike else 1, offset=offset))
            self._findings.find(findings_on_frame(run.side, frame, run.gap_s), at_s)

    def _finish(self) -> None:
        self.is_over = True
        for side, figures in self.sides.items():
            self.rows.interrupt(side)
            figures.finish(self._talked_until_s)
        for text in self.call.remarks:
            self.rows.put(Row(self._end_s, None, "remark", text), last=True)
        if self._hung_up is None and self.call.unseen is None:
            self._findings.note_silent_until(self.duration_s)
        self._findings.judge(self.sides, self._talked_until_s, self._end_s)

    @property
    def ending(self) -> tuple[Side | None, How | None]:
        """Who ended it, and how, as far as that is known by now."""
        first = self._first_end
        if first is None or not self.timed:
            return None, None
        if self._hung_up_s <= first.at_s:
            return self._hung_up, How.HANGUP
        return first.side, How.RESET if first.reset else How.CLOSED

    @property
    def turns(self) -> dict[str, Any] | None:
        """The turn figures of a call that is over; None where they cannot be told: without a clock, of a part of a
        call."""
        sides = self.sides
        is_whole = self.timed and not self.is_part
        if not is_whole or not is_heard(
            [figures.stats for figures in sides.values()],
            [figures.arrivals.law for figures in sides.values()],
            sides[Side.SERVER].speech.worst_ahead_s,
        ):
            return None
        caller, server = (sides[side].speech.finish(self.duration_s) for side in Side)
        return turns_of(caller, server).as_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known of the call as JSON values, units in the keys."""
        call = self.call
        ended_by, ended_how = self.ending
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
            "ended_by": ended_by,
            "ended_how": ended_how,
            **{side.value: figures.as_dict(self.span_s) for side, figures in self.sides.items()},
            "turns": self.turns,
            "findings": self.findings,
            "finding_ids": ids_of(self.findings),
            **({"remarks": self.call.remarks} if self.call.remarks else {}),
        }


def is_said_by_frames(text: str) -> bool:
    """Whether a comment was written by one of our captures to say what its packet says as well."""
    return text.startswith(_SAID_BY_FRAMES)


def _meaning(frame: Frame) -> tuple[str, str]:
    """Return what a frame that is not audio is called, and what it says."""
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
