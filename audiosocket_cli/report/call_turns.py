"""Who spoke when, in the page of a call: the figures of its turns, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.report.call_words import DASH, SIDES, clock, length, milliseconds
from audiosocket_cli.text import counted
from audiosocket_cli.ui.html import table, tag

MAX_ROWS: Final = 2000
"""More would make the page slow; how many are left out is said."""

_RULE: Final = (
    "An answer is measured from the end of the caller's speech to the start of the server's. "
    "An interruption begins while the other side speaks and lasts 0.5 s or longer; a backchannel is shorter."
)


def turns_section(turns: Mapping[str, Any], duration_s: float) -> Element:
    """Return the figures and the table of the `turns` of a call, as in its JSON."""
    rows = turns["list"]
    content = [_figures(turns), _talk_bar(turns, duration_s), tag("p", _RULE, class_="quiet")]
    if rows:
        content.append(_table(rows[:MAX_ROWS]))
    else:
        content.append(tag("p", "Nobody spoke."))
    if left_out := int(turns.get("left_out") or 0) + len(rows[MAX_ROWS:]):
        content.append(tag("p", f"{left_out} more turns are not listed.", class_="quiet"))
    return tag("section", tag("h2", "Turns", id="turns"), *content, aria_labelledby="turns")


def no_turns(why: str) -> Element:
    """Return the section of a call whose turns were not measured."""
    text = f"Not measured: {why}" if why else "Not measured."
    return tag("section", tag("h2", "Turns", id="turns"), tag("p", text), aria_labelledby="turns")


def _figures(turns: Mapping[str, Any]) -> Element:
    latency, dead_air = turns["latency_ms"], turns["dead_air"]
    answers = (
        ("Answers", str(latency["count"]), "of the server"),
        ("Median answer", milliseconds(latency["p50"]), f"95 %: {milliseconds(latency['p95'])}"),
        ("Slowest answer", milliseconds(latency["max"]), ""),
    ) if latency else (("Answers", "none", "of the server"),)  # fmt: skip
    cut_in, heard = turns["interruptions"], turns["backchannels"]
    dead = counted(dead_air["count"], "time") if dead_air["count"] else "never"
    longest = f"{length(dead_air['total_s'])}, longest {length(dead_air['longest_s'])}" if dead_air["count"] else ""
    return tag(
        "div",
        *(_figure(*each) for each in answers),
        _figure("Interruptions", f"{cut_in['caller']} / {cut_in['server']}", "by the caller / by the server"),
        _figure("Backchannels", f"{heard['caller']} / {heard['server']}", "of the caller / of the server"),
        _figure("Dead air", dead, longest),
        class_="figures",
    )


def _figure(name: str, value: str, more: str) -> Element:
    below = [tag("span", more, class_="quiet")] if more else []
    return tag("p", tag("span", name, class_="name"), " ", tag("strong", value), " ", *below, class_="figure")


def _talk_bar(turns: Mapping[str, Any], duration_s: float) -> Element:
    """Return a bar of who spoke how long: as much of it as of the call. Both at once are in neither side's share."""
    both = turns["overlap_s"]
    parts = [
        ("caller", "Caller alone", max(turns["talk_s"]["caller"] - both, 0.0)),
        ("both", "both at once", both),
        ("server", "Server alone", max(turns["talk_s"]["server"] - both, 0.0)),
    ]
    whole = max(duration_s, sum(seconds for _, _, seconds in parts), 1e-9)
    parts.append(("nobody", "nobody", whole - sum(seconds for _, _, seconds in parts)))
    bar = tag("svg", *_bars(parts, whole), viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    words = [
        tag("li", tag("span", class_=f"swatch {kind}", aria_hidden="true"), f"{name} {100 * seconds / whole:.0f} %")
        for kind, name, seconds in parts
    ]
    return tag("div", bar, tag("ul", *words, aria_label="Who spoke how much of the call"), class_="talk")


def _bars(parts: Iterable[tuple[str, str, float]], whole: float) -> list[Element]:
    bars, left = [], 0.0
    for kind, _, seconds in parts:
        width = 100 * seconds / whole
        bars.append(tag("rect", x=f"{left:.3f}", y="0", width=f"{width:.3f}", height="10", class_=kind))
        left += width
    return bars


def _table(rows: Iterable[Mapping[str, Any]]) -> Element:
    body = tag("tbody", *(_row(number, row) for number, row in enumerate(rows)), role="rowgroup")
    return table(("Start", "Side", "Length", "Kind", "After the other side"), body, class_="turns")


def _row(number: int, row: Mapping[str, Any]) -> Element:
    start = tag("button", clock(row["start_s"]), type="button", data_turn=str(number))
    kind = row["kind"]
    cells = (start, _side(row["side"]), length(row["end_s"] - row["start_s"]), kind)
    return tag(
        "tr", *(tag("td", each, role="cell") for each in cells), _after(row["after_ms"]), role="row",
        class_=f"kind-{kind}",
    )  # fmt: skip


def _side(side: str) -> Element:
    return tag("span", tag("span", class_=f"swatch {side}", aria_hidden="true"), SIDES.get(side, side))


def _after(after_ms: int | None) -> Element:
    """Return the cell for the time between the other side's end and a turn's start."""
    if after_ms is None:
        return tag("td", tag("span", DASH, title="the other side had not spoken"), role="cell")
    if after_ms < 0:
        return tag("td", f"{length(-after_ms / 1000)} before its end", role="cell")
    return tag("td", length(after_ms / 1000), role="cell", class_="waited")
