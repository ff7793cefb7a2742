"""`audiosocket check`: does a server survive Asterisk?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from audiosocket_cli.commands.own_server import SERVER, OwnServerCommand, refuse_start_within, start_within_option
from audiosocket_cli.commands.params import CountParam, DurationParam, is_typed, refuse_without_effect
from audiosocket_cli.commands.path_param import FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.websocket_options import take_websocket, websocket_options
from audiosocket_cli.errors import UsageError

_MAX_REPEAT: Final = 1000
_MAX_JOBS: Final = 64

_OF_LIST: Final = ("list_cases", "as_json", "only", "skip", "level")
"""Parameters that may stand beside --list."""

_REPORT: Final = "report"
_OF_REPORT: Final = ("words", "as_json", "html", "force")
"""Parameters that may stand beside `check report`."""


class _CheckCommand(OwnServerCommand):
    example = "check -- ./my-server --port {port}"

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] TARGET")
        formatter.write_usage(ctx.command_path, "[OPTIONS] [TARGET] -- CMD…", prefix="       ")
        formatter.write_usage(ctx.command_path, "report [--html FILE] RESULT…", prefix="       ")


@click.command(cls=_CheckCommand, short_help="See whether a server survives what Asterisk does.")
@click.argument("words", nargs=-1, metavar="[TARGET] [-- CMD…]")
@click.option("--asterisk", metavar="RELEASE", help="Judge for this release, such as 20.12.  [default: the newest]")
@click.option("--list", "list_cases", is_flag=True, help="List the cases, and run none.")
@click.option("--only", multiple=True, metavar="ID", help="Run this case or group, such as frame/ (repeatable).")
@click.option("--skip", multiple=True, metavar="ID", help="Leave out this case or group (repeatable).")
@click.option(
    "--level", type=click.Choice(["MUST", "SHOULD", "INFO"], case_sensitive=False), default="INFO", show_default=True,
    help="Run cases of this level and above.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with 1 when a SHOULD fails, too.")
@click.option(
    "--repeat", type=CountParam(_MAX_REPEAT), metavar="N", default=1, show_default=True,
    help="Try each case N times; one failed attempt fails the case.",
)  # fmt: skip
@click.option(
    "--jobs", type=CountParam(_MAX_JOBS), metavar="N", default=4, show_default=True,
    help="Run N cases at once, of those that do not disturb others.",
)  # fmt: skip
@click.option(
    "--hold", type=DurationParam(), metavar="TIME", default="60s", show_default=True,
    help="How long the hold of idle/hold lasts; idle/never-speaks lasts half of it.",
)  # fmt: skip
@start_within_option
@click.option(
    "--turn-within", type=DurationParam(), metavar="TIME",
    help="For turn/: how soon after the caller's speech the server has to begin to speak.",
)  # fmt: skip
@click.option(
    "--bargein-within", type=DurationParam(), metavar="TIME",
    help="For bargein/: how soon the server has to fall silent when it is interrupted.",
)  # fmt: skip
@click.option(
    "--speech", type=PathParam(dir_okay=False), metavar="FILE",
    help="For turn/ and bargein/: what the caller says in one turn, at most 10 s.  [default: a few words]",
)  # fmt: skip
@click.option(
    "--uuid", multiple=True, metavar="UUID|FILE",
    help="Call only with this UUID, or with those of a file, one per line (repeatable).",
)  # fmt: skip
@websocket_options
@click.option("--pid", type=click.IntRange(min=1), metavar="PID", help="The server's process, to see whether it leaks.")
@click.option(
    "--baseline", type=PathParam(dir_okay=False), metavar="FILE",
    help="An earlier --json: what failed there does not count.",
)  # fmt: skip
@click.option(
    "--evidence", type=PathParam(FOLDER, file_okay=False), metavar="DIR",
    help="Keep a pcapng of each failure in this folder.",
)  # fmt: skip
@click.option(
    "--junit", type=PathParam(dir_okay=False), metavar="FILE",
    help="Also write the result as JUnit XML.",
)  # fmt: skip
@click.option(
    "--html", type=PathParam(dir_okay=False), metavar="FILE",
    help="Also write the result as one HTML file.",
)  # fmt: skip
@click.option(
    "--name", type=TextParam("a name"), metavar="NAME", help="The server's name in reports.  [default: TARGET]"
)
@click.option("--github", is_flag=True, help="Also annotate the job of GitHub Actions, and add to its summary.")
@click.option("--force", is_flag=True, help="Overwrite the files of --junit and --html if they exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Check that a server survives what Asterisk and networks do, and sends only what Asterisk accepts.

    \b
    Examples:
      audiosocket check bot:9092
      audiosocket check -- ./bot.py --port {port}
      audiosocket check --junit check.xml -- node server.js
      audiosocket check bot:9092 --asterisk 20.12 --level MUST
      audiosocket check bot:9092 --only frame/ --skip frame/largest
      audiosocket check bot:9092 --turn-within 1.5s --bargein-within 0.5s
      audiosocket check bot:9092 --json > known.json
      audiosocket check bot:9092 --baseline known.json
      audiosocket check ws://bot:8765/ws --protocol twilio --turn-within 1.5s
      audiosocket check report bot.json other.json --html servers.html
      audiosocket check --list

    Each case places short calls and tests one requirement. MUST: otherwise Asterisk ends or damages the call, or an
    ordinary caller makes the server fail. SHOULD: otherwise sound, latency or other callers suffer. INFO: what the
    server can do. What cannot be seen is unknown, never passed; a server that echoes shows nearly all.

    CMD starts the server; {port} is replaced by a free port. Without {port} the server has to listen on TARGET
    (127.0.0.1:9092). It is started again when it dies, and ended together with the processes that it started.

    `report` shows results of --json side by side, as text or as a page; "-" is standard input. To check a server on a
    host named report, write report:9092.

    Exits with 0 when no failure counts, 1 when a MUST failed, 3 when the server could not be reached or CMD
    did not listen, 5 when a FILE cannot be read, 6 when no case is left to run,
    or none passed or failed.
    """
    refuse_without_effect(ctx, force="junit html", speech="turn_within bargein_within")
    if given["words"][:1] == (_REPORT,):
        ctx.exit(_report(ctx, given))
    from audiosocket_cli.jobs.check import CheckWanted, check

    wanted = CheckWanted(websocket=take_websocket(ctx, given), **given)
    refuse_start_within(ctx)
    if wanted.list_cases:
        if wanted.words or wanted.server:
            raise UsageError("--list needs no server: leave it out")
        _refuse_beside(ctx, "--list", _OF_LIST)
    ctx.exit(check(wanted).exit_code)


def _report(ctx: click.Context, given: dict[str, Any]) -> int:
    """Show results side by side, and return the exit code. Raises `UsageError`."""
    from audiosocket_cli.jobs.check_report import CheckReportWanted, check_report

    _, *files = given["words"]
    if not files or given[SERVER]:
        raise UsageError(
            "check report needs results of check --json; to check a server on a host named report, write report:9092"
        )
    _refuse_beside(ctx, "check report", _OF_REPORT)
    return check_report(CheckReportWanted(files, given["html"], given["force"], given["as_json"])).exit_code


def _refuse_beside(ctx: click.Context, what: str, allowed: Sequence[str]) -> None:
    """Refuse options that have no effect when no case runs. Raises `UsageError`."""
    for param in ctx.command.params:
        name = str(param.name)
        if name not in allowed and isinstance(param, click.Option) and is_typed(ctx, name):
            raise UsageError(f"{what} runs nothing: leave out {max(param.opts, key=len)}")
