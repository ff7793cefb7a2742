"""Which part of a capture is wanted: calls, sides, kinds, times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audiosocket_cli.asterisk import Side
from audiosocket_cli.capture.items import (
    Captured,
    CapturedCall,
    Damage,
    Ended,
    Item,
    Lost,
    NoCall,
    Opened,
    Over,
    Remark,
    Step,
)
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; everything, where nothing is said. Times in seconds since the call's start."""

    call: str | None = None
    """The beginning of a call's name, as its UUID's first eight digits."""
    side: Side | None = None
    kinds: frozenset[int] = frozenset()
    from_s: float = -math.inf
    to_s: float = math.inf

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Selection()

    def takes_call(self, call: CapturedCall) -> bool:
        """Whether a call is wanted."""
        return self.call is None or call.name.startswith(self.call.lower())

    def items(self, capture: Capture) -> Iterator[Item]:
        """Yield what is wanted of a capture, frame by frame. Damage always is."""
        return iter(capture) if self.is_all else filter(self._takes_item, capture)

    def runs(self, capture: Capture) -> Iterator[Run | Item]:
        """Yield what is wanted of a capture, in runs of frames. Damage always is."""
        for one in capture.runs():
            part = self._part_of_run(one) if isinstance(one, Run) else one if self._takes_item(one) else None
            if part is not None:
                yield part

    def _takes_item(self, item: Item) -> bool:
        match item:
            case Damage() | Step():
                return True
            case NoCall():
                return self.call is None
            case Opened(call, _) | Over(call):
                return self.takes_call(call)
            case Captured(call, at_s, side, frame):
                return (not self.kinds or frame.kind in self.kinds) and self._takes(call, side) and self._is_then(at_s)
            case Lost(call, at_s, side) | Ended(call, at_s, side):
                return not self.kinds and self._takes(call, side) and self._is_then(at_s)
            case Remark(call, at_s):
                return not self.kinds and self.takes_call(call) and self._is_then(at_s)

    def _is_then(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.to_s

    def _part_of_run(self, run: Run) -> Run | None:
        if self.is_all:
            return run
        if not self._takes(run.call, run.side) or (self.kinds and run.kind not in self.kinds):
            return None
        wanted = np.flatnonzero((run.at_s >= self.from_s) & (run.at_s < self.to_s))
        if len(wanted) == len(run.at_s):
            return run
        if not len(wanted):
            return None
        offset = run.offset + int(wanted[0]) * (HEADER_BYTES + run.payloads.shape[1])
        return run._replace(payloads=run.payloads[wanted], at_s=run.at_s[wanted], offset=offset)

    def _takes(self, call: CapturedCall, side: Side) -> bool:
        return self.takes_call(call) and (self.side is None or self.side is side)
