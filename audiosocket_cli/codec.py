"""The AudioSocket codec: frames to bytes and back. No I/O, no clock, no opinion on who may send what.

A frame is one byte of kind, a 16-bit big-endian length and that many bytes of payload. Any byte sequence is a valid
run of frames, so the only thing a decoder can find wrong is an end of input inside a frame. Kinds unknown to us
survive byte for byte. What Asterisk accepts, and when, lives in `asterisk`.

Source: Asterisk `include/asterisk/res_audiosocket.h` and `res/res_audiosocket.c`.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final
from uuid import UUID

from audiosocket_cli.errors import FrameError, IncompleteFrameError

HEADER_BYTES: Final = 3
MAX_PAYLOAD_BYTES: Final = 0xFFFF
UUID_BYTES: Final = 16
SAMPLE_BYTES: Final = 2
DIGITS: Final = "0123456789*#ABCD"

_HEADER = struct.Struct(">BH")


class Kind(IntEnum):
    """The kinds of frame that Asterisk defines; a frame's `kind` may be any other byte too."""

    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    SLIN = 0x10
    SLIN12 = 0x11
    SLIN16 = 0x12
    SLIN24 = 0x13
    SLIN32 = 0x14
    SLIN44 = 0x15
    SLIN48 = 0x16
    SLIN96 = 0x17
    SLIN192 = 0x18
    ERROR = 0xFF


_NAMES: Final[dict[int, str]] = {kind: kind.name.lower() for kind in Kind}

RATE_BY_KIND: Final[dict[int, int]] = {
    Kind.SLIN: 8000,
    Kind.SLIN12: 12000,
    Kind.SLIN16: 16000,
    Kind.SLIN24: 24000,
    Kind.SLIN32: 32000,
    Kind.SLIN44: 44100,
    Kind.SLIN48: 48000,
    Kind.SLIN96: 96000,
    Kind.SLIN192: 192000,
}
"""Sample rate in Hz of each audio kind (signed 16-bit little-endian mono)."""

KIND_BY_RATE: Final[dict[int, Kind]] = {rate_hz: Kind(kind) for kind, rate_hz in RATE_BY_KIND.items()}


class ErrorCode(IntFlag):
    """Bits of an error frame's optional one-byte code (`enum ast_audiosocket_error_code` in Asterisk)."""

    HANGUP = 1
    FRAME = 2
    MEMORY = 4


ERROR_MEANINGS: Final[dict[ErrorCode, str]] = {
    ErrorCode.HANGUP: "the calling party hung up",
    ErrorCode.FRAME: "a frame could not be forwarded",
    ErrorCode.MEMORY: "out of memory",
}


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One frame: `kind` is 0 to 255, known or not; `payload` is 0 to 65535 bytes."""

    kind: int
    payload: bytes = b""

    def __repr__(self) -> str:
        shown = self.payload[:8].hex(" ") + (" …" if len(self.payload) > 8 else "")
        return f"Frame({kind_name(self.kind)}, {len(self.payload)} bytes{': ' if shown else ''}{shown})"


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes, header and payload in one piece, to be sent with one `send`.

    Raises `FrameError` when the kind is not a byte or the payload is longer than 65535 bytes.
    """
    if not 0 <= frame.kind <= 0xFF:
        raise FrameError(f"kind {frame.kind} is not a byte (0 to 255)", kind=frame.kind)
    if len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(
            f"payload of {len(frame.payload)} bytes is longer than the {MAX_PAYLOAD_BYTES} a frame can hold",
            kind=frame.kind,
        )
    return _HEADER.pack(frame.kind, len(frame.payload)) + frame.payload


class FrameDecoder:
    """Bytes in, in pieces of any size; whole frames out.

    >>> decoder = FrameDecoder()
    >>> decoder.feed(b"\\x03\\x00")
    []
    >>> decoder.feed(b"\\x015\\x00\\x00\\x00")
    [Frame(dtmf, 1 bytes: 35), Frame(hangup, 0 bytes)]
    """

    __slots__ = ("_last_bytes", "_last_header", "_offset", "_tail", "_wanted_bytes")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._wanted_bytes = HEADER_BYTES
        self._offset = 0
        self._last_header = b""
        self._last_bytes = 0

    @property
    def offset(self) -> int:
        """Where the next frame starts: bytes of whole frames returned so far."""
        return self._offset

    @property
    def buffered(self) -> bytes:
        """The bytes of the unfinished frame at `offset`; empty between frames, never a whole frame."""
        return bytes(self._tail)

    @property
    def inside_frame(self) -> bool:
        """Whether a frame has begun that is not whole yet."""
        return bool(self._tail)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take the next bytes of the stream and return the frames that they complete, in order."""
        whole, starts = self.take(data)
        ends = [*starts[1:], len(whole)]  # no frames leave one too many
        return [
            Frame(whole[start], whole[start + HEADER_BYTES : end]) for start, end in zip(starts, ends, strict=False)
        ]

    def take(self, data: bytes | bytearray | memoryview, most: int = sys.maxsize) -> tuple[bytes, list[int]]:
        """Take the next bytes of the stream and return whole frames as they are, in one piece, and where each begins.

        `most` frames at most: what is left waits for the next call, which may bring no bytes.
        """
        if type(data) is not bytes:
            data = bytes(data)
        if self._tail:
            self._tail += data
            # A frame that drips in byte by byte is joined once, not copied for each byte.
            if len(self._tail) < self._wanted_bytes:
                return b"", []
            data = bytes(self._tail)
            self._tail.clear()
        starts: list[int] = []
        start, last, size = 0, 0, len(data)
        wanted = HEADER_BYTES
        while size - start >= HEADER_BYTES and len(starts) < most:
            end = start + HEADER_BYTES + (data[start + 1] << 8 | data[start + 2])
            if end > size:
                wanted = end - start
                break
            starts.append(start)
            last, start = start, end
        if starts:
            self._last_bytes = start - last
            self._last_header = data[last : last + HEADER_BYTES]
        if start < size:
            self._tail += data[start:]
            self._wanted_bytes = wanted
        self._offset += start
        return data[:start], starts

    def take_equal(self, data: bytes, most: int = sys.maxsize) -> int:
        """Take the next bytes if they are whole frames with the header of the last one, and return how many.

        Else, or if they are more than `most`, take nothing and return 0: they are for `feed` or `take`. What a call
        mostly consists of costs no more than this.
        """
        size, header = self._last_bytes, self._last_header
        if not size or self._tail or len(data) > most * size or not data.startswith(header):
            return 0
        count = 1
        if len(data) != size:
            count, rest = divmod(len(data), size)
            if rest:
                return 0
            for start in range(size, len(data), size):
                if not data.startswith(header, start):
                    return 0
        self._offset += len(data)
        return count

    def count_equal(self, size_bytes: int) -> int:
        """Return how many frames as long as the last one the next `size_bytes` are; 0 if they cannot be such."""
        size = self._last_bytes
        if not size or self._tail or size_bytes % size:
            return 0
        return size_bytes // size

    def pass_over(self, count: int) -> int:
        """Hear that the next `count` frames, all with the header of the last one, were taken elsewhere; returns the
        bytes of each."""
        self._offset += count * self._last_bytes
        return self._last_bytes

    def finish(self) -> None:
        """Say that the stream has ended. Raises `IncompleteFrameError` when it ended inside a frame."""
        if not self._tail:
            return
        kind = self._tail[0]
        expected = None
        if len(self._tail) >= HEADER_BYTES:
            expected = HEADER_BYTES + _HEADER.unpack_from(self._tail)[1]
        raise IncompleteFrameError(
            offset=self._offset, kind=kind, received_bytes=len(self._tail), expected_bytes=expected
        )


def peek_header(data: bytes) -> tuple[int, int] | None:
    """Return (kind, payload length in bytes) of the frame that starts `data`, or None before its header is whole."""
    if len(data) < HEADER_BYTES:
        return None
    kind, length = _HEADER.unpack_from(data)
    return kind, length


def kind_name(kind: int) -> str:
    """Return the kind's name in the field's words (`slin16`, `dtmf`), or `0x7f` for one that has none."""
    return _NAMES.get(kind) or f"0x{kind:02x}"


def kind_named(name: str) -> int:
    """Return the kind of a name that `kind_name` gives; raises `ValueError` for any other."""
    try:
        return Kind[name.upper()]
    except KeyError:
        pass
    if len(name) == 4 and name.startswith("0x"):
        return int(name, 16)
    raise ValueError(f"{name!r} is not a kind: choose from {', '.join(kind_name(kind) for kind in Kind)}, 0x00 to 0xff")


def is_audio(kind: int) -> bool:
    """Whether frames of this kind carry slin samples."""
    return kind in RATE_BY_KIND


def rate_of(kind: int) -> int:
    """Return the sample rate in Hz of an audio kind; raises `FrameError` for a kind that carries no audio."""
    try:
        return RATE_BY_KIND[kind]
    except KeyError:
        raise FrameError(f"kind {kind_name(kind)} carries no audio", kind=kind) from None


def kind_of(rate_hz: int) -> Kind:
    """Return the audio kind of a sample rate in Hz; raises `ValueError` for a rate that has none."""
    try:
        return KIND_BY_RATE[rate_hz]
    except KeyError:
        rates = ", ".join(map(str, KIND_BY_RATE))
        raise ValueError(f"no kind carries {rate_hz} Hz (choose from {rates})") from None


def uuid_frame(uuid: UUID) -> Frame:
    """Return the frame with which Asterisk opens a call: 16 raw bytes, not 36 characters."""
    return Frame(Kind.UUID, uuid.bytes)


def decode_uuid(payload: bytes) -> UUID:
    """Return the UUID in a UUID frame's payload; raises `FrameError` unless it has 16 bytes."""
    if len(payload) != UUID_BYTES:
        raise FrameError(f"a UUID has {UUID_BYTES} bytes, not {len(payload)}", kind=Kind.UUID)
    return UUID(bytes=payload)


def digit_frame(digit: str) -> Frame:
    """Return the frame of one DTMF digit (0-9, *, #, A-D); raises `FrameError` for anything else."""
    if len(digit) != 1 or digit not in DIGITS:
        raise FrameError(f"{digit!r} is not a DTMF digit (one of {DIGITS})", kind=Kind.DTMF)
    return Frame(Kind.DTMF, digit.encode("ascii"))


def decode_digit(payload: bytes) -> str:
    """Return the digit in a DTMF frame's payload; raises `FrameError` unless it is one known digit."""
    digit = payload.decode("latin-1")
    if len(digit) != 1 or digit not in DIGITS:
        raise FrameError(f"payload {payload[:8].hex(' ') or 'of 0 bytes'} is not a DTMF digit", kind=Kind.DTMF)
    return digit


def describe_error(payload: bytes) -> str:
    """Return what an error frame says in words, for every payload: no code, known bits, unknown bits, more bytes."""
    if not payload:
        return "no code given"
    if len(payload) > 1:
        return f"unknown code {payload[:8].hex(' ')}{' …' if len(payload) > 8 else ''}"
    code = payload[0]
    meanings = [text for bit, text in ERROR_MEANINGS.items() if code & bit]
    unknown = code & ~sum(ERROR_MEANINGS)
    if unknown or not meanings:
        meanings.append(f"unknown code 0x{unknown:02x}")
    return " and ".join(meanings)
