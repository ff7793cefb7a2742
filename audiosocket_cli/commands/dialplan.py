"""`audiosocket dialplan`: the lines that hand a call to a server, and what is wrong with somebody's."""

from __future__ import annotations

from typing import Any

import click


@click.command(short_help="Print the right lines for Asterisk, or check a dialplan.")
@click.argument("words", nargs=-1, metavar="[SERVER]")
@click.option("--asterisk", metavar="RELEASE", help="Write for this release, such as 20.12.  [default: the one here]")
@click.option("--check", is_flag=True, help="Read dialplans instead: the words are files, - is standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Print dialplan lines that hand a call to an AudioSocket server, or check those of somebody.

    \b
    Examples:
      audiosocket dialplan 192.0.2.7:9092
      audiosocket dialplan --check /etc/asterisk/extensions.conf
    """
    raise NotImplementedError
