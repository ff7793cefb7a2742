"""Levels of frames of any length, in blocks of one length."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.block_levels import pieces_of
from audiosocket_cli.analysis.noise_floor import levels_of
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.runs import MixedRun, TimedRun

LEVEL = levels_of(np.array([0.25]))


def run_of(sizes: list[int], kind: int = Kind.SLIN, loud: bool = True) -> list[tuple[float, float, int, bytes]]:
    """Frames of so many samples that follow on from each other."""
    chunks, at_s = [], 0.0
    for size in sizes:
        at_s += size / 8000
        payload = np.full(size, 16384 if loud else 0, "<i2").tobytes()
        chunks.append((at_s, 0.0, 1, encode(Frame(kind, payload))))
    return chunks


@pytest.mark.parametrize(
    ("size", "frames", "blocks"), [(160, 50, 50), (480, 10, 30), (80, 20, 10), (1, 800, 5), (168, 40, 40)]
)
def test_equal_frames_of_any_length(size: int, frames: int, blocks: int) -> None:
    ((seconds, levels),) = pieces_of(TimedRun(run_of([size] * frames)))
    assert seconds == pytest.approx(size * frames / 8000)
    assert levels == LEVEL * blocks


def test_each_part_is_a_piece() -> None:
    chunks = run_of([160] * 4) + [(at_s + 1.0, held_s, n, data) for at_s, held_s, n, data in run_of([160] * 3)]
    assert [len(levels) for _, levels in pieces_of(TimedRun(chunks))] == [4, 3]


def test_frames_that_keep_changing() -> None:
    pieces = list(pieces_of(MixedRun(run_of([160, 80, 80, 320, 7, 13]))))
    assert sum(seconds for seconds, _ in pieces) == pytest.approx(660 / 8000)
    assert all(set(levels) <= set(LEVEL) for _, levels in pieces)
    assert all(set(levels) == {0} for _, levels in pieces_of(MixedRun(run_of([160, 80, 90], loud=False))))


def test_silence_is_level_zero_and_less_than_a_sample_is_nothing() -> None:
    assert list(pieces_of(TimedRun(run_of([160] * 3, loud=False)))) == [(pytest.approx(0.06), b"\0\0\0")]
    half = [(0.02, 0.0, 1, encode(Frame(Kind.SLIN, b"\x01")))]
    assert list(pieces_of(TimedRun(half))) == [(0.0, b"")]
