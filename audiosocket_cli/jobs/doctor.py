"""`doctor`: what is to be looked at is chosen by the command line, looked at in turn, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosocket_cli.doctor.call_file import call_file_look
from audiosocket_cli.doctor.look import Look, Looked
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Status, worst
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import parse_target
from audiosocket_cli.ui.console import put_result
from audiosocket_cli.ui.doctor_report import report_json, report_lines


@dataclass(frozen=True, slots=True)
class DoctorWanted:
    """The command line."""

    words: Sequence[str]
    """Servers and files."""
    asterisk_command: str | None
    asterisk_root: str | None
    logs: Sequence[str]
    place_call: bool
    as_json: bool


def doctor(wanted: DoctorWanted) -> Outcome:
    """Look at what is wanted, and tell what was found. Raises `UsageError`."""
    looks = _looks(wanted)
    done = run(_look_at(looks))
    told = put_result(report_json(done), report_lines(done), as_json=wanted.as_json)
    has_fault = worst(found for looked in done for found in looked.found) is Status.FAULT
    return Outcome(failed=has_fault or not told)


def _looks(wanted: DoctorWanted) -> list[Look]:
    looks: list[Look] = []
    for word in wanted.words:
        if Path(word).exists():
            looks.append(call_file_look(Path(word)))
            continue
        parse_target(word)
        raise UsageError(f"{word!r:.80}: not yet")
    return looks


async def _look_at(looks: Sequence[Look]) -> list[Looked]:
    return [Looked(look.title, await look.run()) for look in looks]
