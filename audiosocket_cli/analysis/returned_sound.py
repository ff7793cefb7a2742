"""A sound that went through a telephone system, found again in what came out: its delay, its level, what is missing.

The sound is noise that lies within the band of any telephone. It is made at each sample rate from the same spectrum, so
that what was said at 48 kHz is known at 8 kHz, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import (
    FULL_SCALE,
    SILENCE_DBFS,
    SPEECH_POWER,
    Samples,
    level_dbfs,
    power_to_dbfs,
    to_int16,
)
from audiosocket_cli.codec import RATE_BY_KIND
from audiosocket_cli.runs import FrameRun

PROBE_S: Final = 2.0
"""The length of the sound. Every rate has a whole number of samples in it."""

PROBE_DBFS: Final = -20.0
"""Its level: that of somebody who speaks on the telephone."""

BLOCK_S: Final = 0.1
"""The sound is looked for in blocks of this length."""

_BAND_HZ: Final = (300.0, 2000.0)
"""Up to here, half a sample's shift at 8 kHz, which a resampler may make, costs little of the correlation."""

_SYLLABLES_HZ: Final = 4.0
_FOUND: Final = 0.7
"""A block counts as found from this correlation on. Noise that has nothing to do with it stays below 0.4."""

_NEAR_S: Final = 0.005
"""How far from where the last block was found the next is looked for first."""

_TONE_WIDTH_HZ: Final = 15.0
_AUDIBLE_DBFS: Final = -50.0


def probe_sound(seed: int, rate_hz: int) -> Samples:
    """Return `PROBE_S` of noise in syllables, shape (n,), of `PROBE_DBFS`. A seed sounds the same at each rate."""
    size = round(PROBE_S * rate_hz)
    first, last = (round(hz * PROBE_S) for hz in _BAND_HZ)
    generator = np.random.default_rng(seed)
    spectrum = np.zeros(size // 2 + 1, np.complex128)
    spectrum[first:last] = np.exp(2j * np.pi * generator.random(last - first))
    noise = np.fft.irfft(spectrum, size)
    at_s = np.arange(size) / rate_hz
    noise *= 0.6 + 0.4 * np.sin(2 * np.pi * _SYLLABLES_HZ * at_s)
    return to_int16(noise * (10 ** (PROBE_DBFS / 20) / np.sqrt(np.mean(np.square(noise)))))[0]


class Stream(NamedTuple):
    """Audio of one rate, as it passed."""

    rate_hz: int
    samples: Samples
    """All of it, shape (n,)."""
    ends: NDArray[np.int64]
    """The number of samples up to the end of each frame, shape (frames,)."""
    at_s: NDArray[np.float64]
    """When each frame passed, shape (frames,)."""

    def time_of(self, number: int) -> float:
        """Return when a sample passed: the last one of a frame with its frame, those before it by as much earlier."""
        frame = min(int(np.searchsorted(self.ends, number, side="right")), len(self.ends) - 1)
        return float(self.at_s[frame]) - (int(self.ends[frame]) - 1 - number) / self.rate_hz


class Passed:
    """What one side of a call sent: its frames as they passed, up to a bound."""

    MAX_BYTES: Final = 16 << 20

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, int]] = Counter()
        """Frames by kind and payload bytes."""
        self._kept: list[tuple[int, NDArray[np.uint8], NDArray[np.float64]]] = []
        self._bytes = 0

    def add(self, run: FrameRun, epoch_s: float) -> None:
        """Take frames; `epoch_s` is what their times count from, on the clock that all are put on."""
        for kind, payloads, at_s in run.equal():
            self.counts[kind, payloads.shape[1]] += len(payloads)
            if kind in RATE_BY_KIND and self._bytes < self.MAX_BYTES:
                self._bytes += payloads.size
                self._kept.append((kind, payloads, at_s + epoch_s))

    @property
    def audio(self) -> dict[tuple[int, int], int]:
        """Audio frames by kind and payload bytes."""
        return {key: count for key, count in self.counts.items() if key[0] in RATE_BY_KIND}

    def stream(self, kind: int) -> Stream:
        """Return all audio of a kind."""
        kept = [(payloads, at_s) for one, payloads, at_s in self._kept if one == kind and payloads.shape[1] > 1]
        sizes = [np.full(len(payloads), payloads.shape[1] // 2, np.int64) for payloads, _ in kept]
        samples = [np.ascontiguousarray(p[:, : p.shape[1] // 2 * 2]).reshape(-1).view("<i2") for p, _ in kept]
        if not kept:
            return Stream(RATE_BY_KIND[kind], np.zeros(0, np.int16), np.zeros(0, np.int64), np.zeros(0))
        return Stream(
            RATE_BY_KIND[kind], np.concatenate(samples), np.cumsum(np.concatenate(sizes)),
            np.concatenate([at_s for _, at_s in kept]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Returned:
    """What of a sound came out."""

    blocks: int
    """Its blocks of `BLOCK_S`."""
    missing: int
    """Those that were not found."""
    correlation: float = 0.0
    """How like the sound the found ones are, 0.0 to 1.0, by the median."""
    gain_db: float = 0.0
    """How much louder they came out, by the median."""
    delay_s: float = 0.0
    """From saying to hearing, by the median."""
    worst_delay_s: float = 0.0

    @property
    def missing_s(self) -> float:
        """Seconds of the sound that were not found."""
        return self.missing * BLOCK_S

    @property
    def is_heard(self) -> bool:
        """Whether any of it came out."""
        return self.missing < self.blocks


def find_again(sound: Samples, said: Stream, heard: Stream) -> Returned:
    """Find a sound in what was heard.

    `sound` is the sound at the rate of `heard`, shape (n,); `said` tells when it was said, from its first sample that
    is not zero on.
    """
    size = round(BLOCK_S * heard.rate_hz)
    blocks = np.asarray(sound[: len(sound) // size * size], np.float64).reshape(-1, size)
    begun = int(np.argmax(said.samples != 0)) if len(said.samples) else 0
    finder = _Finder(heard.samples, size)
    found = [finder.find(block, number) for number, block in enumerate(blocks)]
    matches = [(number, match) for number, match in enumerate(found) if match is not None and len(said.ends)]
    if not matches:
        return Returned(len(blocks), len(blocks))
    last = size - 1
    delays = [
        heard.time_of(match.at + last)
        - said.time_of(begun + round((number * size + last) * said.rate_hz / heard.rate_hz))
        for number, match in matches
    ]
    return Returned(
        len(blocks),
        len(blocks) - len(matches),
        float(np.median([match.correlation for _, match in matches])),
        float(np.median([match.gain_db for _, match in matches])),
        float(np.median(delays)),
        max(delays),
    )


class _Match(NamedTuple):
    at: int
    correlation: float
    gain_db: float


class _Finder:
    """Looks for blocks in what was heard."""

    def __init__(self, heard: Samples, size: int) -> None:
        self._heard = heard.astype(np.float64)
        self._size = size
        self._lag: int | None = None
        """Where the last block was found, less where it was in the sound."""
        sums = np.concatenate([[0.0], np.cumsum(np.square(self._heard))])
        self._energies = np.maximum(sums[size:] - sums[:-size], 1.0) if len(heard) >= size else np.zeros(0)
        """That of as many samples as a block has, from each on."""

    def find(self, block: NDArray[np.float64], number: int) -> _Match | None:
        """Return where a block is, at first near where it should be."""
        if not len(self._energies):
            return None
        match = None
        if self._lag is not None:
            near = round(_NEAR_S / BLOCK_S * self._size)
            due = number * self._size + self._lag
            match = self._best(block, due - near, due + near + 1)
        match = match or self._best(block, 0, len(self._energies))
        if match is not None:
            self._lag = match.at - number * self._size
        return match

    def _best(self, block: NDArray[np.float64], first: int, end: int) -> _Match | None:
        """Return the best place from `first` up to `end`, if the block is there."""
        first, end = max(0, first), min(end, len(self._energies))
        if first >= end:
            return None
        part = self._heard[first : end + self._size - 1]
        full = 1 << (len(part) + self._size).bit_length()  # other lengths may take a hundred times as long
        products = np.fft.irfft(np.fft.rfft(part, full) * np.conj(np.fft.rfft(block, full)), full)[: end - first]
        energy = float(np.dot(block, block))
        correlations = products / np.sqrt(self._energies[first:end] * max(energy, 1.0))
        best = int(np.argmax(correlations))
        correlation = min(1.0, float(correlations[best]))
        if correlation < _FOUND:
            return None
        gain_db = 10 * float(np.log10(self._energies[first + best] / max(energy, 1.0)))
        return _Match(first + best, correlation, gain_db)


class HeardTone(NamedTuple):
    """The strongest tone of what was heard."""

    frequency_hz: float
    level_dbfs: float
    """The level of all that was heard while it was not silent."""
    purity: float
    """The tone's share of the power, 0.0 to 1.0."""
    length_s: float
    """How long it was not silent."""


def heard_tone(stream: Stream) -> HeardTone | None:
    """Return the strongest tone, or None where nothing but silence was heard."""
    step = stream.rate_hz // 50
    rows = stream.samples[: len(stream.samples) // step * step].reshape(-1, step).astype(np.float64)
    limit = np.square(FULL_SCALE * 10 ** (_AUDIBLE_DBFS / 20))
    audible = rows[np.mean(np.square(rows), axis=1) > limit] if len(rows) else rows
    if not len(audible):
        return None
    sound = audible.reshape(-1)
    spectrum = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))
    hz = np.fft.rfftfreq(len(sound), 1 / stream.rate_hz)
    peak_hz = float(hz[int(np.argmax(spectrum))])
    width_hz = max(_TONE_WIDTH_HZ, 3 * stream.rate_hz / len(sound))
    share = float(spectrum[np.abs(hz - peak_hz) < width_hz].sum() / spectrum.sum())
    return HeardTone(peak_hz, level_dbfs(sound.astype(np.int16)), share, len(audible) * step / stream.rate_hz)


class HeardSound(NamedTuple):
    """What was heard, whatever it was."""

    audio_s: float
    """Seconds of audio, silence too."""
    first_s: float
    """When its first frame came, on the clock of the stream."""
    loud_from_s: float | None
    """When the first frame came that is loud enough to be speech; None: none was."""
    level_dbfs: float
    """That of the frames that are."""
    longest_gap_s: float
    """The longest time without a frame, up to the last one."""


def heard_sound(stream: Stream) -> HeardSound | None:
    """Return what was heard, or None where no audio came."""
    if not len(stream.ends):
        return None
    starts = np.concatenate([[0], stream.ends[:-1]])
    energies = np.add.reduceat(np.square(stream.samples.astype(np.float64)), starts)
    powers = energies / np.maximum(stream.ends - starts, 1) / FULL_SCALE**2
    loud = np.flatnonzero(powers > SPEECH_POWER)
    steps_s = np.diff(stream.at_s)
    return HeardSound(
        len(stream.samples) / stream.rate_hz,
        float(stream.at_s[0]),
        float(stream.at_s[loud[0]]) if len(loud) else None,
        power_to_dbfs(float(np.mean(powers[loud]))) if len(loud) else SILENCE_DBFS,
        float(steps_s.max()) if len(steps_s) else 0.0,
    )


def level_of(streams: Sequence[Stream]) -> float:
    """Return the level of all that was heard, in dBFS; `SILENCE_DBFS` where that is nothing."""
    samples = [stream.samples for stream in streams if len(stream.samples)]
    return level_dbfs(np.concatenate(samples)) if samples else SILENCE_DBFS
