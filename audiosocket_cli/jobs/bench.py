"""`bench`: a load is planned, run, kept and judged; or a kept one is judged again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from audiosocket_cli.bench.limit import Step, find_limit
from audiosocket_cli.bench.load import Load, parse_stages
from audiosocket_cli.bench.plan import Plan, lack_of_room
from audiosocket_cli.bench.processes import run_plan
from audiosocket_cli.bench.result import BenchResult, read_result, result_of
from audiosocket_cli.bench.usage import UsageWatch
from audiosocket_cli.bench.verdict import Change, Threshold, changes, parse_threshold, regressions
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.reports import prepare_reports
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import parse_target
from audiosocket_cli.net.websocket_target import WebSocketWanted, complete_target
from audiosocket_cli.ui.bench_report import (
    bench_lines,
    bench_progress,
    change_lines,
    csv_lines,
    limit_json,
    limit_lines,
    verdict_lines,
)
from audiosocket_cli.ui.console import put_result, say

_LIMIT_FIRST: Final = 10
_LIMIT_MAX: Final = 5000
_MAX_ARRIVALS: Final = 10_000_000
_ARRIVAL_S: Final = 10.0
"""How long a call of --rate lasts where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class BenchWanted:
    """The command line."""

    words: Sequence[str]
    """A target or none, or `report` and a file."""
    calls: int | None
    rate: float | None
    max_calls: int | None
    ramp: float | None
    stages: str | None
    duration: float
    call_duration: float | None
    audio: Path | None
    frame_ms: str
    kind: int | None
    seed: int
    processes: int | None
    many_processes: bool
    max_lateness: float
    pid: int | None
    thresholds: Sequence[str]
    compare: Path | None
    fail_on_regression: float | None
    find_limit: bool
    output: Path | None
    force: bool
    as_csv: bool
    as_json: bool
    websocket: WebSocketWanted = field(default_factory=WebSocketWanted)

    @property
    def is_report(self) -> bool:
        """Whether a kept result is to be shown again."""
        return self.words[:1] == ("report",)


def bench(wanted: BenchWanted) -> Outcome:
    """Place the calls, or take what was kept, and judge it. Raises `UsageError`, `NetworkError` and `FileError`."""
    asked = [parse_threshold(text) for text in wanted.thresholds]
    if wanted.fail_on_regression is not None and wanted.compare is None:
        raise UsageError("--fail-on-regression needs something to compare with: add --compare OLD")
    if wanted.as_csv and wanted.as_json:
        raise UsageError("--csv and --json exclude each other: choose one")
    old = None if wanted.compare is None else read_result(wanted.compare)
    if wanted.is_report:
        if len(wanted.words) != 2 or wanted.find_limit or wanted.output:
            raise UsageError("write bench report FILE, without --find-limit and --output")
        return _judge(read_result(Path(wanted.words[1])), wanted, asked, old)
    plan = _plan(wanted)
    if wanted.find_limit:
        if not asked:
            raise UsageError("--find-limit needs a limit to check: add --threshold, such as 'echo_p99<150ms'")
        if wanted.as_csv or old or wanted.output:
            raise UsageError("--find-limit cannot be used with --csv, --compare or --output")
        return _find_limit(plan, wanted, asked)
    _check_output(wanted)
    result = _run(plan, wanted)
    is_kept = wanted.output is None or _save(result, wanted.output)
    return _judge(result, wanted, asked, old) | Outcome(failed=not is_kept)


def _plan(wanted: BenchWanted) -> Plan:
    if len(wanted.words) > 1:
        raise UsageError(f"one TARGET, not {len(wanted.words)}; bench report FILE shows a result again")
    _refuse_two_loads(wanted)
    if wanted.pid is not None:
        UsageWatch(wanted.pid)
    load = _load(wanted)
    kind = wanted.kind or Kind.SLIN
    target = parse_target(wanted.words[0] if wanted.words else "127.0.0.1")
    target = complete_target(target, wanted.websocket, rate_hz=rate_of(kind))
    plan = Plan(target, load, kind, int(wanted.frame_ms), wanted.audio, wanted.processes,
                wanted.seed, wanted.pid)  # fmt: skip
    lack = _lack(plan)
    if lack:
        raise UsageError(lack)
    return plan


def _lack(plan: Plan) -> str | None:
    return lack_of_room(plan.load.most_calls, plan.process_count, plan.files_a_call)


def _refuse_two_loads(wanted: BenchWanted) -> None:
    shapes = [name for name in ("calls", "rate", "stages") if getattr(wanted, name) is not None]
    if len(shapes) > 1:
        raise UsageError(f"--{shapes[0]} and --{shapes[1]} are two different loads: leave one out")
    if wanted.find_limit and shapes not in ([], ["calls"]):
        raise UsageError(f"--find-limit finds --calls: leave out --{shapes[0]}")
    if wanted.max_calls is not None and wanted.rate is None and not wanted.find_limit:
        raise UsageError("--max-calls needs --rate or --find-limit")


def _load(wanted: BenchWanted) -> Load:
    if wanted.rate is not None and wanted.rate * wanted.duration > _MAX_ARRIVALS:
        raise UsageError(f"--rate {wanted.rate:g} for {wanted.duration:g} s is more than {_MAX_ARRIVALS} calls")
    call_duration_s = wanted.call_duration
    if call_duration_s is None and wanted.rate is not None:
        call_duration_s = _ARRIVAL_S
    return Load(
        calls=wanted.calls or 1,
        rate=wanted.rate,
        max_calls=wanted.max_calls,
        ramp_s=wanted.ramp,
        stages=parse_stages(wanted.stages) if wanted.stages else (),
        duration_s=wanted.duration,
        call_duration_s=call_duration_s,
    )


def _check_output(wanted: BenchWanted) -> None:
    """Prove before the load that its result can be kept. Raises `UsageError`."""
    prepare_reports(output=wanted.output, force=wanted.force)
    if wanted.output is not None and os.path.exists(wanted.output) and not os.access(wanted.output, os.W_OK):
        raise UsageError(f"cannot write {wanted.output}: permission denied")  # it is not replaced, but written again


def _save(result: BenchResult, output: Path) -> bool:
    """Keep a result; False, and a line, where that cannot be: it is still to be printed."""
    try:
        result.save(output)
    except OSError as error:
        say(f"cannot write {output}: {(error.strerror or str(error)).lower()}")
        return False
    return True


def _run(plan: Plan, wanted: BenchWanted) -> BenchResult:
    """Run a load. Raises `NetworkError` when no call of it could be connected."""
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with bench_progress(plan.load.total_s) as watch:
        progress = run(run_plan(plan, watch))
    result = result_of(plan, progress, started_at=started_at, max_lateness_ms=wanted.max_lateness * 1000,
                       thresholds=wanted.thresholds)  # fmt: skip
    if not result.figures.counts["connected"] and result.figures.reasons and result.signal is None:
        raise NetworkError(next(iter(result.figures.reasons)))
    return result


def _judge(result: BenchResult, wanted: BenchWanted, asked: Sequence[Threshold], old: BenchResult | None) -> Outcome:
    """Print a result, and judge it."""
    failures = _broken(asked, result)
    found: list[Change] = [] if old is None else changes(old, result)
    worse = [] if wanted.fail_on_regression is None else regressions(found, wanted.fail_on_regression)
    judged = len(asked) + (len(found) if wanted.fail_on_regression is not None else 0)
    for_people = [*verdict_lines(result, failures, worse, judged), *bench_lines(result)]
    for_people += change_lines(found, worse) if old else ()
    lines = csv_lines(result) if wanted.as_csv else for_people
    content = result.as_json() | {"failed_thresholds": failures}
    if old is not None:
        content |= {"changes": [change.as_json() for change in found], "regressions": [one.name for one in worse]}
    told = put_result(content, lines, as_json=wanted.as_json)
    if old is not None and old.invalid:
        say("the result to compare with was INVALID itself")
    if wanted.as_csv or wanted.as_json:
        for failure in [*failures, *result.failures]:
            say(f"failed: {failure}")
        for fault in result.invalid:
            say(f"INVALID: {fault}")
    return Outcome(result.signal, failed=bool(failures or worse or result.invalid or result.failures or not told))


def _broken(asked: Sequence[Threshold], result: BenchResult) -> list[str]:
    """Say which thresholds do not hold."""
    values = result.values()
    return [failure for threshold in asked if (failure := threshold.failure(values))]


def _find_limit(plan: Plan, wanted: BenchWanted, asked: Sequence[Threshold]) -> Outcome:
    signals: list[int] = []
    most = plan.load.max_calls or _LIMIT_MAX
    while lack := _lack(replace(plan, load=replace(plan.load, calls=most))):
        if plan.load.max_calls is not None:
            raise UsageError(lack)
        most = most * 3 // 4

    def attempt(calls: int) -> Step | None:
        try:
            result = _run(replace(plan, load=replace(plan.load, calls=calls, max_calls=None)), wanted)
        except NetworkError as error:
            if not search_has_begun:
                raise
            return Step(calls, [str(error)])
        search_has_begun.append(calls)
        if result.signal is not None:
            signals.append(result.signal)
            return None
        failures = _broken(asked, result) + result.failures
        say(f"{calls} calls: {'; '.join([*failures, *result.invalid]) or 'held'}")
        return Step(calls, [*failures, *result.invalid], ours=bool(result.invalid))

    search_has_begun: list[int] = []
    search = find_limit(min(wanted.calls or _LIMIT_FIRST, most), most, attempt)
    told = put_result(limit_json(search), limit_lines(search), as_json=wanted.as_json)
    return Outcome(next(iter(signals), None), failed=not (search.held and told))
