"""A relay that puts faults into what it passes on.

What is read of a direction that has faults goes into its `FaultLine`, and is passed on when the line says so;
ends and resets wait there as bytes do. **All else sees what was passed on, at that time**: recordings, figures,
findings, digits. A direction
without faults passes as in any relay.

Two things delay a line that is due: a side that does not read, and taps that have too much, as in `Passing`. A fault
of a fixed time (a reset, a close) waits for neither.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_line import Due, FaultLine
from audiosocket_cli.call.faults.fault_plan import CallFaults
from audiosocket_cli.call.faults.timing import Act
from audiosocket_cli.call.lane import Lane, RelayWire
from audiosocket_cli.call.passing import Phase, RelayScheduler
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.relay import Relay
from audiosocket_cli.model import Call, Ending, How, Side

_MAX_AT_ONCE: Final = 64
"""Pieces that a direction passes on before the other calls get their turn: under a millisecond of work."""

_MAX_DRAINED: Final = 64
"""Most reads of what a side has sent, before its connection is closed normally."""


class JudgedWire(RelayWire, Protocol):
    """What a relay with faults also needs of a connection."""

    def receive_judged(self, judge: Callable[[bytes], Iterable[str]]) -> bytes | None:
        """Return what `receive` does; what `judge` says of it is a comment on its packet in the capture."""

    def remark(self, text: str) -> None:
        """Put a comment on the next packet of the capture, where there is one."""


class FaultedRelay(Relay):
    """One call between two wires, with faults."""

    __slots__ = ("_lines", "_wires")

    def __init__(
        self,
        caller: JudgedWire,
        server: JudgedWire,
        peer: str,
        *,
        faults: CallFaults,
        limits: Limits | None = None,
        admission: Callable[[Call], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """As a `Relay`, with the faults of this call."""
        super().__init__(caller, server, peer, limits=limits, admission=admission, clock=clock)
        self._lines = faults.lines
        self._wires = {Side.CALLER: caller, Side.SERVER: server}

    @property
    def wakes_finely(self) -> bool:
        return True

    def start(self, scheduler: RelayScheduler | None = None) -> None:
        now_s = self._clock()
        for line in self._lines.values():
            line.start(now_s)
        super().start(scheduler)

    # What comes, and what is due.

    def readable(self, lane: Lane, now_s: float) -> None:
        line = self._lines.get(lane.side)
        if line is None or lane.over or self._phase is not Phase.PASSING:
            super().readable(lane, now_s)
        else:
            self._read(lane, line, now_s)
            self._release(lane, now_s)
            self.needs_plan = True
            self._set_wake()
        self._leave_if_stuck()

    def _read(self, lane: Lane, line: FaultLine, now_s: float) -> None:
        def judge(data: bytes) -> list[str]:
            return line.take(data, now_s)

        try:
            data = self._wires[lane.side].receive_judged(judge)
        except OSError:
            line.take_end(now_s, is_reset=True)
            return
        if data == b"":
            line.take_end(now_s, is_reset=False)
            return
        note = None if self.call is None else line.new_note()
        if note and self.call is not None:
            self.call.note(note)

    def tick(self) -> None:
        now_s = self._clock()
        for lane in self.lanes:
            self._sound_alarms(lane, now_s)
            self._release(lane, now_s)
        super().tick()

    def writable(self, lane: Lane, now_s: float) -> None:
        super().writable(lane, now_s)
        self._release_all(now_s)

    def overhear(self) -> None:
        super().overhear()
        self._release_all(self._clock())

    def flush(self) -> None:
        super().flush()
        if self._scheduler is not None:  # without one, who has flushed goes on by itself
            self._release_all(self._clock())

    def wants_readable(self, lane: Lane) -> bool:
        line = self._lines.get(lane.side)
        if line is not None and self._phase is Phase.PASSING and (line.is_full or line.is_over):
            return False
        return super().wants_readable(lane)

    def _set_wake(self) -> None:
        super()._set_wake()
        if self._phase is not Phase.PASSING:
            return
        for lane in self.lanes:
            line = self._lines.get(lane.side)
            if line is not None:
                due_s = line.due_s if self._may_pass(lane) else math.inf
                self.wake_s = min(self.wake_s, line.alarm_s, due_s)

    def _may_pass(self, lane: Lane) -> bool:
        """Whether what waits in a lane waits only for its time."""
        return self._phase is Phase.PASSING and not self._flushes and lane.wants_readable

    def _release_all(self, now_s: float) -> None:
        for lane in self.lanes:
            self._release(lane, now_s)
        self._leave_if_stuck()
        self.needs_plan = True
        self._set_wake()

    def _release(self, lane: Lane, now_s: float) -> None:
        """Pass on what is due."""
        line = self._lines.get(lane.side)
        for _ in range(_MAX_AT_ONCE):
            due = line.due(now_s) if line is not None and self._may_pass(lane) else None
            if due is None:
                return
            self._do(lane, due, now_s)

    def _sound_alarms(self, lane: Lane, now_s: float) -> None:
        """Apply faults of a fixed time."""
        line = self._lines.get(lane.side)
        while line is not None and self._phase is Phase.PASSING:
            due = line.alarm(now_s)
            if due is None:
                return
            self._do(lane, due, now_s)

    def _do(self, lane: Lane, due: Due, now_s: float) -> None:
        for text in due.remarks:
            self._wires[lane.side.other].remark(text)
        if due.data:
            lane.sink.send(due.data)
            self._note_passed(lane, due.data, now_s)
        elif due.act is Act.END:
            self._end_lane(lane, now_s)
        elif due.act is Act.LOST:
            self._lose(lane, now_s)
        elif due.fault is not None and due.act is Act.CLOSE:
            self._close_lane(lane, due.fault, now_s)
        elif due.fault is not None:
            self._reset(due.fault)

    # What faults end.

    def _leave_if_stuck(self) -> None:
        """End a call whose sides have both closed, if a fault would hold that back until the call ends."""
        held = [lane for lane in self.lanes if not lane.over]
        if self._phase is not Phase.PASSING or not held or any(lane.sink.blocked for lane in self.lanes):
            return
        if all(self._is_held_to_the_end(lane) for lane in held):
            side = held[0].side
            self._ending = self._ending or Ending(side, How.CLOSED, f"{side} closed, and a fault held that back")
            self._leave()

    def _is_held_to_the_end(self, lane: Lane) -> bool:
        line = self._lines.get(lane.side)
        return line is not None and line.is_over and math.isinf(line.due_s)

    def _blame(self, fault: DrawnFault, how: How) -> None:
        """A fault ends the call, or begins to."""
        for wire in self._wires.values():
            wire.remark(fault.label)
        self._ending = self._ending or Ending(Side.SERVER, how, fault.label)
        if not self.begun and (how is How.RESET or Side.CALLER in fault.spec.direction.sides):
            self.failure = self.failure or fault.label

    def _close_lane(self, lane: Lane, fault: DrawnFault, now_s: float) -> None:
        """Half-close: what the side sends from now on is read and dropped; the other direction goes on."""
        self._blame(fault, How.CLOSED)
        fault.count += 1
        self._lines[lane.side].close()
        self.needs_plan = True
        lane.sink.end_sending()
        if lane.sink.blocked:
            lane.stall(now_s)

    def _reset(self, fault: DrawnFault) -> None:
        """Reset the connections that the fault names, and close the other normally."""
        self._blame(fault, How.RESET)
        hit = [lane for lane in self.lanes if lane.side in fault.spec.direction.sides]
        for lane in hit:
            self._lines[lane.side].count(fault.spec)
        self._resets = tuple(lane.sink for lane in hit)
        for lane in self.lanes:
            if lane not in hit:
                lane.sink.end_sending()
        self._leave()

    def _end(self) -> None:
        for lane in self.lanes:
            if self._resets and not self.ended and lane.sink not in self._resets:
                _drain(lane.sink)
        super()._end()


def _drain(wire: RelayWire) -> None:
    """Read what a side has already sent: otherwise closing its connection would reset it."""
    try:
        for _ in range(_MAX_DRAINED):
            if not wire.receive():
                return
    except OSError:
        return
