"""Spectrograms: the right level at the right frequency and time, in any cut, and never more than there is room for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis import spectrogram
from audiosocket_cli.analysis.spectrogram import Spectrogram, SpectrogramBuilder
from audiosocket_cli.audio.pcm import Samples, tone


def built(samples: Samples, rate_hz: int = 8000, block: int = 3000) -> Spectrogram:
    builder = SpectrogramBuilder(rate_hz)
    for start in range(0, len(samples), block):
        builder.take(samples[start : start + block])
    return builder.finish()


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 48000])
def test_a_tone_is_at_its_frequency_with_its_level(rate_hz: int) -> None:
    found = built(tone(1000, rate_hz, 2.0, level_dbfs=-20.0), rate_hz)
    middle = found.power[10:-10].mean(axis=0)
    row_hz = found.top_hz / len(middle)
    assert found.top_hz == rate_hz / 2
    assert abs((int(middle.argmax()) + 0.5) * row_hz - 1000) <= row_hz
    assert 10 * np.log10(middle.sum()) == pytest.approx(-20.0, abs=0.1)


def test_columns_are_in_time() -> None:
    samples = np.zeros(8000, np.int16)
    samples[4000:4800] = tone(1000, 8000, 0.1)
    found = built(samples)
    loud = np.flatnonzero(found.power.sum(axis=1) > 1e-3) * found.column_s
    assert loud[0] == pytest.approx(0.5, abs=0.016)
    assert loud[-1] + found.column_s == pytest.approx(0.6, abs=0.016)
    assert len(found.power) * found.column_s == pytest.approx(1.0, abs=found.column_s)


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 6000))
def test_any_cut_gives_the_same(block: int, count: int) -> None:
    samples = np.random.default_rng(2).normal(0, 3000, count).astype(np.int16)
    found, whole = built(samples, block=block), built(samples, block=count)
    assert found.power == pytest.approx(whole.power, rel=1e-3, abs=1e-9)
    assert len(found.power) == -(-count // 64)


@pytest.mark.parametrize("block", [777, 8000, 100_000])
def test_a_long_sound_has_fewer_rows_and_then_longer_columns(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(3).normal(0, 3000, 8000 * 30).astype(np.int16)
    fine = built(samples)
    monkeypatch.setattr(spectrogram, "_MAX_VALUES", 64 * 500)
    coarse = built(samples, block=block)
    assert coarse.power.shape == (469, 64)
    assert coarse.column_s == 8 * fine.column_s
    expected = fine.power[: 468 * 8].reshape(468, 8, 64, -1).sum(axis=3).mean(axis=1)
    assert coarse.power[:468] == pytest.approx(expected, rel=1e-3)


def test_shades_go_from_black_to_white() -> None:
    power = np.array([[0, 1e-12, 10**-5, 10**-1, 10]], np.float32)
    assert Spectrogram(0.01, 4000, power).shades().tolist() == [[0, 0, 128, 255, 255]]


def test_nothing_and_silence() -> None:
    assert built(np.zeros(0, np.int16)).power.shape == (0, 128)
    assert not built(np.zeros(1000, np.int16)).shades().any()
