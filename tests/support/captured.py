"""Captures made up in tests: frames of both sides at given times, as items, runs, lines or files."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.reviewing import review
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.audio.pcm import to_slin, tone
from audiosocket_cli.capture.items import Captured, CapturedCall, Ended, Item, Opened, Over
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.codec import HEADER_BYTES, Frame, Kind, uuid_frame
from audiosocket_cli.model import Side
from audiosocket_cli.ui.capture_rows import row_text

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
UUID_2 = UUID("22222222-2222-4333-8444-555555555555")
STARTED_NS = 1_700_000_000_000_000_000

QUIET = Frame(Kind.SLIN, bytes(320))


def a_call(uuid: UUID | None = UUID_1, *, timed: bool = True, me: Side | None = None) -> CapturedCall:
    ends = ("10.0.0.5:40000", "10.0.0.9:9092") if timed else ("", "")
    return CapturedCall(str(uuid or 1), uuid, *ends, STARTED_NS if timed else None, me, whole=uuid is not None)


def cut(samples: NDArray[np.int16], count: int = 160, kind: int = Kind.SLIN) -> list[Frame]:
    """Cut samples into frames of so many."""
    data = to_slin(samples)
    return [Frame(kind, data[at : at + 2 * count]) for at in range(0, len(data), 2 * count)]


def speech(seconds: float) -> list[Frame]:
    """Frames of a tone."""
    return cut(tone(440, 8000, seconds))


def steady(start_s: float, count: int, step_s: float = 0.02) -> list[float]:
    return [round(start_s + step_s * number, 9) for number in range(count)]


def sent(call: CapturedCall, side: Side, frames: Sequence[Frame], times_s: Sequence[float]) -> list[Captured]:
    """One side's frames, each whole at its time."""
    items, offset = [], 0
    for frame, at_s in zip(frames, times_s, strict=True):
        items.append(Captured(call, at_s, side, frame, at_s, offset))
        offset += HEADER_BYTES + len(frame.payload)
    return items


def run_at(times_s: NDArray[np.float64], length_s: float) -> Run:
    """Frames of noise, each of so many seconds, when they arrived."""
    noise = np.random.default_rng(6).integers(1, 255, (len(times_s), round(length_s * 16000)), dtype=np.uint8)
    return Run(a_call(), Side.CALLER, Kind.SLIN, noise, times_s, 0)


def whole(
    call: CapturedCall, caller: Iterable[Captured], server: Iterable[Captured], end_s: float | None = None
) -> list[Item]:
    """A call from its UUID to its end, which the caller makes."""
    opening = Captured(call, 0.0, Side.CALLER, uuid_frame(call.uuid or UUID_1), 0.0, 0)
    shifted = [item._replace(offset=item.offset + 19) for item in caller]
    frames = list(heapq.merge(shifted, server, key=lambda item: item.at_s))
    last_s = max((item.at_s for item in frames), default=0.0)
    end_s = last_s if end_s is None else end_s
    ends = [Ended(call, end_s, side, False) for side in Side]
    return [Opened(call, 0.0), opening, *frames, *ends, Over(call)]


def a_normal_call(seconds: float = 2.0, uuid: UUID = UUID_1) -> list[Item]:
    """Speech from both sides, without anything to find fault with."""
    call, count = a_call(uuid), round(seconds * 50)
    caller = sent(call, Side.CALLER, speech(seconds), steady(0.02, count))
    return whole(call, caller, sent(call, Side.SERVER, speech(seconds), steady(0.01, count)))


def reviewed(items: Iterable[Item], selection: Selection = EVERYTHING) -> tuple[CallReview, list[Row]]:
    """Review a capture of one call; returns it with all its rows."""
    rows: list[Row] = []
    last: CallReview | None = None
    for found in review(in_runs(items), selection):
        assert isinstance(found, CallReview)
        last = found
        rows += found.ready
        found.ready.clear()
    assert last is not None
    return last, rows


def as_lines(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        line = item_line(item)
        if line is not None:
            yield line + "\n"


def write_lines(path: Path, items: Iterable[Item]) -> Path:
    path.write_text("".join(as_lines(items)))
    return path


def said(row: Row) -> str:
    """Return a row's side, if it has one, and its text."""
    side = f"{row.side} " if row.what not in ("comment", "finding", "remark") else ""
    return side + row_text(row)


def told(rows: Sequence[Row]) -> list[str]:
    """Return rows as time, side and text."""
    return [f"{row.at_s:.2f} {said(row)}" for row in rows]
