"""One line on a terminal that shows the progress of a run; nothing if it is not a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from audiosocket_cli.ui.console import is_terminal


@contextlib.contextmanager
def live_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text in place of the one before, until the block ends."""
    if not is_terminal(sys.stderr):
        yield lambda text: None
        return
    with Live(Text(""), console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"))
