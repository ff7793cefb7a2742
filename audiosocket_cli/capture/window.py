"""A window on an input: it reads as many bytes as a reader asks for, and knows their offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

READ_BYTES: Final = 1 << 20

Read = Callable[[int], bytes]
"""Returns up to the given number of bytes, as soon as there are some; b"" at the end."""


class Window:
    """The input from a position on. `data[at:]` is what was read and not yet consumed."""

    def __init__(self, read: Read) -> None:
        self.data = b""
        self.at = 0
        self.read = read
        self.unit = 1
        """What is at hand is to be a multiple of so many bytes: what is left over of a read is copied for the next."""
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
        """Read until `size` bytes are at hand; False when the input ends before, with all the rest at hand."""
        if len(self.data) - self.at >= size:
            return True
        if self._ended:
            return False
        rest = self.data[self.at :]
        parts = [rest] if rest else []
        have = len(rest)
        self._base, self.at = self._base + self.at, 0
        self.data = rest
        while have < size:
            part = self.read(READ_BYTES - (have + READ_BYTES) % self.unit)
            if not part:
                self._ended = True
                break
            parts.append(part)
            have += len(part)
        self.data = parts[0] if len(parts) == 1 else b"".join(parts)
        return have >= size

    def take(self, size: int) -> bytes:
        """Consume and return `size` bytes that are at hand."""
        data = self.data[self.at : self.at + size]
        self.at += size
        return data
