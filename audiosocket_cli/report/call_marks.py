"""The events of a call as marks on the time axis of a page: digits, gaps, bursts, findings, events of the bot, the end.

The figures are those of the call's JSON, or of `dump --stats --json`; a capture has rows besides, which say where
bursts and findings are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.finding import id_of, untagged
from audiosocket_cli.model import Side
from audiosocket_cli.report.json_values import list_of, mapping_of, number_of, text_of

MAX_OF_KIND: Final = 1500
"""Marks of one kind that a page has: of more, the first."""

_LABEL: Final = 24

_ENDS: Final = frozenset(("hangup", "reset", "closed", "error"))

_SENTENCES: Final = {
    "hangup": "{} hung up.",
    "closed": "{} closed the connection.",
    "reset": "{} reset the connection.",
}

_SAYS_END: Final = "ended by "
"""How the comment begins with which our captures say how a call ended."""


class Mark(NamedTuple):
    """Something at a place in time, or from there on."""

    at_s: float
    to_s: float | None
    kind: str
    """digit, gap, burst, late, finding, mark, bot or hangup."""
    side: str | None
    label: str
    text: str
    finding: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        rounded = {"at_s": round(self.at_s, 3), "to_s": None if self.to_s is None else round(self.to_s, 3)}
        return self._asdict() | rounded


class Marks(NamedTuple):
    """The marks of a call."""

    marks: list[Mark]
    """In order of time."""
    left_out: dict[str, int]
    """How many of a kind are more than a page has, or lie outside of the call."""


def marks_of(call: Mapping[str, Any], rows: Sequence[Row], duration_s: float) -> Marks:
    """Return the marks of a call from its JSON, and from the rows that a capture has besides."""
    kept: list[Mark] = []
    left_out: dict[str, int] = {}
    counts: dict[str, int] = {}
    for mark in _all(call, rows, duration_s):
        counts[mark.kind] = counts.get(mark.kind, 0) + 1
        if counts[mark.kind] > MAX_OF_KIND or not 0 <= mark.at_s <= duration_s + 1:
            left_out[mark.kind] = left_out.get(mark.kind, 0) + 1
            continue
        to_s = None if mark.to_s is None else min(mark.to_s, duration_s)
        kept.append(mark._replace(at_s=min(mark.at_s, duration_s), to_s=to_s))
    return Marks(sorted(kept, key=lambda mark: mark.at_s), left_out)


def _all(call: Mapping[str, Any], rows: Sequence[Row], duration_s: float) -> Iterator[Mark]:
    yield from _digits(call.get("dtmf"), Side.CALLER)
    for side in Side:
        figures = mapping_of(call.get(side.value))
        yield from _digits(figures.get("dtmf"), side)
        yield from _gaps(figures.get("gaps"), side)
    yield from _of_bridge(mapping_of(call.get("bridge")))
    yield from map(_of_row, _told(rows))
    if not any(row.what in _ENDS for row in rows):
        yield from _end(call, duration_s)


def _digits(value: object, side: Side) -> Iterator[Mark]:
    for press in map(mapping_of, list_of(value)):
        digit, at_s = text_of(press.get("digit"), 8), _time(press.get("at_s"))
        how = " as a tone" if press.get("in_band") is True else ""
        yield Mark(at_s, None, "digit", side.value, digit or "?", f"The {side} pressed {digit or 'a key'}{how}.")


def _gaps(value: object, side: Side) -> Iterator[Mark]:
    for gap in map(mapping_of, list_of(value)):
        at_s, length_s = _time(gap.get("at_s")), number_of(gap.get("length_s")) or 0.0
        text = f"Nothing came from the {side} for {length_s:.2f} s."
        yield Mark(at_s, at_s + length_s, "gap", side.value, f"gap {length_s:.2f} s", text)


def _of_bridge(bridge: Mapping[str, Any]) -> Iterator[Mark]:
    at_s = number_of(bridge.get("connected_s"))
    if at_s is not None:
        yield Mark(at_s, None, "bot", Side.SERVER.value, "bot connected", "The bot's WebSocket was connected.")


def _end(call: Mapping[str, Any], duration_s: float) -> Iterator[Mark]:
    side, how, reason = (text_of(call.get(name), 200) for name in ("ended_by", "ended_how", "ended_reason"))
    if how:
        known = side if side in tuple(Side) else None
        at_s = number_of(call.get("duration_s"), most=duration_s)
        text = _ending(known, how, untagged(reason))
        yield Mark(duration_s if at_s is None else at_s, None, "hangup", known, how[:_LABEL], text, id_of(reason))


def _ending(side: str | None, how: str, reason: str) -> str:
    """Return who ended a call, and how or why, as a sentence."""
    who = f"The {side}" if side else "Somebody"
    says_no_more = reason in ("", how, *(f"{side} {verb}" for verb in ("hung up", "closed", "hangup", "reset")))
    if says_no_more:
        return _SENTENCES[how].format(who) if how in _SENTENCES else f"{who} ended the call: {how}."
    return f"{who} ended the call: {reason}."


def _told(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows that say something besides what the figures say; of the end, the first: who made it."""
    is_over = False
    for row in rows:
        is_end = row.what in _ENDS or _is_end(row)
        if is_end and row.what != "error":
            if is_over or (row.what in _ENDS and any(map(_is_end, rows))):
                continue
            is_over = True
        if is_end or row.what in ("burst", "finding", "lost", "comment"):
            yield row


def _is_end(row: Row) -> bool:
    """Whether it is the comment with which our captures say how a call ended."""
    return row.what == "comment" and row.text.startswith(_SAYS_END)


def _of_row(row: Row) -> Mark:
    side = None if row.side is None else row.side.value
    if row.what == "finding":
        finding_id = id_of(row.text)
        return Mark(row.at_s, None, "finding", side, finding_id or "finding", untagged(row.text), finding_id)
    if row.what == "burst":
        text = f"{row.audio_s:.2f} s of the {side}'s audio came {row.text}."
        return Mark(row.at_s, row.at_s + row.audio_s, "burst", side, f"burst {row.audio_s:.2f} s", text)
    if _is_end(row):
        by = next((each.value for each in Side if row.text.startswith(_SAYS_END + each.value)), None)
        return Mark(row.at_s, None, "hangup", by, "end", f"{text_of(row.text.capitalize())}.")
    if row.what in _ENDS:
        who = f"The {side}" if side else "Somebody"
        sentence = _SENTENCES.get(row.what)
        text = sentence.format(who) if sentence else f"{who} sent an error: {row.text}."
        return Mark(row.at_s, None, "hangup", side, row.what, text)
    text = text_of(row.text)
    return Mark(row.at_s, None, "mark", side, "lost" if row.what == "lost" else text[:_LABEL], text)


def _time(value: object) -> float:
    """Return a time; one outside of all calls for what is none."""
    number = number_of(value)
    return math.inf if number is None else number


def longest_gap(call: Mapping[str, Any], sides: Iterable[Side]) -> float | None:
    """Return where the longest listed gap of these sides begins."""
    found = [
        (number_of(gap.get("length_s")) or 0.0, _time(gap.get("at_s")))
        for side in sides
        for gap in map(mapping_of, list_of(mapping_of(call.get(side.value)).get("gaps")))
    ]
    at_s = max(found, default=(0.0, math.inf))[1]
    return None if math.isinf(at_s) else at_s
