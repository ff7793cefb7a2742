"""Where an Asterisk writes its log: what `logger show channels` and logger.conf say."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from audiosocket_cli.doctor.asterisk_cli import AsteriskCli, NoAnswerError

_CHANNEL: Final = re.compile(r"(?P<name>\S+)\s+File\s+\S+\s+(?P<state>Enabled|Disabled)\s+-\s*(?P<levels>.*)")
_OLD_CHANNEL: Final = re.compile(r"(?P<name>\S+)\s+File\s+(?P<state>Enabled|Disabled)\s+-\s*(?P<levels>.*)")

_SHOWN: Final = 35
"""`logger show channels` cuts a name here (`FORMATL`, main/logger.c)."""

_BEST_FIRST: Final = ("full", "full.log", "messages", "messages.log")


async def log_files(cli: AsteriskCli) -> list[str]:
    """Return the files that hold Asterisk's warnings, by their paths there, the fullest first. Raises
    `NoAnswerError`."""
    names = [await _whole(cli, name) for name in channels_of_logger(await cli.ask("logger show channels"))]
    return sorted({name for name in names if name}, key=_order)


def channels_of_logger(answer: str) -> list[str]:
    """Return the names of files that warnings and errors are written to, each cut where Asterisk cuts it."""
    found = []
    for line in answer.splitlines():
        match = _CHANNEL.match(line) or _OLD_CHANNEL.match(line)
        if match and match["state"] == "Enabled" and re.search(r"\bWARNING\b|\*", match["levels"], re.IGNORECASE):
            found.append(match["name"])
    return found


async def _whole(cli: AsteriskCli, name: str) -> str:
    """Return the path of a file of which only the beginning may be known; empty where it is not known."""
    folder = PurePosixPath(await cli.folder("Log directory"))
    if len(name) < _SHOWN:
        return str(folder / name)
    written = files_of_logger_conf(await _logger_conf(cli))
    whole = [str(folder / each) for each in written if str(folder / each).startswith(name) or each.startswith(name)]
    return whole[0] if whole else ""


async def _logger_conf(cli: AsteriskCli) -> str:
    try:
        folder = await cli.folder("Configuration directory")
    except NoAnswerError:
        return ""
    return await cli.place.read(f"{folder.rstrip('/')}/logger.conf") or ""


def files_of_logger_conf(text: str) -> list[str]:
    """Return the files that [logfiles] of logger.conf names with warnings."""
    found, is_inside = [], False
    for line in text.splitlines():
        line = line.partition(";")[0].strip()
        if line.startswith("["):
            is_inside = line.lower().startswith("[logfiles]")
        elif is_inside and "=" in line:
            name, _, levels = line.partition("=")
            name, levels = name.strip(), levels.lstrip("> ").lower()
            if name not in ("console",) and not name.startswith("syslog") and re.search(r"warning|\*", levels):
                found.append(name)
    return found


def _order(path: str) -> tuple[int, str]:
    name = PurePosixPath(path).name
    return (_BEST_FIRST.index(name) if name in _BEST_FIRST else len(_BEST_FIRST), path)
