"""A check's report as text, as annotations and a summary of GitHub Actions; the list of cases; how it goes."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from audiosocket_cli.check.model import Attempt, Case, CaseResult, Level, Report, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.running import OnAttempt
from audiosocket_cli.check.subject import PORT_FIELD
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import is_terminal, say, shown_path
from audiosocket_cli.ui.wrapping import wrapped

_HEAD: Final = 13
"""Columns before the text of a case."""
_MAX_EVIDENCE: Final = 30
_MAX_LOG: Final = 8
_ORDER: Final = tuple(Verdict)


def nature_line(nature: Nature) -> str:
    """Say what a server does in a plain call."""
    line = f"a first call: {nature}"
    if nature.echoes:
        return line
    return f"{line}; whether it hears what it should cannot be seen: let it echo for that"


def case_lines(cases: Sequence[Case]) -> list[str]:
    """Return the cases as a list: id, level and requirement."""
    longest = max(len(case.id) for case in cases)
    return [
        line for case in cases for line in wrapped(f"{case.id:{longest}}  {case.level.value:6}  ", case.requirement)
    ]


def report_lines(report: Report) -> list[str]:
    """Return a report: the verdict, what failed, what could not be told or does not apply."""
    lines = [*verdict_lines(report), ""]
    for result in report.failures:
        lines += [*_failure(report, result), ""]
    for verdict in (Verdict.UNKNOWN, Verdict.SKIP):
        lines += _reasons(verdict, report.with_verdict(verdict))
    for result in report.results:
        if len(result.attempts) > 1 or result.measured_s:
            lines += wrapped(f"{result.case.id}: ", _attempts(result))
    return lines


def verdict_lines(report: Report) -> list[str]:
    """Return what a run comes to: failed or passed, how many of each, and for what."""
    counting, total = report.counting, len(report.results)
    counts = ", ".join(f"{len(report.with_verdict(verdict))} {_word(verdict)}" for verdict in _ORDER)
    if counting:
        levels = ", ".join(
            f"{number} {level.value}"
            for level in Level
            if (number := sum(result.case.level is level for result in counting))
        )
        lines = wrapped("failed: ", f"{counted(len(counting), 'case')} ({levels}) of {total}: {counts}")
    else:
        lines = wrapped("passed: ", f"no case that counts failed, of {total}: {counts}")
    lines += wrapped("", f"{report.target}, judged for Asterisk {report.release}: {report.nature}")
    if report.known is not None:
        lines += wrapped("", _against_baseline(report))
    if report.signal is not None:
        lines += ["it was ended by a signal before all cases had run"]
    for note in report.notes:
        lines += wrapped("note: ", note)
    return lines


def _word(verdict: Verdict) -> str:
    return {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.SKIP: "skipped"}.get(verdict, verdict.value)


def _against_baseline(report: Report) -> str:
    known = [result.case.id for result in report.failures if result.case.id in (report.known or ())]
    new = [result.case.id for result in report.failures if result.case.id not in (report.known or ())]
    parts = [
        f"{title}: {', '.join(ids) or 'none'}"
        for title, ids in (("new failures", new), ("known failures", known), ("mended", report.mended))
    ]
    return "against the baseline, " + "; ".join(parts)


def _failure(report: Report, result: CaseResult) -> list[str]:
    case, attempt = result.case, result.worst
    is_known = case.id in (report.known or ())
    lines = [f"failed: {case.id} ({case.level.value}{', known' if is_known else ''})"]
    for name, text in (
        ("required", case.requirement),
        ("expected", case.expected),
        ("observed", result.observed),
        ("Asterisk", case.asterisk if case.versions == "all" else f"{case.asterisk} ({case.versions})"),
        ("cure", case.cure),
    ):
        lines += wrapped(f"  {name:{_HEAD - 2}}", text)
    lines += _block("evidence", _shortened(attempt.evidence, _MAX_EVIDENCE))
    lines += _block("its log", attempt.log[-_MAX_LOG:])
    return [*lines, *_block("again", again_lines(report, result))]


def _block(name: str, lines: Sequence[str]) -> list[str]:
    return [f"  {name if not number else '':{_HEAD - 2}}{line}" for number, line in enumerate(lines)]


def _shortened(lines: Sequence[str], most: int) -> list[str]:
    """Return the first and the last lines."""
    if len(lines) <= most:
        return list(lines)
    half = most // 2
    return [*lines[:half], f"… {len(lines) - 2 * half} lines left out (--json has more)", *lines[-half:]]


def again_lines(report: Report, result: CaseResult) -> list[str]:
    """Return the commands that show a failure again: the case, and the replay of its capture where that does."""
    server = f"-- {shlex.join(report.command)}" if report.command else ""
    target = "" if report.command and PORT_FIELD in server else report.target
    words = ["audiosocket check", target, f"--only {result.case.id}", shlex.join(report.options), server]
    lines = [" ".join(word for word in words if word)]
    capture = result.worst.capture
    if capture is not None and result.case.shown_by_replay:
        lines.append(f"audiosocket replay {shlex.quote(shown_path(capture))} {target or 'TARGET'}")
    elif capture is not None:
        lines.append(f"audiosocket dump {shlex.quote(shown_path(capture))}")
    return lines


def _reasons(verdict: Verdict, results: Sequence[CaseResult]) -> list[str]:
    """Return cases that share a reason in one line."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        reasons.setdefault(result.observed, []).append(result.case.id)
    lines = []
    for reason, ids in reasons.items():
        lines += wrapped(f"{_word(verdict)}: ", ", ".join(ids)) + wrapped("         ", reason)
    return lines


def _attempts(result: CaseResult) -> str:
    shown = ", ".join(map(_attempt, result.attempts))
    measured_s = result.measured_s
    if len(measured_s) < 2:
        return shown
    p50_s, p95_s = (measured_s[math.ceil(share * len(measured_s)) - 1] for share in (0.5, 0.95))
    return f"{shown}: p50 {p50_s:.2f} s, p95 {p95_s:.2f} s, max {measured_s[-1]:.2f} s"


def _attempt(attempt: Attempt) -> str:
    observation = attempt.observation
    measured = "" if observation.measured_s is None else f" ({observation.measured_s:.2f} s)"
    return f"{observation.verdict.value}{measured}"


def annotation_lines(report: Report) -> list[str]:
    """Return annotations of GitHub Actions: an error for each failure that counts, a warning for each other one."""
    lines = []
    for result in report.failures:
        kind = "error" if report.counts(result) else "warning"
        title = f"{result.case.id} ({result.case.level.value})"
        text = f"{result.case.requirement} Observed: {result.observed}. Cure: {result.case.cure}."
        lines.append(f"::{kind} title={_escaped(title, also=',:')}::{_escaped(text)}")
    return lines


def _escaped(text: str, also: str = "") -> str:
    for char in ("%", "\r", "\n", *also):
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def summary_page(report: Report) -> str:
    """Return a job summary of GitHub Actions, as Markdown."""
    lines = ["## audiosocket check", "", *(f"{line}  " for line in verdict_lines(report)), ""]
    if report.failures:
        lines += ["| case | level | observed | cure |", "|---|---|---|---|"]
        for result in report.failures:
            cells = (result.case.id, result.case.level.value, result.observed, result.case.cure)
            lines.append("| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join([*lines, ""])


@contextlib.contextmanager
def check_progress() -> Iterator[OnAttempt]:
    """Yield what shows progress: one live line on a terminal; elsewhere a line for each case that does not pass."""
    if is_terminal(sys.stderr):
        with Live(Text(""), console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
            yield lambda case, attempt, done, total: live.update(
                Text(_progress_line(case, attempt, done, total), no_wrap=True, overflow="ellipsis")
            )
        return

    def tell(case: Case, attempt: Attempt, done: int, total: int) -> None:
        if attempt.observation.verdict is Verdict.FAIL:
            say(_progress_line(case, attempt, done, total))

    yield tell


def _progress_line(case: Case, attempt: Attempt, done: int, total: int) -> str:
    return f"{done} of {total}: {case.id} {_word(attempt.observation.verdict)}"
