"""`doctor`: what is to be looked at is chosen by the command line, looked at in turn, and told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosocket_cli.doctor.asterisk_looks import looks_at_asterisk
from audiosocket_cli.doctor.call_file import call_file_look
from audiosocket_cli.doctor.calling import look_at_test_calls
from audiosocket_cli.doctor.extension_call import look_at_extension
from audiosocket_cli.doctor.log import look_at_log_files
from audiosocket_cli.doctor.look import Look, Looked
from audiosocket_cli.doctor.place import place_of
from audiosocket_cli.doctor.target import look_at_target
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Status, worst
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.net.loop import run, signals_to
from audiosocket_cli.net.target import parse_target
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.doctor_report import report_json, report_lines

_PATIENCE_S: Final = 1.0
"""What takes longer is told of while it goes on."""


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


@dataclass(slots=True)
class _Visit:
    """What was looked at so far, and the signal that ended it early, if one did."""

    done: list[Looked]
    signal: int | None = None


def doctor(wanted: DoctorWanted) -> Outcome:
    """Look at what is wanted, and tell what was found. Raises `UsageError`."""
    looks = _looks(wanted)
    visit = _Visit([])
    run(_look_at(looks, visit))
    told = put_result(report_json(visit.done), report_lines(visit.done), as_json=wanted.as_json)
    found = [each for looked in visit.done for each in looked.found]
    has_fault = worst(found) is Status.FAULT
    saw_nothing = all(each.status is Status.UNKNOWN for each in found)
    return Outcome(visit.signal, unreachable=saw_nothing and visit.signal is None, failed=has_fault or not told)


def _looks(wanted: DoctorWanted) -> list[Look]:
    """Choose what to look at: an Asterisk where one is named, or nothing is."""
    looks: list[Look] = []
    if wanted.call_address and wanted.call is None:
        raise UsageError("--call-address is for --call: add --call to place test calls")
    if wanted.call is not None:
        looks.append(_call_look(wanted, wanted.call))
    elif wanted.asterisk_command or wanted.asterisk_root or not (wanted.words or wanted.logs):
        looks += looks_at_asterisk(place_of(wanted.asterisk_command, wanted.asterisk_root))
    for word in wanted.words:
        if Path(word).exists():
            looks.append(call_file_look(Path(word)))
        else:
            looks.append(look_at_target(parse_target(word)))
    if wanted.logs:
        looks.append(look_at_log_files(wanted.logs))
    return looks


def _call_look(wanted: DoctorWanted, extension: str) -> Look:
    place = place_of(wanted.asterisk_command, wanted.asterisk_root)
    if extension:
        return look_at_extension(place, extension, wanted.call_address)
    return look_at_test_calls(place, wanted.call_address)


async def _look_at(looks: Sequence[Look], visit: _Visit) -> None:
    """Look at one after the other, until all are done or a signal comes."""
    looking = asyncio.create_task(_look_at_each(looks, visit), name="doctor")

    def stop(number: int) -> None:
        visit.signal = visit.signal or number
        looking.cancel()

    with signals_to(stop):
        await asyncio.wait([looking])
    if not looking.cancelled():
        looking.result()


async def _look_at_each(looks: Sequence[Look], visit: _Visit) -> None:
    for look in looks:
        talk = asyncio.get_running_loop().call_later(_PATIENCE_S, say, f"looking at {look.title} …")
        try:
            visit.done.append(Looked(look.title, await look.run()))
        finally:
            talk.cancel()
