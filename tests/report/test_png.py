"""PNG that others read: the same shades come out."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.report.png import grey_png
from support.reported import shades_in


@pytest.mark.parametrize("shape", [(1, 1), (64, 4096), (3, 7)])
def test_shades_come_out_as_they_went_in(shape: tuple[int, int]) -> None:
    shades = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert (shades_in(grey_png(shades)) == shades).all()
