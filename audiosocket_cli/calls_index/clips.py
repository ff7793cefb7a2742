"""Pieces of recordings around what happened in a call: its digits, gaps, interruptions, or its end."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.audio.cutting import cut, holds
from audiosocket_cli.audio.growing_wav import part_path, parts_of
from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.disk import give_name
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.quantities import parse_duration
from audiosocket_cli.stores.store_error import StoreError

SCHEMA: Final = "audiosocket.clip/1"

MAX_CLIPS: Final = 1_000
"""Clips of one call; the rest is told."""

_MAX_AROUND_S: Final = 3600.0
_MAX_NAMED: Final = 16
"""Digits that a name holds."""
_KEYS: Final = {"*": "star", "#": "hash"}
_WISH: Final = re.compile(r"around-(?P<what>[a-z]+):(?P<around>.+)")


AtHand = Callable[[Row, Sequence[str]], AbstractContextManager[Path]]
"""Returns a folder in which files of a call are: `Place.at_hand`."""


class ClipWish(NamedTuple):
    """What to cut: `around_s` seconds before and after each `what`."""

    what: str
    around_s: float


class ClipFolder(NamedTuple):
    """Where clips go, and a folder in it for those that are not finished."""

    path: Path
    working: Path


class Moment(NamedTuple):
    """Something that happened, from one second of the call to another."""

    at_s: float
    to_s: float
    label: str


class Clip(NamedTuple):
    """A file that was cut: from one second of a call to another; `at_s` is when what it is about begins."""

    path: Path
    row: Row
    what: str
    at_s: float
    from_s: float
    to_s: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "schema": SCHEMA, "file": str(self.path), "uuid": self.row.uuid, "call": self.row.path, "what": self.what,
            "at_s": round(self.at_s, 3), "from_s": round(self.from_s, 3), "to_s": round(self.to_s, 3),
        }  # fmt: skip


@dataclass(slots=True)
class Cutting:
    """The result of cutting."""

    made: int = 0
    there_already: int = 0
    left_out: int = 0
    """Pieces beyond `MAX_CLIPS` of a call."""
    beyond_end: int = 0
    """Pieces of which the recording has nothing."""
    without_recording: int = 0
    failures: int = 0


def parse_clip(text: str) -> ClipWish:
    """Read `around-digits:3s`. Raises `UsageError`."""
    match = _WISH.fullmatch(text)
    if match is None or match["what"] not in _MOMENTS:
        choices = ", ".join(f"around-{what}" for what in _MOMENTS)
        raise UsageError(
            f"{text!r:.60} does not say what to cut: write one of {choices}, and how much, as around-digits:3s"
        )
    around_s = parse_duration(match["around"])
    if around_s > _MAX_AROUND_S:
        raise UsageError(f"{text!r:.60} is more than an hour around each: write less, as around-{match['what']}:3s")
    return ClipWish(match["what"], around_s)


def cut_clips(
    row: Row, at_hand: AtHand, wish: ClipWish, out: ClipFolder, done: Cutting, tell: Callable[[str], object]
) -> Iterator[Clip]:
    """Cut the pieces of one call into files, and yield them. `done` counts; `tell` gets a
    line on each failure. Raises `OSError` where a file cannot be written, and `NetworkError` where a store is away."""
    try:
        with at_hand(row, [row.name]) as folder:
            moments = _moments(row, folder, wish)
        if moments:
            with at_hand(row, row.files) as folder:
                yield from _cut(row, [folder / name for name in row.files], moments, wish, out, done)
    except StoreError as error:
        if error.is_away:
            raise
        done.failures += 1
        tell(str(error))
    except (FileError, UsageError) as error:
        done.failures += 1
        tell(str(error).replace(str(folder), row.folder))


def _cut(
    row: Row, files: Sequence[Path], moments: list[Moment], wish: ClipWish, out: ClipFolder, done: Cutting
) -> Iterator[Clip]:
    if not files or not all(path.is_file() for path in files):
        done.without_recording += 1
        return
    pieces = list(_joined(moments, wish.around_s))
    done.left_out += max(0, len(pieces) - MAX_CLIPS)
    for from_s, moment, to_s in pieces[:MAX_CLIPS]:
        name = f"{Path(row.name).stem}_at-{moment.at_s:08.2f}s_{moment.label}{files[0].suffix}"
        path, length_s = _cut_piece(files, out, name, from_s, to_s)
        if path is None:
            done.there_already += 1
        elif length_s:
            done.made += 1
            yield Clip(path, row, wish.what, moment.at_s, from_s, from_s + length_s)
        else:
            done.beyond_end += 1


def _cut_piece(
    files: Sequence[Path], out: ClipFolder, name: str, from_s: float, to_s: float
) -> tuple[Path | None, float]:
    """Cut a piece into a new file, and return it, and how many seconds it holds: None where it is there already. A name
    that something else has gets a number."""
    for number in itertools.count(1):
        path = out.path / name
        path = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        if os.path.lexists(path):
            if holds([path, *parts_of(path)], files, from_s, to_s):
                return None, 0.0
            continue
        half = out.working / name
        length_s = cut(files, half, from_s, to_s)
        try:
            for part, each in enumerate([half, *parts_of(half)] if length_s else (), 1):
                give_name(each, path if part == 1 else part_path(path, part))
        except FileExistsError:  # another process has just made it
            half.unlink()
            continue
        return path, length_s
    raise AssertionError("counting never ends")


def _moments(row: Row, folder: Path, wish: ClipWish) -> list[Moment]:
    """Return what happened in a call, in order. Raises `FileError`."""
    call, problem = read_call(str(folder / row.name))
    if call is None:
        raise FileError(f"cannot read {row.path}: {problem}")
    found = (moment for moment in _MOMENTS[wish.what](call) if math.isfinite(moment.to_s) and moment.at_s >= 0)
    return sorted(found, key=lambda moment: moment.at_s)


def _joined(moments: list[Moment], around_s: float) -> Iterator[tuple[float, Moment, float]]:
    """Yield the first and the last second of each piece, with what is in it: those that overlap are one."""
    together: list[Moment] = []
    for moment in moments:
        if together and moment.at_s - around_s > max(each.to_s for each in together[-2:]) + around_s:
            yield _piece(together, around_s)
            together = []
        together.append(moment)
    if together:
        yield _piece(together, around_s)


def _piece(together: list[Moment], around_s: float) -> tuple[float, Moment, float]:
    first, last_s = together[0], max(moment.to_s for moment in together)
    labels = [moment.label for moment in together]
    if all(label.startswith(_DIGIT) for label in labels):
        keys = [label.removeprefix(_DIGIT) for label in labels]
        more = f"-and-{len(keys) - _MAX_NAMED}-more" if len(keys) > _MAX_NAMED else ""
        joint = "-" if any(key in _KEYS.values() for key in keys[:_MAX_NAMED]) else ""
        label = f"digits-{joint.join(keys[:_MAX_NAMED])}{more}"
    else:
        label = labels[0] if len(labels) == 1 else f"{labels[0]}-and-{len(labels) - 1}-more"
    return max(0.0, first.at_s - around_s), Moment(first.at_s, last_s, label), last_s + around_s


_DIGIT: Final = "digit-"


def _digits(call: Mapping[str, Any]) -> Iterator[Moment]:
    for press in _entries(call.get("dtmf")):
        at_s, digit = _seconds(press.get("at_s")), press.get("digit")
        if at_s is not None and isinstance(digit, str) and re.fullmatch(r"[0-9A-Da-d*#]", digit):
            yield Moment(at_s, at_s, f"{_DIGIT}{_KEYS.get(digit, digit)}")


def _gaps(call: Mapping[str, Any]) -> Iterator[Moment]:
    for side in Side:
        figures = call.get(side)
        for gap in _entries(figures.get("gaps") if isinstance(figures, dict) else None):
            at_s, length_s = _seconds(gap.get("at_s")), _seconds(gap.get("length_s"))
            if at_s is not None and length_s is not None:
                yield Moment(at_s, at_s + length_s, f"gap-{side}")


def _interruptions(call: Mapping[str, Any]) -> Iterator[Moment]:
    turns = call.get("turns")
    for turn in _entries(turns.get("list") if isinstance(turns, dict) else None):
        at_s, to_s, side = _seconds(turn.get("start_s")), _seconds(turn.get("end_s")), turn.get("side")
        if turn.get("kind") == "interruption" and at_s is not None and to_s is not None and side in tuple(Side):
            yield Moment(at_s, max(at_s, to_s), f"interruption-by-{side}")


def _end(call: Mapping[str, Any]) -> Iterator[Moment]:
    at_s = _seconds(call.get("duration_s"))
    if at_s is not None:
        yield Moment(at_s, at_s, "end")


_MOMENTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[Moment]]]] = {
    "digits": _digits,
    "gaps": _gaps,
    "interruptions": _interruptions,
    "end": _end,
}


def _entries(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9 else None
