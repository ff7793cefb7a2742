"""Runs of equal frames as arrays: what is measured of many frames is measured at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.capture.items import Captured, CapturedCall, Item
from audiosocket_cli.codec import HEADER_BYTES, Frame
from audiosocket_cli.mixed_runs import Part
from audiosocket_cli.model import Side
from audiosocket_cli.runs import EqualRun

MAX_RUN_S: Final = 0.5
"""The longest run: frames that one side sent this long ago may not have been yielded yet."""

_MAX_FRAMES: Final = 500
_MAX_BYTES: Final = 256 << 10

_MAX_LOOKS: Final = 64
"""Frames of a run that are looked at for an excerpt of their bytes."""


class Run(EqualRun):
    """Frames of one side, kind and payload length, as they are in a capture, one after the other: n of them."""

    __slots__ = ("_at_s", "_payloads", "call", "gap_s", "offset", "side")

    def __init__(
        self,
        call: CapturedCall,
        side: Side,
        kind: int,
        payloads: NDArray[np.uint8],
        at_s: NDArray[np.float64],
        offset: int,
        gap_s: float = 0.0,
    ) -> None:
        """Take payloads of shape (n, bytes), and when each frame was whole, shape (n,)."""
        super().__init__(kind, payloads.shape[1])
        self.call = call
        self.side = side
        self.offset = offset
        """Where the first begins in the bytes of its side."""
        self.gap_s = gap_s
        """The longest time without a byte inside a frame."""
        self._payloads = payloads
        self._at_s = at_s

    def __len__(self) -> int:
        return len(self._at_s)

    @property
    def payloads(self) -> NDArray[np.uint8]:
        return self._payloads

    @property
    def at_s(self) -> NDArray[np.float64]:
        return self._at_s

    @property
    def arrived(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._at_s, np.full(len(self), self.frame_s)

    @property
    def parts(self) -> Sequence[Part]:
        """Each frame by itself: of those in a capture, it is known when each arrived."""
        return [(at_s, 0.0, 1, at_s) for at_s in self._at_s.tolist()]

    @property
    def is_quiet(self) -> bool:
        return not self.overall.peak

    def excerpt(self, most: int) -> Iterator[tuple[int, bytes]]:
        """Yield the kind and the payload of the first frames, whatever they hold."""
        return ((self.kind, payload.tobytes()) for payload in self._payloads[: min(most, _MAX_LOOKS)])

    def part(self, wanted: NDArray[np.intp]) -> Run:
        """Return those of its frames that have these numbers."""
        offset = self.offset + int(wanted[0]) * (HEADER_BYTES + self.size)
        # Which frame of it came in parts is not known: it may be one that is left out.
        return Run(self.call, self.side, self.kind, self._payloads[wanted], self._at_s[wanted], offset)


def in_runs(items: Iterable[Item]) -> Iterator[Run | Item]:
    """Join frames to runs of at most half a second; all other items of a call keep their places among them."""
    waiting: dict[tuple[CapturedCall, Side], list[Captured]] = {}
    for item in items:
        if isinstance(item, Captured):
            other = waiting.get((item.call, item.side.other))
            if other and item.at_s - other[0].at_s >= MAX_RUN_S:  # that side pauses
                yield _joined(other)
                other.clear()
            key = (item.call, item.side)
            run = waiting.get(key)
            if run and not _belongs(item, run):
                yield _joined(run)
                run.clear()
            if run is None:
                run = waiting[key] = []
            run.append(item)
            continue
        call = getattr(item, "call", None)
        for side in Side:
            if call is not None and (run := waiting.pop((call, side), None)):
                yield _joined(run)
        yield item
    for run in waiting.values():
        if run:
            yield _joined(run)


def _belongs(item: Captured, run: list[Captured]) -> bool:
    first = run[0]
    return (
        item.frame.kind == first.frame.kind
        and len(item.frame.payload) == len(first.frame.payload)
        and item.at_s - first.at_s < MAX_RUN_S
        and len(run) < _MAX_FRAMES
        and len(run) * len(first.frame.payload) < _MAX_BYTES
    )


def _joined(run: list[Captured]) -> Run:
    first = run[0]
    payloads = np.frombuffer(b"".join([item.frame.payload for item in run]), np.uint8)
    return Run(
        first.call,
        first.side,
        first.frame.kind,
        payloads.reshape(len(run), len(first.frame.payload)),
        np.array([item.at_s for item in run]),
        first.offset,
        max(item.gap_s for item in run),
    )


def frames_of(run: Run) -> Iterator[Captured]:
    """Take a run apart."""
    size = run.size
    data = run.payloads.tobytes()
    for number, at_s in enumerate(run.at_s.tolist()):
        frame = Frame(run.kind, data[number * size : (number + 1) * size])
        yield Captured(run.call, at_s, run.side, frame, at_s, run.offset + number * (HEADER_BYTES + size))
