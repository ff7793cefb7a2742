"""Options of `serve` for what others tell and ask about calls: their variables, and the API."""

from __future__ import annotations

from pathlib import Path

import click

from audiosocket_cli.commands.params import AddressParam

variables_option = click.option(
    "--variables",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Read what is known of each caller from DIR/<uuid>.json: names and values, for the bot and the call's JSON.",
)

api_option = click.option(
    "--api",
    type=AddressParam(needs_port=True),
    help="Answer on this address, over HTTP, which calls there are, and with which result; and hang up on request.",
)

api_token_file_option = click.option(
    "--api-token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Answer only those who send the password in this file. Needed where --api is open to other machines.",
)

bridge_api_option = click.option(
    "--bridge-api",
    type=AddressParam(needs_port=True),
    help="Answer on this address only what Twilio's clients ask to end a call. --api does so too.",
)
