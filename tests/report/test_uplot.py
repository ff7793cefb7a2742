"""uPlot, which is kept here whole: the files are those that its makers published, with their licence."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest

VERSION = "1.6.32"

PUBLISHED = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot-licence.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of dist/uPlot.iife.min.js, dist/uPlot.min.css and LICENSE of the npm package uplot 1.6.32."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_file_is_the_published_one(name: str) -> None:
    content = files("audiosocket_cli").joinpath("report", "assets", name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == PUBLISHED[name]


def test_it_says_what_it_is() -> None:
    assets = files("audiosocket_cli").joinpath("report", "assets")
    assert f"uPlot (v{VERSION})" in assets.joinpath("uplot.js").read_text()[:100]
    assert assets.joinpath("uplot-licence.txt").read_text().startswith("The MIT License (MIT)")
