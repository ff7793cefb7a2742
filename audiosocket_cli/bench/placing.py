"""What processes that place calls have in common: how they begin, keep time, keep rows, and report."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Any, Final, Protocol

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.net.listen import allow_many_descriptors

MAX_ROWS: Final = 20_000
"""Calls of which a row is kept; all are counted."""

_BEAT_S: Final = 0.05


class Placing(Protocol):
    """What places calls, and counts."""

    @property
    def figures(self) -> Figures:
        """What was measured."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The calls that are over."""

    @property
    def live_calls(self) -> int:
        """How many calls are under way."""

    @property
    def peak_calls(self) -> int:
        """The most that were under way at once."""


async def orders() -> asyncio.StreamReader:
    """Return what comes on standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


def be_ready() -> None:
    """Make room for many calls; to be called once all that they need is there."""
    allow_many_descriptors()
    gc.collect()
    gc.freeze()  # what is there stays: later collections need not look at it


async def watch_the_clock(figures: Figures) -> None:
    """Note how late the event loop is at worst, for as long as the task lives."""
    while True:
        due_s = time.monotonic() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        figures.worst_stall_s = max(figures.worst_stall_s, time.monotonic() - due_s)


def keep_row(placing: Placing, row: dict[str, Any]) -> None:
    """Keep the row of a call that is over, or count that there was no room for it."""
    if len(placing.rows) < MAX_ROWS:
        placing.rows.append(row)
    else:
        placing.figures.counts["rows_left_out"] += 1


def report_of(placing: Placing, start_s: float) -> dict[str, Any]:
    """Return what was counted since the start, which is a time of the monotonic clock."""
    return {
        "at_s": max(0.0, time.monotonic() - start_s),
        "figures": placing.figures.as_json(),
        "live_calls": placing.live_calls,
        "peak_calls": placing.peak_calls,
    }
