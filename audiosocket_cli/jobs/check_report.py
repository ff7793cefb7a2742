"""`check report`: results of `check --json`, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosocket_cli.check.matrix import matrix_of
from audiosocket_cli.check.results import read_report
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.reports import prepare_reports, write_report
from audiosocket_cli.ui.check_page import check_page
from audiosocket_cli.ui.check_report import matrix_lines
from audiosocket_cli.ui.console import put_result


@dataclass(frozen=True, slots=True)
class CheckReportWanted:
    """The command line."""

    files: Sequence[str]
    html: Path | None
    force: bool
    as_json: bool


def check_report(wanted: CheckReportWanted) -> Outcome:
    """Show results side by side. It gives no verdict: each run had its own. Raises `FileError` and
    `UsageError`."""
    reports = [read_report(Path(name)) for name in wanted.files]
    prepare_reports(html=wanted.html, force=wanted.force)
    matrix = matrix_of(reports, [Path(name).stem for name in wanted.files])
    told = put_result(matrix.as_json(), matrix_lines(matrix), as_json=wanted.as_json)
    if wanted.html is not None:
        told &= write_report(wanted.html, check_page(matrix), force=wanted.force)
    return Outcome(failed=not told)
