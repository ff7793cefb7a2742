"""The header of a WAV file, and whether its sizes are true: they are wrong after a crash, from a pipe, past 4 GiB.

For writing WAV files see `growing_wav.py`.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, Final, NamedTuple

_MARKERS: Final = (0x7FFE, 0x7FFF, 0xFFFE, 0xFFFF)
"""The upper half of sizes that mean "until the end", less the length of headers: sox writes 0x7FFFF000, ffmpeg
0xFFFFFFFF."""

_MAX_CHUNKS: Final = 1000
_MAX_AFTER_BYTES: Final = 1024
"""Up to this much after the samples is taken for padding, whatever it holds."""

_MAX_SKIPPED_BYTES: Final = 64 << 20
"""So much of a pipe is read after the samples to find what is joined to them."""

_FILES: Final = (b"RIFF", b"RF64", b"BW64")
"""How WAV files begin."""

_START_BYTES: Final = 12
"""As much of a WAV file tells that it is one."""

_WRAPPED_BYTES: Final = (1 << 32) - 65536
"""From this much on, what follows the samples is more samples, which a size of 32 bits could not count."""

_CODINGS: Final = {
    (1, 8): "PCM_U8", (1, 16): "PCM_16", (1, 24): "PCM_24", (1, 32): "PCM_32", (3, 32): "FLOAT", (3, 64): "DOUBLE",
    (6, 8): "ALAW", (7, 8): "ULAW",
}  # fmt: skip
"""Format tag and bits of uncompressed samples, and what libsndfile calls them."""


UNKNOWN_LENGTH: Final = "its header does not say how long it is: it is played to the end of the file"


class WavHeader(NamedTuple):
    """What a WAV file says of itself."""

    coding: str | None
    """What libsndfile calls its samples; None for those that are coded in blocks, such as GSM."""
    rate_hz: int
    channels: int
    block_bytes: int
    data_at: int
    """Where its samples begin."""
    data_bytes: int | None
    """How many bytes of them there are, as the header says; None where it says that this is not known."""

    @property
    def is_marker(self) -> bool:
        """Whether `data_bytes` means "until the end", unless the file really holds that many."""
        return self.data_bytes is None or self.data_bytes >> 16 in _MARKERS


class WavFault(NamedTuple):
    """What is wrong with a WAV file's length, in words."""

    what: str
    is_joined: bool = False
    goes_on: bool = True
    """Whether all of the rest is samples; otherwise there are as many as the header says."""


def read_wav_header(file: BinaryIO) -> WavHeader | None:
    """Read from a file's beginning up to its samples; None for what is not a WAV file of little-endian samples.

    The file is anywhere after that.
    """
    if not _begins_file(file.read(_START_BYTES)):
        return None
    at, found, long_bytes = 12, None, None
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        name, size = struct.unpack("<4sI", head)
        at += 8
        if name == b"data":
            return found and found._replace(data_at=at, data_bytes=_data_bytes(size, long_bytes))
        body = file.read(min(size, 40))
        if name == b"fmt ":
            found = _format_of(body)
        elif name == b"ds64" and len(body) >= 16:
            long_bytes = struct.unpack_from("<Q", body, 8)[0]
        at += size + (size & 1)
        _skip(file, size + (size & 1) - len(body))
    return None


def fault_of(header: WavHeader, size: int, file: BinaryIO) -> WavFault | None:
    """Compare a header with the `size` of its file; None where they agree. Moves to anywhere in the file."""
    there = size - header.data_at
    said = header.data_bytes
    if said is None or (said > there and header.is_marker):
        return WavFault(UNKNOWN_LENGTH)
    if said > there:
        return WavFault(
            f"it is cut short: its header promises {_seconds(header, said)}, but it has {_seconds(header, there)}"
        )
    file.seek(header.data_at + said)
    return fault_after(header, file, there - said)


def fault_after(header: WavHeader, file: BinaryIO, left: int, begun: bytes = b"") -> WavFault | None:
    """Judge what follows the samples, `left` bytes: more samples, or chunks, up to another file.

    `begun` was read of it already. A pipe is read on, but where more samples follow, no further than 13 bytes.
    """
    ahead = _Ahead(file, begun)
    padding = (header.data_bytes or 0) & 1
    for number in range(_MAX_CHUNKS):
        following = ahead.peek(_START_BYTES + 1)
        starts = (following[padding:], following)  # some writers do not pad
        if any(map(_begins_file, starts)):
            return WavFault("several WAV files are joined in it", is_joined=True)
        passed = next((at for at, start in zip((padding, 0), starts, strict=True) if _is_chunk(start, left)), None)
        if passed is None or (not number and _WRAPPED_BYTES <= left < 1 << 62):
            return _more(header) if not number and left >= _MAX_AFTER_BYTES else None
        name, size = struct.unpack_from("<4sI", following, passed)
        if name == b"data":
            return WavFault("more samples follow in a second data chunk, and only the first is played", goes_on=False)
        padding, length = size & 1, passed + 8 + size
        if not ahead.skip(length):
            return None
        left -= length
    return None


def _more(header: WavHeader) -> WavFault:
    said = _seconds(header, header.data_bytes or 0)
    return WavFault(f"its header says {said}, but the file has more: it is played to the end of the file")


class _Ahead:
    """Reads on in a file, of which some was read already."""

    def __init__(self, file: BinaryIO, begun: bytes) -> None:
        self._file, self._data = file, begun
        self._skipped = 0

    def peek(self, size: int) -> bytes:
        """Return the next bytes, up to `size`."""
        while len(self._data) < size and (more := self._file.read(size - len(self._data))):
            self._data += more
        return self._data[:size]

    def skip(self, size: int) -> bool:
        """Pass bytes; False where that is too much to read."""
        beyond = max(0, size - len(self._data))
        self._data = self._data[size:]
        if self._file.seekable():
            self._file.seek(beyond, os.SEEK_CUR)
            return True
        self._skipped += beyond
        if self._skipped > _MAX_SKIPPED_BYTES:
            return False
        _skip(self._file, beyond)
        return True


def _begins_file(head: bytes) -> bool:
    return head[:4] in _FILES and head[8:_START_BYTES] == b"WAVE"


def _is_chunk(head: bytes, left: int) -> bool:
    """Whether bytes begin like one of the chunks that may follow the samples, rather than like samples."""
    name = head[:4].rstrip(b" \0")
    is_name = len(name) > 1 and name.isascii() and name.decode().isprintable()
    return is_name and len(head) >= 8 and struct.unpack_from("<I", head, 4)[0] <= left


def _seconds(header: WavHeader, size: int) -> str:
    if header.coding is None:
        return f"{size} bytes"
    return f"{size / header.block_bytes / header.rate_hz:.2f} s"


def _format_of(body: bytes) -> WavHeader | None:
    if len(body) < 16:
        return None
    tag, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == 0xFFFE and len(body) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the tag begins the GUID
        tag = struct.unpack_from("<H", body, 24)[0]
    coding = _CODINGS.get((tag, bits))
    if not channels or not rate_hz or block_bytes != channels * bits // 8:
        coding = None
    return WavHeader(coding, rate_hz, channels, block_bytes, 0, None)


def _data_bytes(size: int, long_bytes: int | None) -> int | None:
    if size == 0xFFFFFFFF and long_bytes is not None:
        return long_bytes or None
    return size


def _skip(file: BinaryIO, size: int) -> None:
    while size > 0 and (data := file.read(min(size, 65536))):
        size -= len(data)
