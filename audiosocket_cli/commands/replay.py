"""`audiosocket replay`: say again what was said in a captured call, or what a script says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from audiosocket_cli.commands.own_server import SERVER, OwnServerCommand, refuse_start_within, start_within_option
from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    CountParam,
    NumberParam,
    TimeParam,
    is_typed,
    record_options,
    refuse_without_effect,
)
from audiosocket_cli.commands.path_param import FILE_OR_FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.values import calls, files
from audiosocket_cli.commands.websocket_options import take_websocket, websocket_options
from audiosocket_cli.errors import UsageError

_MAX_JOBS: Final = 64


class _ReplayCommand(OwnServerCommand):
    example = "replay calls/ --expect same -- ./my-bot --port {port}"

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] CAPTURE [TARGET]")
        formatter.write_usage(ctx.command_path, "[OPTIONS] --expect OLD CAPTURE… [TARGET] [-- CMD…]", prefix="       ")


@click.command(cls=_ReplayCommand, short_help="Play a captured call, or a script, again.")
@click.argument("captured", nargs=-1, required=True, metavar="CAPTURE… [TARGET]", shell_complete=files)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk, and play the server's side to it.")
@click.option(
    "--timing",
    type=click.Choice(["recorded", "media", "fast"]),
    default="recorded",
    show_default=True,
    help="Send frames at their recorded times, one after the other without pauses, or as fast as they are taken.",
)
@click.option(
    "--speed", type=NumberParam(0.01, 1000), metavar="X", default=1.0, help="Play X times as fast, up to 1000."
)
@click.option(
    "--max-gap", type=SECONDS, metavar="TIME", help="Shorten longer pauses, in which nothing was sent, to this."
)
@click.option("--from", "from_s", type=TimeParam(), help="Begin at this time of the call.")
@click.option("--to", "to_s", type=TimeParam(), help="End at this time of the call.")
@click.option("--loop", type=CountParam(), metavar="N", default=1, help="Play it N times in one call.")
@click.option(
    "--call",
    type=TextParam("the first digits of a UUID"),
    metavar="UUID",
    shell_complete=calls,
    help="Play this call; the first digits of the UUID are enough.  [default: the first]",
)
@click.option(
    "--uuid", metavar="new|same|UUID", default="new", show_default=True,
    help="The UUID to send: a random one, that of the capture, or this one.",
)  # fmt: skip
@click.option("--calls", type=CountParam(10_000), metavar="N", default=1, help="Place N calls at once.")
@click.option("--wait", type=SECONDS, metavar="TIME", help="Send silence for this long at the end.")
@click.option(
    "--expect",
    type=PathParam(FILE_OR_FOLDER),
    metavar="OLD",
    help="Compare the answer with a capture, the file of the same name in a folder, or CAPTURE itself (same).",
)
@click.option(
    "--tolerance", type=POSITIVE_SECONDS, metavar="TIME", default="0.2s", show_default=True,
    help="With --expect: how much earlier, later, longer or shorter still passes.",
)  # fmt: skip
@click.option(
    "--least-correlation", type=NumberParam(0, 1), metavar="R", default=0.8, show_default=True,
    help="With --expect: how similar speech has to sound; 0 compares times only.",
)  # fmt: skip
@click.option(
    "--jobs", type=CountParam(_MAX_JOBS), metavar="N", default=4, show_default=True,
    help="With several captures: place N calls at once.",
)  # fmt: skip
@start_within_option
@click.option(
    "--junit", type=PathParam(dir_okay=False), metavar="FILE",
    help="With --expect: also write the result as JUnit XML.",
)  # fmt: skip
@click.option(
    "--html", type=PathParam(dir_okay=False), metavar="FILE",
    help="With --expect: also write the result as one HTML file.",
)  # fmt: skip
@websocket_options
@record_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON object per call (--listen: events)."
)
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Play a captured call again: the caller's side to a server, or the server's side to Asterisk.

    \b
    Examples:
      audiosocket replay call.pcapng bot:9092 --record answer.wav
      audiosocket replay call.pcapng bot:9092 --expect same
      audiosocket replay calls/ --expect same -- ./bot.py --port {port}
      audiosocket replay call.jsonl :9092 --timing fast --calls 50
      audiosocket dump pbx.pcap --call 8f269582 --json |
        audiosocket replay - bot:9092
      audiosocket replay call.pcapng --listen :9092
      audiosocket replay call.pcapng ws://bot:8765/ws --protocol twilio

    CAPTURE is any capture that dump reads, or - for standard input. As JSON lines it can be a script, written by hand:

    \b
      {"play": "hello.wav"}                    play a sound file
      {"expect": "audio", "within_ms": 800}    fail without an answer by then
      {"expect": "silence"}                    wait for 0.5 s without speech
      {"digit": "5"}                           press a key, now
      {"t": 9.5, "digit": "#"}                 … or at this time of the call
      {"silence_ms": 2000}                     send silence
      {"expect": "hangup", "within_ms": 5000}  or {"hangup": true}: we hang up

    An expect without within_ms waits for 30 s. Files to play are relative to the folder that replay runs in.

    With --expect there may be several captures, and folders of them: each call is a test. A word that names a file is
    a capture; the last word that does not is TARGET. NAME.expect.toml beside a capture says what is compared, and how
    closely. CMD starts the server; {port} is replaced by a free port.

    Exits with 0 when all was played and the answer was as expected, 1 when not, or when the connection was lost, 3 when
    TARGET cannot be reached, 4 when TARGET sent what ends a call in Asterisk, 5 when CAPTURE cannot be read, 6 when it
    holds nothing to play.
    """
    from audiosocket_cli.jobs.job import refuse_two_ends, run_job
    from audiosocket_cli.jobs.replay import ReplayWanted, replay_job
    from audiosocket_cli.net.websocket_target import complete_target

    captures, target = _split(given.pop("captured"))
    websocket, has_command = take_websocket(ctx, given), bool(given[SERVER])
    given["target"] = complete_target(target, websocket, listen=given["listen"], has_command=has_command)
    of_many = {name: given.pop(name) for name in ("jobs", "start_within", "junit", "html")}
    server = given.pop(SERVER)
    refuse_without_effect(ctx, layout="record", force="record capture junit html", tolerance="expect",
                          least_correlation="expect", junit="expect", html="expect")  # fmt: skip
    refuse_start_within(ctx)
    wanted = ReplayWanted(captures[0], **given)
    is_reported = wanted.expect is not None and (of_many["junit"] or of_many["html"])
    if len(captures) > 1 or os.path.isdir(captures[0]) or server or is_reported:
        from audiosocket_cli.jobs.replay_suite import SuiteWanted, replay_suite

        ctx.exit(replay_suite(SuiteWanted(wanted, captures, server, **of_many)).exit_code)
    if is_typed(ctx, "jobs"):
        raise UsageError("--jobs is for several captures: use --calls to place several calls of one capture")
    refuse_two_ends(wanted.target, wanted.listen)
    ctx.exit(run_job(replay_job(wanted), target=wanted.target, listen=wanted.listen).exit_code)


def _split(words: Sequence[str]) -> tuple[Sequence[str], Any]:
    """Return the captures, and the address that the last word names, unless it is a path, names a file as well, or
    ends as a capture does, which then is missing."""
    from audiosocket_cli.jobs.expectation import stem_of
    from audiosocket_cli.net.target import is_url, parse_target

    *captures, last = words
    if captures and is_url(last):
        return captures, parse_target(last)
    is_path = "/" in last or last == "-" or os.path.lexists(last) or stem_of(Path(last)) is not None
    if captures and not is_path:
        return captures, parse_target(last)
    return words, None
