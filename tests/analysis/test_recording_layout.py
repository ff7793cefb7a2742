"""Whose sound is in which channel."""

from __future__ import annotations

import pytest

from audiosocket_cli.analysis.recording_layout import layout_of, sides_of


@pytest.mark.parametrize(
    ("named", "channels", "layout", "sides"),
    [
        ("stereo", 2, "stereo", ("caller", "server")), ("", 2, "stereo", ("caller", "server")),
        ("server", 1, "server", ("server",)), ("mix", 1, "mix", ("mixed",)), ("", 1, "mono", ("mixed",)),
        ("stereo", 1, "mono", ("mixed",)),
        ("caller", 2, "stereo", ("caller", "server")),
        ("odd", 1, "mono", ("mixed",)),
    ],
)  # fmt: skip
def test_the_layout_is_the_one_that_is_named_if_it_can_be(
    named: str, channels: int, layout: str, sides: tuple[str, ...]
) -> None:
    assert layout_of(named, channels) == layout
    assert sides_of(layout) == sides
