"""A piece of a recording as a file of its own: the same rate, channels and format, sample for sample where that is
lossless."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from audiosocket_cli.audio.containers import WAV_SUFFIX, ConvertedFile
from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.audio.pcm import to_int16, to_slin
from audiosocket_cli.audio.reading import open_reader
from audiosocket_cli.audio.sample_readers import Reader
from audiosocket_cli.errors import FileError

_BLOCK: Final = 1 << 16

_ALL_S: Final = 1e9

_LOSSY: Final = {".mp3", ".oga", ".ogg", ".opus"}
_LOSSY_OFF_S: Final = 0.1
"""In these a piece may become longer or shorter, by less than this."""


def cut(files: Sequence[Path], out: Path, from_s: float, to_s: float) -> float:
    """Write what a recording holds from one second to another into a new file, and return how many seconds that is.

    `files` are the recording, in order; `out` has their suffix. There is no file where the recording holds nothing
    there. Raises `FileError` for a recording that cannot be read, `OSError` for a file that cannot be written, and
    `FileExistsError` where it exists. Until it is finished it is not whole.
    """
    sink: GrowingWav | ConvertedFile | None = None
    written = rate_hz = 0
    try:
        for reader, start, frames in _spans(files, from_s, to_s):
            if sink is None:
                rate_hz = reader.rate_hz
                make = GrowingWav if out.suffix.lower() == WAV_SUFFIX else ConvertedFile
                sink = make(out, rate_hz, reader.channels)
            written += _copy(reader, start, frames, sink.append)
        if sink is not None:
            sink.close()
            sink.finish()
    except BaseException:
        if sink is not None:
            with contextlib.suppress(OSError):
                sink.close()
            for path in sink.paths:
                path.unlink(missing_ok=True)
        raise
    return written / rate_hz if sink is not None else 0.0


def holds(pieces: Sequence[Path], files: Sequence[Path], from_s: float, to_s: float) -> bool:
    """Whether files are what `cut` makes: as long, and with the same samples unless their format loses some. Raises
    `FileError` for a recording that cannot be read."""
    try:
        found_s = _seconds(pieces, 0, _ALL_S)
    except (FileError, OSError):
        return False
    wanted_s = _seconds(files, from_s, to_s)
    if pieces[0].suffix.lower() in _LOSSY:
        return abs(found_s - wanted_s) < _LOSSY_OFF_S
    return found_s == wanted_s and _digest(pieces, 0, _ALL_S) == _digest(files, from_s, to_s)


def _seconds(files: Sequence[Path], from_s: float, to_s: float) -> float:
    return sum(frames / reader.rate_hz for reader, _, frames in _spans(files, from_s, to_s))


def _digest(files: Sequence[Path], from_s: float, to_s: float) -> bytes:
    digest = hashlib.blake2b()
    for reader, start, frames in _spans(files, from_s, to_s):
        _copy(reader, start, frames, digest.update)
    return digest.digest()


def _spans(files: Sequence[Path], from_s: float, to_s: float) -> Iterator[tuple[Reader, int, int]]:
    """Yield the files that hold some of it, each with the first frame and the number of frames wanted of it."""
    begins_s = 0.0
    for path in files:
        reader = open_reader(path, str(path))
        try:
            if reader.frames is None:
                raise FileError(f"cannot cut {path}: its length is not known")
            start = round(max(0.0, from_s - begins_s) * reader.rate_hz)
            end = min(reader.frames, round((to_s - begins_s) * reader.rate_hz))
            if start < end:
                yield reader, start, end - start
            begins_s += reader.frames / reader.rate_hz
        finally:
            reader.close()
        if begins_s >= to_s:
            break


def _copy(reader: Reader, start: int, frames: int, take: Callable[[bytes], object]) -> int:
    reader.skip(start)
    left = frames
    while left and len(block := reader.read(min(left, _BLOCK))):
        left -= len(block)
        take(to_slin(to_int16(block)[0]))
    return frames - left
