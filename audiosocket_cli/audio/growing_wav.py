"""WAV files that grow: valid on disk after every `append`, whatever kills the process next.

libsndfile leaves the header's sizes at 0 until the file is closed, so a crash loses the recording. Here the samples are
written first and then the two sizes are patched in place; nothing is buffered in the process. Files are private to the
user (0600) and never overwrite another.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import struct
from pathlib import Path
from typing import Final

from audiosocket_cli.audio.pcm import Samples, from_slin, mix, to_slin
from audiosocket_cli.disk import sync_folder

HEADER_BYTES: Final = 44
MAX_DATA_BYTES: Final = 0xFFFFFFFF - HEADER_BYTES
"""A WAV file's sizes are 32-bit: beyond this much the next file continues."""

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")

_PART: Final = re.compile(r"(?P<stem>.+)\.part[0-9]{1,4}(?P<suffix>\.[^.]+)")


class GrowingWav:
    """A 16-bit PCM WAV file under construction. Past 4 GiB `NAME.part2.wav` and so on continue it: see `paths`."""

    __slots__ = ("_block_bytes", "_data_bytes", "_fd", "_max_data_bytes", "_names", "channels", "frames", "rate_hz")

    def __init__(self, path: Path, rate_hz: int, channels: int = 1, *, max_data_bytes: int = MAX_DATA_BYTES) -> None:
        """Create `path`, which must not exist yet (`FileExistsError`), as a valid WAV file without samples."""
        self.rate_hz = rate_hz
        self.channels = channels
        self._names = [str(path)]
        self.frames = 0
        self._block_bytes = 2 * channels
        self._fd = -1
        self._data_bytes = 0
        self._max_data_bytes = max_data_bytes - max_data_bytes % self._block_bytes
        self._open(path)

    @property
    def paths(self) -> list[Path]:
        """The files, in order."""
        return list(map(Path, self._names))

    @property
    def duration_s(self) -> float:
        """Seconds of audio written so far, over all parts."""
        return self.frames / self.rate_hz

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate, which only an empty file can."""
        if self.frames:
            raise ValueError("the sample rate of a WAV file that holds samples cannot change")
        self.rate_hz = rate_hz
        os.pwrite(self._fd, self._header(), 0)

    def append(self, data: bytes) -> None:
        """Write interleaved little-endian samples: on return they are in the file, and the file is valid.

        `data` holds whole sample frames (2 bytes x channels). Raises `OSError` when the disk is full or failing; the
        file then stays valid up to the last whole append.
        """
        view = memoryview(data)
        while len(view):
            room = self._max_data_bytes - self._data_bytes
            if not room:
                self._open_next()
                continue
            self._write(view[:room])
            view = view[room:]

    def append_silence(self, frames: int) -> None:
        """Write `frames` samples of silence for each channel: as a hole in the file, which takes no room on most disks.

        Raises `OSError`, as `append` does.
        """
        size = frames * self._block_bytes
        while size:
            room = self._max_data_bytes - self._data_bytes
            if not room:
                self._open_next()
                continue
            step = min(size, room)
            os.ftruncate(self._fd, HEADER_BYTES + self._data_bytes + step)
            self._grown(step)
            size -= step

    def mix_in(self, back: int, channel: int, samples: Samples) -> None:
        """Add samples to those of one channel, from `back` sample frames before the end on. Raises `OSError`."""
        at_bytes = (self.frames - back) * self._block_bytes
        while len(samples):
            part, start = divmod(at_bytes, self._max_data_bytes)
            count = min(len(samples), (self._max_data_bytes - start) // self._block_bytes)
            self._mix_into(self.paths[part], HEADER_BYTES + start, channel, samples[:count])
            at_bytes += count * self._block_bytes
            samples = samples[count:]

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def finish(self) -> None:
        """Put all files on the disk itself, names included.

        Raises `OSError` for what the disk could not take: a write does not report that.
        """
        for path in self.paths:
            with contextlib.suppress(FileNotFoundError):  # somebody has removed it
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        for folder in {path.parent for path in self.paths}:
            with contextlib.suppress(FileNotFoundError):
                sync_folder(folder)

    def abort(self) -> None:
        """Nothing can be aborted."""

    def _open(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._data_bytes = 0
        try:
            _put(self._fd, self._header(), 0)
        except OSError:
            self.close()
            path.unlink()
            raise

    def _open_next(self) -> None:
        self.close()
        path = self._create_part(len(self._names) + 1)
        self._names.append(str(path))

    def _create_part(self, part: int) -> Path:
        """Create the next file, with a number in its name if the name is taken."""
        for number in itertools.count(1):
            path = part_path(self.paths[0], part, number)
            with contextlib.suppress(FileExistsError):
                self._open(path)
                return path
        raise AssertionError("counting never ends")

    def _write(self, view: memoryview) -> None:
        start = HEADER_BYTES + self._data_bytes
        try:
            _put(self._fd, view, start)
        except OSError:
            with contextlib.suppress(OSError):  # where not even that goes, the header tells the truth
                os.ftruncate(self._fd, start)
            raise
        self._grown(len(view))

    def _grown(self, size: int) -> None:
        self._data_bytes += size
        self.frames += size // self._block_bytes
        os.pwrite(self._fd, self._header(), 0)

    def _mix_into(self, path: Path, offset: int, channel: int, samples: Samples) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, len(samples) * self._block_bytes, offset)
            both = from_slin(data).reshape(-1, self.channels).copy()
            both[:, channel] = mix(both[:, channel], samples)
            _put(descriptor, to_slin(both), offset)
        finally:
            os.close(descriptor)

    def _header(self) -> bytes:
        return wav_header(self.rate_hz, self.channels, self._data_bytes)


def _put(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


def part_path(first: Path, part: int, number: int = 1) -> Path:
    """Return the name of the file that continues a WAV file as its `part` from 2 on; `number` is for a name taken."""
    return first.with_name(f"{first.stem}.part{part}{'' if number == 1 else f'-{number}'}{first.suffix}")


def first_of(name: str) -> str:
    """Return the name of the file that one with this name continues, whatever its suffix; else the name itself."""
    found = _PART.fullmatch(name)
    return name if found is None else f"{found['stem']}{found['suffix']}"


def parts_of(first: Path) -> list[Path]:
    """Return the files that have the names of parts that would continue a WAV file."""
    name = re.compile(re.escape(first.stem) + r"\.part\d+(-\d+)?" + re.escape(first.suffix))
    with contextlib.suppress(FileNotFoundError):
        return [first.with_name(each) for each in sorted(os.listdir(first.parent)) if name.fullmatch(each)]
    return []


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """Return the 44 bytes that come before `data_bytes` of 16-bit samples."""
    block_bytes = 2 * channels
    return _HEADER.pack(
        b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE", b"fmt ", 16, 1, channels, rate_hz, rate_hz * block_bytes,
        block_bytes, 16, b"data", data_bytes,
    )  # fmt: skip
