"""Text that a terminal only shows, and that JSON takes as it is."""

from __future__ import annotations

import json


def printable(line: str) -> str:
    """Spell out, as JSON does, what a terminal would obey, hide or turn around rather than print, and what is no
    character at all. Harmless text, JSON of one line, and what has been through here stay as they are."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
