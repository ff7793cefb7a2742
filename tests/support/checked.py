"""Reports of a check that was never run, for what is made of reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audiosocket_cli.asterisk.releases import NEWEST
from audiosocket_cli.check.catalogue import choose
from audiosocket_cli.check.model import Attempt, CaseResult, Level, Observation, Report, Verdict

PASS, FAIL, SKIP, UNKNOWN = Verdict

MUST_ID, SHOULD_ID, INFO_ID = "frame/coalesced", "pace/rate", "kind/error"


def result(case_id: str, *verdicts: Verdict, observed: str = "", **more: Any) -> CaseResult:
    (case,) = choose([case_id], [], Level.INFO)
    attempts = [Attempt(Observation(each, observed or f"it was a {each.value}"), 0.25, **more) for each in verdicts]
    return CaseResult(case, attempts)


def report(results: Iterable[CaseResult], **more: Any) -> Report:
    return Report(
        "127.0.0.1:9092", NEWEST, "the server echoes", list(results), "2026-11-29T20:00:00.000+00:00", 1.5, **more
    )
