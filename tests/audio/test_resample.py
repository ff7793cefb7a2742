"""Live resampling: lengths, splits, level, aliases, delay and limits, against sines and pulses whose form is known."""

from __future__ import annotations

import time
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples, to_int16
from audiosocket_cli.audio.resample import StreamResampler

PAIRS = [
    (8000, 16000), (16000, 8000), (8000, 24000), (24000, 8000), (8000, 22050), (22050, 8000), (8000, 48000),
    (48000, 8000), (8000, 192000), (192000, 8000), (44100, 8000), (12000, 16000), (16000, 24000), (24000, 22050),
    (44100, 48000), (192000, 44100), (4000, 4050),
]  # fmt: skip
UP = [(from_hz, to_hz) for from_hz, to_hz in PAIRS if from_hz < to_hz]
DOWN = [(from_hz, to_hz) for from_hz, to_hz in PAIRS if from_hz > to_hz]

rates_hz = st.integers(4000 // 50, 192000 // 50).map(lambda step: 50 * step)


def over_pairs(pairs: list[tuple[int, int]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("from_hz", "to_hz"), pairs, ids=[f"{one}-to-{other}" for one, other in pairs])


def noise(count: int, peak: int = 32768) -> Samples:
    return np.random.default_rng(7).integers(-peak, peak, count).astype(np.int16)


def full_sine(frequency_hz: float, rate_hz: int, seconds: float = 0.3) -> Samples:
    phase = 2 * np.pi * frequency_hz * np.arange(ceil(rate_hz * seconds)) / rate_hz
    return to_int16(np.sin(phase))[0]


def decibels(signal: NDArray[np.float64]) -> float:
    """The level of a signal against a full-scale sine."""
    return float(10 * np.log10(2 * np.mean(np.square(signal / 32767)) + 1e-20))


def fit_sine(samples: Samples, frequency_hz: float, rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sine of one frequency that comes nearest to the samples, and what it leaves of them."""
    phase = 2 * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz
    basis = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    sine = basis @ np.linalg.lstsq(basis, samples.astype(np.float64), rcond=None)[0]
    return sine, samples - sine


def steady(from_hz: int, to_hz: int, frequency_hz: float) -> Samples:
    """What comes out for a full-scale sine, after the filter has filled."""
    stream = StreamResampler(from_hz, to_hz)
    return stream.feed(full_sine(frequency_hz, from_hz))[ceil(2 * stream.delay_s * to_hz) :]


# Lengths and splits


@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 700), max_size=12))
def test_no_split_of_the_input_shows_in_the_output(rates: tuple[int, int], lengths: list[int]) -> None:
    sound = noise(sum(lengths))
    stream = StreamResampler(*rates)
    parts = [stream.feed(part) for part in np.split(sound, np.cumsum(lengths))]
    assert np.array_equal(np.concatenate(parts), StreamResampler(*rates).feed(sound))


@over_pairs(PAIRS)
def test_sample_by_sample_is_as_good_as_at_once(from_hz: int, to_hz: int) -> None:
    sound = noise(300)
    stream = StreamResampler(from_hz, to_hz)
    parts = [stream.feed(sound[at : at + 1]) for at in range(len(sound))]
    assert np.array_equal(np.concatenate(parts), StreamResampler(from_hz, to_hz).feed(sound))


@given(rates_hz, rates_hz, st.lists(st.integers(0, 400), max_size=5))
def test_what_has_come_out_is_always_what_was_due(from_hz: int, to_hz: int, lengths: list[int]) -> None:
    stream = StreamResampler(from_hz, to_hz)
    taken = given = 0
    for length in lengths:
        out = stream.feed(noise(length))
        assert out.dtype == np.int16
        taken, given = taken + length, given + len(out)
        assert given == ceil(taken * to_hz / from_hz)


@over_pairs(PAIRS)
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
def test_each_frame_gives_a_frame_of_the_same_duration(from_hz: int, to_hz: int, frame_ms: int) -> None:
    stream = StreamResampler(from_hz, to_hz)
    frame = noise(from_hz * frame_ms // 1000)
    assert [len(stream.feed(frame)) for _ in range(5)] == [to_hz * frame_ms // 1000] * 5


def test_streams_at_the_same_rates_do_not_mix() -> None:
    one, other = StreamResampler(24000, 8000), StreamResampler(24000, 8000)
    heard = [(one.feed(noise(480)), other.feed(np.zeros(480, np.int16))) for _ in range(3)]
    assert np.array_equal(np.concatenate([first for first, _ in heard]),
                          StreamResampler(24000, 8000).feed(np.tile(noise(480), 3)))  # fmt: skip
    assert not any(second.any() for _, second in heard)


# Cost


def test_it_computes_on_the_thread_that_asked_alone() -> None:
    begun_s, others_s = time.thread_time(), time.process_time() - time.thread_time()
    for from_hz, to_hz in PAIRS:
        stream = StreamResampler(from_hz, to_hz)
        for length in [from_hz // 50] * 20 + [from_hz]:  # frames, and a second at once
            stream.feed(noise(length))
    # BLAS makes a large product a matter of all cores: with many calls its threads take more CPU than they bring.
    assert time.process_time() - time.thread_time() - others_s < 0.1 * (time.thread_time() - begun_s)


# Level, aliases and images


@over_pairs(PAIRS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.8, 0.85], ids=lambda part: f"{part}-of-the-band")
def test_a_tone_in_the_band_keeps_its_level_and_stays_alone(from_hz: int, to_hz: int, part: float) -> None:
    frequency_hz = part * min(from_hz, to_hz) / 2
    tone, rest = fit_sine(steady(from_hz, to_hz, frequency_hz), frequency_hz, to_hz)
    assert decibels(tone) == pytest.approx(0.0, abs=0.1)
    assert decibels(rest) < -60


@over_pairs(UP)
@pytest.mark.parametrize("part", [0.9, 0.95, 0.99, 0.999], ids=lambda part: f"{part}-of-the-band")
def test_a_tone_at_the_edge_of_the_band_has_no_image_beyond(from_hz: int, to_hz: int, part: float) -> None:
    frequency_hz = part * from_hz / 2
    tone, rest = fit_sine(steady(from_hz, to_hz, frequency_hz), frequency_hz, to_hz)
    assert decibels(tone) < 0.1
    assert decibels(rest) < -60


@over_pairs(DOWN)
def test_no_tone_above_the_band_comes_back_as_an_alias(from_hz: int, to_hz: int) -> None:
    for frequency_hz in to_hz / 2 + np.geomspace(1, (from_hz - to_hz) / 2 - 1, 15):
        assert decibels(steady(from_hz, to_hz, frequency_hz).astype(np.float64)) < -60, f"{frequency_hz} Hz"


@given(rates_hz, rates_hz, st.integers(-32768, 32767))
def test_a_constant_comes_out_as_that_constant(from_hz: int, to_hz: int, value: int) -> None:
    stream = StreamResampler(from_hz, to_hz)
    stream.feed(np.full(ceil(2 * stream.delay_s * from_hz), value, np.int16))
    assert set(stream.feed(np.full(from_hz // 50, value, np.int16)).tolist()) == {value}


@over_pairs(PAIRS)
def test_rounding_favours_neither_sign(from_hz: int, to_hz: int) -> None:
    sound = noise(from_hz // 10, peak=8000)
    upright, inverted = (StreamResampler(from_hz, to_hz).feed(signal) for signal in (sound, -sound))
    assert np.array_equal(upright, -inverted)


# Delay


@over_pairs(PAIRS)
def test_the_delay_is_the_one_stated(from_hz: int, to_hz: int) -> None:
    def click(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        return 20000 * np.exp(-0.5 * ((seconds - 0.01) / 0.0004) ** 2)

    stream = StreamResampler(from_hz, to_hz)
    heard = stream.feed(click(np.arange(from_hz // 20) / from_hz).astype(np.int16)).astype(np.float64)
    lags_s = np.arange(0.0, 0.012, 0.00001)
    matches = [np.dot(heard, click(np.arange(len(heard)) / to_hz - lag_s)) for lag_s in lags_s]
    assert lags_s[np.argmax(matches)] == pytest.approx(stream.delay_s, abs=0.00003)


@over_pairs(PAIRS)
def test_the_delay_is_the_same_at_all_frequencies(from_hz: int, to_hz: int) -> None:
    stream = StreamResampler(from_hz, to_hz)
    lower_hz = min(from_hz, to_hz)
    sound = sum(full_sine(part * lower_hz / 2, from_hz) // 4 for part in (0.1, 0.4, 0.8))
    heard = stream.feed(np.asarray(sound, np.int16)).astype(np.float64)
    seconds = np.arange(len(heard)) / to_hz - stream.delay_s
    delayed = sum(8192 * np.sin(2 * np.pi * part * lower_hz / 2 * seconds) for part in (0.1, 0.4, 0.8))
    assert decibels((heard - delayed)[ceil(2 * stream.delay_s * to_hz) :]) < -60


@pytest.mark.parametrize(
    ("lower_hz", "limit_s"), [(4000, 0.016), (8000, 0.008), (16000, 0.004), (48000, 0.002), (96000, 0.001)]
)
def test_the_delay_is_short_and_shorter_at_higher_rates(lower_hz: int, limit_s: float) -> None:
    delays_s = {StreamResampler(lower_hz, 192000).delay_s, StreamResampler(192000, lower_hz).delay_s}
    assert len(delays_s) == 1
    assert 0 < delays_s.pop() <= limit_s


# Limits


@over_pairs(PAIRS)
def test_peaks_beyond_16_bits_are_limited_and_do_not_wrap(from_hz: int, to_hz: int) -> None:
    square = np.where(np.arange(from_hz // 5) * 440 // from_hz % 2, 16383, -16384).astype(np.int16)
    half, full = (StreamResampler(from_hz, to_hz).feed(signal) for signal in (square, 2 * square))
    wanted = 2 * half.astype(int)
    assert wanted.max() > 33000
    assert wanted.min() < -33000
    assert np.abs(full - np.clip(wanted, -32768, 32767)).max() <= 2


@over_pairs(PAIRS)
def test_silence_stays_silence(from_hz: int, to_hz: int) -> None:
    assert not StreamResampler(from_hz, to_hz).feed(np.zeros(from_hz // 5, np.int16)).any()


@over_pairs(PAIRS)
def test_zeros_of_twice_the_delay_bring_out_the_tail_and_leave_nothing(from_hz: int, to_hz: int) -> None:
    stream = StreamResampler(from_hz, to_hz)
    stream.feed(full_sine(300, from_hz, seconds=0.02))
    zeros = np.zeros(ceil(2 * stream.delay_s * from_hz), np.int16)
    assert stream.feed(zeros).any()
    assert not stream.feed(np.zeros(from_hz // 50, np.int16)).any()


@pytest.mark.parametrize("rate_hz", [8000, 22050, 192000])
def test_between_equal_rates_samples_pass_unchanged_and_at_once(rate_hz: int) -> None:
    stream = StreamResampler(rate_hz, rate_hz)
    assert stream.delay_s == 0.0
    assert np.array_equal(stream.feed(noise(321)), noise(321))


@pytest.mark.parametrize("rate_hz", [-8000, 0, 3950, 8001, 11025, 192050])
def test_a_rate_it_cannot_do_is_refused(rate_hz: int) -> None:
    message = f"{rate_hz} Hz is not a multiple of 50 Hz from 4000 to 192000 Hz"
    with pytest.raises(ValueError, match=message):
        StreamResampler(rate_hz, 8000)
    with pytest.raises(ValueError, match=message):
        StreamResampler(8000, rate_hz)
