"""One call of a day as its page needs it, from its JSON, from its recording alone, or from a capture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.turns import BACKCHANNEL, INTERRUPTION, MAX_TURNS, TURN
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.model import Side
from audiosocket_cli.report.json_values import count_of, list_of, mapping_of, number_of
from audiosocket_cli.text import printable

MAX_TEXT: Final = 400
"""Characters of a text of the page that came from a call."""

_MAX_LINES: Final = 20
"""Findings of a call that are shown; a server notes no more either."""

_KINDS: Final = (TURN, INTERRUPTION, BACKCHANNEL)
_SIDES: Final = tuple(side.value for side in Side)
_MAX_S: Final = 1e7

Turn = tuple[str, str, float, float, int | None]
"""Who, what, from, to (seconds into the call), and after how many milliseconds."""


@dataclass(frozen=True, slots=True)
class DayCall:
    """A call in the table."""

    row: Row
    key: str
    """What names it in the address of the page: the path of its JSON or recording without the suffix."""
    findings: tuple[str, ...] = ()
    """What was odd, a line each, with the id of its kind at the end."""
    findings_left: int = 0
    turns: tuple[Turn, ...] = ()
    turns_left: int = 0
    error: str = ""
    """Why its recording is not whole."""
    recordings: tuple[Path, ...] = ()
    """The parts of its recording that are there."""
    json: Path | None = None
    """Its JSON, if that is a file."""
    page: str = ""
    """The address of its own page, relative to this one; empty without one."""


def day_call(call: Mapping[str, Any], *, key: str, folder: str, name: str, **files: Any) -> DayCall:
    """Return a call from its JSON, whatever is in that. `files` are further fields."""
    lines = [text for each in list_of(call.get("findings")) if (text := cut(each))]
    turns = list(_turns(call.get("turns")))
    kept = tuple(turns[:MAX_TURNS])
    left_out = count_of(mapping_of(call.get("turns")).get("left_out")) or 0
    return DayCall(
        row_of(call, folder=folder, name=name), key, tuple(lines[:_MAX_LINES]), max(0, len(lines) - _MAX_LINES),
        kept, left_out + len(turns) - len(kept), cut(mapping_of(call.get("recording")).get("error")), **files,
    )  # fmt: skip


def cut(value: object, most: int = MAX_TEXT) -> str:
    """Return a text as it can be shown, on one line, no longer than about this; empty for what is not text."""
    if not isinstance(value, str):
        return ""
    shown = printable(value[:most])
    return f"{shown}… ({len(value) - most:,} more characters)" if len(value) > most else shown


def without_suffix(path: str) -> str:
    """Return a path without its last suffix."""
    return re.sub(r"\.[^./]*\Z", "", path)


def _turns(value: object) -> Iterator[Turn]:
    for turn in map(mapping_of, list_of(mapping_of(value).get("list"))):
        side, kind = turn.get("side"), turn.get("kind")
        start_s, end_s = (number_of(turn.get(name), most=_MAX_S) for name in ("start_s", "end_s"))
        if side in _SIDES and kind in _KINDS and start_s is not None and end_s is not None:
            yield side, kind, start_s, end_s, _wait(turn.get("after_ms"))


def _wait(value: object) -> int | None:
    """Return a wait in milliseconds; 0 for who began before the other side had ended."""
    wait_ms = number_of(value, -_MAX_S, _MAX_S)
    return None if wait_ms is None else max(0, round(wait_ms))
