"""Runs of equal frames as arrays: what is measured of many frames is measured at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.capture.items import Captured, CapturedCall, Item
from audiosocket_cli.codec import HEADER_BYTES, Frame
from audiosocket_cli.model import Side

MAX_RUN_S: Final = 0.5
"""The longest run: frames that one side sent this long ago may not have been yielded yet."""

_MAX_FRAMES: Final = 500
_MAX_BYTES: Final = 256 << 10


class Run(NamedTuple):
    """Frames of one side, kind and payload length, one after the other: n of them."""

    call: CapturedCall
    side: Side
    kind: int
    payloads: NDArray[np.uint8]
    """Shape (n, payload length in bytes)."""
    at_s: NDArray[np.float64]
    """When each was whole, shape (n,)."""
    offset: int
    """Where the first begins in the bytes of its side."""
    slowest_s: float = 0.0
    """The longest time between the first and the last byte of a frame."""


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
        max(item.at_s - item.begun_s for item in run),
    )


def frames_of(run: Run) -> Iterator[Captured]:
    """Take a run apart."""
    size = run.payloads.shape[1]
    data = run.payloads.tobytes()
    for number, at_s in enumerate(run.at_s.tolist()):
        frame = Frame(run.kind, data[number * size : (number + 1) * size])
        yield Captured(run.call, at_s, run.side, frame, at_s, run.offset + number * (HEADER_BYTES + size))
