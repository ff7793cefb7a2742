"""`audiosocket report`: a page to look at, of a call, a day, a bench or a check."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.path_param import FILE_OR_FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam


@click.command(short_help="Make a page to look at: of a call, a day, a bench, a check.")
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=PathParam(FILE_OR_FOLDER, path_type=str), metavar="FILE|DIR/", required=True,
    help="Where the page goes; with DIR/ each call of a folder also gets a page of its own; - is standard output.",
)  # fmt: skip
@click.option("--embed", is_flag=True, help="Put the sound of the call into the page.")
@click.option(
    "--call",
    type=TextParam("the first digits of a UUID"),
    metavar="UUID",
    help="This call of a capture; the first digits of its UUID are enough.",
)
@click.option("--force", is_flag=True, help="Overwrite the page, and a WAV file that belongs to it, if they exist.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Make a page to look at, which opens from disk in any browser and loads nothing.

    \b
    Examples:
      audiosocket report calls/8f269582-….wav -o call.html --open
      audiosocket report call.pcapng -o call.html --embed
      audiosocket report pbx.pcap --call 8f269582 -o call.html
      audiosocket report ./calls -o day.html
      audiosocket report ./calls -o day/
      audiosocket report bench.json before.json -o load.html
      audiosocket report check.json -o check.html

    INPUT is a recording or the JSON beside it, a capture of any format that dump reads, a folder of calls, one or two
    results of bench --output, or results of check --json; - is standard input. Files are recognised by content.

    A call's page has both sides on one time axis, with findings, turns, and a player. It plays the recording
    where it is. For a capture, and for formats that browsers do not play, a WAV file is written beside the page. With
    --embed the page itself holds the sound: as WAV up to a minute, else as MP3.

    Exits with 0, with 5 when an INPUT is damaged or cut (the page shows everything before the damage), with 6 when it
    holds no call.
    """
    from audiosocket_cli.jobs.report import ReportWanted, report

    given["inputs"] = tuple(given["inputs"])
    ctx.exit(report(ReportWanted(**given)).exit_code)
