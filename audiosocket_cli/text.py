"""Text that is safe to print on a terminal, and indented JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

_one_line: Final = json.JSONEncoder(ensure_ascii=False).encode
"""`json.dumps` makes an encoder for each value, which takes most of its time where values are short."""


def printable(line: str) -> str:
    """Escape, as JSON does, each character that a terminal would obey, hide or reorder instead of printing it.

    Printable text, JSON of one line, and text that was escaped already stay as they are.
    """
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; a longer one is cut, and ends with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def json_lines(value: Any) -> Iterator[str]:
    """Yield the lines of a value as indented JSON, the same as `json.dumps` returns: that leaves 33 objects in
    reference cycles each time, and a server writes JSON after each call."""
    nested = isinstance(value, dict | list | tuple) and value
    if not nested:
        yield _one_line(value)
        return
    named = isinstance(value, dict)
    yield "{" if named else "["
    for number, each in enumerate(value, 1):
        name = f"{_one_line(each)}: " if named else ""
        lines = list(json_lines(value[each] if named else each))
        lines[0] = name + lines[0]
        if number < len(value):
            lines[-1] += ","
        yield from (f"  {line}" for line in lines)
    yield "}" if named else "]"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 call", "2 calls"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counted_with_commas(number: int, noun: str) -> str:
    """Return a number with its noun, and commas in a large one: "1,204 calls"."""
    return counted(number, noun).replace(str(number), f"{number:,}", 1)
