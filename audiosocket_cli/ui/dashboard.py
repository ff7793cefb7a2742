"""The live views of a terminal: a table of calls, a bar for `play`. They look at live objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Final, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.call.sources.basic import Playback
from audiosocket_cli.text import printable
from audiosocket_cli.ui.calls_table import CallsTable
from audiosocket_cli.ui.colours import span_of
from audiosocket_cli.ui.log_lines import terminal_lines

_REFRESHES_PER_S: Final = 4


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
    """Show the live calls on a terminal while the block runs; `title` makes the title from their number.

    Gives a function that prints a line above it.
    """
    console = Console(file=stream, highlight=False)
    with Live(CallsTable(live, title), console=console, refresh_per_second=_REFRESHES_PER_S, transient=True):
        yield lambda line: console.print(*map(_styled, terminal_lines(line)), sep="\n", soft_wrap=True)


@contextlib.contextmanager
def playback_bar(playback: Playback) -> Iterator[None]:
    """Show the bar on stderr while the block runs, and take it away after."""
    with Live(_Bar(playback), console=Console(stderr=True), refresh_per_second=_REFRESHES_PER_S, transient=True):
        yield


def _styled(line: str) -> Text:
    text = Text(printable(line))
    span = span_of(text.plain)
    if span is not None:
        text.stylize(span.style, span.start, span.end)
    return text
