"""Sound files other than WAV: FLAC, Ogg, Opus, MP3 and whatever else libsndfile writes, by the name's suffix.

None of them survives a crash while it grows. So samples go to a growing WAV file first, and the file that was asked for
is made of it when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.disk import HalfMade
from audiosocket_cli.errors import UsageError
from audiosocket_cli.libraries import soundfile, soxr

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WAV_SUFFIX: Final = ".wav"

UNCONVERTED_SUFFIX: Final = f".unconverted{WAV_SUFFIX}"

_COMMON_RATE_HZ: Final = 48000
"""A rate that every container takes: it is the highest of Opus, which takes neither 44100 nor 32000."""

_BLOCK_SAMPLES: Final = 1 << 18

_UNFIT: Final = {"HTK", "MPC2K", "SD2", "SDS", "SVX", "WVE", "XI"}
"""Formats that cannot hold every call. libsndfile 1.2 writes them without an error, but they play at another speed
above 8000 to 65535 Hz (depending on the format), take one channel only, or (SD2) are two files."""


class Container(NamedTuple):
    """A format and a subtype, as libsndfile names them."""

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
"""Suffixes that are not the name of the format in libsndfile, or that have several subtypes. Headerless samples are
little-endian."""


def container_of(path: Path) -> Container:
    """Return the container that a file's suffix stands for. Raises `UsageError` for one that cannot hold a call."""
    suffix = path.suffix.lower()
    name = suffix.removeprefix(".").upper()
    found = _BY_SUFFIX.get(suffix)
    if found is None and name in soundfile.available_formats().keys() - _UNFIT:
        lossless = soundfile.check_format(name, "PCM_16")
        found = Container(name, "PCM_16" if lossless else str(soundfile.default_subtype(name)))
    if found is None or not soundfile.check_format(found.format, found.subtype):
        folder = (
            "" if path.suffix or path.name.startswith(".") or "{" in path.name else f", or {path}{os.sep} for a folder"
        )
        raise UsageError(
            f"cannot record to {path}: write its name with .wav, .flac, .ogg, .opus, .mp3 or the like{folder}"
        )
    return found


def unconverted_path(path: Path) -> Path:
    """Return the name of the WAV file that grows until `path` is made of it."""
    return path.with_name(path.stem + UNCONVERTED_SUFFIX)


class ConvertedFile:
    """A file of any container under construction. Until `finish` it is `NAME.unconverted.wav`, which stays valid in any
    crash."""

    def __init__(self, path: Path, rate_hz: int, channels: int = 1) -> None:
        """Take the name of `path`, which must not exist yet (`FileExistsError`). Raises `UsageError` for its suffix."""
        self._container = container_of(path)
        self._path = path
        self._finished = False
        self._aborted = threading.Event()
        self._wav = GrowingWav(unconverted_path(path), rate_hz, channels)
        # Only now: a process that had the name before us made `path` before it removed its WAV file.
        if os.path.lexists(path):
            self._wav.close()
            unconverted_path(path).unlink(missing_ok=True)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)

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

    def append_silence(self, frames: int) -> None:
        """Write silence, as `GrowingWav.append_silence` does."""
        self._wav.append_silence(frames)

    def mix_in(self, back: int, channel: int, samples: Samples) -> None:
        """Add samples to those of one channel, as `GrowingWav.mix_in` does."""
        self._wav.mix_in(back, channel, samples)

    def close(self) -> None:
        """Close the WAV file. Safe to call twice."""
        self._wav.close()

    def finish(self) -> None:
        """Convert, which takes time, and remove the WAV file. Raises `OSError` when that fails; the WAV file stays."""
        wavs = self._wav.paths
        try:
            self._convert(wavs)
        except (OSError, soundfile.LibsndfileError) as error:
            reason = f"cannot convert to {self._path.name}: {_reason(error)} (kept as {wavs[0].name})"
            raise OSError(0, reason) from None
        self._finished = True
        for wav in wavs:
            wav.unlink(missing_ok=True)

    def abort(self) -> None:
        """Stop a conversion; the WAV file stays."""
        self._aborted.set()

    def _convert(self, wavs: list[Path]) -> None:
        half = HalfMade.unnamed(self._path.parent, self._path.suffix)
        try:
            with _Disk(half.descriptor) as disk:
                try:
                    self._write(wavs, disk)
                finally:
                    disk.raise_failure()
            half.name(self._path)
        except BaseException:
            half.drop()
            raise

    def _write(self, wavs: list[Path], disk: _Disk) -> None:
        with contextlib.closing(self._open(disk)) as out:
            for block in _resampled(_blocks(wavs), self._wav.rate_hz, out.samplerate, self._wav.channels):
                if self._aborted.is_set():
                    raise OSError(errno.EINTR, "stopped at once")
                out.write(block)
            if not out.frames:  # FLAC, MP3 and Opus without a sample are not files that anything opens
                out.write(np.zeros((1, out.channels), np.int32))
            written, rate_hz = out.frames, out.samplerate
        if not disk.reports_errors:
            self._read_again(disk, written, rate_hz)

    def _read_again(self, disk: _Disk, written: int, rate_hz: int) -> None:
        """Read the file again where failed writes are not reported. Raises `OSError` unless all that was written is
        there."""
        disk.seek(0)
        raw = {"format": "RAW", "subtype": self._container.subtype, "samplerate": rate_hz,
               "channels": self._wav.channels} if self._container.format == "RAW" else {}  # fmt: skip
        with soundfile.SoundFile(disk.fileno(), closefd=False, **raw) as file:
            found = sum(len(block) for block in file.blocks(_BLOCK_SAMPLES, dtype="int16"))
        if found < written:
            raise OSError(errno.EIO, f"the disk took {found} of {written} samples")

    def _open(self, disk: _Disk) -> soundfile.SoundFile:
        try:
            return self._open_at(self._wav.rate_hz, disk)
        except soundfile.LibsndfileError:
            return self._open_at(_COMMON_RATE_HZ, disk)

    def _open_at(self, rate_hz: int, disk: _Disk) -> soundfile.SoundFile:
        endian = "LITTLE" if self._container.format == "RAW" else "FILE"
        kind = ("w", rate_hz, self._wav.channels, self._container.subtype, endian, self._container.format)
        try:
            return soundfile.SoundFile(disk, *kind)
        except MemoryError:
            # The system forbids memory that is written and then executed (MemoryDenyWriteExecute=yes in a systemd
            # unit), of which cffi makes functions that a library can call: libsndfile cannot write to objects.
            disk.reports_errors = False
            return soundfile.SoundFile(disk.fileno(), *kind, closefd=False)


class _Disk(io.FileIO):
    """A file for libsndfile to write to, which keeps the error of a failed write. libsndfile reports none on closing,
    when it writes the last block of a FLAC and all of a short Vorbis file, and only "System error" before that."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r+", closefd=False)
        self.reports_errors = True
        """Whether libsndfile calls `write`, rather than writing to the descriptor itself."""
        self._error: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, or remember why not."""
        view = memoryview(data)
        try:
            while len(view):
                view = view[super().write(view) :]
        except OSError as error:
            self._error = self._error or error
        return memoryview(data).nbytes - len(view)

    def raise_failure(self) -> None:
        """Raise the `OSError` of any write that failed."""
        if self._error is not None:
            raise self._error


def _reason(error: OSError | soundfile.LibsndfileError) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error.error_string)
    return text.strip().rstrip(".").lower()


def _blocks(wavs: list[Path]) -> Iterator[NDArray[np.int32]]:
    """Yield samples left-justified in 32 bits. libsndfile up to 1.2.2 garbles stereo MP3 that is written as int16
    (libsndfile pull request 1106); 16-bit containers get the same samples either way."""
    for wav in wavs:
        # By its descriptor: libsndfile opens names so that every program inherits the file that starts meanwhile.
        with wav.open("rb") as opened, soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            yield from file.blocks(_BLOCK_SAMPLES, dtype="int32")


def _resampled(
    blocks: Iterator[NDArray[np.int32]], from_hz: int, to_hz: int, channels: int
) -> Iterator[NDArray[np.int32]]:
    if from_hz == to_hz:
        yield from blocks
        return
    converter = soxr.ResampleStream(from_hz, to_hz, channels, dtype="int32")
    for block in blocks:
        yield converter.resample_chunk(block)
    empty = np.zeros((0, channels) if channels > 1 else 0, np.int32)
    yield converter.resample_chunk(empty, last=True)
