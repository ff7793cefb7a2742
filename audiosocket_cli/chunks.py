"""What passes in a call, as it passes: chunks of frames, each with its time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

Chunk = tuple[float, float, int, bytes]
"""When it passed, in seconds since the call's start; how long it may have waited for us before; the number of frames;
and the frames, whole, of one kind and length unless they are `MixedFrames`."""


class Chunks(Sequence[Chunk]):
    """Chunks in order, kept as columns.

    A call that talks has one for each frame, each way. Kept as tuples they would be what Python's garbage collector
    looks at: 40 ms at a time with 300 calls, in which nobody is heard.
    """

    __slots__ = ("at_s", "counts", "held_s", "pieces")

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        """Take what there is already."""
        self.at_s = array("d")
        """When each passed, shape (n,)."""
        self.held_s = array("d")
        """How long each may have waited for us before, shape (n,)."""
        self.counts = array("q")
        """The frames of each, shape (n,)."""
        self.pieces: list[bytes] = []
        """The frames themselves."""
        self.extend(chunks)

    def add(self, at_s: float, data: bytes) -> None:
        """Add a single frame, which did not wait."""
        self.at_s.append(at_s)
        self.held_s.append(0.0)
        self.counts.append(1)
        self.pieces.append(data)

    def append(self, chunk: Chunk) -> None:
        """Add a chunk."""
        at_s, held_s, count, data = chunk
        self.at_s.append(at_s)
        self.held_s.append(held_s)
        self.counts.append(count)
        self.pieces.append(data)

    def extend(self, chunks: Iterable[Chunk]) -> None:
        """Add chunks."""
        for chunk in chunks:
            self.append(chunk)

    def __len__(self) -> int:
        return len(self.pieces)

    def __iter__(self) -> Iterator[Chunk]:
        return zip(self.at_s, self.held_s, self.counts, self.pieces, strict=True)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Chunk]: ...

    def __getitem__(self, index: int | slice) -> Chunk | Sequence[Chunk]:
        if isinstance(index, slice):
            return list(self)[index]
        return self.at_s[index], self.held_s[index], self.counts[index], self.pieces[index]
