"""`scripts/sounds` makes the sounds of findings, and each is heard as its page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from support.pages import DOCS, ROOT

FOLDER = DOCS / "finding"
NAMES = sorted(path.stem for path in FOLDER.glob("*.wav"))
NOISE = {"caller-ulaw", "server-ulaw", "byte-swapped", "byte-shifted", "sample-format", "compressed-bytes"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "sounds"
    subprocess.run([sys.executable, ROOT / "scripts" / "sounds", folder], check=True, capture_output=True)
    return folder


def samples_of(path: Path) -> NDArray[np.float64]:
    samples, rate_hz = soundfile.read(path)
    info = soundfile.info(path)
    assert (rate_hz, info.channels, info.subtype, info.duration) == (8000, 1, "ULAW", 2.2)
    return np.asarray(samples)


def likeness(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the correlation of two sounds, each without its mean."""
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("name", NAMES)
def test_each_sound_is_what_the_script_makes(made: Path, name: str) -> None:
    if name == "compressed-bytes":  # which depends on the release of the encoder
        return
    assert likeness(samples_of(FOLDER / f"{name}.wav"), samples_of(made / f"{name}.wav")) > 0.99


def test_it_makes_all_of_them(made: Path) -> None:
    assert sorted(path.stem for path in made.glob("*.wav")) == NAMES


@pytest.mark.parametrize("name", sorted(NOISE))
def test_noise_has_nothing_of_the_words_and_is_loud(name: str) -> None:
    words, sound = samples_of(FOLDER / "nothing-found.wav"), samples_of(FOLDER / f"{name}.wav")
    assert abs(likeness(words, sound)) < 0.2
    assert sound.std() > 3 * words.std()


@pytest.mark.parametrize(("name", "least"), [("clipped", 0.6), ("wav-header", -1.0), ("server-bursts", 0.3)])
def test_others_have_the_words_in_them(name: str, least: float) -> None:
    words, sound = samples_of(FOLDER / "nothing-found.wav"), samples_of(FOLDER / f"{name}.wav")
    if name == "wav-header":  # after 0.4 s and 44 bytes
        begin = 3200 + 22
        words, sound, least = words[: len(sound) - begin], sound[begin:], 0.95
    assert likeness(words, sound) > least


def test_an_offset_is_in_the_mean_and_the_edges_are_silent() -> None:
    sound = samples_of(FOLDER / "off-centre.wav")
    assert 0.1 < sound[2000:-2000].mean() < 0.3
    assert np.abs(sound[:1000]).max() < 0.01


def test_half_the_speed_is_an_octave_lower() -> None:
    def centroid_hz(name: str) -> float:
        power = np.abs(np.fft.rfft(samples_of(FOLDER / f"{name}.wav"))) ** 2
        return float((power * np.fft.rfftfreq(17600, 1 / 8000)).sum() / power.sum())

    assert centroid_hz("caller-wrong-rate") < 0.7 * centroid_hz("nothing-found") < centroid_hz("server-wrong-rate")
