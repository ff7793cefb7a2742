"""The type of options that hold any text but none: an empty one, of a variable nobody has set, would choose all."""

from __future__ import annotations

from typing import Any

import click


class TextParam(click.ParamType):
    """Text that is not empty."""

    name = "text"

    def __init__(self, what: str) -> None:
        """`what` says what to write."""
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(f"it is empty: write {self._what}, or leave out the option", param, ctx)
        return str(value)
