"""How loud a sound is at which frequency, and when: columns of levels, as many as an image of a bounded size has room
for, however long the sound is.

Spectra are taken each 8 ms (of 8 kHz; of other rates about as often). A column is the mean of one or more of them: each
time there is no room for more columns, two become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, Samples

FLOOR_DBFS: Final = -90.0
CEILING_DBFS: Final = -10.0
"""The levels that are black and white: what is below or above is drawn as these."""

_ROWS: Final = 128
_MIN_ROWS: Final = 64
_WINDOW_S: Final = 0.032
_OVERLAP: Final = 4
_MAX_VALUES: Final = 1 << 21
"""Values of one image: an hour has 64 rows, and 28,000 columns of 128 ms."""

_STEP_DB: Final = 2.5
"""Levels are told in steps that an eye can tell apart, as finer ones make an image of twice the size."""

_MAX_POWERS: Final = 1 << 20
"""Values that are computed at once."""


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Levels by time and frequency."""

    column_s: float
    """Each column shows so many seconds, the first from 0 s on."""
    top_hz: float
    """The upper end of the last row; the first begins at 0 Hz, and all are equally wide."""
    power: NDArray[np.float32]
    """The mean square in each row's band, of full scale, shape (columns, rows): all rows together are the sound's."""

    def shades(self) -> NDArray[np.uint8]:
        """Return the levels as 0 for `FLOOR_DBFS` and less to 255 for `CEILING_DBFS` and more, in steps of 2.5 dB."""
        with np.errstate(divide="ignore"):
            level_db = 10 * np.log10(self.power) - FLOOR_DBFS
        steps = np.round(np.clip(level_db, 0, CEILING_DBFS - FLOOR_DBFS) / _STEP_DB)
        return np.asarray(np.round(steps * (255 * _STEP_DB / (CEILING_DBFS - FLOOR_DBFS))), np.uint8)


class SpectrogramBuilder:
    """Takes the samples of one channel in blocks of any length."""

    def __init__(self, rate_hz: int) -> None:
        per_row = max(1, round(rate_hz * _WINDOW_S / (2 * _ROWS)))
        self._rate_hz = rate_hz
        self._size = 2 * _ROWS * per_row
        self._hop = self._size // _OVERLAP
        window = np.hanning(self._size + 1)[:-1]  # of a period: equal weights where windows overlap
        self._window = (window / FULL_SCALE).astype(np.float32)
        self._weight = 2 / (self._size * float((window**2).sum()))
        self._samples = 0
        self._waiting = np.zeros((self._size - self._hop) // 2, np.int16)
        """Samples of the next window; silence before the first, which stands in the middle of its column."""
        self._columns = _Columns()

    def take(self, samples: Samples) -> None:
        """Take the next samples, shape (n,)."""
        self._samples += len(samples)
        self._waiting = np.concatenate((self._waiting, samples))
        self._analyse()

    def _analyse(self) -> None:
        at_once = max(1, _MAX_POWERS // self._size)
        while (count := min(at_once, (len(self._waiting) - self._size) // self._hop + 1)) > 0:
            stop = (count - 1) * self._hop + self._size
            self._columns.take(self._rows_of(self._waiting[:stop]))
            self._waiting = self._waiting[count * self._hop :]

    def _rows_of(self, samples: Samples) -> NDArray[np.float32]:
        """Return the power of each window in each row, shape (windows, rows)."""
        windows = sliding_window_view(samples, self._size)[:: self._hop]
        if not samples.any():
            return np.zeros((len(windows), _ROWS), np.float32)
        lines = np.fft.rfft(windows * self._window, axis=1)[:, 1:]  # an offset is not a sound
        power = (lines.real**2 + lines.imag**2) * self._weight
        return np.asarray(power.reshape(len(windows), _ROWS, -1).sum(axis=2), np.float32)

    def finish(self) -> Spectrogram:
        """Return it, once all has come; it has no columns where nothing came."""
        columns = -(-self._samples // self._hop)
        missing = (columns - self._columns.taken - 1) * self._hop + self._size - len(self._waiting)
        if columns > self._columns.taken:
            self._waiting = np.concatenate((self._waiting, np.zeros(missing, np.int16)))
            self._analyse()
        power, stride = self._columns.finish()
        return Spectrogram(stride * self._hop / self._rate_hz, self._rate_hz / 2, power)


class _Columns:
    """Columns of a bounded number, each the mean of `stride` spectra."""

    def __init__(self) -> None:
        self.stride = 1
        self.taken = 0
        """How many spectra came."""
        self._rows = _ROWS
        self._done: list[NDArray[np.float32]] = []
        self._count = 0
        """How many columns are complete."""
        self._rest = np.zeros((0, _ROWS), np.float32)
        """Spectra of a column that is not complete, as a sum, and how many that are."""
        self._in_rest = 0

    def take(self, power: NDArray[np.float32]) -> None:
        """Take spectra, shape (n, rows)."""
        self.taken += len(power)
        power = _with_rows(power, self._rows)
        if self._in_rest:
            more, power = np.split(power, [self.stride - self._in_rest])
            self._add_rest(more)
        whole = len(power) // self.stride * self.stride
        self._put(power[:whole].reshape(-1, self.stride, self._rows).mean(axis=1))
        self._add_rest(power[whole:])
        while self._count * self._rows > _MAX_VALUES:
            self._merge()

    def _put(self, columns: NDArray[np.floating]) -> None:
        self._done.append(columns.astype(np.float32, copy=False))
        self._count += len(columns)

    def _add_rest(self, power: NDArray[np.float32]) -> None:
        self._set_rest(np.concatenate((self._rest, power)).sum(axis=0, keepdims=True), self._in_rest + len(power))

    def _set_rest(self, total: NDArray[np.float32], count: int) -> None:
        self._rest, self._in_rest = total, count
        if count == self.stride:
            self._put(total / count)
            self._rest, self._in_rest = np.zeros((0, self._rows), np.float32), 0

    def _merge(self) -> None:
        """Make room: by half as many rows at first, and by half as many columns then."""
        columns = np.concatenate(self._done)
        self._done, self._count = [], 0
        if self._rows > _MIN_ROWS:
            self._rows //= 2
            self._rest = _with_rows(self._rest, self._rows)
            self._put(_with_rows(columns, self._rows))
            return
        even = len(columns) // 2 * 2
        total = np.concatenate((columns[even:] * self.stride, self._rest)).sum(axis=0, keepdims=True)
        count = (len(columns) - even) * self.stride + self._in_rest
        self.stride *= 2
        self._put((columns[0:even:2] + columns[1:even:2]) / 2)
        self._set_rest(total, count)

    def finish(self) -> tuple[NDArray[np.float32], int]:
        """Return the columns, and of how many spectra each is."""
        if self._in_rest:
            self._put(self._rest / self._in_rest)
        self._rest, self._in_rest = np.zeros((0, self._rows), np.float32), 0
        return np.concatenate(self._done) if self._done else np.zeros((0, self._rows), np.float32), self.stride


def _with_rows(power: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Return it with fewer rows, each of which has the power of several."""
    return np.asarray(power.reshape(len(power), rows, -1).sum(axis=2), np.float32)
