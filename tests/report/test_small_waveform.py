"""The small waveform of a recording: no peak is lost, whatever the file, its length and its parts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import FULL_SCALE
from audiosocket_cli.errors import FileError
from audiosocket_cli.report import small_waveform as module
from audiosocket_cli.report.small_waveform import small_waveform


def sound_of(frames: int, channels: int = 2, seed: int = 1) -> NDArray[np.int16]:
    loudness = np.linspace(100, 9000, max(1, frames))[:frames, None]
    noise = np.random.default_rng(seed).normal(0, 1, (frames, channels))
    return (noise * loudness / (np.arange(channels) + 1)).clip(-32768, 32767).astype(np.int16)


def expected_bars(sound: NDArray[np.int16], bars: int) -> NDArray[np.int64]:
    """Each frame i is in the bar i * bars // frames."""
    wide = np.abs(sound.astype(np.int64))
    place = np.arange(len(sound)) * bars // len(sound)
    peaks = np.array([[wide[place == bar, side].max() for side in (0, -1)] for bar in range(bars)])
    return np.ceil(peaks / FULL_SCALE * 127).astype(np.int64)


def written(path: Path, sound: NDArray[np.int16]) -> Path:
    soundfile.write(path, sound, 8000)
    return path


def bars_of(paths: list[Path], bars: int) -> NDArray[np.int64]:
    return np.frombuffer(small_waveform(paths, bars).bars, np.uint8).astype(np.int64).reshape(-1, 2)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 7, 149, 150, 151, 8000, 30001])
def test_each_bar_has_the_loudest_sample_of_its_part(tmp_path: Path, frames: int, channels: int) -> None:
    sound = sound_of(frames, channels)
    found = bars_of([written(tmp_path / "call.wav", sound)], 150)
    assert (found == expected_bars(sound, min(150, frames))).all()


@pytest.mark.parametrize("block", [1, 64, 999])
def test_blocks_do_not_show(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = sound_of(2000)
    path = written(tmp_path / "call.wav", sound)
    monkeypatch.setattr(module, "_BLOCK_FRAMES", block)
    assert (bars_of([path], 40) == expected_bars(sound, 40)).all()


def test_other_formats_look_the_same(tmp_path: Path) -> None:
    sound = sound_of(16000)
    plain = small_waveform([written(tmp_path / "call.wav", sound)], 100)
    for name, how in (("call.flac", "PCM_16"), ("wide.wav", "PCM_24"), ("float.wav", "FLOAT")):
        soundfile.write(tmp_path / name, sound / FULL_SCALE, 8000, subtype=how)
        assert small_waveform([tmp_path / name], 100).bars == plain.bars


def test_parts_follow_each_other(tmp_path: Path) -> None:
    first, second = sound_of(8000), sound_of(4000, seed=2)
    paths = [written(tmp_path / "call.wav", first), written(tmp_path / "call.part2.flac", second)]
    found = small_waveform(paths, 30)
    assert found.duration_s == 1.5
    assert (bars_of(paths, 30) == expected_bars(np.concatenate([first, second]), 30)).all()


def test_levels_are_measured(tmp_path: Path) -> None:
    sound = np.zeros((8000, 2), np.int16)
    sound[:4000, 0], sound[10, 1] = 16384, -32768
    found = small_waveform([written(tmp_path / "call.wav", sound)], 10)
    assert found.levels == pytest.approx((0.125, 1 / 8000), rel=1e-3)
    assert (found.channels, found.rate_hz, found.duration_s) == (2, 8000, 1.0)


def test_a_recording_without_a_sample_has_one_flat_bar(tmp_path: Path) -> None:
    found = small_waveform([written(tmp_path / "call.wav", sound_of(0))], 150)
    assert (found.bars, found.duration_s) == (b"\0\0", 0.0)


def test_a_recording_whose_header_promises_more_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    sound = sound_of(8000)
    path = written(tmp_path / "call.wav", sound)
    os.truncate(path, 44 + 4000 * 4 + 3)
    found = small_waveform([path], 20)
    assert found.duration_s == 0.5
    assert (bars_of([path], 20) == expected_bars(sound[:4000], 20)).all()


def test_a_recording_that_was_never_closed_is_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path / "call.wav", sound_of(8000))
    data = bytearray(path.read_bytes())
    data[40:44] = bytes(4)
    path.write_bytes(data)
    assert small_waveform([path], 20).duration_s == 1.0


@pytest.mark.parametrize("content", [b"", b"RIFF", b"text\n" * 500])
def test_what_is_no_sound_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    with pytest.raises(FileError):
        small_waveform([path], 20)


def test_a_file_of_very_many_channels_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "call.wav", np.zeros((10, 100), np.int16))
    with pytest.raises(FileError, match="100 channels"):
        small_waveform([path], 20)


def test_a_long_recording_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour is a hole in a file here, which is read as any other."""
    path = written(tmp_path / "call.wav", sound_of(8))
    sizes: list[int] = []
    real = module._take

    def watched(peaks: object, power: object, block: NDArray[np.int16], *where: int) -> None:
        sizes.append(block.nbytes)
        real(peaks, power, block, *where)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_take", watched)
    data = bytearray(path.read_bytes()[:44])
    data[40:44] = (3600 * 8000 * 4).to_bytes(4, "little")
    path.write_bytes(data)
    os.truncate(path, 44 + 3600 * 8000 * 4)
    assert small_waveform([path], 150).duration_s == 3600
    assert max(sizes) <= 1 << 20
