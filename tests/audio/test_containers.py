"""Containers other than WAV: what is recorded comes out whole and as loud; what cannot be made leaves a WAV."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio import containers
from audiosocket_cli.audio.containers import ConvertedFile, container_of
from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.audio.pcm import Samples, level_dbfs, to_slin, tone
from audiosocket_cli.errors import UsageError
from support.running import need

LOSSLESS = [
    ".aif", ".aiff", ".au", ".avr", ".caf", ".flac", ".ircam", ".mat4", ".mat5", ".nist", ".paf", ".pcm", ".pvf",
    ".raw", ".rf64", ".sln", ".voc", ".w64", ".wavex",
]  # fmt: skip
LOSSY = [".mp3", ".oga", ".ogg", ".opus"]
HEADERLESS = [".pcm", ".raw", ".sln"]
UNFIT = [".htk", ".mpc2k", ".sd2", ".sds", ".svx", ".wve", ".xi"]
RATES = [8000, 44100, 48000, 192000]
CHANNELS = pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])


def sound(rate_hz: int, channels: int, seconds: float = 0.3) -> Samples:
    """A tone for each channel, of a pitch and level of its own, shape (n,) or (n, 2)."""
    left, right = tone(440, rate_hz, seconds, -15.0), tone(1000, rate_hz, seconds, -21.0)
    return np.stack([left, right], axis=1) if channels == 2 else left


def noise(samples: int) -> Samples:
    return np.random.default_rng(1).integers(-9000, 9000, samples).astype(np.int16)


def converted(path: Path, samples: Samples, rate_hz: int) -> ConvertedFile:
    """Return a file that has taken samples and awaits its conversion."""
    file = ConvertedFile(path, rate_hz, samples.ndim)
    file.append(to_slin(samples))
    file.close()
    return file


def content(path: Path, rate_hz: int, channels: int) -> tuple[Samples, int]:
    if path.suffix in HEADERLESS:
        samples = np.fromfile(path, "<i2")
        return samples.reshape(-1, 2) if channels == 2 else samples, rate_hz
    samples, file_hz = soundfile.read(path, dtype="int16")
    return samples, file_hz


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_tables_of_these_tests_name_all_that_libsndfile_writes() -> None:
    formats = {f".{name.lower()}" for name in soundfile.available_formats()}
    assert formats <= {*LOSSLESS, *LOSSY, *UNFIT, ".wav"}


# Round trips


@CHANNELS
@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_a_lossless_container_holds_sample_for_sample_what_was_recorded(
    tmp_path: Path, suffix: str, rate_hz: int, channels: int
) -> None:
    said = sound(rate_hz, channels)
    file = converted(tmp_path / f"call{suffix}", said, rate_hz)
    file.finish()
    samples, file_hz = content(tmp_path / f"call{suffix}", rate_hz, channels)
    assert file_hz == rate_hz
    np.testing.assert_array_equal(samples, said)
    assert file.paths == [tmp_path / f"call{suffix}"]
    assert names(tmp_path) == [f"call{suffix}"]
    assert file.paths[0].stat().st_mode & 0o777 == 0o600


@CHANNELS
@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("suffix", LOSSY)
def test_a_lossy_container_keeps_length_level_and_sides(
    tmp_path: Path, suffix: str, rate_hz: int, channels: int
) -> None:
    """libsndfile 1.2.2 makes noise of stereo MP3 that is written as int16."""
    said = sound(rate_hz, channels)
    converted(tmp_path / f"call{suffix}", said, rate_hz).finish()
    samples, file_hz = content(tmp_path / f"call{suffix}", rate_hz, channels)
    limits = {".mp3": [8000, 44100, 48000], ".opus": [8000, 48000]}
    assert file_hz == (rate_hz if rate_hz in limits.get(suffix, RATES) else 48000)
    assert samples.shape == (round(0.3 * file_hz), *said.shape[1:])
    middle = slice(file_hz // 20, -file_hz // 20)
    for column, level in zip(samples.reshape(len(samples), -1).T, (-15.0, -21.0), strict=False):
        assert level_dbfs(column[middle]) == pytest.approx(level, abs=0.25)
    for column, pitch_hz in zip(samples.reshape(len(samples), -1).T, (440, 1000), strict=False):
        spectrum = np.abs(np.fft.rfft(column[middle]))
        assert np.argmax(spectrum) * file_hz / len(column[middle]) == pytest.approx(pitch_hz, abs=5)


@pytest.mark.parametrize("suffix", [".flac", ".aiff", ".caf", ".au", ".w64", ".voc", ".wavex"])
def test_another_reader_finds_the_same_samples(tmp_path: Path, suffix: str) -> None:
    said = sound(16000, 2)
    converted(tmp_path / f"call{suffix}", said, 16000).finish()
    done = subprocess.run(
        [need("ffmpeg"), "-v", "error", "-i", tmp_path / f"call{suffix}", "-f", "s16le", "-"],
        capture_output=True, timeout=20, check=True,
    )  # fmt: skip
    assert done.stdout == said.tobytes()


@pytest.mark.parametrize("suffix", LOSSY)
def test_another_reader_opens_a_lossy_file(tmp_path: Path, suffix: str) -> None:
    converted(tmp_path / f"call{suffix}", sound(48000, 1), 48000).finish()
    done = subprocess.run(
        [need("ffmpeg"), "-v", "error", "-i", tmp_path / f"call{suffix}", "-f", "s16le", "-"],
        capture_output=True, timeout=20, check=True,
    )  # fmt: skip
    samples = np.frombuffer(done.stdout, "<i2")
    assert len(samples) == pytest.approx(0.3 * 48000, abs=2500)  # some readers keep what an encoder pads with
    assert level_dbfs(samples[4800:-4800]) == pytest.approx(-15.0, abs=0.15)


def test_suffixes_are_known_in_capitals() -> None:
    assert container_of(Path("CALL.FLAC")) == container_of(Path("call.flac"))


@pytest.mark.parametrize("suffix", [*UNFIT, ".xyz", "", ".", ".m4a", ".ulaw"])
def test_a_suffix_that_cannot_hold_every_call_is_refused_with_a_cure(suffix: str) -> None:
    with pytest.raises(UsageError, match=r"^cannot record to call.*: write its name with \.wav, \.flac, \.ogg"):
        container_of(Path(f"call{suffix}"))


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
def test_a_call_without_a_sample_makes_a_file_that_opens(tmp_path: Path, suffix: str) -> None:
    converted(tmp_path / f"call{suffix}", noise(0), 8000).finish()
    samples, _ = content(tmp_path / f"call{suffix}", 8000, 1)
    assert len(samples) <= 1
    assert names(tmp_path) == [f"call{suffix}"]


def test_the_parts_of_a_long_recording_become_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "GrowingWav", functools.partial(GrowingWav, max_data_bytes=3000))
    file = converted(tmp_path / "call.flac", noise(4000), 8000)
    assert names(tmp_path) == [f"call.unconverted{part}.wav" for part in (".part2", ".part3", "")]
    file.finish()
    np.testing.assert_array_equal(content(tmp_path / "call.flac", 8000, 1)[0], noise(4000))
    assert names(tmp_path) == ["call.flac"]


def test_a_rate_set_later_is_the_files_rate(tmp_path: Path) -> None:
    file = ConvertedFile(tmp_path / "call.flac", 8000)
    file.set_rate(48000)
    file.append(to_slin(noise(48000)))
    assert (file.rate_hz, file.duration_s) == (48000, 1.0)
    file.close()
    file.finish()
    assert soundfile.info(tmp_path / "call.flac").samplerate == 48000


def test_much_sound_is_converted_block_by_block_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_BLOCK_SAMPLES", 1000)
    converted(tmp_path / "call.opus", sound(44100, 2, 1.0), 44100).finish()
    samples, rate_hz = content(tmp_path / "call.opus", 48000, 2)
    assert (rate_hz, len(samples)) == (48000, 48000)
    for start in range(4800, 43200, 4800):  # a seam would be heard as a click, and seen here as a louder piece
        assert level_dbfs(samples[start : start + 4800, 0]) == pytest.approx(-15.0, abs=0.1)


# While it grows


def test_until_it_is_finished_it_is_a_wav_that_is_valid_after_each_append(tmp_path: Path) -> None:
    file = ConvertedFile(tmp_path / "call.flac", 8000)
    for seconds in (1, 2):
        file.append(to_slin(noise(8000)))
        assert file.paths == [tmp_path / "call.unconverted.wav"]
        assert soundfile.info(file.paths[0]).frames == seconds * 8000
    assert names(tmp_path) == ["call.unconverted.wav"]
    file.close()
    file.close()


@pytest.mark.parametrize("taken", ["call.flac", "call.unconverted.wav"])
@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")], ids=["file", "dead-link"])
def test_a_name_that_is_taken_is_refused_and_told(tmp_path: Path, taken: str, make: object) -> None:
    assert callable(make)
    make(tmp_path / taken)
    with pytest.raises(FileExistsError) as caught:
        ConvertedFile(tmp_path / "call.flac", 8000)
    assert (caught.value.strerror, str(caught.value.filename)) == ("File exists", str(tmp_path / taken))
    assert names(tmp_path) == [taken]


# Conversions that fail


@contextlib.contextmanager
def small_disk(size_bytes: int) -> Iterator[None]:
    """No file can be made larger in here."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("missing_bytes", [1, 1_000_000], ids=["by-a-byte", "altogether"])
@pytest.mark.parametrize("suffix", [*LOSSY, ".flac", ".aiff", ".caf", ".raw"])
def test_a_disk_that_is_too_small_keeps_the_wav_and_says_why(tmp_path: Path, suffix: str, missing_bytes: int) -> None:
    """libsndfile writes the last block on closing, and tells no error of that."""
    converted(tmp_path / f"whole{suffix}", noise(5000), 8000).finish()
    size_bytes = (tmp_path / f"whole{suffix}").stat().st_size
    file = converted(tmp_path / f"call{suffix}", noise(5000), 8000)
    with small_disk(max(0, size_bytes - missing_bytes)), pytest.raises(OSError, match="cannot convert") as caught:
        file.finish()
    assert caught.value.strerror == (f"cannot convert to call{suffix}: file too large (kept as call.unconverted.wav)")
    assert file.paths == [tmp_path / "call.unconverted.wav"]
    np.testing.assert_array_equal(content(file.paths[0], 8000, 1)[0], noise(5000))
    assert names(tmp_path) == ["call.unconverted.wav", f"whole{suffix}"]


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = converted(tmp_path / "call.flac", noise(5000), 8000)
    (tmp_path / "call.flac").write_text("theirs")
    (tmp_path / "call.part.flac").write_text("theirs, too")
    with pytest.raises(OSError, match=r"cannot convert to call\.flac: file exists \(kept as call\.unconverted\.wav\)"):
        file.finish()
    assert (tmp_path / "call.flac").read_text() == "theirs"
    assert (tmp_path / "call.part.flac").read_text() == "theirs, too"
    assert names(tmp_path) == ["call.flac", "call.part.flac", "call.unconverted.wav"]


def test_an_encoder_that_fails_keeps_the_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: soundfile.SoundFile, data: object) -> None:
        raise soundfile.LibsndfileError(7)

    file = converted(tmp_path / "call.flac", noise(5000), 8000)
    with monkeypatch.context() as patch:
        patch.setattr(soundfile.SoundFile, "write", fail)
        with pytest.raises(OSError, match=r"^\[Errno 0\] cannot convert to call\.flac: .+ \(kept as call\.unc"):
            file.finish()
    np.testing.assert_array_equal(content(file.paths[0], 8000, 1)[0], noise(5000))
    assert names(tmp_path) == ["call.unconverted.wav"]


def test_a_folder_that_is_gone_is_told_as_a_failed_conversion(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    file = converted(tmp_path / "calls" / "call.flac", noise(5000), 8000)
    os.rename(tmp_path / "calls", tmp_path / "moved")
    with pytest.raises(OSError, match=r"cannot convert to call\.flac: no such file or directory"):
        file.finish()
    assert names(tmp_path / "moved") == ["call.unconverted.wav"]
