"""Options of commands that place calls, for a TARGET that is a WebSocket bot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from audiosocket_cli.commands.params import is_typed, option_name
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.jobs.websocket_target import WebSocketWanted

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
            self.fail(f"{value!r:.60} is not a variable: write NAME=VALUE, the name as in a program", param, ctx)
        return match[1], match[2]


def websocket_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --protocol, and what belongs to it, to a command."""
    for option in (
        click.option(
            "--variable", type=_VariableParam(), multiple=True, metavar="NAME=VALUE",
            help="With ws://: tell the bot this of the caller (repeatable).",
        ),
        click.option(
            "--ca", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
            help="With wss://: trust these certificates instead of the system's.",
        ),
        click.option(
            "--headers-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
            help="With ws://: send these headers, Name: value in each line.",
        ),
        click.option(
            "--protocol", type=click.Choice(["twilio", "chan-websocket", "raw"]),
            help="TARGET is ws:// or wss://, a bot that speaks this: call it as Twilio, or Asterisk, would.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def take_websocket(ctx: click.Context, given: dict[str, Any]) -> WebSocketWanted:
    """Take these options out of those that were given."""
    from audiosocket_cli.jobs.websocket_target import WebSocketWanted

    typed = next((option_name(ctx, name) for name in _NAMES if is_typed(ctx, name)), None)
    return WebSocketWanted(**{name: given.pop(name) for name in _NAMES}, typed=typed)
