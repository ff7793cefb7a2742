"""The rows of one call in the order of time; a row is ready once no earlier row can come."""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush
from typing import Final

from audiosocket_cli.analysis.rows import LossRowBuilder, Row, RowBuilder
from audiosocket_cli.capture.items import Lost
from audiosocket_cli.capture.runs import MAX_RUN_S, Run
from audiosocket_cli.model import Side

_MAX_LIVE_S: Final = 5.0
"""The most audio in a row of a live view, which somebody waits for."""

_MAX_ROWS: Final = 5000
"""The most rows of a call that wait for their turn."""


class CallRows:
    """Makes rows of a call's audio and losses, and orders them with the rows that are put here."""

    def __init__(self, *, timed: bool, live: bool, are_wanted: bool = True) -> None:
        """`timed` says that frames have times of their own. Unless rows `are_wanted`, there are none.

        `live` says that somebody watches: a row is complete after some seconds at most, and ready as soon as it is
        complete, whatever the order of time.
        """
        self.ready: deque[Row] = deque()
        self._live = live
        self._are_wanted = are_wanted
        most_s = _MAX_LIVE_S if live else math.inf
        self._builders = {side: RowBuilder(side, self.put, timed=timed, most_s=most_s) for side in Side}
        self._losses = {side: LossRowBuilder(side, self.put, most_s=most_s) for side in Side}
        self._rows: list[tuple[float, int, int, Row]] = []
        """The complete rows as a heap, by time; of one time, `last` ones come last."""
        self._number = 0

    @property
    def waiting(self) -> int:
        """The number of complete rows that wait for their turn."""
        return len(self._rows)

    def put(self, row: Row, *, last: bool = False) -> None:
        """Put a row in its place; with `last`, after all others of the same time."""
        if not self._are_wanted:
            return
        self._number += 1
        rank = 2 if last else row.what != "lost"  # a row of a loss is complete later than the rows after it
        heappush(self._rows, (row.at_s, rank, self._number, row))

    def take_audio(self, run: Run) -> None:
        """Take frames of audio."""
        self._losses[run.side].interrupt()
        if self._are_wanted:
            self._builders[run.side].take(run)

    def lose(self, lost: Lost) -> None:
        """Take bytes that are not frames."""
        builder = self._builders[lost.side]
        builder.interrupt()
        builder.forget_time()
        self._losses[lost.side].take(lost)

    def interrupt(self, side: Side) -> None:
        """End the open rows of a side."""
        self._builders[side].interrupt()
        self._losses[side].interrupt()

    def release(self, lasted_s: float = math.inf) -> None:
        """Make rows ready: all, or, given how long the call has lasted, those that no earlier row can precede."""
        until_s = math.inf
        if lasted_s < math.inf and not self._live:
            if len(self._rows) > _MAX_ROWS:  # one side goes on and on, and all of the other's waits for it
                for side in Side:
                    self.interrupt(side)
            open_s = (min(self._builders[side].open_since_s, self._losses[side].open_since_s) for side in Side)
            until_s = min(lasted_s - MAX_RUN_S, *open_s)
        while self._rows and self._rows[0][0] < until_s:
            self.ready.append(heappop(self._rows)[-1])
