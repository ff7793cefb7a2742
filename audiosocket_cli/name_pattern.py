"""Names of recordings with fields, as in calls/{date}/{uuid}.wav: which files can have them.

What the fields are for a call is the business of `call.recording`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

FIELD: Final = re.compile(r"\{([^{}]*)\}")

FIELDS: Final = {
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d-\d\d-\d\d",
    "peer": r"[\w.-]+?",
}
"""By field: all that it can be. The peer as little as it can: what is added to a name is none of it."""


def regex_of(pattern: str, *, group: str | None = None) -> str:
    """Return what matches all names that a pattern with fields can stand for; the first field of the name `group` is
    then a group of that name."""
    pieces = FIELD.split(pattern)  # every second one is a field
    parts = []
    for number, piece in enumerate(pieces):
        if not number % 2:
            parts.append(re.escape(piece))
        elif piece == group:
            parts.append(f"(?P<{group}>{FIELDS[piece]})")
            group = None
        else:
            parts.append(f"(?:{FIELDS[piece]})")
    return "".join(parts)


def folders_of(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Yield the folders below one whose names match patterns, one level each; itself where there are none."""
    if not patterns:
        yield folder
        return
    matches = re.compile(regex_of(patterns[0])).fullmatch
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if matches(name):
                yield from folders_of(folder / name, patterns[1:])
