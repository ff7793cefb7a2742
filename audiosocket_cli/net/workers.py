"""Several processes that answer calls on one port, as if they were one: one log, one set of totals, one end.

Each worker is a server of its own, on a socket of its own with SO_REUSEPORT, among which the system shares out the
connections. Its log comes through pipes, line by line; over a socket it is told to stop, and tells what came of it. A
worker that dies is replaced. Should whoever started them die, they see that socket end, and stop in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from signal import SIGHUP
from typing import Any, Final

from audiosocket_cli.call.events import Listening, Report
from audiosocket_cli.call.process import how_it_ended
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.drain import Drain
from audiosocket_cli.net.listen import ListeningSockets, allow_many_descriptors, bind, find_port
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.net.metrics import Snapshot, WorkersMetrics
from audiosocket_cli.net.places import SharedPlaces, new_shared_file
from audiosocket_cli.net.readiness import Readiness
from audiosocket_cli.net.serve import Server
from audiosocket_cli.net.serving import ServeOptions, ServeSummary

CAN_SHARE_A_PORT: Final = hasattr(socket, "SO_REUSEPORT")

_LONGEST_LINE: Final = 1 << 20
_SHORT_LIFE_S: Final = 1.0
"""A worker that dies sooner is replaced later, and later still the more often it does."""

_MOST_PAUSE_S: Final = 30.0


class Workers:
    """Starts the workers, passes on what they say, and ends them."""

    def __init__(
        self,
        options: ServeOptions,
        count: int,
        command: Callable[[int], Sequence[str]],
        *,
        report: Report,
        put: Callable[[str], object],
        complain: Callable[[str], object],
        passed: ListeningSockets | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        """`command` returns the command line of a worker that has this descriptor for its socket.

        `put` gets lines of their logs, `complain` lines about the processes themselves, `readiness` how all of them
        are. They listen on the sockets that were `passed` by systemd, if any were.
        """
        self.summary = ServeSummary()
        self.on_metrics: Callable[[Snapshot, float], object] | None = None
        """Told how things are, and when the oldest of that was told."""
        self._metrics = WorkersMetrics()
        self._options = options
        self._count = count
        self._command = command
        self._report = report
        self._put = put
        self._complain = complain
        self._passed = passed or ListeningSockets(())
        self._readiness = readiness or Readiness()
        self._addresses = self._passed.addresses
        self._drain: Drain | None = None
        self._shared = new_shared_file(count)
        self._places = SharedPlaces(self._shared, 0, count, options.calls, options.max_calls)
        self._channels: dict[int, socket.socket] = {}
        self._ready: set[int] = set()
        self._stopping = ""
        """What the workers were last told, once it was their end."""
        self._failure: str | None = None

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when the address cannot be had."""
        lack = self._options.lack_of_descriptors(allow_many_descriptors())
        if lack:
            self._complain(lack)
        if not self._addresses:
            self._addresses = find_port(self._options.listen)
        with (
            signals_to(self._on_signal, hangup_anyway=self._options.admission.uuid_file is not None),
            self._readiness.beating(self._status),
        ):
            await asyncio.gather(*(self._keep(number) for number in range(self._count)))
        if self._drain is not None:
            self._drain.cancel()
        os.close(self._shared)
        if self._failure is not None:
            raise NetworkError(self._failure)
        return self.summary

    async def _keep(self, number: int) -> None:
        """Run a worker, and another when it dies."""
        pause_s, starts = 0.0, 0
        while not self._stopping:
            begun_s, starts = time.monotonic(), starts + 1
            self._metrics.counts["worker_restarts"] += starts > 1
            await self._run_worker(number)
            if not self._stopping:
                pause_s = 0.0 if time.monotonic() - begun_s > _SHORT_LIFE_S else min(_MOST_PAUSE_S, 2 * pause_s + 0.5)
                await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not self._stopping and time.monotonic() < until_s:
            await asyncio.sleep(0.1)

    async def _run_worker(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *self._command(theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(theirs.fileno(), self._shared, *self._passed_descriptors),
            start_new_session=True,  # what a terminal signals is passed on by us, once
            limit=_LONGEST_LINE,
        )
        theirs.close()
        self._channels[number] = ours
        self._tell(number, self._orders(number))
        if self._stopping:
            self._tell(number, {"do": self._stopping})
        assert process.stdout is not None
        assert process.stderr is not None
        told_before = len(self._ready)
        has_ended = (
            await asyncio.gather(
                self._hear(number, ours), _pass_on(process.stdout, self._put), _pass_on(process.stderr, self._complain)
            )
        )[0]
        status = await process.wait()
        del self._channels[number]
        ours.close()
        lost = self._places.live_in(number)
        self._places.forget(number)
        self._metrics.forget(number)
        self._tell_metrics()
        if has_ended:
            return
        if number not in self._ready and told_before == 0 and not self._stopping:
            self._failure = f"worker {number + 1} {how_it_ended(status)} before it could answer calls"
            self._end("stop")
            return
        self.summary.faults += lost
        self._metrics.counts["calls_lost"] += lost
        then = "" if self._stopping else "; another takes its place"
        calls = "no call is" if not lost else "1 call is" if lost == 1 else f"{lost} calls are"
        self._complain(f"worker {number + 1} (process {process.pid}) {how_it_ended(status)}: {calls} lost{then}")

    def _orders(self, number: int) -> dict[str, Any]:
        return {
            "listen": [self._options.listen.host, self._addresses[0].port],
            "passed": self._passed_descriptors,
            "shared": self._shared,
            "number": number,
            "workers": self._count,
            "metrics": self.on_metrics is not None,
        }

    @property
    def _passed_descriptors(self) -> list[int]:
        return [] if self._stopping else [listener.fileno() for listener in self._passed.sockets]

    async def _hear(self, number: int, channel: socket.socket) -> bool:
        """Take what a worker tells until it has ended; False when it ended without its totals."""
        loop, waiting, has_ended = asyncio.get_running_loop(), b"", False
        while True:
            try:
                data = await loop.sock_recv(channel, 65536)
            except ConnectionError:
                return has_ended
            if not data:
                return has_ended
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                has_ended |= self._take(number, json.loads(line))

    def _take(self, number: int, told: dict[str, Any]) -> bool:
        if "ready" in told:
            is_first = len(self._ready) < self._count
            self._ready.add(number)
            if is_first and len(self._ready) == self._count:
                self._report(self._options.listening(self._addresses, passed=self._passed.are_shared))
                self._readiness.ready()
        elif "metrics" in told:
            self._metrics.take(number, told["metrics"])
            self._tell_metrics()
        elif "enough" in told:
            self._end("enough")
        elif "summary" in told:
            self._add(told["summary"])
            return True
        return False

    def _tell_metrics(self) -> None:
        if self.on_metrics is not None:
            self.on_metrics(*self._metrics.merged())

    def _add(self, totals: dict[str, Any]) -> None:
        for name, value in totals.items():
            if name != "signal":
                setattr(self.summary, name, getattr(self.summary, name) + value)

    def _on_signal(self, number: int) -> None:
        if number == SIGHUP and self._options.admission.uuid_file is not None:
            self._tell_all({"do": "reload"})
        elif self.summary.signal is None:
            self.summary.signal = number
            self._end_in_order()
        else:
            self._end("abort")

    def _end_in_order(self) -> None:
        drain_s = self._options.drain_s
        if drain_s is None:
            self._end("stop")
            return
        self._end("drain")
        self._drain = Drain(drain_s, count=self._count_live, complain=self._complain, hang_up=lambda: self._end("stop"))

    def _count_live(self) -> int:
        return sum(map(self._places.live_in, range(self._count)))

    def _status(self) -> str:
        return f"{self._readiness.state}, {self._count_live()} live in {len(self._ready)} workers"

    def _end(self, how: str) -> None:
        self._stopping = how
        self._passed.close()
        if how in ("stop", "abort"):
            self._readiness.stopping()
        else:
            self._readiness.draining()
        self._tell_all({"do": how})

    def _tell_all(self, what: dict[str, Any]) -> None:
        for number in list(self._channels):
            self._tell(number, what)

    def _tell(self, number: int, what: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it is gone: whoever hears it finds out
            self._channels[number].send(json.dumps(what).encode() + b"\n")


async def _pass_on(stream: asyncio.StreamReader, put: Callable[[str], object]) -> None:
    while line := await stream.readline():
        put(line.decode("utf-8", "replace").rstrip("\n"))


class Worker:
    """One of them, in its own process: a server that does as it is told over its channel."""

    def __init__(self, descriptor: int) -> None:
        """Take the channel, a socket with this descriptor, and wait for the first orders."""
        self._channel = socket.socket(fileno=descriptor)
        with self._channel.makefile("rb", buffering=0) as orders_only:
            orders = json.loads(orders_only.readline())
        self._listen = Address(*orders["listen"])
        self._passed: list[int] = orders["passed"]
        self._shared: int = orders["shared"]
        self._number: int = orders["number"]
        self._workers: int = orders["workers"]
        self._wants_metrics: bool = orders["metrics"]
        self._waiting = b""
        self._unsent = b""

    async def run(self, options: ServeOptions, report: Report, complain: Callable[[str], object]) -> None:
        """Serve until told to stop. Raises `NetworkError` when the address cannot be had."""
        places = SharedPlaces(self._shared, self._number, self._workers, options.calls, options.max_calls)

        def report_all_but_where(event: Any) -> None:
            if isinstance(event, Listening):
                self._tell({"ready": True})
            else:
                report(event)

        options = dataclasses.replace(options, listen=self._listen)
        if self._passed:
            listening = ListeningSockets([socket.socket(fileno=number) for number in self._passed], are_shared=True)
            for number in self._passed:
                os.set_inheritable(number, False)
        else:
            listening = ListeningSockets(bind(self._listen, shared=True))
        server = Server(options, report_all_but_where, complain, places=places, listening=listening)
        server.on_enough = lambda: self._tell({"enough": True})
        if self._wants_metrics:
            server.on_metrics = self._tell_metrics
        self._channel.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._on_orders, server)
        try:
            summary = await server.run()
        finally:
            loop.remove_reader(self._channel.fileno())
        self._channel.setblocking(True)
        self._tell({"summary": dataclasses.asdict(summary)})

    def _tell(self, what: dict[str, Any]) -> None:
        self._unsent += json.dumps(what).encode() + b"\n"
        self._push()

    def _tell_metrics(self, snapshot: Snapshot) -> None:
        self._push()
        if not self._unsent:  # else whoever should read them does not: newer ones will come
            self._tell({"metrics": snapshot})

    def _push(self) -> None:
        with contextlib.suppress(OSError):
            while self._unsent:
                self._unsent = self._unsent[self._channel.send(self._unsent) :]

    def _on_orders(self, server: Server) -> None:
        try:
            data = self._channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # whoever started us is gone
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            server.stop()
            return
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        orders = {
            "stop": server.stop,
            "abort": server.abort,
            "drain": server.drain,
            "enough": server.enough,
            "reload": server.reload,
        }
        for line in lines:
            orders[json.loads(line)["do"]]()
