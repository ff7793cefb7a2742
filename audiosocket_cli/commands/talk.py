"""`audiosocket talk`: talk in a call with the microphone and the loudspeaker of this machine."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.params import (
    SECONDS,
    AddressParam,
    RateParam,
    UuidParam,
    is_typed,
    record_options,
    refuse_without_effect,
)
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.values import sound_cards
from audiosocket_cli.errors import UsageError


@click.command(short_help="Talk in a call, with microphone, loudspeaker and keys.")
@click.argument("target", type=AddressParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk instead, and talk to the caller.")
@click.option(
    "--input",
    type=PathParam(path_type=str),
    metavar="FILE",
    help="Say this file in place of the microphone; - for a pipe.",
)
@click.option(
    "--output",
    type=PathParam(path_type=str),
    metavar="FILE",
    help="Write what is heard to this file in place of the loudspeaker; - for a pipe.",
)
@click.option("--list-devices", is_flag=True, help="List the sound cards of this machine, and exit.")
@click.option(
    "--input-device", type=TextParam("a number or a name"), metavar="DEVICE", shell_complete=sound_cards("input"),
    help="The microphone: its number or name.  [default: the system's]",
)  # fmt: skip
@click.option(
    "--output-device", type=TextParam("a number or a name"), metavar="DEVICE", shell_complete=sound_cards("output"),
    help="The loudspeaker: its number or name.  [default: the system's]",
)  # fmt: skip
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option("--rate", type=RateParam(), help="With TARGET: send audio of this rate.  [default: 8000, kind slin]")
@click.option(
    "--wait",
    type=SECONDS,
    metavar="TIME",
    help="With --input: hang up this long after its end.  [default: stay until the other side hangs up]",
)
@record_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Talk to a server, as a caller of Asterisk would, or to a caller.

    \b
    Examples:
      audiosocket talk                          your bot, on 127.0.0.1:9092
      audiosocket talk bot.example.net:9092 --rate 16000
      audiosocket talk --listen :9092           a caller of Asterisk
      audiosocket talk --list-devices
      audiosocket talk --input question.wav --output answer.wav --wait 5

    It needs sounddevice (the extra talk), a microphone and a loudspeaker; a file can take the place of each. Wear a
    headset: otherwise the microphone hears the loudspeaker, and the bot is interrupted by its own voice.

    On a terminal the keys 0-9, *, # and A-D go out as digits at once, and q or Ctrl-C hangs up. With --listen, digits
    go out as tones in the audio: Asterisk ends a call in which a server sends a DTMF frame.

    TARGET is host:port; the port is 9092 when left out, and without TARGET it is 127.0.0.1:9092.

    Exits with 0 when the call is over, whoever hung up, 1 when the connection was lost or a file could not be written,
    3 when TARGET cannot be reached, 4 when it sent a frame that ends a call in Asterisk, 5 when --input is not sound,
    or damaged, 130 after Ctrl-C.
    """
    from audiosocket_cli.jobs.job import refuse_two_ends
    from audiosocket_cli.jobs.talk import TalkWanted, show_devices, talk

    if given.pop("list_devices"):
        show_devices(as_json=given["as_json"])
        return
    refuse_without_effect(ctx, layout="record", force="record capture output", wait="input")
    for end in ("input", "output"):
        if given[end] is not None and is_typed(ctx, f"{end}_device"):
            raise UsageError(f"--{end}-device does nothing with --{end}: leave out one of them")
    wanted = TalkWanted(**given)
    refuse_two_ends(wanted.target, wanted.listen)
    ctx.exit(talk(wanted).exit_code)
