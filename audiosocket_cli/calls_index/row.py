"""One call as one flat row of figures, made from its JSON: what the index holds, and what lists of calls show.

A call's JSON is a file that anybody may have written: whatever is in it, a row holds only bounded text without control
characters and numbers that are finite. None is what was not measured, or not said.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from audiosocket_cli.model import MAX_DIGITS, Side
from audiosocket_cli.text import printable, shortened

SCHEMA: Final = "audiosocket.call-row/1"

_CALL: Final = re.compile(r"audiosocket\.call/\d+")
_MAX_TEXT: Final = 500
"""Characters of one text of a row; longer ones are cut, and end with an ellipsis."""
_MAX_LISTED: Final = 100
"""Findings and files of a call that a row names."""
_MAX_NUMBER: Final = 1e12
_DIGIT: Final = re.compile(r"[0-9A-Da-d*#]")
_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Row(NamedTuple):
    """A call. Times are seconds and milliseconds as the names say, levels dBFS, None what is not known."""

    uuid: str | None
    name: str
    """The file name of its JSON."""
    folder: str
    """The folder of that file."""
    started_at: str | None
    """RFC 3339, in UTC, to the millisecond."""
    duration_s: float | None
    peer: str | None
    digits: str
    """All keys that were pressed, as text: 0042 is not 42."""
    ended_by: str | None
    ended_how: str | None
    ended_reason: str | None
    result: str | None
    rate_hz: int | None
    """Of the recording."""
    caller_dbfs: float | None
    server_dbfs: float | None
    gap_count: int | None
    """Of all sides that were heard, as `gaps_s`."""
    gaps_s: float | None
    late_frames: int | None
    """That we sent late."""
    finding_ids: tuple[str, ...]
    answers: int | None
    """Turns of the server that answer one of the caller, on which the latency is measured."""
    latency_p50_ms: int | None
    latency_max_ms: int | None
    interruptions_by_caller: int | None
    interruptions_by_server: int | None
    dead_air_s: float | None
    talk_caller_s: float | None
    talk_server_s: float | None
    files: tuple[str, ...]
    """The recording's files, beside the JSON."""

    @property
    def path(self) -> str:
        """The path of its JSON."""
        return os.path.join(self.folder, self.name)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        lists = {"finding_ids": list(self.finding_ids), "files": list(self.files)}
        return {"schema": SCHEMA, **self._asdict(), **lists}


def is_call(content: object) -> bool:
    """Whether what was read from a JSON file says that it is a call."""
    return isinstance(content, dict) and bool(_CALL.fullmatch(_text(content.get("schema")) or ""))


def row_of(call: Mapping[str, Any], *, folder: str = "", name: str = "") -> Row:
    """Return the row of a call from its JSON (see `is_call`); `folder` and `name` say where that is."""
    sides = [_mapping(call.get(side)) for side in Side]
    return Row(
        uuid=_text(call.get("uuid")),
        name=name,
        folder=folder,
        started_at=_time(call.get("started_at")),
        duration_s=_number(call.get("duration_s")),
        peer=_text(call.get("peer")),
        digits=_digits(call.get("dtmf")),
        ended_by=_text(call.get("ended_by")),
        ended_how=_text(call.get("ended_how")),
        ended_reason=_text(call.get("ended_reason")),
        result=_text(call.get("result")),
        rate_hz=_count(_mapping(call.get("recording")).get("rate_hz")),
        caller_dbfs=_level(sides[0]),
        server_dbfs=_level(sides[1]),
        gap_count=_whole(_sum(_count(side.get("gap_count")) for side in sides)),
        gaps_s=_sum(_number(side.get("gaps_s")) for side in sides),
        late_frames=_whole(_sum(_count(side.get("late_frames")) for side in sides)),
        finding_ids=_ids(call.get("finding_ids")),
        **_turn_figures(call.get("turns")),
        files=_names(_mapping(call.get("recording")).get("files")),
    )


def _turn_figures(value: object) -> dict[str, Any]:
    """Return what a row says of the turns: all None where they were not measured."""
    turns = _mapping(value)
    latency = _mapping(turns.get("latency_ms"))
    interruptions, talk = _mapping(turns.get("interruptions")), _mapping(turns.get("talk_s"))
    return {
        "answers": _count(latency.get("count")) if latency else 0 if turns else None,
        "latency_p50_ms": _whole(_number(latency.get("p50"))),
        "latency_max_ms": _whole(_number(latency.get("max"))),
        "interruptions_by_caller": _count(interruptions.get("caller")),
        "interruptions_by_server": _count(interruptions.get("server")),
        "dead_air_s": _number(_mapping(turns.get("dead_air")).get("total_s")),
        "talk_caller_s": _number(talk.get("caller")),
        "talk_server_s": _number(talk.get("server")),
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return printable(shortened(value, _MAX_TEXT))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= _MAX_NUMBER else None


def _level(side: Mapping[str, Any]) -> float | None:
    """A side's level, which is at most 0; None too where no audio came, which has no level."""
    level, audio_s = side.get("level_dbfs"), _number(side.get("audio_s"))
    if isinstance(level, bool) or not isinstance(level, int | float) or not -1000 <= level <= 100 or audio_s == 0:
        return None
    return float(level)


def _count(value: object) -> int | None:
    return _whole(_number(value))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known else None


def _time(value: object) -> str | None:
    """A time as RFC 3339 in UTC, so that times compare as text."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="milliseconds")


def _digits(value: object) -> str:
    presses = (press.get("digit") for press in _list(value)[:MAX_DIGITS] if isinstance(press, dict))
    return "".join(digit for digit in presses if isinstance(digit, str) and _DIGIT.fullmatch(digit))


def _ids(value: object) -> tuple[str, ...]:
    listed = (each for each in _list(value)[:_MAX_LISTED] if isinstance(each, str) and len(each) <= 100)
    return tuple(dict.fromkeys(each for each in listed if _ID.fullmatch(each)))


def _names(value: object) -> tuple[str, ...]:
    """Names of files as they are, for files are found by them; what cannot be one is left out."""
    return tuple(each for each in _list(value)[:_MAX_LISTED] if isinstance(each, str) and can_be_a_name(each))


def can_be_a_name(text: str) -> bool:
    """Whether a file in a folder can have this name."""
    try:
        return 0 < len(os.fsencode(text)) <= 255 and "/" not in text and "\0" not in text and text not in (".", "..")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
