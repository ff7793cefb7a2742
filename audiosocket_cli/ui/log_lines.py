"""A line of the log: one for each event with date, zone and whole UUIDs for a file, or a program that reads it; for a
terminal with a clock, the first eight characters of a UUID, and no wider than 80 columns.

All is made of the one line: it may come from another process.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import lru_cache
from typing import Final

from audiosocket_cli.text import printable
from audiosocket_cli.ui.wrapping import WIDTH, wrapped

_STAMPED: Final = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)[+-]\d\d:\d\d (.*)", re.DOTALL)
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ABOUT_CALL: Final = re.compile(rf"({_UUID}) (.*)", re.DOTALL)
_NAME_LENGTH: Final = 8


def stamped(text: str) -> str:
    """Return a text as a line of the log: ISO 8601 in local time with its offset, a space, the text.

    What is such a line already stays as it is: a worker's, say.
    """
    if _STAMPED.fullmatch(text):
        return text
    return f"{_second(int(time.time()))} {text}"


@lru_cache(maxsize=1)
def _second(at_s: int) -> str:
    """Return a second, counted since 1970, as the log has it. Lines come by the hundred in one."""
    return datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="seconds")


def terminal_lines(line: str) -> list[str]:
    """Return a line of the log for a terminal: clock instead of date, short UUIDs. Any other text is returned
    unchanged.

    A call's end takes two lines, if they can hold it: how it ended, and what it was like. For that, UUIDs in names of
    files are cut, too.
    """
    found = _STAMPED.fullmatch(line)
    if found is None:
        return [line]
    clock, text = found.groups()
    call = _ABOUT_CALL.fullmatch(text)
    if call is None:
        return wrapped(f"{clock} ", text)
    uuid, text = call.groups()
    name = uuid[:_NAME_LENGTH]
    head = f"{clock} {name} "
    if text.startswith("| "):  # what a program said stays as it said it
        return [head + text]
    if not text.startswith("ended by "):
        return wrapped(head, text)
    texts = (text, text.replace(uuid, f"{name}…"))
    return next(filter(None, (_two_lines(head, each) for each in texts)), None) or wrapped(head, texts[1])


def _two_lines(head: str, text: str) -> list[str] | None:
    """Return a call's end as two lines, or None where they are too long."""
    how, _, what = printable(text).partition(", ")
    lines = [head + how, " " * len(head) + what]
    return lines if what and max(map(len, lines)) <= WIDTH else None
