"""The text of a call's page: findings with their cure, marks, facts, and what was not measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.report.call_words import KINDS, SIDES, clock
from audiosocket_cli.ui.html import facts, fold, table, tag

MAX_ROWS: Final = 1000
"""More would make the page slow; how many are left out is said, and the picture shows all."""

_OPEN_ROWS: Final = 12
"""As many marks are in sight at once; a longer table is folded."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\")


def findings_section(findings: Sequence[Mapping[str, Any]]) -> Element:
    """Return each finding with what it is and its cure."""
    content = [_finding(each) for each in findings] or [tag("p", "No findings.")]
    return tag("section", tag("h2", "Findings", id="findings"), *content, aria_labelledby="findings")


def _finding(finding: Mapping[str, Any]) -> Element:
    place: list[Element] = []
    if finding["at_s"] is not None:
        place = [
            tag("button", clock(finding["at_s"]), type="button", data_at=f"{finding['at_s']:.3f}"),
            tag("span", " "),
        ]
    text = tag("p", *place, finding["text"], class_="what")
    said = [tag("p", finding["about"], class_="quiet")] if finding["about"] else []
    cure = [tag("p", tag("strong", "Cure: "), finding["cure"])] if finding["cure"] else []
    more = tag("p", tag("code", f"audiosocket help finding {finding['id']}"), class_="quiet")
    return tag("article", tag("h3", finding["id"]), text, *said, *cure, more, class_="card finding")


def marks_section(marks: Sequence[Mapping[str, Any]]) -> Element:
    """Return all that is marked in the picture as a table; its rows lead there."""
    body = tag("tbody", *(_mark_row(number, mark) for number, mark in enumerate(marks[:MAX_ROWS])), role="rowgroup")
    listed = table(("At", "Kind", "Side", "What"), body, class_="marks")
    if len(marks) > _OPEN_ROWS:
        listed = fold(f"All {len(marks)} marks" if len(marks) <= MAX_ROWS else f"The first {MAX_ROWS} marks", listed)
    content = [listed] if marks else [tag("p", "Nothing is marked in this call.")]
    if left_out := len(marks[MAX_ROWS:]):
        content.append(tag("p", f"{left_out} more are in the picture.", class_="quiet"))
    return tag("section", tag("h2", "Marks", id="marks"), *content, aria_labelledby="marks")


def _mark_row(number: int, mark: Mapping[str, Any]) -> Element:
    place = tag("button", clock(mark["at_s"]), type="button", data_mark=str(number))
    kind = KINDS.get(mark["kind"], mark["kind"])
    side = SIDES.get(mark["side"] or "", "")
    cells = (place, kind, side, mark["text"])
    return tag("tr", *(tag("td", each, role="cell") for each in cells), role="row")


def facts_section(pairs: Iterable[Sequence[str]]) -> Element:
    """Return what is known of a call, each with its name."""
    listed = facts((name, text) for name, text in pairs)
    return tag("section", tag("h2", "Facts", id="facts"), listed, aria_labelledby="facts")


def not_measured_section(pairs: Iterable[Sequence[str]]) -> Element:
    """Return what was not measured, and why."""
    listed = facts((name, why) for name, why in pairs)
    return tag("section", tag("h2", "Not measured", id="not-measured"), listed, aria_labelledby="not-measured")


def links_of(links: Iterable[Sequence[str]], base: str) -> list[Element]:
    """Return links to what lies beside the page; what would lead elsewhere is text alone."""
    found = []
    for text, href in links:
        address = address_of(href, base)
        found.append(tag("li", tag("a", text, href=address) if address else text))
    return found


def address_of(href: str, base: str = "") -> str:
    """Return the address of a neighbour of the page as seen from `base`; empty for what is not one."""
    return "" if _SCHEME.match(href.strip()) or not href.isprintable() else base + href
