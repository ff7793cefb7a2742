"""`audiosocket inject-dtmf`: press keys in a call, whoever dials."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    RateParam,
    UuidParam,
    expect_audio_option,
    record_options,
    refuse_without_effect,
)
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.commands.websocket_options import TargetParam, take_websocket, websocket_options


@click.command(short_help="Press keys in a call.")
@click.argument("digits")
@click.argument("target", type=TargetParam(), required=False)
@click.option(
    "--listen", type=AddressParam(), help="Answer a call from Asterisk instead, and send the digits to the caller."
)
@click.option(
    "--after",
    type=SECONDS,
    metavar="TIME",
    default="1s",
    show_default=True,
    help="Press the first digit this long into the call.",
)
@click.option(
    "--after-silence",
    is_flag=True,
    help="Count --after from the other side's last word; a pause under 0.3 s does not count.",
)
@click.option(
    "--gap",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="0.35s",
    show_default=True,
    help="The time from one digit to the next.",
)
@click.option("--in-band", is_flag=True, help="Also send the digits as tones in the audio.")
@click.option("--in-band-only", is_flag=True, help="Send tones, and no DTMF frames.")
@click.option("--audio", type=PathParam(), metavar="FILE", help="Play a sound file during the call.")
@click.option(
    "--wait",
    type=SECONDS,
    metavar="TIME",
    help="Stay this long after the last digit.  [default: 1, or until --expect-audio-within has its answer]",
)
@expect_audio_option("the last digit")
@click.option(
    "--expect-hangup",
    is_flag=True,
    help="Fail unless the other side hangs up after the last digit, within --wait or 10 seconds.",
)
@click.option(
    "--timeout",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="30s",
    show_default=True,
    help="With --after-silence: give up when the other side has not spoken and fallen silent by then.",
)
@websocket_options
@record_options
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option("--rate", type=RateParam(), help="With TARGET: send audio of this rate.  [default: 8000, kind slin]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Press keys in a call.

    \b
    Examples:
      audiosocket inject-dtmf 123# bot:9092
      audiosocket inject-dtmf '1w23W#' :9092 --expect-audio-within 2
      audiosocket inject-dtmf 42# --listen :9092
      audiosocket inject-dtmf 42# ws://bot:8765/ws --protocol twilio

    DIGITS are 0-9, *, #, A-D; w waits half a second, W one second, as in Asterisk's dial strings. Like Asterisk, it
    sends a UUID to TARGET (host:port), then silence or --audio, and each digit as a frame of kind 03. A WebSocket bot
    (ws://host:port/path) gets them in its own protocol.

    With --listen it answers a call from Asterisk, and sends the digits to the caller, always as tones in the audio:
    Asterisk ends a call in which a server sends a DTMF frame. A telephone or a trunk hears them. Asterisk itself does
    not: Read() on this channel waits in vain, unless a PJSIP leg with dtmf_mode=inband is in between (see help keys).

    Exits with 0 when all digits were pressed and the answer was as expected, 1 when not, or when the other side hung up
    or went silent after a digit (unless --expect-hangup), 3 when TARGET cannot be reached, 4 when it sent a frame that
    ends a call in Asterisk, 7 when --after-silence timed out.
    """
    from audiosocket_cli.jobs.inject_dtmf import InjectWanted, inject_job
    from audiosocket_cli.jobs.job import refuse_two_ends, run_job
    from audiosocket_cli.net.websocket_target import complete_target

    refuse_without_effect(ctx, layout="record", force="record capture", timeout="after_silence")
    websocket = take_websocket(ctx, given)
    wanted = InjectWanted(**given)
    refuse_two_ends(wanted.target, wanted.listen)
    target = complete_target(wanted.target, websocket, listen=wanted.listen, rate_hz=wanted.rate)
    ctx.exit(run_job(inject_job(wanted), target=target, listen=wanted.listen).exit_code)
