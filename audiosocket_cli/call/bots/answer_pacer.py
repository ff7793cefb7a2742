"""The schedule of a bot that may answer each frame at once.

Code in Python that says 20 ms whenever it has heard 20 ms, such as an echo or a filter, sets the pace itself. A
schedule of our own would only add a delay of up to 20 ms, and a wake-up for each frame. So such a frame is sent as soon
as it is there, and the next one is due a little later than 20 ms after it (`PAUSE_S`). If nothing has come by then,
silence is sent.

The pace is kept all the same: on average a frame each 20 ms (a hundredth faster, as a caller's clock may be), and none
more than `EARLY_S` earlier than that. What comes faster has to wait in the queue for its deadline. A few frames there,
as after a stall of this machine, would stay for ever, as many as come being said: so they go a little faster.
"""

from __future__ import annotations

from typing import Final

from audiosocket_cli.asterisk.facts import GAP_MS
from audiosocket_cli.call.pacer import PTIME_S, Pacer

PAUSE_S: Final = GAP_MS / 1000
"""Seconds after its last answer at which a bot that answers at once says silence, as an echo does."""

EARLY_S: Final = 0.015
"""How much earlier than 20 ms after the last frame an answer may go: a caller's frames are not evenly spaced either."""

CREDIT_S: Final = 0.04
"""Seconds by which answers may be late and come closer together for it, as the frames that they answer do."""

FEW_FRAMES: Final = 10
"""Frames in the queue that go faster. A bot that has more there says a phrase, rather than an answer to each frame."""

_FASTEST_S: Final = PTIME_S * 0.99
_FASTER_S: Final = PTIME_S * 0.95


class AnswerPacer(Pacer):
    """A schedule that answers may run ahead of."""

    __slots__ = ("_free_s", "_queued", "is_eased")

    def __init__(self, start_s: float) -> None:
        super().__init__(start_s)
        self.is_eased = False
        """Whether the next deadline is later than 20 ms after the last frame, as an answer may come before it."""
        self._queued: int | None = None
        """Frames that are left in the queue after the one that is said now, where it is one of many answers."""
        self._free_s = start_s
        """When the next frame is due in truth, while that is so."""

    def may_answer(self, now_s: float) -> bool:
        """Whether a frame may go now."""
        return now_s >= (self._free_s if self.is_eased else self.deadline_s) - EARLY_S

    def note_answer(self, now_s: float) -> None:
        """A frame goes now."""
        free_s = self._free_s if self.is_eased else self.deadline_s
        self._ease(max(now_s - CREDIT_S, free_s) + _FASTEST_S, now_s)
        self.taken += 1

    def note_queue(self, frames: int) -> None:
        """The frame that is said now, before it is taken, is one of many answers, and leaves so many in the queue."""
        self._queued = frames

    def take(self, now_s: float) -> float:
        deadline_s = super().take(now_s)
        self.is_eased = False
        queued, self._queued = self._queued, None
        if queued == 0:
            self._ease(self.deadline_s, deadline_s)
        elif queued is not None and queued <= FEW_FRAMES:
            self.restart(self.deadline_s - PTIME_S + _FASTER_S)
        return deadline_s

    def hasten(self) -> bool:
        """Something waits: what is due is due in truth. Returns whether that changes anything."""
        if not self.is_eased:
            return False
        self.is_eased = False
        self.restart(self._free_s)
        return True

    def _ease(self, free_s: float, said_s: float) -> None:
        """Let an answer come from `free_s` on, as a frame goes at `said_s`."""
        self._free_s, self.is_eased = free_s, True
        self.restart(max(free_s - PTIME_S, said_s) + PAUSE_S)
