"""Two workers against one: what the same calls cost, how they are shared, and how many more are carried."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from bench.kernel import Usage
from bench.loads import Load, measure
from bench.servers import SERVE, Bench, BenchError, Calls, calling, heard_by, pinned, running
from bench.table import Figure, Row, cost, doubt_about

TURN_MS = (10, 3)
"""The period, and what a worker has of it, where workers are made slow."""

MAX_SEARCHES = 3


def workers_case(bench: Bench) -> list[Row]:
    one: list[Load] = []
    two: list[Load] = []
    for _ in range(bench.runs):
        one.append(measure(bench, echo(1), bench.calls))
        two.append(measure(bench, echo(2), bench.calls, {bench.server_core, bench.callers_core}))
    shares = Figure([load.cpu_s[1] / (load.cpu_s[0] + load.cpu_s[1]) if len(load.cpu_s) > 1 else 0.0 for load in two])
    ratio = cost(two).median / cost(one).median
    alone, together = Figure([], "", 0), Figure([], "", 0)
    for _ in range(min(bench.runs, MAX_SEARCHES)):
        alone.values.append(most_carried(bench, echo(1), workers=1))
        together.values.append(most_carried(bench, echo(2), workers=2))
    return [
        Row("workers: CPU a call-second, 2 against 1", cost(one), cost(two), ratio, 1.1,
            doubt=doubt_about(one, two)),
        Row("workers: share of the less busy", None, shares, shares.median, 0.4, is_least=True),
        Row("workers: calls carried, 2 against 1", alone, together, together.median / alone.median,
            1.8, is_least=True),
    ]  # fmt: skip


def echo(workers: int) -> list[str]:
    return [*SERVE, "--echo", *(["--workers", str(workers)] if workers > 1 else [])]


def most_carried(bench: Bench, command: Sequence[str], workers: int) -> int:
    """Search for the largest number of calls that slow workers answer without gaps, to 3 %."""
    carried, failed = 0, 0
    calls = max(1, bench.calls // 4 * workers)
    while not failed or failed - carried > max(1, 0.03 * failed):
        if carries(bench, command, workers, calls) or carries(bench, command, workers, calls):
            carried = calls
        else:
            failed = calls
        calls = calls * 3 // 2 + 1 if not failed else (carried + failed) // 2
        if not calls:
            raise BenchError("not even one call was carried without gaps")
    return carried


def carries(bench: Bench, command: Sequence[str], workers: int, count: int) -> bool:
    """Whether so many calls are answered without gaps by workers that are made slow."""
    calls = Calls(count, 2 * bench.settle_s + bench.seconds, 2 * bench.settle_s)
    with (
        running(command, {bench.server_core}) as (pid, port),
        calling(bench, port, calls) as callers,
    ):
        before = Usage.of(pid)
        time.sleep(bench.settle_s)
        busiest = Usage.of(pid).busiest_since(before)[:workers]
        turns = subprocess.Popen([bench.loops, "turns", *map(str, (*TURN_MS, *busiest))], stdout=subprocess.DEVNULL,
                                 preexec_fn=pinned({bench.callers_core}, priority=10))  # fmt: skip
        try:
            return heard_by(callers, calls).is_in_time
        finally:
            turns.terminate()
            turns.wait()
