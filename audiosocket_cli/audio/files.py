"""Audio files in: anything libsndfile reads, and more, mixed to mono and resampled, as slin at the rate asked for.

All is done block by block, as it is asked for: a file of any length, or a pipe without an end, takes no more memory
than a short one. What reads the files is in `reading.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISCHR, S_ISFIFO, S_ISSOCK
from typing import BinaryIO, Final

import numpy as np

from audiosocket_cli.audio.pcm import Samples, to_int16
from audiosocket_cli.audio.pipe_input import spooled
from audiosocket_cli.audio.reading import open_reader
from audiosocket_cli.audio.sample_readers import Floats, Reader
from audiosocket_cli.disk import status_of
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import soxr

_BLOCK_S: Final = 0.25
"""What is converted at once: a few milliseconds of work, in which others wait for Python."""

_BLOCK_SAMPLES: Final = 1 << 17
"""And no more than this, all channels together: a file may say that it has a thousand of them."""

_LOUDEST: Final = 65536.0
"""Far above full scale: floats in a file may go up to 32768. Larger ones, up to 10^38, cannot be computed with."""

_MAX_SAMPLES: Final = 1 << 26
"""128 MB of them, two hours and a third at 8000 Hz: what `load_audio` holds at once."""

STANDARD_INPUT: Final = "standard input"

HELLO: Final = Path(__file__).with_name("hello.wav")
"""A few spoken words that come with the package, for a first call; docs/first-call.md says how they were made."""


@dataclass(slots=True)
class Remarks:
    """What is odd about a sound, known once it was read, and the number of clipped samples."""

    texts: list[str] = field(default_factory=list)
    clipped: int = 0
    """Samples that were limited to the range of 16 bits."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A file, or a pipe, and the part of it that is wanted. Times are in the time of the file."""

    source: Path | bytes | BinaryIO
    """A path, the bytes of a file, or a pipe, which can be read once."""
    gain_db: float = 0.0
    start_s: float = 0.0
    duration_s: float | None = None
    raw_rate_hz: int | None = None
    """The rate of headerless 16-bit mono samples, if a pipe may carry those."""
    never_waits: bool = False
    """Refuse pipes, which may never end, or never begin."""
    path: Path | None = None
    """Where bytes were read, whose suffix may tell what they hold."""

    @property
    def name(self) -> str:
        """Its name for people."""
        path = self.source if isinstance(self.source, Path) else self.path
        return STANDARD_INPUT if path is None else str(path)

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once. Raises `FileError` for a path that may not be looked at."""
        if isinstance(self.source, Path):
            status = status_of(self.source)
            return status is not None and any(is_a(status.st_mode) for is_a in (S_ISFIFO, S_ISCHR, S_ISSOCK))
        return not isinstance(self.source, bytes)

    def kept(self) -> Sound:
        """Return the same sound in a form that can be read repeatedly; a pipe is read to its end. Raises
        `FileError`."""
        if not self.is_pipe:
            return self
        try:
            pipe = self.source.open("rb", buffering=0) if isinstance(self.source, Path) else self.source
            assert not isinstance(pipe, bytes)
            with spooled(pipe, self.name) as file:
                data = file.read()
        except OSError as error:
            raise _cannot_read(self.name, error) from None
        path = self.source if isinstance(self.source, Path) else None
        return replace(self, source=data, path=path)

    def open(self) -> OpenSound:
        """Begin to read it. Raises `FileError` for what is missing, unreadable, or not sound."""
        try:
            if (
                self.never_waits
                and isinstance(self.source, Path)
                and self.source.exists()
                and not self.source.is_file()
            ):
                raise FileError(f"cannot play {self.name}: it is not a file")
            return OpenSound(self, open_reader(self.source, self.name, self.raw_rate_hz, self.path))
        except OSError as error:
            raise _cannot_read(self.name, error) from None
        except ValueError:  # NUL, or half a character
            raise FileError(f"cannot play {self.name!r:.80}: no file can have that name") from None


class OpenSound:
    """A sound being read, once."""

    def __init__(self, sound: Sound, reader: Reader) -> None:
        self.remarks = Remarks(reader.remarks)
        self._converter: soxr.ResampleStream | None = None
        self._sound = sound
        self._reader = reader

    @property
    def duration_s(self) -> float | None:
        """Its length in seconds, or None when that is not known."""
        wanted_s = self._sound.duration_s
        if self._reader.frames is None:
            return None
        left_s = max(0.0, self._reader.frames / self._reader.rate_hz - self._sound.start_s)
        return left_s if wanted_s is None else min(left_s, wanted_s)

    def blocks(self, rate_hz: int) -> Iterator[Samples]:
        """Yield it as int16 mono at `rate_hz`, in blocks, shape (n,); close the file at the end, or when the caller
        stops.

        Channels are averaged. The rate is converted with soxr at high quality, in one stream from the first sample to
        the last, its delay compensated; 16-bit mono at `rate_hz` comes through sample for sample. Raises `FileError`
        for damage, and where there is no audio at all.
        """
        gain = np.float32(10 ** (self._sound.gain_db / 20))
        count = 0
        try:
            for block in self._resampled(rate_hz):
                samples, clipped = to_int16(block * gain if self._sound.gain_db else block)
                self.remarks.clipped += clipped
                count += len(samples)
                if len(samples):
                    yield samples
        except OSError as error:
            raise _cannot_read(self._sound.name, error) from None
        finally:
            self.close()
        if not count:
            in_range = " in that range" if self._sound.start_s or self._sound.duration_s else ""
            raise FileError(f"cannot play {self._sound.name}: it holds no audio{in_range}")

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self.give_up()
        self._reader.close()

    def give_up(self) -> None:
        """Stop the conversion, from any thread. soxr complains about converters that are left when the process ends."""
        self._converter = None

    def _resampled(self, rate_hz: int) -> Iterator[Floats]:
        if self._reader.rate_hz == rate_hz:
            yield from self._mono()
            return
        self._converter = soxr.ResampleStream(self._reader.rate_hz, rate_hz, 1, dtype="float32", quality="HQ")
        damage: FileError | None = None
        try:
            for block in self._mono():
                if self._converter is None:
                    return
                yield self._converter.resample_chunk(block)
        except FileError as error:
            damage = error
        if self._converter is not None:
            yield self._converter.resample_chunk(np.zeros(0, np.float32), last=True)
        self._converter = None
        if damage is not None:
            raise damage  # now that all has been said that came before it

    def _mono(self) -> Iterator[Floats]:
        reader, sound = self._reader, self._sound
        if sound.start_s:
            reader.skip(round(sound.start_s * reader.rate_hz))
        left = math.inf if sound.duration_s is None else round(sound.duration_s * reader.rate_hz)
        most = max(1, min(round(_BLOCK_S * reader.rate_hz), _BLOCK_SAMPLES // reader.channels))
        while left > 0 and len(block := reader.read(int(min(left, most)))):
            left -= len(block)
            np.nan_to_num(block, copy=False, posinf=1.0, neginf=-1.0)  # one NaN would spoil all resampled with it
            np.clip(block, -_LOUDEST, _LOUDEST, out=block)
            yield block.mean(axis=1, dtype=np.float32) if reader.channels > 1 else np.ascontiguousarray(block[:, 0])


@dataclass(frozen=True, slots=True)
class MadeSound:
    """A sound that is made rather than read, such as a tone."""

    name: str
    make: Callable[[int], Samples]
    """Returns it whole, int16 at the rate asked for, shape (n,)."""
    duration_s: float
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def is_pipe(self) -> bool:
        """It can be made again and again."""
        return False

    def open(self) -> MadeSound:
        """Begin to make it."""
        return self

    def blocks(self, rate_hz: int) -> Iterator[Samples]:
        """Yield it as int16 mono at `rate_hz`, shape (n,)."""
        yield self.make(rate_hz)

    def close(self) -> None:
        """Nothing is open."""

    def give_up(self) -> None:
        """Nothing is running."""


def load_audio(source: Path | bytes, rate_hz: int, **wanted: float | None) -> Samples:
    """Load a whole sound, int16 mono at `rate_hz`, shape (n,). `wanted` is what `Sound` takes.

    Raises `FileError` for a file that is missing, unreadable, no audio, empty, or longer than memory should hold.
    """
    sound = Sound(source, **wanted)  # type: ignore[arg-type]
    return joined(sound.open().blocks(rate_hz), sound.name, rate_hz)


def joined(blocks: Iterable[Samples], name: str, rate_hz: int) -> Samples:
    """Return blocks as one, shape (n,). Raises `FileError` when they are more than memory should hold."""
    data = bytearray()  # which grows in its place: hours are in memory once
    for samples in blocks:
        data += samples.data
        if len(data) > _MAX_SAMPLES * samples.itemsize:
            raise FileError(f"cannot play {name}: it is longer than {_MAX_SAMPLES / rate_hz / 3600:.2g} hours")
    return np.frombuffer(data, np.int16)


def _cannot_read(name: str, error: OSError) -> FileError:
    return FileError(f"cannot read {name}: {(error.strerror or str(error)).lower()}")
