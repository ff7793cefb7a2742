"""`dialplan --check`: what is wrong with somebody's dialplan, and the lines to write."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan
from audiosocket_cli.asterisk.dialplan_check.files import Files, text_lines
from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.look import Looked
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.finding import Status, worst
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.doctor_report import report_json, report_lines

_STDIN: Final = "-"


def check_dialplans(names: Sequence[str], release: Release | None, *, as_json: bool) -> Outcome:
    """Read dialplans (- is standard input), and tell what is wrong in them for a release, or for any (None).

    Raises `UsageError`.
    """
    if not names:
        raise UsageError(
            "--check needs a file: name one such as /etc/asterisk/extensions.conf, or - for standard input"
        )
    done: list[Looked] = []
    damaged = False
    for plan in _plans(names):
        if isinstance(plan, FileError):
            damaged = True
            say(f"audiosocket: {plan}")
            continue
        found = judge(plan, release)
        if found:
            done.append(Looked(plan.name, found))
        else:
            say(f"{plan.name}: no AudioSocket line")
    told = put_result(report_json(done), report_lines(done), as_json=as_json) if done else True
    has_fault = worst(each for looked in done for each in looked.found) is Status.FAULT
    return Outcome(damaged=damaged, failed=has_fault or not told, found_nothing=not done)


def _plans(names: Sequence[str]) -> Iterator[Dialplan | FileError]:
    """Yield what is read, each file once: one that another one included was judged with that."""
    files = Files()
    for name in names:
        if name == _STDIN:
            try:
                yield read_dialplan(_input_lines(), "standard input")
            except FileError as error:
                yield error
        elif not files.has(Path(name)):
            try:
                yield files.read(Path(name))
            except FileError as error:
                yield error


def _input_lines() -> Iterator[str]:
    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        yield from text_lines(stream, "standard input")
