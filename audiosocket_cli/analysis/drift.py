"""A peer's clock that runs fast or slow: found by when its audio arrives, and followed, so that time stays true.

Theory of operation. Audio that goes on without a pause is placed end to end, and how far its end is ahead of the time
of its arrival tells two things: how late the frame was on its way, which changes all the time, and how long the peer's
seconds are, which adds up. Of the frames within some seconds the least delayed one (the most ahead) is hardly late at
all. Those are the points that a line is laid through; its slope is the clock's error.

It is believed when the line has risen or fallen by more than jitter does, and no more steeply than clocks are wrong. A
burst or another way through the network is a step, a pause begins a new line, a wrong rate is too steep: none of them
is followed. From then on audio is placed shorter or longer by the slope, and by a part of what it is off by now. A
queue on the way that fills for long looks like a clock until it empties: then what was done is taken back.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.finding import tagged

MAX_DRIFT: Final = 0.012
"""As a share of 1. Crystals are wrong by 0.0001 at most, timers of programs by up to 0.01; more is another rate."""

MAX_STRETCH: Final = 0.015
"""How much shorter or longer audio is placed at most: a quarter of a semitone."""

_WINDOW_S: Final = 2.0
_MIN_SPAN_S: Final = 10.0
_MIN_CHANGE_S: Final = 0.04
"""Less is jitter, and less than `Timeline` takes for a pause: a slow clock is followed before it gets one."""

_MAX_OFF_S: Final = 0.025
"""How far off the line its points may be: a frame, for wires that are read some frames at a time, and some more."""

_MIN_NOTED_S: Final = 0.02

_STEP_S: Final = 0.1
_MAX_POINTS: Final = 128
_MAX_LATE_WINDOWS: Final = 5
_CATCH_UP_S: Final = 30.0
"""What audio is off by now is made good within about this long."""


class ClockDrift:
    """Tells how much shorter or longer than it plays a side's audio is to be placed."""

    __slots__ = (
        "_ahead",
        "_before",
        "_filled_s",
        "_late_windows",
        "_most_ahead_s",
        "_points",
        "_pool",
        "_pooled",
        "_reference_s",
        "_true_s",
        "_window",
        "corrected_s",
        "share",
        "stretch",
    )

    def __init__(self) -> None:
        self.share: float | None = None
        """How much faster than time the peer's clock runs, as a share of 1; None as long as it seems to be right."""
        self.stretch = 0.0
        """How much longer audio is to be placed than it plays, as a share of 1; negative for a fast clock."""
        self.corrected_s = 0.0
        """By how many seconds what was placed is longer than what was sent."""
        self._points = array("d")
        """When, and how far ahead audio would be there if nothing had been corrected, in turn. After some minutes there
        are many, in each call: as tuples they would take seven times the memory."""
        self._pool: tuple[tuple[float, float], ...] = ()
        """Of the next point, which stands for `_pooled` windows."""
        self._pooled = 1
        self._window = -1
        self._most_ahead_s = -np.inf
        self._ahead: tuple[float, ...] = ()
        """How far audio was really ahead in the last windows."""
        self._reference_s: float | None = None
        """How far it is to be ahead: as far as after the last pause or burst."""
        self._true_s = 0.0
        """What had been corrected by then, and is not taken back."""
        self._filled_s = 0.0
        self._before: tuple[float, float] | None = None
        """The last window that was not delayed, as a point."""
        self._late_windows = 0

    def note_on(self, side: str) -> str | None:
        """Say what was done to a side's audio, where it was more than a frame's worth."""
        if self.share is None or abs(self.corrected_s) < _MIN_NOTED_S:
            return None
        pace, what = ("faster", "shorter") if self.corrected_s < 0 else ("slower", "longer")
        text = (
            f"the {side}'s audio came {abs(self.share):.3%} {pace} than it plays, as from another clock: the recording "
            f"follows it, and is {abs(self.corrected_s) * 1000:.0f} ms {what} than what was sent"
        )
        return tagged("clock-drift", text)

    def as_dict(self) -> dict[str, float]:
        """Return what was found and done as JSON values."""
        return {"ppm": round((self.share or 0.0) * 1e6, 1), "corrected_ms": round(self.corrected_s * 1000, 1)}

    def placed(self, at_s: float, duration_s: float, ahead_s: float) -> None:
        """Audio that plays for `duration_s`, and arrived at `at_s`, was placed to end so far ahead of that."""
        self.corrected_s += duration_s * self.stretch
        window = int(at_s // _WINDOW_S)
        if window == self._window:
            if ahead_s > self._most_ahead_s:
                self._most_ahead_s = ahead_s
            return
        if self._window >= 0:
            self._end_window((self._window + 0.5) * _WINDOW_S, self._most_ahead_s)
        self._window, self._most_ahead_s = window, ahead_s

    def paused(self, silence_s: float, *, is_long: bool) -> None:
        """So much silence was placed; `is_long` where the pause is one, and not what a slow clock leaves open."""
        self._filled_s += silence_s
        if is_long:
            self._restart()
        self._window, self._most_ahead_s, self._reference_s = -1, -np.inf, None
        self._ahead = ()

    def _restart(self) -> None:
        """Begin another line, and be content with how far audio is ahead at its beginning."""
        self._points, self._pool, self._ahead = array("d"), (), ()
        self._pooled, self._reference_s, self._before = 1, None, None
        self._filled_s, self._late_windows = 0.0, 0

    def _end_window(self, at_s: float, ahead_s: float) -> None:
        raw_s = ahead_s - self.corrected_s - self._filled_s
        step_s = 0.0
        if self._before is not None:
            before_at_s, before_s = self._before
            step_s = raw_s - before_s - (self.share or 0.0) * (at_s - before_at_s)
        if step_s < -_STEP_S and self._late_windows < _MAX_LATE_WINDOWS:
            self._late_windows += 1  # all of it was delayed: that shows nothing
            return
        if abs(step_s) > _STEP_S:
            back_s = self._to_take_back(step_s)
            self._restart()
            raw_s = ahead_s - self.corrected_s
            if back_s:
                self.share, self._reference_s = 0.0, ahead_s - back_s
                self._true_s = self.corrected_s - back_s
        self._late_windows = 0
        self._before = (at_s, raw_s)
        self._note(at_s, raw_s)
        self._ahead = (*self._ahead[-4:], ahead_s)
        if self._reference_s is None:
            self._reference_s, self._true_s = ahead_s, self.corrected_s
        if self.share is not None:
            off_s = max(self._ahead) - self._reference_s
            self.stretch = min(MAX_STRETCH, max(-MAX_STRETCH, -self.share - off_s / _CATCH_UP_S))

    def _to_take_back(self, step_s: float) -> float:
        """Return how much of the correction so far was wrong, as a step in the opposite direction shows.

        A queue on the way that fills or empties slowly looks like a clock that is off, until it steps back at once.
        """
        done_s = self.corrected_s - self._true_s
        if self.share is None or done_s * step_s <= 0:
            return 0.0
        return math.copysign(min(abs(done_s), abs(step_s)), step_s)

    def _note(self, at_s: float, raw_s: float) -> None:
        """Add a window to the line; when there are many points, they are merged in pairs."""
        self._pool = (*self._pool, (at_s, raw_s))
        if len(self._pool) < self._pooled:
            return
        self._points.extend(_mean(self._pool))
        self._pool = ()
        self._estimate()
        points = self._points
        if len(points) >= 2 * _MAX_POINTS:
            pairs = (points[at : at + 4] for at in range(0, len(points), 4))
            self._points = array("d", chain.from_iterable(_mean([(a[0], a[1]), (a[2], a[3])]) for a in pairs))
            self._pooled *= 2

    def _estimate(self) -> None:
        points = self._points
        span_s = points[-2] - points[0]
        if span_s < _MIN_SPAN_S:
            return
        line = _line(*np.array(points).reshape(-1, 2).T)
        if line.off_s > _MAX_OFF_S:
            count = len(points) // 2
            if count > _MAX_POINTS // 2:
                del points[: count // 2 * 2]  # the clock is another one by now, or was
            return
        is_clear = abs(line.slope * span_s) >= _MIN_CHANGE_S and not line.is_step
        if abs(line.slope) <= MAX_DRIFT and (is_clear or self.share is not None):
            self.share = line.slope


def _mean(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    at_s, raw_s = zip(*points, strict=True)
    return sum(at_s) / len(at_s), sum(raw_s) / len(raw_s)


class _Line(NamedTuple):
    """The line through some points."""

    slope: float
    off_s: float
    """How far the farthest of them is off it."""
    is_step: bool
    """Whether one step up or down would fit them better."""


def _line(at_s: NDArray[np.float64], raw_s: NDArray[np.float64]) -> _Line:
    count = len(at_s)
    along, up = at_s - at_s.mean(), raw_s - raw_s.mean()
    slope = float(np.dot(along, up) / np.dot(along, along))
    # What each explains of the sum of squares; a step is one at its best place.
    places = np.arange(1, count)
    by_step = np.cumsum(up)[:-1] ** 2 * count / (places * (count - places))
    by_line = slope**2 * np.dot(along, along)
    return _Line(slope, float(np.abs(up - slope * along).max()), bool(by_step.max() >= by_line))
