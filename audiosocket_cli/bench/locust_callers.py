"""The process that places the calls of a Locust worker's users, as greenlets see it: `ordered_calls` is its inside."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gevent import GreenletExit, sleep, spawn
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore
from gevent.subprocess import PIPE, Popen

import audiosocket_cli
from audiosocket_cli.bench.plan import Plan, plan_json
from audiosocket_cli.errors import AudioSocketError, FileError

_WORK: Final = "from audiosocket_cli.bench.ordered_calls import work; work()"

_START_S: Final = 60.0
"""How long it may take to start: on a busy machine, beside many others."""

_LAST_S: Final = 3.0
"""How long to wait for its last report."""

_GO_S: Final = 0.15
_PART_S: Final = 0.15
"""Locust stops all users at once: their calls are ended over the first time; then a server has the second to close."""

TellValues = Callable[[str, list[float]], None]
TakeReport = Callable[[dict[str, Any]], None]


class OrderedCall:
    """One call, as the greenlet sees it that waits for its end."""

    def __init__(self, callers: Callers, number: int, tell: TellValues) -> None:
        self.tell = tell
        self.over: AsyncResult = AsyncResult()
        self._callers = callers
        self._number = number

    def wait(self, place: float) -> dict[str, Any]:
        """Return what came of it, at its end.

        When the greenlet is told to end, the call ends as any other, at its `place` (a share of 1) among those that
        end together; then `GreenletExit` goes on.
        """
        try:
            return dict(self.over.get())
        except GreenletExit:
            sleep(place * _GO_S)
            self._callers.order(end=self._number)
            if self.over.wait(_PART_S) is None:
                self._callers.order(cut=self._number)
                self.over.wait(_PART_S)
            raise


class Callers:
    """A process that places calls of one plan, which it gets with `begin`."""

    def __init__(self) -> None:
        self.lost: str | None = None
        """Why the process is gone before its time, in words."""
        self._take_report: TakeReport = _ignore
        self._calls: dict[int, OrderedCall] = {}
        self._numbers = 0
        self._started = Event()
        self._ready: AsyncResult = AsyncResult()
        self._last = Event()
        self._is_ended = False
        self._writing = BoundedSemaphore()
        package = str(Path(audiosocket_cli.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._process = Popen(
            [sys.executable, "-P", "-c", _WORK], stdin=PIPE, stdout=PIPE, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self._reading = spawn(self._read)

    def wait_until_started(self) -> None:
        """Wait until it has loaded what it needs, which on a busy machine takes seconds."""
        self._started.wait(_START_S)

    def begin(self, plan: Plan, start_s: float, take_report: TakeReport) -> None:
        """Give it its plan, and the start of the load on the monotonic clock.

        `take_report` gets what it counted, about once a second, and once more at the end.
        """
        self._take_report = take_report
        self.order(plan=plan_json(plan), start_s=start_s)

    @property
    def is_usable(self) -> bool:
        """Whether calls can be ordered: it is neither gone nor told to end."""
        return self.lost is None and not self._is_ended

    def wait_until_ready(self) -> None:
        """Wait until it can place calls. Raises `FileError` for sound that cannot be read, and others of this kind."""
        self._ready.get(timeout=_START_S)

    def place(self, user: int, tell: TellValues) -> OrderedCall:
        """Order a call that is due now."""
        self.wait_until_ready()
        due_s = time.monotonic()
        number = self._numbers
        self._numbers += 1
        call = self._calls[number] = OrderedCall(self, number, tell)
        self.order(place=number, user=user, due_s=due_s)
        return call

    def order(self, **order: Any) -> None:
        """Send an order; to a process that is gone, to nobody."""
        try:
            with self._writing:
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            pass  # the reader notices, and tells why

    def end_all(self) -> None:
        """End all calls in order, take the last report, and end the process. Safe to call twice."""
        if self._is_ended:
            self._last.wait(_LAST_S)
            return
        self._is_ended = True
        if self.lost is None:
            self.order(end_all=True)
            self._last.wait(_LAST_S)
        self.kill()

    def kill(self) -> None:
        """End the process now."""
        self._is_ended = True
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                self._lose(f"sent an invalid message ({str(error)[:100]})")
                return
        self._lose(f"ended by itself (exit code {self._process.wait()})")

    def _take(self, told: dict[str, Any]) -> None:
        if "values" in told:
            for number, name, values in told["values"]:
                self._calls[number].tell(name, values)
        elif "over" in told:
            self._calls.pop(told["over"]).over.set(told)
        elif "report" in told:
            self._take_report(told["report"])
            if told["is_last"]:
                self._last.set()
        elif "started" in told:
            self._started.set()
        elif "error" in told:
            self._ready.set_exception(FileError(str(told["error"])))
        else:
            self._ready.set(True)

    def _lose(self, how: str) -> None:
        if not self._is_ended:
            self.lost = f"a process that placed calls {how}"
        failure = self.lost or "the test is over"
        if not self._ready.ready():
            self._ready.set_exception(AudioSocketError(failure))
        for call in self._calls.values():
            call.over.set({"failure": self.lost} if self.lost else {"is_dropped": True})
        self._calls.clear()
        self._last.set()
        self._started.set()


def _ignore(report: dict[str, Any]) -> None:
    """Nobody asked for it."""
