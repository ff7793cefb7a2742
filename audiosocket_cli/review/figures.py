"""What one side of a captured call sent, and how it arrived: frames, levels, pauses, jitter, drift."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.asterisk import GAP_MS, Heard
from audiosocket_cli.call.arrivals import Arrivals
from audiosocket_cli.call.facts import Digit
from audiosocket_cli.call.stats import SideStats, digit_json, heard_of
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import SAMPLE_BYTES, is_audio, rate_of
from audiosocket_cli.media.pcm import Samples, guess_law

_GAP_S: Final = GAP_MS / 1000
_LEAST_DRIFT_S: Final = 5.0
"""Less audio says nothing about the speed of a clock."""

_MOST_GAPS: Final = 10_000
"""Gaps that are kept one by one; of a capture with more, the first, and the sum of all."""


class Spread:
    """A distribution of times: counts in steps of 0.1 ms up to 2 s, in constant memory."""

    _STEP_S: Final = 0.0001
    _STEPS: Final = 20_000

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] | None = None
        self.worst_s = 0.0

    def add(self, values_s: NDArray[np.float64]) -> None:
        """Count values."""
        if not len(values_s):
            return
        steps = np.clip(values_s / self._STEP_S, 0, self._STEPS).astype(np.int64)
        counts = np.bincount(steps, minlength=self._STEPS + 1)
        self._counts = counts if self._counts is None else self._counts + counts
        self.worst_s = max(self.worst_s, float(values_s.max()))

    def percentile_s(self, percent: float) -> float:
        """Return the value that so many percent stay below, to 0.1 ms; 0.0 for no values."""
        if self._counts is None:
            return 0.0
        total = np.cumsum(self._counts)
        return float(np.searchsorted(total, total[-1] * percent / 100)) * self._STEP_S

    def as_dict(self) -> dict[str, float]:
        """Return percentiles in ms as JSON values."""
        named = {f"p{percent}": self.percentile_s(percent) for percent in (50, 95, 99)}
        return {name: round(value * 1000, 1) for name, value in (named | {"max": self.worst_s}).items()}


class SideFigures:
    """The figures of one side."""

    def __init__(self, *, timed: bool) -> None:
        """`timed` says that frames have times of their own."""
        self.stats = SideStats()
        self.digits: list[Digit] = []
        self.frames = 0
        self.lost_bytes = 0
        self.spacing = Spread()
        """The time between one audio frame and the next, gaps left out."""
        self._timed = timed
        self._arrivals = Arrivals()
        self._timeline: Timeline[None] = Timeline()
        self._last_s: float | None = None
        self._steady_audio_s = 0.0
        self._steady_wall_s = 0.0

    def take(self, run: Run) -> Samples | None:
        """Count a run, and return its samples, shape (n, samples), unless it is no audio or digital silence."""
        self.frames += len(run.at_s)
        samples = self.stats.take_run(run.kind, run.payloads, run.at_s)
        size = run.payloads.shape[1]
        if not is_audio(run.kind) or not size:
            return samples
        if self._arrivals.wants_bytes:
            for payload in run.payloads:
                self._arrivals.note_bytes(run.kind, payload.tobytes())
                if not self._arrivals.wants_bytes:
                    break
        self._arrivals.kind = run.kind
        if self._timed:
            self._take_times(run.at_s, size // SAMPLE_BYTES / rate_of(run.kind))
        return samples

    def _take_times(self, at_s: NDArray[np.float64], duration_s: float) -> None:
        for one_s in at_s.tolist():
            self._arrivals.note_time(one_s, duration_s)
            self._timeline.add(one_s, duration_s, None)
        self._timeline.settle(float(at_s[-1]) - 0.5)
        steps = np.diff(at_s, prepend=self._last_s if self._last_s is not None else np.nan)
        self._last_s = float(at_s[-1])
        steady = steps[steps - duration_s <= _GAP_S]
        self.spacing.add(steady)
        self._steady_wall_s += float(steady.sum())
        self._steady_audio_s += len(steady) * duration_s

    def finish(self, end_s: float) -> None:
        """Nothing more is coming; the call has ended."""
        self._timeline.settle(float("inf"))
        if self._timed:
            self._timeline.pad(end_s)

    @property
    def drift(self) -> float | None:
        """How much faster than the clock audio came, outside gaps, as a share of 1; None for too little of it."""
        if self._steady_wall_s < _LEAST_DRIFT_S:
            return None
        return self._steady_audio_s / self._steady_wall_s - 1

    def heard(self, duration_s: float) -> Heard:
        """Return what the rules on a side's audio judge by."""
        heard = heard_of(self.stats, self._arrivals, self._timeline, duration_s if self._timed else 0.0)
        if self._timed:
            return heard
        law = guess_law(bytes(self._arrivals.excerpt))
        return heard._replace(law=law, pace=0.5 if law else 0.0, longest_pause_s=0.0)

    def as_dict(self, duration_s: float) -> dict[str, Any]:
        """Return the figures as JSON values, units in the keys."""
        figures = self.stats.as_dict() | {
            "dtmf": [digit_json(press) for press in self.digits],
            "lost_bytes": self.lost_bytes,
        }
        if not self._timed:
            return figures
        gaps = self._timeline.gaps
        drift = self.drift
        return figures | {
            "audio_share": round(self.stats.audio_s / duration_s, 4) if duration_s else 0.0,
            "drift_percent": None if drift is None else round(drift * 100, 4),
            "jitter_ms": round(self._arrivals.jitter_s * 1000, 2),
            "spacing_ms": self.spacing.as_dict(),
            "gaps": [{"at_s": round(gap.start_s, 3), "length_s": round(gap.length_s, 3)} for gap in gaps[:_MOST_GAPS]],
            "gaps_s": round(sum(gap.length_s for gap in gaps), 3),
            "worst_ahead_ms": round(self._timeline.worst_ahead_s * 1000),
        }
