"""Raw captures: the bytes of one direction, as `nc` and `socat` keep them. No times: audio tells how much has passed.

Nothing marks such a file as what it is, so every header is held against what is really sent; one that is not is damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from audiosocket_cli.capture.items import CallNames, CapturedCall, Damage, Ended, Item, Opened, Over
from audiosocket_cli.capture.resync import MAX_CHAIN_BYTES, find_frames, is_plausible
from audiosocket_cli.capture.runs import Run, frames_of
from audiosocket_cli.capture.window import READ_BYTES, Window
from audiosocket_cli.codec import (
    HEADER_BYTES,
    RATE_BY_KIND,
    SAMPLE_BYTES,
    UUID_BYTES,
    Kind,
    decode_uuid,
    kind_name,
)
from audiosocket_cli.model import Side

_FIRST_LOOK: Final = 1024
"""This many frames are compared with the first; if all are alike, eight times as many come next."""

_MAX_ERROR: Final = 64
_SIZES: Final[dict[int, int]] = {Kind.UUID: UUID_BYTES, Kind.DTMF: 1, Kind.HANGUP: 0}
_KNOWN: Final = frozenset(Kind)
_DIGITS: Final = 9
"""Media times are whole nanoseconds, as all others."""
_ZEROS: Final = bytes(2 * HEADER_BYTES + 1)
"""Two hangups may be; what goes on like that is a hole in the file."""


class RawReader:
    """Reads runs of equal frames; each UUID begins another call."""

    def __init__(self, window: Window, *, resync: bool) -> None:
        self._window = window
        self._resync = resync
        self._names = CallNames()
        self._call: CapturedCall | None = None
        self._side = Side.SERVER
        self._media_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        for found in self.runs():
            if isinstance(found, Run):
                yield from frames_of(found)
            else:
                yield found

    def runs(self) -> Iterator[Run | Item]:
        """Yield runs, and damage, after which only `resync` goes on."""
        window = self._window
        while window.ensure(1):
            fault = self._fault()
            if fault is not None:
                offset = window.offset
                skipped = self._skip() if self._resync else None
                yield Damage(offset, fault, skipped)
                if skipped is None:
                    break
                continue
            kind, size = _header(window, 0)
            if kind == Kind.UUID or self._call is None:
                yield from self._open(kind)
            yield self._run(kind, size)
        yield from self._close()

    def _fault(self) -> str | None:
        """Say why what comes next is not a whole frame, or None."""
        window = self._window
        if not window.ensure(HEADER_BYTES):
            return f"it ends inside a frame's header, of which {_bytes(window.size)} there"
        kind, length = _header(window, 0)
        if kind == Kind.HANGUP and window.ensure(len(_ZEROS)) and window.data.startswith(_ZEROS, window.at):
            return "not frames, but a run of zero bytes"
        fault = _fault_of(kind, length)
        if fault is None and not window.ensure(HEADER_BYTES + length):
            there = _bytes(window.size)
            return (
                f"it ends inside a frame of kind {kind_name(kind)}: of its {HEADER_BYTES + length} bytes {there} there"
            )
        return None if fault and self._is_known_by_what_follows(length) else fault

    def _is_known_by_what_follows(self, length: int) -> bool:
        """Whether a frame of a kind that nobody sends today is one all the same: another frame follows, or the end."""
        window, size = self._window, HEADER_BYTES + length
        kind = window.data[window.at]
        if kind in _KNOWN:
            return False
        if not window.ensure(size + HEADER_BYTES):
            return window.size == size and self._call is not None
        following, its_length = _header(window, size)
        return following == kind or is_plausible(following, its_length) or (following == Kind.HANGUP and not its_length)

    def _skip(self) -> int:
        """Consume what holds no frames, and return how many bytes that were."""
        window, begin = self._window, self._window.offset
        window.at += 1
        while True:
            more = window.ensure(READ_BYTES)
            found = find_frames(window.data, window.at, ends=not more)
            if found is not None:
                window.at = found
                return window.offset - begin
            if not more:
                window.at = len(window.data)
                return window.offset - begin
            window.at = max(window.at, len(window.data) - MAX_CHAIN_BYTES)

    def _open(self, kind: int) -> Iterator[Item]:
        window = self._window
        yield from self._close()
        uuid = None
        self._side = Side.SERVER
        if kind == Kind.UUID:
            self._side = Side.CALLER
            uuid = decode_uuid(window.data[window.at + HEADER_BYTES : window.at + HEADER_BYTES + UUID_BYTES])
        elif kind == Kind.DTMF:
            self._side = Side.CALLER
        self._media_s = 0.0
        self._call = CapturedCall(self._names.name(uuid), uuid, whole=uuid is not None)
        yield Opened(self._call, 0.0)

    def _close(self) -> Iterator[Item]:
        if self._call is not None:
            yield Ended(self._call, round(self._media_s, _DIGITS), self._side, False)
            yield Over(self._call)

    def _run(self, kind: int, size: int) -> Run:
        """Consume the frames that are alike."""
        assert self._call is not None
        window = self._window
        offset, frame_bytes = window.offset, HEADER_BYTES + size
        single = kind in (Kind.UUID, Kind.HANGUP)
        count = 1 if single else self._count(frame_bytes)
        if count > 1:
            window.unit = frame_bytes
        if kind not in _KNOWN and count > 1:
            count -= 1  # the last is known by what follows, which may not be at hand yet
        table = np.frombuffer(window.data, np.uint8, count * frame_bytes, window.at).reshape(count, frame_bytes)
        window.at += count * frame_bytes
        rate_hz = RATE_BY_KIND.get(kind)
        duration_s = size // SAMPLE_BYTES / rate_hz if rate_hz else 0.0
        # As live: what was heard had been spoken by then, what was said begins then.
        first = 1 if self._side is Side.CALLER else 0
        at_s = np.round(self._media_s + duration_s * np.arange(first, count + first, dtype=np.float64), _DIGITS)
        self._media_s += count * duration_s
        return Run(self._call, self._side, kind, table[:, HEADER_BYTES:], at_s, offset)

    def _count(self, frame_bytes: int) -> int:
        """Return how many frames with the header of the first one are at hand in a row, itself included."""
        window = self._window
        most = window.size // frame_bytes
        head = int.from_bytes(window.data[window.at : window.at + HEADER_BYTES], "little")
        count, look = 1, _FIRST_LOOK
        while count < most:
            look = min(look, most - count)
            at = window.at + count * frame_bytes
            # Four bytes each, the last of the frame before and the header: so they are fetched from memory once.
            heads = np.ndarray(look, "<u4", window.data, at - 1, (frame_bytes,)) >> 8
            alike = heads == head
            if not alike.all():
                return count + int(alike.argmin())
            count, look = count + look, look * 8
        return count


def _fault_of(kind: int, length: int) -> str | None:
    """Say why nobody sends frames of this kind and length, or None."""
    if kind in RATE_BY_KIND:
        return None
    if kind == Kind.ERROR and length <= _MAX_ERROR:
        return None
    expected = _SIZES.get(kind)
    if expected is None:
        return f"not an AudioSocket frame: its kind would be {kind_name(kind)}, its length {length}"
    return None if length == expected else f"a frame of kind {kind_name(kind)} has {expected} bytes, not {length}"


def _header(window: Window, ahead: int) -> tuple[int, int]:
    """Return kind and payload length of the frame that begins so many bytes ahead, of which the header is at hand."""
    at = window.at + ahead
    return window.data[at], int.from_bytes(window.data[at + 1 : at + HEADER_BYTES])


def _bytes(count: int) -> str:
    return f"{count} byte is" if count == 1 else f"{count} bytes are"
