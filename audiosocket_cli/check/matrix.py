"""Servers by cases: several reports side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.model import Case, CaseResult, Report, Verdict

SCHEMA: Final = "audiosocket.check-report/1"

_PLACES: Final = {case.id: place for place, case in enumerate(CASES)}


@dataclass(frozen=True, slots=True)
class Row:
    """A case, and its result with each server; None where a report does not have it."""

    case: Case
    results: Sequence[CaseResult | None]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Reports, each with a name that no other has, and a row for each case that any of them has."""

    reports: Sequence[Report]
    names: Sequence[str]
    rows: Sequence[Row]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values: verdicts only."""
        servers = [
            {
                "name": name,
                "target": report.target,
                "asterisk": str(report.release),
                "passed": report.verdict is Verdict.PASS,
            }
            for name, report in zip(self.names, self.reports, strict=True)
        ]
        cases = [
            {"id": row.case.id, "level": row.case.level.value,
             "verdicts": [None if result is None else result.verdict.value for result in row.results]}
            for row in self.rows
        ]  # fmt: skip
        return {"schema": SCHEMA, "servers": servers, "cases": cases}


def matrix_of(reports: Sequence[Report], files: Sequence[str] = ()) -> Matrix:
    """Put reports side by side, in this order; cases are in the order of the catalogue, unknown ones last.

    Reports of servers of one name are told apart by the names of their `files`, or by their numbers.
    """
    found = [{result.case.id: result for result in report.results} for report in reports]
    first = {case_id: result.case for results in reversed(found) for case_id, result in results.items()}
    cases = sorted(first.values(), key=lambda case: _PLACES.get(case.id, len(_PLACES)))
    rows = [Row(case, [results.get(case.id) for results in found]) for case in cases]
    return Matrix(reports, _distinct([report.title for report in reports], files), rows)


def _distinct(titles: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return the titles; equal ones get a mark that distinguishes them."""
    many = {title for title, count in Counter(titles).items() if count > 1}
    marks = files if len(set(files)) == len(titles) else [str(number) for number in range(1, len(titles) + 1)]
    return [f"{title} ({mark})" if title in many else title for title, mark in zip(titles, marks, strict=True)]
