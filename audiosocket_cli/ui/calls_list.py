"""Calls of an index as text: a table of 80 columns, the figures below it, and what was removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from audiosocket_cli.calls_index.retention import Removal
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.calls_index.totals import Totals
from audiosocket_cli.text import counted, counted_with_commas, shortened
from audiosocket_cli.ui.wrapping import wrapped

_WIDTHS: Final = {"started": 16, "call": 8, "peer": 15, "length": 7, "digits": 8, "answer": 7, "gaps": 6, "ended": 6}
"""The columns of a list of calls; the last five but one are numbers, and to the right."""
_RIGHT: Final = {"length", "answer", "gaps"}
_UNKNOWN: Final = "–"  # noqa: RUF001
_INDENT: Final = " " * 17
_PORT: Final = re.compile(r":\d+$")
_SIZES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def call_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a table: a heading, a line for each call, and its findings on lines below it."""
    heading = None
    for row in rows:
        if heading is None:
            heading = _line({name: name.upper() for name in _WIDTHS})
            yield heading
        yield _line(_cells(row))
        if row.finding_ids:
            yield from wrapped(_INDENT, ", ".join(row.finding_ids))


def _line(cells: dict[str, str]) -> str:
    parts = []
    for name, width in _WIDTHS.items():
        text = shortened(cells[name], width)
        parts.append(text.rjust(width) if name in _RIGHT else text.ljust(width))
    return " ".join(parts).rstrip()


def _cells(row: Row) -> dict[str, str]:
    return {
        "started": _UNKNOWN if row.started_at is None else local_minute(row.started_at),
        "call": (row.uuid or row.name)[:8],
        "peer": _UNKNOWN if row.peer is None else _PORT.sub("", row.peer),
        "length": _UNKNOWN if row.duration_s is None else length_text(row.duration_s),
        "digits": row.digits or "",
        "answer": _UNKNOWN if row.latency_max_ms is None else f"{row.latency_max_ms / 1000:.2f} s",
        "gaps": _UNKNOWN if row.gaps_s is None else f"{row.gaps_s:.1f} s" if row.gaps_s else "",
        "ended": row.ended_by or _UNKNOWN,
    }


def local_minute(started_at: str) -> str:
    """Return a time of a row as local date and time."""
    try:
        return f"{datetime.fromisoformat(started_at).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):  # at the ends of the calendar
        return started_at[:16]


def length_text(seconds: float) -> str:
    """Return a length of time in at most seven characters: 12.3s, 2m05s, 1h02m, 3d04h."""
    whole = round(seconds)
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def total_lines(totals: Totals, shown: int) -> Iterator[str]:
    """Yield the figures of all calls that are wanted, of which so many are shown."""
    yield f"{_total(totals)}{f', {shown} of them shown (--limit)' if shown < totals.calls else ''}"
    yield from wrapped("", ", ".join([f"{totals.with_digits:,} with digits", f"{totals.with_gaps:,} with gaps",
                                      _findings(totals)]))  # fmt: skip
    if totals.slowest_ms is not None:
        p50_ms = totals.latency_p50_ms or 0
        yield (
            f"answers after {p50_ms / 1000:.2f} s (median of all calls' medians), "
            f"at most {totals.slowest_ms / 1000:.2f} s"
        )
    if totals.with_turns < totals.calls:
        yield f"turns not measured: {counted_with_commas(totals.calls - totals.with_turns, 'call')}"


def _total(totals: Totals) -> str:
    hours = totals.duration_s / 3600
    span = ""
    if totals.first_at is not None and totals.last_at is not None:
        first, last = local_minute(totals.first_at)[:10], local_minute(totals.last_at)[:10]
        span = f", {first}" if first == last else f", {first} to {last}"
    return f"{counted_with_commas(totals.calls, 'call')}, {hours:,.1f} hours{span}"


def _findings(totals: Totals) -> str:
    most = [f"{finding} {count:,}" for finding, count in list(totals.findings.items())[:5]]
    more = [f"and {len(totals.findings) - 5} more"] if len(totals.findings) > 5 else []
    return f"{totals.with_findings:,} with findings" + (f": {', '.join([*most, *more])}" if most else "")


def size_text(size_bytes: float) -> str:
    """Return a size with its unit: 1.2 GB."""
    for unit_bytes, unit in _SIZES:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:.1f} {unit}"
    return f"{size_bytes:.0f} bytes"


def problem_line(count: int, first: Sequence[tuple[str, str]]) -> str:
    """Say which JSON files hold no call."""
    shown = "; ".join(f"{path}: {problem}" for path, problem in first)
    more = f"; and {count - len(first):,} more" if count > len(first) else ""
    return f"left out {counted_with_commas(count, 'JSON file')} without a call ({shown}{more})"


def removal_line(removal: Removal) -> str:
    """Say what is, or would be, removed of a call, or why it is kept."""
    row = removal.row
    started = _UNKNOWN if row.started_at is None else local_minute(row.started_at)
    call = f"{started:16} {row.path}"
    if removal.kept is not None:
        return f"{call}: kept, {removal.kept}"
    return f"{call}: {counted(len(removal.files), 'file')}, {size_text(removal.size_bytes)}"
