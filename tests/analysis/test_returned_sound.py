"""A sound that went through a telephone system: how long it took, how loud it came out, what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.returned_sound import (
    BLOCK_S,
    PROBE_DBFS,
    PROBE_S,
    Passed,
    Stream,
    find_again,
    heard_sound,
    heard_tone,
    level_of,
    probe_sound,
)
from audiosocket_cli.audio.pcm import SILENCE_DBFS, Samples, level_dbfs, to_slin, tone
from audiosocket_cli.codec import RATE_BY_KIND, Frame, Kind, encode
from audiosocket_cli.runs import TimedRun

SLIN16 = 0x12


def stream(samples: Samples, rate_hz: int = 8000, *, start_s: float = 0.0, ms: int = 20) -> Stream:
    """Samples in frames that pass one after the other."""
    size = rate_hz * ms // 1000
    ends = np.arange(size, len(samples) + 1, size)
    return Stream(rate_hz, samples[: len(ends) * size], ends, start_s + (np.arange(len(ends)) + 1) * ms / 1000)


def padded(samples: Samples, before: int, after: int = 0) -> Samples:
    return np.concatenate([np.zeros(before, np.int16), samples, np.zeros(after, np.int16)])


@pytest.mark.parametrize("rate_hz", RATE_BY_KIND.values())
def test_the_sound_has_its_length_and_level_at_each_rate(rate_hz: int) -> None:
    sound = probe_sound(1, rate_hz)
    assert len(sound) == PROBE_S * rate_hz
    assert level_dbfs(sound) == pytest.approx(PROBE_DBFS, abs=0.1)


def test_a_seed_sounds_the_same_at_each_rate_and_unlike_another() -> None:
    low, high = probe_sound(1, 8000), probe_sound(1, 48000)[::6]
    assert np.corrcoef(low, high)[0, 1] > 0.999
    assert abs(np.corrcoef(low, probe_sound(2, 8000))[0, 1]) < 0.1


def test_what_comes_back_whole_has_its_delay_and_level() -> None:
    sound = probe_sound(1, 8000)
    said = stream(padded(sound, 1600))
    returned = find_again(sound, said, stream(padded(sound // 2, 1600), start_s=0.04))
    assert (returned.missing, returned.blocks) == (0, 20)
    assert returned.delay_s == pytest.approx(0.04, abs=0.001)
    assert returned.worst_delay_s == pytest.approx(0.04, abs=0.001)
    assert returned.gain_db == pytest.approx(-6.0, abs=0.1)
    assert returned.correlation > 0.99


def test_what_comes_out_at_another_rate_is_the_same_sound() -> None:
    said = stream(padded(probe_sound(1, 48000), 9600), 48000)
    returned = find_again(probe_sound(1, 8000), said, stream(padded(probe_sound(1, 8000), 1600), start_s=0.007))
    assert returned.missing == 0
    assert returned.delay_s == pytest.approx(0.007, abs=0.001)


def test_what_is_cut_out_is_missing_and_what_follows_is_found() -> None:
    sound = probe_sound(1, 8000)
    cut = np.concatenate([sound[:4000], sound[6400:]])  # 0.3 s
    returned = find_again(sound, stream(sound), stream(cut))
    assert returned.missing_s == pytest.approx(0.3, abs=BLOCK_S)
    assert returned.is_heard


def test_a_frame_that_is_held_up_shows_in_the_worst_delay_only() -> None:
    sound = probe_sound(1, 8000)
    heard = stream(sound, start_s=0.002)
    heard.at_s[50:55] += 0.2
    returned = find_again(sound, stream(sound), heard)
    assert returned.delay_s == pytest.approx(0.002, abs=0.001)
    assert returned.worst_delay_s == pytest.approx(0.202, abs=0.001)


@pytest.mark.parametrize(
    "heard",
    [np.zeros(0, np.int16), np.zeros(16000, np.int16), probe_sound(2, 8000), tone(440, 8000, 2.0)],
    ids=["nothing", "silence", "another-sound", "a-tone"],
)
def test_what_is_not_the_sound_is_not_taken_for_it(heard: Samples) -> None:
    returned = find_again(probe_sound(1, 8000), stream(probe_sound(1, 8000)), stream(heard))
    assert not returned.is_heard
    assert returned.missing == returned.blocks


def test_noise_of_16_bits_without_a_pattern_is_not_taken_for_it() -> None:
    noise = np.random.default_rng(5).integers(-20000, 20000, 20000).astype(np.int16)
    assert not find_again(probe_sound(1, 8000), stream(probe_sound(1, 8000)), stream(noise)).is_heard


@pytest.mark.parametrize("rate_hz", [8000, 16000, 192000])
def test_a_tone_has_its_frequency_level_and_length(rate_hz: int) -> None:
    heard = heard_tone(stream(padded(tone(1004, rate_hz, 1.0, -6.0), rate_hz, rate_hz), rate_hz))
    assert heard is not None
    assert heard.frequency_hz == pytest.approx(1004, abs=1.5)
    assert heard.level_dbfs == pytest.approx(-6.0, abs=0.1)
    assert heard.length_s == pytest.approx(1.0, abs=0.03)
    assert heard.purity > 0.99


def test_noise_is_not_a_pure_tone_and_silence_has_none() -> None:
    noisy = heard_tone(stream(probe_sound(1, 8000)))
    assert noisy is not None
    assert noisy.purity < 0.5
    assert heard_tone(stream(np.zeros(8000, np.int16))) is None
    assert heard_tone(stream(np.zeros(0, np.int16))) is None


def run_of(kind: int, payloads: list[bytes], at_s: float) -> TimedRun:
    return TimedRun(
        [(at_s + number * 0.02, 0.0, 1, encode(Frame(kind, payload))) for number, payload in enumerate(payloads)]
    )


def test_frames_are_counted_and_put_on_one_clock() -> None:
    passed = Passed()
    payload = to_slin(np.arange(160, dtype=np.int16))
    passed.add(run_of(Kind.SLIN, [payload, payload], 1.0), 100.0)
    passed.add(run_of(SLIN16, [payload * 2], 2.0), 100.0)
    passed.add(run_of(Kind.SLIN, [payload[:161]], 3.0), 100.0)
    passed.add(run_of(Kind.DTMF, [b"1"], 4.0), 100.0)
    assert passed.audio == {(Kind.SLIN, 320): 2, (SLIN16, 640): 1, (Kind.SLIN, 161): 1}
    heard = passed.stream(Kind.SLIN)
    assert heard.at_s.tolist() == pytest.approx([101.0, 101.02, 103.0])
    assert heard.ends.tolist() == [160, 320, 400]
    assert heard.samples[320:].tolist() == list(range(80))
    assert heard.time_of(159) == pytest.approx(101.0)
    assert heard.time_of(160) == pytest.approx(101.02 - 159 / 8000)


def test_what_is_kept_has_a_bound_and_what_is_counted_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Passed, "MAX_BYTES", 1000)
    passed = Passed()
    for number in range(10):
        passed.add(run_of(Kind.SLIN, [bytes(320)], float(number)), 0.0)
    assert passed.audio == {(Kind.SLIN, 320): 10}
    assert len(passed.stream(Kind.SLIN).samples) == 4 * 160


def test_the_level_of_several_streams_is_that_of_all() -> None:
    assert level_of([]) == SILENCE_DBFS
    loud, silent = tone(440, 8000, 1.0, -10.0), np.zeros(8000, np.int16)
    assert level_of([stream(loud), stream(silent)]) == pytest.approx(-13.0, abs=0.1)


def test_what_is_heard_has_its_beginning_its_level_and_its_longest_gap() -> None:
    heard = stream(padded(tone(440, 8000, 1.0, -15.0), 4000, 4000), start_s=10.0)
    heard.at_s[60:] += 0.5
    sound = heard_sound(heard)
    assert sound is not None
    assert sound.audio_s == pytest.approx(2.0)
    assert sound.first_s == pytest.approx(10.02)
    assert sound.loud_from_s == pytest.approx(10.52)
    assert sound.level_dbfs == pytest.approx(-15.0, abs=0.1)
    assert sound.longest_gap_s == pytest.approx(0.52)


def test_silence_is_heard_as_such_and_no_audio_as_none() -> None:
    silent = heard_sound(stream(np.zeros(8000, np.int16)))
    assert silent is not None
    assert (silent.loud_from_s, silent.level_dbfs) == (None, SILENCE_DBFS)
    assert heard_sound(stream(np.zeros(0, np.int16))) is None
