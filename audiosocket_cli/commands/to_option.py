"""`--to` of a command: a time, or a format and the name of a file to write."""

from __future__ import annotations

from typing import Any, Final

import click

from audiosocket_cli.commands.params import TimeParam

FORMATS: Final = ("pcapng", "jsonl", "bin")

_OPTION: Final = "--to"


class ToOptionCommand(click.Command):
    """A command whose --to takes a time, or a format and a name: then it is its option --convert."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = list(args)
        end = args.index("--") if "--" in args else len(args)
        for at in range(end - 1, -1, -1):
            option, joined, value = args[at].partition("=")
            if option != _OPTION:
                continue
            name_at = at + (1 if joined else 2)
            value = value if joined else "".join(args[at + 1 : at + 2])
            if value not in FORMATS:
                continue
            name = args[name_at] if name_at < len(args) else ""
            if not name or (name.startswith("-") and name != "-"):
                raise click.UsageError(
                    f"--to {value} needs a name to write to: --to {value} FILE, or - for a pipe", ctx
                )
            args[at : name_at + 1] = ["--convert", value, name]
        return super().parse_args(ctx, args)


class UntilParam(TimeParam):
    """A time; the error for anything else lists the formats."""

    def fail(self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> Any:
        formats = ", ".join(FORMATS)
        super().fail(f"{message}; or a format and a name: {formats} FILE (--wav DIR writes WAV)", param, ctx)
