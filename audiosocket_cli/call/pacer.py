"""Pacing: frame n is due at start + n x ptime on the monotonic clock, however long sending took.

Asterisk does not pace what we send: it forwards each frame at once, so our deadlines are what the phone hears. Sleeping
20 ms between frames runs 1.7 % slow; sending in bursts overflows a bridge's 80 ms.
"""

from __future__ import annotations

from typing import Final

from audiosocket_cli.asterisk.facts import MAX_BURST_MS, PTIME_MS

PTIME_S: Final = PTIME_MS / 1000
LATE_S: Final = PTIME_S / 2
"""A frame sent more than half a ptime after its deadline counts as late."""

MAX_CATCH_UP_S: Final = (MAX_BURST_MS - PTIME_MS) / 1000
"""The largest delay that is caught up at once; the burst is then as long as a bridge can hold. Beyond it (the
machine slept, the peer stopped reading) the whole schedule slips, and nothing is skipped."""

EARLY_S: Final = 0.001
"""A deadline this near counts as reached: event loops count whole milliseconds, and may wake one too early."""


POSTPONED_S: Final = 0.004
"""By how much a frame is postponed that a source does not have yet: a fifth of its length."""


class Pacer:
    """The schedule of one call's frames, and how well it is kept."""

    __slots__ = (
        "_number", "_start_s", "deadline_s", "held", "late", "period_s", "postponed_s", "slipped_s", "slips", "taken",
        "worst_lateness_s",
    )  # fmt: skip

    def __init__(self, start_s: float, period_s: float = PTIME_S) -> None:
        """Make the first frame due at `start_s`, and one more each `period_s`."""
        self._start_s = start_s
        self.period_s = period_s
        self._number = 0
        self.deadline_s = start_s
        """When the next frame is due."""
        self.taken = 0
        """Deadlines used up."""
        self.late = 0
        self.worst_lateness_s = 0.0
        self.held = 0
        """Frames that found the peer not reading: a prompt waits and goes on, an echo is lost."""
        self.slips = 0
        """How often the schedule was given up for a later one, and by how much in all: `slipped_s`."""
        self.slipped_s = 0.0
        self.postponed_s = 0.0
        """By how much the schedule was moved in all, as the source had nothing yet."""

    def take(self, now_s: float) -> float:
        """Take the next deadline, at the time of sending. Returns the deadline, in seconds on the clock: the frame's
        true place in time."""
        self._note_lateness(now_s - self.deadline_s)
        deadline_s = self._start_s + self._number * self.period_s
        self._number += 1
        self.deadline_s = deadline_s + self.period_s
        return deadline_s

    def _note_lateness(self, lateness_s: float) -> None:
        """Count a deadline that is used up, and give up a schedule that is too late."""
        self.taken += 1
        if lateness_s > LATE_S:
            self.late += 1
        if lateness_s > self.worst_lateness_s:
            self.worst_lateness_s = lateness_s
        if lateness_s > MAX_CATCH_UP_S:
            self.slips += 1
            self.slipped_s += lateness_s
            self._start_s += lateness_s

    def postpone(self, now_s: float) -> None:
        """Make this frame due a little later than now, and all that follow it by as much."""
        later_s = max(0.0, now_s - self.deadline_s) + POSTPONED_S
        self._start_s += later_s
        self.deadline_s += later_s
        self.postponed_s += later_s

    def restart(self, start_s: float) -> None:
        """Make the next frame due at `start_s`, and the others from there; the figures go on."""
        self._start_s = self.deadline_s = start_s
        self._number = 0
