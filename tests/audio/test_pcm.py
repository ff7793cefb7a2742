"""Samples: bytes, rounding, levels, tones and mixing, against signals whose numbers are known."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import (
    FULL_SCALE,
    SILENCE_DBFS,
    Samples,
    decode_law,
    from_slin,
    guess_law,
    level_dbfs,
    loudness_of_slin,
    mean_power,
    mix,
    power_to_dbfs,
    to_int16,
    to_slin,
    tone,
)

RATES_HZ = [8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000]

pairs = st.lists(st.tuples(*[st.integers(-32768, 32767)] * 2))


def int16(*values: int) -> Samples:
    return np.array(values, np.int16)


def sine(peak: float, seconds: float = 1.0) -> Samples:
    return np.rint(peak * np.sin(2 * np.pi * 1000 * np.arange(round(8000 * seconds)) / 8000 + 0.1)).astype(np.int16)


# Bytes


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"", []),
        (b"\x01", []),
        (b"\x01\x00", [1]),
        (b"\xff\x7f\x00\x80", [32767, -32768]),
        (b"\xff\xff\x02", [-1]),
    ],
    ids=["nothing", "half-a-sample", "one", "extremes", "odd"],
)
def test_slin_is_little_endian_and_an_odd_last_byte_is_left_out(data: bytes, values: list[int]) -> None:
    samples = from_slin(data)
    assert samples.dtype == np.int16
    assert samples.tolist() == values
    assert from_slin(memoryview(data)).tolist() == values


@given(st.binary())
def test_slin_round_trips_to_the_last_whole_sample(data: bytes) -> None:
    assert to_slin(from_slin(data)) == data[: len(data) // 2 * 2]


def test_channels_are_interleaved() -> None:
    assert to_slin(np.array([[1, 2], [3, -1]], np.int16)) == b"\x01\0\x02\0\x03\0\xff\xff"


# Rounding


@pytest.mark.parametrize(
    ("value", "sample", "clipped"),
    [
        (0.0, 0, 0),
        (0.49, 0, 0),
        (0.51, 1, 0),
        (-0.51, -1, 0),
        (32766.6, 32767, 0),
        (32767.4, 32767, 0),
        (32768.0, 32767, 1),
        (-32768.4, -32768, 0),
        (-32769.0, -32768, 1),
        (np.inf, 32767, 1),
        (-np.inf, -32768, 1),
    ],
)
def test_to_int16_rounds_to_the_nearest_and_counts_what_it_clips(value: float, sample: int, clipped: int) -> None:
    samples, count = to_int16(np.array([value / 32768]))
    assert samples.dtype == np.int16
    assert (samples.tolist(), count) == ([sample], clipped)


def test_to_int16_counts_every_clipped_sample() -> None:
    assert to_int16(np.array([1.5, 0.5, -1.5, 1.0, -1.0]))[1] == 3


def test_every_16_bit_sample_survives_the_way_through_float32() -> None:
    every = np.arange(-32768, 32768)
    samples, clipped = to_int16(every.astype(np.float32) / np.float32(32768))
    assert np.array_equal(samples, every)
    assert clipped == 0


# Levels


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        pytest.param(sine(32767), -3.01, id="full-scale-sine"),
        pytest.param(sine(3276.7), -23.01, id="sine-20-dB-down"),
        pytest.param(int16(-32768, -32768), 0.0, id="full-scale"),
        pytest.param(int16(16384, -16384), -6.02, id="half-scale-square"),
        pytest.param(int16(1, -1), -90.31, id="smallest-steps"),
        pytest.param(np.stack([sine(32767), sine(32767)], axis=1), -3.01, id="two-channels"),
        pytest.param(np.tile(sine(32767), 60), -3.01, id="a-minute"),
    ],
)
def test_the_level_of_a_known_signal(samples: Samples, level: float) -> None:
    assert level_dbfs(samples) == pytest.approx(level, abs=0.01)
    assert power_to_dbfs(mean_power(samples)) == level_dbfs(samples)


@pytest.mark.parametrize(
    "samples", [int16(), int16(0, 0, 0), int16(1, *[0] * 9999)], ids=["no-samples", "zeros", "one-step-in-many"]
)
def test_no_level_is_below_that_of_silence(samples: Samples) -> None:
    assert level_dbfs(samples) == SILENCE_DBFS == -96.3


@pytest.mark.parametrize(("power", "level"), [(1.0, 0.0), (0.5, -3.01), (1e-6, -60.0), (1e-12, -96.3), (0.0, -96.3)])
def test_power_in_decibels(power: float, level: float) -> None:
    assert power_to_dbfs(power) == pytest.approx(level, abs=0.01)


def test_the_mean_power_of_full_scale_is_1_and_of_nothing_0() -> None:
    assert mean_power(int16(-32768)) == 1.0
    assert mean_power(int16(16384, 0)) == 0.125
    assert mean_power(int16()) == 0.0


# Tones


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("frequency_hz", [50, 440, 1004, 3400])
def test_a_tone_has_its_frequency_and_level_and_nothing_else(frequency_hz: int, rate_hz: int) -> None:
    samples = tone(frequency_hz, rate_hz, 1.0, level_dbfs=-20.0)
    assert len(samples) == rate_hz
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) == frequency_hz
    assert np.sum(spectrum**2) < 1.0001 * spectrum[frequency_hz] ** 2
    assert level_dbfs(samples) == pytest.approx(-20.0, abs=0.01)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("frequency_hz", [1, 440, 1004])
def test_a_tone_loops_without_a_seam(frequency_hz: int, rate_hz: int) -> None:
    samples = tone(frequency_hz, rate_hz, 1.0).astype(int)
    assert samples[0] == 0
    assert abs(samples[0] - samples[-1]) <= np.abs(np.diff(samples)).max()


def test_a_tone_has_its_length_to_the_nearest_sample() -> None:
    assert len(tone(440, 44100, 0.02)) == 882
    assert len(tone(440, 8000, 0.0001)) == 1
    assert len(tone(440, 8000, 0.0)) == 0


# Mixing


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [(1, 2, 3), (32767, 1, 32767), (32767, 32767, 32767), (-32768, -1, -32768), (-32768, 32767, -1)],
)
def test_a_mix_is_limited_and_does_not_wrap(first: int, second: int, total: int) -> None:
    assert mix(int16(first), int16(second)).tolist() == [total]


@given(pairs)
def test_a_mix_is_the_sum_within_16_bits(values: list[tuple[int, int]]) -> None:
    first, second = (int16(*column) for column in zip(*values, strict=True)) if values else (int16(), int16())
    mixed = mix(first, second)
    assert mixed.dtype == np.int16
    assert mixed.tolist() == [max(-32768, min(32767, one + other)) for one, other in values]


# µ-law and A-law


@pytest.mark.parametrize(("law", "subtype"), [("µ-law", "ULAW"), ("A-law", "ALAW")], ids=["u-law", "a-law"])
def test_each_byte_decodes_as_libsndfile_has_it(law: str, subtype: str) -> None:
    every = bytes(range(256))
    raw = io.BytesIO(every)
    expected, _ = soundfile.read(raw, samplerate=8000, channels=1, format="RAW", subtype=subtype, dtype="int16")
    assert np.array_equal(decode_law(every, law), expected)


@pytest.mark.parametrize(("law", "subtype"), [("µ-law", "ULAW"), ("A-law", "ALAW")], ids=["u-law", "a-law"])
@pytest.mark.parametrize("frequency_hz", [100, 440, 1004])
@pytest.mark.parametrize("level", [-10.0, -30.0])
def test_a_law_is_known_by_its_bytes(law: str, subtype: str, frequency_hz: int, level: float) -> None:
    raw = io.BytesIO()
    soundfile.write(raw, tone(frequency_hz, 8000, 0.5, level), 8000, format="RAW", subtype=subtype)
    assert guess_law(raw.getvalue()) == law


@pytest.mark.parametrize("frequency_hz", [100, 440, 1004])
def test_slin_is_not_taken_for_a_law(frequency_hz: int) -> None:
    assert guess_law(to_slin(tone(frequency_hz, 8000, 0.5))) is None


@pytest.mark.parametrize("data", [b"", b"\0", bytes(4000), b"\xff" * 4000], ids=["none", "one", "zeros", "ones"])
def test_silence_is_not_taken_for_a_law(data: bytes) -> None:
    assert guess_law(data) is None


@pytest.mark.parametrize("size", [1, 2, 3, 320, 321, 1920, 65535])
@pytest.mark.parametrize("loudest", [0, 1, 3000, 32768])
def test_many_frames_are_as_loud_in_blocks_as_in_one(size: int, loudest: int) -> None:
    rng = np.random.default_rng(size + loudest)
    count = max(3, 400_000 // size)
    payloads = np.zeros((count, size + 5), np.uint8)[:, 3 : 3 + size]  # a part of a larger table
    width = size // 2
    samples = rng.integers(-loudest, max(1, loudest), (count, width), endpoint=False).astype("<i2")
    samples[: count // 2] = 0  # whole blocks without a sound
    payloads[:, : 2 * width] = samples.view(np.uint8)
    payloads[:, 2 * width :] = 0x7F
    found = loudness_of_slin(payloads)
    expected = np.square(samples.astype(np.float64)).sum(axis=1) / max(1, width) / FULL_SCALE**2
    assert found.peak == int(np.abs(samples.astype(int)).max(initial=0))
    if found.peak:
        assert found.powers == pytest.approx(expected, rel=1e-5)
        assert found.total == pytest.approx(samples.sum(dtype=np.int64), abs=1)
        assert found.energy == pytest.approx(expected.sum() * width, rel=1e-5)
    overall = loudness_of_slin(payloads, each=False)
    assert (overall.peak, overall.total) == (found.peak, found.total)
    assert overall.energy == pytest.approx(found.energy, rel=1e-5)
