"""A look at what passes in a call before the taps get it, for somebody who is there for a while: a page with meters, a
listener.

Taps get half a second and more in one batch, for their whole call. A peek comes and goes while the call goes on, is
asked as often as its owner likes, and costs nothing per frame: the frames wait for the taps anyway, and it remembers
how many of them it has given.
"""

from __future__ import annotations

from typing import Final

from audiosocket_cli.chunks import Chunks

_MAX_KEPT_BYTES: Final = 1 << 20
"""What is kept of frames that the taps have got, and its owner has not asked for: a minute of slin, or a part of a
flood."""


class Peek:
    """The frames of a call from now on, each once."""

    __slots__ = ("_given", "_kept", "_kept_bytes", "_sides", "left_out")

    def __init__(self, heard: Chunks, said: Chunks) -> None:
        """Look at what is heard and said, where it waits for the taps; what waits there already is not given."""
        self._sides = heard, said
        self._given = [len(heard), len(said)]
        self._kept: tuple[Chunks, Chunks] = Chunks(), Chunks()
        self._kept_bytes = 0
        self.left_out = 0
        """How many chunks were dropped, because nobody asked for them in time."""

    def keep(self) -> None:
        """The taps are about to get all that waits: keep what was not given yet."""
        for side, (waiting, kept) in enumerate(zip(self._sides, self._kept, strict=True)):
            fresh = waiting.since(self._given[side])
            self._given[side] = 0
            self._kept_bytes += sum(map(len, fresh.pieces))
            kept.extend(fresh)
        if self._kept_bytes > _MAX_KEPT_BYTES:
            self.left_out += sum(map(len, self._kept))
            self._kept, self._kept_bytes = (Chunks(), Chunks()), 0

    def take(self) -> tuple[Chunks, Chunks]:
        """Return what was heard and said since the last time."""
        taken = self._kept
        for side, waiting in enumerate(self._sides):
            fresh = waiting.since(self._given[side])
            self._given[side] = len(waiting)
            taken[side].extend(fresh)
        self._kept, self._kept_bytes = (Chunks(), Chunks()), 0
        return taken

    def take_pieces(self) -> tuple[list[bytes], list[bytes]]:
        """Return the same without its times: the frames of each chunk. It takes half as long."""
        both = []
        for side, waiting in enumerate(self._sides):
            fresh = waiting.pieces[self._given[side] :]
            self._given[side] = len(waiting)
            both.append([*self._kept[side].pieces, *fresh] if self._kept_bytes else fresh)
        if self._kept_bytes:
            self._kept, self._kept_bytes = (Chunks(), Chunks()), 0
        return both[0], both[1]
