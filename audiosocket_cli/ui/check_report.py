"""A check's report as text, alone or beside others; as annotations and a summary of GitHub Actions.

Also the list of cases, and the progress of a run.
"""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from audiosocket_cli.check.matrix import Matrix
from audiosocket_cli.check.model import Attempt, Case, CaseResult, Level, Report, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.running import OnAttempt
from audiosocket_cli.net.target import PORT_FIELD, is_url
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import is_terminal, say, shown_path
from audiosocket_cli.ui.live_line import live_line
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
            lines += wrapped(f"{result.case.id}: ", attempts_text(result))
    return lines


def verdict_lines(report: Report) -> list[str]:
    """Return what a run comes to: failed or passed, how many of each, and for what."""
    return [line for head, text in verdict_texts(report) for line in wrapped(head, text)]


def verdict_texts(report: Report) -> list[tuple[str, str]]:
    """Return the same as sentences, each with the word that it begins with, or none."""
    where = f"{report.name} at {report.target}" if report.name else report.target
    judged = "" if is_url(report.target) else f", judged for Asterisk {report.release}"
    texts = [_verdict(report), ("", f"{where}{judged}: {report.nature}")]
    if report.known is not None:
        texts.append(("", _against_baseline(report)))
    if report.signal is not None:
        texts.append(("", "it was ended by a signal before all cases had run"))
    return [*texts, *(("note: ", note) for note in report.notes)]


def _verdict(report: Report) -> tuple[str, str]:
    counting, total = report.counting, len(report.results)
    counts = ", ".join(f"{len(report.with_verdict(verdict))} {verdict_word(verdict)}" for verdict in _ORDER)
    if report.verdict is Verdict.UNKNOWN:
        return "unknown: ", f"no case passed or failed, of {total}: {counts}"
    if not counting:
        return "passed: ", f"no case that counts failed, of {total}: {counts}"
    levels = ", ".join(
        f"{number} {level.value}" for level in Level if (number := sum(each.case.level is level for each in counting))
    )
    return "failed: ", f"{counted(len(counting), 'case')} ({levels}) of {total}: {counts}"


def verdict_word(verdict: Verdict) -> str:
    """Return the word for a verdict."""
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
    lines = [f"failed: {case.id} ({case.level.value}{', known' if report.is_known(result) else ''})"]
    more = [] if case.finding is None else [("finding", f"{case.finding} (audiosocket help finding {case.finding})")]
    for name, text in [*facts_of(result), ("cure", case.cure), *more]:
        lines += wrapped(f"  {name:{_HEAD - 2}}", text)
    lines += _block("evidence", _shortened(attempt.evidence, _MAX_EVIDENCE))
    lines += _block("its log", attempt.log[-_MAX_LOG:])
    return [*lines, *_block("again", again_lines(report, result))]


def facts_of(result: CaseResult) -> list[tuple[str, str]]:
    """Return what a case requires, what was seen, and where the requirement comes from, each with its name."""
    case = result.case
    return [
        ("required", case.requirement), ("expected", case.expected), ("observed", result.observed),
        ("Asterisk", case.asterisk if case.versions == "all" else f"{case.asterisk} ({case.versions})"),
    ]  # fmt: skip


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
    has_port = report.command and PORT_FIELD in server and not is_url(report.target)
    target = "" if has_port else report.target
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
        lines += wrapped(f"{verdict_word(verdict)}: ", ", ".join(ids)) + wrapped("         ", reason)
    return lines


def attempts_text(result: CaseResult) -> str:
    """Return the verdict of each attempt, in order, with what was measured."""
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


def matrix_lines(matrix: Matrix) -> list[str]:
    """Return reports side by side: the verdict on each server, then a line for each case."""
    lines = []
    for number, (name, report) in enumerate(zip(matrix.names, matrix.reports, strict=True), 1):
        lines += wrapped(f"{number}  ", f"{name}: {''.join(_verdict(report))}")
    longest = max((len(row.case.id) for row in matrix.rows), default=0)
    numbers = [str(number) for number in range(1, len(matrix.reports) + 1)]
    lines += ["", _cells("case", longest, "level", numbers)]
    for row in matrix.rows:
        words = [_cell_word(*pair) for pair in zip(matrix.reports, row.results, strict=True)]
        lines.append(_cells(row.case.id, longest, row.case.level.value, words))
    return lines


def _cells(case: str, longest: int, level: str, words: Sequence[str]) -> str:
    return "  ".join([f"{case:{longest}}", f"{level:6}", *(f"{word:7}" for word in words)]).rstrip()


def _cell_word(report: Report, result: CaseResult | None) -> str:
    if result is None:
        return "-"
    return "known" if report.is_known(result) else verdict_word(result.verdict)


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
        with live_line() as show:
            yield lambda case, attempt, done, total: show(_progress_line(case, attempt, done, total))
        return

    def tell(case: Case, attempt: Attempt, done: int, total: int) -> None:
        if attempt.observation.verdict is Verdict.FAIL:
            say(_progress_line(case, attempt, done, total))

    yield tell


def _progress_line(case: Case, attempt: Attempt, done: int, total: int) -> str:
    return f"{done} of {total}: {case.id} {verdict_word(attempt.observation.verdict)}"
