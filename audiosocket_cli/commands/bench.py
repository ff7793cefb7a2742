"""`audiosocket bench`: place many calls at once, measure what comes back, and judge it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.codec import Kind
from audiosocket_cli.commands.outcome import worst
from audiosocket_cli.commands.params import (
    CountParam,
    DurationParam,
    KindParam,
    NumberParam,
    ProcessCountParam,
    check_processes,
    is_typed,
    option_name,
    refuse_without_effect,
)
from audiosocket_cli.errors import ExitCode, NetworkError, UsageError

if TYPE_CHECKING:
    from audiosocket_cli.bench.plan import Plan
    from audiosocket_cli.bench.result import BenchResult
    from audiosocket_cli.bench.verdict import Change, Threshold

_LIMIT_FIRST: Final = 10
_LIMIT_MOST: Final = 5000
_MAX_ARRIVALS: Final = 10_000_000
_FRAME_MS: Final = ("10", "20", "30", "40", "60")


class PercentParam(click.ParamType):
    """A percentage, with or without its sign, as a share of 1."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            share = float(str(value).removesuffix("%")) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share < float("inf"):
            self.fail(f"{value!r} is no percentage: write 10%", param, ctx)
        return share


class _BenchCommand(click.Command):
    """A command with two uses, both of which its help shows."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] TARGET")
        formatter.write_usage(f"{ctx.command_path} report", "[OPTIONS] FILE", prefix="       ")


@click.command(cls=_BenchCommand, short_help="Place many calls at once, measure and judge the server.")
@click.argument("words", nargs=-1, metavar="TARGET | report FILE")
@click.option("--calls", type=CountParam(), metavar="N", help="N callers at once.  [default: 1]")
@click.option("--rate", type=NumberParam(0.001, 10_000), metavar="R", help="R new calls a second.")
@click.option(
    "--max-calls", type=CountParam(), metavar="N",
    help="With --rate: leave out arrivals beyond N calls at once. With --find-limit: try no more.",
)  # fmt: skip
@click.option(
    "--ramp",
    type=DurationParam(),
    metavar="TIME",
    help="Let callers come, or the rate grow, over this time.  [default: callers 5 ms apart]",
)
@click.option("--stages", metavar="N:TIME,…", help="N callers for TIME, then the next N: 10:30s,50:1m.")
@click.option(
    "--duration", type=DurationParam(), metavar="TIME", default="10s", show_default=True,
    help="How long calls are placed for.",
)  # fmt: skip
@click.option(
    "--call-duration", type=DurationParam(), metavar="TIME",
    help="How long each call lasts; a caller then calls again.  [default: to the end; with --rate 10s]",
)  # fmt: skip
@click.option(
    "--audio", type=click.Path(path_type=Path, exists=True), metavar="FILE|DIR",
    help="What callers say, with pauses between files.  [default: speech-like bursts]",
)  # fmt: skip
@click.option(
    "--frame-ms", type=click.Choice(_FRAME_MS), default="20", show_default=True, help="The length of a frame."
)
@click.option("--kind", type=KindParam(), default="slin", show_default=True, help="The kind of audio to send.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Another seed: other speech, other pauses.",
)
@click.option(
    "--processes", type=ProcessCountParam(), metavar="N",
    help="Place the calls from N processes.  [default: one for 300 calls, at most one a core]",
)  # fmt: skip
@click.option("--many-processes", is_flag=True, help="Allow more --processes than four for each core.")
@click.option(
    "--max-lateness", type=DurationParam(unit="ms"), metavar="TIME", default="10ms", show_default=True,
    help="Call the run INVALID when our own p99 of lateness is over this.",
)  # fmt: skip
@click.option(
    "--pid", type=click.IntRange(min=1), metavar="PID", help="Show the CPU and memory of this process: a local server."
)
@click.option(
    "--threshold", "thresholds", metavar="'NAME<VALUE'", multiple=True,
    help="Exit with 1 unless this holds, as 'turn_p95<800ms' (repeatable).",
)  # fmt: skip
@click.option("--compare", type=click.Path(path_type=Path), metavar="OLD", help="Compare with a file of --output.")
@click.option("--fail-on-regression", type=PercentParam(), metavar="P%", help="Exit with 1 when worse by more than P%.")
@click.option("--find-limit", is_flag=True, help="Try more and more callers until a --threshold breaks.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Keep everything in a file, for report and --compare.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all values as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, /, words: tuple[str, ...], thresholds: tuple[str, ...], compare: Path | None,
    fail_on_regression: float | None, find_limit: bool, output: Path | None, force: bool, as_csv: bool, as_json: bool,
    max_lateness: float, **given: Any,
) -> None:  # fmt: skip
    """Place many calls at once, measure what the server makes of them, and judge it.

    \b
    Examples:
      audiosocket bench bot:9092 --calls 50 --duration 1m --ramp 10s
      audiosocket bench bot:9092 --rate 5 --call-duration 20s --max-calls 200
      audiosocket bench bot:9092 --stages 10:30s,50:1m --output today.json
      audiosocket bench bot:9092 --threshold 'turn_p95<800ms'
      audiosocket bench bot:9092 --compare old.json --fail-on-regression 10%
      audiosocket bench bot:9092 --find-limit --threshold 'echo_p99<150ms'
      audiosocket bench report today.json

    Callers say bursts of 1.0 to 1.6 s with pauses of 1.5 to 3 s, in which a bot answers. Frames are sent when they are
    due, whatever the server does, and times count from when they were due. Every 200 ms a frame carries a mark, about
    -60 dBFS, by which an echo is known again.

    \b
    Names for --threshold, each with _p50, _p95, _p99, _max or _mean:
      connect first_byte first_speech turn echo jitter barge_in hangup lateness
      connect_actual turn_actual echo_actual barge_in_actual (since it was done)
    and: errors error_rate refused timeout reset fault silent gaps_40 gaps_60
      gaps_100 bursts audio_rate cpu_percent rss_mib, and all else --csv prints

    Exits with 0 when all is well, 1 when a threshold broke, it got worse, the server was gone before the end, or the
    run is INVALID because this machine did not keep up, 3 when no call could be connected, 5 when FILE or OLD cannot be
    read. It ends after 2 s when no call can be connected at the start, after 10 s when none can be any more.
    """
    from audiosocket_cli.bench.result import read_result
    from audiosocket_cli.bench.verdict import parse_threshold

    refuse_without_effect(ctx, force="output")
    if given["stages"] and is_typed(ctx, "duration"):
        raise UsageError("--stages say how long each lasts: leave --duration out")
    if words[:1] == ("report",) and (typed := [name for name in given if is_typed(ctx, name)]):
        raise UsageError(f"bench report shows what was measured: leave {option_name(ctx, typed[0])} out")
    asked = [parse_threshold(text) for text in thresholds]
    if fail_on_regression is not None and compare is None:
        raise UsageError("--fail-on-regression needs something to compare with: say --compare OLD")
    if as_csv and as_json:
        raise UsageError("either --csv or --json: leave one out")
    old = None if compare is None else read_result(compare)
    kept = True
    if words[:1] == ("report",):
        if len(words) != 2 or find_limit or output:
            raise UsageError("write bench report FILE, without --find-limit and --output")
        result = read_result(Path(words[1]))
    else:
        plan = _plan(words, find_limit=find_limit, **given)
        _check_output(output, force=force)
        if find_limit:
            if not asked:
                raise UsageError("--find-limit needs to know what has to hold: say --threshold, as 'echo_p99<150ms'")
            if as_csv or old or output:
                raise UsageError("--find-limit goes without --csv, --compare and --output")
            ctx.exit(
                _find_limit(plan, asked, max_lateness * 1000, first=given["calls"] or _LIMIT_FIRST, as_json=as_json)
            )
        result = _run(plan, max_lateness * 1000)
        kept = output is None or _save(result, output)
    code = _judge(result, asked, old, fail_on_regression, as_csv=as_csv, as_json=as_json)
    ctx.exit(worst([code, ExitCode.DONE if kept else ExitCode.NEGATIVE]))


def _plan(words: tuple[str, ...], *, find_limit: bool, **given: Any) -> Plan:
    from audiosocket_cli.bench.load import Load, parse_stages
    from audiosocket_cli.bench.plan import Plan, lack_of_room
    from audiosocket_cli.bench.usage import UsageWatch
    from audiosocket_cli.net.address import parse_address

    if len(words) > 1:
        raise UsageError(f"one TARGET, not {len(words)}; bench report FILE shows a result again")
    shapes = [name for name in ("calls", "rate", "stages") if given[name] is not None]
    if len(shapes) > 1:
        raise UsageError(f"--{shapes[0]} and --{shapes[1]} are two different loads: leave one out")
    if find_limit and shapes not in ([], ["calls"]):
        raise UsageError(f"--find-limit finds --calls: leave --{shapes[0]} out")
    if given["max_calls"] is not None and given["rate"] is None and not find_limit:
        raise UsageError("--max-calls goes with --rate or --find-limit")
    check_processes(given["processes"] or 1, "processes", allowed=given["many_processes"])
    if given["pid"] is not None:
        UsageWatch(given["pid"])
    call_duration = given["call_duration"]
    if given["rate"] is not None and given["rate"] * given["duration"] > _MAX_ARRIVALS:
        raise UsageError(f"--rate {given['rate']:g} for {given['duration']:g} s is more than {_MAX_ARRIVALS} calls")
    load = Load(
        calls=given["calls"] or 1,
        rate=given["rate"],
        max_calls=given["max_calls"],
        ramp_s=given["ramp"],
        stages=parse_stages(given["stages"]) if given["stages"] else (),
        duration_s=given["duration"],
        call_duration_s=10.0 if call_duration is None and given["rate"] is not None else call_duration,
    )
    frame_ms = int(given["frame_ms"])
    target = parse_address(words[0] if words else "127.0.0.1")
    plan = Plan(target, load, given["kind"] or Kind.SLIN, frame_ms, given["audio"], given["processes"], given["seed"],
                given["pid"])  # fmt: skip
    lack = lack_of_room(load.most_calls, plan.process_count)
    if lack:
        raise UsageError(lack)
    return plan


def _check_output(output: Path | None, *, force: bool) -> None:
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already: say --force to overwrite it")


def _save(result: BenchResult, output: Path) -> bool:
    """Keep a result; False, and a line, where that cannot be: it is still to be printed."""
    from audiosocket_cli.ui.console import say

    try:
        result.save(output)
    except OSError as error:
        say(f"cannot write {output}: {(error.strerror or str(error)).lower()}")
        return False
    return True


def _run(plan: Plan, max_lateness_ms: float) -> BenchResult:
    """Run a load. Raises `NetworkError` when no call of it could be connected."""
    from audiosocket_cli.bench.processes import run_plan
    from audiosocket_cli.bench.result import result_of
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.bench_report import bench_progress

    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with bench_progress(plan.load.total_s) as watch:
        progress = run(run_plan(plan, watch))
    result = result_of(plan, progress, started_at=started_at, max_lateness_ms=max_lateness_ms)
    if not result.figures.counts["connected"] and result.figures.reasons:
        raise NetworkError(next(iter(result.figures.reasons)))
    return result


def _judge(
    result: BenchResult, asked: list[Threshold], old: BenchResult | None, most: float | None,
    *, as_csv: bool, as_json: bool,
) -> int:  # fmt: skip
    """Print a result with its verdict, and return the exit code."""
    from audiosocket_cli.bench.verdict import changes, regressions
    from audiosocket_cli.ui.bench_report import bench_lines, change_lines, csv_lines, verdict_lines
    from audiosocket_cli.ui.console import put_result, say

    values = result.values()
    failures = [failure for threshold in asked if (failure := threshold.failure(values))]
    found: list[Change] = [] if old is None else changes(old, result)
    worse = [] if most is None else regressions(found, most)
    judged = len(asked) + (len(found) if most is not None else 0)
    lines = [*verdict_lines(result, failures, worse, judged), *bench_lines(result)]
    lines += change_lines(found, worse) if old else ()
    if as_csv:
        lines = csv_lines(result)
    content = result.as_json() | {"failed_thresholds": failures}
    if old is not None:
        content |= {"changes": [change.as_json() for change in found], "regressions": [one.name for one in worse]}
    told = put_result(content, lines, as_json=as_json)
    if old is not None and old.invalid:
        say("what it is compared with was INVALID itself")
    if as_csv or as_json:
        for failure in [*failures, *result.failures]:
            say(f"failed: {failure}")
        for fault in result.invalid:
            say(f"INVALID: {fault}")
    if result.signal is not None:
        return 128 + result.signal
    failed = failures or worse or result.invalid or result.failures or not told
    return ExitCode.NEGATIVE if failed else ExitCode.DONE


def _find_limit(plan: Plan, asked: list[Threshold], max_lateness_ms: float, *, first: int, as_json: bool) -> int:
    from dataclasses import replace

    from audiosocket_cli.bench.limit import Step, find_limit
    from audiosocket_cli.bench.plan import lack_of_room
    from audiosocket_cli.ui.bench_report import limit_json, limit_lines
    from audiosocket_cli.ui.console import put_result, say

    signals: list[int] = []
    most = plan.load.max_calls or _LIMIT_MOST
    while lack := lack_of_room(most, replace(plan, load=replace(plan.load, calls=most)).process_count):
        if plan.load.max_calls is not None:
            raise UsageError(lack)
        most = most * 3 // 4

    def attempt(calls: int) -> Step | None:
        try:
            result = _run(replace(plan, load=replace(plan.load, calls=calls, max_calls=None)), max_lateness_ms)
        except NetworkError as error:
            if not search_has_begun:
                raise
            return Step(calls, [str(error)])
        search_has_begun.append(calls)
        if result.signal is not None:
            signals.append(result.signal)
            return None
        values = result.values()
        failures = [failure for threshold in asked if (failure := threshold.failure(values))] + result.failures
        say(f"{calls} calls: {'; '.join([*failures, *result.invalid]) or 'held'}")
        return Step(calls, [*failures, *result.invalid], ours=bool(result.invalid))

    search_has_begun: list[int] = []
    search = find_limit(min(first, most), most, attempt)
    told = put_result(limit_json(search), limit_lines(search), as_json=as_json)
    if signals:
        return 128 + signals[0]
    return ExitCode.DONE if search.held and told else ExitCode.NEGATIVE
