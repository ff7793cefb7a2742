"""Levels as bars, as wide as they are loud: from nothing at -60 dBFS to all cells at 0."""

from __future__ import annotations

from typing import Final

FLOOR_DBFS: Final = -60.0

_LOUD_DBFS: Final = -6.0
"""Speech whose mean is above this is distorted, or will be by the next that amplifies it."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_TICKS: Final = "▁▂▃▄▅▆▇█"


def level_bar(level_dbfs: float, cells: int) -> str:
    """Return a level as a bar `cells` wide, in steps of an eighth of a cell, padded with spaces."""
    share = min(1.0, max(0.0, 1 - level_dbfs / FLOOR_DBFS))
    whole, eighths = divmod(round(share * cells * 8), 8)
    return ("█" * whole + _EIGHTHS[eighths] * (eighths > 0)).ljust(cells)


def level_tick(level_dbfs: float) -> str:
    """Return a level as one cell of a row of them, which is as high as it is loud; the lowest is silence."""
    return _TICKS[round(min(1.0, max(0.0, 1 - level_dbfs / FLOOR_DBFS)) * (len(_TICKS) - 1))]


def level_style(level_dbfs: float) -> str:
    """Return the colour of a bar, in rich's words; nothing for silence."""
    return "red" if level_dbfs > _LOUD_DBFS else "green" if level_dbfs > FLOOR_DBFS else ""
