"""Faults of time: each delays what passes in one direction, and never changes its order.

Times are on the clock of the relay. What was read together is one `Held`; a slice or a low bandwidth splits it into
equal pieces, each some time after the one before.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Final

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_spec import FaultName

PACKET_BYTES: Final = 1460
"""A low bandwidth splits longer data into pieces of this size, Ethernet's MTU."""


class Act(Enum):
    """What is due."""

    PASS = 1
    END = 2  # the side has closed its half
    LOST = 3  # the side has reset its connection
    CLOSE = 4  # a fault closes
    RESET = 5  # a fault resets


class Held:
    """Something that waits to be passed on."""

    __slots__ = ("act", "at", "data", "fault", "first_s", "last_s", "piece", "remarks", "size", "step_s")

    def __init__(self, data: bytes, at_s: float, remarks: list[str], act: Act, fault: DrawnFault | None) -> None:
        self.data = data
        self.remarks = remarks
        """What was done to it, one line each."""
        self.act = act
        self.fault = fault
        """The fault that acts, if one does."""
        self.first_s = at_s
        """When its first piece is due, and how much later each other one is: `step_s`."""
        self.step_s = 0.0
        self.last_s = math.inf
        """When the last piece is due; it may be shorter than the others."""
        self.size = len(data)
        """Bytes of a piece."""
        self.at = self.piece = 0
        """How many bytes have been passed on, in how many pieces."""

    @property
    def pieces(self) -> int:
        """How many pieces it is in."""
        return math.ceil(len(self.data) / self.size) if self.data else 1

    @property
    def due_s(self) -> float:
        """When its next piece is due."""
        return min(self.first_s + self.piece * self.step_s, self.last_s)

    @property
    def end_s(self) -> float:
        """When its last piece is due."""
        return min(self.first_s + (self.pieces - 1) * self.step_s, self.last_s)

    def take(self) -> bytes:
        """Return the next piece."""
        data = self.data[self.at : self.at + self.size]
        self.at += len(data)
        self.piece += 1
        return data


class Timing(ABC):
    """A fault of time in one direction."""

    def __init__(self, fault: DrawnFault, origin_s: float) -> None:
        """`origin_s` is when the relay began."""
        self.fault = fault
        self.origin_s = origin_s

    @abstractmethod
    def put_off(self, held: Held) -> None:
        """Delay what has just arrived, until no earlier than what came before."""


class Latency(Timing):
    """Each read later, by the latency plus or minus the jitter."""

    _last_s = -math.inf

    def put_off(self, held: Held) -> None:
        spec = self.fault.spec
        latency_s = spec.time_s + self.fault.random.uniform(-spec.jitter_s, spec.jitter_s)
        self._last_s = held.first_s = max(held.first_s + max(0.0, latency_s), self._last_s)


class Coalesce(Timing):
    """All that has come together, at fixed intervals."""

    def put_off(self, held: Held) -> None:
        every_s = self.fault.spec.time_s
        held.first_s = self.origin_s + math.ceil((held.first_s - self.origin_s) / every_s) * every_s


class Slice(Timing):
    """In pieces, each some time after the one before, whatever was read together."""

    _free_s = -math.inf

    def put_off(self, held: Held) -> None:
        spec = self.fault.spec
        held.size = min(held.size, spec.size)
        held.step_s = max(held.step_s, spec.time_s)
        held.first_s = max(held.first_s, self._free_s)
        if held.data:
            self._free_s = held.first_s + held.pieces * held.step_s


class Bandwidth(Timing):
    """No more than this many bytes a second: each packet arrives when its last byte does."""

    _free_s = -math.inf

    def put_off(self, held: Held) -> None:
        rate = self.fault.spec.size
        held.size = min(held.size, PACKET_BYTES)
        begin_s = max(held.first_s, self._free_s)
        held.first_s = begin_s + held.size / rate
        if held.size / rate >= held.step_s:
            held.step_s = held.size / rate
            held.last_s = begin_s + len(held.data) / rate
        self._free_s = begin_s + len(held.data) / rate


class Stall(Timing):
    """Nothing for a while, then all that waits."""

    def __init__(self, fault: DrawnFault, origin_s: float) -> None:
        super().__init__(fault, origin_s)
        self._begin_s = math.inf if fault.spec.after_frame else origin_s + fault.spec.after_s

    def begin(self, at_s: float) -> None:
        """The frame after which the stall begins is due at this time: what comes later waits."""
        self._begin_s = at_s

    def put_off(self, held: Held) -> None:
        if self._begin_s <= held.first_s < self._end_s:
            held.last_s += self._end_s - held.first_s
            held.first_s = self._end_s

    def later(self, due_s: float) -> float:
        """Return when something is passed on that came before the beginning of the stall was known."""
        return self._end_s if self._begin_s < due_s < self._end_s else due_s

    @property
    def _end_s(self) -> float:
        return self._begin_s + self.fault.spec.time_s


_TIMINGS: Final[dict[FaultName, type[Timing]]] = {
    FaultName.LATENCY: Latency,
    FaultName.COALESCE: Coalesce,
    FaultName.SLICE: Slice,
    FaultName.BANDWIDTH: Bandwidth,
    FaultName.STALL: Stall,
}
"""In the order in which they are applied: a stall comes last, because nothing may pass during it."""


def timings_of(faults: Sequence[DrawnFault], origin_s: float) -> list[Timing]:
    """Return what the faults of a direction do to time, in order."""
    return [make(fault, origin_s) for name, make in _TIMINGS.items() for fault in faults if fault.spec.name is name]
