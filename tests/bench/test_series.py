"""A load over time: what each step of it counted, by the reports of its processes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.series import MAX_STEPS, Series, SeriesMaker
from audiosocket_cli.bench.usage import Sample


def after(before: Figures, turns_ms: list[float], **counts: int) -> Figures:
    """Return all that was counted once these came, too."""
    made = Figures.from_json(before.as_json())
    for value_ms in turns_ms:
        made.times["turn"].add_one(value_ms)
    made.counts.update(counts)
    return made


def made_of(*turns_ms: list[float]) -> Series:
    """Return the series of one process that reports these each second."""
    maker, figures = SeriesMaker(), Figures()
    for second, values_ms in enumerate(turns_ms, 1):
        figures = after(figures, values_ms, placed=len(values_ms))
        maker.report(0, float(second), figures, second)
    return maker.series()


def near(*values_ms: float | None) -> list[Any]:
    """As exact as the buckets are."""
    return [None if value_ms is None else pytest.approx(value_ms, rel=0.006) for value_ms in values_ms]


def test_each_step_has_what_came_in_it_alone() -> None:
    series = made_of([100, 100, 900], [], [300])
    assert series.step_s == 1.0
    assert series.times["turn"]["count"] == [3, 0, 1]
    assert series.times["turn"]["p50"] == near(100, None, 300)
    assert series.times["turn"]["p95"] == near(900, None, 300)
    assert series.counts == {"placed": [3, 0, 1]}
    assert series.calls_open == [1, 2, 3]
    assert list(series.times) == ["turn"]


def test_what_several_processes_counted_is_one_step() -> None:
    maker, one, other = SeriesMaker(), Figures(), Figures()
    for second in (1, 2):
        one, other = after(one, [100] * 9, placed=1), after(other, [500], placed=2)
        maker.report(0, second + 0.01, one, 4)
        maker.report(1, second + 0.4, other, 3)
    series = maker.series()
    assert series.times["turn"]["count"] == [10, 10]
    assert series.times["turn"]["p50"] == near(100, 100)
    assert series.times["turn"]["p99"] == near(500, 500)
    assert series.counts["placed"] == [3, 3]
    assert series.calls_open == [7, 7]


def test_a_report_that_comes_late_is_counted_where_most_of_its_time_lies() -> None:
    maker = SeriesMaker()
    maker.report(0, 1.0, Figures(), 0)
    maker.report(0, 6.0, after(Figures(), [7.0]), 0)
    assert maker.series().times["turn"]["count"] == [0, 0, 0, 1]


@pytest.mark.parametrize("seconds", [MAX_STEPS, MAX_STEPS + 1, 5 * MAX_STEPS])
def test_a_long_load_has_longer_steps_and_loses_nothing(seconds: int) -> None:
    series = made_of(*([float(second)] for second in range(1, seconds + 1)))
    assert series.steps <= MAX_STEPS
    assert series.steps * series.step_s >= seconds > (series.steps - 1) * series.step_s
    per_step = int(series.step_s)
    assert series.step_s == {MAX_STEPS: 1, MAX_STEPS + 1: 2, 5 * MAX_STEPS: 8}[seconds]
    counts = series.times["turn"]["count"]
    assert counts[:-1] == [per_step] * (series.steps - 1)
    assert sum(count or 0 for count in counts) == seconds
    assert series.times["turn"]["p99"][10] == pytest.approx(11 * per_step, rel=0.006)
    assert series.calls_open[10] == 11 * per_step


def test_what_the_server_used_is_a_share_of_the_time_between_looks() -> None:
    maker = SeriesMaker()
    for at_s, cpu_s, rss_mib in ((0.0, 5.0, 10.0), (1.0, 5.5, 20.0), (2.0, 5.6, 15.0), (4.0, 6.6, 15.0)):
        maker.use(at_s, Sample(100 + at_s, cpu_s, rss_mib))
    series = maker.series()
    assert series.cpu_percent == [50.0, 10.0, None, 50.0]
    assert series.rss_mib == [20.0, 15.0, None, 15.0]


def test_without_a_process_to_watch_nothing_is_said_of_one() -> None:
    series = made_of([1.0])
    assert (series.cpu_percent, series.rss_mib) == ([], [])


def test_it_is_the_same_after_a_file() -> None:
    series = made_of([100, 200], [], [300])
    assert Series.from_json(json.loads(json.dumps(series.as_json()))) == series
    assert Series.from_json(SeriesMaker().series().as_json()).steps == 0


@pytest.mark.parametrize(
    "change",
    [
        {"calls_open": [1, 2]}, {"calls_open": [1, 2, "x"]}, {"calls_open": [1, 2, -3]}, {"step_s": 0},
        {"calls_open": [1, math.nan, 1]}, {"step_s": math.inf}, {"counts": 3}, {"counts": {"placed": [1]}},
        {"times": {"turn": {}}}, {"rss_mib": [1]}, {"calls_open": [0] * 20_000, "counts": {}, "times": {}},
    ],
    ids=str,
)  # fmt: skip
def test_other_content_is_refused(change: dict[str, Any]) -> None:
    content = made_of([100], [200], []).as_json() | change
    with pytest.raises((ValueError, TypeError, KeyError)):
        Series.from_json(content)
