"""The load of one Locust test: the processes that place its calls on this machine, and the figures of all machines.

Each worker sends what its processes report, once a second and at the end, to the master, which adds it up as `bench`
adds up its processes. When the test stops, the master first lets all workers end their calls and report, and only then
lets Locust stop them: otherwise what came last would be lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from gevent import sleep, spawn
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerRunner

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.locust_callers import Callers
from audiosocket_cli.bench.placing import MAX_ROWS
from audiosocket_cli.bench.plan import Plan, Progress
from audiosocket_cli.bench.series import SeriesMaker

_REPORT: Final = "audiosocket_report"
_END: Final = "audiosocket_end"
"""Messages between a master and its workers: what was counted, and that the calls are to end."""

_LAST_S: Final = 5.0
"""How long a master waits for the last reports of its workers."""

_USERS_S: Final = 0.05
"""How long users may take to tell Locust that their calls are over."""

_loads: WeakKeyDictionary[Environment, LocustLoad] = WeakKeyDictionary()


def load_of(environment: Environment) -> LocustLoad:
    """Return the load of a Locust, the same each time."""
    load = _loads.get(environment)
    if load is None:
        load = _loads[environment] = LocustLoad(environment)
    return load


class LocustLoad:
    """What one Locust places, or, in a master, what all its workers place."""

    def __init__(self, environment: Environment) -> None:
        self.progress = Progress()
        """What has been counted so far, of all machines."""
        self.started_at = ""
        self._environment = environment
        self._start_s = time.monotonic()
        self._callers: dict[Plan, Callers] = {}
        self._counted: dict[str, dict[str, Any]] = {}
        """The last report of each process of callers."""
        self._rows_left_out = 0
        """Calls whose rows came when there was no room for them."""
        self._series = SeriesMaker()
        self._spare: Callers | None = None
        self._lost: list[str] = []
        """Which of these processes ended before their time."""
        self._made = 0
        """How many such processes there were on this machine."""
        self._is_over = True
        self._said_last: set[str] = set()
        self._news = Event()
        self._ending = BoundedSemaphore()
        events, runner = environment.events, environment.runner
        events.test_start.add_listener(lambda **_: self._begin())
        events.test_stopping.add_listener(lambda **_: self.end())
        events.quitting.add_listener(lambda **_: self._quit())
        if isinstance(runner, MasterRunner):
            runner.register_message(_REPORT, self._hear)
        elif isinstance(runner, WorkerRunner):
            runner.register_message(_END, lambda **_: spawn(self.end))
        if runner is not None and runner.state in (STATE_SPAWNING, STATE_RUNNING):
            self._begin()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not self._counted

    def prepare(self) -> None:
        """Start the process that will place calls on this machine, and wait for it: no time of a test passes then."""
        self._spare = Callers()
        self._spare.wait_until_started()

    def callers(self, plan: Plan) -> Callers | None:
        """Return the process that places the calls of a plan; None when the test is over."""
        if self._is_over:
            return None
        callers = self._callers.get(plan)
        if callers is None or callers.lost:
            if callers is not None and callers.lost:
                logging.error("%s; another one takes its place", callers.lost)
                self._lost.append(callers.lost)
            self._made += 1
            name = f"{list(self._callers).index(plan) if plan in self._callers else len(self._callers)}.{self._made}"
            callers, self._spare = self._spare or Callers(), None
            callers.begin(plan, self._start_s, lambda report: self._send(name, report))
            self._callers[plan] = callers
        return callers

    def _begin(self) -> None:
        for callers in self._callers.values():
            callers.kill()
        self.progress = Progress()
        self.started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._start_s = time.monotonic()
        self._callers, self._counted, self._series = {}, {}, SeriesMaker()
        self._is_over = False
        self._said_last, self._lost, self._rows_left_out = set(), [], 0

    def end(self) -> None:
        """End all calls of this machine, and of the workers if there are any, and take their last figures; once."""
        with self._ending:
            if not self._is_over:
                self._is_over = True
                self._end()

    def _end(self) -> None:
        runner = self._environment.runner
        if isinstance(runner, MasterRunner):
            self._end_workers(runner)
        else:
            _together(callers.end_all for callers in self._callers.values())
            if isinstance(runner, WorkerRunner):
                self._send_stats(runner)
            lost = [callers.lost for callers in self._callers.values() if callers.lost]
            self._send("", {"lost": [*self._lost, *lost]})
        self.progress.elapsed_s = time.monotonic() - self._start_s
        self.progress.series = self._series.series() if self._counted else None

    def _quit(self) -> None:
        self.end()
        if self._spare is not None:
            self._spare.kill()

    def _end_workers(self, runner: MasterRunner) -> None:
        wanted = {worker.id for worker in runner.clients.all if worker.state != STATE_MISSING}
        runner.send_message(_END)
        until_s = time.monotonic() + _LAST_S
        while wanted - self._said_last and (left_s := until_s - time.monotonic()) > 0:
            self._news.clear()
            self._news.wait(left_s)
        silent = len(wanted - self._said_last)
        if silent:
            self.progress.lost.append(f"{silent} of {len(wanted)} workers sent no last report within {_LAST_S:g} s")

    def _send_stats(self, runner: WorkerRunner) -> None:
        """Send Locust's own values before our last report: later Locust waits half a second for them, no more."""
        sleep(_USERS_S)
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.send_message("stats", data)

    def _send(self, name: str, report: dict[str, Any]) -> None:
        """Take what a process of this machine counted, or send it to the master."""
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(_REPORT, {"name": name, "report": report})
        else:
            self._take(f"here {name}", report)

    def _hear(self, msg: Any, **_: Any) -> None:
        """Take what a worker sends."""
        report = msg.data["report"]
        if "lost" in report:
            self._said_last.add(msg.node_id)
        self._take(f"{msg.node_id} {msg.data['name']}", report)
        self._news.set()

    def _take(self, process: str, report: dict[str, Any]) -> None:
        if "lost" in report:
            self.progress.lost += report["lost"]
            return
        self._counted.setdefault(process, {"number": len(self._counted)})
        number = self._counted[process]["number"]
        figures = Figures.from_json(report["figures"])
        self._counted[process] = {
            "number": number, "figures": figures, "live": report["live_calls"], "peak": report["peak_calls"],
        }  # fmt: skip
        self._series.report(number, report["at_s"], figures, report["live_calls"])
        room = MAX_ROWS - len(self.progress.rows)
        self.progress.rows += report["rows"][:room]
        self._rows_left_out += len(report["rows"][room:])

    def add_up(self) -> Progress:
        """Return what all processes counted, together."""
        total = Figures()
        for counted in self._counted.values():
            total.merge(counted["figures"])
        total.counts["rows_left_out"] += self._rows_left_out
        self.progress.figures = total
        self.progress.live_calls = sum(counted["live"] for counted in self._counted.values())
        peaks: dict[str, int] = {}
        for process, counted in self._counted.items():  # one that took the place of another had its calls
            place = process.rpartition(".")[0]
            peaks[place] = max(counted["peak"], peaks.get(place, 0))
        self.progress.peak_calls = sum(peaks.values())
        self.progress.rows.sort(key=lambda row: (row["start_s"], row["call"]))
        return self.progress

    @property
    def processes(self) -> int:
        """How many processes placed calls."""
        return len(self._counted)


def _together(jobs: Iterable[Callable[[], None]]) -> None:
    for job in [spawn(job) for job in jobs]:
        job.join()
