"""Text in lines no wider than a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import Final

from audiosocket_cli.text import printable

WIDTH: Final = 80

_GLUE: Final = "\0"
"""Stands for a space at which no line may be broken."""


def wrapped(head: str, text: str, *, hang: int = 0) -> list[str]:
    """Return a text after a head in lines that begin below each other, those after the first `hang` columns further in.

    They are broken after commas where that is possible, and nowhere within a word: a path may be wider than 80 columns.
    """
    room = WIDTH - len(head) - hang
    parts = [part.replace(" ", _GLUE) if len(part) < room else part for part in printable(text).split(", ")]
    lines = textwrap.wrap(
        ", ".join(parts), WIDTH - len(head), subsequent_indent=" " * hang, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    indent = " " * len(head)
    return [(indent if number else head) + line.replace(_GLUE, " ") for number, line in enumerate(lines or [""])]


def filled(head: str, text: str, *, hang: int = 0) -> list[str]:
    """Return a sentence after a head, as `wrapped` does, with lines that break at any space."""
    indent = " " * len(head)
    lines = textwrap.wrap(
        printable(text), WIDTH - len(head), subsequent_indent=" " * hang, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [(indent if number else head) + line for number, line in enumerate(lines or [""])]
