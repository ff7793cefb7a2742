"""Servers that are checked, and reports of a check that was never run, for what is made of reports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence, Set
from typing import Any, NamedTuple

from audiosocket_cli.asterisk.releases import NEWEST
from audiosocket_cli.check.catalogue import CASES, choose
from audiosocket_cli.check.model import Attempt, Case, CaseResult, Level, Observation, Report, Verdict
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.subject import Subject
from audiosocket_cli.check.trial import Setting, Times
from audiosocket_cli.net.address import Address

PASS, FAIL, SKIP, UNKNOWN = Verdict

MUST_ID, SHOULD_ID, INFO_ID = "frame/coalesced", "pace/rate", "kind/error"

OF_TURNS = {case.id for case in CASES if case.group in ("turn", "bargein")}

TIMES = Times(
    hold_s=3.0, quiet_s=3.0, silence_s=3.0, pace_s=4.0, late_uuid_s=2.0, linger_s=3.0, half_frame_s=1.0,
    until_end_s=2.0, many_calls=50, short_calls=200,
)  # fmt: skip

_TRIES = 5


class Checked(NamedTuple):
    """What came of a whole check."""

    notes: Sequence[str]
    results: Sequence[CaseResult]


def check_whole(command: Sequence[str], target: Address, to_pass: Set[str] = frozenset()) -> Checked:
    """Start a server, and try all cases. Those `to_pass` measure time: on a busy machine they may fail of that, and are
    tried again, alone."""

    def check(cases: Sequence[Case]) -> Run:
        run = Run(Plan(cases), Setting(target, times=TIMES), Subject(command, target, 30))
        asyncio.run(run.to_end())
        return run

    run = check(CASES)
    results = {result.case.id: result for result in run.results}
    for _ in range(_TRIES - 1):
        again = [case for case in CASES if case.id in to_pass and results[case.id].verdict is not PASS]
        if again:
            results |= {result.case.id: result for result in check(again).results}
    return Checked(run.notes, list(results.values()))


def with_verdict(done: Checked, verdict: Verdict) -> dict[str, str]:
    """Return the cases that got a verdict, with what was observed."""
    return {result.case.id: result.observed for result in done.results if result.verdict is verdict}


def result(case_id: str, *verdicts: Verdict, observed: str = "", **more: Any) -> CaseResult:
    (case,) = choose([case_id], [], Level.INFO)
    attempts = [Attempt(Observation(each, observed or f"it was a {each.value}"), 0.25, **more) for each in verdicts]
    return CaseResult(case, attempts)


def report(results: Iterable[CaseResult], **more: Any) -> Report:
    return Report(
        "127.0.0.1:9092", NEWEST, "the server echoes", list(results), "2026-11-29T20:00:00.000+00:00", 1.5, **more
    )
