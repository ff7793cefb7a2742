"""`audiosocket record`: record a call, whoever dials."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    AddressParam,
    CountParam,
    KindParam,
    RateParam,
    UuidParam,
    capture_option,
    capture_output,
    decode_option,
)
from audiosocket_cli.commands.values import files
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.destinations import Output
    from audiosocket_cli.call.sources.basic import Source
    from audiosocket_cli.net.address import Address


@click.command(short_help="Record a call, whoever dials.")
@click.argument("out", shell_complete=files)
@click.argument("target", type=AddressParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Where to wait for the call.  [default: 127.0.0.1:9092]")
@click.option("--calls", type=CountParam(), metavar="N", help="Record N calls.  [default: 1]")
@click.option("--duration", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up after this long.")
@click.option("--until-silence", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up after this long without speech.")
@click.option(
    "--layout",
    type=click.Choice(["caller", "server", "stereo", "mix"]),
    help="What to record.  [default: the other side]",
)
@click.option("--rate", type=RateParam(), help="Convert to this sample rate.  [default: the rate that arrives]")
@decode_option
@capture_option
@click.option("--detect-dtmf", is_flag=True, help="Listen for digits in the audio, too.")
@click.option("--raw", is_flag=True, help="With -: samples without a WAV header, 16-bit little-endian.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it is there.")
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option("--kind", type=KindParam(), help="With TARGET: the kind of the silence that it hears.  [default: slin]")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per line.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Record a call.

    \b
    Examples:
      audiosocket record call.wav               the next call from Asterisk
      audiosocket record answer.flac bot:9092   what a server says to us
      audiosocket record 'calls/{date}/{uuid}.wav' --calls 3
      audiosocket record - | sox - -n stats

    Without TARGET it answers the next call, says nothing, and exits when the call is over. With TARGET (host:port) it
    places a call as Asterisk would, sends silence, and records what the server says.

    OUT is a file, a folder (each call as <uuid>.wav, JSON beside it), a name with the fields {uuid} {date} {time}
    {peer}, or - for standard output, as WAV or --raw. Its suffix says the container: .wav, .flac, .ogg, .opus, .mp3,
    .raw and all else that libsndfile writes. WAV survives a crash at any time; the others are made when the call ends.
    """
    wanted = _Wanted(**given)
    if wanted.target is None:
        _refuse("needs a TARGET to call: name one, or leave it out", uuid=wanted.uuid, kind=wanted.kind)
        ctx.exit(_answer(wanted, _output(wanted)))
    _refuse("is for calls to us: leave it out, or the TARGET", listen=wanted.listen, calls=wanted.calls)
    ctx.exit(_place(wanted.target, wanted, _output(wanted)))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The command line."""

    out: str
    target: Address | None
    listen: Address | None
    calls: int | None
    duration: float | None
    until_silence: float | None
    layout: str | None
    rate: int | None
    decode: str
    capture: str | None
    detect_dtmf: bool
    raw: bool
    force: bool
    uuid: UUID | None
    kind: int | None
    as_json: bool


def _answer(wanted: _Wanted, output: Output) -> int:
    from audiosocket_cli.call.sources.basic import Silence
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server
    from audiosocket_cli.net.address import parse_address
    from audiosocket_cli.server.options import ServeOptions

    call = _call_options(wanted, output, "caller", Silence)
    options = ServeOptions(wanted.listen or parse_address("127.0.0.1"), call, calls=wanted.calls or 1)
    return code_of_server(answer_calls(options, as_json=wanted.as_json))


def _place(target: Address, wanted: _Wanted, output: Output) -> int:
    from audiosocket_cli.call.sources.basic import QuietLine
    from audiosocket_cli.commands.outcome import code_of_call
    from audiosocket_cli.commands.placing import place_call

    options = _call_options(wanted, output, "server", lambda: QuietLine(wanted.kind))
    placed, lost = place_call(target, wanted.uuid or uuid4(), options, as_json=wanted.as_json)
    return code_of_call(placed, failed=lost)


def _call_options(wanted: _Wanted, output: Output, other_side: str, make_source: Callable[[], Source]) -> CallOptions:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.phases import Limits
    from audiosocket_cli.call.recording.recording import Decode, Layout

    if wanted.capture == "-" and output.has_stdout:
        raise UsageError("the recording and the capture both go to standard output: name a file for one of them")
    return CallOptions(
        make_source=make_source,
        record=output,
        layout=Layout(wanted.layout or other_side),
        rate_hz=wanted.rate,
        decode=Decode(wanted.decode),
        capture=capture_output(wanted.capture, force=wanted.force),
        until_silence_s=wanted.until_silence,
        detect_dtmf=wanted.detect_dtmf,
        limits=Limits(duration_s=wanted.duration or math.inf),
    )


def _output(wanted: _Wanted) -> Output:
    """Refuse what cannot be recorded to before anything is listened to, connected or made."""
    from audiosocket_cli.call.recording.destinations import FileOutput, PipeOutput
    from audiosocket_cli.commands.placing import prepare

    output: Output
    if wanted.out == "-":
        _refuse("is for files: leave it out", force=wanted.force or None)
        if sys.stdout.isatty():
            raise UsageError("cannot record to a terminal: pipe it to a program (| sox - …) or name a file")
        output = PipeOutput(sys.stdout.fileno(), headerless=wanted.raw)
    else:
        _refuse("goes with - only: for a file, say so with its suffix (call.raw)", raw=wanted.raw or None)
        output = FileOutput(wanted.out, overwrite=wanted.force)
    calls = wanted.calls or 1
    if output.single and calls > 1:
        raise UsageError(f"{output} has room for one call, not {calls}: name a folder, or use {{uuid}} in the name")
    if isinstance(output, FileOutput):
        prepare(output)
    return output


def _refuse(why: str, **options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name} {why}")
