"""Live sound from one rate to another, frame by frame, with a small and known delay.

For whole files see `files.py`. `soxr.ResampleStream` keeps sound back: fed 20 ms at a time from 24000 to 8000 Hz, LQ,
MQ and HQ are up to 40, 75 and 73 ms behind (157 ms with HQ from 48000 Hz) and give nothing for 47, 69 and 68 % of the
frames, then several frames at once. QQ is prompt but does not filter: what does not fit comes back as loud as it was.
(soxr 1.1.0; int16 and float32 alike.)

So this is a windowed-sinc low-pass (Kaiser; Oppenheim and Schafer, "Discrete-Time Signal Processing", 7.5.3), one set
of taps for each place that a sample of the output can have between two of the input. Measured between 8000 Hz and
higher rates: delay 4 ms, level within 0.01 dB to 3450 Hz and 1 dB down at 3590 Hz, aliases and images 71 dB down from
4000 Hz on. All of these go with the lower of the two rates: at twice the rate, half the delay and twice the band.
"""

from __future__ import annotations

import functools
from math import floor, gcd
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples

HALF_WIDTH: Final = 32
"""How far the filter reaches to either side, in samples of the lower rate; this is also the delay."""

ATTENUATION_DB: Final = 72.0
"""How far down the filter takes what the lower rate cannot hold. More would narrow the pass band or need more delay."""

ONE: Final = 2.0**32
"""The scale of the taps, whole numbers: sums of them with int16 samples stay below 2**53, so no float64 sum is rounded
and its order, which numpy may choose by the length of the input, cannot show in the output."""

BLOCK: Final = 16384
"""Products made at once. Larger blocks leave the cache and are mapped afresh by malloc each time: six times slower."""


class StreamResampler:
    """Int16 mono sound from one rate to another: `feed` gives at once what is due, and no split of the input shows.

    Raises ValueError for rates that are not multiples of 50 Hz from 4000 to 192000 Hz. Between equal rates samples pass
    unchanged. What leaves the int16 range is limited to it.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        for rate_hz in (from_hz, to_hz):
            if rate_hz % 50 or not 4000 <= rate_hz <= 192000:
                raise ValueError(f"{rate_hz} Hz is not a multiple of 50 Hz from 4000 to 192000 Hz")
        self.from_hz, self.to_hz = from_hz, to_hz
        self.delay_s = 0.0 if from_hz == to_hz else HALF_WIDTH / min(from_hz, to_hz)
        """How much later a sound comes out than it went in, in seconds, the same at all frequencies."""
        self._up, self._down = to_hz // gcd(from_hz, to_hz), from_hz // gcd(from_hz, to_hz)
        self._taps = _tap_table(self._up, self._down)
        self._past = np.zeros(self._taps.shape[1] - 1)
        self._taken = self._given = 0

    def feed(self, samples: Samples) -> Samples:
        """Return what n more samples, shape (n,), make due: after N in all, ceil(N * to_hz / from_hz) have come out.

        What is still within after the last call comes out with zeros: `2 * delay_s` of them leave nothing behind.
        """
        if self._up == self._down or not len(samples):
            return samples
        signal = np.concatenate([self._past, samples])
        start, self._taken = self._taken, self._taken + len(samples)
        first, self._given = self._given, -(-self._taken * self._up // self._down)
        self._past = signal[len(samples) :]
        sums = self._filtered(signal, start, first, self._given - first)
        return np.clip(np.rint(sums / ONE), -32768, 32767).astype(np.int16)

    def _filtered(self, signal: NDArray[np.float64], start: int, first: int, count: int) -> NDArray[np.float64]:
        """Return outputs `first` and on, `count` of them, times `ONE`; `signal` is the past, then inputs from `start`.

        Output k falls on or after input `k * down // up`, the newest sample it may use.
        """
        windows = sliding_window_view(signal, self._taps.shape[1])
        newest = np.arange(first, first + count, dtype=np.int64) * self._down // self._up - start
        sums = np.empty(count)
        rows = _rows_at_once(self._taps.shape[1])
        for done in range(0, count, rows):
            block = windows[newest[done : done + rows]]
            row = (first + done) % self._up
            np.einsum("ij,ij->i", block, self._taps[row : row + len(block)], out=sums[done : done + rows])
        return sums


def _rows_at_once(taps: int) -> int:
    return max(1, BLOCK // taps)


@functools.lru_cache(maxsize=16)
def _tap_table(up: int, down: int) -> NDArray[np.float64]:
    """Return the taps of one output after the other, oldest input first, shape (outputs, taps), in units of 1 / `ONE`.

    `up` outputs fall on `down` inputs, each with its own set of taps. After the last set the table goes on with the
    first, so that a block of outputs finds its sets one below the other from wherever it starts. Read-only: all streams
    share it.
    """
    reach = HALF_WIDTH * max(1, down / up)
    taps = floor(2 * reach) + 1
    age = np.arange(up)[:, None] * down % up / up + np.arange(taps)[::-1]
    sets = _low_pass(age / reach - 1)
    sets = np.rint(sets / sets.sum(axis=1, keepdims=True) * ONE)  # each its own sum: a constant stays that constant
    table: NDArray[np.float64] = sets[np.arange(up + _rows_at_once(taps) - 1) % up]
    table.flags.writeable = False
    return table


def _low_pass(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the filter's impulse response, not to scale, at places from -1.0 to 1.0 of its half width; 0 beyond.

    Its stop band begins at half the lower rate; the formulas for `beta` and for the width of the slope are Kaiser's.
    """
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    slope = (ATTENUATION_DB - 7.95) / (14.36 * 2 * HALF_WIDTH)
    window = np.where(np.abs(place) <= 1, np.i0(beta * np.sqrt(np.maximum(0.0, 1 - place**2))), 0.0)
    response: NDArray[np.float64] = np.sinc((1 - slope) * HALF_WIDTH * place) * window
    return response
