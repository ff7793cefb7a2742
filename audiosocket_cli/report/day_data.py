"""What the page of a day shows, as the JSON that its scripts read: bounded, however much there is of a day.

Each call is a list of values in the order of `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from audiosocket_cli.audio.pcm import SILENCE_DBFS, power_to_dbfs
from audiosocket_cli.errors import FileError
from audiosocket_cli.finding_pages import cure_of, finding_ids, sentence_of
from audiosocket_cli.report.day_call import DayCall, cut
from audiosocket_cli.report.day_folder import NOT_SHOWN, Beside
from audiosocket_cli.report.small_waveform import SmallWaveform, small_waveform
from audiosocket_cli.text import printable

SCHEMA: Final = "audiosocket.day/1"

MAX_CALLS: Final = 10_000
"""Calls on one page; of more, those that began last."""

_BARS: Final = (150, 400)
"""Bars of a waveform where there are many calls, and where there are few."""
_FEW: Final = 250

_MAX_TURNS: Final = 60
_ALL_TURNS: Final = 40_000
"""Turns listed of a call, and of all calls; figures count all."""

_MAX_ANSWERS: Final = 200
_ALL_ANSWERS: Final = 100_000
"""Answers of a call, and of all calls, that percentiles over several calls are made of; of more, a fair choice."""

_MAX_DIGITS: Final = 100

COLUMNS: Final = (
    "key", "uuid", "name", "folder", "at", "duration_s", "peer", "digits", "ended_by", "ended_how", "ended_reason",
    "result", "rate_hz", "caller_dbfs", "server_dbfs", "gap_count", "gaps_s", "late_frames", "finding_ids", "answers",
    "latency_ms", "slowest_ms", "by_caller", "by_server", "dead_air_s", "talk_caller_s", "talk_server_s",
    "findings", "findings_left", "turns", "turns_left", "error", "wave", "wave_s", "channels", "sounds", "page",
)  # fmt: skip

Link = Callable[[Path], str]
"""Returns the address of a recording, relative to the page."""

Tell = Callable[[str, int, int], object]
"""Hears what is done, and of how many of how many calls."""


@dataclass(slots=True)
class Day:
    """The calls of a page, and what is told beside them."""

    title: str
    calls: Sequence[DayCall]
    beside: Beside = field(default_factory=Beside)
    left_out: int = 0
    """Calls that are too many for the page."""


def day_of(title: str, calls: Iterable[DayCall], beside: Beside) -> Day:
    """Return a day with as many calls as a page holds, by when they began; those whose start is not known last.

    Of more, the ones that began first are left out, as they come: what is in memory has a bound.
    """
    kept: list[DayCall] = []
    left_out = 0
    for call in calls:
        kept.append(call)
        if len(kept) >= 2 * MAX_CALLS:
            kept, more = _last_of(kept)
            left_out += more
    kept, more = _last_of(kept)
    return Day(title, kept, beside, left_out + more)


def _last_of(calls: Iterable[DayCall]) -> tuple[list[DayCall], int]:
    """Return calls in order, as many as a page holds, and how many are left out."""
    ordered = sorted(calls, key=lambda call: (call.row.started_at is None, call.row.started_at or ""))
    left_out = max(0, len(ordered) - MAX_CALLS)
    return ordered[left_out:], left_out


def day_data(day: Day, link: Link, tell: Tell = lambda what, done, total: None) -> dict[str, Any]:
    """Read the recordings, and return the data of the page."""
    total = len(day.calls)
    bars = _BARS[total <= _FEW]
    turns = min(_MAX_TURNS, _ALL_TURNS // max(1, total))
    answers = max(2, min(_MAX_ANSWERS, _ALL_ANSWERS // max(1, total)))
    rows = []
    keys: dict[str, int] = {}
    for number, call in enumerate(day.calls):
        wave = _waveform(call, bars, day.beside)
        row = {**_figures(call), **_texts(call), **_of_turns(call, turns, answers), **_of_sound(call, wave, link)}
        count = keys[call.key] = keys.get(call.key, 0) + 1
        row["key"] = call.key if count == 1 else f"{call.key}~{count}"
        rows.append([row[name] for name in COLUMNS])
        tell("reading recordings", number + 1, total)
    ids = {each for call in day.calls for each in call.row.finding_ids}
    return {"schema": SCHEMA, "columns": list(COLUMNS), "calls": rows, "about": dict(_about(ids))}


def _about(ids: set[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for each in sorted(ids & set(finding_ids())):
        yield each, {"about": sentence_of(each), "cure": cure_of(each)}


def _figures(call: DayCall) -> dict[str, Any]:
    row = call.row
    return {
        "at": None if row.started_at is None else datetime.fromisoformat(row.started_at).timestamp(),
        "duration_s": row.duration_s, "rate_hz": row.rate_hz, "caller_dbfs": row.caller_dbfs,
        "server_dbfs": row.server_dbfs, "gap_count": row.gap_count, "gaps_s": row.gaps_s,
        "late_frames": row.late_frames, "finding_ids": list(row.finding_ids), "latency_ms": row.latency_p50_ms,
        "slowest_ms": row.latency_max_ms, "by_caller": row.interruptions_by_caller,
        "by_server": row.interruptions_by_server, "dead_air_s": row.dead_air_s, "talk_caller_s": row.talk_caller_s,
        "talk_server_s": row.talk_server_s,
    }  # fmt: skip


def _texts(call: DayCall) -> dict[str, Any]:
    row = call.row
    names = ("uuid", "name", "folder", "peer", "ended_by", "ended_how", "ended_reason", "result")
    return {
        **{name: getattr(row, name) or "" for name in names},
        "digits": cut(row.digits, _MAX_DIGITS), "findings": list(call.findings), "findings_left": call.findings_left,
        "error": call.error, "page": call.page,
    }  # fmt: skip


def _of_turns(call: DayCall, most: int, most_answers: int) -> dict[str, Any]:
    waited = [turn[4] for turn in call.turns if turn[:2] == ("server", "turn") and turn[4] is not None]
    return {
        "turns": [list(turn) for turn in call.turns[:most]],
        "turns_left": call.turns_left + max(0, len(call.turns) - most),
        "answers": _fair(waited, most_answers),
    }


def _fair(values: Sequence[int], most: int) -> list[int]:
    """Return values in order, of more than `most` so many that their percentiles are about the same."""
    if len(values) <= most:
        return sorted(values)
    return [int(each) for each in np.quantile(np.array(values), (np.arange(most) + 0.5) / most, method="nearest")]


def _waveform(call: DayCall, bars: int, beside: Beside) -> SmallWaveform | None:
    if not call.recordings:
        return None
    try:
        return small_waveform(call.recordings, bars)
    except (FileError, OSError) as error:
        text = str(error) if isinstance(error, FileError) else (error.strerror or str(error)).lower()
        beside.note(NOT_SHOWN, f"{call.key}: {text}")
        return None


def _of_sound(call: DayCall, wave: SmallWaveform | None, link: Link) -> dict[str, Any]:
    row = call.row
    found: dict[str, Any] = {
        "wave": "", "wave_s": None, "channels": 0, "sounds": [link(each) for each in call.recordings]
    }  # fmt: skip
    if wave is None:
        return found
    found |= {"wave": wave.text, "wave_s": round(wave.duration_s, 3), "channels": wave.channels}
    if call.json is None:
        found |= _measured(wave) | {"rate_hz": wave.rate_hz}
    if row.duration_s is None:
        found["duration_s"] = round(wave.duration_s, 3)
    return found


def _measured(wave: SmallWaveform) -> dict[str, float]:
    """Return the levels of a recording without JSON; whose voice a single channel holds is not known."""
    if wave.channels != 2:
        return {}
    levels = [round(power_to_dbfs(power), 1) if power else SILENCE_DBFS for power in wave.levels]
    return dict(zip(("caller_dbfs", "server_dbfs"), levels, strict=True))


def shown_name(path: Path) -> str:
    """Return a path as it can be shown."""
    return printable(str(path))
