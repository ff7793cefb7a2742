"""The type of each argument and option that names a file or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

FILE: Final = "file"
FOLDER: Final = "folder, such as . for this one"
FILE_OR_FOLDER: Final = "file, or a folder, such as . for this one"


class PathParam(click.Path):
    """The name of a file or a folder. An empty one would be the current folder, and is that of a variable which nobody
    has set."""

    def __init__(self, what: str = FILE, *, path_type: type[str | Path] = Path, **of_click: bool) -> None:
        """`what` says what to name. Whoever opens it says why that fails."""
        super().__init__(path_type=path_type, readable=False, **of_click)
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(f"it is empty: name a {self._what}", param, ctx)
        return super().convert(value, param, ctx)


def file_option(name: str, text: str) -> Callable[[Any], Any]:
    """Return an option that names a file; `text` is its help."""
    return click.option(name, type=PathParam(), metavar="FILE", help=text)
