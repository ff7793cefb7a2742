"""WAV files that grow: after every append, and after every accident, two independent readers find the samples."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.audio.growing_wav import HEADER_BYTES, GrowingWav, first_of, part_path


def contents(path: Path, rate_hz: int = 8000, channels: int = 1) -> bytes:
    """Return a WAV file's data, on which soundfile and the standard library must agree."""
    samples, file_rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    assert (file_rate_hz, samples.shape[1]) == (rate_hz, channels)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate_hz, channels, 2)
        assert file.getnframes() == len(samples)
        data = bytes(file.readframes(file.getnframes()))
    assert data == samples.astype("<i2").tobytes()
    with path.open("rb") as raw:  # both readers forgive a wrong size here, others do not
        assert int.from_bytes(raw.read(8)[4:], "little") == HEADER_BYTES - 8 + len(data)
    return data


def numbered(first: int, last: int) -> bytes:
    """Return samples that name their own places, so that none can be lost, doubled or swapped unseen."""
    return np.arange(first, last).astype("<u2").tobytes()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


# Growing


def test_a_new_file_is_valid_and_empty(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000)
    assert contents(tmp_path / "call.wav") == b""
    assert (wav.frames, wav.duration_s, wav.paths) == (0, 0.0, [tmp_path / "call.wav"])
    wav.close()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8000, 44100, 192000])
def test_after_each_append_the_file_holds_exactly_the_samples_so_far(
    rate_hz: int, channels: int, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    wav = GrowingWav(path, rate_hz, channels)
    written = b""
    for size in (160, 1, 0, 882, 7):
        piece = numbered(len(written) // 2, len(written) // 2 + size * channels)
        wav.append(piece)
        written += piece
        assert contents(path, rate_hz, channels) == written
        assert path.stat().st_size == HEADER_BYTES + len(written)
    assert wav.frames == 1050
    assert wav.duration_s == 1050 / rate_hz
    wav.close()
    assert contents(path, rate_hz, channels) == written


def test_two_channels_are_interleaved(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000, 2)
    wav.append(np.array([[1, -1], [2, -2], [3, -3]], "<i2").tobytes())
    wav.close()
    samples, _ = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert samples.T.tolist() == [[1, 2, 3], [-1, -2, -3]]


def test_the_rate_can_change_while_the_file_is_empty(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000)
    wav.set_rate(16000)
    assert contents(tmp_path / "call.wav", 16000) == b""
    wav.append(numbered(0, 160))
    assert contents(tmp_path / "call.wav", 16000) == numbered(0, 160)
    assert wav.duration_s == 0.01
    with pytest.raises(ValueError, match="cannot change"):
        wav.set_rate(8000)
    wav.close()
    assert contents(tmp_path / "call.wav", 16000) == numbered(0, 160)


def test_closing_twice_is_fine_and_closes_no_other_file(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000)
    wav.close()
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)  # takes the number that was just set free
    wav.close()
    os.close(other)


def test_appending_after_close_is_an_error_that_leaves_the_file_alone(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000)
    wav.append(numbered(0, 160))
    wav.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        wav.append(numbered(160, 320))
    assert contents(tmp_path / "call.wav") == numbered(0, 160)


# Names and access


@pytest.mark.usefixtures("_no_umask")
def test_every_part_is_private_whatever_the_umask(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000, max_data_bytes=4)
    wav.append(numbered(0, 4))
    wav.close()
    assert [mode(path) for path in wav.paths] == [0o600, 0o600]


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        GrowingWav(path, 8000)
    assert path.read_bytes() == b"precious"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "call.wav").symlink_to(tmp_path / "elsewhere.wav")
    with pytest.raises(FileExistsError):
        GrowingWav(tmp_path / "call.wav", 8000)
    assert not (tmp_path / "elsewhere.wav").exists()


def test_a_part_that_exists_is_never_overwritten_and_the_next_name_taken(tmp_path: Path) -> None:
    (tmp_path / "call.part2.wav").write_bytes(b"precious")
    (tmp_path / "call.part2-2.wav").symlink_to("nowhere")
    wav = GrowingWav(tmp_path / "call.wav", 8000, max_data_bytes=320)
    for start in range(0, 480, 160):
        wav.append(numbered(start, start + 160))
    wav.close()
    assert [path.name for path in wav.paths] == ["call.wav", "call.part2-3.wav", "call.part3.wav"]
    assert (tmp_path / "call.part2.wav").read_bytes() == b"precious"
    assert b"".join(map(contents, wav.paths)) == numbered(0, 480)


# Parts


@pytest.mark.parametrize(
    ("name", "first"),
    [("a.part2.wav", "a.wav"), ("a.b.part12.flac", "a.b.flac"), ("a.wav", "a.wav"), ("a.part2", "a.part2"),
     (".part2.wav", ".part2.wav"), ("a.part.wav", "a.part.wav"), (part_path(Path("a.wav"), 3).name, "a.wav")],
)  # fmt: skip
def test_a_part_tells_which_file_it_continues(name: str, first: str) -> None:
    assert first_of(name) == first


def test_a_full_part_is_continued_in_the_next(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "call.wav", 8000, max_data_bytes=640)
    wav.append(numbered(0, 320))
    assert wav.paths == [tmp_path / "call.wav"]
    wav.append(numbered(320, 1000))
    names = ["call.wav", "call.part2.wav", "call.part3.wav", "call.part4.wav"]
    assert wav.paths == [tmp_path / name for name in names]
    assert [len(contents(path)) for path in wav.paths] == [640, 640, 640, 80]
    assert b"".join(map(contents, wav.paths)) == numbered(0, 1000)
    assert (wav.frames, wav.duration_s) == (1000, 0.125)
    wav.close()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(8, 60), st.sampled_from([1, 2]))
def test_any_appends_into_parts_of_any_size_keep_every_sample(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], max_data_bytes: int, channels: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    wav = GrowingWav(folder / "call.wav", 8000, channels, max_data_bytes=max_data_bytes)
    written = b""
    for size in sizes:
        piece = numbered(len(written) // 2, len(written) // 2 + size * channels)
        wav.append(piece)
        written += piece
        parts = [contents(path, channels=channels) for path in wav.paths]
        assert b"".join(parts) == written
        assert max(map(len, parts)) <= max_data_bytes
    wav.close()
    assert wav.frames == sum(sizes)
    assert sorted(folder.iterdir()) == sorted(wav.paths)


# Accidents


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]


@pytest.mark.parametrize("room_bytes", [44, 45, 364, 1000, 1963], ids=lambda size: f"{size}-bytes")
def test_a_failing_disk_is_an_error_and_leaves_the_whole_appends(room_bytes: int, tmp_path: Path) -> None:
    # A limit on the size of files fails a write as a full disk does, after a short write where some room is left; it
    # needs no root and no mount. In a process of its own, for a limit cannot be raised again.
    script = """
        import resource, signal, sys
        from pathlib import Path
        import numpy as np
        from audiosocket_cli.audio.growing_wav import GrowingWav

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        room_bytes = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, room_bytes))
        wav = GrowingWav(Path(sys.argv[1]), 8000)
        failures = 0
        while failures < 3:
            try:
                wav.append(np.arange(wav.frames, wav.frames + 160).astype("<u2").tobytes())
            except OSError:
                failures += 1
        print(wav.frames)
        wav.close()
    """
    path = tmp_path / "call.wav"
    done = subprocess.run(python(script, path, room_bytes), capture_output=True, text=True, check=False, timeout=30)
    frames = (room_bytes - HEADER_BYTES) // 320 * 160
    assert (done.stderr, done.stdout) == ("", f"{frames}\n")
    assert contents(path) == numbered(0, frames)
    assert path.stat().st_size == HEADER_BYTES + 2 * frames


@pytest.mark.parametrize("rate_hz", [8000, 48000])
@pytest.mark.parametrize("appends", [1, 50, 400])
def test_what_was_appended_survives_a_kill(appends: int, rate_hz: int, tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        import numpy as np
        from audiosocket_cli.audio.growing_wav import GrowingWav

        rate_hz = int(sys.argv[2])
        wav = GrowingWav(Path(sys.argv[1]), rate_hz)
        while True:
            wav.append(np.arange(wav.frames, wav.frames + rate_hz // 10).astype("<u2").tobytes())
            print(wav.frames, flush=True)
    """
    path = tmp_path / "call.wav"
    with subprocess.Popen(python(script, path, rate_hz), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(appends):
            process.stdout.readline()
        process.kill()
        last = process.stdout.read().split("\n")[-2:-1]
    frames = len(contents(path, rate_hz)) // 2
    printed = int(last[0]) if last else appends * rate_hz // 10
    assert printed >= appends * rate_hz // 10
    assert frames in {printed, printed + rate_hz // 10}
    assert contents(path, rate_hz) == numbered(0, frames)


def test_samples_are_mixed_into_what_is_written_also_of_earlier_parts(tmp_path: Path) -> None:
    written = np.arange(20, dtype=np.int16).reshape(10, 2) + 100
    wav = GrowingWav(tmp_path / "call.wav", 8000, 2, max_data_bytes=3 * 4)  # three samples of both in each
    wav.append(written.astype("<i2").tobytes())
    wav.mix_in(8, 1, np.array([1000, 2000, 3000, 4000, 5000, 32000], np.int16))
    wav.append_silence(1)
    wav.mix_in(1, 0, np.array([7], np.int16))
    wav.close()
    found = np.concatenate([soundfile.read(path, dtype="int16", always_2d=True)[0] for path in wav.paths])
    np.testing.assert_array_equal(found[:, 0], [*written[:, 0], 7])
    added = [0, 0, 1000, 2000, 3000, 4000, 5000, 32000, 0, 0]
    np.testing.assert_array_equal(found[:, 1], [*np.minimum(written[:, 1] + np.array(added), 32767), 0])
