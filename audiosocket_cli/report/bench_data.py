"""The data of the charts of a bench page, as one JSON object that its scripts read.

Each chart has one plot for each result, both of one scale; each histogram has the same ranges for all results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.histogram import bars_of
from audiosocket_cli.bench.figures import ERRORS
from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.series import PERCENTS, Row, Series

_MAX_BARS: Final = 48


class Metric(NamedTuple):
    """A distribution of times that is drawn."""

    name: str
    title: str
    about: str


METRICS: Final = (
    Metric("turn", "Answer", "from the end of our speech to the server's first loud frame"),
    Metric("echo", "Echo", "from when a marked frame was due until it came back"),
    Metric("barge_in", "Barge-in", "from when we interrupt the server until it is quiet"),
    Metric("connect", "Connect", "from when a call was due to its connection"),
    Metric("first_speech", "First speech", "from the UUID to the server's first loud frame"),
    Metric("jitter", "Jitter", "how much the time between two frames differs from their length"),
    Metric("lateness", "Our own lateness", "how long after its deadline this machine sent a frame: not the server's"),
)

_FAILED: Final = ("not_placed", *ERRORS)

_HARM: Final = {
    "turns_unanswered": "turns unanswered", "gaps_60": "gaps over 60 ms", "bursts": "bursts",
    "ended_by_server": "ended by the server", "left_out": "left out",
}  # fmt: skip


def chart_data(results: Sequence[BenchResult]) -> dict[str, Any]:
    """Return the charts over time, and the histograms, of one result or two."""
    return {"charts": list(_charts(results)), "histograms": list(_histograms(results))}


def _charts(results: Sequence[BenchResult]) -> Iterator[dict[str, Any]]:
    series = [result.series for result in results]
    for metric in METRICS:
        lines = [_percentiles(one, metric.name) for one in series]
        yield from _chart(metric.name, f"{metric.title} over time", metric.about, "ms", series, lines)
    lines = [{"calls open": one.calls_open} if one else {} for one in series]
    yield from _chart("calls_open", "Calls open", "the most at once, looked at once a second", "calls", series, lines)
    failed = {name: name.replace("_", " ") for name in _FAILED}
    yield from _chart(
        "errors", "Failed calls", "in each step, by what failed", "calls", series, _counted(series, failed)
    )
    yield from _chart("harm", "What else happened", "in each step", "times", series, _counted(series, _HARM))
    lines = [{"CPU": one.cpu_percent} if one and one.cpu_percent else {} for one in series]
    yield from _chart("cpu", "CPU of the server", "of the process --pid; 100 is one core", "%", series, lines)
    lines = [{"memory": one.rss_mib} if one and one.rss_mib else {} for one in series]
    yield from _chart("memory", "Memory of the server", "of the process --pid", "MiB", series, lines)


def _percentiles(series: Series | None, name: str) -> Mapping[str, Row]:
    rows = series.times.get(name) if series else None
    return {f"p{percent}": rows[f"p{percent}"] for percent in PERCENTS} if rows else {}


def _counted(series: Sequence[Series | None], labels: Mapping[str, str]) -> list[Mapping[str, Row]]:
    """Return the counts that any result has, for each: 0 where it counted none."""
    names = [name for name in labels if any(one and name in one.counts for one in series)]
    zeros: list[Row] = [[0] * one.steps if one else [] for one in series]
    return [
        {labels[name]: one.counts.get(name, zero) for name in names} if one else {}
        for one, zero in zip(series, zeros, strict=True)
    ]


def _chart(
    name: str, title: str, about: str, unit: str, series: Sequence[Series | None], lines: Sequence[Mapping[str, Row]]
) -> Iterator[dict[str, Any]]:
    """Yield a chart, if any result has lines for it; a result without them has a plot that says so."""
    if not any(row for each in lines for row in each.values()):
        return
    labels = list(dict.fromkeys(label for each in lines for label in each))
    plots = [
        {"step_s": one.step_s, "lines": [each.get(label, [None] * one.steps) for label in labels]}
        if one and each else None
        for one, each in zip(series, lines, strict=True)
    ]  # fmt: skip
    yield {"name": name, "title": title, "about": about, "unit": unit, "labels": labels, "plots": plots}


def _histograms(results: Sequence[BenchResult]) -> Iterator[dict[str, Any]]:
    for metric in METRICS:
        bars = bars_of([result.figures.times[metric.name] for result in results], _MAX_BARS)
        if bars:
            edges_ms = [round(from_ms, 4) for from_ms, _, _ in bars] + [round(bars[-1][1], 4)]
            counts = [list(row) for row in zip(*(counts for _, _, counts in bars), strict=True)]
            yield {"name": metric.name, "title": metric.title, "about": metric.about, "edges_ms": edges_ms,
                   "counts": counts}  # fmt: skip
