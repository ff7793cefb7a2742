"""Outlines lose no peak, whatever the rate and however samples are cut, and stay small for long sounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audiosocket_cli.analysis import peaks
from audiosocket_cli.analysis.peaks import FACTOR, STEP_S, Peaks
from audiosocket_cli.audio.pcm import Samples


def outline(samples: Samples, rate_hz: int, block: int) -> Peaks:
    taken = Peaks(rate_hz)
    for start in range(0, len(samples), block):
        taken.take(samples[start : start + block])
    return taken


@given(arrays(np.int16, st.integers(1, 2000)), st.sampled_from([8000, 11025, 44100]), st.integers(1, 700))
def test_any_cut_gives_the_same_outline_which_holds_all_samples(samples: Samples, rate_hz: int, block: int) -> None:
    levels = outline(samples, rate_hz, block).levels()
    whole = outline(samples, rate_hz, len(samples)).levels()
    assert [level.pairs.tolist() for level in levels] == [level.pairs.tolist() for level in whole]
    steps = np.minimum((np.arange(len(samples)) / rate_hz / STEP_S + 1e-9).astype(int), len(levels[0].pairs) - 1)
    low, high = levels[0].pairs[steps].T.astype(int) * 256
    is_heard = np.abs(samples.astype(int)) >= 32
    assert (low[is_heard] <= samples[is_heard]).all()
    assert (np.where(high == 127 * 256, 32767, high)[is_heard] >= samples[is_heard]).all()


def test_each_level_has_the_peaks_of_the_one_before() -> None:
    rng = np.random.default_rng(1)
    levels = outline((rng.normal(0, 3000, 8000 * 60)).astype(np.int16), 8000, 5000).levels()
    assert [round(level.step_s / STEP_S) for level in levels] == [1, 4, 16]
    for fine, coarse in itertools.pairwise(levels):
        for number in (0, 7, len(coarse.pairs) - 1):
            part = fine.pairs[FACTOR * number : FACTOR * (number + 1)]
            assert coarse.pairs[number].tolist() == [part[:, 0].min(), part[:, 1].max()]


def test_full_scale_silence_and_what_nobody_hears() -> None:
    def pair(*values: int) -> list[int]:
        (level,) = outline(np.array(values, np.int16), 8000, 10).levels()
        return level.pairs[0].tolist()

    assert pair(-32768, 32767) == [-128, 127]
    assert pair(0, 0) == [0, 0]
    assert pair(-31, 31) == [0, 0]
    assert pair(-32, 32) == [-1, 1]
    assert pair(300, 500) == [1, 2]


def test_nothing_has_no_outline() -> None:
    assert Peaks(8000).levels() == []


def test_the_finest_level_of_a_long_sound_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "MAX_PAIRS", 1000)
    levels = outline(np.full(8000 * 11, 1000, np.int16), 8000, 4000).levels()
    assert [(level.step_s, len(level.pairs)) for level in levels] == [(0.04, 275)]
