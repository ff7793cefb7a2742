"""A recording read once: digits as tones, speech, and figures as others measure them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.recording_figures import measure_recording
from audiosocket_cli.analysis.sound_picture import SoundFiles, picture_of
from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.calls_analysis.sound import measure_sound
from support.spoken_calls import CALLS, lines_of, package_voices


@pytest.mark.parametrize("rate_hz", [8000, 11025])
def test_the_figures_are_those_of_a_page_and_of_doctor(tmp_path: Path, rate_hz: int) -> None:
    caller, server = lines_of(CALLS[2], package_voices(8000))
    path = tmp_path / "call.wav"
    soundfile.write(path, np.column_stack([caller, server]), rate_hz, subtype="PCM_16")
    found, picture, figures = measure_sound([path]), picture_of(SoundFiles([path])), measure_recording(path)
    assert [each.stretches for each in found.speech] == [channel.stretches for channel in picture.channels]
    for mine, theirs in zip(found.figures.channels, figures.channels, strict=True):
        assert (mine.power, mine.peak, mine.loud_s, mine.spectra) == (
            theirs.power, theirs.peak, theirs.loud_s, theirs.spectra
        )  # fmt: skip


def test_tones_are_digits_of_their_side_whatever_parts_a_recording_has(tmp_path: Path) -> None:
    pause = np.zeros(800, np.int16)
    pressed = np.concatenate([part for digit in "0042#" for part in (digit_tone(digit, 8000), pause)])
    sound = np.column_stack([pressed, np.zeros_like(pressed)])
    paths = [tmp_path / "a.wav", tmp_path / "a.part2.wav"]
    soundfile.write(paths[0], sound[:2500], 8000, subtype="PCM_16")
    soundfile.write(paths[1], sound[2500:], 8000, subtype="PCM_16")
    found = measure_sound(paths)
    assert found.tones == ["0042#", ""]
    assert found.figures.duration_s == pytest.approx(len(sound) / 8000)
