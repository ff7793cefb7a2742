"""Several processes that answer calls on one port, as if they were one: one log, one set of totals, one end.

Each worker is a server of its own. All accept from the same listening sockets, which the command binds, or has from
systemd, and hands to each, so that the port stays open, and who is waiting there is answered, whatever becomes of a
worker; sockets of their own (SO_REUSEPORT) lose what waits at a worker that dies, leave it waiting at one that stands
still, and share calls out by chance: of 40 calls, one of two workers got 14 to 24. Who has more calls than another lets
that one go first.

A worker's log comes through pipes, line by line; orders and results pass over a socket. A worker that dies, hangs or
sends invalid messages is replaced. If the parent dies, the workers see that socket end, and stop in order.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from audiosocket_cli.call.bots.process import reap_orphans
from audiosocket_cli.call.events import Event
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.channel import parse_object
from audiosocket_cli.net.listen import ListeningSockets, allow_many_descriptors, bind
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.server.admission import Admission
from audiosocket_cli.server.call_list import Key
from audiosocket_cli.server.drain import Drain
from audiosocket_cli.server.limits import SharedCallLimits, new_shared_file
from audiosocket_cli.server.metrics import WorkersMetrics
from audiosocket_cli.server.options import ServeOptions, ServeSummary
from audiosocket_cli.server.reloading import NOTHING_TO_RELOAD
from audiosocket_cli.server.server import NOBODY_MAY_CALL
from audiosocket_cli.server.service import Service
from audiosocket_cli.server.worker_process import (
    CHANNEL_FD,
    LOOK_S,
    WorkerProcess,
    end_programs,
)

_SHORT_LIFE_S: Final = 1.0
"""A worker that dies sooner is replaced later, and later still the more often it does."""

_MAX_WAIT_S: Final = 30.0

_DISMISSED_S: Final = 5.0
"""Seconds that a worker which sends invalid messages may take to end in order."""

_PATIENCE_LOOKS: Final = {"": 10, "enough": 10, "drain": 10, "stop": 5, "abort": 2}
"""For how many looks a worker may give no sign of life, by what it was last told. No machine is so busy that a loop has
no turn for ten seconds, and its calls are heard."""

_ABORTED_S: Final = 10.0
"""How long a worker may take to complete its files once it is told to end at once."""


class Log(Protocol):
    """Where workers are logged."""

    def report(self, event: Event) -> None:
        """Log one event."""

    def relay(self, line: str) -> None:
        """Log a line of a worker."""

    def complain(self, line: str) -> None:
        """Log a line about the processes themselves."""


class Workers:
    """Starts the workers, passes on what they say, and ends them."""

    def __init__(
        self,
        options: ServeOptions,
        count: int,
        command: Callable[[int], Sequence[str]],
        log: Log,
        service: Service,
    ) -> None:
        """`command` returns the command line of a worker that has this descriptor for its socket; `service` is told
        how all of them are."""
        self.summary = ServeSummary()
        self._metrics = WorkersMetrics()
        self._options = options
        self._count = count
        self._command = command
        self._log = log
        self._service = service
        self._listening = service.listening or ListeningSockets(())
        self._reloading: set[int] = set()
        self._drain: Drain | None = None
        self._shared = new_shared_file(count)
        self._call_limits = SharedCallLimits(self._shared, 0, count, options.calls, options.max_calls)
        self._workers: dict[int, WorkerProcess] = {}
        self._ready: set[int] = set()
        self._ending_programs: set[asyncio.Task[None]] = set()
        self._stopping = ""
        """What the workers were last told, once it was their end."""
        self._failure: str | None = None

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when it cannot listen there."""
        lack = self._options.lack_of_descriptors(allow_many_descriptors())
        if lack:
            self._log.complain(lack)
        self._check_uuids()
        if not self._listening.sockets:
            self._listening = ListeningSockets(bind(self._options.listen))
        self._addresses = self._listening.addresses  # closed sockets have none
        reaping = asyncio.create_task(_reap_orphans(), name="orphans") if os.getpid() == 1 else None
        if self._service.news is not None:
            self._service.news.attach(self._end_call)
        if self._service.watching is not None:
            self._service.watching.attach_watch(self._watch_calls)
        with signals_to(self._on_signal, on_hangup=self._reload), self._service.readiness.beating(self._status):
            await asyncio.gather(*(self._keep(number) for number in range(self._count)))
            if self._ending_programs:
                await asyncio.wait(self._ending_programs)
        if reaping is not None:
            reaping.cancel()
        if self._drain is not None:
            self._drain.cancel()
        self._listening.close()
        os.close(self._shared)
        if self._failure is not None:
            raise NetworkError(self._failure)
        return self.summary

    def _check_uuids(self) -> None:
        """Complain of a file of UUIDs once, not once for each worker. Raises `FileError`."""
        path = self._options.admission.uuid_file
        if path is not None and path.is_fifo():
            raise UsageError(f"{path} can be read once, but --workers read it each: name a file for --allow-uuid")
        if Admission(self._options.admission).lets_nobody_in:
            self._log.complain(NOBODY_MAY_CALL)

    async def _keep(self, number: int) -> None:
        """Run a worker, and another when it dies."""
        pause_s, starts = 0.0, 0
        while not self._stopping:
            begun_s, starts = time.monotonic(), starts + 1
            self._metrics.counts["worker_restarts"] += starts > 1
            await self._run_worker(number)
            if not self._stopping:
                pause_s = 0.0 if time.monotonic() - begun_s > _SHORT_LIFE_S else min(_MAX_WAIT_S, 2 * pause_s + 0.5)
                await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not self._stopping and time.monotonic() < until_s:
            await asyncio.sleep(0.1)

    async def _run_worker(self, number: int) -> None:
        try:
            worker = WorkerProcess(number, self._command(CHANNEL_FD), self._shared, self._listening.sockets,
                                   take=self._take, put=self._log.relay, complain=self._log.complain)  # fmt: skip
        except OSError as error:
            self._on_no_worker(number, (error.strerror or str(error)).lower())
            return
        self._workers[number] = worker
        worker.send(self._orders(number))
        told_before = len(self._ready)
        await worker.wait(lambda: self._call_limits.beats_of(number), lambda: _PATIENCE_LOOKS[self._stopping])
        del self._workers[number]
        lost = self._call_limits.live_in(number)
        self._call_limits.forget(number)
        self._metrics.forget(number)
        self._publish_metrics()
        if self._service.news is not None:
            self._service.news.lose(worker.process.pid)
        self._count_reloaded(number)
        if not worker.has_told_totals:
            self._count_loss(worker, lost, is_first=told_before == 0)
        if worker.programs:
            task = asyncio.create_task(end_programs(worker.programs), name=f"programs of {worker.name}")
            self._ending_programs.add(task)
            task.add_done_callback(self._ending_programs.discard)

    def _on_no_worker(self, number: int, reason: str) -> None:
        if self._ready:
            self._log.complain(f"cannot start worker {number + 1}: {reason}; trying again")
        elif not self._stopping:
            self._failure = f"cannot start worker {number + 1}: {reason}; use fewer --workers"
            self._end("stop")

    def _count_loss(self, worker: WorkerProcess, lost: int, *, is_first: bool) -> None:
        if not worker.is_ready and is_first and not self._stopping:
            self._failure = f"worker {worker.number + 1} {worker.how_it_ended} before it could answer calls"
            self._end("stop")
            return
        self.summary.faults += lost
        self._metrics.counts["calls_lost"] += lost
        then = "" if self._stopping else "; another takes its place"
        calls = "no call is" if not lost else "1 call is" if lost == 1 else f"{lost} calls are"
        self._log.complain(f"{worker.name} {worker.how_it_ended}: {calls} lost{then}")

    def _orders(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "workers": self._count,
            "metrics": self._service.on_metrics is not None,
            "news": self._service.news is not None,
            "watch": self._service.watching is not None and self._service.watching.is_watched,
            "sockets": len(self._listening.sockets),
            "stay_open": self._listening.stay_open,
        }

    def _take(self, worker: WorkerProcess, line: str) -> None:
        """Take a message of a worker; if it is invalid, the worker is told to end, once, and replaced."""
        try:
            self._understand(worker, parse_object(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if not worker.is_dismissed:
                worker.is_dismissed = True
                self._log.complain(f"{worker.name} sends invalid messages ({error}): it is asked to end")
                worker.end_within(_DISMISSED_S, signal.SIGTERM)

    def _understand(self, worker: WorkerProcess, told: dict[str, Any]) -> None:
        match told:
            case {"ready": True}:
                self._count_ready(worker)
            case {"metrics": dict(snapshot)}:
                self._metrics.take(worker.number, snapshot)
                self._publish_metrics()
            case {"news": dict(news)} if self._service.news is not None:
                self._service.news.take(worker.process.pid, news)
            case {"reloaded": True}:
                self._count_reloaded(worker.number)
            case {"enough": True}:
                self._end("enough")
            case {"summary": dict(totals)}:
                self._add(totals)
                worker.has_told_totals = True
            case {"program": int(group), "runs": bool(runs)} if group > 1:
                (worker.programs.add if runs else worker.programs.discard)(group)
            case _:
                raise ValueError(f"{json.dumps(told)[:60]} is not a known message")

    def _end_call(self, key: Key, result: str | None, by_bot: bool) -> None:
        """Pass on the order to end a call to the worker that has it."""
        process, number = key
        for worker in self._workers.values():
            if worker.process.pid == process:
                worker.send({"do": "end", "call": number, "result": result, "by_bot": by_bot})

    def _watch_calls(self, process: int | None, what: dict[str, Any]) -> None:
        """Pass on an order of those who watch or listen."""
        for worker in self._workers.values():
            if process in (None, worker.process.pid):
                worker.send({"do": "watch", "what": what})

    def _count_ready(self, worker: WorkerProcess) -> None:
        worker.is_ready = True
        is_first = len(self._ready) < self._count
        self._ready.add(worker.number)
        if is_first and len(self._ready) == self._count:
            self._service.readiness.ready()
            self._log.report(self._options.listening(self._addresses, passed=self._listening.stay_open))

    def _publish_metrics(self) -> None:
        if self._service.on_metrics is not None:
            self._service.on_metrics(*self._metrics.merged())

    def _add(self, totals: dict[str, Any]) -> None:
        names = {field.name for field in dataclasses.fields(self.summary)} - {"signal"}
        counted = {name: totals[name] for name in names}
        for name, value in counted.items():
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{value!r} {name.replace('_', ' ')}")
        for name, value in counted.items():
            setattr(self.summary, name, getattr(self.summary, name) + value)

    def _reload(self) -> None:
        reopened = self._service.readiness.reloading()
        if self._options.admission.uuid_file is None:
            if not reopened:
                self._log.complain(NOTHING_TO_RELOAD)
            self._service.readiness.reloaded()
        else:
            self._reloading = set(self._workers)
            self._send_all({"do": "reload"})

    def _count_reloaded(self, number: int) -> None:
        if number in self._reloading:
            self._reloading.discard(number)
            if not self._reloading:
                self._service.readiness.reloaded()

    def _on_signal(self, number: int) -> None:
        if self.summary.signal is None:
            self.summary.signal = number
            self._end_in_order()
        else:
            if self._drain is not None:
                self._drain.cancel()
            self._end("abort")

    def _end_in_order(self) -> None:
        drain = self._options.drain
        if drain is None:
            self._end("stop")
            return
        self._service.readiness.draining()
        self._drain = Drain(
            drain,
            count=self._count_live,
            complain=self._log.complain,
            close=lambda: None if self._stopping else self._end("drain"),
            hang_up=lambda: self._end("stop"),
        )

    def _count_live(self) -> int:
        return sum(map(self._call_limits.live_in, range(self._count)))

    def _status(self) -> str:
        return f"{self._service.readiness.state}, {self._count_live()} live in {len(self._ready)} workers"

    def _end(self, how: str) -> None:
        self._stopping = how
        if how in ("stop", "abort"):
            self._service.readiness.stopping()
        else:
            self._service.readiness.draining()
        self._send_all({"do": how})
        self._listening.close()
        if how == "abort":
            for worker in self._workers.values():
                worker.end_within(_ABORTED_S)

    def _send_all(self, what: dict[str, Any]) -> None:
        for worker in list(self._workers.values()):
            worker.send(what)


async def _reap_orphans() -> None:
    while True:
        reap_orphans()
        await asyncio.sleep(LOOK_S)
