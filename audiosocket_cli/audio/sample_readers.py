"""The formats that we read ourselves, block by block: headerless samples, samples in WAV files, and G.722."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE, decode_law, guess_texture, to_int16, to_slin
from audiosocket_cli.audio.pipe_input import VAST_BYTES
from audiosocket_cli.audio.recognition import (
    HEAD_BYTES,
    ffmpeg_cure,
    why_not_slin,
)
from audiosocket_cli.audio.wav_header import WavHeader, fault_after
from audiosocket_cli.codec import SAMPLE_BYTES
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import install_line

Floats = NDArray[np.float32]

JOIN: Final = "sox part1.{0} part2.{0} whole.wav joins files so that players read all of it"

_WAV_HEADER: Final = re.compile(rb"WAVE(?:fmt |ds64|JUNK|bext|LIST)")
"""In samples, it is the header of another file that was joined to the first."""
_WAV_HEADER_BYTES: Final = 8

_SKIPPED_BYTES: Final = 1 << 16

_EXCERPT_BYTES: Final = 2400

_ALIGNED_BYTES: Final = 12  # whole samples of 16, 24 and 32 bits

_JUDGED_BYTES: Final = 1 << 16
"""So much of headerless samples is judged at once, and in all, by what they sound like."""

_AFTER_BYTES: Final = 2048
"""As much of what follows a sound in a pipe is looked at."""


COMPRESSED: Final = (
    "it is as noisy as compressed or encrypted bytes are: is it another format? … | ffmpeg -f FORMAT -i - -f wav - | "
    "audiosocket play -"
)
"""The remark on headerless samples that may be none."""


class Reader(Protocol):
    """A sound file that is read once. `frames` is how many it has, or None when that is not known."""

    rate_hz: int
    channels: int
    frames: int | None
    remarks: list[str]

    def read(self, frames: int) -> Floats:
        """Return up to `frames` frames as float32 in -1.0 to 1.0, shape (n, channels); none at the end.

        Raises `FileError` for damage, and `OSError`.
        """

    def skip(self, frames: int) -> None:
        """Skip `frames` frames, or all that are left."""

    def close(self) -> None:
        """Close the file. Safe to call twice."""


CODING_BYTES: Final = {
    "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip


class SampleReader:
    """Reads little-endian samples, headerless or in a WAV file, from the file's current position on."""

    def __init__(
        self, file: BinaryIO, header: WavHeader, name: str, *, frames: int | None = None, limit: int | None = None
    ) -> None:
        """Read on from `header.data_at`; `limit` is how many bytes there should be of a pipe, and are of a file."""
        assert header.coding is not None
        self.rate_hz, self.channels, self.frames = header.rate_hz, header.channels, frames
        if limit is not None:
            self.frames = limit // header.block_bytes
        self.remarks: list[str] = []
        self._file, self._header, self._name = file, header, name
        self._coding = header.coding
        self._left: float = math.inf if limit is None else limit
        self._rest = b""
        self._last = b""
        if file.seekable():
            file.seek(header.data_at)

    def read(self, frames: int) -> Floats:
        size = self._header.block_bytes
        data = self._rest
        while len(data) < size:
            if self._left < size:
                if self._file.seekable() or not self._goes_on():
                    break
                data = self._rest
            elif more := self._file.read(int(min(frames * size, self._left)) - len(data)):
                data += more
            else:
                if self._left < math.inf and not self._file.seekable():
                    self.remarks.append(cut_short(self._header, int(self._left) - len(data)))
                break
        if len(data) < size:
            self._rest, self._left = b"", 0
            return np.zeros((0, self.channels), np.float32)
        whole = len(data) // size * size
        self._rest = data[whole:]
        self._left -= whole
        if self._header.data_at:
            self._look_for_header(data[:whole])
        return floats(data[:whole], self._coding).reshape(-1, self.channels)

    def skip(self, frames: int) -> None:
        size = min(frames * self._header.block_bytes, self._left)
        if self._file.seekable() and size < math.inf:
            self._file.seek(int(size), os.SEEK_CUR)
            self._left -= size
        else:
            read_past(self, frames)

    def close(self) -> None:
        self._file.close()

    def _look_for_header(self, data: bytes) -> None:
        """Remark on a second WAV file among samples whose length is not known, or was made up."""
        remark = joined_remark("WAV", "the header of each is heard as a click")
        if _WAV_HEADER.search(self._last + data) and remark not in self.remarks:
            self.remarks.append(remark)
        self._last = (self._last + data[1 - _WAV_HEADER_BYTES :])[1 - _WAV_HEADER_BYTES :]

    def _goes_on(self) -> bool:
        """Whether more samples than 32 bits can count follow in a pipe, rather than other chunks."""
        following = read_fully(self._file, _AFTER_BYTES)
        left = len(following) if len(following) < _AFTER_BYTES else VAST_BYTES  # nobody knows how much comes
        fault = fault_after(self._header, self._file, left, following)
        if fault is None:
            return False
        if fault.is_joined:
            raise FileError(f"cannot play all of {self._name}: {fault.what}; {JOIN.format('wav')}")
        self.remarks.append(fault.what)
        if not fault.goes_on:
            return False
        self._rest, self._left = following, math.inf
        return True


class SlinReader(SampleReader):
    """Headerless 16-bit mono samples, as long as their bytes are not clearly something else."""

    def __init__(self, file: BinaryIO, rate_hz: int, name: str) -> None:
        frames = length_of(file, 0, SAMPLE_BYTES)
        self._excerpt = bytearray()
        self._to_judge = _JUDGED_BYTES
        self._name, self.rate_hz = name, rate_hz
        super().__init__(file, WavHeader("PCM_16", rate_hz, 1, SAMPLE_BYTES, 0, None), name, frames=frames)
        self._judge(read_fully(file, HEAD_BYTES))  # before anybody is called
        self._excerpt.clear()
        file.seek(0)

    def read(self, frames: int) -> Floats:
        block = super().read(frames)
        if self._to_judge > 0:
            self._judge(to_slin(to_int16(block[:, 0])[0]))
        return block

    def _judge(self, data: bytes) -> None:
        """Raise `FileError` where bytes are not slin, until it is clear that they are, or enough was heard."""
        self._excerpt += data
        quiet = len(self._excerpt) - len(self._excerpt.lstrip(self._excerpt[:1]))
        del self._excerpt[: quiet // _ALIGNED_BYTES * _ALIGNED_BYTES]  # silence tells nothing
        if len(self._excerpt) < _EXCERPT_BYTES:
            return
        excerpt = bytes(self._excerpt[: len(self._excerpt) // _ALIGNED_BYTES * _ALIGNED_BYTES])
        reason = why_not_slin(excerpt, self.rate_hz)
        if reason is not None:
            raise FileError(f"cannot play {self._name}: {reason}")
        del self._excerpt[: len(excerpt)]
        texture = guess_texture(excerpt)
        self._to_judge -= self._to_judge if texture == "slin" else len(excerpt)
        if texture == "compressed" and COMPRESSED not in self.remarks:
            self.remarks.append(COMPRESSED)


class G722Reader:
    """ITU-T G.722 at 64 kbit/s, as Asterisk stores it. Needs the extra `g722`."""

    rate_hz = 16000
    channels = 1

    def __init__(self, file: BinaryIO, name: str, path: Path | None) -> None:
        try:
            from G722 import G722
        except ImportError:
            cure = f"{install_line('G722')}, or {ffmpeg_cure(path, '-f g722')}"
            raise FileError(f"cannot play {name}: it is G.722, which needs a decoder: {cure}") from None
        self.remarks: list[str] = []
        size = length_of(file, 0, 1)
        self.frames: int | None = None if size is None else size * 2
        self._file = file
        self._decoder = G722(self.rate_hz, 64000)

    def read(self, frames: int) -> Floats:
        data = self._file.read(max(1, frames // 2))
        samples = np.frombuffer(self._decoder.decode(data), np.int16) if data else np.zeros(0, np.int16)
        return (samples.astype(np.float32) / np.float32(FULL_SCALE)).reshape(-1, 1)

    def skip(self, frames: int) -> None:
        read_past(self, frames)

    def close(self) -> None:
        self._file.close()


def floats(data: bytes, coding: str) -> Floats:
    """Return little-endian samples as float32 in -1.0 to 1.0, exactly as libsndfile converts them."""
    match coding:
        case "FLOAT":
            return np.frombuffer(data, "<f4").astype(np.float32)
        case "DOUBLE":
            with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is infinite, as in libsndfile
                return np.frombuffer(data, "<f8").astype(np.float32)
        case "PCM_16":
            return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(FULL_SCALE)
        case "PCM_U8":
            return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
        case "PCM_24":
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)
        case "PCM_32":
            return np.frombuffer(data, "<i4").astype(np.float32) / np.float32(1 << 31)
        case _:
            law = {"ULAW": "µ-law", "ALAW": "A-law"}[coding]
            return decode_law(data, law).astype(np.float32) / np.float32(FULL_SCALE)


def joined_remark(kind: str, heard: str) -> str:
    return f"several {kind} files are joined in it, and {heard}; {JOIN.format(kind.lower())}"


def cut_short(header: WavHeader, missing_bytes: int) -> str:
    missing_s = missing_bytes / header.block_bytes / header.rate_hz
    return f"it is cut short: {missing_s:.2f} s that its header promises are missing"


def length_of(file: BinaryIO, start: int, block_bytes: int) -> int | None:
    """Return how many blocks there are from `start` to the end of a file; None for a pipe."""
    if not file.seekable():
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(start)
    return max(0, size - start) // block_bytes


def read_fully(file: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def read_past(reader: Reader, frames: int) -> None:
    most = max(1, _SKIPPED_BYTES // reader.channels)
    while frames > 0 and len(block := reader.read(min(frames, most))):
        frames -= len(block)
