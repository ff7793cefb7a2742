"""Words after `--`: the command line of a server that is started for the calls, and ended after them."""

from __future__ import annotations

from typing import ClassVar

import click

from audiosocket_cli.commands.params import DurationParam, is_typed
from audiosocket_cli.errors import UsageError

SERVER = "server"
"""The parameter with the command line of the server."""


start_within_option = click.option(
    "--start-within", type=DurationParam(), metavar="TIME", default="10s", show_default=True,
    help="How long CMD may take until it listens.",
)  # fmt: skip


class OwnServerCommand(click.Command):
    """A command whose words after -- are the server's own command line."""

    example: ClassVar[str]
    """An example for error messages, such as: check -- ./my-server --port {port}"""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        server: list[str] = []
        if "--" in args:
            at = args.index("--")
            args, server = args[:at], args[at + 1 :]
            if not server:
                raise click.UsageError(f"-- needs a command after it: {self.example}", ctx)
        rest = super().parse_args(ctx, args)
        ctx.params[SERVER] = tuple(server)
        return rest


def refuse_start_within(ctx: click.Context) -> None:
    """Refuse --start-within where no server is started. Raises `UsageError`."""
    if is_typed(ctx, "start_within") and not ctx.params[SERVER]:
        raise UsageError("--start-within does nothing without a command: add -- CMD, or leave out --start-within")
