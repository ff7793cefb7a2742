"""A piece of a recording is the same samples, with the same rate, channels and format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.cutting import cut
from audiosocket_cli.errors import FileError


def recording(path: Path, seconds: float = 10, rate_hz: int = 8000, channels: int = 2) -> np.ndarray:
    noise = np.random.default_rng(5).integers(-30000, 30000, (int(seconds * rate_hz), channels), dtype=np.int16)
    soundfile.write(path, noise, rate_hz, subtype="PCM_16")
    return noise


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_piece_is_what_is_there_sample_for_sample(suffix: str, tmp_path: Path) -> None:
    whole = recording(tmp_path / f"call{suffix}")
    out = tmp_path / f"piece{suffix}"
    assert cut([tmp_path / f"call{suffix}"], out, 2.5, 4.0) == 1.5
    piece, rate_hz = soundfile.read(out, dtype="int16", always_2d=True)
    assert rate_hz == 8000
    np.testing.assert_array_equal(piece, whole[20_000:32_000])
    assert soundfile.info(out).format == suffix[1:].upper()
    assert {path.name for path in tmp_path.iterdir()} == {f"call{suffix}", f"piece{suffix}"}


def test_a_piece_goes_on_in_the_next_part_and_ends_with_the_last(tmp_path: Path) -> None:
    first, second = tmp_path / "call.wav", tmp_path / "call.part2.wav"
    both = np.concatenate([recording(first, 3, channels=1), recording(second, 2, channels=1)])
    assert cut([first, second], tmp_path / "a.wav", 2.0, 4.0) == 2.0
    np.testing.assert_array_equal(
        soundfile.read(tmp_path / "a.wav", dtype="int16", always_2d=True)[0], both[16_000:32_000]
    )
    assert cut([first, second], tmp_path / "b.wav", 4.5, 99.0) == 0.5
    assert cut([first, second], tmp_path / "c.wav", 3.25, 3.5) == 0.25
    np.testing.assert_array_equal(
        soundfile.read(tmp_path / "c.wav", dtype="int16", always_2d=True)[0], both[26_000:28_000]
    )


def test_where_the_recording_holds_nothing_there_is_no_file(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav", 2)
    assert cut([tmp_path / "call.wav"], tmp_path / "piece.wav", 5, 6) == 0
    assert not (tmp_path / "piece.wav").exists()


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav", 2)
    (tmp_path / "piece.wav").write_text("mine")
    with pytest.raises(FileExistsError):
        cut([tmp_path / "call.wav"], tmp_path / "piece.wav", 0, 1)
    assert (tmp_path / "piece.wav").read_text() == "mine"


def test_what_is_not_sound_leaves_no_file(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav", 2)
    (tmp_path / "call.part2.wav").write_text("no sound")
    with pytest.raises(FileError):
        cut([tmp_path / "call.wav", tmp_path / "call.part2.wav"], tmp_path / "piece.wav", 1, 9)
    assert not (tmp_path / "piece.wav").exists()
