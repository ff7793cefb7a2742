"""When replayed frames are due: at their own times, without pauses, or as fast as the peer takes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from audiosocket_cli.asterisk.facts import GAP_MS, PTIME_MS
from audiosocket_cli.call.sources.actions import Action, Cue, Say
from audiosocket_cli.call.sources.schedule import Schedule
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, is_audio, rate_of

_PTIME_S: Final = PTIME_MS / 1000
_GAP_S: Final = GAP_MS / 1000

FAST_FRAMES: Final = 32
FAST_STEP_S: Final = 0.001
"""Seconds of audio that `fast` sends before the peer's answer is heard: 640 times as fast as it plays, or as fast as
the peer reads."""


class Timing(StrEnum):
    """When frames of a capture are sent."""

    RECORDED = "recorded"  # when they were, jitter, pauses and all
    MEDIA = "media"  # as they play, pauses left out
    FAST = "fast"  # as soon as the peer takes them


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How actions are played."""

    timing: Timing = Timing.RECORDED
    speed: float = 1.0
    stay_s: float = 0.0
    """How many seconds to send silence at the end, waiting for the other side to hang up; infinite: without limit."""
    fill: bool = False
    """Say silence where nothing is to be said, and frames that belong together at their own pace: for Asterisk."""


class CueTimes:
    """Follows what is sent, and sets when the next frame is due. Times are in seconds since the call's start."""

    def __init__(self, options: ReplayOptions, end_s: float) -> None:
        """`end_s` is when the call ended that is played, where its end is to come then."""
        self.schedule = Schedule()
        self.due_s = 0.0
        """When the next is due."""
        self._options = options
        self._end_s = end_s / options.speed
        self._media_s = 0.0
        """Where the audio said so far ends."""
        self._in_step = 0
        self._filling = False

    @property
    def now_s(self) -> float:
        """When what is due now was, or will be."""
        return self.schedule.at_s(self.due_s)

    def audio_s(self, frame: Frame) -> float:
        """Return how long a frame takes to say."""
        size = len(frame.payload) // SAMPLE_BYTES
        return size / rate_of(frame.kind) / self._options.speed if is_audio(frame.kind) else 0.0

    def say(self, frame: Frame) -> None:
        """A frame is said; `plan` follows."""
        self._filling = False
        self._media_s = self.due_s + self.audio_s(frame)

    def fill(self) -> None:
        """A frame of silence (20 ms) is sent, because the next action is not due yet."""
        self._filling = True
        self._media_s = self.due_s + _PTIME_S
        self._set_due(self._media_s)

    def plan(self, action: Action | None, *, goes_on: bool) -> None:
        """Set when the next action is due; None is the end of the call. `goes_on`: it is the rest of a sound."""
        at_s = self._media_s
        if isinstance(action, Cue | Say):
            at_s = self._due_of(action, goes_on=goes_on)
            if self._options.fill:
                at_s = min(at_s, self._media_s)
        elif action is None and not self._options.fill and self._options.timing is not Timing.FAST:
            at_s = max(self._media_s, self._end_s)
        self._set_due(at_s)

    def has_to_wait(self, action: Cue | Say, *, goes_on: bool) -> bool:
        """Whether frames of silence are to be sent first: with `fill`, until the action is due."""
        return self._options.fill and self._due_of(action, goes_on=goes_on) > self.due_s + _PTIME_S / 2

    def _set_due(self, at_s: float) -> None:
        self.schedule.hand_out(at_s)
        self.due_s = at_s

    def _due_of(self, cue: Cue | Say, *, goes_on: bool) -> float:
        options = self._options
        if options.timing is Timing.FAST:
            self._in_step += 1
            return self.due_s + (FAST_STEP_S if self._in_step % FAST_FRAMES == 0 else 0.0)
        if cue.at_s is None or options.timing is Timing.MEDIA or goes_on:
            return self._media_s
        at_s = cue.at_s / options.speed
        if options.fill and not self._filling and abs(at_s - self._media_s) <= _GAP_S:
            return self._media_s
        return max(self.due_s, at_s)
