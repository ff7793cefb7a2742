"""The lines of a log that may have to do with AudioSocket, out of gigabytes of others, at the speed of the disk.

Theory of operation. No line is looked at in Python unless it holds one of a few literals. A literal of seven bytes or
more covers, wherever it begins, at least one whole aligned group of four bytes; which four of its bytes those are
depends on where it begins, and there are four possibilities. So a block of the log is taken as an array of 32-bit
integers, of which some are wanted: four for each literal. Each is multiplied by a constant, and the upper half of the
product is looked up in a table of 65,536 entries; the few that are in it by chance are left out by comparing. numpy
does that at more than twice the speed of comparing with each that is wanted, and its cost does not grow with their
number. What is found is a place, not proof: the line around it is cut out, and searched for the literal itself.

Blocks are looked at on several threads, as numpy lets go of the interpreter meanwhile; each has a buffer, so that
memory stays the same however large the log is.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

READ_BYTES: Final = 512 << 10
"""What is compared at once: it fits into the cache of a processor."""

MAX_LINE_BYTES: Final = 16 << 10
"""Of a longer line only this much is looked at, around what was found. Asterisk cuts its own at 8 KiB (`BUFSIZ`)."""

_WORD: Final = 4

_ANCHORS: Final[dict[bytes, tuple[bytes, ...]]] = {
    b"AudioSocket": (b"udio", b"dioS", b"ioSo", b"oSoc"),
    b"audiosocket": (b"udio", b"dios", b"ioso", b"osoc"),
    b"Exceptionally long ": (b"Exce", b"xcep", b"lly ", b"ly l"),
    b"Function UUID not registered": (b" UUI", b"UUID", b"UID ", b"ID n"),
    b"getaddrinfo(": (b"ddri", b"drin", b"rinf", b"addr"),
    b"alertpipe.c": (b"tpip", b"pipe", b"ipe.", b"rtpi"),
    b"Out of buffer space": (b"of b", b"f bu", b" buf", b"buff"),
}
"""What makes a line worth a look, with four bytes of it for each of the four places at which it may begin, modulo 4.
They are chosen to be rare in other lines."""

ReadInto = Callable[[memoryview], int]
"""Reads up to so many bytes into a buffer, and returns how many; 0 at the end."""


def lines_in(read_into: ReadInto) -> Iterator[bytes]:
    """Yield, in order, the lines that hold one of the literals, without their line ends."""
    threads = max(1, min(2, os.cpu_count() or 1))
    with ThreadPoolExecutor(threads, thread_name_prefix="log") as pool:
        running: deque[tuple[Future[list[bytes]], _Block]] = deque()
        free = [_Block() for _ in range(threads + 1)]
        rest = b""
        while True:
            block = free.pop()
            more, rest = block.fill(read_into, rest)
            running.append((pool.submit(block.lines), block))
            if not more:
                break
            if not free:
                future, block = running.popleft()
                yield from future.result()
                free.append(block)
        for future, _ in running:
            yield from future.result()


class _Block:
    """A part of a log, from the beginning of a line to the end of one, and what is found in it."""

    def __init__(self) -> None:
        self._data = bytearray(READ_BYTES + MAX_LINE_BYTES)
        self._words = np.frombuffer(self._data, np.uint32)
        self._products = np.empty(len(self._words), np.uint32)
        self._likely = np.empty(len(self._words), bool)
        self._used = 0

    def fill(self, read_into: ReadInto, rest: bytes) -> tuple[bool, bytes]:
        """Take what was left over, and read on. Returns whether there may be more, and what is left over now."""
        self._data[: len(rest)] = rest
        used = len(rest)
        with memoryview(self._data) as view:
            while used < READ_BYTES and (count := read_into(view[used:READ_BYTES])):
                used += count
        whole = self._data.rfind(b"\n", 0, used) + 1
        if used < READ_BYTES:
            self._used = used
            return False, b""
        if used - whole > MAX_LINE_BYTES:  # a line without an end: it is looked at in parts, which overlap
            whole = used
            self._used = used
            return True, bytes(self._data[used - MAX_LINE_BYTES // 2 : used])
        self._used = whole
        return True, bytes(self._data[whole:used])

    def lines(self) -> list[bytes]:
        """Return the lines that hold a literal."""
        count = -(-self._used // _WORD)
        words, products, likely = self._words[:count], self._products[:count], self._likely[:count]
        np.multiply(words, _FACTOR, out=products)
        np.take(_TABLE, products.view(np.uint16)[_UPPER_HALF::2], out=likely, mode="clip")
        places = np.flatnonzero(likely)
        places = places[np.isin(words[places], _WANTED)]
        lines = []
        end = 0
        data = self._data
        for place in places.tolist():
            at = place * _WORD
            if at < end:
                continue
            start = max(data.rfind(b"\n", 0, at) + 1, end, at - MAX_LINE_BYTES // 2)
            end = data.find(b"\n", at, min(self._used, at + MAX_LINE_BYTES // 2))
            end = min(self._used, at + MAX_LINE_BYTES // 2) if end < 0 else end
            line = bytes(data[start:end])
            if b"AudioSocket" in line or any(literal in line for literal in _ANCHORS):
                lines.append(line)
        return lines


_WANTED: Final = np.array(
    sorted({int(np.frombuffer(word, np.uint32)[0]) for words in _ANCHORS.values() for word in words}), np.uint32
)

_FACTOR: Final = np.uint32(0x8B5DE3A7)
"""The upper bits of a product depend on all bits of a word (Knuth's multiplicative hashing). Of 400 odd factors this
one brings the fewest words of a log into the table by chance: none in 5,000."""

_UPPER_HALF: Final = 1 if sys.byteorder == "little" else 0

_TABLE: Final = np.zeros(1 << 16, bool)
_TABLE[(_WANTED * _FACTOR) >> np.uint32(16)] = True
