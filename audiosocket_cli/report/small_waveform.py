"""The small waveform of a recording: some hundred bars over all of it, read in blocks, whatever its length.

A bar is the largest sample of its part of the recording, for the caller and for the server.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, within_scale
from audiosocket_cli.audio.reading import is_plausible_rate, open_reader
from audiosocket_cli.audio.wav_header import WavHeader, read_wav_header
from audiosocket_cli.errors import FileError

Block = NDArray[np.int16] | NDArray[np.float32]

_BLOCK_FRAMES: Final = 1 << 18
"""Frames that are in memory at once: 1 MB of a stereo recording."""

_MAX_CHANNELS: Final = 64
"""A file with more is not a recording of a call."""


class SmallWaveform(NamedTuple):
    """How loud a recording is, bar by bar, and as a whole."""

    bars: bytes
    """For each bar the peak of the first and of the last channel, 0 to 127 each. A recording with fewer samples than
    bars has fewer bars."""
    channels: int
    rate_hz: int
    duration_s: float
    levels: tuple[float, ...]
    """The mean square of each of the two, 0.0 to 1.0."""

    @property
    def text(self) -> str:
        """The bars as base64."""
        return base64.b64encode(self.bars).decode()


class _Source(Protocol):
    """A part of a recording that is read from its beginning to its end."""

    rate_hz: int
    channels: int
    frames: int

    def blocks(self) -> Iterator[Block]:
        """Yield its samples, shape (n, channels): int16, or float32 in -1.0 to 1.0."""


def small_waveform(paths: Sequence[Path], bars: int) -> SmallWaveform:
    """Return the waveform of the parts of a recording, which follow each other.

    Raises `FileError` for what cannot be read, and `OSError`.
    """
    sources = [_source_of(path) for path in paths]
    frames = sum(source.frames for source in sources)
    peaks = np.zeros((max(1, min(bars, frames)), 2))
    power = np.zeros(2)
    at = 0
    for source in sources:
        for block in source.blocks():
            if at + len(block) > frames:  # it has grown meanwhile
                block = block[: frames - at]
            if len(block):
                _take(peaks, power, block, at, frames)
            at += len(block)
    first = sources[0]
    shown = np.ceil(np.minimum(peaks, 1.0) * 127).astype(np.uint8)
    return SmallWaveform(
        shown.tobytes(), first.channels, first.rate_hz, sum(each.frames / each.rate_hz for each in sources),
        tuple(map(float, power / max(1, at))),
    )  # fmt: skip


def _take(peaks: NDArray[np.float64], power: NDArray[np.float64], block: Block, at: int, frames: int) -> None:
    """Note the samples of a block, which begins at frame `at` of all `frames`."""
    bars = len(peaks)
    first, last = at * bars // frames, (at + len(block) - 1) * bars // frames
    begins = -(-np.arange(first, last + 1) * frames // bars) - at
    begins[0] = 0
    scale = 1 / FULL_SCALE if block.dtype == np.int16 else 1.0
    for side, channel in enumerate((0, -1)):
        signal = block[:, channel]
        highest, lowest = (ufunc.reduceat(signal, begins).astype(float) for ufunc in (np.maximum, np.minimum))
        shown = peaks[first : last + 1, side]
        np.maximum(shown, np.maximum(highest, -lowest) * scale, out=shown)
        wide = signal.astype(np.float32)
        power[side] += float(np.dot(wide, wide)) * scale * scale


class _PlainWav:
    """A WAV file of 16 bits, as recordings usually are: read as it is, up to its end."""

    def __init__(self, path: Path, header: WavHeader) -> None:
        self.rate_hz, self.channels = header.rate_hz, header.channels
        there = max(0, path.stat().st_size - header.data_at)
        told = there if header.is_marker or not header.data_bytes else header.data_bytes
        self.frames = min(there, told) // header.block_bytes
        self._path, self._at = path, header.data_at

    def blocks(self) -> Iterator[Block]:
        left = self.frames
        with self._path.open("rb") as file:
            file.seek(self._at)
            while left > 0:
                samples = np.fromfile(file, "<i2", min(left, _BLOCK_FRAMES) * self.channels)
                count = len(samples) // self.channels
                if not count:
                    return
                yield samples[: count * self.channels].reshape(-1, self.channels)
                left -= count


class _AnySound:
    """What `open_reader` reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with contextlib.closing(open_reader(path, str(path))) as reader:
            self.rate_hz, self.channels = reader.rate_hz, reader.channels
            if reader.frames is None:
                raise FileError(f"cannot show {path}: its length is not known")
            self.frames = reader.frames

    def blocks(self) -> Iterator[Block]:
        with contextlib.closing(open_reader(self._path, str(self._path))) as reader:
            while len(block := reader.read(_BLOCK_FRAMES // self.channels)):
                yield within_scale(block)


def _source_of(path: Path) -> _Source:
    with path.open("rb") as file:
        header = read_wav_header(file)
    is_plain = header is not None and header.coding == "PCM_16" and header.channels <= _MAX_CHANNELS
    if header is not None and is_plain and is_plausible_rate(header.rate_hz):
        source: _Source = _PlainWav(path, header)
    else:
        source = _AnySound(path)
    if source.channels > _MAX_CHANNELS:
        raise FileError(f"cannot show {path}: it has {source.channels} channels")
    return source
