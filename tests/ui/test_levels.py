"""Levels as bars and ticks, from -60 to 0 dBFS."""

from __future__ import annotations

import pytest

from audiosocket_cli.ui.levels import level_bar, level_style, level_tick


@pytest.mark.parametrize(
    ("level_dbfs", "bar", "tick", "style"),
    [
        (-96.3, "     ", "▁", ""),
        (-60.0, "     ", "▁", ""),
        (-59.0, "▏    ", "▁", "green"),
        (-30.0, "██▌  ", "▅", "green"),
        (-15.0, "███▊ ", "▆", "green"),
        (-5.9, "████▌", "▇", "red"),
        (0.0, "█████", "█", "red"),
        (3.0, "█████", "█", "red"),
    ],
)
def test_a_level_is_as_wide_or_high_as_it_is_loud(level_dbfs: float, bar: str, tick: str, style: str) -> None:
    assert (level_bar(level_dbfs, 5), level_tick(level_dbfs), level_style(level_dbfs)) == (bar, tick, style)
