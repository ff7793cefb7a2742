"""Bytes of an input as they come: as much of them at hand as a reader asks for, and where they stand in the input."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from typing import Final

READ_BYTES: Final = 1 << 20

Read = Callable[[int], bytes]
"""Returns up to so many bytes, as soon as there are some; b"" at the end."""

_STEP_BYTES: Final = 4096
"""Compressed bytes are unpacked in such steps: what a member leaves over is copied, and members can be tiny."""


class Window:
    """The input from a position on. `data[at:]` is what was read and not yet consumed."""

    def __init__(self, read: Read) -> None:
        self.data = b""
        self.at = 0
        self._read = read
        self._base = 0
        self._ended = False

    @property
    def offset(self) -> int:
        """Where `at` stands in the input, in bytes."""
        return self._base + self.at

    @property
    def size(self) -> int:
        """Bytes at hand."""
        return len(self.data) - self.at

    def ensure(self, size: int) -> bool:
        """Have `size` bytes at hand; False when the input ends before, with all the rest at hand."""
        if len(self.data) - self.at >= size:
            return True
        if self._ended:
            return False
        parts = [self.data[self.at :]]
        have = len(parts[0])
        while have < size:
            part = self._read(READ_BYTES)
            if not part:
                self._ended = True
                break
            parts.append(part)
            have += len(part)
        self._base += self.at
        self.data, self.at = b"".join(parts), 0
        return have >= size

    def take(self, size: int) -> bytes:
        """Consume and return `size` bytes that are at hand."""
        data = self.data[self.at : self.at + size]
        self.at += size
        return data


class Gunzip:
    """Decompresses an input, of any number of gzip members, as it comes. `fault` says why it ended, if not in order."""

    def __init__(self, read: Read, data: bytes) -> None:
        self.fault: str | None = None
        self.offset = 0
        """How many bytes have come out."""
        self._read = read
        self._packed = memoryview(data)
        self._unpack = zlib.decompressobj(wbits=31)
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, as soon as there are some; b"" at the end, and where the input breaks."""
        parts: list[bytes] = []
        have = 0
        while have < size and not self._ended:
            if not self._packed:
                if have:
                    break  # what comes next may have to be waited for
                self._packed = memoryview(self._read(READ_BYTES))
                if not self._packed:
                    self._end(None if self._unpack.eof else "the gzip stream is cut")
                    break
            part = self._step(size - have)
            parts.append(part)
            have += len(part)
        self.offset += have
        return b"".join(parts)

    def _step(self, size: int) -> bytes:
        step = bytes(self._packed[:_STEP_BYTES])
        if self._unpack.eof:
            padding = len(step) - len(step.lstrip(b"\0"))  # some writers pad, behind the last member or between two
            if padding:
                self._packed = self._packed[padding:]
                return b""
            self._unpack = zlib.decompressobj(wbits=31)
        before = self._unpack.copy()
        try:
            data = self._unpack.decompress(step, size)
        except zlib.error as error:
            self._end(f"the gzip stream is damaged ({str(error).split(': ')[-1]})")
            return _up_to_damage(before, step)
        left = len(self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail)
        self._packed = self._packed[len(step) - left :]
        return data

    def _end(self, fault: str | None) -> None:
        self._ended, self.fault = True, fault


def _up_to_damage(unpack: zlib._Decompress, step: bytes) -> bytes:
    """Return what can be had of a step that fails: zlib gives nothing of it, unless it gets a byte at a time."""
    parts = []
    with contextlib.suppress(zlib.error):
        for at in range(len(step)):
            parts.append(unpack.decompress(step[at : at + 1]))
    return b"".join(parts)
