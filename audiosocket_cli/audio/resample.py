"""Live sound from one rate to another, frame by frame, with a small and known delay.

For whole files see `files.py`. `soxr.ResampleStream` keeps sound back: fed 20 ms at a time from 24000 to 8000 Hz, LQ,
MQ and HQ are up to 40, 75 and 73 ms behind (157 ms with HQ from 48000 Hz) and give nothing for 47, 69 and 68 % of the
frames, then several frames at once. QQ is prompt but does not filter: what does not fit comes back as loud as it was.
(soxr 1.1.0; int16 and float32 alike.)

So this is a windowed-sinc low-pass (Kaiser; Oppenheim and Schafer, "Discrete-Time Signal Processing", 7.5.3), one set
of taps for each place that a sample of the output can have between two of the input. Measured between 8000 Hz and
higher rates: delay 4 ms, level within 0.01 dB to 3450 Hz and 1 dB down at 3590 Hz, aliases and images 71 dB down from
4000 Hz on. All of these go with the lower of the two rates: at twice the rate, half the delay and twice the band.

The sets of some neighbouring outputs stand in one matrix, so that BLAS filters a frame in one or a few products. For
20 ms that is 6 times as fast as a dot product per output: 12 µs rather than 75 from 8000 to 16000 Hz, 30 rather than
80 from 8000 to 22050 Hz, which needs six matrices.
"""

from __future__ import annotations

import functools
from math import floor, gcd
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples, from_slin, to_slin
from audiosocket_cli.codec import SAMPLE_BYTES

HALF_WIDTH: Final = 32
"""How far the filter reaches to either side, in samples of the lower rate; this is also the delay."""

ATTENUATION_DB: Final = 72.0
"""How far down the filter takes what the lower rate cannot hold. More would narrow the pass band or need more delay."""

ONE: Final = 2.0**32
"""The scale of the taps: they are multiples of 1 / `ONE`, so that sums of them with int16 samples stay below 2**53 of
these units. No float64 sum is then rounded, and its order, which BLAS chooses by the shapes, cannot show."""

_ROWS: Final = 8
"""A frame of 20 ms fills this many rows or more, where it can: BLAS works on several at once. With fewer, matrices are
wider, and hold more beside the taps that is copied and multiplied in vain."""

_MAX_ELEMENTS: Final = 8192
"""The most elements of one matrix. It stays in the cache, and OpenBLAS computes a product of a vector and up to 9216
elements on one thread: more threads cost more than they bring."""

_MAX_PRODUCTS: Final = 1 << 17
"""The most multiplications at once; OpenBLAS computes twice as many on one thread."""

_SLIN: Final = np.dtype("<i2")
_LOWEST, _HIGHEST = np.array(-32768.0), np.array(32767.0)


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
        self._block = None if from_hz == to_hz else _block_of(from_hz, to_hz)
        self._past = bytes(self._block.past_bytes) if self._block else b""
        """The samples that the next output needs, and those of the block that has begun."""

    def feed(self, samples: Samples) -> Samples:
        """Return what n more samples, shape (n,), make due: after N in all, ceil(N * to_hz / from_hz) have come out.

        What is still within after the last call comes out with zeros: `2 * delay_s` of them leave nothing behind.
        """
        return from_slin(self.feed_slin(to_slin(samples)))

    def feed_slin(self, data: bytes) -> bytes:
        """Do the same with samples as slin, an even number of bytes."""
        block = self._block
        if block is None or not data:
            return data
        signal = self._past + data
        begun = (len(self._past) - block.past_bytes) // SAMPLE_BYTES
        there = begun + len(data) // SAMPLE_BYTES
        whole, rest = divmod(there, block.inputs)
        self._past = signal[whole * block.inputs * SAMPLE_BYTES :]
        if rest:  # the outputs that lack their inputs are not given yet
            whole += 1
            signal += bytes((block.inputs - rest) * SAMPLE_BYTES)
        sums = block.filtered(signal, whole)
        if begun or rest:
            sums = sums.reshape(-1)[block.due(begun) : block.due(there)]
        np.rint(sums, sums)
        np.minimum(sums, _HIGHEST, out=sums)  # `sums.clip` is slower
        np.maximum(sums, _LOWEST, out=sums)
        return sums.astype(_SLIN).tobytes()


class _Part(NamedTuple):
    """Some neighbouring outputs of a block."""

    first: int
    start_byte: int
    """Where in the signal the first input stands that they need."""
    matrix: NDArray[np.float64]


class _Block:
    """The filter for a number of inputs after which each output falls on the same place between them again, as few
    matrices. All streams between two rates share it."""

    def __init__(self, inputs: int, outputs: int, taps: NDArray[np.float64]) -> None:
        """Take the taps of one output after the other, oldest input first, shape (up, taps); `outputs` is a multiple
        of `up`."""
        up, length = taps.shape
        self.inputs, self.outputs = inputs, outputs
        self.past_bytes = (length - 1) * SAMPLE_BYTES
        newest = np.arange(outputs) * inputs // outputs
        width = _width(inputs / outputs, length, outputs)
        self._parts: list[_Part] = []
        for first in range(0, outputs, width):
            places = newest[first : first + width] - newest[first]
            matrix = np.zeros((places[-1] + length, len(places)))
            for column, place in enumerate(places):
                matrix[place : place + length, column] = taps[(first + column) % up]
            self._parts.append(_Part(first, int(newest[first]) * SAMPLE_BYTES, matrix))
        self._rows = max(1, _MAX_PRODUCTS // self._parts[0].matrix.size)

    def due(self, inputs: int) -> int:
        """Return how many outputs are due after so many inputs."""
        return -(-inputs * self.outputs // self.inputs)

    def filtered(self, signal: bytes, blocks: int) -> NDArray[np.float64]:
        """Return the outputs of some blocks, shape (blocks, outputs); `signal` is the past and the blocks' inputs."""
        if len(self._parts) == 1 and blocks <= self._rows:  # as nearly always
            return self._product(self._parts[0], signal, 0, blocks)
        sums = np.empty((blocks, self.outputs))
        for part in self._parts:
            columns = slice(part.first, part.first + part.matrix.shape[1])
            for done in range(0, blocks, self._rows):
                count = min(self._rows, blocks - done)
                sums[done : done + count, columns] = self._product(part, signal, done, count)
        return sums

    def _product(self, part: _Part, signal: bytes, begin: int, blocks: int) -> NDArray[np.float64]:
        step = self.inputs * SAMPLE_BYTES
        shape = (blocks, part.matrix.shape[0])
        windows = np.ndarray(shape, _SLIN, signal, begin * step + part.start_byte, (step, SAMPLE_BYTES))
        sums: NDArray[np.float64] = windows.astype(np.float64).dot(part.matrix)
        return sums


def _width(step: float, length: int, most: int) -> int:
    """Return how many outputs one matrix may have, if not `most`; `step` is the number of inputs from one to the
    next."""
    width = most
    while width > 1 and width * (length + (width - 1) * step) > _MAX_ELEMENTS:
        width -= 1
    return width


@functools.lru_cache(maxsize=16)
def _block_of(from_hz: int, to_hz: int) -> _Block:
    """Return the filter between two rates, in blocks of which a frame of 20 ms holds a whole number."""
    up, down = to_hz // gcd(from_hz, to_hz), from_hz // gcd(from_hz, to_hz)
    taps = _taps(up, down)
    periods = from_hz // 50 // down
    most = _width(down / up, taps.shape[1], up * periods) // up
    fitting = (number for number in range(1, most + 1) if not periods % (number * _ROWS))
    periods_at_once = max(fitting, default=1)
    return _Block(down * periods_at_once, up * periods_at_once, taps)


def _taps(up: int, down: int) -> NDArray[np.float64]:
    """Return the taps of one output after the other, oldest input first, shape (up, taps): `up` outputs fall on `down`
    inputs, each with its own set."""
    reach = HALF_WIDTH * max(1, down / up)
    taps = floor(2 * reach) + 1
    age = np.arange(up)[:, None] * down % up / up + np.arange(taps)[::-1]
    sets = _low_pass(age / reach - 1)
    scaled: NDArray[np.float64] = np.rint(sets / sets.sum(axis=1, keepdims=True) * ONE)
    return scaled / ONE  # each its own sum: a constant stays that constant


def _low_pass(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the filter's impulse response, not to scale, at places from -1.0 to 1.0 of its half width; 0 beyond.

    Its stop band begins at half the lower rate; the formulas for `beta` and for the width of the slope are Kaiser's.
    """
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    slope = (ATTENUATION_DB - 7.95) / (14.36 * 2 * HALF_WIDTH)
    window = np.where(np.abs(place) <= 1, np.i0(beta * np.sqrt(np.maximum(0.0, 1 - place**2))), 0.0)
    response: NDArray[np.float64] = np.sinc((1 - slope) * HALF_WIDTH * place) * window
    return response
