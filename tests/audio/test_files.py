"""Audio files in: what comes out has the length, level, pitch and samples of what went in, or one line says why not."""

from __future__ import annotations

import gc
import io
import os
import struct
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiosocket_cli.audio import files
from audiosocket_cli.audio.files import Sound, joined
from audiosocket_cli.audio.pcm import Samples, encode_mu_law, level_dbfs, to_slin, tone
from audiosocket_cli.audio.recognition import is_sound
from audiosocket_cli.errors import FileError

RATES_HZ = [8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000]
RAMP = np.arange(-8000, 8000, dtype=np.int16)  # 2 s at 8 kHz in which each sample names its own place

rates = st.sampled_from(RATES_HZ)
signals = st.lists(st.integers(-32768, 32767), min_size=1, max_size=500)


class Audio(NamedTuple):
    samples: Samples
    rate_hz: int
    clipped: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


def loaded(source: Path | bytes, rate_hz: int, **wanted: Any) -> Audio:
    sound = Sound(source, **wanted)
    opened = sound.open()
    samples = joined(opened.blocks(rate_hz), sound.name, rate_hz)
    return Audio(samples, rate_hz, opened.remarks.clipped)


def raw_audio(data: bytes, rate_hz: int, **wanted: Any) -> Audio:
    return loaded(data, rate_hz, raw_rate_hz=rate_hz, **wanted)


def sound(signal: NDArray[np.generic], rate_hz: int, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """Return the bytes of a sound file, shape (n,) or (n, channels)."""
    file = io.BytesIO()
    soundfile.write(file, signal, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def sine(frequency_hz: float, rate_hz: int, seconds: float, peak: float = 0.25) -> NDArray[np.float64]:
    return peak * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def faded(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fade in and out, so that the click of a sudden start is not taken for an alias."""
    return signal * np.hanning(len(signal))


def pitch_hz(audio: Audio) -> int:
    """Return the strongest frequency of the first second, to 1 Hz."""
    return int(np.argmax(np.abs(np.fft.rfft(audio.samples[: audio.rate_hz]))))


# Sample for sample


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_16_bit_mono_at_its_own_rate_comes_sample_for_sample(rate_hz: int) -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    audio = loaded(sound(every, rate_hz), rate_hz)
    assert audio.samples.dtype == np.int16
    assert np.array_equal(audio.samples, every)
    assert (audio.rate_hz, audio.clipped, audio.duration_s) == (rate_hz, 0, 65536 / rate_hz)


@given(signals, rates)
def test_any_16_bit_mono_survives(values: list[int], rate_hz: int) -> None:
    assert loaded(sound(np.array(values, np.int16), rate_hz), rate_hz).samples.tolist() == values


def test_a_path_gives_what_its_bytes_give(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    path.write_bytes(sound(RAMP, 8000))
    assert np.array_equal(loaded(path, 8000).samples, RAMP)


@pytest.mark.parametrize("good", [True, False], ids=["sound", "no-sound"])
def test_the_file_is_closed_again(good: bool, tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    path.write_bytes(sound(RAMP, 8000) if good else b"no sound")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            loaded(path, 8000)
        except FileError:
            assert not good
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize(
    ("channels", "mono"),
    [([[1000, -400], [7, 9]], [300, 8]), ([[30, 60, 90], [-3, 0, 0]], [60, -1]), ([[32767, 32767]], [32767])],
    ids=["stereo", "three", "both-full"],
)
def test_channels_are_averaged(channels: list[list[int]], mono: list[int]) -> None:
    assert loaded(sound(np.array(channels, np.int16), 8000), 8000).samples.tolist() == mono


def test_stereo_is_averaged_before_it_is_resampled() -> None:
    signal = sine(1000, 48000, 1.0)
    assert not loaded(sound(np.stack([signal, -signal], axis=1), 48000), 8000).samples.any()


# Another rate


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("file_rate_hz", [44100, 48000])
def test_a_resampled_tone_keeps_length_level_and_pitch(file_rate_hz: int, rate_hz: int) -> None:
    signal = sine(1000, file_rate_hz, 1.2345)
    audio = loaded(sound(signal, file_rate_hz), rate_hz)
    exact = len(signal) * rate_hz / file_rate_hz
    assert abs(len(audio.samples) - exact) < 1
    assert level_dbfs(audio.samples) == pytest.approx(20 * np.log10(0.25 / np.sqrt(2)), abs=0.1)
    assert pitch_hz(audio) == 1000
    assert audio.clipped == 0


@given(st.integers(16, 5000), rates, rates)
def test_any_length_is_exact_to_the_sample(size: int, file_rate_hz: int, rate_hz: int) -> None:
    exact = size * rate_hz / file_rate_hz
    audio = loaded(sound(np.ones(size, np.int16), file_rate_hz), rate_hz)
    assert abs(len(audio.samples) - exact) < 1


@pytest.mark.parametrize(
    ("frequency_hz", "file_rate_hz", "rate_hz"), [(7000, 48000, 8000), (5000, 44100, 8000), (23000, 48000, 44100)]
)
def test_what_the_new_rate_cannot_hold_leaves_nothing(frequency_hz: int, file_rate_hz: int, rate_hz: int) -> None:
    loud = faded(sine(frequency_hz, file_rate_hz, 1.0, peak=1.0))
    audio = loaded(sound(loud, file_rate_hz, subtype="FLOAT"), rate_hz)
    assert level_dbfs(audio.samples) < -80


def test_a_tone_in_the_new_band_leaves_no_image() -> None:
    audio = loaded(sound(faded(sine(3000, 8000, 1.0)), 8000), 48000)
    spectrum = np.abs(np.fft.rfft(audio.samples)) ** 2
    assert spectrum[4000:].sum() < 1e-6 * spectrum.sum()


def test_a_long_file_has_no_seam_between_its_blocks() -> None:
    audio = loaded(sound(sine(440, 8000, 31.0), 8000), 16000)
    ideal = 32768 * sine(440, 16000, 31.0)
    error = np.abs(audio.samples - ideal)[1600:-1600]
    assert error.max() < 4


# Formats


@pytest.mark.parametrize(("kind", "worst"), [("FLAC", 0), ("AIFF", 0), ("OGG", 900), ("MP3", 900)])
def test_other_formats_load(kind: str, worst: int, tmp_path: Path) -> None:
    signal = np.rint(8000 * sine(440, 16000, 1.0, peak=1.0)).astype(np.int16)
    data = sound(signal, 16000, kind)
    (path := tmp_path / f"tone.{kind.lower()}").write_bytes(data)
    for source in (data, path):
        audio = loaded(source, 16000)
        assert len(audio.samples) == len(signal)
        assert np.abs(audio.samples.astype(int) - signal).max() <= worst
        assert pitch_hz(audio) == 440


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_other_sample_formats_load(subtype: str) -> None:
    audio = loaded(sound(sine(440, 8000, 1.0), 8000, subtype=subtype), 8000)
    assert pitch_hz(audio) == 440
    assert level_dbfs(audio.samples) == pytest.approx(-15.05, abs=0.1)


def test_a_float_file_is_clipped_and_counted() -> None:
    audio = loaded(sound(np.array([1.5, 0.25, -1.5, np.inf]), 8000, subtype="DOUBLE"), 8000)
    assert (audio.samples.tolist(), audio.clipped) == ([32767, 8192, -32768, 32767], 3)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_floats_beyond_all_reckoning_are_clipped_without_a_warning(rate_hz: int) -> None:
    """From 10^34 on they were warnings of NumPy on the terminal, and noise in another rate."""
    loud = loaded(sound(np.full((100, 2), 3e38), 8000, subtype="FLOAT"), rate_hz)
    assert np.median(loud.samples) == 32767
    assert loud.clipped


# Cutting and gain


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
@pytest.mark.parametrize(
    ("start_s", "duration_s", "first", "last"),
    [(0.25, None, 2000, 16000), (0.0, 0.5, 0, 4000), (0.5, 1.0, 4000, 12000), (1.5, 9.0, 12000, 16000)],
    ids=["start", "duration", "both", "beyond-the-end"],
)
def test_a_cut_is_exact_to_the_sample(
    kind: str, start_s: float, duration_s: float | None, first: int, last: int
) -> None:
    audio = loaded(sound(RAMP, 8000, kind), 8000, start_s=start_s, duration_s=duration_s)
    assert np.array_equal(audio.samples, RAMP[first:last])
    raw = raw_audio(to_slin(RAMP), 8000, start_s=start_s, duration_s=duration_s)
    assert np.array_equal(raw.samples, RAMP[first:last])


def test_a_cut_is_measured_in_the_time_of_the_file() -> None:
    signal = np.concatenate([np.zeros(24000), sine(1000, 48000, 0.5), np.zeros(24000)])
    audio = loaded(sound(signal, 48000), 8000, start_s=0.5, duration_s=0.5)
    assert len(audio.samples) == 4000
    assert level_dbfs(audio.samples) == pytest.approx(-15.05, abs=0.1)


def test_gain_is_in_decibels_and_what_it_clips_is_counted() -> None:
    values = np.array([20000, -20000, 100, -16384], np.int16)
    twice = 20 * float(np.log10(2))
    for audio in (
        loaded(sound(values, 8000), 8000, gain_db=twice),
        raw_audio(to_slin(values), 8000, gain_db=twice),
    ):
        assert audio.samples.tolist() == [32767, -32768, 200, -32768]
        assert audio.clipped == 2
    assert loaded(sound(values, 8000), 8000, gain_db=-twice).samples.tolist() == [10000, -10000, 50, -8192]


# What cannot be loaded

Maker = Callable[[Path], object]
FLAC = sound(sine(440, 16000, 3.0), 16000, "FLAC")
NO_SOUND: dict[str, tuple[Maker, str]] = {
    "missing": (lambda path: None, "no such file or directory"),
    "folder": (Path.mkdir, "is a directory"),
    "text": (lambda path: path.write_text("Hello, caller.\n" * 100), "it is text, not sound; name a sound file"),
    "no-bytes": (lambda path: path.write_bytes(b""), "it is empty"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 20), "is it a sound file?"),
    "empty-wav": (lambda path: path.write_bytes(sound(np.zeros(0), 8000)), "it holds no audio"),
    "wav-header-only": (lambda path: path.write_bytes(sound(RAMP, 8000)[:44]), "it holds no audio"),
    "truncated-wav-header": (lambda path: path.write_bytes(sound(RAMP, 8000)[:20]), "is it a sound file?"),
    "truncated-flac": (lambda path: path.write_bytes(FLAC[: len(FLAC) // 2]), "it is cut short or damaged after "),
    "damaged-flac": (
        lambda path: path.write_bytes(FLAC[:9000] + bytes(500) + FLAC[9500:]),
        "it is cut short or damaged after ",
    ),
    "truncated-flac-header": (lambda path: path.write_bytes(FLAC[:100]), "is it a sound file?"),
}


@pytest.mark.parametrize(("make", "reason"), NO_SOUND.values(), ids=NO_SOUND)
def test_what_cannot_be_loaded_is_one_line_with_name_and_reason(make: Maker, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "prompt.wav"
    make(path)
    with pytest.raises(FileError) as caught:
        loaded(path, 8000)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("rate_hz", [1, 999])
def test_what_is_sampled_too_slowly_for_sound_is_refused(rate_hz: int) -> None:
    """Four thousand bytes at 1 Hz were ten gigabytes at 192000 Hz."""
    with pytest.raises(FileError, match=f"its sample rate is {rate_hz} Hz, which is too low for sound"):
        loaded(sound(np.ones(4000, np.int16), rate_hz), 192000)
    assert len(loaded(sound(np.ones(4000, np.int16), 1000), 8000).samples) == 32000


@pytest.mark.parametrize("rate_hz", [1_000_001, 0xFFFFFFFF])
def test_what_is_sampled_too_fast_for_sound_is_refused(rate_hz: int) -> None:
    """A header that says 4 GHz made half a second of work minutes."""
    header = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, 0, 2, 16) + b"data" + struct.pack("<I", 8000)
    wav = b"RIFF" + struct.pack("<I", 8036) + b"WAVE" + header + bytes(range(250)) * 32
    with pytest.raises(FileError, match=f"its sample rate is {rate_hz} Hz, which is too high for sound"):
        loaded(wav, 8000)


def test_a_file_that_unpacks_to_more_than_memory_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = np.zeros(300_000, np.int16)
    packed = sound(silence, 8000, "FLAC")
    assert len(packed) < len(silence) / 100
    monkeypatch.setattr(files, "_MAX_SAMPLES", 300_000)
    assert len(loaded(packed, 8000).samples) == 300_000
    with pytest.raises(FileError, match=r"^cannot play standard input: it is longer than 0\.0052 hours$"):
        loaded(packed, 16000)


def test_bytes_that_cannot_be_loaded_are_called_standard_input() -> None:
    with pytest.raises(FileError, match=r"^cannot read standard input: format not recognised"):
        loaded(bytes(range(256)), 8000)


def test_a_wav_cut_short_gives_what_is_there() -> None:
    assert np.array_equal(loaded(sound(RAMP, 8000)[:-1001], 8000).samples, RAMP[:-501])


@pytest.mark.parametrize("load", [loaded, raw_audio])
def test_a_start_behind_the_end_is_refused(load: Callable[..., Audio]) -> None:
    source = sound(RAMP, 8000) if load is loaded else to_slin(RAMP)
    with pytest.raises(FileError, match=r"^cannot play standard input: it holds no audio in that range$"):
        load(source, 8000, start_s=2.0)


def test_a_pipe_is_loaded_or_refused_without_noise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(path := tmp_path / "pipe.wav")

    def write() -> None:
        with suppress(BrokenPipeError):
            path.write_bytes(sound(RAMP, 8000))

    writer = threading.Thread(target=write)
    writer.start()
    with suppress(FileError):
        assert np.array_equal(loaded(path, 8000).samples, RAMP)
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # lets the writer go where nobody opened the pipe
    writer.join()
    assert capfd.readouterr().err == ""


def test_a_pipe_that_is_kept_keeps_its_name_which_tells_what_it_holds(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "pipe.ulaw")
    writer = threading.Thread(target=path.write_bytes, args=(encode_mu_law(to_slin(tone(440, 8000, 2.0))),))
    writer.start()
    kept = Sound(path, gain_db=-6.0, start_s=0.5).kept()
    writer.join()
    assert (kept.name, kept.is_pipe, kept.gain_db) == (str(path), False, -6.0)
    for _ in range(2):
        assert sum(map(len, kept.open().blocks(8000))) == 12_000


# Raw samples


def test_raw_audio_is_taken_sample_for_sample_without_an_odd_last_byte() -> None:
    audio = raw_audio(to_slin(RAMP) + b"\x7f", 16000)
    assert np.array_equal(audio.samples, RAMP)
    assert (audio.rate_hz, audio.clipped, audio.duration_s) == (16000, 0, 1.0)


@pytest.mark.parametrize("data", [b"", b"\x01"], ids=["nothing", "half-a-sample"])
def test_raw_audio_without_a_sample_is_refused(data: bytes) -> None:
    with pytest.raises(FileError, match=r"holds no audio|it is empty"):
        raw_audio(data, 8000)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF"])
def test_a_sound_file_is_recognised(kind: str) -> None:
    assert is_sound(sound(sine(440, 16000, 0.5), 16000, kind))


NOISE = np.random.default_rng(7).integers(-1, 2, 8000).astype(np.int16)
RAW = {
    "nothing": b"",
    "digital-silence": bytes(16000),
    "tone": to_slin(np.rint(8000 * sine(440, 8000, 1.0, peak=1.0)).astype(np.int16)),
    "lowest-bit-noise": b"\xff\xff\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff" + to_slin(NOISE),
    "text": b"Hello, caller.\n" * 100,
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_raw_samples_are_not_taken_for_a_sound_file(data: bytes) -> None:
    assert not is_sound(data)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_what_is_no_number_becomes_silence_and_spoils_nothing_else(tmp_path: Path, rate_hz: int) -> None:
    signal = sine(440, 8000, 0.5).astype(np.float32)
    signal[2000] = np.nan
    path = tmp_path / "nan.wav"
    soundfile.write(path, signal, 8000, subtype="FLOAT")
    samples = loaded(path, rate_hz).samples
    assert np.abs(samples[: rate_hz // 8]).max() > 1000
    assert np.abs(samples[rate_hz * 3 // 8 :]).max() > 1000
