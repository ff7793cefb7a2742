"""Options of commands that place calls, for a TARGET that is a WebSocket bot."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from audiosocket_cli.commands.params import is_typed, option_name
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.net.websocket_target import WebSocketWanted

_NAMES: Final = ("protocol", "headers_file", "ca", "variable")
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


class TargetParam(click.ParamType):
    """`host:port` as an `Address`, or a URL as a `WebSocketTarget`."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from audiosocket_cli.net.target import parse_target

        try:
            return parse_target(value) if isinstance(value, str) else value
        except UsageError as error:
            self.fail(str(error), param, ctx)


class _VariableParam(click.ParamType):
    """`NAME=VALUE` as a pair."""

    name = "name=value"
    envvar_list_splitter: ClassVar[str | None] = "\n"  # a value has spaces

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        match = _VARIABLE.fullmatch(value)
        if match is None:
            self.fail(
                f"{value!r:.60} is not a variable: write NAME=VALUE, with a name of A-Z, a-z, 0-9 and _", param, ctx
            )
        return match[1], match[2]


def websocket_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --protocol, and what belongs to it, to a command."""
    for option in (
        click.option(
            "--variable", type=_VariableParam(), multiple=True, metavar="NAME=VALUE",
            help="With ws://: a variable that tells the bot who calls (repeatable).",
        ),
        click.option(
            "--ca", type=PathParam(dir_okay=False), metavar="FILE",
            help="With wss://: trust the certificate authorities in this PEM file, not those of the system.",
        ),
        click.option(
            "--headers-file", type=PathParam(dir_okay=False), metavar="FILE",
            help="With ws://: send the headers in this file, 'Name: value' in each line.",
        ),
        click.option(
            "--protocol", type=click.Choice(["twilio", "chan-websocket", "raw"]),
            help="With ws:// or wss://: the protocol of the bot, which is called as Twilio or Asterisk would. Needs "
            "websockets (the extra ws).",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def take_websocket(ctx: click.Context, given: dict[str, Any]) -> WebSocketWanted:
    """Take these options out of those that were given."""
    from audiosocket_cli.net.websocket_target import WebSocketWanted

    typed = next((option_name(ctx, name) for name in _NAMES if is_typed(ctx, name)), None)
    return WebSocketWanted(**{name: given.pop(name) for name in _NAMES}, typed=typed)
