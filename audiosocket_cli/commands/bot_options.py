"""Options of `serve` for an async function in Python as the bot."""

from __future__ import annotations

import click

from audiosocket_cli.commands.params import BotRateParam

bot_option = click.option(
    "--bot",
    metavar="MODULE:FUNCTION",
    help="Let an async function in Python answer each call, in this process: bot:answer, or path/to/bot.py:answer.",
)

bot_rate_option = click.option(
    "--bot-rate", type=BotRateParam(), help="The sample rate of --bot's function.  [default: that of the call]"
)
