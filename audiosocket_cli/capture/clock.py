"""When the packets of a connection passed, also where the clock of the machine that captured them was set meanwhile.

Bytes that go on with a stream never passed before those that they follow: where their time says so, the clock was set
back. Nor does a call last from the seventies, where clocks begin that were not set yet, until today. A long pause alone
is no sign: a call may be on hold, and a laptop may sleep.
"""

from __future__ import annotations

import sys
from typing import Final

_NS: Final = 1_000_000_000
_MAX_DISORDER_NS: Final = _NS
"""Packets of several network queues are out of order by less."""

SET_NS: Final = 946_684_800 * _NS
"""The year 2000: no clock that was ever set is before it."""


class Clock:
    """The times of one connection: its first, its last, and how far those after a step are moved."""

    def __init__(self) -> None:
        self.first_ns = sys.maxsize
        self.last_ns = 0
        self.shift_ns = 0
        """What is added to times now. Not 0 since the first step."""
        self.step_ns = 0
        """The first step; less than 0 where the clock was set back."""
        self.step_at_ns = 0
        """When that was."""

    def moves(self, at_ns: int) -> bool:
        """Whether this time would be moved: after a step, or as it is one from 1970 on."""
        return self.shift_ns != 0 or 0 < self.last_ns < SET_NS <= at_ns

    def take(self, at_ns: int, after_ns: int) -> int:
        """Take the time of a packet, and return when it passed. Its bytes follow those of `after_ns`; 0 where that is
        not known."""
        passed_ns = at_ns + self.shift_ns
        if passed_ns < after_ns - _MAX_DISORDER_NS or 0 < self.last_ns < SET_NS <= passed_ns:
            if not self.step_ns:
                self.step_ns, self.step_at_ns = passed_ns - self.last_ns, self.last_ns
            self.shift_ns, passed_ns = self.last_ns - at_ns, self.last_ns
        self.first_ns, self.last_ns = min(self.first_ns, passed_ns), max(self.last_ns, passed_ns)
        return passed_ns
