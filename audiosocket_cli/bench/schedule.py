"""Deadlines that are never given up: a pacer that keeps when each frame was due and when it was really sent."""

from __future__ import annotations

import math
from array import array
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.call.pacer import Pacer

_GRID_S: Final = PTIME_MS / 1000
GOLDEN: Final = (math.sqrt(5) - 1) / 2
"""Multiples of the golden ratio, cut to their fractions, lie as evenly as can be, however many there are."""


class SteadyPacer(Pacer):
    """Frame n is due at start + n x ptime, whatever happens: no deadline slips, what is late is sent late.

    The first frame waits for its caller's place within the 20 ms, so that callers who begin together do not send
    together. `sent_s` collects when frames were really sent, on the clock, to be taken away by who measures.
    """

    __slots__ = ("_epoch_s", "_phase_s", "origin_s", "sent_s")

    def __init__(self, ptime_s: float, caller: int, epoch_s: float) -> None:
        super().__init__(0.0, ptime_s)
        self._epoch_s = epoch_s
        self._phase_s = (caller * GOLDEN) % 1 * _GRID_S
        self.origin_s = 0.0
        """When the call began."""
        self.sent_s = array("d")

    def intended_s(self, number: int) -> float:
        """When a frame was, or will be, due."""
        return self._start_s + number * self.period_s

    def unsent(self, now_s: float) -> int:
        """How many frames should have been sent by now, and were not; the one that is just due does not count."""
        return max(0, math.floor((now_s - self._start_s) / self.period_s) - self._number)

    def restart(self, start_s: float) -> None:
        super().restart(start_s + (self._epoch_s + self._phase_s - start_s) % _GRID_S)
        self.origin_s = start_s

    def _note_lateness(self, lateness_s: float) -> None:
        self.taken += 1
        self.worst_lateness_s = max(self.worst_lateness_s, lateness_s)
        self.sent_s.append(self.deadline_s + lateness_s)
