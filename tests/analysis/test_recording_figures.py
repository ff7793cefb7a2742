"""What a recording sounds like: levels of each channel, and whether it is noise or something else than samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.analysis.recording_figures import Channel, RecordingFigures, measure_recording
from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import encode_mu_law, from_slin, level_dbfs, to_slin, tone
from audiosocket_cli.errors import FileError
from audiosocket_cli.finding_pages import finding_ids, sound_of

WORDS = np.tile(load_audio(HELLO, 8000), 2)


def measured(path: Path, *channels: NDArray[np.int16], rate_hz: int = 8000) -> RecordingFigures:
    soundfile.write(path / "x.wav", np.stack(channels, axis=1), rate_hz)
    return measure_recording(path / "x.wav")


def only(figures: RecordingFigures) -> Channel:
    (channel,) = figures.channels
    return channel


def test_each_channel_has_its_figures(tmp_path: Path) -> None:
    figures = measured(tmp_path, tone(1004, 8000, 3.0, -15.0), np.zeros(24_000, np.int16))
    assert (figures.rate_hz, figures.duration_s, figures.remarks) == (8000, 3.0, [])
    left, right = figures.channels
    assert left.level_dbfs == pytest.approx(-15.0, abs=0.1)
    assert left.peak_dbfs == pytest.approx(-12.0, abs=0.1)
    assert left.loud_s == pytest.approx(3.0, abs=0.02)
    assert (right.level_dbfs, right.peak_dbfs, right.loud_s, right.excerpts) == (-96.3, -96.3, 0.0, [])


def test_its_level_is_that_of_the_same_samples(tmp_path: Path) -> None:
    assert only(measured(tmp_path, WORDS)).level_dbfs == pytest.approx(level_dbfs(WORDS), abs=0.01)


def test_speech_is_nothing_else(tmp_path: Path) -> None:
    channel = only(measured(tmp_path, WORDS))
    assert (channel.law, channel.disorder, channel.is_compressed, channel.is_noise) == (None, None, False, False)


@pytest.mark.parametrize("padding", [0, 80], ids=["end to end", "placed at the time of its frames"])
def test_mu_law_read_as_samples_is_known_with_and_without_the_silence_between_short_frames(
    tmp_path: Path, padding: int
) -> None:
    noise = from_slin(encode_mu_law(to_slin(WORDS)))
    frames = noise[: len(noise) // 80 * 80].reshape(-1, 80)
    channel = only(measured(tmp_path, np.pad(frames, ((0, 0), (0, padding))).ravel()))
    assert (channel.law, channel.is_noise) == ("µ-law", True)


def test_bytes_in_the_wrong_order_are_known(tmp_path: Path) -> None:
    assert only(measured(tmp_path, WORDS.byteswap())).disorder == "byte-swapped"
    assert only(measured(tmp_path, from_slin(to_slin(WORDS)[1:-1]))).disorder == "shifted by one byte"


NOISE = {"caller-ulaw", "server-ulaw", "byte-swapped", "byte-shifted", "sample-format", "compressed-bytes",
         "odd-length"}  # fmt: skip


@pytest.mark.parametrize("finding_id", [each for each in finding_ids() if sound_of(each)])
def test_noise_is_told_from_speech_however_that_is_hurt(tmp_path: Path, finding_id: str) -> None:
    (tmp_path / "x.wav").write_bytes(sound_of(finding_id) or b"")  # in µ-law: nothing is known of its bytes any more
    assert only(measure_recording(tmp_path / "x.wav")).is_noise is (finding_id in NOISE)


@pytest.mark.parametrize("hz", [440, 2000, 3400])
def test_a_tone_is_not_noise_and_nothing_else(tmp_path: Path, hz: int) -> None:
    channel = only(measured(tmp_path, tone(hz, 8000, 3.0, -12.0)))
    assert (channel.is_noise, channel.is_compressed, channel.law) == (False, False, None)


def test_what_is_clipped_in_mu_law_is_clipped(tmp_path: Path) -> None:
    loud = np.clip(WORDS.astype(np.int32) * 8, -32124, 32124).astype(np.int16)
    assert only(measured(tmp_path, loud)).clipped > 0.01
    assert only(measured(tmp_path, WORDS)).clipped == 0.0


def test_floats_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    samples = np.full(8000, np.nan, np.float32)
    samples[::2] = 0.25
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    assert only(measure_recording(tmp_path / "x.wav")).peak == 0.25


def test_what_is_cut_short_is_remarked_and_what_is_no_sound_refused(tmp_path: Path) -> None:
    measured(tmp_path, WORDS)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:20_000])
    assert "cut short" in measure_recording(tmp_path / "cut.wav").remarks[0]
    (tmp_path / "text.wav").write_text("no sound at all, only words\n" * 9)
    with pytest.raises(FileError):
        measure_recording(tmp_path / "text.wav")


@pytest.mark.parametrize("rate_hz", [1000, 8000, 44100, 192000])
def test_all_rates_are_measured(tmp_path: Path, rate_hz: int) -> None:
    figures = measured(tmp_path, WORDS, rate_hz=rate_hz)
    assert figures.duration_s == pytest.approx(len(WORDS) / rate_hz)
    assert not only(figures).is_noise
