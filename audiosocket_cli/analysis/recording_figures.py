"""What a recording sounds like, channel by channel, where nothing else is known of its call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import (
    SILENCE_DBFS,
    SPEECH_POWER,
    Excerpt,
    power_to_dbfs,
    to_int16,
    to_slin,
    within_scale,
)
from audiosocket_cli.audio.reading import open_reader
from audiosocket_cli.audio.sample_readers import Floats, Reader
from audiosocket_cli.errors import FileError

_PTIME_S: Final = 0.02
_BLOCK_S: Final = 1.0
_EXCERPT_BYTES: Final = 16_000
"""Of each channel the first loud second at 8 kHz, and as many samples of other rates, is looked at closely."""
_LIMIT: Final = 32124 / 32768
"""The largest sample that µ-law can hold: a phone's audio may be clipped there."""
_EXCERPTS: Final = 3
_MAX_SPECTRA: Final = 3000
_MIN_SPECTRA: Final = 25
_EDGE: Final = 4
"""Lines of a spectrum at both of its ends that say nothing: of an offset, and of the filters of a telephone."""
_MIN_LINES: Final = 32
"""A spectrum with fewer lines, of a very low rate, tells nothing."""
_MIN_FLAT: Final = 0.75
_MIN_FLAT_FRAME: Final = 0.3
"""How even the spectrum of noise is at least, of all of it and of a frame: 0.84 and 0.37 for µ-law read as samples,
0.99 and 0.56 for most else; speech has 0.2 and 0.02, clipped speech 0.33 and 0.1 (the sounds of docs/finding/)."""


@dataclass(slots=True)
class Channel:
    """The figures of one channel."""

    peak: float = 0.0
    """The largest sample, 0.0 to 1.0."""
    clipped: float = 0.0
    """The share of samples at the limit, 0.0 to 1.0."""
    offset: float = 0.0
    """The mean sample, -1.0 to 1.0."""
    power: float = 0.0
    """The mean square, 0.0 to 1.0."""
    loud_s: float = 0.0
    """Seconds in which something can be heard."""
    excerpts: list[Excerpt] = field(default_factory=list)
    """The first loud pieces, without the zeros between short frames."""

    spectra: int = 0
    """So many loud frames are in `spectrum`, the sum of their power, and in `flatness`, the sum of theirs."""
    spectrum: NDArray[np.float64] | None = None
    flatness: float = 0.0

    @property
    def level_dbfs(self) -> float:
        """Its level, `SILENCE_DBFS` for silence."""
        return power_to_dbfs(self.power) if self.power else SILENCE_DBFS

    @property
    def peak_dbfs(self) -> float:
        """Its loudest sample, `SILENCE_DBFS` for silence."""
        return power_to_dbfs(self.peak**2) if self.peak else SILENCE_DBFS

    @property
    def law(self) -> str | None:
        """ "µ-law" or "A-law" when its bytes make better sense as that, in all excerpts."""
        return _agreed([excerpt.law for excerpt in self.excerpts])

    @property
    def disorder(self) -> str | None:
        """What `Excerpt.disorder` says of all excerpts, or None."""
        return _agreed([excerpt.disorder for excerpt in self.excerpts])

    @property
    def is_noise(self) -> bool:
        """Whether what is loud is as even over all frequencies as noise, and speech is never."""
        if self.spectrum is None or self.spectra < _MIN_SPECTRA:
            return False
        return float(_flatness(self.spectrum)) > _MIN_FLAT and self.flatness / self.spectra > _MIN_FLAT_FRAME

    @property
    def is_compressed(self) -> bool:
        """Whether all excerpts are as noisy as compressed bytes."""
        return _agreed([excerpt.texture for excerpt in self.excerpts]) == "compressed"


@dataclass(frozen=True, slots=True)
class RecordingFigures:
    """The figures of a recording."""

    rate_hz: int
    duration_s: float
    channels: list[Channel]
    remarks: list[str]
    """What is odd about the file."""


def measure_recording(path: Path) -> RecordingFigures:
    """Read a sound file in blocks, and measure it, up to where it is damaged.

    Raises `FileError` for one that cannot be read, and `OSError`.
    """
    reader = open_reader(path, str(path))
    try:
        measure = RecordingMeasure(reader.rate_hz, reader.channels)
        for block in _blocks(reader, measure.block_size):
            measure.take(block)
        return measure.finish(reader.remarks)
    finally:
        reader.close()


class RecordingMeasure:
    """Measures a recording that comes in blocks."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._frame = max(1, round(rate_hz * _PTIME_S))
        self._channels = [Channel() for _ in range(channels)]
        self._kept = [bytearray() for _ in range(channels)]
        self._samples = 0
        self.block_size = max(self._frame, round(rate_hz * _BLOCK_S) // self._frame * self._frame)
        """The samples of a channel that `take` wants: whole frames of 20 ms."""

    def take(self, block: Floats) -> None:
        """Take the next `block_size` samples, shape (n, channels); fewer at the end only."""
        self._samples += len(block)
        for channel, kept, signal in zip(self._channels, self._kept, block.T, strict=True):
            _take(channel, kept, within_scale(signal), self._frame)

    def finish(self, remarks: Sequence[str]) -> RecordingFigures:
        """No more is coming: return the figures; `remarks` say what is odd about the file."""
        for channel in self._channels:
            channel.clipped, channel.offset, channel.power = (
                sum_ / max(1, self._samples) for sum_ in (channel.clipped, channel.offset, channel.power)
            )
            channel.loud_s *= _PTIME_S
        return RecordingFigures(self._rate_hz, self._samples / self._rate_hz, self._channels, list(remarks))


def _blocks(reader: Reader, size: int) -> Iterator[Floats]:
    """Yield what can be read; damage after that is a remark of the reader."""
    is_begun = False
    try:
        while len(block := reader.read(size)):
            is_begun = True
            yield block
    except FileError as error:
        if not is_begun:
            raise
        reader.remarks.append(str(error))


def _take(channel: Channel, kept: bytearray, signal: NDArray[np.float32], frame: int) -> None:
    """Add one block to the sums of a channel."""
    wide = signal.astype(np.float64)
    size = np.abs(wide)
    channel.peak = min(1.0, max(channel.peak, float(size.max())))
    channel.clipped += float((size >= _LIMIT).sum())
    channel.offset += float(wide.sum())
    channel.power += float((wide * wide).sum())
    whole = wide[: len(wide) // frame * frame].reshape(-1, frame)
    loud = (whole - whole.mean(axis=1, keepdims=True)).var(axis=1) > SPEECH_POWER
    channel.loud_s += int(loud.sum())
    if channel.spectra < _MAX_SPECTRA and loud.any():
        _add_spectra(channel, whole[loud])
    if len(channel.excerpts) < _EXCERPTS and loud.any():
        kept += b"".join(_without_padding(whole[loud]))
        if len(kept) >= _EXCERPT_BYTES:
            channel.excerpts.append(Excerpt(bytes(kept[:_EXCERPT_BYTES])))
            kept.clear()


def _add_spectra(channel: Channel, frames: NDArray[np.float64]) -> None:
    power = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]), axis=1)) ** 2
    power = power[:, _EDGE:-_EDGE]
    if power.shape[1] < _MIN_LINES:
        return
    channel.spectra += len(power)
    channel.spectrum = power.sum(axis=0) + (0.0 if channel.spectrum is None else channel.spectrum)
    channel.flatness += float(_flatness(power).sum())


def _flatness(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how even spectra are, 0.0 to 1.0: power by frequency, shape (…, n)."""
    even: NDArray[np.float64] = np.exp(np.log(power + 1e-12).mean(axis=-1)) / (power.mean(axis=-1) + 1e-12)
    return even


def _without_padding(frames: NDArray[np.float64]) -> Iterator[bytes]:
    """Yield frames as slin, each without the zeros after its last sample: a short frame is padded so."""
    for each in frames:
        (there,) = np.nonzero(each)
        yield to_slin(to_int16(each[: there[-1] + 1].astype(np.float32))[0])


def _agreed(found: list[str | None]) -> str | None:
    """Return what all excerpts are found to be; None where they differ, or there is none."""
    return found[0] if found and all(each == found[0] for each in found) else None
