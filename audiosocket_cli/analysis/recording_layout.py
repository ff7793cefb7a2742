"""Whose sound is in which channel of a recording."""

from __future__ import annotations

from typing import Final

MIXED: Final = "mixed"
"""A channel that holds both sides, or of which nobody knows whose it is."""

_SIDES: Final = {
    "stereo": ("caller", "server"), "caller": ("caller",), "server": ("server",), "mix": (MIXED,), "mono": (MIXED,),
}  # fmt: skip
"""The sides in a recording's channels, by its layout."""


def layout_of(named: str, channels: int) -> str:
    """Return the layout of a recording with one channel or two: the one that its JSON names, if it can be that one."""
    return named if len(_SIDES.get(named, ())) == channels else "stereo" if channels == 2 else "mono"


def sides_of(layout: str) -> tuple[str, ...]:
    """Return the side in each channel of a layout."""
    return _SIDES[layout]
