"""Frames of several kinds, one after the other, at one rate: each kind is a signal of its own, converted seamlessly.

Making a converter costs ten times as much as converting a few frames, and a converter gives its last samples only at
the end of its signal. So each kind has one converter for as long as frames of it come, and frames wait, in order, for
samples that a converter still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, Samples, to_int16
from audiosocket_cli.codec import rate_of
from audiosocket_cli.libraries import soxr
from audiosocket_cli.mixed_runs import Numbers

_NO_SAMPLES: Final = np.zeros(0, np.int16)
_SILENCE: Final = 0
"""No kind of audio: stands for a pause among kinds."""


def make_converter(kind: int, rate_hz: int) -> soxr.ResampleStream:
    """Return what converts samples of a kind to a rate."""
    # Not int16, which soxr dithers: silence would be noise.
    return soxr.ResampleStream(rate_of(kind), rate_hz, 1, dtype="float32")


def convert(converter: soxr.ResampleStream, samples: Samples, *, last: bool = False) -> Samples:
    """Return what is due of int16 samples; after the last of them, all of it."""
    signal = samples.astype(np.float32) / np.float32(FULL_SCALE)
    return to_int16(converter.resample_chunk(signal, last=last))[0]


class Mixer:
    """Frames that keep changing kind, in; samples at one rate, in the frames' order, out."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._signals: dict[int, _Signal] = {}
        self._kinds: NDArray[np.uint8] = np.zeros(0, np.uint8)
        """The kind of each frame that waits, shape (n,)."""
        self._lengths: Numbers = np.zeros(0, np.int64)
        """How many samples it will have."""

    def feed(self, by_kind: Sequence[tuple[int, Samples, Numbers]], pauses: Sequence[tuple[int, int]] = ()) -> Samples:
        """Take the next frames: of each kind the samples, and how many each frame has, 0 where it is of another; and
        the pauses between them, before which frame and of how many samples.

        Returns the samples that are due.
        """
        kinds = np.zeros(len(by_kind[0][2]), np.uint8)
        lengths = np.zeros(len(kinds), np.int64)
        for kind, samples, counts in by_kind:
            if kind not in self._signals:
                self._signals[kind] = _Signal(kind, self._rate_hz)
            kinds[counts > 0] = kind
            lengths += self._signals[kind].take(samples, counts)
        if pauses:
            before, silent = np.array(pauses).T
            kinds, lengths = np.insert(kinds, before, _SILENCE), np.insert(lengths, before, silent)
        self._kinds = np.concatenate([self._kinds, kinds])
        self._lengths = np.concatenate([self._lengths, lengths])
        for kind in self._signals.keys() - {kind for kind, _, _ in by_kind}:
            self._signals[kind].finish()  # else all frames would wait for its last samples
        due = self._place()
        self._signals = {kind: signal for kind, signal in self._signals.items() if not signal.is_done}
        return due

    def pause(self, count: int) -> Samples:
        """Put `count` samples of silence between the frames; returns the samples that are due."""
        self._kinds = np.append(self._kinds, np.uint8(_SILENCE))
        self._lengths = np.append(self._lengths, count)
        return self._place()

    def finish(self) -> Samples:
        """Return all that was held back."""
        for signal in self._signals.values():
            signal.finish()
        return self._place()

    def _place(self) -> Samples:
        """Remove the frames whose samples are all there, and return those samples in order."""
        count = len(self._kinds)
        for kind, signal in self._signals.items():
            wanted = np.cumsum(np.where(self._kinds == kind, self._lengths, 0))
            count = min(count, int(np.searchsorted(wanted, len(signal.made), side="right")))
        kinds, lengths = self._kinds[:count], self._lengths[:count]
        self._kinds, self._lengths = self._kinds[count:], self._lengths[count:]
        of_each = np.repeat(kinds, lengths)
        placed = np.zeros(len(of_each), np.int16)
        for kind, signal in self._signals.items():
            is_kind = of_each == kind
            placed[is_kind] = signal.pop(int(np.count_nonzero(is_kind)))
        return placed


class _Signal:
    """All frames of one kind, joined, at the rate that is wanted."""

    def __init__(self, kind: int, rate_hz: int) -> None:
        self._kind, self._rate_hz = kind, rate_hz
        self._ratio = rate_hz / rate_of(kind)
        self._converter: soxr.ResampleStream | None = None
        self._taken = self._due = self._popped = 0
        self.made: Samples = _NO_SAMPLES
        """What is converted, and was not taken away."""
        self._is_finished = True

    def take(self, samples: Samples, counts: Numbers) -> Numbers:
        """Take the samples of frames that have so many each; returns how many each of them will have."""
        if self._is_finished:
            self._is_finished = False
            self._converter = None if self._ratio == 1 else make_converter(self._kind, self._rate_hz)
        ends = np.rint((self._taken + np.cumsum(counts)) * self._ratio).astype(np.int64)
        lengths: Numbers = np.diff(ends, prepend=self._due)
        self._taken, self._due = self._taken + len(samples), int(ends[-1])
        made = samples if self._converter is None else convert(self._converter, samples)
        self.made = np.concatenate([self.made, made])
        return lengths

    def finish(self) -> None:
        """Convert what is held back: no more comes, or it begins anew."""
        if self._converter is not None and not self._is_finished:
            self.made = np.concatenate([self.made, convert(self._converter, _NO_SAMPLES, last=True)])
        self._is_finished = True
        left = self._due - self._popped
        self.made = np.pad(self.made[:left], (0, max(0, left - len(self.made))))  # it may end a sample off

    @property
    def is_done(self) -> bool:
        """Whether it has ended and all its samples were taken."""
        return self._is_finished and not len(self.made)

    def pop(self, count: int) -> Samples:
        """Take samples away."""
        popped, self.made = self.made[:count], self.made[count:]
        self._popped += count
        return popped
