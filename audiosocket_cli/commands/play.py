"""`audiosocket play`: say a file to a server, standing in for Asterisk, or to a caller."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    CountParam,
    NumberParam,
    RateParam,
    UuidParam,
    expect_audio_option,
    record_options,
    refuse_without_effect,
)
from audiosocket_cli.commands.values import files
from audiosocket_cli.commands.websocket_options import TargetParam, take_websocket, websocket_options


@click.command(short_help="Play a sound file into a call, as Asterisk would.")
@click.argument("file", required=False, shell_complete=files)
@click.argument("target", type=TargetParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk instead, and play to the caller.")
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option(
    "--rate", type=RateParam(),
    help="With TARGET: send audio of this rate; the file is converted.  [default: 8000, kind slin]",
)  # fmt: skip
@click.option("--loop", type=CountParam(), metavar="N", default=1, help="Play the file N times.")
@click.option(
    "--gain", type=NumberParam(-60, 60), metavar="DB", default=0.0, help="Make it louder (or quieter), up to 60."
)
@click.option("--start", type=SECONDS, metavar="TIME", default="0s", help="Begin this far into the file.")
@click.option("--duration", type=POSITIVE_SECONDS, metavar="TIME", help="Play this much of it.")
@websocket_options
@record_options
@click.option(
    "--wait", type=SECONDS, metavar="TIME", help="Stay this long after the file, sending silence.  [default: 0]"
)
@click.option("--until-hangup", is_flag=True, help="Stay until the other side hangs up, at most --wait if given.")
@expect_audio_option("the end of our speech")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Play a sound file to a server, as Asterisk would, or to a caller.

    \b
    Examples:
      audiosocket play
      audiosocket play hello.wav
      audiosocket play hello.wav bot.example.net:9092 --record answer.wav --wait 5
      audiosocket play question.flac :9092 --rate 16000 --until-hangup
      espeak-ng --stdout "good morning" | audiosocket play - :9092
      audiosocket play goodbye.wav --listen :9092
      audiosocket play hello.wav ws://bot:8765/ws --protocol twilio

    FILE is anything libsndfile reads (WAV, FLAC, Ogg, MP3, …), a prompt as Asterisk stores it (.sln16, .ulaw, .gsm, …),
    or - for standard input: a sound file, or headerless 16-bit mono samples at the rate that --rate says. It is read as
    it is played, so a pipe may be endless. Without FILE a few spoken words that come with audiosocket are played.

    TARGET is host:port; the port is 9092 when left out, and without TARGET it is 127.0.0.1:9092. A URL such as
    ws://host:port/path is a WebSocket bot; --protocol says what it speaks. With --listen it answers one call from
    Asterisk instead.

    The result says how fast the other side answered: from the end of our last speech to the beginning of theirs. Speech
    that was already going on does not count as an answer.

    Exits with 0 when all was played, 1 when the other side ended the call before that, or the connection was lost, or
    the last audio did not arrive, or no answer came within --expect-audio-within, 3 when TARGET cannot be reached, 4
    when it sent a frame that ends a call in Asterisk, 5 when FILE is not sound, or damaged, 7 when --until-hangup
    --wait TIME passed without a hangup.
    """
    from audiosocket_cli.jobs.job import refuse_two_ends, run_job
    from audiosocket_cli.jobs.play import PlayWanted, file_and_target, play_job
    from audiosocket_cli.net.websocket_target import complete_target

    refuse_without_effect(ctx, layout="record", force="record capture")
    file, target = file_and_target(given.pop("file"), given.pop("target"))
    websocket = take_websocket(ctx, given)
    wanted = PlayWanted(file, **given)
    refuse_two_ends(target, wanted.listen)
    target = complete_target(target, websocket, listen=wanted.listen, rate_hz=wanted.rate)
    ctx.exit(run_job(play_job(wanted), target=target, listen=wanted.listen).exit_code)
