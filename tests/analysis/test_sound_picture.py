"""Recordings are read once, in blocks, into all that a page draws; of damaged ones what comes before the damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.sound_picture import SoundFiles, picture_of
from audiosocket_cli.analysis.stretches import stretches_of
from audiosocket_cli.audio.pcm import level_dbfs, tone
from audiosocket_cli.errors import FileError


def a_sound(seconds: float, rate_hz: int = 8000) -> np.ndarray:
    """Two channels: a tone that comes and goes, and silence."""
    sound = np.zeros((round(seconds * rate_hz), 2), np.int16)
    sound[:, 0] = tone(440, rate_hz, seconds, level_dbfs=-20.0) * (np.arange(len(sound)) // (rate_hz // 2) % 2)
    return sound


def written(path: Path, sound: np.ndarray, rate_hz: int = 8000, **kind: str) -> Path:
    soundfile.write(path, sound, rate_hz, **kind)
    return path


@pytest.mark.parametrize("rate_hz", [8000, 11025, 48000])
def test_both_channels_of_a_recording(tmp_path: Path, rate_hz: int) -> None:
    sound = a_sound(21.3, rate_hz)
    picture = picture_of(SoundFiles([written(tmp_path / "call.wav", sound, rate_hz)]))
    loud, silent = picture.channels
    assert (picture.rate_hz, picture.duration_s, picture.remarks) == (rate_hz, pytest.approx(21.3, abs=1e-3), [])
    assert loud.level_dbfs == pytest.approx(level_dbfs(sound[:, 0]), abs=0.01)
    assert loud.peak_dbfs == pytest.approx(-17.0, abs=0.1)
    assert silent.level_dbfs == pytest.approx(-96.3, abs=0.1)
    assert loud.stretches == stretches_of(sound[:, 0], rate_hz)
    assert silent.stretches.digital_silence[0][0] == 0.0
    assert len(loud.peaks[0].pairs) == 2130
    assert not silent.spectrogram.power.any()


def test_the_files_of_a_long_recording_are_one(tmp_path: Path) -> None:
    sound = a_sound(5.0)
    paths = [written(tmp_path / f"{n}.wav", part) for n, part in enumerate((sound[:12345], sound[12345:]))]
    whole = picture_of(SoundFiles([written(tmp_path / "whole.wav", sound)]))
    assert picture_of(SoundFiles(paths)).channels[0].stretches == whole.channels[0].stretches
    assert picture_of(SoundFiles(paths)).duration_s == whole.duration_s


def test_files_that_do_not_continue_each_other_are_shown_up_to_there(tmp_path: Path) -> None:
    paths = [written(tmp_path / "1.wav", a_sound(1.0)), written(tmp_path / "2.wav", a_sound(1.0)[:, 0])]
    found = picture_of(SoundFiles(paths))
    assert found.duration_s == 1.0
    assert found.remarks == [
        f"cannot show 1 more file: {paths[1]} has another rate, or other channels, than {paths[0]}"
    ]


def test_more_channels_than_a_call_has_sides_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "six.wav", np.zeros((100, 6), np.int16))
    with pytest.raises(FileError, match=r"has 6 channels: .* sox IN OUT remix 1 2"):
        SoundFiles([path])


def test_a_cut_wav_is_shown_up_to_the_cut_and_that_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.wav", a_sound(4.0))
    path.write_bytes(path.read_bytes()[: 44 + 2 * 4 * 8000])
    picture = picture_of(SoundFiles([path]))
    assert picture.duration_s == 2.0
    assert len(picture.remarks) == 1


def test_a_damaged_flac_is_shown_up_to_the_damage_and_that_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "call.flac", np.random.default_rng(1).normal(0, 3000, 80_000 * 4).astype(np.int16))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    picture = picture_of(SoundFiles([path]))
    assert 0 < picture.duration_s < 40
    assert picture.remarks


def test_a_recording_without_samples(tmp_path: Path) -> None:
    picture = picture_of(SoundFiles([written(tmp_path / "call.wav", np.zeros((0, 2), np.int16))]))
    assert picture.duration_s == 0.0
    assert [(channel.level_dbfs, channel.peaks) for channel in picture.channels] == [(None, []), (None, [])]


def test_what_is_not_a_number_is_drawn_as_silence(tmp_path: Path) -> None:
    sound = np.full(8000, np.nan, np.float32)
    sound[4000:] = np.inf
    picture = picture_of(SoundFiles([written(tmp_path / "call.wav", sound, subtype="FLOAT")]))
    (channel,) = picture.channels
    assert channel.peaks[0].pairs[0].tolist() == [0, 0]
    assert channel.peaks[0].pairs[-1].tolist() == [127, 127]
