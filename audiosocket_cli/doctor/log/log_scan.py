"""The lines of a log that may have to do with AudioSocket, out of gigabytes of others, at the speed of the disk.

Theory of operation. No line is looked at in Python unless it holds one of a few literals. A literal of eleven bytes
or more covers, wherever it begins, four bytes that begin at a multiple of eight; which four of its bytes those are
depends on where it begins, and there are eight possibilities. So a block of the log is taken as an array of 64-bit
integers, of whose first halves some are wanted: eight for each literal. Each integer is multiplied by a constant, 16
bits of the product that depend on the first half alone are looked up in a table, and the few that are in it by chance
are left out by comparing; so are those with other bytes of the literal not where they should be (`audio socket`). The
cost does not grow with the number of literals, and is less than that of a search for two of them. What is found is a
place, not proof: the line around it is cut out, and searched for the literal itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

READ_BYTES: Final = 1 << 20
"""What is compared at once."""

MAX_LINE_BYTES: Final = 16 << 10
"""Of a longer line only this much is looked at, around what was found. Asterisk cuts its own at 8 KiB (`BUFSIZ`)."""

_STEP: Final = 8

STARTED: Final = b" running Linux on "
"""Part of the line with which Asterisk begins each file of its log (`make_logchannel`, main/logger.c)."""

_ANCHORS: Final[dict[bytes, tuple[bytes, ...]]] = {
    b"AudioSocket": (b"Audi", b"udio", b"dioS", b"ioSo", b"oSoc", b"Sock", b"ocke", b"cket"),
    b"audiosocket": (b"audi", b"udio", b"dios", b"ioso", b"osoc", b"sock", b"ocke", b"cket"),
    b"Exceptionally long ": (b"Exce", b"xcep", b"lly ", b"ly l", b"y lo", b" lon", b"iona", b"onal"),
    b"Function UUID not registered": (b" UUI", b"UUID", b"UID ", b"ID n", b"D no", b" not", b"on U", b"n UU"),
    b"getaddrinfo(": (b"nfo(", b"etad", b"tadd", b"addr", b"ddri", b"drin", b"rinf", b"info"),
    b"alertpipe.c": (b"aler", b"lert", b"ertp", b"rtpi", b"tpip", b"pipe", b"ipe.", b"pe.c"),
    b"Out of buffer space": (b"uffe", b"ffer", b"fer ", b"er s", b"r sp", b"f bu", b" buf", b"buff"),
    STARTED: (b"Linu", b"inux", b"nux ", b"ux o", b"x on", b"ng L", b"g Li", b" Lin"),
}
"""What makes a line worth a look, with four bytes of it for each of the eight places at which it may begin. They are
chosen to be rare in other lines."""

ReadInto = Callable[[memoryview], int]
"""Reads up to so many bytes into a buffer, and returns how many; 0 at the end."""


def lines_in(read_into: ReadInto) -> Iterator[bytes]:
    """Yield, in order, the lines that hold one of the literals, without their line ends."""
    block, rest, more = _Block(), b"", True
    while more:
        more, rest = block.fill(read_into, rest)
        yield from block.lines()


class _Block:
    """A part of a log, from the beginning of a line to the end of one, and what is found in it."""

    def __init__(self) -> None:
        self._data = bytearray(READ_BYTES + MAX_LINE_BYTES)
        self._words = np.frombuffer(self._data, np.uint64)
        self._products = np.empty(len(self._words), np.uint64)
        self._likely = np.empty(len(self._words), bool)
        self._anywhere = np.ndarray((len(self._data) - 3,), np.uint32, self._data, strides=(1,))
        """The four bytes that begin at each byte."""
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
        count = -(-self._used // _STEP)
        words, products, likely = self._words[:count], self._products[:count], self._likely[:count]
        np.multiply(words, _FACTOR, out=products)
        np.take(_TABLE, products.view(np.uint16)[_HASHED::4], out=likely, mode="clip")
        places = self._sure(np.flatnonzero(likely))
        lines = []
        end = 0
        data = self._data
        for place in places.tolist():
            at = place * _STEP
            if at < end:
                continue
            start = max(data.rfind(b"\n", 0, at) + 1, end, at - MAX_LINE_BYTES // 2)
            end = data.find(b"\n", at, min(self._used, at + MAX_LINE_BYTES // 2))
            end = min(self._used, at + MAX_LINE_BYTES // 2) if end < 0 else end
            line = bytes(data[start:end])
            if b"AudioSocket" in line or any(literal in line for literal in _ANCHORS):
                lines.append(line)
        return lines

    def _sure(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of some places at which there are four bytes of a literal, and four others where they belong."""
        found = self._words.view(np.uint32)[2 * places]
        which = np.minimum(np.searchsorted(_WANTED, found), len(_WANTED) - 1)
        others = np.clip(places * _STEP + _AWAY[which], 0, len(self._anywhere) - 1)
        sure: NDArray[np.bool_] = (_WANTED[which] == found) & (self._anywhere[others] == _OTHER[which])
        return places[sure]


def _number(word: bytes) -> int:
    """Return four bytes as an array has them."""
    return int(np.frombuffer(word, np.uint32)[0])


def _checks() -> dict[int, tuple[int, int]]:
    """Return, for each four bytes that are wanted, how far away others are, and which: the second to the fifth of the
    literal, or its last."""
    checks = {}
    for literal, words in _ANCHORS.items():
        for word in words:
            at = literal.index(word)
            other = len(literal) - 4 if at < 4 else 1
            checks[_number(word)] = other - at, _number(literal[other : other + 4])
    return checks


_CHECKS: Final = _checks()
_WANTED: Final = np.array(sorted(_CHECKS), np.uint32)
_AWAY: Final = np.array([_CHECKS[number][0] for number in sorted(_CHECKS)], np.int64)
_OTHER: Final = np.array([_CHECKS[number][1] for number in sorted(_CHECKS)], np.uint32)

_FACTOR: Final = np.uint64(0x8B5DE3A7)
"""The upper bits of a product depend on all bits of a word (Knuth's multiplicative hashing). Of 600 odd factors, few
bring fewer words of a log into the table by chance: one for fifteen that are wanted."""

_HASHED: Final = 1 if sys.byteorder == "little" else 2
"""Which 16 bits of a product are looked up: the upper half of that of the first four bytes."""

_TABLE: Final = np.zeros(1 << 16, bool)
_TABLE[(_WANTED.astype(np.uint64) * _FACTOR >> np.uint64(16)) & np.uint64(0xFFFF)] = True
