"""The page of a day: its calls in a table that sorts and filters, and what each was like when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.analysis.turns import DEAD_AIR_S
from audiosocket_cli.report.day_data import MAX_CALLS, Day
from audiosocket_cli.report.day_folder import Beside, Kind
from audiosocket_cli.text import counted_with_commas
from audiosocket_cli.ui.html import data, facts, fold, own_text, page, tag

_SCRIPTS: Final = ("say", "calls", "state", "filter", "wave", "columns", "player", "panel", "table", "totals", "heat",
                   "main")  # fmt: skip

_NARROW_REM: Final = 62.0
"""In windows narrower than this, calls are cards. `day.css` says it as well."""

_SOURCES: Final = "media-src 'self' file: data:; img-src data:"

_WORDS: Final = {
    "worst first": "calls that failed or whose recording is not whole; then by the number of kinds of findings, by the "
    "seconds lost in gaps, and by the slowest answer",
    "waveform": "the caller is above the line, the server below; heights are square roots, so that quiet sound is seen",
    "answer after": "from the end of the caller's turn to the start of the server's: the median, and the slowest; the "
    "column sorts by the slowest",
    "interrupted": "how often the caller (\u2191) and the server (\u2193) began while the other one spoke",
    "dead air": f"how long nobody spoke, in pauses of {DEAD_AIR_S:g} s and more",
    "\u2013": "not measured, or not known",
    "search": "words are looked for in the UUID, file, peer, digits, findings, reason and result; all must match. "
    "digits:0042 looks for DTMF digits only. Figures are compared: latency>1.5 length<10 gaps>0 findings>1 late>0 "
    "interruptions>0 dead-air>5 caller<-40 server<-40, in seconds and dBFS",
    "keys": "/ goes to the search; up and down go from call to call, Enter opens one, Escape closes it",
}


def day_page(day: Day, found: Mapping[str, Any]) -> bytes:
    """Return the page of a day with its data, as `day_data` made it."""
    return page(
        day.title,
        *_notes(day),
        tag("div", id="totals", class_="totals", role="group", aria_label="figures of the calls that are shown"),
        tag("section", tag("h2", "Calls by hour"), tag("div", id="heat"), class_="heat", aria_label="calls by hour"),
        _controls(),
        tag("p", "No call matches.", id="none", class_="quiet", hidden="hidden"),
        tag("div", id="table"),
        tag("nav", id="pages", aria_label="pages of the table"),
        tag("p", id="unprinted", class_="quiet"),
        *_beside(day.beside),
        fold("How to read this page", facts(_WORDS.items())),
        data("day", found),
        narrow_rem=_NARROW_REM, sources=_SOURCES, is_wide_on_paper=True, styles=[own_text("report/assets/day.css")],
        scripts=[own_text(f"report/assets/day_{name}.js") for name in _SCRIPTS],
    )  # fmt: skip


def _notes(day: Day) -> Iterator[Element]:
    yield tag("noscript", tag("p", "This page needs JavaScript."))
    if day.left_out:
        yield tag("p", left_out_line(day.left_out), class_="quiet")
    if not day.calls:
        yield tag("p", "There is no call here.")


def _controls() -> Element:
    box = tag("input", id="find", type="search", placeholder="Search: a word, latency>1.5, digits:0042",
              autocomplete="off", spellcheck="false", aria_label="search the calls")  # fmt: skip
    order = tag("label", "Sorted by ", tag("select", id="sort"), class_="order")
    turn = tag("button", id="turn", type="button", class_="choice", hidden="hidden")
    zone = tag("label", tag("input", type="checkbox", id="zone"), " times of my time zone, not UTC", class_="zone")
    clear = tag("button", "Clear filters", id="clear", type="button", class_="choice", hidden="hidden")
    return tag(
        "section",
        tag("div", box, order, turn, class_="line"),
        tag("div", id="kinds", class_="choices", role="group", aria_label="kinds of calls"),
        tag("div", tag("span", "Findings", class_="quiet"), tag("div", id="findings", class_="choices", role="group",
            aria_label="findings"), id="findings-line", class_="line"),
        tag("div", tag("span", id="count", role="status"), clear, zone, class_="line told"),
        class_="controls", aria_label="filters",
    )  # fmt: skip


def _beside(beside: Beside) -> Iterator[Element]:
    """Yield what is in the folder beside calls that are whole: the number of each kind, and the first names."""
    if not beside.counts:
        return
    kinds = []
    for kind, count in beside.counts.items():
        names = [tag("li", tag("code", name)) for name in beside.names[kind]]
        if count > len(names):
            names.append(tag("li", f"{count - len(names):,} more", class_="quiet"))
        kinds.append(tag("li", fold(told(kind, count), tag("ul", *names))))
    yield tag("section", tag("h2", "Also in the folder"), tag("ul", *kinds), class_="beside")


def told(kind: Kind, count: int) -> str:
    """Return a kind of what is beside calls with its number."""
    return f"{counted_with_commas(count, kind.noun)} {kind.more}".rstrip()


def left_out_line(count: int) -> str:
    """Return how many calls are too many for a page."""
    return f"{counted_with_commas(count, 'more call')} that began earlier: a page holds {MAX_CALLS:,}"
