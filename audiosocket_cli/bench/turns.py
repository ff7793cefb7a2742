"""Who speaks when in a call: how long the other side takes to answer, and to fall silent when we interrupt it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from audiosocket_cli.analysis.histogram import Values
from audiosocket_cli.bench.figures import Figures

QUIET_S: Final = 0.2
"""Without speech for so long, they have fallen silent."""


class Turns:
    """Follows the turns of a call, and counts.

    A server that hands our own sound back takes no turns, and none are counted from when that is known.
    """

    def __init__(self, figures: Figures) -> None:
        self.is_echo = False
        self._figures = figures
        self._last_loud_s = -math.inf
        self._asked_s: float | None = None
        self._interrupted_s: float | None = None
        self._late_s = 0.0
        """How late our last turn began or ended."""

    def hear(self, loud_s: Values) -> None:
        """Take when loud frames of theirs arrived, in order."""
        if not len(loud_s):
            return
        if self._asked_s is not None:
            self._count("turn", loud_s[0] - self._asked_s)
            self._asked_s = None
        if self._interrupted_s is not None:
            all_s = np.concatenate(([self._last_loud_s], loud_s))
            silences = np.flatnonzero(np.diff(all_s) >= QUIET_S)
            if len(silences):
                self._fell_silent(float(all_s[silences[0]]))
        self._last_loud_s = float(loud_s[-1])

    def look(self, now_s: float) -> None:
        """Advance the clock to `now_s`: nothing loud came except what was passed to `hear`."""
        if self._interrupted_s is not None and now_s - self._last_loud_s >= QUIET_S:
            self._fell_silent(self._last_loud_s)

    def we_begin(self, at_s: float, late_s: float = 0.0) -> None:
        """We start to speak: due at `at_s`, sent `late_s` later, in seconds."""
        self.look(at_s)
        if self._interrupted_s is not None and not self.is_echo:
            self._figures.counts["barge_ins_ignored"] += 1
        self._late_s = late_s
        self._interrupted_s = at_s if at_s - self._last_loud_s < QUIET_S else None

    def we_end(self, at_s: float, late_s: float = 0.0) -> None:
        """We stop speaking: due at `at_s`, in fact `late_s` later. It is their turn unless they are speaking."""
        if self._asked_s is not None and not self.is_echo:
            self._figures.counts["turns_unanswered"] += 1
        self._late_s = late_s
        self._asked_s = at_s if at_s - self._last_loud_s >= QUIET_S else None

    def _fell_silent(self, at_s: float) -> None:
        assert self._interrupted_s is not None
        if at_s > self._interrupted_s:  # else they had just ended by themselves
            self._count("barge_in", at_s - self._interrupted_s)
        self._interrupted_s = None

    def _count(self, name: str, seconds: float) -> None:
        if not self.is_echo:
            self._figures.times[name].add_one(seconds * 1000)
            self._figures.times[f"{name}_actual"].add_one((seconds - self._late_s) * 1000)
