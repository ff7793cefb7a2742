"""Where an Asterisk writes its log, as `logger show channels` and logger.conf say; and what is in it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.log.log import look_at_logs
from audiosocket_cli.doctor.log.log_records import record_of
from audiosocket_cli.doctor.log.log_times import seconds_of, shown_time
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.place import Place
from audiosocket_cli.errors import FileError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.in_thread import in_thread

_CHANNEL: Final = re.compile(r"(?P<name>\S.*?)\s+File\s+\S+\s+(?P<state>Enabled|Disabled)\s+-\s*(?P<levels>.*)")
_OLD_CHANNEL: Final = re.compile(r"(?P<name>\S.*?)\s+File\s+(?P<state>Enabled|Disabled)\s+-\s*(?P<levels>.*)")

_SYSLOG: Final = re.compile(r"syslog\S*\s+Syslog\s+(?:\S+\s+)?Enabled\s+-.*(?:\bWARNING\b|\*)", re.IGNORECASE)

_SHOWN: Final = 35
"""`logger show channels` cuts a name here (`FORMATL`, main/logger.c)."""

_LAST_TIME: Final = re.compile(r"(?: at|, last) ([^,]+)$")
"""What a finding of a log ends with."""

_FRESH_S: Final = 3600

_END_BYTES: Final = 65_536

_USUAL_FOLDER: Final = "/var/log/asterisk"

_BEST_FIRST: Final = ("full", "full.log", "messages", "messages.log")


async def look_at_own_log(cli: AsteriskCli) -> list[Diagnosis]:
    """Read the log that an Asterisk writes. Raises `NoAnswerError`."""
    files = await log_files(cli)
    if not files and any(map(_SYSLOG.match, (await cli.ask("logger show channels")).splitlines())):
        return [
            Diagnosis(
                "log-unread", Status.UNKNOWN, "Asterisk's warnings go to syslog",
                (f"{cli.place.hint('logger show channels')}: no file with WARNING, and syslog with it",),
                "give what syslog or the journal has of it",
                ("journalctl -t asterisk | audiosocket doctor --log -", "audiosocket doctor --log /var/log/syslog"),
            )
        ]  # fmt: skip
    if not files:
        return [
            Diagnosis(
                "log-not-kept", Status.WARNING, "Asterisk keeps no log of its warnings: why a call failed is lost",
                (f"{cli.place.hint('logger show channels')}: no file with WARNING",),
                "add the first line to [logfiles] of logger.conf, and run the second",
                ("messages.log => notice,warning,error", cli.place.hint("logger reload")),
            )
        ]  # fmt: skip
    return await _look_at_log(cli.place, files[0], await cli.release())


async def look_at_left_log(place: Place) -> list[Diagnosis]:
    """Read the log that an Asterisk which does not answer has left, where it is in its usual place."""
    for name in _BEST_FIRST:
        path = f"{_USUAL_FOLDER}/{name}"
        if await place.has_file(path):
            return await _look_at_log(place, path, None)
    return []


async def _look_at_log(place: Place, path: str, release: Release | None) -> list[Diagnosis]:
    """Read a log, of one in another place the end."""
    here = place.path(path)
    with contextlib.ExitStack() as stack:
        if here is None:
            text = await place.read(path)
            if text is None:
                return [Diagnosis("log-unread", Status.UNKNOWN, path, ("it cannot be read there, with tail",))]
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            here = Path(folder) / PurePosixPath(path).name
            here.write_text(text)
        try:
            found = await in_thread(lambda: look_at_logs([str(here)], release))
        except FileError as error:
            return [Diagnosis("log-unread", Status.UNKNOWN, path, (str(error),))]
        return [replace(_aged(each, here), where=each.where or path) for each in found]


def _aged(found: Diagnosis, log: Path) -> Diagnosis:
    """Take what was a fault, and has not been seen for an hour, for a warning: it may be mended."""
    when = _LAST_TIME.search(found.what)
    last_s = seconds_of(when[1].encode()) if when else None
    end_s, written_s = _end_of(log)
    if found.status is not Status.FAULT or last_s is None or end_s is None:
        return found
    if time.time() - written_s + end_s - last_s < _FRESH_S:
        return found
    return replace(found, status=Status.WARNING, what=f"{found.what}; none in the last hour")


def _end_of(log: Path) -> tuple[float | None, float]:
    """Return the last time that stands in a log, and when that was on this machine's clock, in seconds.

    The log's times may be of another time zone; only their differences are used.
    """
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
        lines = file.read(_END_BYTES).splitlines()
        times = (seconds_of(shown_time(record_of(line).time).encode()) for line in reversed(lines))
        return next((seconds for seconds in times if seconds is not None), None), os.fstat(file.fileno()).st_mtime


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
