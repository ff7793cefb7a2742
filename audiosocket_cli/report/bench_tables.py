"""Tables of a load for its page: what changed since another result, and its times by percentile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Final
from xml.etree.ElementTree import Element

from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.verdict import COMPARED, Change, changes, shown
from audiosocket_cli.ui.bench_report import ROWS, change_text
from audiosocket_cli.ui.html import chip, fold, tag

_STATISTICS: Final = ("p50", "p95", "p99", "max", "mean")


MAX_LISTED: Final = 20
"""More of one kind, such as reasons, are counted."""


def left_out(all_of_them: Sized, what: str) -> Iterator[Element]:
    """Yield a line that says how many were too many to be listed, if any."""
    if len(all_of_them) > MAX_LISTED:
        yield tag("p", f"{len(all_of_them) - MAX_LISTED} more {what}", class_="quiet")


def figure_table(heads: Sequence[str], rows: Iterable[Element], label: str) -> Element:
    """Return a table of figures, which scrolls where a window is too narrow for it."""
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    shown_ = tag("table", head, tag("tbody", *rows), class_="figures")
    return tag("div", shown_, class_="scroll", tabindex="0", role="region", aria_label=f"table: {label}")


def missing() -> Element:
    """Return what stands where nothing was measured."""
    return tag("span", "\u2013", title="not measured", class_="quiet")


def change_mark(change: Change) -> Element:
    """Return how a value was before and by how much it is worse or better, in words and colour."""
    was = f"was {shown(change.name, change.before)}" if change.before is not None else "not measured before"
    return tag("span", f"{was} ", _change_chip(change), class_="quiet was")


def _change_chip(change: Change) -> Element:
    if change.worse is None:
        return chip("skip", "\u2013", "cannot be compared")
    if change.now is None:
        return chip("fail", "\u25b2", "gone")
    if not change.worse:
        return chip("skip", "=", "same")
    return chip(
        "fail" if change.worse > 0 else "pass", "\u25b2" if change.worse > 0 else "\u25bc", change_text(change.worse)
    )


def changes_section(results: Sequence[BenchResult]) -> Iterator[Element]:
    """Yield what got worse, the worst first, and all else that was compared, folded; nothing for one result."""
    if len(results) < 2:
        return
    found = changes(results[1], results[0])
    worse = sorted((each for each in found if each.worse and each.worse > 0), key=lambda each: -(each.worse or 0.0))
    others = [each for each in found if each not in worse]
    yield tag("h2", "What got worse", id="worse")
    if worse:
        yield _changes(worse, "what got worse")
    else:
        yield tag("p", chip("pass", "\u2713", "nothing"), " got worse by more than a machine's timers differ (1 ms).")
    if others:
        yield fold(f"{len(others)} others that were compared", _changes(others, "what did not get worse"))


def _changes(found: Sequence[Change], label: str) -> Element:
    rows = [
        tag("tr", tag("th", tag("code", each.name), scope="row"), tag("td", _change_chip(each)),
            tag("td", _value(each.name, each.now)), tag("td", _value(each.name, each.before)))
        for each in found
    ]  # fmt: skip
    return figure_table(["value", "change", "now", "before"], rows, label)


def _value(name: str, value: float | None) -> Element:
    return missing() if value is None else tag("span", shown(name, value))


def times_section(results: Sequence[BenchResult], names: Sequence[str]) -> Iterator[Element]:
    """Yield the times of the first result, each beside what it was in the other."""
    yield tag("h2", "Times", id="times")
    if len(names) > 1:
        yield tag("p", f"{names[0]}, and below each figure the one of {names[1]}. p99 and max differ from run to run, "
                  "and are not judged.", class_="quiet")  # fmt: skip
    by_name = {each.name: each for each in changes(results[1], results[0])} if len(results) > 1 else {}
    values = [result.values() for result in results]
    rows = []
    for title, metric in ROWS:
        of_metric = [result.figures.times[metric].count for result in results]
        if any(of_metric):
            cells = [_counts(of_metric)]
            cells += [_cell(f"{metric}_{each}", values, by_name) for each in _STATISTICS]
            rows.append(tag("tr", tag("th", title.strip(), scope="row"), *cells))
    yield figure_table(["time", "count", *_STATISTICS], rows, "times")


def _counts(counts: Sequence[int]) -> Element:
    before = [tag("span", f"was {counts[1]}", class_="quiet was")] if len(counts) > 1 else []
    return tag("td", str(counts[0]), *before)


def _cell(name: str, values: Sequence[dict[str, float | None]], by_name: dict[str, Change]) -> Element:
    cell = tag("td", _value(name, values[0][name]))
    if name in COMPARED and name in by_name:
        cell.append(change_mark(by_name[name]))
    elif len(values) > 1:
        before = values[1][name]
        cell.append(tag("span", "not measured before" if before is None else f"was {shown(name, before)}",
                        class_="quiet was"))  # fmt: skip
    return cell
