"""Text that a terminal only shows, and that JSON takes as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def printable(line: str) -> str:
    """Spell out, as JSON does, what a terminal would obey, hide or turn around rather than print, and what is no
    character at all. Harmless text, JSON of one line, and what has been through here stay as they are."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)


def json_lines(value: Any) -> Iterator[str]:
    """Yield the lines of a value as indented JSON: what `json` makes of it, which leaves 33 objects behind that refer
    to each other, after each call of a server."""
    nested = isinstance(value, dict | list | tuple) and value
    if not nested:
        yield json.dumps(value, ensure_ascii=False)
        return
    named = isinstance(value, dict)
    yield "{" if named else "["
    for number, each in enumerate(value, 1):
        name = f"{json.dumps(each, ensure_ascii=False)}: " if named else ""
        lines = list(json_lines(value[each] if named else each))
        lines[0] = name + lines[0]
        if number < len(value):
            lines[-1] += ","
        yield from (f"  {line}" for line in lines)
    yield "}" if named else "]"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 call", "2 calls"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
