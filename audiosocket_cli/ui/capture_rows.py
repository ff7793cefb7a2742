"""A capture in words: the rows of its calls in a column for each side, frames one by one, figures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from audiosocket_cli.analysis.call_review import CallReview, is_said_by_frames
from audiosocket_cli.analysis.reviewing import CallRow, Heading, Shown, Summary
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.audio.pcm import from_slin, level_dbfs
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Ended, Item, Lost, NoCall, Opened, Remark
from audiosocket_cli.codec import Kind, is_audio, kind_name, rate_of
from audiosocket_cli.model import Side
from audiosocket_cli.ui.levels import level_bar
from audiosocket_cli.ui.turn_lines import turn_line, turn_rows
from audiosocket_cli.ui.wrapping import WIDTH, wrapped

_HEX_COLUMNS: Final = 16
_BAR_CELLS: Final = 5
_NAME_LENGTH: Final = 8

_MAX_DIGITS: Final = 64
"""More digits than this are cut, and counted."""


def clock(seconds: float, digits: int = 3) -> str:
    """Return seconds as 00:12.340, with hours in front where there are some."""
    sign = "-" if seconds < 0 and round(seconds, digits) else ""
    units = round(abs(seconds) * 10**digits)
    minutes, rest = divmod(units, 60 * 10**digits)
    text = f"{rest // 10**digits:02d}.{rest % 10**digits:0{digits}d}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{text}" if hours else f"{sign}{minutes:02d}:{text}"


def shown_lines(shown: Shown, *, named: bool, file: str = "") -> Iterator[str]:
    """Yield the lines of what is to be shown; `named` puts the beginning of the call's name before each row, `file`
    is told where there are several."""
    match shown:
        case Heading(review):
            yield from wrapped("call ", _heading(review.call, file))
            yield _in_columns(_margin(review, 0.0, named), *(" " * (_BAR_CELLS + 1) + side for side in Side))
        case CallRow(review, row):
            yield from _row_lines(review, row, named=named)
        case Summary(review):
            yield from _summary(review, named=named)
        case NoCall(started_ns, caller, server, reason):
            yield f"no call from {caller} to {server} at {_wall_clock(started_ns)}: {reason}"
        case Damage():
            yield damage_line(shown)


def damage_line(damage: Damage, *, cure: str = "") -> str:
    """Say where a file is damaged, and what was done about it, or what can be."""
    if damage.skipped_bytes is None:
        did = f"reading ends here{f'; {cure}' if cure else ''}"
    else:
        did = f"skipped {_count(damage.skipped_bytes, 'byte')}"
    return f"damaged at byte {damage.offset}: {damage.reason}; {did}"


def short_name(call: CapturedCall) -> str:
    """Return as much of a call's name as tells it from others: eight digits of a UUID, and how often it was there."""
    name, _, again = call.name.partition("#")
    return name[:_NAME_LENGTH] + (f"#{again}" if again else "")


def _row_lines(review: CallReview, row: Row, *, named: bool) -> list[str]:
    """Return a row below its side, after a bar of its level. What a caller said may go on below the server."""
    head = _margin(review, row.at_s, named, row.offset)
    if row.what in _WITHOUT_SIDE:
        return wrapped(head, row_text(row))
    if row.side is Side.SERVER:
        head = f"{head:<{_server_at(_margin(review, 0.0, named))}}"
    is_heard = row.audio_s and row.level_dbfs is not None and row.what not in ("silence", "burst", "gap")
    bar = level_bar(row.level_dbfs, _BAR_CELLS) if is_heard and row.level_dbfs is not None else " " * _BAR_CELLS
    return wrapped(f"{head}{bar} ", row_text(row))


def _margin(review: CallReview, at_s: float, named: bool, offset: int | None = None) -> str:
    """Return what stands before the columns: name, offset and time."""
    name = f"{short_name(review.call)} " if named else ""
    at = "" if review.timed else f"{'' if offset is None else f'@{offset}':<10} "
    return f"{name}{at}{clock(at_s)} "


def _server_at(margin: str) -> int:
    """Return the column where the server's begins."""
    return (len(margin) + WIDTH) // 2


def _in_columns(margin: str, caller: str, server: str) -> str:
    """Return a line with something in each side's column."""
    before = " " * len(margin) + caller
    return f"{before:<{_server_at(margin)}}{server}".rstrip()


def row_text(row: Row) -> str:
    """Return a row without its time and side: what, how much."""
    if row.what in _WITHOUT_SIDE:
        return f"{row.what}: {row.text}"
    parts = [_WORDS.get(row.what, row.what)]
    if row.text and row.what != "burst":
        parts.append(row.text)
    if row.what == "gap":
        parts.append(f"{row.audio_s:.2f} s")
    elif row.kind is not None and is_audio(row.kind) and row.audio_s:
        parts.append(f"x{row.frames} {row.audio_s:.2f} s")
        if row.what == "burst":
            parts.append(row.text)
        elif row.what != "silence" and row.level_dbfs is not None:
            parts.append(f"{row.level_dbfs:.0f} dBFS")
        if row.kind != Kind.SLIN:
            parts.append(kind_name(row.kind))
        if row.gaps:
            parts.append(f"({_count(row.gaps, 'gap')}, longest {row.longest_gap_s:.2f} s)")
        if row.bursts:
            parts.append(f"({_count(row.bursts, 'more burst')}, longest {row.longest_burst_s:.2f} s)")
    elif row.frames > 1:
        parts.append(f"x{row.frames}")
    return " ".join(parts)


_WORDS: Final = {"speech": "audio"}

_WITHOUT_SIDE: Final = ("comment", "finding", "remark")
"""Rows about a call, not about what one side sent."""


def frame_line(item: Captured, *, named: bool) -> str:
    """Return a frame as a line."""
    frame = item.frame
    name = f"{short_name(item.call)} " if named else ""
    timed = item.call.started_ns is not None
    parts = [f"{name}@{item.offset:<9d} {clock(item.at_s, 6 if timed else 3)} {item.side} {kind_name(frame.kind)}"]
    parts.append(_count(len(frame.payload), "byte"))
    if is_audio(frame.kind):
        samples = from_slin(frame.payload)
        parts.append(f"{len(samples) * 1000 / rate_of(frame.kind):g} ms {level_dbfs(samples):.1f} dBFS")
    elif frame.payload:
        parts.append(repr(frame.payload[:16])[1:] if frame.kind == Kind.DTMF else frame.payload[:16].hex())
    if item.begun_s != item.at_s:
        parts.append(f"in parts over {(item.at_s - item.begun_s) * 1000:.1f} ms")
    return " ".join(parts)


def hex_lines(data: bytes) -> Iterator[str]:
    """Yield a payload in hexadecimal and as text, to stand below its frame."""
    for start in range(0, len(data), _HEX_COLUMNS):
        part = data[start : start + _HEX_COLUMNS]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"    {start:04x}  {part.hex(' '):<{3 * _HEX_COLUMNS - 1}}  {text}"


def other_line(item: Item, *, named: bool, file: str = "") -> str | None:
    """Return an item that is not a frame as a line, in a list of frames; None for one that says nothing there."""
    match item:
        case Opened(call, _):
            return f"call {_heading(call, file)}"
        case Remark(call, at_s, text) if not is_said_by_frames(text):
            return _at(call, at_s, named) + f"comment: {text}"
        case Lost(call, at_s, side, lost_bytes, reason):
            return _at(call, at_s, named) + f"{side} lost {_count(lost_bytes, 'byte')} {reason}"
        case Ended(call, at_s, side, reset) if call.started_ns is not None:
            return _at(call, at_s, named) + f"{side} {'reset' if reset else 'closed'}"
        case NoCall():
            return next(shown_lines(item, named=False))
    return None


def _at(call: CapturedCall, at_s: float, named: bool) -> str:
    """Return the beginning of a line that is not a frame, in step with those that are."""
    name = f"{short_name(call)} " if named else ""
    return f"{name}{'':<10} {clock(at_s, 6 if call.started_ns is not None else 3)} "


def _heading(call: CapturedCall, file: str = "") -> str:
    parts = [call.name]
    if call.caller:
        parts.append(f"from {call.caller} to {call.server}")
    timed = call.started_ns is not None
    parts.append(f"at {_wall_clock(call.started_ns)}" if call.started_ns is not None else "without a clock: media time")
    if not call.whole:
        parts.append("its beginning is missing" if timed else "without a UUID")
    if call.file or file:
        parts.append(f"in {call.file or file}")
    return ", ".join(parts)


def _wall_clock(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}.{at_ns // 10**6 % 1000:03d} UTC"


def _summary(review: CallReview, *, named: bool) -> Iterator[str]:
    totals = dict.fromkeys(Side, "")
    for side, figures in review.sides.items():
        stats = figures.stats
        if figures.frames:
            audio = f", {stats.audio_s:.2f} s, {stats.mean_dbfs:.1f} dBFS" if stats.audio_s else ""
            totals[side] = f"{_count(figures.frames, 'frame')}{audio}"
    digits = "".join(press.digit for figures in review.sides.values() for press in figures.digits)
    count = sum(figures.digit_count for figures in review.sides.values())
    parts = [f"digits {_digits_text(digits, count) or 'none'}"]
    if review.findings:
        parts.append(_count(len(review.findings), "finding"))
    took = f" after {review.duration_s:.3f} s" if review.timed else ""
    selected = ", selected" if review.is_part else ""
    yield from wrapped("", f"call {short_name(review.call)} over{took}{selected}: {'; '.join(parts)}")
    if any(totals.values()):
        yield _in_columns(_margin(review, 0.0, named), totals[Side.CALLER], totals[Side.SERVER])


def _digits_text(digits: str, count: int) -> str:
    """Return digits, of very many the first and how many there are."""
    return digits if count <= _MAX_DIGITS else f"{digits[:_MAX_DIGITS]}… ({count} in all)"


def stats_lines(result: Mapping[str, Any], *, file: str = "") -> Iterator[str]:
    """Yield the figures of a call, from its JSON values, one a line with both sides beside each other."""
    sides = [result[side] for side in Side]
    rows: list[tuple[str, list[str]]] = [("", [str(side) for side in Side])]
    kinds = {kind: None for figures in sides for kind in figures["frames"]}
    for kind in kinds:
        rows.append((f"{kind} frames", [_frames(figures["frames"].get(kind)) for figures in sides]))
    for label, key, unit in _FIGURES:
        values = [figures.get(key) if figures["audio_s"] or key in _WITHOUT_AUDIO else None for figures in sides]
        if any(values):
            rows.append((label, ["-" if value is None else f"{value}{unit}" for value in values]))
    for name in ("p50", "p95", "p99", "max"):
        values = [figures.get("spacing_ms", {}).get(name) for figures in sides]
        if any(values):
            rows.append((f"spacing {name}", [f"{value} ms" if value else "-" for value in values]))
    if any(figures["dtmf"] for figures in sides):
        rows.append(("digits", [_digits_of(figures) for figures in sides]))
    rows += turn_rows(result["turns"])
    widths = [max(len(cells[column]) for _, cells in rows) for column in (0, 1)]
    yield from _stats_heading(result, file)
    for label, cells in rows:
        yield f"  {label:<16} {cells[0]:>{widths[0]}}  {cells[1]:>{widths[1]}}".rstrip()
    yield from wrapped("  ", turn_line(result["turns"]))
    for finding in result["findings"]:
        yield from wrapped("  ", f"finding: {finding}")
    for remark in result.get("remarks", ()):
        yield from wrapped("  ", f"remark: {remark}")


def _stats_heading(result: Mapping[str, Any], file: str) -> list[str]:
    parts = [result["call"]]
    if result["caller_address"]:
        parts.append(f"from {result['caller_address']} to {result['server_address']}")
    if result["duration_s"] is not None:
        parts.append(f"{result['duration_s']:.3f} s")
    if result["ended_by"]:
        parts.append(f"ended by {result['ended_by']} ({result['ended_how']})")
    if file:
        parts.append(f"in {file}")
    return wrapped("call ", ", ".join(parts))


_FIGURES: Final = (
    ("audio", "audio_s", " s"),
    ("share of time", "audio_percent", " %"),
    ("first audio at", "first_audio_s", " s"),
    ("first speech at", "first_speech_s", " s"),
    ("level", "level_dbfs", " dBFS"),
    ("peak", "peak_dbfs", " dBFS"),
    ("drift", "drift_percent", " %"),
    ("jitter", "jitter_ms", " ms"),
    ("gaps", "gap_count", ""),
    ("gaps, in all", "gaps_s", " s"),
    ("largest burst", "worst_ahead_ms", " ms"),
    ("lost bytes", "lost_bytes", ""),
    ("odd bytes", "odd_bytes", ""),
)


_WITHOUT_AUDIO: Final = ("lost_bytes", "odd_bytes")
"""Figures of a side that exist even without audio."""


def _frames(counts: Mapping[str, int] | None) -> str:
    return f"{counts['frames']} ({_count(counts['bytes'], 'byte')})" if counts else "-"


def _digits_of(figures: Mapping[str, Any]) -> str:
    digits = "".join(press["digit"] for press in figures["dtmf"])
    return _digits_text(digits, figures["frames"].get("dtmf", {}).get("frames", 0)) or "-"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
