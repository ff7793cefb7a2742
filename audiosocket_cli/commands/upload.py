"""`audiosocket upload`: send what waits for a store, when no server does."""

from __future__ import annotations

from typing import Any

import click

from audiosocket_cli.commands.outbox_options import outbox_options, sending_wanted
from audiosocket_cli.commands.path_param import FOLDER, PathParam


@click.command(short_help="Send recordings and events that wait, without a server.")
@click.argument("folder", metavar="DIR", type=PathParam(FOLDER))
@click.option("--all", "all_calls", is_flag=True, help="Upload all calls of DIR that are not in the store yet.")
@outbox_options
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per line.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Send the recordings, and events, that wait in the spool of a folder.

    \b
    Examples:
      audiosocket upload ./calls
      audiosocket upload ./calls --upload-then remove
      audiosocket upload ./calls --all --upload s3://recordings/calls
      audiosocket upload 'calls/{date}/{uuid}.wav' --all --upload gs://recordings

    A server with --upload sends calls itself, and what was left by one that died. This is for when none is to run
    again, or for recordings made without --upload (--all). Without --upload it sends to where the server did.

    Ends when all is sent, or nothing could be sent for as long as --spool-wait says. Exit code 0: all is sent; 1:
    something is left, or lost; 6: there is no spool.
    """
    from audiosocket_cli.jobs.upload import UploadWanted, upload

    sending = sending_wanted(ctx, given, always=True)
    assert sending is not None
    ctx.exit(upload(UploadWanted(sending=sending, **given)).exit_code)
