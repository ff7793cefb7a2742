"""Options of `serve` for a bot that is reached by a WebSocket, and what contradicts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    BotRateParam,
    is_typed,
    refuse_without_effect,
    with_options,
)
from audiosocket_cli.commands.path_param import file_option
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.jobs.bridge import BridgeWanted

_PROTOCOLS: Final = ("twilio", "chan-websocket", "raw")


class HeaderParam(click.ParamType):
    """A header of HTTP, as a name and a value."""

    name = "header"
    envvar_list_splitter: ClassVar[str | None] = "\n"  # a value has spaces

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        from audiosocket_cli.websocket.headers import parse_header

        header = parse_header(value)
        if header is None:
            name = value.partition(":")[0][:40]  # what follows may be secret
            self.fail(f"{name!r} is not the name of a header with a value: write 'Name: value'", param, ctx)
        return header


_OPTIONS: Final = (
    click.option(
        "--bridge",
        metavar="URL",
        help="Let a WebSocket bot at this ws:// or wss:// URL answer each call; {uuid} in it is the call's UUID. "
        "Needs websockets (the extra ws).",
    ),
    click.option(
        "--bridge-protocol", type=click.Choice(_PROTOCOLS),
        help="The protocol of the bot: Twilio's Media Streams, Asterisk's chan_websocket, or raw samples.",
    ),
    click.option(
        "--bridge-rate",
        type=BotRateParam(),
        help="The sample rate of a raw or chan-websocket bot.  [default: that of the call]",
    ),
    click.option(
        "--bridge-text", is_flag=True,
        help="Use plain text for chan-websocket's events and commands, not JSON.",
    ),
    click.option(
        "--bridge-header",
        type=HeaderParam(),
        multiple=True,
        help="Send this header, 'Name: value', to the bot (repeatable). Secrets go into --bridge-headers-file.",
    ),
    file_option("--bridge-headers-file", "Send the headers in this file to the bot, 'Name: value' in each line."),
    file_option(
        "--bridge-ca",
        "With wss://: trust the certificate authorities in this PEM file, not those of the system.",
    ),
    click.option(
        "--bridge-timeout",
        type=POSITIVE_SECONDS,
        metavar="TIME",
        default="10s",
        show_default=True,
        help="How long each attempt to connect to the bot may take.",
    ),
    click.option(
        "--bridge-retry", type=click.IntRange(0, 100), metavar="N", default=0, show_default=True,
        help="Try N more times to connect to the bot.",
    ),
    file_option(
        "--bridge-fallback",
        "Play a sound file to a caller whose bot cannot be reached or is lost, then hang up.",
    ),
)  # fmt: skip


def bridge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --bridge, and what belongs to it, to a command."""
    return with_options(command, *_OPTIONS)


def bridge_wanted(ctx: click.Context, given: dict[str, Any]) -> BridgeWanted | None:
    """Take the options of the bridge out of `given`; None without --bridge. Raises `UsageError` for options that
    contradict each other, or that would show a secret."""
    from audiosocket_cli.jobs.bridge import BridgeWanted

    facts = {name: given.pop(f"bridge_{name}") for name in _NAMES}
    url = given.pop("bridge")
    refuse_without_effect(ctx, **{f"bridge_{name}": "bridge" for name in _NAMES})
    if url is None:
        return None
    protocol = facts["protocol"]
    if protocol is None:
        raise UsageError(f"--bridge needs to know what the bot speaks: add --bridge-protocol {'|'.join(_PROTOCOLS)}")
    if facts["text"] and protocol != "chan-websocket":
        raise UsageError(f"--bridge-text is for chan-websocket: {protocol} has no plain text")
    if facts["rate"] and protocol == "twilio":
        raise UsageError("--bridge-rate does not go with twilio, which is always 8000 Hz: leave it out")
    wanted = BridgeWanted(url, **facts)
    _refuse_to_show_secrets(ctx, wanted)
    return wanted


def _refuse_to_show_secrets(ctx: click.Context, wanted: BridgeWanted) -> None:
    from audiosocket_cli.websocket.headers import may_be_secret

    for name, _ in wanted.header if is_typed(ctx, "bridge_header") else ():
        if may_be_secret(name):
            raise UsageError(
                f"all who can list processes would see {name} of --bridge-header: write it into a file, for "
                "--bridge-headers-file, or into AUDIOSOCKET_SERVE_BRIDGE_HEADER"
            )
    if is_typed(ctx, "bridge") and "@" in wanted.url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            "all who can list processes would see the password in --bridge: write an Authorization header into a "
            "file, for --bridge-headers-file, or the URL into AUDIOSOCKET_SERVE_BRIDGE"
        )


_NAMES: Final = ("protocol", "rate", "text", "header", "headers_file", "ca", "timeout", "retry", "fallback")
"""Of the options, without `bridge_`."""
