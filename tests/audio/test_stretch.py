"""Samples made fewer or more without being heard."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.audio.stretch import EDGE, stretched


@pytest.mark.parametrize("more", [-64, -3, -1, 1, 3, 64])
@pytest.mark.parametrize("hz", [300, 1000, 3400])
def test_samples_are_made_fewer_or_more_without_being_heard(more: int, hz: int) -> None:
    samples = tone(hz, 8000, 0.8, -10.0)
    made = stretched(samples, len(samples) + more)
    assert len(made) == len(samples) + more
    np.testing.assert_array_equal(made[:EDGE], samples[:EDGE])
    np.testing.assert_array_equal(made[-EDGE:], samples[-EDGE:])
    place = np.interp(np.arange(len(made)), [0, EDGE, len(made) - EDGE, len(made)],
                      [0, EDGE, len(samples) - EDGE, len(samples)])  # fmt: skip
    wanted = 10 ** (-10 / 20) * np.sqrt(2) * 32768 * np.sin(2 * np.pi * hz / 8000 * place)
    error = made - wanted
    assert 10 * np.log10(np.mean(wanted**2) / np.mean(error**2)) > (50 if hz < 3000 else 35)  # dB


def test_silence_stays_silence_and_loud_stays_in_range() -> None:
    assert not stretched(np.zeros(1000, np.int16), 1010).any()
    square = np.where(np.arange(1000) % 50 < 25, 32767, -32768).astype(np.int16)
    assert np.abs(stretched(square, 990).astype(int)).max() <= 32768


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="10 samples are too few to make 11 of them"):
        stretched(np.zeros(10, np.int16), 11)
