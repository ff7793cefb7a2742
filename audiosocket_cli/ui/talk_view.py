"""How a call looks on a terminal while somebody talks in it: one line, with time, levels, digits and delays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from audiosocket_cli.call.bots.talker import Talker
from audiosocket_cli.ui.levels import level_bar, level_style

_REFRESHES_PER_S: Final = 5
_CELLS: Final = 10
_SHOWN_DIGITS: Final = 12


class TalkLine:
    """Draws itself anew from the live call each time rich asks."""

    def __init__(self, talkers: Sequence[Talker]) -> None:
        """Show the last of some; others may come meanwhile."""
        self._talkers = talkers

    def __rich__(self) -> Text:
        if not self._talkers or self._talkers[-1].call is None:
            return Text("calling …")
        return talk_line(self._talkers[-1])


def talk_line(talker: Talker) -> Text:
    """Return the line of a call that goes on."""
    seconds = int(talker.age_s)
    line = Text(f"{seconds // 60}:{seconds % 60:02}  ", no_wrap=True, overflow="ellipsis")
    for name, level_dbfs in (("you", talker.said_dbfs), ("they", talker.heard_dbfs)):
        line.append(f"{name} ")
        line.append(level_bar(level_dbfs, _CELLS), level_style(level_dbfs))
        line.append("  ")
    digits = "".join(digit for _, digit in talker.pressed)
    if digits:
        line.append(f"keys {digits[-_SHOWN_DIGITS:]}  ")
    if talker.turns.last_s is not None:
        line.append(f"answered in {talker.turns.last_s * 1000:.0f} ms  ")
    sending_s, playing_s = talker.delays_s
    line.append(f"delay {sending_s * 1000:.0f} + {playing_s * 1000:.0f} ms", "dim")
    return line


@contextlib.contextmanager
def talk_view(talkers: Sequence[Talker]) -> Iterator[None]:
    """Show the line on stderr while the block runs, and take it away after."""
    view = TalkLine(talkers)
    with Live(view, console=Console(stderr=True), refresh_per_second=_REFRESHES_PER_S, transient=True):
        yield
