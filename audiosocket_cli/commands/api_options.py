"""Options of `serve` for the variables of calls, and for the API, over which others ask about calls."""

from __future__ import annotations

import click

from audiosocket_cli.commands.params import AddressParam
from audiosocket_cli.commands.path_param import FOLDER, PathParam

variables_option = click.option(
    "--variables",
    type=PathParam(FOLDER),
    metavar="DIR",
    help="Read what is known of each caller from DIR/<uuid>.json: names and values, for the bot and the call's JSON.",
)

api_option = click.option(
    "--api",
    type=AddressParam(needs_port=True),
    help="Serve an HTTP API on this address: which calls there are, their results, and hanging up.",
)

api_token_file_option = click.option(
    "--api-token-file",
    type=PathParam(),
    metavar="FILE",
    help="Ask for the password in this file. Needed where --api or --bridge-api is open to other machines.",
)

bridge_api_option = click.option(
    "--bridge-api",
    type=AddressParam(needs_port=True),
    help="Serve only the request that ends a call in Twilio's REST API, for bots of --bridge. --api serves it too.",
)
