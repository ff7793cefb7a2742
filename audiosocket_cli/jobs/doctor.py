"""`doctor`: what is to be looked at is chosen by the command line, looked at in turn, and told."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosocket_cli.disk import status_of
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.visit import visit
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.finding import Status, worst
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import parse_target
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.doctor_report import report_json, report_lines

_FILE_SUFFIXES: Final = {
    ".gz", ".json", ".jsonl", ".log", ".ndjson", ".pcap", ".pcapng", ".raw", ".sln", ".ulaw", ".wav", ".xz", ".zst"
}  # fmt: skip
"""No names of machines end so."""


_BARE_IPV6: Final = re.compile(r"([0-9A-Fa-f:]*:[0-9A-Fa-f]*):(\d{4,5})")
"""An IPv6 address without brackets, and what looks like a port after it."""


@dataclass(frozen=True, slots=True)
class DoctorWanted:
    """The command line."""

    words: Sequence[str]
    """Servers and files."""
    asterisk_command: str | None
    asterisk_root: str | None
    logs: Sequence[str]
    call: str | None
    """An extension to call, or "" for test calls of our own."""
    call_address: str | None
    as_json: bool


def doctor(wanted: DoctorWanted) -> Outcome:
    """Look at what is wanted, and tell what was found. Raises `UsageError`."""
    looks = _looks(wanted)
    visited = run(visit(looks, say))
    told = put_result(report_json(visited.done), report_lines(visited.done), as_json=wanted.as_json)
    found = [each for looked in visited.done for each in looked.found]
    has_fault = worst(found) is Status.FAULT
    saw_nothing = all(each.status is Status.UNKNOWN for each in found)
    return Outcome(visited.signal, unreachable=saw_nothing and visited.signal is None, failed=has_fault or not told)


def _looks(wanted: DoctorWanted) -> list[Look]:
    """Choose what to look at: an Asterisk where one is named, or nothing is. What is not wanted is not imported, as all
    of it together takes longer than many a look."""
    looks: list[Look] = []
    if wanted.call_address and wanted.call is None:
        raise UsageError("--call-address is for --call: add --call to place test calls")
    if wanted.call is not None:
        looks.append(_call_look(wanted, wanted.call))
    elif wanted.asterisk_command or wanted.asterisk_root or not (wanted.words or wanted.logs):
        looks += _asterisk_looks(wanted)
    if "" in wanted.words:
        raise UsageError("a TARGET or FILE is empty: write HOST:PORT, or the name of a file")
    looks += [_file_look(Path(word)) if status_of(word) else _target_look(word) for word in wanted.words]
    if wanted.logs:
        from audiosocket_cli.doctor.log.log import look_at_log_files

        looks.append(look_at_log_files(wanted.logs))
    return looks


def _call_look(wanted: DoctorWanted, extension: str) -> Look:
    from audiosocket_cli.doctor.calls.calling import look_at_test_calls
    from audiosocket_cli.doctor.calls.extension_call import look_at_extension
    from audiosocket_cli.doctor.pbx.place import place_of

    place = place_of(wanted.asterisk_command, wanted.asterisk_root)
    if extension:
        return look_at_extension(place, extension, wanted.call_address)
    return look_at_test_calls(place, wanted.call_address)


def _asterisk_looks(wanted: DoctorWanted) -> list[Look]:
    from audiosocket_cli.doctor.pbx.asterisk_looks import looks_at_asterisk
    from audiosocket_cli.doctor.pbx.place import place_of

    return looks_at_asterisk(place_of(wanted.asterisk_command, wanted.asterisk_root))


def _file_look(path: Path) -> Look:
    from audiosocket_cli.doctor.files.call_file import call_file_look

    return call_file_look(path)


def _target_look(word: str) -> Look:
    from audiosocket_cli.doctor.server.target import look_at_target

    if "://" not in word and (os.sep in word or Path(word).suffix.lower() in _FILE_SUFFIXES):
        raise FileError(f"there is no file {word!r:.200}, and a server is written as HOST:PORT")
    if bare := _BARE_IPV6.fullmatch(word):
        raise UsageError(f"{word!r:.80} may be an address alone, or one with a port: write [{bare[1]}]:{bare[2]}")

    return look_at_target(parse_target(word))
