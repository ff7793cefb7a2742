"""Several processes that place one load: each a `Generator`, told what to do and reporting what it saw in JSON lines.

They begin at one moment of the monotonic clock, which all processes of a machine share. They are in a session of their
own, so that Ctrl-C reaches the parent alone, and end when it does, with their standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import audiosocket_cli
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.generator import Generator, Share, shares
from audiosocket_cli.bench.placing import be_ready, orders, report_of
from audiosocket_cli.bench.plan import Plan, Progress, make_speech, plan_from_json, plan_json
from audiosocket_cli.bench.series import SeriesMaker
from audiosocket_cli.bench.usage import UsageWatch
from audiosocket_cli.errors import AudioSocketError, FileError
from audiosocket_cli.net.channel import parse_object
from audiosocket_cli.net.loop import run, signals_to

_HEADSTART_S: Final = 0.1
_REPORT_S: Final = 1.0
_SHORT_S: Final = 2.0
"""After this many seconds without a connection at the start, the load ends: nobody answers."""
_LONG_S: Final = 10.0
"""After this many seconds without a connection later on, the load ends: the server is gone. Before that, it may be
restarting."""
_LINE_BYTES: Final = 1 << 27
_LOOK_S: Final = 1.0
_PATIENCE_LOOKS: Final = 15
_STOP_LOOKS: Final = 5
_ABORT_LOOKS: Final = 2
"""How many checks a process may be silent (it reports each second): while it works; once told to end; once told to end
at once. Checks, not seconds: if all processes stop together, none is silent."""

_WORK: Final = "from audiosocket_cli.bench.processes import work; work()"


async def run_plan(plan: Plan, watch: Callable[[Progress], None] = lambda progress: None) -> Progress:
    """Run a load to its end, or to the second signal. `watch` is called about once a second with the progress.

    Raises `FileError` when the audio cannot be read.
    """
    series = SeriesMaker()
    workers = [_Worker(plan, share, series) for share in shares(plan.process_count)]
    parent = _Parent(plan, workers, series, watch)
    with signals_to(parent.on_signal):
        try:
            return await parent.run()
        finally:
            for worker in workers:
                worker.kill()


class _Parent:
    def __init__(
        self, plan: Plan, workers: list[_Worker], series: SeriesMaker, watch: Callable[[Progress], None]
    ) -> None:
        self._workers = workers
        self._series = series
        self._watch = watch
        self._signal: int | None = None
        self._usage = None if plan.pid is None else UsageWatch(plan.pid)
        self._start_s = 0.0

    async def run(self) -> Progress:
        await asyncio.gather(*(worker.start() for worker in self._workers))
        self._start_s = time.monotonic() + _HEADSTART_S
        for worker in self._workers:
            worker.send({"start_s": self._start_s})
        if self._signal is not None:
            self._stop_all()
        self._look_at_server()
        ends = [asyncio.create_task(worker.follow(), name="worker") for worker in self._workers]
        outage = _Outage()
        while True:
            _, pending = await asyncio.wait(ends, timeout=_REPORT_S)
            self._look_at_server()
            if not pending:
                break
            progress = self._progress(whole=False)
            self._watch(progress)
            if outage.is_over(progress):
                self._stop_all()
        for end in ends:
            end.result()
        progress = self._progress(whole=True)
        progress.gone_s = outage.gone_s
        progress.series = self._series.series()
        return progress

    def _look_at_server(self) -> None:
        if self._usage and (sample := self._usage.look()):
            self._series.use(sample.at_s - self._start_s, sample)

    def on_signal(self, number: int) -> None:
        again, self._signal = self._signal is not None, number
        if self._start_s:
            self._stop_all(at_once=again)
        else:
            asyncio.get_running_loop().call_later(0 if again else _STOP_LOOKS * _LOOK_S, self._give_up_starting)

    def _give_up_starting(self) -> None:
        if not self._start_s:
            for worker in self._workers:
                worker.kill()

    def _stop_all(self, *, at_once: bool = False) -> None:
        for worker in self._workers:
            worker.stop(at_once=at_once)

    def _progress(self, *, whole: bool) -> Progress:
        progress = Progress(elapsed_s=max(0.0, time.monotonic() - self._start_s), signal=self._signal)
        for worker in self._workers:
            told = worker.report
            progress.figures.merge(told.figures)
            progress.live_calls += told.live_calls
            progress.peak_calls += told.peak_calls
            progress.rows += told.rows
            if whole and not told.is_whole:
                progress.lost.append(f"a process that placed calls {worker.how_it_ended}")
        progress.rows.sort(key=lambda row: (row["start_s"], row["call"]))
        progress.usage = None if self._usage is None else self._usage.usage
        return progress


@dataclass(frozen=True, slots=True)
class _Report:
    """The last report of a process."""

    figures: Figures = field(default_factory=Figures)
    live_calls: int = 0
    peak_calls: int = 0
    at_s: float = 0.0
    """When it was made, in seconds after the start of the load."""
    rows: Sequence[dict[str, Any]] = ()
    is_whole: bool = False
    """Whether it was the final report."""

    @classmethod
    def of(cls, line: bytes) -> _Report:
        """Read a line. Raises `ValueError` and others of that kind for what a process does not say."""
        told = parse_object(line.decode("utf-8", "replace"))
        rows = told.get("rows", ())
        for row in rows:
            float(row["start_s"]), int(row["call"])
        return cls(Figures.from_json(told["figures"]), int(told["live_calls"]), int(told["peak_calls"]),
                   float(told["at_s"]), rows, "rows" in told)  # fmt: skip


class _Outage:
    """Notices that nobody answers, or nobody any more: placing calls to the end of the load would show no more."""

    def __init__(self) -> None:
        self._connected = 0
        self._failed = 0
        self._since_s = 0.0
        """When there was last a call, or a connection that was made."""
        self._lasts_s = 0.0

    @property
    def gone_s(self) -> float | None:
        """When the last call had ended, if none could be placed for the `_SHORT_S` that followed, or to the end."""
        return self._since_s if self._lasts_s >= _SHORT_S and self._connected else None

    def is_over(self, progress: Progress) -> bool:
        """Take how it goes, about once a second; returns whether the load can end here."""
        counts = progress.figures.counts
        failed = sum(counts[name] for name in ("refused", "timeout", "unreachable"))
        if progress.live_calls or counts["connected"] > self._connected:
            self._connected, self._failed = counts["connected"], failed
            self._since_s, self._lasts_s = progress.elapsed_s, 0.0
        elif failed > self._failed:
            self._lasts_s = progress.elapsed_s - self._since_s
        return self._lasts_s >= (_LONG_S if self._connected else _SHORT_S)


class _Worker:
    """One process, seen from its parent."""

    def __init__(self, plan: Plan, share: Share, series: SeriesMaker) -> None:
        self.report = _Report()
        self._series = series
        self._why_killed = ""
        self._patience_looks = _PATIENCE_LOOKS
        self._plan = plan
        self._share = share
        self._process: asyncio.subprocess.Process | None = None

    @property
    def how_it_ended(self) -> str:
        if self._why_killed:
            return f"{self._why_killed}, and was killed"
        code = self._process.returncode if self._process else None
        return f"ended by itself ({f'signal {-code}' if code is not None and code < 0 else f'exit code {code}'})"

    async def start(self) -> None:
        package = str(Path(audiosocket_cli.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", _WORK,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
            start_new_session=True, env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self.send({"plan": plan_json(self._plan), "share": asdict(self._share)})
        assert self._process.stdout is not None
        try:
            told = parse_object((await self._process.stdout.readline()).decode("utf-8", "replace") or "{}")
        except ValueError as error:
            self._kill_for(f"sent invalid messages ({error})")
            return
        if "error" in told:
            raise FileError(str(told["error"]))

    def send(self, content: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._process.stdin.write(json.dumps(content).encode() + b"\n")

    def stop(self, *, at_once: bool) -> None:
        """Tell it to end, and have less patience with it."""
        self._patience_looks = _ABORT_LOOKS if at_once else _STOP_LOOKS
        self.send({"stop": "at once" if at_once else "in order"})

    async def follow(self) -> None:
        """Take its reports, which are its signs of life, until it has ended; one that does not report is killed."""
        assert self._process is not None
        assert self._process.stdout is not None
        silent_looks = 0
        while not self._why_killed:
            try:
                line = await asyncio.wait_for(self._process.stdout.readline(), _LOOK_S)
                if not line:
                    break
                self._take(_Report.of(line))
                silent_looks = 0
            except TimeoutError:
                silent_looks += 1
                if silent_looks >= self._patience_looks:
                    self._kill_for(f"did not respond for {silent_looks * _LOOK_S:g} s")
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self._kill_for(f"sent invalid messages ({str(error)[:100]})")
        await self._process.wait()

    def _take(self, report: _Report) -> None:
        self.report = report
        self._series.report(self._share.number, report.at_s, report.figures, report.live_calls)

    def _kill_for(self, why: str) -> None:
        self._why_killed = why
        self.kill()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def work() -> None:
    """Be one of the processes: read a plan on standard input, place its share of calls, tell on standard output."""
    run(_work())


async def _work() -> None:
    told = await orders()
    first = json.loads(await told.readline())
    plan, share = plan_from_json(first["plan"]), Share(**first["share"])
    try:
        speech = make_speech(plan)
    except AudioSocketError as error:
        _say({"error": str(error)})
        return
    if share.number == 0:  # one says it for all
        lines = (remark if remark.isprintable() else ascii(remark) for remark in speech.remarks)
        sys.stderr.writelines(f"{line}\n" for line in lines)
    be_ready()
    _say({"ready": True})
    generator = Generator(plan.target, plan.load, speech, share, plan.seed)
    start = await told.readline()
    if not start:
        return
    obeying = asyncio.create_task(_obey(told, generator), name="orders")
    start_s = json.loads(start)["start_s"]
    reporting = asyncio.create_task(_send_reports(generator, start_s), name="reports")
    try:
        await generator.run(start_s)
    finally:
        obeying.cancel()
        reporting.cancel()
    _say(report_of(generator, start_s) | {"rows": generator.rows})


async def _obey(told: asyncio.StreamReader, generator: Generator) -> None:
    while line := await told.readline():
        generator.stop(at_once=json.loads(line)["stop"] == "at once")
    os._exit(1)  # the parent is gone


async def _send_reports(generator: Generator, start_s: float) -> None:
    """Report at whole seconds after the start: what came since the last report is what came in that second."""
    while True:
        since_s = time.monotonic() - start_s
        await asyncio.sleep(_REPORT_S - since_s % _REPORT_S)
        _say(report_of(generator, start_s))


def _say(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
