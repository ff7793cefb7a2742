"""Who spoke when in a call, how long the server took to answer, who talked over whom: figures from the speech of both.

turn          speech of one side, with pauses shorter than `TURN_PAUSE_S` in which the other side says nothing.
answer        a turn of the server after speech of the caller; its latency counts from the end of that speech.
interruption  speech of at least `INTERRUPTION_S` that begins while the other side is speaking.
backchannel   shorter speech that does: an "mhm". It takes no turn, and ends none.
leak          speech that begins while the other side speaks, and is `LEAK_DB` less loud: its echo. It does not count.
early         speech that begins when the other side has less than `EARLY_S` to say: a turn, and as an answer one of
              0 ms.
dead air      at least `DEAD_AIR_S` in which neither side speaks.

A side that hands the other's sound back takes no turns: of an echo there are no figures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.side_stats import SideStats
from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.model import Side

TURN_PAUSE_S: Final = 1.0
"""After a longer pause, speech is another turn. Our own choice: people think for longer, but then a server answers."""

INTERRUPTION_S: Final = 0.5
EARLY_S: Final = 0.2
YIELD_S: Final = 0.5
"""Who speaks on for longer than this after being interrupted has not fallen silent for it."""
DEAD_AIR_S: Final = 3.0

LEAK_DB: Final = 25.0
"""Speech that is so much less loud than the other side's, at the same time, is its echo. Our own choice: telephones
hand back 30 dB less, and people speak within 20 dB of each other."""

LEAK_LATE_S: Final = 0.3
"""The delay of such an echo at most."""

MAX_AHEAD_S: Final = 1.0
"""A server that sends more than this at once is not heard when it sends. Our own choice: what the network held up for
longer than this is rare."""

MAX_TURNS: Final = 1000
"""Turns that are listed; all are counted."""

_ECHO_S: Final = 1.0
"""The longest delay of an echo that is recognised."""
_ECHO_OFF_S: Final = 0.05
"""By how much the delay of a stretch differs from that of the others, and its length from that of the original."""
_ECHO_SHARE: Final = 0.8
_MIN_ECHO_S: Final = 0.5
"""Less speech than this may be like the other's by chance."""

_TOLERANCE_S: Final = 1e-6

TURN: Final = "turn"
INTERRUPTION: Final = "interruption"
BACKCHANNEL: Final = "backchannel"

Span = tuple[float, float]


class Turn(NamedTuple):
    """Speech of one side, in seconds of the call."""

    side: Side
    start_s: float
    end_s: float
    kind: str
    """`TURN`, `INTERRUPTION` or `BACKCHANNEL`."""
    after_s: float | None
    """From the end of the other side's speech to its start, negative where it began before; None for speech that
    follows the side's own, or nothing."""

    @property
    def is_answer(self) -> bool:
        """Whether it is a turn of the server that follows speech of the caller."""
        return self.side is Side.SERVER and self.kind == TURN and self.after_s is not None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "side": self.side.value, "start_s": round(self.start_s, 3), "end_s": round(self.end_s, 3),
            "kind": self.kind, "after_ms": None if self.after_s is None else round(self.after_s * 1000),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turns:
    """The turn figures of a call."""

    turns: list[Turn]
    """In the order of their starts."""
    talk_s: dict[Side, float]
    """Seconds of speech of each side."""
    overlap_s: float
    """Seconds in which both spoke."""
    dead_air: list[Span]
    is_echo: bool = False
    """Whether one side hands the sound of the other back: then all of this means nothing."""
    until_s: float | None = None
    """Where the figures end, if a side has too many stretches; None: at the end of the call."""

    @property
    def latencies_ms(self) -> list[int]:
        """How long the server took for each of its answers, in order."""
        return [max(0, round((turn.after_s or 0.0) * 1000)) for turn in self.turns if turn.is_answer]

    def count(self, kind: str, side: Side) -> int:
        """Return how many of a kind a side has."""
        return sum(turn.kind == kind and turn.side is side for turn in self.turns)

    def as_dict(self) -> dict[str, Any] | None:
        """Return the figures as JSON values, units in the keys; None of an echo."""
        if self.is_echo:
            return None
        silences = [end_s - start_s for start_s, end_s in self.dead_air]
        return {
            "latency_ms": _percentiles(sorted(self.latencies_ms)),
            "interruptions": {side.value: self.count(INTERRUPTION, side) for side in Side},
            "backchannels": {side.value: self.count(BACKCHANNEL, side) for side in Side},
            "talk_s": {side.value: round(self.talk_s[side], 2) for side in Side},
            "overlap_s": round(self.overlap_s, 2),
            "dead_air": {
                "count": len(silences),
                "total_s": round(sum(silences), 2),
                "longest_s": round(max(silences, default=0.0), 2),
            },
            "list": [turn.as_dict() for turn in self.turns[:MAX_TURNS]],
            "left_out": max(0, len(self.turns) - MAX_TURNS),
            **({} if self.until_s is None else {"until_s": round(self.until_s, 2)}),
        }


def turns_of(caller: Stretches, server: Stretches) -> Turns:
    """Return the turn figures of a call, given the stretches of both sides; where those of one side were cut, of the
    call up to there."""
    end_s = max(caller.end_s, server.end_s)
    cut_s = min((side.end_s for side in (caller, server) if side.is_cut), default=None)
    end_s = end_s if cut_s is None else cut_s
    first, second = (
        _until(_without_leaks(mine, theirs), end_s) for mine, theirs in ((caller, server), (server, caller))
    )
    return Turns(
        _Floor(first, second).turns,
        {Side.CALLER: _total(first), Side.SERVER: _total(second)},
        _total(_both(first, second)),
        list(_silences(sorted([*first, *second]), end_s)),
        is_echo=_is_echo(first, second) or _is_echo(second, first),
        until_s=cut_s,
    )


def is_heard(sides: Iterable[SideStats], laws: Iterable[str | None], ahead_s: float = 0.0) -> bool:
    """Whether turns can be told: both sides sent audio, what it is made of is what its label says, and the server sent
    it no more than `MAX_AHEAD_S` ahead of the time at which it is to be heard."""
    return all(side.audio_s for side in sides) and not any(laws) and ahead_s <= MAX_AHEAD_S


class _Floor:
    """Follows who has the floor."""

    def __init__(self, caller: Sequence[Span], server: Sequence[Span]) -> None:
        self.turns: list[Turn] = []
        self._last: dict[Side, int] = {}
        """The number of each side's last turn or interruption."""
        self._spoke: dict[Side, list[Span]] = {side: [] for side in Side}
        """The stretches of each side that are no backchannels."""
        order = [(*span, Side.CALLER) for span in caller] + [(*span, Side.SERVER) for span in server]
        for start_s, end_s, side in sorted(order, key=lambda one: one[0]):
            self._take(side, start_s, end_s)

    def _take(self, side: Side, start_s: float, end_s: float) -> None:
        theirs = self._spoke[side.other]
        last = self._last.get(side)
        if last is not None and self._goes_on(self.turns[last], start_s):
            self.turns[last] = self.turns[last]._replace(end_s=end_s)
            self._spoke[side].append((start_s, end_s))
            return
        after_s = start_s - theirs[-1][1] if theirs and (last is None or self._spoke_since(self.turns[last])) else None
        kind = TURN
        if theirs and theirs[-1][0] < start_s and theirs[-1][1] - start_s >= EARLY_S - _TOLERANCE_S:
            is_short = end_s - start_s < INTERRUPTION_S - _TOLERANCE_S
            kind, after_s = BACKCHANNEL if is_short else INTERRUPTION, start_s - theirs[-1][1]
        if kind != BACKCHANNEL:
            self._last[side] = len(self.turns)
            self._spoke[side].append((start_s, end_s))
        self.turns.append(Turn(side, start_s, end_s, kind, after_s))

    def _goes_on(self, turn: Turn, start_s: float) -> bool:
        """Whether speech that begins at `start_s` belongs to its side's last turn."""
        if start_s - turn.end_s >= TURN_PAUSE_S - _TOLERANCE_S:
            return False
        theirs = self._spoke[turn.side.other]
        began = bool(theirs) and theirs[-1][0] >= turn.end_s
        return not began and not (self._spoke_since(turn) and theirs[-1][1] <= start_s)

    def _spoke_since(self, turn: Turn) -> bool:
        """Whether the other side has spoken since a turn, or when it ended: whoever is interrupted falls silent."""
        theirs = self._spoke[turn.side.other]
        return bool(theirs) and theirs[-1][1] > turn.end_s - YIELD_S


def _is_echo(original: Sequence[Span], copy: Sequence[Span]) -> bool:
    """Whether what one side says is what the other says, a little later: nearly all of it, and at one delay."""
    if _total(copy) < _MIN_ECHO_S:
        return False
    starts_s = [start_s for start_s, _ in original]
    delays_s = []
    for start_s, end_s in copy:
        at = bisect_right(starts_s, start_s + _ECHO_OFF_S) - 1
        if at < 0 or start_s >= original[at][1]:
            continue
        length_s = original[at][1] - original[at][0]
        if abs(end_s - start_s - length_s) <= _ECHO_OFF_S:
            delays_s.append(start_s - original[at][0])
    if not delays_s:
        return False
    middle_s = median(delays_s)
    alike = sum(abs(delay_s - middle_s) <= _ECHO_OFF_S for delay_s in delays_s)
    return middle_s <= _ECHO_S and alike >= _ECHO_SHARE * max(len(original), len(copy))


def _without_leaks(mine: Stretches, theirs: Stretches) -> list[Span]:
    """Return a side's speech without what the line hands back of the other's: what begins during that, and is far less
    loud."""
    if not mine.peaks_dbfs or not theirs.peaks_dbfs:
        return mine.speech
    starts_s = [start_s for start_s, _ in theirs.speech]
    kept = []
    for span, peak_dbfs in zip(mine.speech, mine.peaks_dbfs, strict=True):
        at = bisect_right(starts_s, span[0]) - 1
        is_during = at >= 0 and span[0] < theirs.speech[at][1] + LEAK_LATE_S
        if not (is_during and theirs.peaks_dbfs[at] - peak_dbfs >= LEAK_DB):
            kept.append(span)
    return kept


def _until(spans: Sequence[Span], end_s: float) -> list[Span]:
    """Return what of some spans lies before `end_s`."""
    return [(start, min(end, end_s)) for start, end in spans if start < end_s]


def _total(spans: Iterable[Span]) -> float:
    return sum(end_s - start_s for start_s, end_s in spans)


def _both(first: Sequence[Span], second: Sequence[Span]) -> Iterator[Span]:
    """Yield where spans of both lists overlap."""
    one = other = 0
    while one < len(first) and other < len(second):
        start_s = max(first[one][0], second[other][0])
        end_s = min(first[one][1], second[other][1])
        if end_s > start_s:
            yield start_s, end_s
        if first[one][1] < second[other][1]:
            one += 1
        else:
            other += 1


def _silences(spans: Iterable[Span], end_s: float) -> Iterator[Span]:
    """Yield the dead air of a call, given the speech of both sides in order of its starts."""
    since_s = 0.0
    for start_s, stop_s in [*spans, (end_s, end_s)]:
        if start_s - since_s >= DEAD_AIR_S - _TOLERANCE_S:
            yield since_s, start_s
        since_s = max(since_s, stop_s)


def _percentiles(latencies_ms: Sequence[int]) -> dict[str, int] | None:
    """Return what half and nearly all of some latencies, in order, do not exceed; None for none."""
    count = len(latencies_ms)
    if not count:
        return None
    named = {f"p{percent}": latencies_ms[ceil(count * percent / 100) - 1] for percent in (50, 95)}
    return {"count": count, **named, "max": latencies_ms[-1]}
