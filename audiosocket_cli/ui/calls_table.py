"""The live calls as the rows of a terminal, the worst first: as wide as the terminal is, and as many as leave it room
for the log.

Drawn four times a second while calls go on, so it is made of plain segments, which cost a tenth of a table of rich's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from audiosocket_cli.audio.pcm import SILENCE_DBFS
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.model import Side
from audiosocket_cli.text import printable
from audiosocket_cli.ui.levels import level_style, level_tick

HISTORY_S: Final = 10

_LOG_LINES: Final = 6
"""Lines of the terminal that are left to the log."""

_MIN_ROWS: Final = 3
_WIDE: Final = 110
"""Terminal width in columns from which the peer is shown."""

_WIDEST: Final = 150
"""Terminal width in columns from which the whole UUID is shown."""

_REDRAW_S: Final = 0.1
"""Seconds for which a drawing is reused, as below each line of a burst of log lines."""

_PLAIN, _BOLD, _DIM = Style.null(), Style(bold=True), Style(dim=True)
_BAD, _LOOK = Style(color="red", bold=True), Style(color="magenta")
_LEVEL: Final = {name: Style(color=name) for name in ("red", "green")}

Part = tuple[str, Style]


class _History:
    """The levels of both sides in each of the last ten seconds, the loudest that was seen in it."""

    __slots__ = ("_at_s", "levels")

    def __init__(self) -> None:
        self._at_s = 0
        self.levels = {side: [SILENCE_DBFS] * HISTORY_S for side in Side}

    def note(self, at_s: int, levels: dict[Side, float]) -> None:
        passed = min(HISTORY_S, at_s - self._at_s)
        self._at_s = at_s
        for side, kept in self.levels.items():
            if passed:
                kept[:] = kept[passed:] + [SILENCE_DBFS] * passed
            kept[-1] = max(kept[-1], levels[side])


class _Columns(NamedTuple):
    """How wide those columns are that are wider on a wider terminal."""

    uuid: int
    peer: int
    rest: int

    @classmethod
    def of(cls, width: int) -> _Columns:
        uuid, peer = 36 if width >= _WIDEST else 8, 21 if width >= _WIDE else 0
        taken = uuid + 1 + (peer + 1 if peer else 0) + 6 + 2 * (HISTORY_S + 6) + 4 + 11
        return cls(uuid, peer, max(0, width - taken))


class CallsTable:
    """Draws itself anew from the live calls each time rich asks."""

    def __init__(
        self, live: Collection[LiveCall], title: Callable[[int], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`live` may be changed by another thread meanwhile; `title` makes the title from the number of calls."""
        self._live = live
        self._title = title
        self._clock = clock
        self._histories: dict[LiveCall, _History] = {}
        self._drawn: list[Segment] = []
        self._drawn_for = (0.0, 0, 0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        size = (options.max_width, console.height)
        at_s = self._clock()
        if size != self._drawn_for[1:] or at_s - self._drawn_for[0] >= _REDRAW_S:
            self._drawn = list(self._segments(*size, int(at_s)))
            self._drawn_for = (at_s, *size)
        return self._drawn

    def _segments(self, width: int, height: int, at_s: int) -> Iterator[Segment]:
        for parts in self._lines(width, height, at_s):
            for text, style in parts:
                yield Segment(text, style)
            yield Segment.line()

    def _lines(self, width: int, height: int, at_s: int) -> Iterator[Iterable[Part]]:
        calls = list(self._live)
        self._note_levels(calls, at_s)
        columns = _Columns.of(width)
        yield [(self._title(len(calls))[:width], _BOLD)]
        if not calls:
            return
        yield [(_heading(columns)[:width], _DIM)]
        calls.sort(key=_badness)
        rows = max(_MIN_ROWS, height - _LOG_LINES - 3)
        for live in calls[:rows]:
            yield _row(live, self._histories[live], columns)
        if len(calls) > rows:
            yield [(f"and {len(calls) - rows} more", _PLAIN)]

    def _note_levels(self, calls: Collection[LiveCall], at_s: int) -> None:
        known, self._histories = self._histories, {}
        for live in calls:
            history = self._histories[live] = known.get(live) or _History()
            history.note(at_s, {side: stats.level_dbfs for side, stats in live.stats.sides.items()})


def _badness(live: LiveCall) -> tuple[bool, int, float, float]:
    """Return what sorts calls: those that lose data first, then most findings, most time in gaps, and age."""
    session = live.session
    findings = len(session.call.notes) if session.call else 0
    return (not (live.recording_error or live.capture_error), -findings, -live.stats.timeline.gaps_s, -session.age_s)


def _heading(columns: _Columns) -> str:
    peer = f"{'peer':<{columns.peer}} " if columns.peer else ""
    sides = "".join(f"{side:<{HISTORY_S + 6}}" for side in Side)
    return f"{'UUID':<{columns.uuid}} {peer}{'age':>5} {sides}{'RCB'} {'gaps':>10} digits, findings"


def _row(live: LiveCall, history: _History, columns: _Columns) -> Iterator[Part]:
    session, call, timeline = live.session, live.session.call, live.stats.timeline
    yield f"{str(call.uuid)[: columns.uuid] if call else '(no UUID)'[: columns.uuid]:<{columns.uuid}} ", _PLAIN
    if columns.peer:
        yield set_cell_size(printable(live.peer), columns.peer) + " ", _PLAIN
    yield f"{_age(session.age_s):>5} ", _PLAIN
    for side, stats in live.stats.sides.items():
        yield from _meter(history.levels[side], stats.level_dbfs)
    yield _flag("R", live.recording is not None, live.recording_error)
    yield _flag("C", live.capturing.is_wanted, live.capture_error)
    yield _flag("B", live.bot is not None, None)
    gaps = f"{timeline.gap_count} {timeline.gaps_s:.1f} s" if timeline.gap_count else ""
    yield f" {gaps:>10} ", _LOOK
    digits = "".join(press.digit for press in call.digits) if call else ""
    yield from _rest(digits, call.notes if call else [], columns.rest)


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}" if hours else f"{minutes}:{rest:02d}"


def _meter(levels: list[float], now_dbfs: float) -> Iterator[Part]:
    """Yield ten seconds of a side, those that sound alike at once, and its level now."""
    begun = 0
    for at in range(1, len(levels) + 1):
        if at == len(levels) or _style(levels[at]) is not _style(levels[begun]):
            yield "".join(map(level_tick, levels[begun:at])), _style(levels[begun])
            begun = at
    yield f" {now_dbfs:4.0f} " if _style(now_dbfs) is not _DIM else "    - ", _PLAIN


def _style(level_dbfs: float) -> Style:
    style = level_style(level_dbfs)
    return _LEVEL[style] if style else _DIM


def _flag(letter: str, is_on: bool, error: str | None) -> Part:
    return (letter, _BAD if error else _PLAIN) if is_on else ("·", _DIM)


def _rest(digits: str, findings: list[str], room: int) -> Iterator[Part]:
    """Yield all digits, of too many the last, and the findings, as far as there is room."""
    if len(digits) > room:
        digits = "…" + digits[1 - room :] if room else ""
    yield digits, _PLAIN
    room -= len(digits)
    if findings and room > 2:
        count = f"{len(findings)}: " if len(findings) > 1 else ""
        text = printable(count + findings[-1])
        yield f"{' ' * bool(digits)}{set_cell_size(text, min(len(text), room - bool(digits)))}", _LOOK
