"""One run: calls, with faults and kills, then a clean end; then everything is fetched and judged."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outbox_faults.buses import Bus, running_bus
from outbox_faults.calls import Callers
from outbox_faults.faulty import FaultyProxy
from outbox_faults.judge import Grace, Judge, Verdict
from outbox_faults.server import AUDIOSOCKET, Server, ServerError
from outbox_faults.stores import BUCKET, StoreProcess, running_store, without_store_settings
from outbox_faults.weather import Weather

DOWN_S = 1.5
"""The most that the server stays away after it was killed."""


@dataclass(frozen=True)
class Options:
    """What is run."""

    calls: int
    at_once: int
    seconds: tuple[float, float]
    """How long calls last, at least and at most."""
    kills: int
    store: str
    bus: str
    then: str
    seed: int
    phase_s: float
    """How long each fault lasts, about."""
    grace: Grace
    drain_s: float
    """How long the end may take."""
    serve: Sequence[str] = ()
    """Further options of the server."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    verdict: Verdict
    requests: Counter[str]
    """What happened to requests of the store."""
    bus: Counter[str]
    """What happened to requests of the bus, or to the bus."""
    phases: Counter[str]
    placed: int
    slips: int
    """How often callers were too late to say what was due."""
    kills: int
    calls_s: float
    drained_s: float
    objects: int


class Run:
    """A run, with all that it needs started around it."""

    def __init__(self, options: Options, folder: Path, store: StoreProcess, bus: Bus) -> None:
        self._options = options
        self._folder = folder
        self._store = store
        self._bus = bus
        self._store_proxy = FaultyProxy(store.port, options.seed)
        self._weather = Weather(store, self._store_proxy, bus, options.seed)
        self._calls = folder / "calls"
        self._server = Server(self._serve_options(), self._environment(), folder / "server.log")
        self._random = random.Random(options.seed)
        self._faults: list[str] = []

    def _serve_options(self) -> list[str]:
        return ["--record", str(self._calls), "--capture", f"{self._calls}/", *self._where(),
                "--upload-then", self._options.then, "--spool-wait", f"{self._options.drain_s:g}s",
                *self._options.serve]  # fmt: skip

    def _where(self) -> list[str]:
        return ["--upload", f"s3://{BUCKET}/calls", *self._bus.options()]

    def _environment(self) -> dict[str, str]:
        endpoint = f"http://127.0.0.1:{self._store_proxy.port}"
        return {**without_store_settings(), **self._store.environment, "AWS_ENDPOINT_URL": endpoint}

    def go(self) -> Outcome:
        """Place all calls, end, and judge."""
        options = self._options
        callers = Callers(options.calls, options.at_once, options.seconds, options.seed)
        begun_s = time.monotonic()
        try:
            self._server.start()
            self._weather.begin(options.phase_s)
            callers.speak(self._server.port, self._killer(callers))
            ended_s = time.monotonic()
            self._weather.clear()
            self._drain()
            drained_s = time.monotonic()
        finally:
            self._server.close()
            self._weather.clear()
        objects = dict(self._store.objects())
        verdict = self._judge(callers, objects)
        return Outcome(
            verdict, self._store_proxy.counts, self._bus.counts, self._weather.phases, len(callers.placed),
            callers.slips, len(self._server.kills), ended_s - begun_s, drained_s - ended_s, len(objects),
        )  # fmt: skip

    def _killer(self, callers: Callers) -> Killer:
        return Killer(self._server, callers, self._options, self._random)

    def _drain(self) -> None:
        """End the server, and see that nothing is left."""
        code = self._server.end(self._options.drain_s + 30)
        if code not in (0, 143):
            self._faults.append(f"the server ended with code {code}")
        done = subprocess.run(
            [*AUDIOSOCKET, "upload", str(self._calls), *self._where(), "--upload-then", self._options.then],
            env=self._environment(), capture_output=True, text=True, timeout=self._options.drain_s + 60, check=False,
        )  # fmt: skip
        if done.returncode:
            self._faults.append(f"`audiosocket upload` ended with code {done.returncode}: {done.stderr.strip()}")

    def _judge(self, callers: Callers, objects: dict[str, bytes]) -> Verdict:
        judge = Judge(callers.placed, self._server.kills, grace=self._options.grace, has_captures=True,
                      told=self._server.told)  # fmt: skip
        judge.judge_objects(objects)
        judge.judge_folder(self._calls, objects, is_removed=self._options.then == "remove")
        judge.judge_events(self._bus.received())
        failures = [self._weather.failure] if self._weather.failure else []
        wrong = [line for line in self._server.told.splitlines() if "Traceback" in line or "internal error" in line]
        judge.verdict.faults[:0] = [*self._faults, *failures, *self._bus.faults, *wrong]
        return judge.verdict


class Killer:
    """Kills the server some time after so many calls have been placed, and starts it again; asked each turn."""

    def __init__(self, server: Server, callers: Callers, options: Options, rng: random.Random) -> None:
        self._server, self._callers, self._random = server, callers, rng
        self._longest_s = options.seconds[1]
        step = options.calls / (options.kills + 1)
        self._due = [round(step * (number + 1)) for number in range(options.kills)]
        self._kill_s = math.inf

    def __call__(self) -> bool:
        """Kill, if it is due. Raises `ServerError` where the server has ended without."""
        if not self._server.is_up:
            raise ServerError("the server has ended by itself")
        now_s = time.monotonic()
        if self._due and len(self._callers.placed) >= self._due[0] and self._kill_s == math.inf:
            self._due.pop(0)
            self._kill_s = now_s + self._random.uniform(0, self._longest_s)
        if now_s >= self._kill_s:
            self._kill_s = math.inf
            self._server.kill()
            time.sleep(self._random.uniform(0, DOWN_S))
            self._server.start()
        return False


def run(options: Options, folder: Path) -> Outcome:
    """Run in a folder. Raises `ServerError` and `StoreProcessError` where there is nothing to judge."""
    with (
        running_store(options.store, folder / "store") as store,
        running_bus(options.bus, folder / "bus", options.seed + 1) as bus,
    ):
        return Run(options, folder, store, bus).go()
