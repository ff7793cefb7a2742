"""`audiosocket serve`: answer calls from Asterisk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    BotRateParam,
    CountParam,
    NetworkParam,
    ProcessCountParam,
    RestCommand,
    SizeParam,
    capture_option,
    capture_output,
    check_processes,
    command_words,
    decode_option,
    is_typed,
    option_name,
    refuse_without_effect,
    silence_option,
)
from audiosocket_cli.commands.placing import open_prompt, prepare
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from audiosocket_cli.call.bots.bot import Bot
    from audiosocket_cli.call.events import Report
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.sources.basic import Source
    from audiosocket_cli.net.address import Address
    from audiosocket_cli.server.admission import Network
    from audiosocket_cli.server.options import ServeOptions


@click.command(cls=RestCommand, short_help="Answer calls: record them, play to them, or let a bot answer.")
@click.option("--listen", type=AddressParam(), default="127.0.0.1:9092", show_default=True, help="Where to listen.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Record each call to DIR/<uuid>.wav, or by a name with the fields {uuid} {date} {time} {peer}.",
)
@click.option(
    "--layout",
    type=click.Choice(["auto", "caller", "server", "stereo", "mix"]),
    default="auto",
    show_default=True,
    help="What to record. auto: stereo (caller left, server right) when we say something, else the caller.",
)
@decode_option
@capture_option
@click.option("--detect-dtmf", is_flag=True, help="Listen for digits in the audio, too.")
@click.option("--play", type=click.Path(path_type=Path), metavar="FILE", help="Play a sound file to each caller.")
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
@click.option(
    "--grace",
    type=SECONDS,
    metavar="TIME",
    default="5s",
    show_default=True,
    help="How long --exec's program may take to end once the call is over, before SIGTERM, and SIGKILL.",
)
@click.option("--shell", is_flag=True, help="Let a shell run --exec, --authorize and --on-call-end.")
@click.option("--calls", type=CountParam(), metavar="N", help="End after N calls.")
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
@click.option("--max-calls", type=CountParam(), metavar="N", help="Refuse more than N calls at once.")
@click.option(
    "--max-calls-from",
    type=CountParam(),
    metavar="N",
    help="Refuse more than N calls at once from one address, or from one /64 of IPv6.",
)
@click.option("--min-free", type=SizeParam(), help="Stop recording below this much free disk space, as 500M or 2G.")
@click.option(
    "--uuid-timeout", type=POSITIVE_SECONDS, metavar="TIME", default="10s", show_default=True,
    help="Close a connection that sends no UUID within this time.",
)  # fmt: skip
@click.option(
    "--idle-timeout", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up when nothing arrives for this long."
)
@click.option("--max-duration", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up calls that last longer.")
@click.option(
    "--allow-from",
    type=NetworkParam(),
    multiple=True,
    help="Accept calls only from this network, as 10.0.0.0/8 (repeatable).",
)
@click.option(
    "--allow-uuid",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Refuse UUIDs that are not in this file, one a line; SIGHUP reads it again.",
)
@click.option(
    "--authorize",
    metavar="CMD",
    help="Ask a program, with AUDIOSOCKET_UUID and _PEER in its environment: exit code 0 lets the call in.",
)
@click.option(
    "--authorize-timeout",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="5s",
    show_default=True,
    help="Refuse the call when that program takes longer.",
)
@click.option(
    "--on-call-end",
    metavar="CMD",
    help="Run a program after each call, with AUDIOSOCKET_UUID, _RECORDING, _JSON, _DURATION_S, … in its environment.",
)
@click.option(
    "--metrics",
    type=AddressParam(needs_port=True),
    help="Serve Prometheus metrics on this address, at /metrics. Needs prometheus-client (the extra metrics).",
)
@click.option(
    "--health",
    type=AddressParam(needs_port=True),
    help="Answer health checks on this address, at /healthz: 200 ready or 503 draining. --metrics does so, too.",
)
@click.option(
    "--drain",
    type=SECONDS,
    metavar="TIME",
    help="On SIGTERM or Ctrl-C stop accepting calls, and give those in progress this long to end, as 10m.",
)
@click.option(
    "--proxy-protocol",
    is_flag=True,
    help="Expect a PROXY protocol header (v1 or v2) before each call, with the caller's own address.",
)
@click.option(
    "--proxy-from",
    type=NetworkParam(),
    multiple=True,
    help="With --proxy-protocol: accept connections only from this network (repeatable).",
)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per line.")
@click.option(
    "--log-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append the log to this file, not to standard output. It may be rotated at any time.",
)
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
      audiosocket serve --capture - | wireshark -k -i -

    What the caller says is written to DIR/<uuid>.wav as it arrives, pauses included, and what is known of the call to
    DIR/<uuid>.json when it ends. The caller hears silence unless told otherwise, so that Asterisk keeps the call.

    A program of --exec hears the caller on its standard input and speaks on its standard output, as 16-bit samples;
    digits, the hangup and its commands are JSON lines on descriptor 3.

    Ends with Ctrl-C: calls are hung up (or go on for a while, with --drain) and files completed; a second Ctrl-C drops
    them at once.
    """
    from audiosocket_cli.commands.answering import answer_as_worker, answer_calls, answer_with_workers
    from audiosocket_cli.commands.outcome import code_of_server

    wanted = _Wanted(**given)
    refuse_without_effect(ctx, grace="program", authorize_timeout="authorize")
    _refuse_what_contradicts(ctx, wanted)
    check_processes(wanted.workers, "workers", allowed=wanted.many_workers)
    options = _options(wanted)
    if wanted.worker is not None:
        answer_as_worker(options, wanted.worker, as_json=wanted.as_json)
    elif wanted.workers > 1:
        summary = answer_with_workers(options, wanted.workers, as_json=wanted.as_json, log_file=wanted.log_file)
        ctx.exit(code_of_server(summary))
    else:
        ctx.exit(code_of_server(answer_calls(options, as_json=wanted.as_json, log_file=wanted.log_file)))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The command line."""

    listen: Address
    record: Path | None
    layout: str
    decode: str
    capture: str | None
    detect_dtmf: bool
    play: Path | None
    echo: bool
    tone: int | None
    loop: bool
    hangup: bool
    silence: str
    program: str | None
    exec_rate: int | None
    grace: float
    shell: bool
    calls: int | None
    workers: int
    many_workers: bool
    worker: int | None
    max_calls: int | None
    max_calls_from: int | None
    min_free: int | None
    uuid_timeout: float
    idle_timeout: float | None
    max_duration: float | None
    allow_from: tuple[Network, ...]
    allow_uuid: Path | None
    authorize: str | None
    authorize_timeout: float
    on_call_end: str | None
    metrics: Address | None
    health: Address | None
    drain: float | None
    proxy_protocol: bool
    proxy_from: tuple[Network, ...]
    as_json: bool
    log_file: Path | None


def _refuse_what_contradicts(ctx: click.Context, wanted: _Wanted) -> None:
    """Refuse options of which one makes another mean nothing. Raises `UsageError`."""
    said = [name for name in ("play", "echo", "tone", "program") if getattr(wanted, name) not in (None, False)]
    if len(said) > 1:
        raise UsageError("--play, --echo, --tone and --exec exclude each other: choose one")
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


def _options(wanted: _Wanted) -> ServeOptions:
    from audiosocket_cli.server.admission import AdmissionOptions
    from audiosocket_cli.server.options import ServeOptions

    return ServeOptions(
        wanted.listen,
        _call_options(wanted),
        calls=wanted.calls or math.inf,
        max_calls=wanted.max_calls or math.inf,
        max_calls_from=wanted.max_calls_from or math.inf,
        admission=AdmissionOptions(
            wanted.allow_from,
            wanted.allow_uuid,
            None if wanted.authorize is None else command_words(wanted.authorize, shell=wanted.shell),
            wanted.authorize_timeout,
        ),
        program=wanted.program,
        on_call_end=None if wanted.on_call_end is None else command_words(wanted.on_call_end, shell=wanted.shell),
        metrics=wanted.metrics,
        health=wanted.health,
        drain_s=wanted.drain,
        proxies=wanted.proxy_from if wanted.proxy_protocol else None,
    )


def _call_options(wanted: _Wanted) -> CallOptions:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.phases import Limits
    from audiosocket_cli.call.recording.destinations import FileOutput
    from audiosocket_cli.call.recording.disk_thread import Disk, FreeSpace
    from audiosocket_cli.call.recording.recording import Decode, Layout

    make_source, make_bot = _source_maker(wanted), _bot_maker(wanted)
    source = make_source() if make_bot is None else make_bot(lambda event: None)
    layout = wanted.layout
    if layout == "auto":
        layout = "stereo" if source.speaks else "caller"
    output = FileOutput.in_folder(wanted.record) if wanted.record is not None else None
    if output is not None:
        prepare(output)
    return CallOptions(
        make_source=make_source,
        make_bot=make_bot,
        source_descriptors=source.descriptors,
        record=output,
        layout=Layout(layout),
        decode=Decode(wanted.decode),
        capture=capture_output(wanted.capture),
        detect_dtmf=wanted.detect_dtmf,
        disk=Disk(FreeSpace(output.folder, wanted.min_free) if output and wanted.min_free is not None else None),
        limits=Limits(wanted.uuid_timeout, wanted.idle_timeout or math.inf, wanted.max_duration or math.inf),
    )


def _source_maker(wanted: _Wanted) -> Callable[[], Source]:
    """Return what makes a source for each call, of what the caller is to be told."""
    from audiosocket_cli.asterisk.facts import POST_ROLL_MS
    from audiosocket_cli.call.sources.basic import Echo, PromptSource, Silence
    from audiosocket_cli.call.sources.prompts import Prompt

    if wanted.play is not None:
        from audiosocket_cli.audio.files import Sound

        prompt = open_prompt(Sound(wanted.play).kept())
        post_roll_ms = POST_ROLL_MS if wanted.hangup else None
        return lambda: PromptSource(prompt, times=0 if wanted.loop else 1, post_roll_ms=post_roll_ms)
    if wanted.tone is not None:
        endless = Prompt.of_tone(wanted.tone)
        return lambda: PromptSource(endless, times=0)
    says_nothing = Echo() if wanted.echo else Silence(sparse=wanted.silence == "sparse")
    return lambda: says_nothing  # one for all: it knows nothing of a call


def _bot_maker(wanted: _Wanted) -> Callable[[Report], Bot] | None:
    """Return what makes the bot of each call, where one answers."""
    if wanted.program is None:
        return None
    from audiosocket_cli.call.bots.program import Program, ProgramOptions

    words = command_words(wanted.program, shell=wanted.shell)
    return partial(Program, ProgramOptions(words, wanted.exec_rate, wanted.grace))
