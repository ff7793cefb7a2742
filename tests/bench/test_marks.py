"""Marks in the audio: found again, however it is framed."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import SPEECH_DBFS, decode_law, from_slin, level_dbfs
from audiosocket_cli.bench.marks import MAX_NUMBERS, MarkFinder, mark, marked


@given(
    st.lists(st.integers(0, MAX_NUMBERS - 1), min_size=1, max_size=8),
    st.lists(st.integers(1, 700), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(0, 1000),
)
def test_marks_survive_any_framing(numbers: list[int], sizes: list[int], batch: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-3000, 3000, 160 * len(numbers)).astype("<i2").tobytes()
    stream = b"".join(marked(noise[n * 320 : n * 320 + 320], number) for n, number in enumerate(numbers))
    frames: list[bytes] = []
    lengths = itertools.cycle(sizes)
    while stream:
        size = next(lengths)
        frames.append(stream[:size])
        stream = stream[size:]
    starts = np.cumsum([0] + [len(frame) for frame in frames])
    expected = [(number, float(np.searchsorted(starts, n * 320, side="right") - 1)) for n, number in enumerate(numbers)]
    finder, found = MarkFinder(), []
    for first in range(0, len(frames), batch):
        some = frames[first : first + batch]
        times = np.arange(first, first + len(some), dtype=float)
        found += finder.find(b"".join(some), np.array([len(frame) for frame in some]), times)
    assert found == expected


@given(st.binary(max_size=2000))
def test_anything_may_be_heard(data: bytes) -> None:
    MarkFinder().find(data, np.array([len(data)]), np.zeros(1))


def test_a_mark_is_too_soft_for_speech() -> None:
    assert level_dbfs(from_slin(marked(bytes(320), MAX_NUMBERS - 1))) < SPEECH_DBFS - 10
    assert len(mark(0)) == 24


@given(st.integers(0, MAX_NUMBERS - 1))
def test_a_mark_survives_mu_law(number: int) -> None:
    """Each of its samples is a value that µ-law has: the nearest one, which any encoder chooses, is itself."""
    levels = decode_law(bytes(range(256)), "µ-law").astype(int)
    samples = from_slin(mark(number)).astype(int)
    nearest = levels[np.abs(levels[None, :] - samples[:, None]).argmin(axis=1)]
    assert nearest.tolist() == samples.tolist()


@given(st.integers(0, MAX_NUMBERS - 1), st.integers(4, 11), st.integers(-15, 15))
def test_a_mark_that_is_damaged_is_none(number: int, place: int, change: int) -> None:
    samples = from_slin(mark(number)).copy()
    samples[place] += change
    found = MarkFinder().find(samples.tobytes(), np.array([24]), np.zeros(1))
    assert [each for each, _ in found] == ([] if change else [number])


times = st.lists(st.floats(0.02, 90_000), min_size=1, max_size=300)
