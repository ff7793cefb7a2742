"""The verdict of a load, for its page: whether it counts, large figures, and the thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.verdict import Change, changes, parse_threshold, shown
from audiosocket_cli.errors import UsageError
from audiosocket_cli.report.bench_tables import (
    MAX_LISTED,
    change_mark,
    changes_section,
    figure_table,
    left_out,
    missing,
)
from audiosocket_cli.text import counted
from audiosocket_cli.ui.bench_report import ADVICE, errors_text, load_text, stream_text
from audiosocket_cli.ui.html import chip, tag

_LARGE: Final = (
    ("turn_p50", "Answer, p50"), ("turn_p95", "Answer, p95"), ("echo_p50", "Echo, p50"), ("echo_p95", "Echo, p95"),
    ("connect_p95", "Connect, p95"), ("jitter_p95", "Jitter, p95"), ("error_rate", "Failed calls"),
    ("cpu_percent", "CPU of the server"), ("rss_mib", "Memory of the server"),
)  # fmt: skip
"""Values that are shown as large figures, where they were measured."""


def verdict_sections(results: Sequence[BenchResult], names: Sequence[str]) -> Iterator[Element]:
    """Yield what is to be seen first."""
    for number, (result, name) in enumerate(zip(results, names, strict=True)):
        if result.invalid:
            yield _invalid(result, name, is_old=number > 0)
    pairs = zip(results, names, strict=True)
    cards = [_card(result, name, is_old=number > 0) for number, (result, name) in enumerate(pairs)]
    yield tag("div", *cards, class_="servers")
    yield _large(results)
    yield from changes_section(results)
    yield from _thresholds(results[0])


def _invalid(result: BenchResult, name: str, *, is_old: bool) -> Element:
    what = f"The result to compare with, {name}, says nothing about the server" if is_old else (
        "These figures say nothing about the server: this machine did not keep up")  # fmt: skip
    faults = [tag("li", str(fault)) for fault in result.invalid[:MAX_LISTED]]
    return tag("section", tag("h2", "INVALID"), tag("p", what, class_="large"), tag("ul", *faults),
               *left_out(result.invalid, "reasons"), tag("p", f"What to do: {ADVICE}."), class_="banner")  # fmt: skip


def _card(result: BenchResult, name: str, *, is_old: bool) -> Element:
    when = f"{result.started_at[:19].replace('T', ' ')}, {result.elapsed_s:.1f} s"
    counts = result.figures.counts
    calls = (f"{counts['placed']} calls placed, {counts['connected']} connected, "
             f"at most {result.calls_at_once} at once")  # fmt: skip
    stopped = [] if result.signal is None else [tag("p", "It was stopped before its end.")]
    quiet = [tag("p", text, class_="quiet") for text in (calls, errors_text(result), stream_text(result), when)]
    head = f"{name} (compared with)" if is_old else name
    load = tag("p", load_text(result.settings))
    return tag(
        "section", tag("h2", head), tag("p", *_verdict(result), class_="verdict"), load, *stopped, *quiet, class_="card"
    )


def _verdict(result: BenchResult) -> tuple[Element, str]:
    """Return the verdict of a result, and its reason."""
    failed = [*result.failures, *(each.failure for each in checked(result) if each.failure)]
    if result.invalid:
        return chip("fail counts", "!", "INVALID"), f" {counted(len(result.invalid), 'reason')}"
    if failed:
        return chip(
            "fail counts", "\u2717", "failed"
        ), f" {failed[0] if len(failed) == 1 else counted(len(failed), 'fault')}"
    calls = counted(result.figures.counts["placed"], "call")
    checks = len(result.thresholds)
    text = f" {checks} of {checks} thresholds" if checks else ""
    if result.errors:
        return chip("unknown", "!", counted(result.errors, "error")), f"{text and text + ','} in {calls}"
    return chip("pass", "\u2713", "passed" if checks else "no errors"), f"{text and text + ', no errors'} in {calls}"


class Checked(NamedTuple):
    """A threshold, what there was, and why it does not hold; None where it does."""

    text: str
    value: str | None
    failure: str | None


def checked(result: BenchResult) -> list[Checked]:
    """Return what the thresholds of a load found."""
    values = result.values()
    found = []
    for text in result.thresholds:
        try:
            threshold = parse_threshold(text)
        except UsageError as error:
            found.append(Checked(text, None, str(error)))
            continue
        value = values[threshold.name]
        found.append(Checked(text, None if value is None else shown(threshold.name, value), threshold.failure(values)))
    return found


def _thresholds(result: BenchResult) -> Iterator[Element]:
    found = checked(result)
    yield tag("h2", "Thresholds", id="thresholds")
    if not found:
        yield tag("p", "None were set (", tag("code", "bench --threshold"), ").", class_="quiet")
        return
    rows = [
        tag("tr", tag("th", tag("code", each.text), scope="row"), tag("td", each.value or missing()),
            tag("td", _held(each)))
        for each in found[:MAX_LISTED]
    ]  # fmt: skip
    yield figure_table(["threshold", "found", "verdict"], rows, "thresholds")
    yield from left_out(found, "thresholds")


def _held(each: Checked) -> Element:
    if each.failure is None:
        return chip("pass", "\u2713", "holds")
    return chip("fail counts", "\u2717", "broken")


def _large(results: Sequence[BenchResult]) -> Element:
    values = [result.values() for result in results]
    by_name = {each.name: each for each in changes(results[1], results[0])} if len(results) > 1 else {}
    tiles = [_tile(title, name, values[0][name], by_name.get(name)) for name, title in _LARGE
             if values[0][name] is not None]  # fmt: skip
    return tag("dl", *tiles, class_="tiles")


def _tile(title: str, name: str, value: float | None, change: Change | None) -> Element:
    text = tag("dd", tag("span", shown(name, value), class_="large"))
    if change is not None:
        text.append(change_mark(change))
    return tag("div", tag("dt", title), text)
