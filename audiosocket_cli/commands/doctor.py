"""`audiosocket doctor`: why does it not work?"""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.commands.text_param import TextParam


@click.command(short_help="See why a call does not work, and what to do.")
@click.argument("words", nargs=-1, metavar="[TARGET|FILE]…")
@click.option("--asterisk-command", metavar="CMD", help="How to run asterisk, such as 'docker exec pbx asterisk'.")
@click.option(
    "--asterisk-root",
    type=PathParam("folder", path_type=str),
    metavar="DIR",
    help="The root folder of an Asterisk, such as a container's or chroot's.",
)
@click.option(
    "--log",
    "logs",
    type=PathParam(path_type=str),
    multiple=True,
    metavar="FILE",
    help="Read this log of Asterisk; - is standard input.",
)
@click.option(
    "--call", is_flag=False, flag_value="", metavar="[EXTEN@CONTEXT]",
    help="Have Asterisk place test calls to a server of our own; or one to this extension of its dialplan.",
)  # fmt: skip
@click.option(
    "--call-address",
    type=TextParam("HOST or HOST:PORT"),
    metavar="HOST[:PORT]",
    help="What Asterisk dials in those calls.  [default: 127.0.0.1]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Look at Asterisk, its log, a server or a call, and say what is wrong and what to do.

    \b
    Examples:
      audiosocket doctor
      audiosocket doctor bot:9092
      audiosocket doctor --log /var/log/asterisk/messages
      audiosocket doctor calls/92a62f6d-f053-44d1-8772-19af6aefcb85.json
      audiosocket doctor --call
      audiosocket doctor --call 100@from-internal
      audiosocket doctor --asterisk-command 'docker exec pbx asterisk'

    Without an argument it looks at the Asterisk of this machine: its modules, dialplan, channels, connections and log.
    A TARGET is a server, a FILE a recording, a capture, or the JSON of a call.

    Exits with 0 when there is no fault, with 1 when there is one, and with 3 when nothing could be looked at.
    """
    from audiosocket_cli.jobs.doctor import DoctorWanted, doctor

    ctx.exit(doctor(DoctorWanted(**given)).exit_code)
