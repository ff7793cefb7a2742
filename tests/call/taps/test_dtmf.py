"""Digits in the sound of a call: where they are, over pauses, whatever the rate."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.taps.dtmf import DtmfTap
from audiosocket_cli.codec import KIND_BY_RATE, Kind, rate_of
from audiosocket_cli.model import Call, Digit, Side, now_utc
from support.fakes import UUID_1, TimedFrame, frames_of, runs_of


def spoken(samples: Samples, start_s: float, kind: Kind) -> list[TimedFrame]:
    return [TimedFrame(start_s + 0.02 * (n + 1), frame) for n, frame in enumerate(frames_of(samples, kind))]


def dialled(digits: str, kind: Kind) -> Samples:
    """Each digit for 100 ms, after 100 ms of silence."""
    rate_hz = rate_of(kind)
    pause = np.zeros(rate_hz // 10, np.int16)
    return np.concatenate([part for digit in digits for part in (pause, digit_tone(digit, rate_hz))])


def heard_in(frames: list[TimedFrame], duration_s: float) -> list[tuple[float, list[Digit]]]:
    """Return what a tap tells, by the time of the batch in which it does."""
    told: list[Digit] = []
    tap = DtmfTap(told.append)
    call = Call(Side.SERVER, "peer", UUID_1, now_utc(), Pacer(0.0))
    tap.opened(call)
    by_batch = []
    for start_ms in range(0, round(duration_s * 1000), 500):
        end_ms = min(start_ms + 500, round(duration_s * 1000))
        batch = runs_of(timed for timed in frames if start_ms < round(timed.at_s * 1000) <= end_ms)
        tap.frames(batch, [], end_ms / 1000)
        by_batch.append((end_ms / 1000, told.copy()))
        told.clear()
    call.duration_s = duration_s
    tap.closed(call)
    return [*by_batch, (duration_s, told)]


def all_of(by_batch: list[tuple[float, list[Digit]]]) -> list[Digit]:
    return [digit for _, digits in by_batch for digit in digits]


@pytest.mark.parametrize("kind", KIND_BY_RATE.values(), ids=lambda kind: kind.name.lower())
def test_digits_are_told_with_the_time_of_their_end_at_all_rates(kind: Kind) -> None:
    digits = all_of(heard_in(spoken(dialled("159#", kind), 0.3, kind), 3.0))
    assert "".join(digit.digit for digit in digits) == "159#"
    assert all(digit.in_band for digit in digits)
    np.testing.assert_allclose([digit.at_s for digit in digits], [0.5, 0.7, 0.9, 1.1], atol=0.03)


def test_time_is_true_over_pauses() -> None:
    frames = spoken(dialled("1", Kind.SLIN), 0.0, Kind.SLIN) + spoken(dialled("2", Kind.SLIN), 7.3, Kind.SLIN)
    digits = all_of(heard_in(frames, 9.0))
    assert [digit.digit for digit in digits] == ["1", "2"]
    np.testing.assert_allclose([digit.at_s for digit in digits], [0.2, 7.5], atol=0.03)


def test_a_kind_that_changes_loses_no_digit() -> None:
    frames = spoken(dialled("12", Kind.SLIN), 0.0, Kind.SLIN) + spoken(dialled("34", Kind.SLIN16), 0.4, Kind.SLIN16)
    digits = all_of(heard_in(frames, 2.0))
    assert "".join(digit.digit for digit in digits) == "1234"


def test_a_digit_is_told_within_0_7_s_of_its_end_and_at_the_latest_when_the_call_is_over() -> None:
    for start_s in np.arange(0.0, 0.5, 0.06):
        for told_s, digits in heard_in(spoken(dialled("8", Kind.SLIN), float(start_s), Kind.SLIN), 3.0):
            assert all(told_s - digit.at_s < 0.75 for digit in digits)
    (last,) = heard_in(spoken(dialled("8", Kind.SLIN), 0.0, Kind.SLIN), 0.2)[-1:]
    assert [digit.digit for digit in last[1]] == ["8"]
