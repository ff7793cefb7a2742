"""A load in words: by how much a value got worse."""

from __future__ import annotations

import pytest

from audiosocket_cli.ui.bench_report import change_text


@pytest.mark.parametrize(
    ("worse", "text"),
    [
        (0.0, "same"),
        (0.12, "12% worse"),
        (-0.5, "50% better"),
        (1.0, "100% worse"),
        (1.5, "2.5 times as much"),
        (29.36, "30 times as much"),
        (9999.0, "10,000 times as much"),
    ],
)
def test_a_change_is_told_in_percent_and_beyond_twice_in_times(worse: float, text: str) -> None:
    assert change_text(worse) == text
