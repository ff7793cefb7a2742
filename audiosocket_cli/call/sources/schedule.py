"""A pacer with deadlines that are given one by one, for replays."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.call.pacer import Pacer

LOOK_AGAIN_S: Final = 0.005
"""How long a frame that finds the peer not reading waits before it is tried again."""


class Schedule(Pacer):
    """Deadlines in seconds since the start, each set before it comes."""

    __slots__ = ("_begun_s", "_current_s", "_due_s")

    def __init__(self) -> None:
        super().__init__(0.0)
        self._due_s = 0.0
        self._current_s: float | None = None
        self._begun_s: float | None = None
        """When the call began, on the clock; the schedule may have slipped since."""

    def hand_out(self, next_due_s: float) -> None:
        """Note that the frame now due is being sent, and that the next is due at `next_due_s`."""
        self._current_s, self._due_s = self._due_s, next_due_s
        self.deadline_s = self._start_s + next_due_s

    def take(self, now_s: float) -> float:
        """Return the deadline of the frame that is being sent, its true place in time.

        If no frame was handed out, the peer does not read: the schedule moves on by `LOOK_AGAIN_S`.
        """
        if self._current_s is None:
            self.restart(self._start_s + max(0.0, now_s + LOOK_AGAIN_S - self.deadline_s))
            return now_s
        deadline_s = self._start_s + self._current_s
        self._current_s = None
        self._note_lateness(now_s - deadline_s)
        self.deadline_s = self._start_s + self._due_s
        return deadline_s

    def at_s(self, due_s: float) -> float:
        """Return when, in seconds since the call's start, something due at `due_s` really goes out."""
        return due_s + (0.0 if self._begun_s is None else self._start_s - self._begun_s)

    def restart(self, start_s: float) -> None:
        if self._begun_s is None:
            self._begun_s = start_s
        self._start_s = start_s
        self.deadline_s = start_s + self._due_s
