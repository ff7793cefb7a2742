"""The live views of a terminal: a table of calls, a bar for `play`. They look at live objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Final, TextIO

from rich import box
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.sources.basic import Playback
from audiosocket_cli.model import Side
from audiosocket_cli.text import printable
from audiosocket_cli.ui.colours import spans
from audiosocket_cli.ui.log_lines import terminal_lines

_REFRESHES_PER_S: Final = 4
_METER_CELLS: Final = 10
_METER_FLOOR_DBFS: Final = -60.0
_MAX_ROWS: Final = 20
_WIDE: Final = 125
"""Columns from which a terminal shows whole UUIDs and peers; below, the first eight digits must do."""

_COLUMNS: Final[tuple[tuple[str, JustifyMethod, bool], ...]] = (
    ("UUID", "left", False),
    ("peer", "left", True),
    ("age", "right", False),
    ("caller", "left", False),
    ("server", "left", False),
    ("gaps", "right", False),
    ("digit", "left", False),
)
"""Heading, alignment, and whether only a wide terminal has it."""


class _Calls:
    """Draws itself anew from the live calls each time rich asks."""

    def __init__(self, live: Collection[LiveCall], title: Callable[[int], str]) -> None:
        self._live = live
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = tuple(self._live)  # which the loop's thread goes on to change
        calls = sorted(now, key=lambda live: -live.session.age_s)
        wide = options.max_width >= _WIDE
        table = Table(title=self._title(len(calls)), title_justify="left", box=box.SIMPLE)
        for heading, justify, only_wide in _COLUMNS:
            if wide or not only_wide:
                table.add_column(heading, justify=justify, no_wrap=True)
        for live in calls[:_MAX_ROWS]:
            table.add_row(*_row(live, wide))
        if len(calls) > _MAX_ROWS:
            table.add_row(f"… and {len(calls) - _MAX_ROWS} more")
        yield table


class _Bar:
    """A playback's progress."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    def __rich__(self) -> RenderableType:
        playback = self._playback
        total_s = playback.duration_s
        bar = ProgressBar(total_s or None, playback.said_s, width=40, pulse=total_s is None)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            "listening" if playback.finished else "playing",
            bar,
            f"{playback.said_s:.1f} s" if total_s is None else f"{playback.said_s:.1f} of {total_s:.1f} s",
        )
        return row


@contextlib.contextmanager
def calls_table(
    live: Collection[LiveCall], title: Callable[[int], str], stream: TextIO
) -> Iterator[Callable[[str], None]]:
    """Show the live calls on a terminal while the block runs, under a title that is told how many there are.

    Gives a function that prints a line above it.
    """
    console = Console(file=stream, highlight=False)
    with Live(_Calls(live, title), console=console, refresh_per_second=_REFRESHES_PER_S, transient=True):
        yield lambda line: console.print(*map(_styled, terminal_lines(line)), sep="\n", soft_wrap=True)


@contextlib.contextmanager
def playback_bar(playback: Playback) -> Iterator[None]:
    """Show the bar on stderr while the block runs, and take it away after."""
    with Live(_Bar(playback), console=Console(stderr=True), refresh_per_second=_REFRESHES_PER_S, transient=True):
        yield


def meter(level_dbfs: float) -> Text:
    """Return a level from -60 to 0 dBFS as a bar of ten cells with its figure."""
    share = min(1.0, max(0.0, 1 - level_dbfs / _METER_FLOOR_DBFS))
    filled = round(share * _METER_CELLS)
    colour = "red" if level_dbfs > -6 else "yellow" if level_dbfs > -15 else "green"
    figure = f" {level_dbfs:4.0f}" if level_dbfs > _METER_FLOOR_DBFS else "    -"
    return Text.assemble(("█" * filled, colour), ("░" * (_METER_CELLS - filled), "dim"), figure)


def _styled(line: str) -> Text:
    text = Text(printable(line))
    for span in spans(text.plain):
        text.stylize(span.style, span.start, span.end)
    return text


def _row(live: LiveCall, wide: bool) -> list[RenderableType]:
    session, stats, call = live.session, live.stats, live.session.call
    who: list[RenderableType] = [str(call.uuid) if wide else str(call.uuid)[:8]] if call else ["(no UUID)"]
    if wide:
        who.append(Text(session.peer))
    if call is None:
        return [*who]
    timeline = stats.timeline
    return [
        *who,
        f"{session.age_s:.0f} s",
        meter(stats.sides[Side.CALLER].level_dbfs),
        meter(stats.sides[Side.SERVER].level_dbfs),
        f"{timeline.gap_count} ({timeline.gaps_s:.1f} s)" if timeline.gap_count else "0",
        Text(call.digits[-1][1] if call.digits else ""),
    ]
