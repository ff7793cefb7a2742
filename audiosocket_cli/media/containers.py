"""Sound files other than WAV: FLAC, Ogg, Opus, MP3 and whatever else libsndfile writes, by the name's suffix.

None of them survives a crash while it grows. So samples go to a growing WAV file first, and the file that was asked for
is made of it when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import soundfile
import soxr

from audiosocket_cli.errors import UsageError
from audiosocket_cli.media.pcm import Samples
from audiosocket_cli.media.wav import GrowingWav

WAV_SUFFIX: Final = ".wav"

_COMMON_RATE_HZ: Final = 48000
"""A rate that every container takes: Opus knows no more, and neither 44100 nor 32000."""

_BLOCK_SAMPLES: Final = 1 << 18


class Container(NamedTuple):
    """What libsndfile calls a format and a subtype."""

    format: str
    subtype: str


_BY_SUFFIX: Final = {
    ".aif": Container("AIFF", "PCM_16"),
    ".oga": Container("OGG", "VORBIS"),
    ".opus": Container("OGG", "OPUS"),
    ".pcm": Container("RAW", "PCM_16"),
    ".raw": Container("RAW", "PCM_16"),
    ".sln": Container("RAW", "PCM_16"),
}
"""Suffixes that are not libsndfile's name of the format, or leave the subtype open. Headerless is little-endian."""


def container_of(path: Path) -> Container:
    """Return the container that a file's suffix stands for. Raises `UsageError` for one that libsndfile cannot write."""
    suffix = path.suffix.lower()
    name = suffix.removeprefix(".").upper()
    found = _BY_SUFFIX.get(suffix)
    if found is None and name in soundfile.available_formats():
        found = Container(name, soundfile.default_subtype(name) or "PCM_16")
    if found is None or not soundfile.check_format(found.format, found.subtype):
        raise UsageError(f"cannot record to {path}: write its name with .wav, .flac, .ogg, .opus, .mp3 or the like")
    return found


class ConvertedFile:
    """A file of any container under construction; until `finish` it is `NAME.unconverted.wav`, which any crash leaves
    valid."""

    def __init__(self, path: Path, rate_hz: int, channels: int = 1) -> None:
        """Take the name of `path`, which must not exist yet (`FileExistsError`). Raises `UsageError` for its suffix."""
        self._container = container_of(path)
        self._path = path
        self._finished = False
        if path.exists():
            raise FileExistsError(path)
        self._wav = GrowingWav(path.with_name(f"{path.stem}.unconverted.wav"), rate_hz, channels)

    @property
    def paths(self) -> list[Path]:
        """The finished file, or the WAV files that it will be made of."""
        return [self._path] if self._finished else self._wav.paths

    @property
    def rate_hz(self) -> int:
        """The sample rate of what is appended."""
        return self._wav.rate_hz

    @property
    def duration_s(self) -> float:
        """Seconds of audio written so far."""
        return self._wav.duration_s

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate, which only an empty file can."""
        self._wav.set_rate(rate_hz)

    def append(self, data: bytes) -> None:
        """Write interleaved little-endian samples, as `GrowingWav.append` does."""
        self._wav.append(data)

    def close(self) -> None:
        """Let go of the WAV file. Twice is fine."""
        self._wav.close()

    def finish(self) -> None:
        """Convert, which takes time, and remove the WAV file. Raises `OSError` when that fails; the WAV file stays."""
        wavs = self._wav.paths
        # Its own suffix last, or libsndfile takes the name's for another format.
        part = self._path.with_name(f"{self._path.stem}.part{self._path.suffix}")
        try:
            self._convert(wavs, part)
            part.replace(self._path)
        except (OSError, soundfile.SoundFileError) as error:
            part.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise OSError(0, f"cannot convert to {self._path.name}: {reason} (kept as {wavs[0].name})") from None
        self._finished = True
        for wav in wavs:
            wav.unlink(missing_ok=True)

    def _convert(self, wavs: list[Path], path: Path) -> None:
        rate_hz = self._wav.rate_hz
        os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        try:
            out = self._open(path, rate_hz)
        except soundfile.LibsndfileError:
            rate_hz = _COMMON_RATE_HZ
            out = self._open(path, rate_hz)
        with out:
            for block in _resampled(_blocks(wavs), self._wav.rate_hz, rate_hz, self._wav.channels):
                out.write(block)

    def _open(self, path: Path, rate_hz: int) -> soundfile.SoundFile:
        endian = "LITTLE" if self._container.format == "RAW" else "FILE"
        return soundfile.SoundFile(path, "w", rate_hz, self._wav.channels, self._container.subtype, endian,
                                   self._container.format)  # fmt: skip


def _blocks(wavs: list[Path]) -> Iterator[Samples]:
    for wav in wavs:
        with soundfile.SoundFile(wav) as file:
            yield from file.blocks(_BLOCK_SAMPLES, dtype="int16")


def _resampled(blocks: Iterator[Samples], from_hz: int, to_hz: int, channels: int) -> Iterator[Samples]:
    if from_hz == to_hz:
        yield from blocks
        return
    converter = soxr.ResampleStream(from_hz, to_hz, channels, dtype="int16")
    for block in blocks:
        yield converter.resample_chunk(block)
    empty = np.zeros((0, channels) if channels > 1 else 0, np.int16)
    yield converter.resample_chunk(empty, last=True)
