"""What passes in a call, as it passes: chunks of frames, each with its time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Chunk = tuple[float, float, int, bytes]
"""When it passed, in seconds since the call's start; how long it may have waited for us before; the number of frames;
and the frames, whole, of one kind and length unless they are `MixedFrames`."""


class Chunks:
    """Chunks in order, kept as columns.

    A call that talks has one for each frame, each way. Kept as tuples they would be what Python's garbage collector
    looks at: 40 ms at a time with 300 calls, in which nobody is heard. (Not a `Sequence`: mypyc takes a list for an
    instance of any class that is one.)
    """

    __slots__ = ("_others", "at_s", "pieces")

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        """Take what there is already."""
        self.at_s = array("d")
        """When each passed, shape (n,)."""
        self.pieces: list[bytes] = []
        """The frames of each."""
        self._others: dict[int, tuple[float, int]] | None = None
        """How long a chunk may have waited, and its frames, by its number: of those that did, or have not just one."""
        self.extend(chunks)

    def add(self, at_s: float, data: bytes) -> None:
        """Add a single frame, which did not wait."""
        self.at_s.append(at_s)
        self.pieces.append(data)

    def append(self, chunk: Chunk) -> None:
        """Add a chunk."""
        at_s, held_s, count, data = chunk
        if held_s or count != 1:
            others = self._others = self._others or {}
            others[len(self.pieces)] = held_s, count
        self.at_s.append(at_s)
        self.pieces.append(data)

    def extend(self, chunks: Iterable[Chunk]) -> None:
        """Add chunks."""
        for chunk in chunks:
            self.append(chunk)

    def add_last_of(self, others: Chunks, count: int) -> None:
        """Add the last `count` of others, all of them single frames."""
        self.at_s.extend(others.at_s[-count:])
        self.pieces += others.pieces[-count:]

    def take_all(self) -> Chunks:
        """Return all of them, and keep none."""
        taken = Chunks()
        taken.at_s, self.at_s = self.at_s, taken.at_s
        taken.pieces, self.pieces = self.pieces, taken.pieces
        taken._others, self._others = self._others, taken._others
        return taken

    def since(self, number: int) -> Chunks:
        """Return those from a number on, and keep them."""
        later = Chunks()
        later.at_s, later.pieces = self.at_s[number:], self.pieces[number:]
        others = {at - number: other for at, other in (self._others or {}).items() if at >= number}
        later._others = others or None
        return later

    @property
    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Of each: when it passed, how long it may have waited before, and its frames."""
        held_s, frames = np.zeros(len(self)), np.ones(len(self), np.int64)
        for number, (one_s, count) in (self._others or {}).items():
            held_s[number], frames[number] = one_s, count
        return np.array(self.at_s), held_s, frames

    def __len__(self) -> int:
        return len(self.pieces)

    def __iter__(self) -> Iterator[Chunk]:
        others = self._others or {}
        for number, (at_s, data) in enumerate(zip(self.at_s, self.pieces, strict=True)):
            held_s, count = others.get(number, (0.0, 1))
            yield at_s, held_s, count, data
