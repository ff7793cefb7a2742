"""One direction of a call with faults: what was read waits here until it is due, in order.

Data is changed (`frame_faults`) and gets its time (`timing`) when it arrives, so everything that happens to it is known
then. Nothing is lost except what a fault removes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_spec import FaultName, FaultSpec
from audiosocket_cli.call.faults.frame_faults import FrameFaults
from audiosocket_cli.call.faults.timing import Act, Coalesce, Held, Slice, Stall, Timing, timings_of
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Side

_MAX_BYTES: Final = 1 << 20
_MAX_HELD: Final = 4096
"""Limits on what waits: bytes, and reads. At a limit, the side is not read any more."""

_ACTS: Final = {FaultName.CLOSE: Act.CLOSE, FaultName.RESET: Act.RESET}


class Due(NamedTuple):
    """What is to be done now."""

    act: Act
    data: bytes = b""
    remarks: Sequence[str] = ()
    fault: DrawnFault | None = None


class FaultLine:
    """What one side sends, on its way through faults."""

    __slots__ = (
        "_alarms", "_frames", "_held", "_held_bytes", "_is_noted", "_joins", "_slices", "_stalls", "_timings", "faults",
        "is_closed", "is_over", "passed_bytes", "side", "taken_bytes",
    )  # fmt: skip

    def __init__(self, side: Side, faults: Sequence[DrawnFault]) -> None:
        """Take the faults of what `side` sends."""
        self.side = side
        self.faults = faults
        self.is_closed = False
        """Whether a fault has closed it: all that comes is lost."""
        self.is_over = False
        """Whether the side has ended its half or reset its connection: nothing more comes."""
        self.taken_bytes = 0
        self.passed_bytes = 0
        """Bytes that have come, and that were passed on."""
        self._frames = FrameFaults(faults)
        self._timings: list[Timing] = []
        self._stalls: list[Stall] = []
        self._slices: DrawnFault | None = None
        self._joins = False
        """Whether what is due is passed on in one piece."""
        self._alarms: list[tuple[float, DrawnFault]] = []
        """Faults that act at a fixed time, the next one last."""
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._is_noted = False

    def start(self, now_s: float) -> None:
        """The relay begins."""
        self._timings = timings_of(self.faults, now_s)
        self._stalls = [timing for timing in self._timings if isinstance(timing, Stall)]
        self._slices = next((timing.fault for timing in self._timings if isinstance(timing, Slice)), None)
        self._joins = any(isinstance(timing, Coalesce) for timing in self._timings)
        acting = [fault for fault in self.faults if fault.spec.name in _ACTS and not fault.spec.after_frame]
        self._alarms = sorted(((now_s + fault.spec.after_s, fault) for fault in acting), key=lambda alarm: -alarm[0])

    # What comes.

    @property
    def is_full(self) -> bool:
        """Whether so much waits that the side is not to be read."""
        return self._held_bytes >= _MAX_BYTES or len(self._held) >= _MAX_HELD

    @property
    def lost_bytes(self) -> int:
        """Bytes that have come and were not passed on, those included that still wait."""
        return self.taken_bytes - self.passed_bytes

    def take(self, data: bytes, now_s: float) -> list[str]:
        """Take what was read; return what is done to it, one line for each change."""
        self.taken_bytes += len(data)
        if self.is_closed:
            return []
        remarks = []
        for part in self._frames.parts(data):
            remarks += self._hold(Held(part.data, now_s, part.remarks, Act.PASS, None))
            for fault in part.then:
                self._then(fault, now_s, self._held[-1])
        return remarks

    def take_end(self, now_s: float, *, is_reset: bool) -> None:
        """The side has closed its half, or reset its connection: this waits until what came before is passed on."""
        self.is_over = True
        self._hold(Held(b"", now_s, [], Act.LOST if is_reset else Act.END, None))

    def count(self, spec: FaultSpec) -> None:
        """Count a fault that happened to both directions."""
        for fault in self.faults:
            fault.count += fault.spec is spec

    def new_note(self) -> str | None:
        """Return a note for the call, once."""
        if self._frames.lost_at is None or self._is_noted:
            return None
        self._is_noted = True
        text = (
            f"from its byte {self._frames.lost_at:,} on, what the {self.side} sends is not AudioSocket: faults of its "
            "frames stop there"
        )
        return tagged("not-audiosocket", text)

    def _then(self, fault: DrawnFault, now_s: float, frame: Held) -> None:
        """Start a fault that begins after a frame."""
        act = _ACTS.get(fault.spec.name)
        if act is not None:
            self._hold(Held(b"", now_s, [], act, fault))
        for stall in self._stalls:
            if stall.fault is fault:
                stall.begin(frame.end_s)

    def _hold(self, held: Held) -> list[str]:
        for timing in self._timings:
            before_s, size = held.first_s, held.size
            timing.put_off(held)
            later_s = held.first_s - before_s
            if (later_s > 0 or held.size < size) and (held.data or held.act is not Act.PASS):
                timing.fault.count += 1
                held.remarks.append(f"{timing.fault.label}: {_told(later_s, held if held.size < size else None)}")
        self._held.append(held)
        self._held_bytes += len(held.data)
        return held.remarks

    # What is due.

    @property
    def alarm_s(self) -> float:
        """When the next fault of a fixed time acts, no matter what waits."""
        return self._alarms[-1][0] if self._alarms else math.inf

    @property
    def due_s(self) -> float:
        """When the next of what waits is due."""
        if not self._held:
            return math.inf
        due_s = self._held[0].due_s
        for stall in self._stalls:
            due_s = stall.later(due_s)
        return due_s

    def alarm(self, now_s: float) -> Due | None:
        """Return what a fault of a fixed time does now, no matter what waits."""
        if now_s < self.alarm_s:
            return None
        _, fault = self._alarms.pop()
        return Due(_ACTS[fault.spec.name], fault=fault)

    def due(self, now_s: float) -> Due | None:
        """Return what is to be passed on now."""
        if now_s < self.due_s:
            return None
        due = self._next()
        if self._joins and due.data:
            pieces, remarks = [due.data], list(due.remarks)
            while now_s >= self.due_s and self._held[0].act is Act.PASS:
                more = self._next()
                pieces.append(more.data)
                remarks += more.remarks
            due = Due(Act.PASS, b"".join(pieces), remarks)
        self.passed_bytes += len(due.data)
        return due

    def close(self) -> None:
        """A fault closes the direction: what waits is lost, and so is all that comes later."""
        self.is_closed = True
        ends = [held for held in self._held if held.act in (Act.END, Act.LOST)]
        self._held = deque(ends)
        self._held_bytes = 0

    def _next(self) -> Due:
        held = self._held[0]
        remarks = held.remarks if not held.piece else self._of_piece(held)
        data = held.take()
        if held.at >= len(held.data):
            self._held.popleft()
        self._held_bytes -= len(data)
        return Due(held.act, data, remarks, held.fault)

    def _of_piece(self, held: Held) -> list[str]:
        if self._slices is None:
            return []
        return [f"{self._slices.label}: piece {held.piece + 1} of {held.pieces}"]


def _told(later_s: float, cut: Held | None) -> str:
    """Say what a fault of time does."""
    told = [] if cut is None else [f"in {cut.pieces} pieces"]
    if math.isinf(later_s):
        told.append("held until the call ends")
    elif later_s > 0:
        told.append(f"held {later_s * 1000:.0f} ms")
    return ", ".join(told)
