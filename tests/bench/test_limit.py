"""The search for the largest load that holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.limit import Step, find_limit


@given(st.integers(1, 3000), st.integers(1, 500))
def test_the_limit_is_found(limit: int, first: int) -> None:
    search = find_limit(first, 5000, lambda calls: Step(calls, ["broke"] if calls > limit else []))
    assert search.held <= limit
    assert search.broke is not None
    assert search.broke.calls - search.held <= max(1, 0.1 * search.held)
    assert len(search.steps) < 30
