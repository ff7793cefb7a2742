"""`audiosocket calls`: find calls in folders of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from audiosocket_cli.commands.params import (
    CountParam,
    DurationParam,
    is_typed,
    option_name,
    refuse_without_effect,
    usable_cores,
)
from audiosocket_cli.commands.path_param import FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.errors import UsageError

_SORTS: Final = ("newest", "oldest", "longest", "slowest", "gaps", "late", "dead-air", "interruptions", "findings")

_ANALYZE: Final = "analyze"
_OF_ANALYZE: Final = ("places", "output", "dask", "jobs", "rebuild", "as_json")
"""Parameters that may stand beside `calls analyze`."""

_FOR_ANALYZE: Final = ("dask", "jobs")
"""Parameters that stand beside that only."""

_MAX_JOBS: Final = 256

_INSTEAD: Final = ("csv", "parquet", "clip", "keep")
"""Parameters that choose what is done with the calls; one at a time."""


class PlaceParam(PathParam):
    """A folder, or the URL of a path in a bucket."""

    name = "place"

    def __init__(self) -> None:
        super().__init__(FOLDER, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == _ANALYZE:
            return value  # "./analyze" becomes the path of a folder
        if not isinstance(value, str) or "://" not in value:
            return super().convert(value, param, ctx)
        from audiosocket_cli.stores.object_name import ObjectNames

        try:
            return ObjectNames(value).store
        except UsageError as error:
            self.fail(str(error), param, ctx)


def _finding_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from audiosocket_cli.finding_pages import finding_ids

    return [CompletionItem(each) for each in finding_ids() if each.startswith(incomplete)]


def _clips(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    words = ("around-digits:3s", "around-gaps:3s", "around-interruptions:3s", "around-end:10s")
    return [CompletionItem(each) for each in words if each.startswith(incomplete)]


class _CallsCommand(click.Command):
    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] DIR|URL…")
        formatter.write_usage(ctx.command_path, "analyze -o OUT [OPTIONS] DIR|URL…", prefix="       ")


@click.command(cls=_CallsCommand, short_help="Find calls in folders and buckets: list, export, cut, remove.")
@click.argument("places", nargs=-1, required=True, type=PlaceParam(), metavar="DIR|URL…")
@click.option("--since", metavar="TIME", help="Calls from then on: 2h (ago), today, 2026-11-30, '2026-11-30 14:00'.")
@click.option("--until", metavar="TIME", help="Calls until then; that day included.")
@click.option("--uuid", metavar="UUID", help="The call with this UUID; its first digits are enough.")
@click.option(
    "--peer",
    type=TextParam("an address"),
    metavar="ADDRESS",
    help="Calls from this address, such as 192.0.2.7 or '10.0.*'.",
)
@click.option("--digits", metavar="DIGITS", help="Calls with these digits: 42x, x is any digit; =0042 exactly these.")
@click.option(
    "--finding", "findings", multiple=True, metavar="ID", shell_complete=_finding_ids,
    help="Calls with this finding, such as caller-silent (repeatable: with any of them).",
)  # fmt: skip
@click.option("--longer", type=DurationParam(), metavar="TIME", help="Calls longer than this.")
@click.option("--shorter", type=DurationParam(), metavar="TIME", help="Calls shorter than this.")
@click.option("--ended-by", type=click.Choice(["caller", "server"]), help="Calls that this side ended.")
@click.option("--slower", type=DurationParam(), metavar="TIME", help="Calls in which an answer took longer than this.")
@click.option(
    "--result", type=TextParam("a result"), metavar="TEXT", help="Calls with this result, such as sale or 'transfer*'."
)
@click.option(
    "--sort", type=click.Choice(_SORTS), default="newest", metavar="ORDER", show_default=True,
    help=f"The order: {', '.join(_SORTS)}.",
)  # fmt: skip
@click.option("--limit", type=CountParam(), metavar="N", help="Take the first N calls.  [default: 50 in a table]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per call.")
@click.option("--csv", is_flag=True, help="Print CSV.")
@click.option(
    "--parquet", type=PathParam(dir_okay=False), metavar="OUT", help="Write a Parquet file.",
)  # fmt: skip
@click.option(
    "--clip", metavar="WHAT:TIME", shell_complete=_clips,
    help="Cut sounds: around-digits:3s, or around gaps, interruptions or the end.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=PathParam(FOLDER, file_okay=False), metavar="DIR",
    help="The folder of --clip, and of analyze.",
)  # fmt: skip
@click.option("--dask", metavar="URL", help="analyze: measure on this Dask cluster, such as tcp://scheduler:8786.")
@click.option(
    "--jobs", type=CountParam(_MAX_JOBS), metavar="N",
    help="analyze: measure in N processes.  [default: one for each processor]",
)  # fmt: skip
@click.option("--keep", metavar="TIME", help="Show calls that ended longer ago than this, such as 90d, and their size.")
@click.option("--delete", is_flag=True, help="With --keep: remove them, their recordings and captures.")
@click.option("--rebuild", is_flag=True, help="Rebuild the index from the JSON files; analyze: measure all again.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Find calls in the folders of --record and in the buckets of --upload, and below them.

    \b
    Examples:
      audiosocket calls calls
      audiosocket calls calls --since today --finding caller-silent
      audiosocket calls calls --digits 0042 --longer 30s
      audiosocket calls calls --slower 1.5s --sort slowest
      audiosocket calls calls --since 7d --csv > week.csv
      audiosocket calls calls s3://recordings/calls --since 7d
      audiosocket calls calls --parquet calls.parquet
      audiosocket calls calls --uuid 92a62f6d --clip around-digits:3s -o clips
      audiosocket calls calls --keep 90d
      audiosocket calls calls --keep 90d --delete
      audiosocket calls analyze calls -o month
      audiosocket calls analyze s3://recordings -o month --dask tcp://dask:8786

    A call must match all options. An index in each DIR (.audiosocket-index.sqlite) makes this quick; each run brings
    it up to date from the JSON beside the recordings. The index of a bucket is in the cache of this user.

    `analyze` measures the sound of all calls again (turns, levels, noise, digits as tones, findings) into Parquet files
    in OUT, one for each day; what has not changed since the last run is not measured again. It needs the extra
    parquet. To list a folder named analyze, write ./analyze.

    Exits with 0, with 6 when there is no such call, with 1 when something could not be cut, removed or measured, and
    with 3 when a store is away (then the list may not be complete), or a Dask cluster.
    """
    if given["places"][0] == _ANALYZE:
        ctx.exit(_analyze(ctx, given))
    given["places"] = [Path(each) if each == _ANALYZE else each for each in given["places"]]
    for name in _FOR_ANALYZE:
        if given.pop(name) is not None and is_typed(ctx, name):
            raise UsageError(
                f"{option_name(ctx, name)} is for calls analyze: leave it out, or write calls analyze first"
            )
    refuse_without_effect(ctx, output="clip", delete="keep", force="parquet")
    chosen = [name for name in _INSTEAD if given[name] and is_typed(ctx, name)]
    if len(chosen) > 1 or (given["as_json"] and chosen and chosen[0] in ("csv", "parquet")):
        other = chosen[1] if len(chosen) > 1 else "as_json"
        raise UsageError(f"{option_name(ctx, chosen[0])} and {option_name(ctx, other)} exclude each other: choose one")
    if given["keep"] and given["limit"] and is_typed(ctx, "limit"):
        raise UsageError("--keep is for all calls that are too old: leave out --limit")
    from audiosocket_cli.jobs.calls import CallsWanted, calls

    ctx.exit(calls(CallsWanted(**given)).exit_code)


def _analyze(ctx: click.Context, given: dict[str, Any]) -> int:
    """Measure all calls again, and return the exit code. Raises `UsageError`."""
    _, *places = given["places"]
    if not places:
        raise UsageError(
            "calls analyze needs folders or URLs of calls; to list a folder named analyze, write ./analyze"
        )
    for param in ctx.command.params:
        name = str(param.name)
        if name not in _OF_ANALYZE and isinstance(param, click.Option) and is_typed(ctx, name):
            raise UsageError(f"calls analyze measures all calls: leave out {option_name(ctx, name)}")
    if given["output"] is None:
        raise UsageError("calls analyze needs a folder for what it finds: add -o OUT")
    if given["dask"] is not None and given["jobs"] is not None and is_typed(ctx, "jobs"):
        raise UsageError("--jobs is for processes of this machine: leave it out with --dask")
    from audiosocket_cli.jobs.calls_analyze import AnalyzeWanted, calls_analyze

    wanted = AnalyzeWanted(
        [str(each) for each in places], given["output"], given["dask"], given["jobs"] or usable_cores(),
        given["rebuild"], given["as_json"],
    )  # fmt: skip
    return calls_analyze(wanted).exit_code
