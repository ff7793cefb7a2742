"""Places the calls of one process's share of a load, on its event loop, and watches how well the loop keeps time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.bench.caller import BenchCall
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.load import Load, Slot
from audiosocket_cli.bench.placing import keep_row, watch_the_clock
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.target import Target

_REDIAL_S: Final = 1.0
"""A caller calls again when its call has ended, but not sooner than this after it placed the last."""

_MIN_CALL_S: Final = 0.1
"""With less time left, no caller calls again."""

_DIALLING_S: Final = 1.0
"""How long a connection may still take once all calls are to end."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a load that one process takes: process `number` of `of` takes every `of`-th slot."""

    number: int = 0
    of: int = 1

    def slots(self, load: Load) -> list[Slot]:
        """Return its slots, in order of their starts."""
        return [slot for slot in load.slots() if slot.number % self.of == self.number]

    def of_calls(self, most: int) -> int:
        """Return its share of a number of calls."""
        return most // self.of + (self.number < most % self.of)


@dataclass(slots=True)
class Generator:
    """Runs slots against a target, and counts."""

    target: Target
    load: Load
    speech: Speech
    share: Share
    seed: int = 0
    figures: Figures = field(default_factory=Figures)
    rows: list[dict[str, Any]] = field(default_factory=list)
    peak_calls: int = 0
    _live: set[Session] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _dialling: set[asyncio.Task[None]] = field(default_factory=set)
    """Those of them that wait for a connection."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _driver: Driver = field(default_factory=lambda: Driver(at_once=True))
    _dialler: Dialler = field(init=False)
    _epoch_s: float = 0.0
    _calls: int = 0

    def __post_init__(self) -> None:
        self._dialler = Dialler(self.target)

    @property
    def live_calls(self) -> int:
        """How many calls are under way."""
        return len(self._live)

    async def run(self, start_s: float) -> None:
        """Run the share from `start_s` on the monotonic clock until its calls are over, or `stop`."""
        self._epoch_s = start_s
        most = None if self.load.max_calls is None else self.share.of_calls(self.load.max_calls)
        beat = asyncio.create_task(watch_the_clock(self.figures), name="clock")
        try:
            for slot in self.share.slots(self.load):
                if not await self._sleep_until(start_s + slot.start_s):
                    break
                if slot.once and most is not None and len(self._tasks) >= most:
                    self.figures.counts["left_out"] += 1
                    continue
                task = asyncio.create_task(self._run_slot(slot), name=f"caller {slot.number}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            while self._tasks:
                await asyncio.gather(*self._tasks)
        finally:
            beat.cancel()
            await self._dialler.finish()

    def stop(self, *, at_once: bool = False) -> None:
        """Place no more calls, and end those under way: in order or at once."""
        self._stopped.set()
        asyncio.get_running_loop().call_later(_DIALLING_S, self._give_up_dialling)
        for session in list(self._live):
            if at_once:
                session.abort()
            else:
                session.stop("interrupted")

    def _give_up_dialling(self) -> None:
        for task in self._dialling:
            task.cancel()

    async def _run_slot(self, slot: Slot) -> None:
        end_s = self._epoch_s + slot.end_s
        due_s = self._epoch_s + slot.start_s
        while not self._stopped.is_set():
            length_s = min(end_s - due_s, self.load.call_duration_s or end_s)
            await self._place(due_s, length_s)
            if slot.once:
                return
            due_s = max(time.monotonic(), due_s + _REDIAL_S)
            if end_s - due_s <= _MIN_CALL_S or not await self._sleep_until(due_s):
                return

    async def _place(self, due_s: float, length_s: float) -> None:
        number = self.share.number + self._calls * self.share.of
        self._calls += 1
        talk = Talk(self.speech, number, length_s, self._epoch_s, self.seed)
        call = BenchCall(talk, self.figures, length_s, due_s=due_s, epoch_s=self._epoch_s)
        dialled_s = time.monotonic()
        try:
            link = await self._dial(call.uuid)
        except (NetworkError, OSError) as error:
            keep_row(self, call.not_connected(error))
            return
        wire = SocketWire(link.socket)
        session = call.connected(wire, link.peer, dialled_s)
        self._live.add(session)
        self.peak_calls = max(self.peak_calls, len(self._live))
        if self._stopped.is_set():
            session.stop("interrupted")
        try:
            await self._driver.drive(session, wire)
        finally:
            self._live.discard(session)
        keep_row(self, call.conclude())
        if link.through is not None:
            call.note(await link.through.finish())

    async def _dial(self, uuid: UUID) -> Link:
        """Connect; raises `NetworkError`, also where that takes on when all calls are to end, as a name server's
        silence does."""
        task = asyncio.current_task()
        assert task is not None
        self._dialling.add(task)
        try:
            return await self._dialler.dial(uuid)
        except asyncio.CancelledError:
            if not self._stopped.is_set():
                raise
            task.uncancel()
            raise NetworkError(f"cannot connect to {self.target}: no answer until the end of the load") from None
        finally:
            self._dialling.discard(task)

    async def _sleep_until(self, at_s: float) -> bool:
        """Sleep; False when stopped meanwhile."""
        delay_s = at_s - time.monotonic()
        if delay_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), delay_s)
        return not self._stopped.is_set()


def shares(processes: int) -> Sequence[Share]:
    """Divide a load among processes."""
    return [Share(number, processes) for number in range(processes)]
