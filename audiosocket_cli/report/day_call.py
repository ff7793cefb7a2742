"""One call of a day as its page needs it, from its JSON, from its recording alone, or from a capture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.model import Side
from audiosocket_cli.text import printable

MAX_TEXT: Final = 400
"""Characters of a text of the page that came from a call."""

_MAX_LINES: Final = 20
"""Findings of a call that are shown; a server notes no more either."""

_MAX_TURNS: Final = 1000
"""Turns of a call that are kept; its JSON lists no more either."""

_KINDS: Final = ("turn", "interruption", "backchannel")
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
    lines = [text for each in listed(call.get("findings")) if (text := cut(each))]
    turns = list(_turns(call.get("turns")))
    kept = tuple(turns[:_MAX_TURNS])
    told = _mapping(call.get("turns")).get("left_out")
    left_out = told if isinstance(told, int) and not isinstance(told, bool) and 0 < told < 1_000_000_000 else 0
    return DayCall(
        row_of(call, folder=folder, name=name), key, tuple(lines[:_MAX_LINES]), max(0, len(lines) - _MAX_LINES),
        kept, left_out + len(turns) - len(kept), cut(_mapping(call.get("recording")).get("error")), **files,
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
    for each in listed(_mapping(value).get("list")):
        turn = _mapping(each)
        side, kind, start, end = (turn.get(name) for name in ("side", "kind", "start_s", "end_s"))
        if side in _SIDES and kind in _KINDS and _is_time(start) and _is_time(end):
            after = turn.get("after_ms")
            yield side, kind, float(start), float(end), _wait(after)


def _wait(value: object) -> int | None:
    """Return a wait in milliseconds; 0 for who began before the other side had ended."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_S <= value <= _MAX_S:
        return None
    return max(0, round(value))


def _is_time(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_S


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a value of JSON that should be a list; an empty one where it is not."""
    return value if isinstance(value, list) else []
