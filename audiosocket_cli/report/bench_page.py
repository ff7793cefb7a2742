"""The page of a load: its verdict first, what got worse, how it went over time, how its times are spread, its settings.

A page shows one result, or two side by side: the second is then what the first is compared with, by the rule of
`bench --compare`. What its charts show is in `bench_data`; they are drawn by uPlot and by assets/bench_*.js.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.bench.result import BenchResult, result_from_json
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.report.bench_data import chart_data
from audiosocket_cli.report.bench_tables import times_section
from audiosocket_cli.report.bench_verdict import verdict_sections
from audiosocket_cli.report.bench_words import finding_section, reason_section, settings_section
from audiosocket_cli.text import printable
from audiosocket_cli.ui.html import data, fold, own_text, page, tag

_STYLES: Final = ("uplot.css", "bench.css")
_SCRIPTS: Final = ("uplot.js", "bench_text.js", "bench_plots.js", "bench_tables.js", "bench_start.js")


def bench_page(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """Return the page of one result that `bench --output` wrote, as its JSON, or of two: now, and before.

    `names` are those of their files. Raises `FileError` where a result is not complete, and `UsageError` where there
    are not one or two.
    """
    if not 1 <= len(results) <= 2:
        raise UsageError(f"a page shows one result of bench, or two side by side, not {len(results)}")
    found = [result_from_json(content, name) for content, name in zip(results, names, strict=True)]
    try:
        return _page(found, _short(names))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        # Files of others: the parts that are read without a look at each value.
        raise FileError(f"cannot read {' or '.join(names)}: it is not complete: {error}") from None


def _short(names: Sequence[str]) -> list[str]:
    """Return the names of files without their folders, where they still differ."""
    short = [Path(name).name or name for name in names]
    return short if len(set(short)) == len(short) else list(names)


def _page(results: Sequence[BenchResult], names: Sequence[str]) -> bytes:
    title = f"Load test of {results[0].settings['target']}"
    drawn = chart_data(results) | {"names": [printable(name) for name in names]}
    content = [
        *verdict_sections(results, names),
        *times_section(results, names),
        *_over_time(drawn["charts"], results, names),
        *_spread(drawn["histograms"], names),
        *reason_section(results, names),
        *finding_section(results, names),
        *settings_section(results, names),
    ]
    return page(
        title,
        *content,
        data("bench-data", drawn),
        narrow_rem=0,
        styles=[own_text(f"report/assets/{name}") for name in _STYLES],
        scripts=[own_text(f"report/assets/{name}") for name in _SCRIPTS],
    )


def _over_time(
    charts: Sequence[Mapping[str, Any]], results: Sequence[BenchResult], names: Sequence[str]
) -> Iterator[Element]:
    yield tag("h2", "Over time", id="over-time")
    missing = [name for name, result in zip(names, results, strict=True) if result.series is None]
    if missing:
        yield tag("p", f"{' and '.join(missing)}: not measured over time, as an older release kept it", class_="quiet")
    if not charts:
        return
    step_s = " and ".join(sorted({f"{result.series.step_s:g} s" for result in results if result.series}))
    yield tag("p", f"One point for {step_s}. Move along a chart, or focus it and press the arrow keys.",
              class_="quiet screen")  # fmt: skip
    yield _noscript()
    yield tag(
        "div", *(_chart(chart, names) for chart in charts), class_="charts" if len(names) == 1 else "charts pairs"
    )


def _chart(chart: Mapping[str, Any], names: Sequence[str]) -> Element:
    plots = [_plot(chart, number, name, len(names) > 1) for number, name in enumerate(names)]
    return tag("figure", _caption(chart), tag("div", *plots, class_="plots"), _numbers(chart),
               class_="chart", data_chart=chart["name"])  # fmt: skip


def _plot(chart: Mapping[str, Any], number: int, name: str, is_named: bool) -> Element:
    label = f"{chart['title']}{f', {name}' if is_named else ''}"
    heads = [tag("p", name, class_="whose")] if is_named else []
    if chart["plots"][number] is None:
        return tag("div", *heads, tag("p", "not measured over time", class_="quiet"), class_="plot")
    ranges = ", ".join(_ranges(chart, number)) or "nothing"
    drawn = tag("div", role="group", aria_label=f"chart: {label}: {ranges}", tabindex="0", class_="drawn",
                data_plot=str(number))  # fmt: skip
    return tag("div", *heads, drawn, tag("p", aria_live="polite", class_="said"), class_="plot")


def _ranges(chart: Mapping[str, Any], number: int) -> Iterator[str]:
    """Yield what a plot has, in words, for those who cannot see it."""
    for label, line in zip(chart["labels"], chart["plots"][number]["lines"], strict=True):
        values = [value for value in line if value is not None]
        if values:
            yield f"{label} {min(values):.1f} to {max(values):.1f} {chart['unit']}"


def _spread(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Element]:
    if not found:
        return
    yield tag("h2", "How the times are spread", id="spread")
    yield tag("p", "The share of all values in each range, on a logarithmic axis.", class_="quiet")
    yield tag("div", *(_histogram(each, names) for each in found), class_="charts")


def _histogram(histogram: Mapping[str, Any], names: Sequence[str]) -> Element:
    drawn = tag("div", role="group", aria_label=f"histogram: {histogram['title']}, {' and '.join(names)}",
                tabindex="0", class_="drawn", data_plot="0")  # fmt: skip
    plot = tag("div", drawn, tag("p", aria_live="polite", class_="said"), class_="plot")
    return tag("figure", _caption(histogram), tag("div", plot, class_="plots"), _numbers(histogram),
               class_="chart", data_histogram=histogram["name"])  # fmt: skip


def _caption(drawn: Mapping[str, Any]) -> Element:
    return tag("figcaption", tag("h3", drawn["title"]), tag("p", drawn["about"], class_="quiet"))


def _numbers(drawn: Mapping[str, Any]) -> Element:
    """Return the fold that a script fills with the numbers of a chart once it is opened."""
    words = tag("span", "Numbers", tag("span", f" of {drawn['title']}", class_="unseen"))
    return fold(words, tag("div", tabindex="0", role="region", aria_label=f"numbers of {drawn['title']}",
                           class_="scroll"), class_="numbers screen")  # fmt: skip


def _noscript() -> Element:
    return tag("noscript", tag("p", "The charts need JavaScript; the tables do not."))
