"""The calls of captures, for pages: their figures, what happened in them and when, and their sound as WAV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.dumping import DumpRequest, DumpResult, Notes, Reading, dump
from audiosocket_cli.analysis.reviewing import CallRow, Heading, Summary
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.analysis.selection import Selection
from audiosocket_cli.call.recording.wav_export import Pause, WavExport
from audiosocket_cli.errors import OutputError
from audiosocket_cli.model import Side

MAX_CALLS: Final = 10_000
"""Calls of captures that a page lists."""

_MAX_ROWS: Final = 10_000
_KEPT: Final = frozenset(("burst", "finding", "lost", "comment", "hangup", "closed", "reset", "error"))
"""What rows are of that say something besides the figures."""


@dataclass(slots=True)
class CapturedFigures:
    """A captured call."""

    name: str
    figures: dict[str, Any] = field(default_factory=dict)
    """What `dump --stats --json` says of it, with what the JSON of a live call has besides."""
    rows: list[Row] = field(default_factory=list)
    rows_left_out: int = 0


@dataclass(slots=True)
class CapturedCalls:
    """All calls that were looked for."""

    calls: list[CapturedFigures] = field(default_factory=list)
    left_out: int = 0
    """Calls beyond `MAX_CALLS`."""
    result: DumpResult = field(default_factory=DumpResult)
    is_one_sided: bool = False
    """Whether a capture has no more than the bytes of one side."""


def captured_calls(captures: Sequence[Path], call: str | None, notes: Notes) -> CapturedCalls:
    """Return the calls of captures, or that whose UUID begins with `call`. Raises `FileError`."""
    found = CapturedCalls()
    now: dict[CallReview, CapturedFigures] = {}

    def take(reading: Reading) -> None:
        found.is_one_sided |= reading.capture.format == "raw"
        for shown in reading.rows():
            if isinstance(shown, Heading):
                now[shown.call] = CapturedFigures(shown.call.call.name)
            elif isinstance(shown, CallRow):
                _keep(now[shown.call], shown.row)
            elif isinstance(shown, Summary):
                _end(found, now.pop(shown.call), shown.call)

    request = DumpRequest(tuple(map(str, captures)), selection=Selection(call=call))
    found.result = dump(request, take, notes)
    return found


def _keep(call: CapturedFigures, row: Row) -> None:
    if row.what in _KEPT:
        if len(call.rows) < _MAX_ROWS:
            call.rows.append(row)
        else:
            call.rows_left_out += 1


def _end(found: CapturedCalls, call: CapturedFigures, review: CallReview) -> None:
    if len(found.calls) >= MAX_CALLS:
        found.left_out += 1
        return
    call.figures = review.as_dict()
    call.figures["peer"] = call.figures["caller_address"]
    found.calls.append(call)


class CapturedSound(NamedTuple):
    """The sound of a call."""

    files: list[Path]
    """None without audio."""
    pause: Pause | None
    """A pause that is too long, before which it ends."""


def write_sound(captures: Sequence[Path], call: CapturedFigures, wav: Path, notes: Notes) -> CapturedSound:
    """Write the sound of one call on the call's time axis, both sides.

    Raises `FileError`, and `OutputError` where it cannot be written.
    """
    export = WavExport(wav, Selection(call=call.name), force=True)
    try:
        dump(DumpRequest(tuple(map(str, captures)), selection=Selection(call=call.name)), _drain, notes, export)
    finally:
        export.close()
    if export.errors:
        raise OutputError(f"cannot write {wav}: {export.errors[0]}")
    others = [path for path in export.files if path.stem != wav.stem and not path.stem.startswith(f"{wav.stem}.part")]
    for path in others:  # of calls with the same UUID, whose names begin alike
        path.unlink(missing_ok=True)
    return CapturedSound([path for path in export.files if path not in others], next(iter(export.pauses), None))


def _drain(reading: Reading) -> None:
    for _ in reading.frames():
        pass


def side_of(call: CapturedFigures) -> str:
    """Return the one side of a call of which there are frames."""
    sides = [side for side in Side if call.figures[side.value]["frames"]]
    return sides[0].value if len(sides) == 1 else "stereo"
