"""Calls that another process orders one by one, and hears of value by value: those of Locust's users.

Orders come as JSON lines on standard input, and what is told goes as JSON lines to standard output:

                                                 {"started": true}
    {"plan": …, "start_s": …}                    first: what all calls are like, and when the load began
                                                 {"ready": true}, or {"error": "…"}
    {"place": 7, "user": 3, "due_s": …}          {"values": [[7, "echo", [1.2, 3.4]], …]}, as they are known
    {"end": 7}                                   {"over": 7, …}
    {"cut": 7}
    {"end_all": true}                            {"report": …, "is_last": true}; without that each second

All times are of the monotonic clock, which the processes of a machine share. Locust patches sockets and threads, and
stops for some 60 ms whenever it starts users; none of that reaches the calls, because they are made here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from audiosocket_cli.analysis.histogram import Histogram, Values
from audiosocket_cli.bench.caller import BenchCall
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.placing import be_ready, keep_row, orders, report_of, watch_the_clock
from audiosocket_cli.bench.plan import Plan, make_speech, plan_from_json
from audiosocket_cli.bench.schedule import GOLDEN
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.errors import AudioSocketError, NetworkError
from audiosocket_cli.libraries import first_line
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.loop import run
from audiosocket_cli.text import printable

TOLD: Final = ("connect", "first_byte", "first_speech", "turn", "echo", "barge_in", "hangup")
"""The figures that are told value by value."""

_TELL_S: Final = 0.1
"""Values are told together, this often."""

_REPORT_S: Final = 1.0

_GO_S: Final = 0.15
_PART_S: Final = 0.5
"""All calls together are ended over the first time, for a server that is told to end hundreds at once would seem slow
to hang up; and then it has the second time to close."""

_MAX_UNTOLD_BYTES: Final = 1 << 26
"""Who reads nothing for so long is not there any more."""


class OrderedCalls:
    """The calls of one process, placed when they are ordered."""

    def __init__(self, plan: Plan, speech: Speech, start_s: float, tell: Callable[[dict[str, Any]], None]) -> None:
        self.figures = Figures()
        self.rows: list[dict[str, Any]] = []
        self.peak_calls = 0
        self._plan, self._speech, self._start_s, self._tell = plan, speech, start_s, tell
        self._driver = Driver(at_once=True)
        self._dialler = Dialler(plan.target)
        self._sessions: dict[int, Session] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._cut: set[int] = set()
        self._values: list[tuple[int, str, list[float]]] = []
        self._lateness: dict[int, Histogram] = {}
        """Of each user, over all its calls."""
        self._told_rows = 0

    @property
    def live_calls(self) -> int:
        """How many calls are under way."""
        return len(self._sessions)

    def place(self, number: int, user: int, due_s: float) -> None:
        """Place a call for a user."""
        task = asyncio.get_running_loop().create_task(self._place(number, user, due_s), name=f"call {number}")
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    def end(self, number: int) -> None:
        """End a call as its caller does."""
        if session := self._sessions.get(number):
            session.stop("stopped")
        elif task := self._tasks.get(number):  # not connected yet
            task.cancel()

    def cut(self, number: int) -> None:
        """End a call now; how long its server takes to hang up nobody has waited to see."""
        self._cut.add(number)
        if session := self._sessions.get(number):
            session.abort()

    async def end_all(self) -> None:
        """End all calls in order, and wait for it, but not for long."""
        for place, number in enumerate(list(self._tasks)):
            asyncio.get_running_loop().call_later(place * GOLDEN % 1 * _GO_S, self.end, number)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=_GO_S + _PART_S)
        for number in list(self._sessions):
            self.cut(number)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=_PART_S)

    def tell_values(self) -> None:
        """Tell what was measured since this was last called."""
        if self._values:
            self._tell({"values": self._values})
            self._values = []

    def tell_report(self, *, is_last: bool = False) -> None:
        """Tell all that was counted, and the rows of calls that ended since the last report."""
        self.tell_values()
        rows, self._told_rows = self.rows[self._told_rows :], len(self.rows)
        self._tell({"report": report_of(self, self._start_s) | {"rows": rows}, "is_last": is_last})

    async def _place(self, number: int, user: int, due_s: float) -> None:
        length_s = self._plan.load.call_duration_s or self._plan.load.duration_s
        figures = _CallFigures(self.figures, lambda name, values: self._values.append((number, name, values)))
        talk = Talk(self._speech, number, length_s, self._start_s, self._plan.seed)
        call = BenchCall(talk, figures, length_s, due_s=due_s, epoch_s=self._start_s)
        try:
            told = await self._drive(call, number, figures)
        except (NetworkError, OSError) as error:
            keep_row(self, call.not_connected(error))
            told = {"not_connected": printable(str(error)), "after_ms": (time.monotonic() - due_s) * 1000}
        except asyncio.CancelledError:
            told = {"is_dropped": True}
        except Exception as error:  # at the boundary of a call: the others go on
            told = {"failure": f"a fault of ours: {type(error).__name__}: {printable(first_line(error))}"}
        lateness = figures.times["lateness"]
        of_user = self._lateness.setdefault(user, Histogram())
        of_user.merge(lateness)
        late = {"late_ms": lateness.percentile_ms(99), "all_late_ms": of_user.percentile_ms(99)}
        self._cut.discard(number)
        self.tell_values()
        self._tell({"over": number} | told | late)

    async def _drive(self, call: BenchCall, number: int, figures: _CallFigures) -> dict[str, Any]:
        """Connect a call and drive it to its end; return what became of it."""
        dialled_s = time.monotonic()
        link = await self._dialler.dial(call.uuid)
        wire = SocketWire(link.socket)
        session = call.connected(wire, link.peer, dialled_s)
        self._sessions[number] = session
        self.peak_calls = max(self.peak_calls, len(self._sessions))
        try:
            await self._driver.drive(session, wire)
        finally:
            del self._sessions[number]
        if number in self._cut:
            figures.times["hangup"] = Histogram()
        keep_row(self, call.conclude())
        figures.add_up()
        over = session.call
        assert over is not None
        assert over.ending is not None
        failure = call.failure
        if failure is None and over.ending.by is Side.SERVER and over.ending.how is How.CLOSED:
            failure = f"{over.ending.reason} without a hangup, before the call was over"
        if link.through is not None:
            call.note(await link.through.finish())
        return {
            "duration_ms": over.duration_s * 1000, "received_bytes": session.received_bytes,
            "failure": None if failure is None else printable(failure),
        }  # fmt: skip


class _CallFigures(Figures):
    """The figures of one call, which go into those of all, and of which some are told as well."""

    def __init__(self, total: Figures, tell: Callable[[str, list[float]], None]) -> None:
        super().__init__()
        self._total = total
        self.counts, self.reasons = total.counts, total.reasons
        self.findings, self.finding_ids = total.findings, total.finding_ids
        self.times = dict(total.times)
        for name in TOLD:
            self.times[name] = _ToldHistogram(name, total.times[name], tell)
        self.times["lateness"] = _KeptHistogram(total.times["lateness"])

    def add_up(self) -> None:
        """Add what is not counted into the figures of all at once; at the end of the call."""
        self._total.heard_audio_s += self.heard_audio_s
        self._total.call_s += self.call_s


class _ToldHistogram(Histogram):
    """Counts nothing itself: values go into another histogram, and are told."""

    def __init__(self, name: str, total: Histogram, tell: Callable[[str, list[float]], None]) -> None:
        super().__init__()
        self._name, self._total, self._tell = name, total, tell

    def add(self, values_ms: Values) -> None:
        self._total.add(values_ms)
        if len(values_ms):
            self._tell(self._name, [round(max(0.0, value_ms), 3) for value_ms in values_ms.tolist()])


class _KeptHistogram(Histogram):
    """Counts values, and into another histogram as well."""

    def __init__(self, total: Histogram) -> None:
        super().__init__()
        self._total = total

    def add(self, values_ms: Values) -> None:
        super().add(values_ms)
        self._total.add(values_ms)


def work() -> None:
    """Be the process: take orders on standard input, tell on standard output."""
    run(_work())


async def _work() -> None:
    told = await orders()
    telling, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)

    def tell(content: dict[str, Any]) -> None:
        telling.write(json.dumps(content).encode() + b"\n")
        if telling.get_write_buffer_size() > _MAX_UNTOLD_BYTES:
            os._exit(1)

    tell({"started": True})
    line = await told.readline()
    if not line:
        return
    first = json.loads(line)
    plan = plan_from_json(first["plan"])
    try:
        speech = make_speech(plan)
    except AudioSocketError as error:
        tell({"error": printable(str(error))})
        await _end_of(told)
    be_ready()
    calls = OrderedCalls(plan, speech, first["start_s"], tell)
    tell({"ready": True})
    keeping = [asyncio.create_task(one, name="telling") for one in (_tell_on(calls), watch_the_clock(calls.figures))]
    while line := await told.readline():
        await _obey(json.loads(line), calls)
    for task in keeping:
        task.cancel()
    os._exit(1)  # who ordered the calls is gone


async def _end_of(told: asyncio.StreamReader) -> None:
    while await told.readline():
        pass
    os._exit(1)


async def _obey(order: dict[str, Any], calls: OrderedCalls) -> None:
    if "place" in order:
        calls.place(order["place"], order["user"], order["due_s"])
    elif "end" in order:
        calls.end(order["end"])
    elif "cut" in order:
        calls.cut(order["cut"])
    else:
        await calls.end_all()
        calls.tell_report(is_last=True)


async def _tell_on(calls: OrderedCalls) -> None:
    """Tell values as they come, and report once a second."""
    due_s = time.monotonic() + _REPORT_S
    while True:
        await asyncio.sleep(_TELL_S)
        calls.tell_values()
        if time.monotonic() >= due_s:
            due_s = max(due_s, time.monotonic() - _REPORT_S) + _REPORT_S
            calls.tell_report()
