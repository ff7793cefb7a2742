"""`audiosocket serve`: answer calls from Asterisk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.commands.api_options import (
    api_option,
    api_token_file_option,
    bridge_api_option,
    variables_option,
)
from audiosocket_cli.commands.bot_options import bot_option, bot_rate_option
from audiosocket_cli.commands.bridge_options import bridge_options, bridge_wanted
from audiosocket_cli.commands.outbox_options import outbox_options, sending_wanted
from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    BotRateParam,
    ProcessCountParam,
    RestCommand,
    capture_option,
    check_processes,
    decode_option,
    is_typed,
    option_name,
    refuse_without_effect,
    silence_option,
)
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.commands.server_options import (
    allow_from_option,
    calls_option,
    detect_dtmf_option,
    drain_delay_option,
    drain_option,
    health_option,
    idle_timeout_option,
    json_option,
    listen_option,
    log_file_option,
    max_calls_from_option,
    max_calls_option,
    max_duration_option,
    metrics_option,
    min_free_option,
    on_call_end_option,
    proxy_from_option,
    proxy_protocol_option,
    record_option,
)
from audiosocket_cli.commands.web_options import web_options, web_wanted
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.jobs.serve import ServeWanted

_SPEAKERS: Final = ("play", "echo", "tone", "program", "bot", "bridge")
"""What decides who speaks to callers: one of these at most."""


@click.command(cls=RestCommand, short_help="Answer calls: record them, play to them, or let a bot answer.")
@listen_option
@record_option
@click.option(
    "--layout",
    type=click.Choice(["auto", "caller", "server", "stereo", "mix"]),
    default="auto",
    show_default=True,
    help="What to record. auto: stereo (caller left, server right) when we say something, else the caller.",
)
@decode_option
@capture_option
@detect_dtmf_option
@click.option("--play", type=PathParam(), metavar="FILE", help="Play a sound file to each caller.")
@click.option("--echo", is_flag=True, help="Send each caller's audio back.")
@click.option("--tone", type=click.IntRange(20, 3900), metavar="HZ", help="Play a tone to each caller.")
@click.option("--loop", is_flag=True, help="Play the file again and again.")
@click.option("--hangup", is_flag=True, help="Hang up when the file has been played (and 300 ms of silence).")
@silence_option
@click.option(
    "--exec",
    "program",
    metavar="CMD…",
    help="Let a program answer each call. What follows is the program and its arguments, or one quoted line.",
)
@click.option(
    "--exec-rate", type=BotRateParam(), help="The sample rate of --exec's program.  [default: that of the call]"
)
@bot_option
@bot_rate_option
@click.option(
    "--grace",
    type=SECONDS,
    metavar="TIME",
    default="5s",
    show_default=True,
    help="How long after the call --exec's program may take to end, before SIGTERM, and again before SIGKILL; and "
    "--bot's function, before it is cancelled.",
)
@bridge_options
@click.option("--shell", is_flag=True, help="Let a shell run --exec, --authorize and --on-call-end.")
@calls_option
@click.option(
    "--workers",
    type=ProcessCountParam(),
    metavar="N",
    default=1,
    show_default=True,
    help="Answer in N processes, for more calls than one core can carry: about one for each core.",
)
@click.option("--many-workers", is_flag=True, help="Allow more --workers than four for each core.")
@click.option("--worker", type=int, hidden=True, help="Be a worker of --workers, on this descriptor.")
@max_calls_option
@max_calls_from_option
@min_free_option
@click.option(
    "--uuid-timeout", type=POSITIVE_SECONDS, metavar="TIME", default="10s", show_default=True,
    help="Close a connection that sends no UUID within this time.",
)  # fmt: skip
@idle_timeout_option
@max_duration_option
@allow_from_option
@click.option(
    "--allow-uuid",
    type=PathParam(),
    metavar="FILE",
    help="Accept only the UUIDs in this file, one per line; SIGHUP reads it again.",
)
@click.option(
    "--authorize",
    metavar="CMD",
    help="Ask a program, with AUDIOSOCKET_UUID and _PEER in its environment: exit code 0 lets the call in. It may "
    "print variables of the call as a JSON object.",
)
@click.option(
    "--authorize-timeout",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="5s",
    show_default=True,
    help="Refuse the call when that program takes longer.",
)
@variables_option
@on_call_end_option
@metrics_option
@health_option
@api_option
@api_token_file_option
@bridge_api_option
@web_options
@outbox_options
@drain_option
@drain_delay_option
@proxy_protocol_option
@proxy_from_option
@json_option
@log_file_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Answer calls from Asterisk and record them.

    \b
    Examples:
      audiosocket serve --record ./calls
      audiosocket serve --listen :9092 --play welcome.wav --hangup
      audiosocket serve --echo
      audiosocket serve --record ./calls --calls 1 --json
      audiosocket serve --record ./calls --exec ./bot.py --language en
      audiosocket serve --bridge wss://bot.example/media --bridge-protocol twilio
      audiosocket serve --record ./calls --bot bot:answer
      audiosocket serve --record ./calls --web 127.0.0.1:8080
      audiosocket serve --record ./calls --upload s3://recordings/calls
      audiosocket serve --capture - | wireshark -k -i -

    The caller's audio is written to DIR/<uuid>.wav as it arrives, pauses included, and the facts of the call to
    DIR/<uuid>.json when it ends. Unless an option says otherwise the caller hears silence, so that Asterisk keeps the
    call.

    The program of --exec hears the caller on its standard input and speaks on its standard output, as 16-bit samples;
    digits, the hangup and its commands are JSON lines on descriptor 3. The function of --bot gets an object with all of
    that, and runs in the server itself. The bot of --bridge gets a WebSocket for each call, in the protocol of Twilio's
    Media Streams, of Asterisk's chan_websocket, or as raw samples.

    Ends with Ctrl-C: calls are hung up (or go on for a while, with --drain) and files completed; a second Ctrl-C drops
    them at once.
    """
    from audiosocket_cli.jobs.serve import ServeWanted, serve

    wanted = ServeWanted(
        bridge=bridge_wanted(ctx, given), web=web_wanted(ctx, given), sending=sending_wanted(ctx, given), **given
    )
    refuse_without_effect(ctx, grace="program bot", authorize_timeout="authorize", api_token_file="api bridge_api",
                          drain_delay="drain")  # fmt: skip
    _refuse_what_contradicts(ctx, wanted)
    check_processes(wanted.workers, "workers", allowed=wanted.many_workers)
    ctx.exit(serve(wanted).exit_code)


def _refuse_what_contradicts(ctx: click.Context, wanted: ServeWanted) -> None:
    """Refuse options of which one makes another mean nothing. Raises `UsageError`."""
    said = [name for name in _SPEAKERS if getattr(wanted, name) not in (None, False)]
    if len(said) > 1:
        raise UsageError("--play, --echo, --tone, --exec, --bot and --bridge exclude each other: choose one")
    if said and is_typed(ctx, "silence"):
        raise UsageError(
            f"--silence is for calls to which nothing else is sent: leave out --silence or {option_name(ctx, said[0])}"
        )
    if wanted.layout != "auto" and wanted.record is None:
        raise UsageError(f"--layout {wanted.layout} needs a recording: add --record DIR")
    if wanted.decode != "slin" and wanted.record is None:
        raise UsageError(f"--decode {wanted.decode} needs a recording: add --record DIR")
    if wanted.shell and not (wanted.authorize or wanted.on_call_end or wanted.program):
        raise UsageError("--shell needs something to run: --exec, --authorize or --on-call-end")
    if wanted.min_free is not None and wanted.record is None:
        raise UsageError("--min-free needs a recording: add --record DIR")
    if wanted.proxy_from and not wanted.proxy_protocol:
        raise UsageError("--proxy-from says who may send a PROXY protocol header: add --proxy-protocol")
    if wanted.play is None and (wanted.loop or wanted.hangup):
        raise UsageError(f"{'--loop' if wanted.loop else '--hangup'} needs a file to play: add --play FILE")
    if wanted.loop and wanted.hangup:
        raise UsageError("--loop never ends, so --hangup would never come: choose one")
    if wanted.program is None and wanted.exec_rate:
        raise UsageError("--exec-rate needs a program: add --exec CMD")
    if wanted.bot is None and wanted.bot_rate:
        raise UsageError("--bot-rate needs a function: add --bot MODULE:FUNCTION")
