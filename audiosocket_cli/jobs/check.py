"""`check`: cases are chosen, a server is started if there is a command for it, and what came of them is reported."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from audiosocket_cli import __version__
from audiosocket_cli.asterisk.releases import NEWEST, Release, parse_release
from audiosocket_cli.bench.usage import UsageWatch
from audiosocket_cli.check.catalogue import choose
from audiosocket_cli.check.junit import junit_xml
from audiosocket_cli.check.matrix import matrix_of
from audiosocket_cli.check.model import Level, Report, Verdict
from audiosocket_cli.check.results import read_baseline, report_json
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.speech import load_speech
from audiosocket_cli.check.subject import START_WITHIN_S, Subject
from audiosocket_cli.check.trial import Setting, Times, TurnTaking
from audiosocket_cli.check.uuids import Uuids, known_uuids
from audiosocket_cli.disk import prove_folder
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.own_server import server_target
from audiosocket_cli.jobs.reports import prepare_reports, write_report
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import Target, WebSocketTarget, parse_target
from audiosocket_cli.net.websocket_target import WebSocketWanted, complete_target
from audiosocket_cli.ui.check_page import check_page
from audiosocket_cli.ui.check_report import (
    annotation_lines,
    case_lines,
    check_progress,
    nature_line,
    report_lines,
    summary_page,
)
from audiosocket_cli.ui.console import put_lines, put_result, say

CASES_SCHEMA = "audiosocket.check-cases/1"

_SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"

_MAX_WITHIN_S = 30.0
"""The longest that a server may be given to answer, or to fall silent: so that each case ends."""


@dataclass(frozen=True, slots=True)
class CheckWanted:
    """The command line."""

    words: Sequence[str]
    """A target or none."""
    server: Sequence[str]
    """The words after --: the command that starts the server."""
    asterisk: str | None
    list_cases: bool
    only: Sequence[str]
    skip: Sequence[str]
    level: str
    strict: bool
    repeat: int
    jobs: int
    hold: float
    start_within: float
    turn_within: float | None
    bargein_within: float | None
    speech: Path | None
    uuid: Sequence[str]
    pid: int | None
    baseline: Path | None
    evidence: Path | None
    junit: Path | None
    html: Path | None
    name: str | None
    github: bool
    force: bool
    as_json: bool
    websocket: WebSocketWanted = field(default_factory=WebSocketWanted)

    @property
    def release(self) -> Release:
        """The release of Asterisk that is judged for. Raises `UsageError`."""
        return NEWEST if self.asterisk is None else parse_release(self.asterisk)

    @property
    def turns(self) -> TurnTaking:
        """Return the thresholds for a server that takes turns. Raises `UsageError` and `FileError`."""
        for option, given_s in (("turn", self.turn_within), ("bargein", self.bargein_within)):
            if given_s is not None and given_s > _MAX_WITHIN_S:
                raise UsageError(f"--{option}-within {given_s:g} s is too long: {_MAX_WITHIN_S:g} s at most")
        if self.turn_within is None and self.bargein_within is None:
            return TurnTaking()
        return TurnTaking(self.turn_within or 0.0, self.bargein_within or 0.0, load_speech(self.speech))

    def options(self, target: Target) -> list[str]:
        """Return the options that repeat a case as it was."""
        given: list[tuple[str, object]] = [("--asterisk", self.asterisk), ("--speech", self.speech)]
        given += [("--uuid", each) for each in self.uuid]
        times = {
            "--turn-within": self.turn_within, "--bargein-within": self.bargein_within,
            "--hold": None if self.hold == Times().hold_s else self.hold,
            "--start-within": None if self.start_within == START_WITHIN_S else self.start_within,
        }  # fmt: skip
        given += [(name, None if given_s is None else f"{given_s:g}s") for name, given_s in times.items()]
        options = [word for name, value in given if value is not None for word in (name, str(value))]
        return [*target.options, *options] if isinstance(target, WebSocketTarget) else options


def check(wanted: CheckWanted) -> Outcome:
    """Run the cases, and report. Raises `UsageError`, `NetworkError`, `FileError` and `NothingError`."""
    cases = choose(wanted.only, wanted.skip, Level(wanted.level))
    if wanted.list_cases:
        content = {"schema": CASES_SCHEMA, "cases": [case.as_json() for case in cases]}
        return Outcome(failed=not put_result(content, case_lines(cases), as_json=wanted.as_json))
    release, target = wanted.release, _target(wanted)
    turns, uuids = wanted.turns, Uuids(known_uuids(wanted.uuid))
    known = None if wanted.baseline is None else read_baseline(wanted.baseline)
    _prepare(wanted)
    times = Times(hold_s=wanted.hold, quiet_s=wanted.hold / 2)
    pids = () if wanted.pid is None else (wanted.pid,)
    subject = Subject(wanted.server, target, wanted.start_within) if wanted.server else None
    plan = Plan(cases, wanted.repeat, wanted.jobs, wanted.evidence, f"audiosocket {__version__}")
    setting = Setting(target, release=release, times=times, pids=pids, turns=turns, uuids=uuids)
    done = run(_run(plan, setting, subject))
    report = Report(
        name=wanted.name,
        target=str(target), release=release, nature=str(done.run.nature), results=done.run.results,
        started_at=done.started_at, elapsed_s=done.elapsed_s, strict=wanted.strict, known=known, command=wanted.server,
        options=wanted.options(target), notes=done.run.notes, signal=done.signal, unreachable=done.run.unreachable,
    )  # fmt: skip
    told = _tell(report, done.run, wanted)
    return Outcome(
        report.signal, unreachable=report.unreachable, found_nothing=report.verdict is Verdict.UNKNOWN,
        failed=bool(report.counting) or not told or done.run.lost_evidence,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Done:
    run: Run
    started_at: str
    elapsed_s: float
    signal: int | None


def _target(wanted: CheckWanted) -> Target:
    if len(wanted.words) > 1:
        raise UsageError(f"one TARGET, not {len(wanted.words)}; a command that starts the server follows --")
    if wanted.pid is not None and wanted.server:
        raise UsageError("--pid is for a server that runs already: of one that is started with --, it is known")
    named = parse_target(wanted.words[0]) if wanted.words else None
    if isinstance(named, WebSocketTarget) and wanted.asterisk is not None:
        raise UsageError("--asterisk is for AudioSocket servers, and TARGET is a WebSocket bot: leave it out")
    return server_target(complete_target(named, wanted.websocket, has_command=bool(wanted.server)), wanted.server)


def _prepare(wanted: CheckWanted) -> None:
    """Find out, before anything runs, whether what is wanted can be done. Raises `UsageError`."""
    if wanted.pid is not None:
        UsageWatch(wanted.pid)
    prepare_reports(junit=wanted.junit, html=wanted.html, force=wanted.force)
    if wanted.evidence is not None:
        try:
            prove_folder(wanted.evidence)
        except OSError as error:
            raise UsageError(
                f"cannot keep evidence in {wanted.evidence}: {(error.strerror or str(error)).lower()}"
            ) from None


async def _run(plan: Plan, setting: Setting, subject: Subject | None) -> _Done:
    """Run the cases until they are done, or a signal comes."""
    begun_s, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
    with check_progress() as on_attempt:
        whole = Run(plan, setting, subject, on_attempt)
        signal = await whole.to_end(lambda nature: say(nature_line(nature)))
    return _Done(whole, started_at, time.monotonic() - begun_s, signal)


def _tell(report: Report, done: Run, wanted: CheckWanted) -> bool:
    """Report in all ways that are wanted; False where one of them could not be written."""
    told = put_result(report_json(report, done.nature), report_lines(report), as_json=wanted.as_json)
    if wanted.junit is not None:
        told &= write_report(wanted.junit, junit_xml(report), force=wanted.force)
    if wanted.html is not None:
        told &= write_report(wanted.html, check_page(matrix_of([report])), force=wanted.force)
    if wanted.github:
        told &= _tell_github(report, wanted)
    return told


def _tell_github(report: Report, wanted: CheckWanted) -> bool:
    lines = annotation_lines(report)
    if wanted.as_json:  # standard output is one object; the runner reads standard error as well
        for line in lines:
            say(line)
    else:
        put_lines(lines, at_once=True)
    summary = os.environ.get(_SUMMARY_VARIABLE)
    if not summary:
        return True
    try:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(summary_page(report))
    except OSError as error:
        say(f"cannot write the job summary {summary}: {(error.strerror or str(error)).lower()}")
        return False
    return True
