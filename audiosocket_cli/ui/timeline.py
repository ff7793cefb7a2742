"""A capture in words: the rows of its calls, frames one by one, figures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from audiosocket_cli.asterisk import Side
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item, NoCall
from audiosocket_cli.codec import Kind, is_audio, kind_name, rate_of
from audiosocket_cli.media.pcm import from_slin, level_dbfs
from audiosocket_cli.review.calls import CallReview, CallRow, Heading, Shown, Summary
from audiosocket_cli.review.folding import Row

_HEX_COLUMNS: Final = 16


def clock(seconds: float, digits: int = 3) -> str:
    """Return seconds as 00:12.340, with hours in front where there are some."""
    sign = "-" if seconds < 0 and round(seconds, digits) else ""
    units = round(abs(seconds) * 10**digits)
    minutes, rest = divmod(units, 60 * 10**digits)
    text = f"{rest // 10**digits:02d}.{rest % 10**digits:0{digits}d}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{text}" if hours else f"{sign}{minutes:02d}:{text}"


def shown_lines(shown: Shown, *, named: bool) -> Iterator[str]:
    """Yield the lines of what is to be shown; `named` puts the beginning of the call's name before each row."""
    match shown:
        case Heading(review):
            yield _heading(review.call)
        case CallRow(review, row):
            name = f"{review.call.name[:8]} " if named else ""
            at = "" if review.timed else f"@{row.offset:<9d} "
            yield f"{name}{at}{clock(row.at_s)} {row_text(row)}"
        case Summary(review):
            yield _summary(review)
        case NoCall(started_ns, caller, server, reason):
            yield f"no call from {caller} to {server} at {_wall_clock(started_ns)}: {reason}"
        case Damage():
            yield damage_line(shown)


def damage_line(damage: Damage) -> str:
    """Say where a file is damaged, and what was done about it."""
    did = "reading ends here" if damage.skipped_bytes is None else f"skipped {damage.skipped_bytes} bytes"
    return f"damaged at byte {damage.offset}: {damage.reason}; {did}"


def row_text(row: Row) -> str:
    """Return a row without its time: side, what, how much."""
    if row.what in ("comment", "finding"):
        return f"{row.what}: {row.text}"
    parts = [f"{row.side} {_WORDS.get(row.what, row.what)}"]
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
            parts.append(f"({row.gaps} gap{'' if row.gaps == 1 else 's'}, longest {row.longest_gap_s:.2f} s)")
    elif row.frames > 1:
        parts.append(f"x{row.frames}")
    return " ".join(parts)


_WORDS: Final = {"speech": "audio", "quiet": "quiet", "lost": "lost"}


def frame_line(item: Captured, *, named: bool, timed: bool, with_hex: bool) -> str:
    """Return a frame as a line, and with `with_hex` its payload in hexadecimal below it."""
    frame = item.frame
    name = f"{item.call.name[:8]} " if named else ""
    parts = [f"{name}@{item.offset:<9d} {clock(item.at_s, 6 if timed else 3)} {item.side} {kind_name(frame.kind)}"]
    parts.append(f"{len(frame.payload)} bytes")
    if is_audio(frame.kind):
        samples = from_slin(frame.payload)
        parts.append(f"{len(samples) * 1000 / rate_of(frame.kind):g} ms {level_dbfs(samples):.1f} dBFS")
    elif frame.payload:
        parts.append(repr(frame.payload[:16])[1:] if frame.kind == Kind.DTMF else frame.payload[:16].hex())
    if item.begun_s != item.at_s:
        parts.append(f"in parts over {(item.at_s - item.begun_s) * 1000:.1f} ms")
    line = " ".join(parts)
    if not with_hex:
        return line
    return "\n".join([line, *_hex_lines(frame.payload)])


def _hex_lines(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _HEX_COLUMNS):
        part = data[start : start + _HEX_COLUMNS]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"    {start:04x}  {part.hex(' '):<{3 * _HEX_COLUMNS - 1}}  {text}"


def other_line(item: Item) -> str | None:
    """Return an item that is no frame as a line, in a list of frames; None for one that says nothing there."""
    from audiosocket_cli.capture.items import Ended, Lost, Opened, Remark

    match item:
        case Opened(call, _):
            return _heading(call)
        case Remark(_, at_s, text):
            return f"{clock(at_s, 6)} comment: {text}"
        case Lost(_, at_s, side, lost_bytes, reason):
            return f"{clock(at_s, 6)} {side} lost {lost_bytes} bytes {reason}"
        case Ended(call, at_s, side, reset) if call.started_ns is not None:
            return f"{clock(at_s, 6)} {side} {'reset' if reset else 'closed'}"
        case NoCall() | Damage():
            return next(shown_lines(item, named=False))
    return None


def _heading(call: CapturedCall) -> str:
    parts = [f"call {call.name}"]
    if call.caller:
        parts.append(f"from {call.caller} to {call.server}")
    parts.append(f"at {_wall_clock(call.started_ns)}" if call.started_ns is not None else "without times: media time")
    if not call.whole:
        parts.append("its beginning is missing" if call.started_ns is not None else "without a UUID")
    return ", ".join(parts)


def _wall_clock(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}.{at_ns // 10**6 % 1000:03d} UTC"


def _summary(review: CallReview) -> str:
    parts = []
    for side, figures in review.sides.items():
        stats = figures.stats
        if figures.frames:
            level = f", {stats.mean_dbfs:.1f} dBFS" if stats.audio_s else ""
            parts.append(f"{side} {figures.frames} frames, {stats.audio_s:.2f} s of audio{level}")
    digits = "".join(press.digit for figures in review.sides.values() for press in figures.digits)
    parts.append(f"digits {digits or 'none'}")
    if review.findings:
        parts.append(f"{len(review.findings)} finding{'' if len(review.findings) == 1 else 's'}")
    took = f"{review.duration_s:.3f} s: " if review.timed else ""
    return f"call {review.call.name[:8]} over, {took}{'; '.join(parts)}"


def stats_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of a call, from its JSON values, one a line with both sides beside each other."""
    sides = [(side, result[side]) for side in Side]
    rows: list[tuple[str, list[str]]] = [("", [str(side) for side, _ in sides])]
    kinds = {kind: None for _, figures in sides for kind in figures["frames"]}
    for kind in kinds:
        rows.append((f"{kind} frames", [_frames(figures["frames"].get(kind)) for _, figures in sides]))
    for label, key, unit in _FIGURES:
        values = [figures.get(key) for _, figures in sides]
        if any(value not in (None, 0, 0.0) for value in values):
            rows.append((label, [_figure(value, unit) for value in values]))
    rows.append(("digits", ["".join(press["digit"] for press in figures["dtmf"]) or "-" for _, figures in sides]))
    for name in ("p50", "p95", "p99", "max"):
        values = [figures.get("spacing_ms", {}).get(name) for _, figures in sides]
        if any(values):
            rows.append((f"spacing {name}", [_figure(value, " ms") for value in values]))
    widths = [max(len(cells[column]) for _, cells in rows) for column in (0, 1)]
    duration = f", {result['duration_s']:.3f} s" if result["duration_s"] is not None else ""
    ended = f", ended by {result['ended_by']} ({result['ended_how']})" if result["ended_by"] else ""
    yield f"call {result['call']}{duration}{ended}"
    for label, cells in rows:
        yield f"  {label:<16} {cells[0]:>{widths[0]}}  {cells[1]:>{widths[1]}}".rstrip()
    for finding in result["findings"]:
        yield f"  finding: {finding}"


_FIGURES: Final = (
    ("audio", "audio_s", " s"),
    ("share of call", "audio_share", ""),
    ("first audio at", "first_audio_s", " s"),
    ("first speech at", "first_speech_s", " s"),
    ("level", "level_dbfs", " dBFS"),
    ("peak", "peak_dbfs", " dBFS"),
    ("drift", "drift_percent", " %"),
    ("jitter", "jitter_ms", " ms"),
    ("gaps", "gaps", ""),
    ("gaps, in all", "gaps_s", " s"),
    ("largest burst", "worst_ahead_ms", " ms"),
    ("lost bytes", "lost_bytes", ""),
    ("odd bytes", "odd_bytes", ""),
)


def _frames(counts: Mapping[str, int] | None) -> str:
    return f"{counts['frames']} ({counts['bytes']} bytes)" if counts else "-"


def _figure(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    return f"{len(value) if isinstance(value, list) else value}{unit}"
