"""`audiosocket record`: record a call, whoever dials."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.codec import rate_of
from audiosocket_cli.commands.outbox_options import sending_wanted, upload_options
from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    AddressParam,
    CountParam,
    KindParam,
    RateParam,
    UuidParam,
    capture_option,
    decode_option,
)
from audiosocket_cli.commands.values import files
from audiosocket_cli.commands.websocket_options import TargetParam, take_websocket, websocket_options


@click.command(short_help="Record a call that you answer or place.")
@click.argument("out", shell_complete=files)
@click.argument("target", type=TargetParam(), required=False)
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
@websocket_options
@click.option("--detect-dtmf", is_flag=True, help="Also detect digits as tones in the audio.")
@click.option("--raw", is_flag=True, help="With -: samples without a WAV header, 16-bit little-endian.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option("--kind", type=KindParam(), help="With TARGET: the kind of the silence to send.  [default: slin]")
@upload_options
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per line.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Record a call.

    \b
    Examples:
      audiosocket record call.wav               the next call from Asterisk
      audiosocket record answer.flac bot:9092   what a server says
      audiosocket record answer.wav ws://bot:8765/ws --protocol twilio
      audiosocket record 'calls/{date}/{uuid}.wav' --calls 3
      audiosocket record - | sox - -n stats

    Without TARGET it answers the next call, says nothing, and exits when the call is over. With TARGET (host:port,
    or ws://host:port/path with --protocol) it places a call as Asterisk would, sends silence, and records what the
    server says.

    OUT is a file, a folder (each call as <uuid>.wav, JSON beside it), a name with the fields {uuid} {date} {time}
    {peer}, or - for standard output, as WAV or --raw. Its suffix selects the container: .wav, .flac, .ogg, .opus, .mp3,
    .raw and any other that libsndfile writes. WAV survives a crash at any time; the others are made when the call ends.
    """
    from audiosocket_cli.jobs.job import run_job
    from audiosocket_cli.jobs.record import RecordWanted, record_job
    from audiosocket_cli.net.address import parse_address
    from audiosocket_cli.net.websocket_target import complete_target

    websocket = take_websocket(ctx, given)
    sending = sending_wanted(ctx, given)
    wanted = RecordWanted(**given)
    rate_hz = None if wanted.kind is None else rate_of(wanted.kind)
    target = complete_target(wanted.target, websocket, listen=wanted.listen, rate_hz=rate_hz)
    listen = None if wanted.target else wanted.listen or parse_address("127.0.0.1")
    ctx.exit(run_job(record_job(wanted, sending), target=target, listen=listen).exit_code)
