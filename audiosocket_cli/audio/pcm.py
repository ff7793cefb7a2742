"""Slin samples: to and from bytes, levels, tones, mixing. Everything is int16 mono unless it says otherwise.

Levels are dBFS of the RMS value against the largest sample (32768), so a full-scale sine reads -3.0 dBFS and digital
silence `SILENCE_DBFS`.
"""

from __future__ import annotations

import math
import threading
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.codec import SAMPLE_BYTES

Samples = NDArray[np.int16]

FULL_SCALE: Final = 32768.0
SILENCE_DBFS: Final = -96.3
"""The level shown for digital silence: one step below what 16 bits can hold (20 log10(1 / 65536))."""

SPEECH_DBFS: Final = -45.0
"""A 20 ms frame above this level is taken for speech (or any wanted sound), below it for line noise."""

SPEECH_POWER: Final = 10 ** (SPEECH_DBFS / 10)
"""The same as a mean square, in units of full scale squared."""

SPEECH_PEAK: Final = int(FULL_SCALE * SPEECH_POWER**0.5)
"""What has no sample above this is not speech."""

_QUIETEST_CODEC_DBFS: Final = -24.0
"""The bytes of a codec, even those of silence, are louder than this as slin; most are at about -6 dBFS."""

_MIN_8_BIT_DBFS: Final = -3.0
"""Unsigned samples of 8 bits are near 128; two of them, read as slin, are near its limit."""

_MIN_COMPRESSED_BYTES: Final = 2000
"""In fewer bytes their entropy is not clear."""

_MAX_FLOAT: Final = 4.0

_NO_POWERS: Final = np.zeros(0)

_BLOCK_SAMPLES: Final = 1 << 17
"""Samples that are measured at once: 256 KiB, and 512 KiB as floats."""

_ONES: Final = np.ones((1 << 24) // (1 << 15), np.float32)
"""A sum of so many samples is exact in float32, which has all whole numbers up to that."""


def from_slin(payload: bytes | memoryview) -> Samples:
    """Return little-endian slin bytes as int16 samples, shape (n,); an odd last byte is left out."""
    whole = len(payload) & ~1
    return np.frombuffer(payload[:whole], dtype="<i2").astype(np.int16, copy=False)


def to_slin(samples: Samples) -> bytes:
    """Return int16 samples, shape (n,) or (n, channels), as little-endian bytes."""
    return samples.astype("<i2", copy=False).tobytes()


def to_int16(signal: NDArray[np.floating]) -> tuple[Samples, int]:
    """Round a signal in -1.0 to 1.0 to int16 and return it with the number of samples that had to be clipped.

    All must be numbers (no NaN). A file that held 16-bit samples comes out sample for sample.
    """
    scaled = np.rint(signal * FULL_SCALE)
    clipped = int(np.count_nonzero((scaled > 32767) | (scaled < -32768)))
    return np.clip(scaled, -32768, 32767).astype(np.int16), clipped


def within_scale(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a signal in -1.0 to 1.0: what is larger, as floating point in files can be, is at the limit, and NaN is
    silence."""
    return np.clip(np.nan_to_num(signal, posinf=1.0, neginf=-1.0), np.float32(-1), np.float32(1))


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level of int16 samples of any shape in dBFS; `SILENCE_DBFS` for silence and for no samples."""
    if not samples.size:
        return SILENCE_DBFS
    return power_to_dbfs(mean_power(samples))


def mean_power(samples: Samples) -> float:
    """Return the mean square of int16 samples, in units of full scale squared (0.0 to 1.0); 0.0 for no samples."""
    if not samples.size:
        return 0.0
    squares = np.square(samples.astype(np.float32))
    return float(np.add.reduce(squares, axis=None, dtype=np.float64)) / (samples.size * FULL_SCALE**2)


def peak_of(samples: Samples) -> int:
    """Return the largest magnitude in int16 samples of any shape, 0 to 32768; 0 for no samples."""
    if not samples.size:
        return 0
    return max(int(np.maximum.reduce(samples, axis=None)), -int(np.minimum.reduce(samples, axis=None)))


class Loudness(NamedTuple):
    """What some frames sounded like."""

    peak: int
    """The largest magnitude, 0 to 32768; for 0, the others are empty."""
    powers: NDArray[np.float64]
    """The mean square of each frame, shape (n,), in units of full scale squared; empty if nobody asked for it."""
    total: float
    """About the sum of all samples."""
    energy: float = 0.0
    """The sum of all squares, in units of full scale squared."""


def loudness_of_slin(payloads: NDArray[np.uint8], *, each: bool = True) -> Loudness:
    """Measure payloads of slin, shape (n, bytes); an odd last byte of each is left out. Unless `each` is asked for, the
    powers of very many are empty, which takes a tenth less of the time.

    Many are measured in blocks, each of which is copied, converted and summed while the processor has it in its caches:
    in one go, all of it would come from memory seven times. Of the time of `dump --stats` of 1 GB of raw slin, without
    its start, reading is 23 %, walking the headers 17 %, and measuring 49 %: copying the samples 11, peaks 8, floats
    12, squares 8 (15 by the frame), sums 9. A walk in C does all of that in one pass, in a third of the time. Other
    threads bring nothing, be it to measure or to read ahead: handing over the GIL costs as much as they save.
    """
    width = payloads.shape[1] // SAMPLE_BYTES
    step = max(1, _BLOCK_SAMPLES // max(1, width))
    if len(payloads) <= step:
        return loudness_of(frames_from_slin(payloads))
    squares = np.zeros(len(payloads) if each else 0, np.float32)
    peak, total, energy = 0, 0.0, 0.0
    for start in range(0, len(payloads), step):
        of_block = _scratch.measure(payloads[start : start + step], squares[start : start + step] if each else None)
        peak, total, energy = max(peak, of_block[0]), total + of_block[1], energy + of_block[2]
    if not peak:
        return Loudness(0, _NO_POWERS, 0.0)
    return Loudness(peak, _powers_of(squares, width), total, energy / FULL_SCALE**2)


class _Scratch(threading.local):
    """Memory to measure in: taken for each block, it would cost more than measuring."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, "<i2")
        self._wide = np.zeros(0, np.float32)

    def measure(self, payloads: NDArray[np.uint8], squares: NDArray[np.float32] | None) -> tuple[int, float, float]:
        """Return the peak of some payloads, their sum, and that of their squares, to six digits. If `squares` are
        wanted, set the sum of each, unless all are zeros."""
        shape = len(payloads), payloads.shape[1] // SAMPLE_BYTES
        size = shape[0] * shape[1]
        if len(self._samples) < size:
            self._samples, self._wide = np.zeros(size, "<i2"), np.zeros(size, np.float32)
        samples, wide = self._samples[:size], self._wide[:size]
        samples.view(np.uint8).reshape(len(payloads), -1)[:] = payloads[:, : SAMPLE_BYTES * shape[1]]
        peak = peak_of(samples)
        if not peak:
            return 0, 0.0, 0.0
        wide[:] = samples
        if squares is None:
            energy = float(np.dot(wide, wide))
        else:
            rows = wide.reshape(shape)
            energy = float(np.add.reduce(np.vecdot(rows, rows, out=squares), dtype=np.float64))
        whole = size // len(_ONES) * len(_ONES)
        sums = wide[:whole].reshape(-1, len(_ONES)) @ _ONES  # thrice as fast as adding them up
        return peak, float(np.add.reduce(sums, dtype=np.float64)) + float(np.add.reduce(wide[whole:])), energy


_scratch: Final = _Scratch()


def loudness_of(frames: Samples) -> Loudness:
    """Measure int16 samples of frames, shape (n, samples)."""
    peak = peak_of(frames)
    if not peak:
        return Loudness(0, _NO_POWERS, 0.0)
    wide = frames.astype(np.float32)
    powers = _row_powers(wide)
    return Loudness(peak, powers, float(np.add.reduce(wide, axis=None)), float(np.add.reduce(powers)) * frames.shape[1])


def loudness_of_uneven(samples: Samples, lengths: NDArray[np.int64]) -> Loudness:
    """Measure frames that differ in length: int16 samples, shape (n,), and how many each frame has, none of them 0."""
    peak = peak_of(samples)
    if not peak:
        return Loudness(0, _NO_POWERS, 0.0)
    wide = samples.astype(np.float64)
    begins = np.cumsum(lengths) - lengths
    squares = np.add.reduceat(np.square(wide), begins) / FULL_SCALE**2
    return Loudness(peak, squares / lengths, float(np.add.reduce(wide)), float(np.add.reduce(squares)))


def frames_from_slin(payloads: NDArray[np.uint8]) -> Samples:
    """Return payloads, shape (n, bytes), as int16 samples, shape (n, samples); an odd last byte of each is left out."""
    return np.ascontiguousarray(payloads[:, : payloads.shape[1] & ~1]).view("<i2").astype(np.int16, copy=False)


def frame_powers(frames: Samples) -> NDArray[np.float64]:
    """Return the mean square of each row of int16 samples, shape (n, samples), in units of full scale squared."""
    return _row_powers(frames.astype(np.float32))


def _row_powers(wide: NDArray[np.float32]) -> NDArray[np.float64]:
    # Not one dot product of all: of many samples BLAS makes a matter of all cores, and waits for them.
    return _powers_of(np.vecdot(wide, wide), wide.shape[1])


def _powers_of(squares: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = squares / np.float64(width * FULL_SCALE**2)
    return powers


def power_to_dbfs(power: float) -> float:
    """Turn a mean square (0.0 to 1.0) into dBFS, never below `SILENCE_DBFS`."""
    return max(SILENCE_DBFS, 10.0 * math.log10(power) + 0.0) if power > 0 else SILENCE_DBFS


def tone(frequency_hz: float, rate_hz: int, seconds: float, level_dbfs: float = -15.0) -> Samples:
    """Return a sine of `seconds` at an RMS level in dBFS, starting at phase 0. Whole numbers of Hz loop each second."""
    peak = 10 ** (level_dbfs / 20) * np.sqrt(2)
    phase = 2 * np.pi * frequency_hz * np.arange(round(rate_hz * seconds)) / rate_hz
    return to_int16(peak * np.sin(phase))[0]


def mix(first: Samples, second: Samples) -> Samples:
    """Return the sum of two equally long signals, limited to the int16 range, neither made quieter."""
    total = np.add(first, second, dtype=np.int32)
    return np.clip(total, -32768, 32767).astype(np.int16)


def decode_law(data: bytes, law: str) -> Samples:
    """Return µ-law or A-law bytes (ITU-T G.711) as int16 samples, shape (n,)."""
    return _LAW_TABLES[law][np.frombuffer(data, np.uint8)]


def decode_mu_law(data: bytes) -> bytes:
    """Return µ-law bytes as slin bytes."""
    return to_slin(_LAW_TABLES["µ-law"][np.frombuffer(data, np.uint8)])


def encode_mu_law(data: bytes) -> bytes:
    """Return slin bytes, an even number, as µ-law (ITU-T G.711): each sample as the nearest value that there is."""
    codes: NDArray[np.uint8] = _mu_law_codes()[np.frombuffer(data, "<u2")]
    return codes.tobytes()


def guess_law(data: bytes) -> str | None:
    """Say whether bytes make better sense as "µ-law" or "A-law" than as slin, or (None) not.

    Sound is smooth: the right reading is the one whose neighbouring samples are most alike. Read as slin, however quiet
    it is, a law is loud: quiet slin has pairs of like bytes, too, and is none.
    """
    return Excerpt(data).law


def guess_texture(data: bytes) -> str | None:
    """Say whether bytes are "slin" for sure (smooth), of a "codec" (noise), "compressed" (of a codec, or encrypted,
    whatever the codec is), or (None) either.

    White noise at full scale looks compressed, too.
    """
    return Excerpt(data).texture


def guess_disorder(data: bytes) -> str | None:
    """Say what happened to slin bytes that make little sense as they are: "byte-swapped", "shifted by one byte", "in
    32-bit floats", "in 8-bit samples" (unsigned, as in WAV files), "in 24-bit samples", "in 32-bit samples", or None.

    Only a reading that is smooth counts, where the bytes as they are, or reversed in another way, are not.
    """
    return Excerpt(data).disorder


class Excerpt:
    """Bytes that may be audio, for all that is to be guessed of them: what several guesses need is worked out once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._slin = from_slin(data)

    @cached_property
    def law(self) -> str | None:
        """What `guess_law` says."""
        if self._level_dbfs < _QUIETEST_CODEC_DBFS:
            return None
        smoothness = {law: _smoothness(decode_law(self._data, law)) for law in _LAW_TABLES}
        best = max(smoothness, key=smoothness.__getitem__)
        others = abs(self._smoothness), self._smoothness_of_bytes, self._smoothness_of_floats
        return best if smoothness[best] > max(0.3, *others) else None

    @cached_property
    def texture(self) -> str | None:
        """What `guess_texture` says."""
        if self._smoothness > 0.6:
            return "slin"
        if abs(self._smoothness) >= 0.3 or self._level_dbfs <= _QUIETEST_CODEC_DBFS / 2:
            return None
        return "compressed" if self._is_compressed else "codec"

    @cached_property
    def disorder(self) -> str | None:
        """What `guess_disorder` says."""
        data, as_is, as_bytes = self._data, self._smoothness, self._smoothness_of_bytes
        if as_bytes > max(0.6, as_is + 0.2) and self._level_dbfs > _MIN_8_BIT_DBFS and not self.law:
            return "in 8-bit samples"
        if as_is >= 0.3:
            return None  # however smooth another reading is
        readings = {"in 32-bit samples": 0.0}
        if self._level_dbfs > _QUIETEST_CODEC_DBFS:  # quiet slin is not that
            readings["byte-swapped"] = _smoothness(self._slin.byteswap())
            readings["shifted by one byte"] = _smoothness(from_slin(data[1:]))
            readings["in 32-bit floats"] = self._smoothness_of_floats
            readings["in 24-bit samples"] = _smoothness_of_upper(data, 3)
        if as_is > -0.3:  # every other sample of a high tone is a low one
            readings["in 32-bit samples"] = _smoothness_of_upper(data, 4)
        best = max(readings, key=readings.__getitem__)
        return best if readings[best] > 0.6 else None

    @property
    def _is_compressed(self) -> bool:
        """Whether the upper byte of a sample tells as much as the lower, where 16-bit noise below full scale tells
        less."""
        lower, upper = _entropy_bits(self._data[0::2]), _entropy_bits(self._data[1::2])
        is_compressed = len(self._data) >= _MIN_COMPRESSED_BYTES and min(lower, upper) > 5 and abs(upper - lower) < 0.3
        return is_compressed and self.law is None and self.disorder is None

    @cached_property
    def _level_dbfs(self) -> float:
        return level_dbfs(self._slin)

    @cached_property
    def _smoothness(self) -> float:
        return _smoothness(self._slin)

    @cached_property
    def _smoothness_of_bytes(self) -> float:
        """That of unsigned samples of 8 bits."""
        return _smoothness(np.frombuffer(self._data, np.uint8))

    @cached_property
    def _smoothness_of_floats(self) -> float:
        """That of the bytes read as 32-bit floats; 0.0 where they go far beyond -1.0 to 1.0."""
        floats = np.frombuffer(self._data[: len(self._data) // 4 * 4], "<f4")
        return _smoothness(floats) if np.all(np.abs(floats) <= _MAX_FLOAT) else 0.0  # no NaN is


def _entropy_bits(data: bytes) -> float:
    """The entropy of bytes by themselves, 0.0 to 8.0 bits."""
    shares = np.bincount(np.frombuffer(data, np.uint8), minlength=1) / max(1, len(data))
    shares = shares[shares > 0]
    return -float(np.dot(shares, np.log2(shares)))


def _smoothness_of_upper(data: bytes, size: int) -> float:
    """The smoothness of the upper 16 bits of little-endian samples of `size` bytes."""
    samples = np.frombuffer(data[: len(data) // size * size], np.uint8).reshape(-1, size)
    return _smoothness(from_slin(samples[:, -2:].tobytes()))


def _smoothness(samples: Samples | NDArray[np.uint8] | NDArray[np.float32]) -> float:
    """The correlation of a signal with itself one sample later, -1.0 to 1.0; 0.0 for silence."""
    if not len(samples):
        return 0.0
    signal = samples.astype(np.float64)
    signal -= np.add.reduce(signal) / len(signal)
    energy = float(np.dot(signal, signal))
    return float(np.dot(signal[1:], signal[:-1])) / energy if energy else 0.0


def _mu_law_table() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = ((2 * mantissa + 33) << exponent) - 33
    return np.where(code & 0x80, -4 * magnitude, 4 * magnitude).astype(np.int16)


@cache
def _mu_law_codes() -> NDArray[np.uint8]:
    """Return the µ-law byte of each sample, by its 16 bits read as a number without sign; silence is FF."""
    values = _LAW_TABLES["µ-law"][255:127:-1].astype(np.int32)  # those of FF to 80: 0 to the loudest
    between = (values[1:] + values[:-1]) / 2
    samples = np.arange(1 << 16, dtype=np.uint16).astype(np.int16).astype(np.int32)
    codes = 255 - np.searchsorted(between, np.abs(samples), side="right")
    return np.where(samples < 0, codes ^ 0x80, codes).astype(np.uint8)


def _a_law_table() -> Samples:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(exponent, (2 * mantissa + 33) << np.maximum(exponent - 1, 0), 2 * mantissa + 1)
    return np.where(code & 0x80, 8 * magnitude, -8 * magnitude).astype(np.int16)


_LAW_TABLES: Final = {"µ-law": _mu_law_table(), "A-law": _a_law_table()}
