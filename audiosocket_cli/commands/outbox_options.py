"""Options of the commands that send calls on: recordings to an object store, events to a bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.commands.params import (
    SECONDS,
    CountParam,
    SizeParam,
    refuse_without_effect,
    with_options,
)
from audiosocket_cli.commands.path_param import FOLDER, PathParam, file_option
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted

_MOST_AT_ONCE: Final = 64
"""Calls that are uploaded at once: each may take 32 MiB of memory."""


_UPLOADS: Final = (
    click.option(
        "--upload",
        metavar="URL",
        help="Upload each call's files when it is over: s3://BUCKET/calls/{date}/{uuid}, gs:// or az://. Needs the "
        "extra s3.",
    ),
    click.option(
        "--upload-then",
        type=click.Choice(["keep", "remove"]),
        default="keep",
        show_default=True,
        help="What to do with local files once they are in the store.",
    ),
    click.option(
        "--upload-parallel",
        type=CountParam(_MOST_AT_ONCE),
        metavar="N",
        default=4,
        show_default=True,
        help="Upload N calls at once.",
    ),
)

_EVENTS: Final = (
    click.option(
        "--events",
        metavar="URL",
        help="Send events of calls to a webhook (https://…) or to NATS JetStream (nats://HOST/PREFIX; the extra nats).",
    ),
    file_option("--events-secret-file", "The secret that signs webhooks, if not in AUDIOSOCKET_EVENTS_SECRET."),
)

_SPOOL: Final = (
    click.option(
        "--spool",
        type=PathParam(FOLDER),
        metavar="DIR",
        help="Where what is to be sent waits, on a local disk.  [default: .audiosocket-spool beside the recordings]",
    ),
    click.option(
        "--spool-max",
        type=SizeParam(),
        default="10G",
        show_default=True,
        help="While this much waits, upload no further call, and drop new events.",
    ),
    click.option(
        "--spool-wait",
        type=SECONDS,
        metavar="TIME",
        default="30s",
        show_default=True,
        help="At the end, wait at most this long for what is left; the next start sends the rest.",
    ),
)


def outbox_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --upload, --events and --spool, and what belongs to them, to a command."""
    return with_options(command, *_UPLOADS, *_EVENTS, *_SPOOL)


def upload_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --upload and --spool, and what belongs to them, to a command."""
    return with_options(command, *_UPLOADS, *_SPOOL)


def sending_wanted(ctx: click.Context, given: dict[str, Any], *, always: bool = False) -> SendingWanted | None:
    """Take these options out of `given`; None where nothing is to be sent, unless `always`. Raises `UsageError` for an
    option that has no effect without another."""
    for name in ("upload", "events"):
        if given.get(name) == "":  # of a variable that nobody has set: nothing would be sent, and nobody told
            raise UsageError(f"--{name} is empty: write its URL, or leave out --{name}")
    if not always:
        both = "upload events" if "events" in given else "upload"
        refuse_without_effect(
            ctx, upload_then="upload", upload_parallel="upload", spool=both, spool_max=both, spool_wait=both
        )
    if "events" in given:
        refuse_without_effect(ctx, events_secret_file="events")
    wanted = {
        "upload": given.pop("upload"),
        "then": given.pop("upload_then"),
        "parallel": given.pop("upload_parallel"),
        "events": given.pop("events", None),
        "secret_file": given.pop("events_secret_file", None),
        "spool": given.pop("spool"),
        "max_bytes": given.pop("spool_max"),
        "wait_s": given.pop("spool_wait"),
    }
    if not (always or wanted["upload"] or wanted["events"]):
        return None
    from audiosocket_cli.jobs.sending import SendingWanted  # and with it all that sends: a sixth of a server's start

    return SendingWanted(**wanted)
