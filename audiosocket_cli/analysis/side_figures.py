"""What one side of a captured call sent, and how it arrived: frames, levels, pauses, jitter, drift."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.histogram import BY_TENTHS, Histogram
from audiosocket_cli.analysis.side_measure import SideMeasure
from audiosocket_cli.analysis.steps import GAP_S, TIGHT
from audiosocket_cli.analysis.timeline import MAX_GAPS, Gap
from audiosocket_cli.asterisk.facts import is_burst
from audiosocket_cli.asterisk.findings import Heard
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import DIGITS
from audiosocket_cli.model import MAX_DIGITS, Digit
from audiosocket_cli.runs import FrameRun

_NO_DIGITS: Final = bytes(set(range(256)) - set(DIGITS.encode()))
_SETTLE_S: Final = 0.5
_MIN_DRIFT_S: Final = 5.0
"""Less audio says nothing about the speed of a clock."""

_EVEN_STEPS: Final = 10
_MAX_PACE: Final = 25.0

_MAX_LOOKS: Final = 64
"""Frames of a run that are looked at for an excerpt of their bytes."""


class Drift:
    """How fast a side's clock runs, from how long its audio took to arrive, pauses and bursts left out."""

    def __init__(self) -> None:
        self._audio_s = 0.0
        self._wall_s = 0.0
        self._stall_s = 0.0
        """What is late by now: a gap that was a stall is followed by its audio all at once."""
        self._fast_audio_s = 0.0
        self._fast_wall_s = 0.0
        """What just now comes faster than it plays, by more than a clock can be wrong."""

    def add(self, steps_s: NDArray[np.float64], duration_s: float) -> None:
        """Take how long after the one before each frame came, all of a length in seconds."""
        fast_s = duration_s * TIGHT
        for step_s in steps_s.tolist():
            if step_s < fast_s:
                made_up_s = min(self._stall_s, duration_s - step_s)
                self._stall_s -= made_up_s
                self._fast_wall_s += step_s + made_up_s
                self._fast_audio_s += duration_s
                continue
            if self._fast_audio_s:
                self._end_fast()
            late_s = step_s - duration_s
            if late_s > GAP_S:
                self._stall_s = late_s
            else:
                self._stall_s = 0.0
                self._wall_s += step_s
                self._audio_s += duration_s

    def _end_fast(self) -> None:
        if not is_burst(self._fast_audio_s - self._fast_wall_s):
            self._wall_s += self._fast_wall_s
            self._audio_s += self._fast_audio_s
        self._fast_audio_s = self._fast_wall_s = 0.0

    @property
    def share(self) -> float | None:
        """How much faster than the clock audio came, as a share of 1; None for too little of it."""
        return self._audio_s / self._wall_s - 1 if self._wall_s >= _MIN_DRIFT_S else None


class SideFigures(SideMeasure):
    """The figures of one side of a captured call."""

    def __init__(self, *, timed: bool, since_s: float = 0.0, plays_on_arrival: bool = False) -> None:
        """`timed` says that frames have times of their own; what comes before `since_s` is not looked at."""
        super().__init__(plays_on_arrival=plays_on_arrival)
        self.digits: list[Digit] = []
        """The first of them."""
        self.digit_count = 0
        self.frames = 0
        self.lost_bytes = 0
        self._lost_first = False
        """Whether bytes were lost before the first audio."""
        self.is_evenly_fast = False
        """Whether the last run came too fast, but evenly: as what is labelled with another rate does, and no burst."""
        self.spacing = Histogram(BY_TENTHS)
        """The time between one audio frame and the next, gaps left out."""
        self._timed = timed
        self._since_s = since_s
        self._drift = Drift()
        self._last_s: float | None = None
        self._gaps: list[Gap] = []
        self._gap_count = 0
        self._gaps_s = 0.0
        self._longest_gap_s = 0.0

    def take(self, run: FrameRun, *, in_bulk: bool = False) -> None:
        self.frames += len(run)
        if not self._timed:
            self.stats.take(run)
            if run.has_samples and not run.is_quiet:
                self.arrivals.note_sound(run)
            return
        super().take(run, in_bulk=in_bulk)
        if run.has_audio:
            self._take_times(*run.arrived)

    def lose(self, lost_bytes: int) -> None:
        """Hear that bytes are missing, or are not frames: what they were, nobody can be blamed for the lack of."""
        self.lost_bytes += lost_bytes
        self._lost_first |= self.stats.first_audio_s is None
        self.interrupt()
        self._last_s = None

    def take_digits(self, run: Run) -> str:
        """Count the digits of a run of frames with one byte each, and return them, the first of very many."""
        data = run.payloads[:, 0].tobytes()
        digits = data.translate(None, _NO_DIGITS).decode("ascii")
        self.digit_count += len(digits)
        room = MAX_DIGITS - len(self.digits)
        if room > 0:
            known = ((at_s, chr(byte)) for at_s, byte in zip(run.at_s, data, strict=True) if byte not in _NO_DIGITS)
            self.digits += [Digit(float(at_s), digit) for at_s, digit in islice(known, room)]
        return digits[:MAX_DIGITS]

    def _take_times(self, at_s: NDArray[np.float64], durations_s: NDArray[np.float64]) -> None:
        duration_s = float(durations_s[-1])
        self.speech.place(float(at_s[-1]) - _SETTLE_S)
        if len(self.timeline.gaps) > 1:
            self._take_gaps(len(self.timeline.gaps) - 1)  # the last may grow
        steps = np.diff(at_s, prepend=self._last_s) if self._last_s is not None else np.diff(at_s)
        self._last_s = float(at_s[-1])
        middle_s = float(np.median(steps)) if len(steps) else 0.0
        is_fast = duration_s / _MAX_PACE < middle_s < duration_s * TIGHT
        self.is_evenly_fast = len(steps) >= _EVEN_STEPS and is_fast and float(steps.max()) < 2 * middle_s
        self._drift.add(steps, duration_s)
        steady = steps[steps - duration_s <= GAP_S]
        self.spacing.add(steady * 1000)

    def _take_gaps(self, count: int) -> None:
        """Take gaps over from the timeline, which would keep them all."""
        gaps = self.timeline.gaps[:count]
        del self.timeline.gaps[:count]
        self._gap_count += count
        self._gaps_s += sum(gap.length_s for gap in gaps)
        self._longest_gap_s = max([self._longest_gap_s, *(gap.length_s for gap in gaps)])
        self._gaps += gaps[: MAX_GAPS - len(self._gaps)]

    def finish(self, end_s: float) -> None:
        """Nothing more is coming; the call has ended, or the part of it that is looked at."""
        self.speech.place(float("inf"))
        if self._timed:
            self.speech.pad(end_s)
        self._take_gaps(len(self.timeline.gaps))
        if self.arrivals.law:
            # Half of what its label says: such audio seems to pause a little all the time.
            self._gaps = [gap for gap in self._gaps if gap.length_s > 2 * GAP_S]
            self._gap_count, self._gaps_s = len(self._gaps), sum(gap.length_s for gap in self._gaps)

    @property
    def worst_ahead_s(self) -> float:
        """The most that audio ran ahead of the clock so far, half a second ago."""
        return self.timeline.worst_ahead_s

    def heard(self, end_s: float) -> Heard:
        """Return what the rules on a side's audio judge by."""
        heard = super().heard(0.0)
        if self.lost_bytes and not heard.peak:
            heard = heard._replace(audio_s=0.0)  # what is missing may not have been silence
        if self._timed:
            first_s = self.stats.first_audio_s
            silent_s = 0.0 if self._lost_first else (end_s if first_s is None else first_s) - self._since_s
            return heard._replace(longest_pause_s=max(self._longest_gap_s, silent_s))
        law = self.arrivals.law_of_bytes
        return heard._replace(law=law, pace=0.5 if law else 0.0, longest_pause_s=0.0)

    def as_dict(self, duration_s: float) -> dict[str, Any]:
        """Return the figures as JSON values, units in the keys."""
        figures = self.stats.as_dict() | {
            "dtmf": [press.as_dict() for press in self.digits],
            "lost_bytes": self.lost_bytes,
        }
        if not self._timed:
            return figures
        drift = self._drift.share
        return figures | {
            "audio_percent": round(self.stats.audio_s / duration_s * 100, 2) if duration_s else 0.0,
            "drift_percent": None if drift is None else round(drift * 100, 4),
            "jitter_ms": self.arrivals.jitter_ms,
            "spacing_ms": self._spacing_ms(),
            "gaps": [{"at_s": round(gap.start_s, 3), "length_s": round(gap.length_s, 3)} for gap in self._gaps],
            "gap_count": self._gap_count,
            "gaps_s": round(self._gaps_s, 3),
            "worst_ahead_ms": round(self.timeline.worst_ahead_s * 1000),
        }

    def _spacing_ms(self) -> dict[str, float]:
        named = {f"p{percent}": self.spacing.percentile_ms(percent) for percent in (50, 95, 99)}
        return {name: round(value or 0.0, 1) for name, value in (named | {"max": self.spacing.max_ms}).items()}
