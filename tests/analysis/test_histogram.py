"""Distributions: percentiles, sums, bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.histogram import Histogram, bars_of

times = st.lists(st.floats(0.02, 90_000), min_size=1, max_size=300)


@given(times, st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_those_of_numpy_within_a_percent(values: list[float], percent: float) -> None:
    histogram = Histogram()
    histogram.add(np.array(values))
    exact = float(np.percentile(values, percent, method="inverted_cdf"))
    assert histogram.percentile_ms(percent) == pytest.approx(exact, rel=0.01)
    assert histogram.mean_ms == pytest.approx(np.mean(values))


@given(times, times)
def test_two_distributions_add_up_to_one(first: list[float], second: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    one.add(np.array(first))
    other.add(np.array(second))
    both.add(np.array(first + second))
    empty = Histogram()
    empty.merge(Histogram.from_json(one.as_json()))
    empty.merge(other)
    merged, whole = empty.as_json(), both.as_json()
    assert merged.pop("sum_ms") == pytest.approx(whole.pop("sum_ms"))
    assert merged == whole
    assert sum(count for _, _, count in both.bars(10)) == len(first) + len(second)


@given(times, times)
def test_what_came_since_then_is_known_without_the_rest(first: list[float], second: list[float]) -> None:
    all_of_it, later = Histogram(), Histogram()
    all_of_it.add(np.array(first))
    before = Histogram.from_json(all_of_it.as_json())
    assert all_of_it.since(before) == {}
    all_of_it.add(np.array(second))
    later.add(np.array(second))
    again = Histogram.of_counts(all_of_it.since(before))
    assert again.count == len(second)
    assert again.bars(5) == later.bars(5)
    assert again.percentile_ms(95) == pytest.approx(later.percentile_ms(95), rel=0.006)
    assert again.mean_ms == pytest.approx(later.mean_ms, rel=0.006)
    assert Histogram.of_counts(later.since(None)).count == len(second)


@given(times, times)
def test_bars_of_several_are_the_same_ranges(first: list[float], second: list[float]) -> None:
    one, other = Histogram(), Histogram()
    one.add(np.array(first))
    other.add(np.array(second))
    found = bars_of([one, other, Histogram()], 20)
    assert 0 < len(found) <= 20
    assert [to_ms for _, to_ms, _ in found[:-1]] == [from_ms for from_ms, _, _ in found[1:]]
    assert [sum(counts) for counts in zip(*(counts for _, _, counts in found), strict=True)] == [
        len(first), len(second), 0
    ]  # fmt: skip


def test_of_nothing_there_are_no_percentiles() -> None:
    assert (Histogram().percentile_ms(50), Histogram().mean_ms, Histogram().bars(5)) == (None, None, [])
    assert Histogram.of_counts({}).count == 0
    assert Histogram().since(None) == {}
