"""Bytes of an input as they come: as much of them at hand as a reader asks for, and where they stand in the input."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from audiosocket_cli.errors import FileError

READ_BYTES: Final = 1 << 20

Read = Callable[[int], bytes]
"""Returns up to so many bytes, as soon as there are some; b"" at the end."""


class Window:
    """The input from a position on. `data[at:]` is what was read and not yet consumed."""

    def __init__(self, read: Read, data: bytes = b"") -> None:
        self.data = data
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
    """Decompresses an input, of any number of gzip members, as it comes."""

    def __init__(self, read: Read, data: bytes) -> None:
        self._read_more = read
        self._packed = data
        self._unpack = zlib.decompressobj(wbits=31)
        self._done_bytes = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end. Raises `GzipError`."""
        while True:
            if self._unpack.eof:
                self._packed = self._unpack.unused_data or self._read_more(READ_BYTES)
                if not self._packed.strip(b"\0"):  # some writers pad
                    return b""
                self._unpack = zlib.decompressobj(wbits=31)
            if not self._packed:
                self._packed = self._read_more(READ_BYTES)
                if not self._packed:
                    raise GzipError("the gzip stream is cut", self._done_bytes)
            try:
                data = self._unpack.decompress(self._packed, size)
            except zlib.error as error:
                reason = str(error).split(": ")[-1]
                raise GzipError(f"the gzip stream is damaged ({reason})", self._done_bytes) from None
            self._packed = self._unpack.unconsumed_tail
            if data:
                self._done_bytes += len(data)
                return data


class GzipError(FileError):
    """Compressed input that ends or breaks after `offset` bytes of what it holds."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset
