"""What Asterisk wrote down: its log, and what it says of a call."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from asterisk_testbed.installation import AUDIOSOCKET_MODULES

LOG_ENTRY = re.compile(
    r"\[(?P<at>\d+\.\d+)\] (?P<level>NOTICE|WARNING|ERROR)\[\d+\](?:\[(?P<call>C-\w+)\])? (?P<source>[^:]+): "
    r"(?P<message>.*?)(?=\s*(?:\[\d+\.\d+\] (?:NOTICE|WARNING|ERROR)\[|\Z))",
    re.DOTALL,
)

LOG_FIELDS = ("at", "level", "source", "message")

NOT_CONNECTED = re.compile(r"connect to|connection to|connecting to|resolve|could not be parsed", re.IGNORECASE)


def read_log(path: Path, offset: int = 0) -> list[dict[str, Any]]:
    """The entries of Asterisk's log. Some messages end without a newline, so the next entry can share their line."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace")
        return [match.groupdict() | {"at": float(match["at"])} for match in LOG_ENTRY.finditer(text)]
    return []


def call_events(entries: list[dict[str, Any]], call_id: str) -> dict[str, dict[str, Any]]:
    """The log entries the dialplan of this call wrote, by event, such as 'near_start' or 'end 2'."""
    prefix = f"testbed {call_id} "
    events = {}
    for entry in entries:
        if entry["message"].startswith(prefix):
            name, _, value = entry["message"].removeprefix(prefix).partition(" ")
            events[f"{name} {value}" if name in ("start", "end") else name] = entry | {"value": value}
    return events


def audiosocket_entries(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The warnings and errors of the AudioSocket modules."""
    sources = tuple(f"{name}.c" for name in AUDIOSOCKET_MODULES)
    return [entry for entry in entries if entry["level"] != "NOTICE" and entry["source"].startswith(sources)]
