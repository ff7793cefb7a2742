"""Which part of a capture is wanted: calls, sides, kinds, times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

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
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; everything, where nothing is said. Times in seconds since the call's start."""

    call: str | None = None
    """The beginning of a call's UUID, as its first eight digits, or the whole name of a call that has none."""
    side: Side | None = None
    kinds: frozenset[int] = frozenset()
    from_s: float = -math.inf
    to_s: float = math.inf

    @classmethod
    def of(
        cls, call: str | None, side: str | None, kinds: Iterable[frozenset[int]], from_s: float | None,
        to_s: float | None,
    ) -> Selection:  # fmt: skip
        """Return what options ask for, None where they are not given. Raises `UsageError` for a part without time."""
        if from_s is not None and to_s is not None and from_s >= to_s:
            raise UsageError(f"--from {from_s:g} is not before --to {to_s:g}: there is no time between them")
        return cls(
            call,
            Side(side) if side else None,
            frozenset().union(*kinds),
            -math.inf if from_s is None else from_s,
            math.inf if to_s is None else to_s,
        )

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return self == EVERYTHING

    @property
    def is_part_of_calls(self) -> bool:
        """Whether it leaves something of a call out."""
        return self.side is not None or bool(self.kinds) or self.from_s > -math.inf or self.to_s < math.inf

    def takes_call(self, call: CapturedCall) -> bool:
        """Whether a call is wanted."""
        if self.call is None:
            return True
        wanted = self.call.lower()
        return call.name.lower() == wanted or (call.uuid is not None and call.name.startswith(wanted))

    def takes_side(self, side: Side) -> bool:
        """Whether what a side sent is wanted."""
        return self.side is None or self.side is side

    def items(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield what is wanted, frame by frame. Damage always is."""
        return iter(items) if self.is_all else filter(self.takes, items)

    def takes(self, item: Item) -> bool:
        """Whether an item is wanted."""
        match item:
            case Captured(call, at_s, side, frame):
                return (not self.kinds or frame.kind in self.kinds) and self._takes(call, side) and self._is_then(at_s)
            case Damage() | Step():
                return True
            case NoCall():
                return self.call is None
            case Opened(call, _) | Over(call):
                return self.takes_call(call)
            case Lost(call, at_s, side) | Ended(call, at_s, side):
                return not self.kinds and self._takes(call, side) and self._is_then(at_s)
            case Remark(call, at_s):
                return not self.kinds and self.takes_call(call) and self._is_then(at_s)

    def part_of(self, run: Run) -> Run | None:
        """Return what is wanted of a run, or None for nothing."""
        if self.is_all:
            return run
        if not self._takes(run.call, run.side) or (self.kinds and run.kind not in self.kinds):
            return None
        wanted = np.flatnonzero((run.at_s >= self.from_s) & (run.at_s < self.to_s))
        if len(wanted) == len(run.at_s):
            return run
        if not len(wanted):
            return None
        return run.part(wanted)

    def _is_then(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.to_s

    def _takes(self, call: CapturedCall, side: Side) -> bool:
        return self.takes_call(call) and self.takes_side(side)


EVERYTHING: Final = Selection()
