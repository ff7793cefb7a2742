"""Taps: what may watch a call. A tap gets the call's frames in batches, some times a second, and never per frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun

FLUSH_S: Final = 0.8
"""Seconds between batches for the taps."""

QUICK_FLUSH_S: Final = 0.5
"""Seconds between batches if anybody waits for what a tap finds."""

RECORDED_FLUSH_S: Final = 0.6
"""Seconds between batches of a call that is recorded and says nothing, and so is read some times a second: it costs no
more, as a batch is three reads, and a crash loses less."""

RELAXED_FLUSH_S: Final = 2.4
"""Seconds between batches if nobody looks before the end. Most of what a batch costs is the same for a short and a long
one: measuring takes half as much."""


class Tap(Protocol):
    """A watcher of one call. Times count from the call's start, as in `TimedRun`."""

    def opened(self, call: Call) -> None:
        """The call has its UUID."""

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        """Take what was heard and said since the last batch, in order; `now_s` is the time of the batch."""

    def digit(self, at_s: float, digit: str) -> None:
        """A digit has just arrived."""

    def closed(self, call: Call) -> None:
        """The call is over: `ending` and `duration_s` are set, and no batch follows."""
