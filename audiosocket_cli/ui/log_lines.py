"""A line of the log: with date and zone for a file, or a program that reads it; with a clock alone on a terminal."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_STAMPED: Final = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)[+-]\d\d:\d\d (.*)", re.DOTALL)


def stamped(text: str) -> str:
    """Return a text as a line of the log: ISO 8601 in local time with its offset, a space, the text.

    What is such a line already stays as it is: a worker's, say.
    """
    if _STAMPED.fullmatch(text):
        return text
    return f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}"


def terminal_line(line: str) -> str:
    """Return a line of the log as a terminal shows it, which people watch today; what is no such line as it is."""
    found = _STAMPED.fullmatch(line)
    return f"{found[1]} {found[2]}" if found else line
