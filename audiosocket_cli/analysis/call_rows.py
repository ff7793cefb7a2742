"""The rows of one call in the order of time, each ready once none can come before it any more."""

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
"""A row of a live view holds no more audio than this: somebody waits for it."""

_MAX_ROWS: Final = 5000
"""Rows of a call that wait for their turn."""


class CallRows:
    """What becomes of a call's audio and losses as rows, among the rows that are put here."""

    def __init__(self, *, timed: bool, live: bool, are_wanted: bool = True) -> None:
        """`timed` says that frames have times of their own. Where no rows are wanted, there are none.

        `live`: somebody watches. A row is ready as soon as it is complete, not when its turn has come in the order of
        time, and is complete after some seconds.
        """
        self.ready: deque[Row] = deque()
        self._live = live
        self._are_wanted = are_wanted
        most_s = _MAX_LIVE_S if live else math.inf
        self._builders = {side: RowBuilder(side, self.put, timed=timed, most_s=most_s) for side in Side}
        self._losses = {side: LossRowBuilder(side, self.put, most_s=most_s) for side in Side}
        self._rows: list[tuple[float, int, int, Row]] = []
        """Those that are complete, as a heap: by time, some after what else is at the same time."""
        self._number = 0

    @property
    def waiting(self) -> int:
        """How many rows are complete, and wait for their turn."""
        return len(self._rows)

    def put(self, row: Row, *, last: bool = False) -> None:
        """Put a row in its place; `last` of all that is at that time."""
        if not self._are_wanted:
            return
        self._number += 1
        rank = 2 if last else row.what != "lost"  # that row is complete later than those that it stands before
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
        """End the rows of a side: something else of it follows, or nothing."""
        self._builders[side].interrupt()
        self._losses[side].interrupt()

    def release(self, lasted_s: float = math.inf) -> None:
        """Let go of the rows before which none can come any more, now that the call has lasted so long; else of all."""
        until_s = math.inf
        if lasted_s < math.inf and not self._live:
            if len(self._rows) > _MAX_ROWS:  # one side goes on and on, and all of the other's waits for it
                for side in Side:
                    self.interrupt(side)
            open_s = (min(self._builders[side].open_since_s, self._losses[side].open_since_s) for side in Side)
            until_s = min(lasted_s - MAX_RUN_S, *open_s)
        while self._rows and self._rows[0][0] < until_s:
            self.ready.append(heappop(self._rows)[-1])
