"""DTMF digits as sound and as dial strings: what to press, how it sounds, and which digits a sound holds.

Levels are those of `pcm`: dBFS of the RMS value. How digits travel on the wire lives in `codec`; nothing here reads
files, waits or plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, Samples, to_int16
from audiosocket_cli.codec import DIGITS
from audiosocket_cli.errors import UsageError

Floats = NDArray[np.float64]

LOW_HZ: Final = (697, 770, 852, 941)
HIGH_HZ: Final = (1209, 1336, 1477, 1633)
KEYPAD: Final = "123A456B789C*0#D"
"""The digits by the tones they sound with (ITU-T Q.23): a row for each low one, in it a column for each high one."""

PAUSES_S: Final = {"w": 0.5, "W": 1.0}
"""The pauses of a dial string, as in Asterisk's `dtmf_stream()` (main/app.c)."""

EDGE_S: Final = 0.002
"""How long a tone that we make rises and falls: long enough not to click, short beside the shortest tone of 40 ms."""

WINDOW_HOPS: Final = 3
HOP_S: Final = 0.008
"""Three hops of 8 ms are a window of 24 ms: with a Hann window it tells 697 from 770 Hz, and a tone of 50 ms still
holds three whole windows."""

INNER_RATE_HZ: Final = 8000
"""Faster sound is first brought near this rate by sums of neighbours. What that folds back is 12 dB down and no harm:
the tones lose half a decibel, and what is not tone still counts against them. Our own choice."""

MIN_RATE_HZ: Final = 4000
"""Slower sound does not hold the tones: the highest is 1633 Hz, with room for `MAX_OFFSET`."""

MIN_LEVEL_DBFS: Final = -40.0
"""Both tones together. Our own choice: 10 dB below the weakest that must be heard, -30 dBFS."""

MAX_TWIST_DB: Final = 10.0
"""How far the level of one tone may be above the other's: the widest figure in Q.24 (Australia's)."""

MAX_OFFSET: Final = 0.015
MAX_OFFSET_HZ: Final = 5.0
"""How far a frequency may be off: the 1.5 % that Q.24 wants accepted, short of the 3.5 % that it wants refused, and a
few Hz for noise 15 dB below the tones. The Hz are our own choice: a flat 2.5 % takes six times as much speech for
digits."""

MIN_OVER_GROUP_DB: Final = 9.0
"""How far a tone stands above the others of its group. Our own choice: one that is 1.5 % off reaches its neighbour at
-15 dB."""

MIN_SHARE: Final = 0.85
"""How much of a window's power the two tones hold; what most speech fails by, overtones included. Our own choice: noise
15 dB below the tones leaves 0.97; two hours of speech gave 15 false digits at 0.7 and 1 at 0.8."""

MIN_PAIRS: Final = 2
"""How many windows in a row must each agree with the one before: those that a tone of 50 ms is sure to hold."""

MIN_DURATION_S: Final = 0.038
"""A sound shorter than this is not a digit: Q.24 wants 40 ms accepted, and we measure to 2 ms."""

MIN_GAP_S: Final = 0.026
"""A shorter gap is a fault in one digit, such as a lost packet of 20 ms; Q.24 has pauses from 30 ms separate two. At
any place of the windows, whatever the edges of the tones, 20 ms are measured as 19 to 22.5 ms, and 30 as 29 to 32."""

RELEASE_S: Final = 0.070
"""So long after its end a digit may turn out to go on: `MIN_GAP_S`, a window, and `MIN_PAIRS` hops to be sure."""

_ALLOWED: Final = "write 0-9, *, # and A-D, with w for a pause of half a second and W for one second"
_TONES_HZ: Final = np.array(LOW_HZ + HIGH_HZ)
_NO_DIGIT: Final = -1
_LOOK_BACK: Final = 8  # windows kept from one batch to the next: a rise takes 3, to be sure takes MIN_PAIRS
_WINDOWS_AT_ONCE: Final = 50  # so small a product stays in one thread of OpenBLAS; more threads only cost
_LEVEL_DECAY: Final = 0.8  # per window: the level of a digit that fades is that of its last windows


class Key(NamedTuple):
    """A key to press, with the pause before it and (for the last key only) the pause after it."""

    digit: str
    pause_s: float = 0.0
    pause_after_s: float = 0.0


class HeardDigit(NamedTuple):
    """A digit found in sound, in seconds since the first sample."""

    digit: str
    start_s: float
    duration_s: float


def parse_digits(text: str) -> tuple[Key, ...]:
    """Return the keys of a dial string such as "12w34#"; w is a pause of half a second, W of one.

    Raises `UsageError` for any other character and for a text without a digit.
    """
    keys: list[Key] = []
    pause_s = 0.0
    for position, character in enumerate(text, start=1):
        if character in PAUSES_S:
            pause_s += PAUSES_S[character]
        elif character in DIGITS + "abcd":
            keys.append(Key(character.upper(), pause_s))
            pause_s = 0.0
        else:
            raise UsageError(f"{text!r} has {character!r} at position {position}, which cannot be dialled: {_ALLOWED}")
    if not keys:
        raise UsageError(f"{text!r} has no digit to dial: {_ALLOWED}")
    keys[-1] = keys[-1]._replace(pause_after_s=pause_s)
    return tuple(keys)


def digit_tone(
    digit: str, rate_hz: int, seconds: float = 0.1, level_dbfs: float = -13.0, twist_db: float = 0.0
) -> Samples:
    """Return the two tones of a digit (one of `DIGITS`), shape (n,), edges included in `seconds`.

    `level_dbfs` is the RMS level of both together between the edges; the high tone is `twist_db` above the low one.
    """
    row, column = divmod(KEYPAD.index(digit), 4)
    low_power = 10 ** (level_dbfs / 10) / (1 + 10 ** (twist_db / 10))
    low_peak = np.sqrt(2 * low_power)
    high_peak = low_peak * 10 ** (twist_db / 20)
    seconds_in = np.arange(round(rate_hz * seconds)) / rate_hz
    pair = low_peak * np.sin(2 * np.pi * LOW_HZ[row] * seconds_in)
    pair += high_peak * np.sin(2 * np.pi * HIGH_HZ[column] * seconds_in)
    to_edge = np.minimum(seconds_in, seconds_in[::-1]) / EDGE_S
    return to_int16(pair * np.sin(np.pi / 2 * np.minimum(to_edge, 1.0)) ** 2)[0]


def detect_digits(samples: Samples, rate_hz: int) -> list[HeardDigit]:
    """Return the digits in a whole recording, shape (n,), in the order they were pressed."""
    detector = DtmfDetector(rate_hz)
    return detector.feed(samples) + detector.finish()


class DtmfDetector:
    """Finds digits in a stream; what it finds does not depend on how the stream is cut into chunks.

    Here digits are followed from window to window; what a window holds is found in `_Bank`. Times are counted in
    windows, by their middles, until they are told.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._bank = _Bank(rate_hz)
        self._rest: Samples = np.zeros(self._bank.window, np.int16)
        self._rows = np.zeros((_LOOK_BACK, 2 * len(_TONES_HZ) + 1))
        self._first_row = -_LOOK_BACK
        self._press: _Press | None = None

    def feed(self, samples: Samples) -> list[HeardDigit]:
        """Take the next samples, shape (n,), and return the digits that ended, each about 0.1 s after its end."""
        heard: list[HeardDigit] = []
        batch = _WINDOWS_AT_ONCE * self._bank.hop
        for start in range(0, len(samples), batch):
            heard += self._feed_batch(samples[start : start + batch])
        return heard

    def finish(self) -> list[HeardDigit]:
        """Return the digit that the stream's end cut off or followed at once, if any; feed no more after it."""
        return self.feed(np.zeros(round(self._rate_hz * (RELEASE_S + 2 * WINDOW_HOPS * HOP_S)), np.int16))

    def _feed_batch(self, samples: Samples) -> list[HeardDigit]:
        self._rest = np.concatenate([self._rest, samples])
        if len(self._rest) < self._bank.window:
            return []
        measured = self._bank.measure(self._rest)
        self._rest = self._rest[len(measured) * self._bank.hop :]
        rows = np.concatenate([self._rows, measured])
        self._rows = rows[-_LOOK_BACK:]
        heard = self._follow(rows)
        self._first_row += len(measured)
        return heard

    def _follow(self, rows: Floats) -> list[HeardDigit]:
        """Go through the new windows, which come after `_LOOK_BACK` that were gone through before."""
        digits = self._bank.find_digits(rows)
        if self._press is None and np.all(digits[_LOOK_BACK:] == _NO_DIGIT):
            return []
        levels = _levels(rows)
        told: list[_Press | None] = []
        for row, digit in enumerate(digits[_LOOK_BACK:].tolist(), start=_LOOK_BACK):
            lately = slice(row - _LOOK_BACK, row + 1)
            if digit != _NO_DIGIT:
                told.append(self._sound(digit, self._first_row + row, levels[lately, digit]))
            elif self._press is not None:
                told.append(self._fade(self._press, self._first_row + row, levels[lately, self._press.digit]))
        shortest = MIN_DURATION_S / HOP_S
        return [self._in_seconds(press) for press in told if press and press.end - press.start >= shortest]

    def _sound(self, digit: int, now: int, levels: Floats) -> _Press | None:
        """A digit is heard: the one we follow, still or again, or another. Return the one that this ends."""
        press, ended = self._press, None
        if press is None or press.digit != digit or press.has_fallen:
            start = now - _since_rise(levels)
            if press is None or press.digit != digit or start - press.end >= MIN_GAP_S / HOP_S:
                press, ended = _Press(digit, start), press
        press.end, press.has_fallen = now, False
        press.level = max(float(levels[-1]), press.level * _LEVEL_DECAY)
        self._press = press
        return ended

    def _fade(self, press: _Press, now: int, levels: Floats) -> _Press | None:
        """The digit we follow is not heard: note when it fell to half its level. Return it if it stays away."""
        if not press.has_fallen and levels[-1] < press.level / 2:
            press.end, press.has_fallen = now - _crossing(levels[-1], levels[-2], press.level / 2), True
        if now - press.end <= RELEASE_S / HOP_S:
            return None
        self._press = None
        return press

    def _in_seconds(self, press: _Press) -> HeardDigit:
        """Row 0 of a stream ends where its first sample starts."""
        start_s, end_s = (
            max(0.0, (row * self._bank.hop - self._bank.window / 2) / self._rate_hz) for row in (press.start, press.end)
        )
        return HeardDigit(KEYPAD[press.digit], start_s, end_s - start_s)


@dataclass
class _Press:
    """A digit that is sounding, or ended so recently that it may go on; `start` and `end` count windows."""

    digit: int
    start: float
    end: float = 0.0
    level: float = 0.0
    has_fallen: bool = False


def _since_rise(levels: Floats) -> float:
    """Return how many rows before the last a digit, steady since, rose to half its level: there its tone begins."""
    steady = len(levels) - 1 - MIN_PAIRS
    half = levels[steady:].max() / 2
    below = np.flatnonzero(levels[:steady] < half)
    if not len(below):
        return MIN_PAIRS
    last = int(below[-1])
    return len(levels) - 1 - last - _crossing(levels[last], levels[last + 1], half)


def _crossing(low: float, high: float, level: float) -> float:
    """Return how far from `low` to `high` a line between them passes `level`, 0.0 to 1.0."""
    return float(np.clip((level - low) / (high - low), 0.0, 1.0)) if high > low else 1.0


class _Bank:
    """Looks at windows of sound: the power of each tone in them, and the digit they hold.

    Every window is compared with the one before: both must hold the same two tones and little else, and the phase that
    the tones gain in between gives their frequencies to a hertz. Speech seldom holds all that for 40 ms.
    """

    def __init__(self, rate_hz: int) -> None:
        self._step = max(1, rate_hz // INNER_RATE_HZ)
        inner_hz = rate_hz / self._step
        self._inner_hop = round(inner_hz * HOP_S)
        self._inner_window = WINDOW_HOPS * self._inner_hop
        self._hop_s = self._inner_hop / inner_hz
        self.hop = self._step * self._inner_hop
        self.window = self._step * self._inner_window
        index = np.arange(self._inner_window)
        hann = np.sin(np.pi * (index + 0.5) / self._inner_window) ** 2
        phase = 2 * np.pi / inner_hz * np.outer(index, _TONES_HZ)
        # Weights that are whole numbers keep every sum exact (below 2^53), so the order in which BLAS adds, which
        # differs with the number of windows, cannot change a result.
        self._tone_weights = np.rint(2**16 * hann[:, None] * np.hstack([np.cos(phase), -np.sin(phase)]))
        self._power_weights = np.rint(2**6 * hann**2)
        full_scale = FULL_SCALE * self._step
        self._tone_scale = np.sqrt(2) / (2**16 * hann.sum() * full_scale)
        self._power_scale = 1 / (self._power_weights.sum() * full_scale**2)

    def measure(self, samples: Samples) -> Floats:
        """Return a row for each whole window: the real parts of the 8 tones, the imaginary parts, the power of all."""
        whole = samples[: len(samples) // self._step * self._step].reshape(-1, self._step)
        inner = whole.sum(axis=1, dtype=np.float64)
        windows = sliding_window_view(inner, self._inner_window)[:: self._inner_hop].copy()
        tones = windows @ self._tone_weights * self._tone_scale
        return np.column_stack([tones, np.square(windows) @ self._power_weights * self._power_scale])

    def find_digits(self, rows: Floats) -> NDArray[np.intp]:
        """Return the digit that each row, with the `MIN_PAIRS` before it, is sure to hold, shape (n,)."""
        powers = _powers(rows)
        low, high = powers[:, :4].argmax(axis=1), powers[:, 4:].argmax(axis=1)
        digits: NDArray[np.intp] = 4 * low + high
        clear = _stands_out(powers[:, :4]) & _stands_out(powers[:, 4:])
        agree = clear[1:] & clear[:-1] & (digits[1:] == digits[:-1])
        if agree.any():
            tones = rows[:, :8] + 1j * rows[:, 8:16]
            pair = np.column_stack([low, 4 + high])
            agree &= self._is_steady(np.take_along_axis(tones, pair, axis=1), _TONES_HZ[pair], rows[:, 16])
        sure = sliding_window_view(agree, MIN_PAIRS).all(axis=1)
        digits[:MIN_PAIRS] = _NO_DIGIT
        digits[MIN_PAIRS:][~sure] = _NO_DIGIT
        return digits

    def _is_steady(self, tones: NDArray[np.complex128], nominal_hz: Floats, total: Floats) -> NDArray[np.bool_]:
        """Say of each window after the first whether its two tones, (n, 2), are those of the window before."""
        gained = np.angle(tones[1:] * tones[:-1].conj() * np.exp(-2j * np.pi * self._hop_s * nominal_hz[1:]))
        offset_hz = gained / (2 * np.pi * self._hop_s)
        seen = _hann_gain(offset_hz * WINDOW_HOPS * self._hop_s)
        before, now = (np.square(np.abs(side) / seen) for side in (tones[:-1], tones[1:]))
        steady: NDArray[np.bool_] = np.all(np.abs(offset_hz) <= MAX_OFFSET * nominal_hz[1:] + MAX_OFFSET_HZ, axis=1)
        for power, of_all in ((before, total[:-1]), (now, total[1:])):
            steady &= _within(power[:, 0], power[:, 1], MAX_TWIST_DB)
            steady &= power.sum(axis=1) >= np.maximum(MIN_SHARE * of_all, 10 ** (MIN_LEVEL_DBFS / 10))
        return steady


def _powers(rows: Floats) -> Floats:
    """Return the power of each tone, shape (n, 8)."""
    powers: Floats = np.square(rows[:, :8]) + np.square(rows[:, 8:16])
    return powers


def _levels(rows: Floats) -> Floats:
    """Return the level of each digit, shape (n, 16): the geometric mean of its two tones, which falls with either."""
    powers = _powers(rows)
    levels: Floats = np.sqrt(np.sqrt(powers[:, :4, None] * powers[:, None, 4:])).reshape(-1, 16)
    return levels


def _stands_out(group: Floats) -> NDArray[np.bool_]:
    """Say of each row of powers, (n, 4), whether one is `MIN_OVER_GROUP_DB` above the others."""
    ordered = np.sort(group, axis=1)
    stands_out: NDArray[np.bool_] = ordered[:, -1] >= ordered[:, -2] * 10 ** (MIN_OVER_GROUP_DB / 10)
    return stands_out


def _within(one: Floats, other: Floats, limit_db: float) -> NDArray[np.bool_]:
    """Say of two powers whether they are at most so many dB apart."""
    ratio = 10 ** (limit_db / 10)
    within: NDArray[np.bool_] = (one <= other * ratio) & (other <= one * ratio)
    return within


def _hann_gain(cycles: Floats) -> Floats:
    """Return the share of a tone's amplitude that a Hann window keeps when the tone is off by some cycles per
    window."""
    off = np.minimum(np.abs(cycles), 0.99)
    gain: Floats = np.sinc(off) / (1 - off**2)
    return gain
