"""Sound for pages: WAV sample for sample while it is short, MP3 in time and without a header of its own when longer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio import page_sound as module
from audiosocket_cli.audio.page_sound import PageSound, page_sound
from audiosocket_cli.audio.sample_readers import Floats
from audiosocket_cli.errors import FileError


def noise(seconds: float, rate_hz: int, channels: int) -> Floats:
    """Noise of low frequencies, which MP3 keeps."""
    rng = np.random.default_rng(4)
    slow = rng.normal(0, 0.1, (round(seconds * 2000) + 2, channels))
    times = np.arange(round(seconds * rate_hz)) * 2000 / rate_hz
    return np.stack([np.interp(times, np.arange(len(slow)), each) for each in slow.T], axis=1).astype(np.float32)


def encoded(sound: Floats, rate_hz: int, block: int = 30_000) -> PageSound:
    blocks: Iterator[Floats] = (sound[start : start + block] for start in range(0, len(sound), block))
    return page_sound(blocks, rate_hz, sound.shape[1], len(sound) / rate_hz)


def test_a_short_sound_is_wav_sample_for_sample() -> None:
    sound = np.round(noise(2.0, 8000, 2) * 32768).astype(np.float32) / 32768
    found = encoded(sound, 8000)
    assert found.mime == "audio/wav"
    samples, rate_hz = soundfile.read(io.BytesIO(found.data), dtype="float32")
    assert rate_hz == 8000
    assert (samples == sound).all()


def test_a_short_sound_of_nothing() -> None:
    assert len(encoded(np.zeros((0, 1), np.float32), 8000).data) == 44


@pytest.mark.parametrize(
    ("rate_hz", "coded_hz", "channels"),
    [(8000, 8000, 1), (8000, 8000, 2), (16000, 16000, 2), (44100, 48000, 1), (96000, 48000, 1)],
)
def test_a_long_sound_is_mp3_in_time(rate_hz: int, coded_hz: int, channels: int) -> None:
    sound = noise(63.0, rate_hz, channels)
    found = encoded(sound, rate_hz)
    assert found.mime == "audio/mpeg"
    assert b"Info" not in found.data[:200]
    assert b"Xing" not in found.data[:200]
    decoded, decoded_hz = soundfile.read(io.BytesIO(found.data), dtype="float32", always_2d=True)
    assert decoded_hz == coded_hz
    assert 0 <= len(decoded) / coded_hz - 63.0 < 0.2
    for at_s in (5, 60):  # no drift
        wanted = noise(63.0, coded_hz, channels)[at_s * coded_hz :][: coded_hz // 2, 0]
        around = decoded[at_s * coded_hz - 2000 :][: coded_hz // 2 + 4000, 0]
        lag = int(np.argmax(np.correlate(around, wanted, "valid"))) - 2000
        assert abs(lag) <= coded_hz / 4000


def test_all_frames_have_one_length_so_that_a_place_is_a_number_of_bytes() -> None:
    data = encoded(noise(70.0, 8000, 2), 8000).data
    size = module._frame_bytes(data, 0)
    assert {data[at : at + 2] for at in range(0, len(data), size)} == {data[:2]}
    assert {module._frame_bytes(data, at) for at in range(0, len(data), size)} == {size}


def test_one_side_is_not_heard_in_the_other() -> None:
    sound = noise(61.0, 8000, 2)
    sound[:, 1] = 0
    decoded, _ = soundfile.read(io.BytesIO(encoded(sound, 8000).data))
    power = (decoded**2).mean(axis=0)
    assert power[1] < power[0] * 1e-5


def test_what_is_not_a_number_is_no_harm() -> None:
    sound = noise(61.0, 8000, 1)
    sound[1000:2000], sound[3000:4000] = np.nan, np.inf
    decoded, _ = soundfile.read(io.BytesIO(encoded(sound, 8000).data))
    assert np.isfinite(decoded).all()


def test_what_is_too_long_for_a_page_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    blocks = (np.zeros((80_000, 1), np.float32) for _ in range(1_000_000))
    with pytest.raises(FileError, match="too long to be in a page: more than 1 MB; leave out --embed"):
        page_sound(blocks, 8000, 1, 1e7)
