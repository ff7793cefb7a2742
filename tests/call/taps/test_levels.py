"""Meters: the level of what a side sent lately, whatever frames it came in."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import SILENCE_DBFS, tone
from audiosocket_cli.call.taps.levels import level_of
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.mixed_runs import MixedFrames
from support.watched import in_frames


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_tone_has_its_level(rate_hz: int) -> None:
    assert level_of(in_frames(tone(400, rate_hz, 0.2, -21.0), rate_hz)) == pytest.approx(-21.0, abs=0.1)


def test_nothing_is_not_silence() -> None:
    assert level_of([]) is None
    assert level_of([b"\x03\x00\x015"]) is None
    assert level_of([encode(Frame(Kind.SLIN, b""))]) is None
    assert level_of([encode(Frame(Kind.SLIN, b"\x7f"))]) is None
    assert level_of([encode(Frame(Kind.SLIN, bytes(320)))]) == SILENCE_DBFS


def test_frames_of_other_kinds_between_them_change_nothing() -> None:
    frames = in_frames(tone(400, 8000, 0.2, -21.0))
    digit = b"\x03\x00\x015"
    assert level_of([*frames[:5], digit, *frames[5:]]) == pytest.approx(-21.0, abs=0.1)
    many = b"".join(frames[:5])
    assert level_of([many, b"".join(frames[5:])]) == pytest.approx(-21, abs=0.1)
    mixed = MixedFrames(many + digit + frames[5], [n * 323 for n in range(6)] + [5 * 323 + 4])
    assert level_of([mixed]) == pytest.approx(-21, abs=0.3)


def test_odd_last_bytes_are_left_out() -> None:
    samples = tone(400, 8000, 0.02, -10.0).astype("<i2").tobytes()
    odd = encode(Frame(Kind.SLIN, samples + b"\x55"))
    assert level_of([odd, odd]) == pytest.approx(-10.0, abs=0.1)


def test_of_a_flood_the_newest_is_measured() -> None:
    loud, quiet = in_frames(tone(400, 8000, 4.0, -10.0)), in_frames(tone(400, 8000, 2.0, -40.0))
    assert level_of([*loud, *quiet]) == pytest.approx(-40.0, abs=0.2)
    assert np.isfinite(level_of(loud * 20) or 0.0)
