"""A page with servers by cases: the result of each case with each server, and its evidence when the case is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element

from audiosocket_cli.check.matrix import Matrix, Row
from audiosocket_cli.check.model import CaseResult, Report, Verdict
from audiosocket_cli.ui.check_report import again_lines, attempts_text, facts_of, verdict_texts, verdict_word
from audiosocket_cli.ui.html import chip, facts, failing_only, fold, lines, page, table, tag

_SIGNS: Final = {Verdict.PASS: "\u2713", Verdict.FAIL: "\u2717", Verdict.SKIP: "\u2013", Verdict.UNKNOWN: "?"}

_CASE_REM: Final = 24.0
_SERVER_REM: Final = 8.0
"""The least widths of columns: of the case with its level, and of each server. In less room, the page is a list."""

_WORDS: Final = (
    ("MUST", "otherwise Asterisk ends or damages the call, or an ordinary caller makes the server fail"),
    ("SHOULD", "otherwise sound, latency or other callers suffer"),
    ("INFO", "what the server can do; Asterisk itself does not need it"),
    ("passed", "the server did what is required"),
    ("failed", "the server did not do what is required"),
    ("known", "it failed in the baseline as well, and does not count"),
    ("skipped", "it does not apply"),
    ("unknown", "the check could not find out"),
)


def check_page(matrix: Matrix) -> bytes:
    """Return the page."""
    title = f"Does {matrix.names[0]} survive Asterisk?" if len(matrix.names) == 1 else "Which servers survive Asterisk?"
    columns = max(len(matrix.names), 2)
    return page(
        title, _servers(matrix), *_cases(matrix), fold("What the words mean", facts(_WORDS)),
        narrow_rem=_CASE_REM + _SERVER_REM * columns,
    )  # fmt: skip


def _servers(matrix: Matrix) -> Element:
    pairs = zip(matrix.names, matrix.reports, strict=True)
    return tag("div", *(_server(name, report) for name, report in pairs), class_="servers")


def _server(name: str, report: Report) -> Element:
    (_, text), *others = verdict_texts(report)
    verdict = tag("p", _chip(report.verdict, counts=report.verdict is Verdict.FAIL), f" {text}")
    quiet = [tag("p", f"{word}{text}", class_="quiet") for word, text in others]
    took = tag("p", f"{report.started_at[:19].replace('T', ' ')}, {report.elapsed_s:.0f} s", class_="quiet")
    return tag("section", tag("h2", name), verdict, *quiet, took, class_="card")


def _chip(verdict: Verdict, *, counts: bool = False, known: bool = False) -> Element:
    word = "known" if known else verdict_word(verdict)
    return chip(f"{verdict.value}{' counts' if counts else ''}", _SIGNS[verdict], word)


def _cases(matrix: Matrix) -> Iterator[Element]:
    yield tag("h2", "Cases")
    yield failing_only("only cases that some server fails")
    groups = [list(rows) for _, rows in groupby(matrix.rows, key=lambda row: row.case.group)]
    bodies = [_group(matrix, rows) for rows in groups]
    heads = ["case", "level", *matrix.names]
    yield table(heads, *bodies, class_="several" if len(matrix.names) > 1 else "")


def _group(matrix: Matrix, rows: Sequence[Row]) -> Element:
    name = tag("th", f"{rows[0].case.group}/", scope="rowgroup", role="rowheader", colspan=str(2 + len(matrix.names)))
    body = tag("tbody", tag("tr", name, role="row"), *(_row(matrix, row) for row in rows), role="rowgroup")
    _mark_fine(body, rows)
    return body


def _mark_fine(element: Element, rows: Sequence[Row]) -> None:
    """Mark what is left out when only failures are shown."""
    results = [result for row in rows for result in row.results]
    if not any(result is not None and result.verdict is Verdict.FAIL for result in results):
        element.set("class", "fine")


def _row(matrix: Matrix, row: Row) -> Element:
    case = row.case
    text = tag("div", case.requirement, class_="quiet")
    cells = [
        tag("th", tag("code", case.id), text, scope="row", role="rowheader"),
        tag("td", case.level.value, role="cell"),
        *(_cell(*each, case.id) for each in zip(matrix.names, matrix.reports, row.results, strict=True)),
    ]
    element = tag("tr", *cells, role="row", id=case.id)
    _mark_fine(element, [row])
    return element


def _cell(name: str, report: Report, result: CaseResult | None, case_id: str) -> Element:
    where = tag("span", tag("span", f"{case_id}, ", class_="case"), f"{name}: ", class_="where")
    if result is None:
        return tag("td", where, "not run", role="cell")
    shown = _chip(result.verdict, counts=report.counts(result), known=report.is_known(result))
    return tag("td", fold(tag("span", where, shown), _evidence(name, report, result), name="case"), role="cell")


def _evidence(name: str, report: Report, result: CaseResult) -> Element:
    attempt = result.worst
    pairs: list[tuple[str, Element | str]] = [*facts_of(result)]
    if result.verdict is Verdict.FAIL:
        counts = "failed, and makes the whole verdict negative"
        pairs.insert(0, ("verdict", counts if report.counts(result) else "failed, and does not count"))
        pairs.append(("cure", result.case.cure))
        if result.case.finding is not None:
            pairs.append(("finding", tag("code", f"audiosocket help finding {result.case.finding}")))
    if len(result.attempts) > 1:
        pairs.append(("attempts", attempts_text(result)))
    blocks = [("evidence", attempt.evidence), ("its log", attempt.log)]
    if result.verdict is Verdict.FAIL:
        blocks.append(("again", again_lines(report, result)))
    pairs += [(title, lines(text)) for title, text in blocks if text]
    head = tag("h3", tag("code", result.case.id), f" ({result.case.level.value}), {name}")
    return tag("div", head, facts(pairs), class_="evidence")
