"""`audiosocket bench`: place many calls at once, measure what comes back, and judge it."""

from __future__ import annotations

from typing import Any, Final

import click

from audiosocket_cli.commands.params import (
    CountParam,
    DurationParam,
    KindParam,
    NumberParam,
    PercentParam,
    ProcessCountParam,
    check_processes,
    is_typed,
    option_name,
    refuse_without_effect,
)
from audiosocket_cli.commands.path_param import FILE_OR_FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.websocket_options import take_websocket, websocket_options
from audiosocket_cli.errors import UsageError

_FRAME_MS: Final = ("10", "20", "30", "40", "60")
_OF_REPORT: Final = {
    "words", "thresholds", "compare", "fail_on_regression", "find_limit", "output", "force", "as_csv", "as_json",
    "max_lateness",
}  # fmt: skip
"""Parameters that may stand beside `report`, or are refused below: all others are of a load."""


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
    help="With --rate: leave out calls beyond N at once. With --find-limit: try at most N.",
)  # fmt: skip
@click.option(
    "--ramp",
    type=DurationParam(),
    metavar="TIME",
    help="Add the callers, or raise the rate, over this time.  [default: callers 5 ms apart]",
)
@click.option(
    "--stages",
    type=TextParam("N:TIME, such as 10:30s"),
    metavar="N:TIME,…",
    help="N callers for TIME, then the next N: 10:30s,50:1m.",
)
@click.option(
    "--duration", type=DurationParam(), metavar="TIME", default="10s", show_default=True,
    help="How long to place calls.",
)  # fmt: skip
@click.option(
    "--call-duration", type=DurationParam(), metavar="TIME",
    help="How long each call lasts; a caller then calls again.  [default: to the end; with --rate 10s]",
)  # fmt: skip
@click.option(
    "--audio", type=PathParam(FILE_OR_FOLDER, exists=True), metavar="FILE|DIR",
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
    help="Seed of the speech and the pauses of callers.",
)
@click.option(
    "--processes", type=ProcessCountParam(), metavar="N",
    help="Place the calls from N processes.  "
    "[default: one per 300 calls, or 120 to a WebSocket bot; at most one per core]",
)  # fmt: skip
@click.option("--many-processes", is_flag=True, help="Allow more --processes than four for each core.")
@click.option(
    "--max-lateness", type=DurationParam(unit="ms"), metavar="TIME", default="10ms", show_default=True,
    help="Call the run INVALID when our own p99 of lateness is over this.",
)  # fmt: skip
@websocket_options
@click.option(
    "--pid", type=click.IntRange(min=1), metavar="PID", help="Show the CPU and memory of this process: a local server."
)
@click.option(
    "--threshold", "thresholds", metavar="'NAME<VALUE'", multiple=True,
    help="Exit with 1 unless this holds, such as 'turn_p95<800ms' (repeatable).",
)  # fmt: skip
@click.option("--compare", type=PathParam(), metavar="OLD", help="Compare with a result that --output wrote.")
@click.option("--fail-on-regression", type=PercentParam(), metavar="P%", help="Exit with 1 when worse by more than P%.")
@click.option("--find-limit", is_flag=True, help="Try more and more callers until a --threshold breaks.")
@click.option(
    "--output", type=PathParam(dir_okay=False), metavar="FILE",
    help="Keep everything in a file, for report and --compare.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all values as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Place many calls at once, measure how the server handles them, and judge it.

    \b
    Examples:
      audiosocket bench bot:9092 --calls 50 --duration 1m --ramp 10s
      audiosocket bench bot:9092 --rate 5 --call-duration 20s --max-calls 200
      audiosocket bench bot:9092 --stages 10:30s,50:1m --output today.json
      audiosocket bench bot:9092 --threshold 'turn_p95<800ms'
      audiosocket bench bot:9092 --compare old.json --fail-on-regression 10%
      audiosocket bench bot:9092 --find-limit --threshold 'echo_p99<150ms'
      audiosocket bench ws://bot:8765/ws --protocol twilio --calls 20
      audiosocket bench report today.json

    Callers speak in bursts of 1.0 to 1.6 s with pauses of 1.5 to 3 s, in which a bot answers. Frames are sent when they
    are due, whatever the server does, and times count from when they were due. Every 200 ms a frame carries a mark,
    about -60 dBFS, by which an echo is recognised.

    \b
    Names for --threshold, each with _p50, _p95, _p99, _max or _mean:
      connect first_byte first_speech turn echo jitter barge_in hangup lateness
      connect_actual turn_actual echo_actual barge_in_actual (when it happened)
    and: errors error_rate refused timeout reset fault silent gaps_40 gaps_60
      gaps_100 bursts audio_rate cpu_percent rss_mib, and others in --csv

    Exits with 0 when all is well, 1 when a threshold broke, it got worse, the server was gone before the end, or the
    run is INVALID because this machine did not keep up, 3 when no call could be connected, 5 when FILE or OLD cannot be
    read. It gives up after 2 s when no call can be connected at the start, later after 10 s without one.
    """
    from audiosocket_cli.jobs.bench import BenchWanted, bench

    names = list(given)
    wanted = BenchWanted(websocket=take_websocket(ctx, given), **given)
    refuse_without_effect(ctx, force="output")
    if wanted.stages and is_typed(ctx, "duration"):
        raise UsageError("--stages say how long each lasts: leave out --duration")
    if wanted.is_report and (typed := [name for name in names if name not in _OF_REPORT and is_typed(ctx, name)]):
        raise UsageError(f"bench report shows what was measured: leave out {option_name(ctx, typed[0])}")
    if not wanted.is_report:
        check_processes(wanted.processes or 1, "processes", allowed=wanted.many_processes)
    ctx.exit(bench(wanted).exit_code)
