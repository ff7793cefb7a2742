"""The picture of a recording, channel by channel: outline, spectrogram and levels, read once and in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from audiosocket_cli.analysis.peaks import PeakLevel, Peaks
from audiosocket_cli.analysis.recorded_speech import RecordedSpeechFinder
from audiosocket_cli.analysis.spectrogram import Spectrogram, SpectrogramBuilder
from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.audio.pcm import FULL_SCALE, Samples, power_to_dbfs, to_int16, within_scale
from audiosocket_cli.audio.reading import open_reader
from audiosocket_cli.audio.sample_readers import Floats, Reader
from audiosocket_cli.errors import FileError
from audiosocket_cli.text import counted

MAX_CHANNELS: Final = 2
"""A call has two sides."""

_BLOCK_SAMPLES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class ChannelPicture:
    """One channel."""

    level_dbfs: float | None
    """Its level over all; None where there are no samples."""
    peak_dbfs: float | None
    peaks: list[PeakLevel]
    spectrogram: Spectrogram
    stretches: Stretches


@dataclass(frozen=True, slots=True)
class SoundPicture:
    """A recording."""

    rate_hz: int
    duration_s: float
    channels: list[ChannelPicture]
    remarks: list[str]
    """What is odd about its files."""


class SoundFiles:
    """A recording of one file, or of several that continue each other, to be read more than once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Look at the first file. Raises `FileError` for what is not sound, or has more than two channels, and
        `OSError`."""
        self.paths = list(paths)
        self.remarks: list[str] = []
        """What is odd about the files, known once they were read."""
        reader = self._open(self.paths[0])
        self.rate_hz, self.channels, self.frames = reader.rate_hz, reader.channels, reader.frames
        reader.close()

    def blocks(self) -> Iterator[Floats]:
        """Yield all as blocks of shape (n, channels), up to damage, or to a file that does not continue the others:
        that is a remark. Raises `FileError` where nothing can be read, and `OSError`."""
        self.remarks.clear()
        for number, path in enumerate(self.paths):
            try:
                reader = self._open(path)
            except (FileError, OSError) as error:
                if not number:
                    raise
                self.remarks.append(f"cannot show {counted(len(self.paths) - number, 'more file')}: {error}")
                return
            if (reader.rate_hz, reader.channels) != (self.rate_hz, self.channels):
                reader.close()
                what = f"{path} has another rate, or other channels, than {self.paths[0]}"
                self.remarks.append(f"cannot show {counted(len(self.paths) - number, 'more file')}: {what}")
                return
            yield from self._blocks_of(reader)

    def _blocks_of(self, reader: Reader) -> Iterator[Floats]:
        try:
            while len(block := reader.read(_BLOCK_SAMPLES)):
                yield block
            self.remarks += reader.remarks
        except FileError as error:
            self.remarks.append(str(error))  # what came before the damage is shown
        finally:
            reader.close()

    def _open(self, path: Path) -> Reader:
        reader = open_reader(path, str(path))
        if reader.channels > MAX_CHANNELS:
            reader.close()
            raise FileError(
                f"{path} has {reader.channels} channels: a call has two sides; sox IN OUT remix 1 2 takes two of them"
            )
        return reader


def picture_of(sound: SoundFiles) -> SoundPicture:
    """Read a recording once. Raises `FileError` and `OSError`."""
    painters = [_Painter(sound.rate_hz) for _ in range(sound.channels)]
    for block in sound.blocks():
        for painter, signal in zip(painters, block.T, strict=True):
            painter.take(_as_samples(signal))
    duration_s = painters[0].samples / sound.rate_hz
    return SoundPicture(sound.rate_hz, duration_s, [each.picture() for each in painters], list(sound.remarks))


def _as_samples(signal: Floats) -> Samples:
    return to_int16(within_scale(signal))[0]


class _Painter:
    """Takes the samples of one channel."""

    def __init__(self, rate_hz: int) -> None:
        self.samples = 0
        self._energy = 0.0
        self._peak = 0
        self._peaks = Peaks(rate_hz)
        self._spectrogram = SpectrogramBuilder(rate_hz)
        self._speech = RecordedSpeechFinder(rate_hz)

    def take(self, samples: Samples) -> None:
        wide = samples.astype(np.float64)
        self.samples += len(samples)
        self._energy += float(np.dot(wide, wide))
        self._peak = max(self._peak, int(np.abs(wide).max()))
        self._peaks.take(samples)
        self._spectrogram.take(samples)
        self._speech.take(samples)

    def picture(self) -> ChannelPicture:
        level_dbfs = peak_dbfs = None
        if self.samples:
            level_dbfs = power_to_dbfs(self._energy / self.samples / FULL_SCALE**2)
            peak_dbfs = power_to_dbfs((self._peak / FULL_SCALE) ** 2)
        return ChannelPicture(
            level_dbfs,
            peak_dbfs,
            self._peaks.levels(),
            self._spectrogram.finish(),
            self._speech.finish().stretches,
        )
