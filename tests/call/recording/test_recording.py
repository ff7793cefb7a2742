"""The WAV tap: layouts, true time, rates, and disks that fail."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.growing_wav import GrowingWav
from audiosocket_cli.audio.pcm import level_dbfs, tone
from audiosocket_cli.call.recording import recording as recording_module
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.recording.recording import Decode, Layout, Recording
from audiosocket_cli.codec import Kind
from audiosocket_cli.model import Side
from support.fakes import UUID_1, TimedFrame, frames_of, runs_of
from support.recorded import arriving, as_mu_law, between, new_call, noise, record, sent


def test_a_call_without_pauses_is_recorded_sample_for_sample(tmp_path: Path) -> None:
    said = noise(3.3)
    samples, rate_hz, recording = record(tmp_path, Layout.CALLER, arriving(said), [], 3.3)
    assert rate_hz == 8000
    np.testing.assert_array_equal(samples, said)
    assert recording.paths == [tmp_path / f"{UUID_1}.wav"]
    assert recording.paths[0].stat().st_mode & 0o777 == 0o600


def test_a_pause_is_as_long_in_the_file_as_in_the_call(tmp_path: Path) -> None:
    first, second = noise(1.0), noise(1.0, seed=2)
    heard = arriving(first) + arriving(second, 7.3)
    samples, _, _ = record(tmp_path, Layout.CALLER, heard, [], 9.0)
    assert len(samples) == 9 * 8000
    np.testing.assert_array_equal(samples[:8000], first)
    assert not samples[8000 : int(7.3 * 8000) - 8].any()
    start = 7.3 * 8000
    np.testing.assert_allclose(np.flatnonzero(samples[9000:])[0] + 9000, start, atol=8)


def test_stereo_has_the_caller_left_and_the_server_right_on_one_clock(tmp_path: Path) -> None:
    caller, server = noise(2.0), noise(2.0, seed=2)
    samples, _, _ = record(tmp_path, Layout.STEREO, arriving(caller, 1.0), sent(server, 0.5), 4.0)
    assert samples.shape == (32000, 2)
    np.testing.assert_array_equal(samples[8000:24000, 0], caller)
    np.testing.assert_array_equal(samples[4000:20000, 1], server)
    assert not samples[:8000, 0].any()
    assert not samples[20000:, 1].any()


@pytest.mark.parametrize("behind", [False, True], ids=["at-once", "behind"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_side_far_ahead_of_the_other_does_not_wait_for_it_in_memory(
    suffix: str, behind: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "MAX_AHEAD_SAMPLES", 10 * 8000)
    flood, answer = noise(60.0), noise(2.0, seed=2)
    heard = [TimedFrame(0.02 + number / 3000, frame) for number, frame in enumerate(frames_of(flood, Kind.SLIN))]
    output = FileOutput(tmp_path / f"{{uuid}}{suffix}")
    call, recording = new_call(), Recording(Layout.STEREO, output, disk=Disk() if behind else None)
    recording.opened(call)
    said = sent(answer, 1.0)
    for start in range(0, 4000, 500):
        end = start + 500
        recording.frames(runs_of(between(heard, start, end)), runs_of(between(said, start, end)), end / 1000)
        assert all(track.made.length <= 10 * 8000 for _, track in recording._tracks)
    call.duration_s = 4.0
    recording.closed(call)
    asyncio.run(recording.finish())
    samples, _ = soundfile.read(recording.paths[0], dtype="int16")
    np.testing.assert_array_equal(samples[:, 0], flood)  # nothing is lost, and all is where it was said
    np.testing.assert_array_equal(samples[8000:24000, 1], answer)
    assert not samples[:8000, 1].any()
    assert not samples[24000:, 1].any()


def flooded(tmp_path: Path, layout: Layout) -> np.ndarray:
    """Return what is recorded where a server sends 30 s at once, and the caller speaks in seconds 2 to 4, and 25 to
    26."""
    said = [TimedFrame(0.02, frame) for frame in frames_of(noise(30.0), Kind.SLIN)]
    heard = arriving(noise(2.0, seed=2), 2.0) + arriving(noise(1.0, seed=3), 25.0)
    samples, _, recording = record(tmp_path, layout, heard, said, 40.0)
    assert recording.error is None
    return samples


@pytest.mark.parametrize("layout", [Layout.STEREO, Layout.MIX])
def test_who_speaks_while_the_other_side_is_far_ahead_is_recorded_at_its_time(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = flooded(tmp_path / "whole", layout)
    monkeypatch.setattr(recording_module, "MAX_AHEAD_SAMPLES", 8000)
    np.testing.assert_array_equal(flooded(tmp_path / "ahead", layout), whole)
    if layout is Layout.STEREO:
        assert [bool(whole[second * 8000 : (second + 1) * 8000, 0].any()) for second in (1, 2, 3, 4, 24, 25, 26)] == [
            False, True, True, False, False, True, False
        ]  # fmt: skip


def test_mix_is_the_sum_of_both(tmp_path: Path) -> None:
    caller, server = noise(1.0), noise(1.0, seed=2)
    samples, _, _ = record(tmp_path, Layout.MIX, arriving(caller), sent(server), 1.0)
    np.testing.assert_array_equal(samples, caller + server)


@pytest.mark.parametrize(("layout", "seed"), [(Layout.CALLER, 2), (Layout.SERVER, 1)])
def test_the_sides_are_the_calls_sides_when_we_are_the_caller(tmp_path: Path, layout: Layout, seed: int) -> None:
    heard, said = arriving(noise(1.0)), sent(noise(1.0, seed=2))
    samples, _, _ = record(tmp_path, layout, heard, said, 1.0, me=Side.CALLER)
    np.testing.assert_array_equal(samples, noise(1.0, seed=seed))


@pytest.mark.parametrize("kind", [kind for kind in Kind if 0x10 <= kind <= 0x18], ids=lambda kind: kind.name.lower())
def test_the_file_has_the_rate_that_arrives(tmp_path: Path, kind: Kind) -> None:
    from audiosocket_cli.codec import rate_of

    said = noise(1.0, rate_of(kind))
    samples, rate_hz, _ = record(tmp_path, Layout.CALLER, arriving(said, kind=kind), [], 1.0)
    assert rate_hz == rate_of(kind)
    np.testing.assert_array_equal(samples, said)


def test_a_server_that_begins_in_slin_is_recorded_at_the_rate_that_it_goes_on_with(tmp_path: Path) -> None:
    heard = arriving(np.zeros(800, np.int16)) + arriving(tone(440, 16000, 1.9), 0.1, Kind.SLIN16)
    samples, rate_hz, _ = record(tmp_path, Layout.SERVER, heard, [], 2.0, me=Side.CALLER)
    assert (rate_hz, len(samples)) == (16000, 32000)
    assert not samples[:1600].any()  # converted silence is silence
    np.testing.assert_array_equal(samples[1600:], tone(440, 16000, 1.9))


def test_a_kind_that_changes_is_converted_to_the_files_rate_in_its_place(tmp_path: Path) -> None:
    heard = arriving(tone(440, 8000, 1.0)) + arriving(tone(440, 16000, 1.0), 1.0, Kind.SLIN16)
    heard += arriving(tone(440, 8000, 1.0), 2.0)
    samples, rate_hz, _ = record(tmp_path, Layout.CALLER, heard, [], 3.0)
    assert rate_hz == 8000
    assert len(samples) == 24000
    for second in range(3):
        part = samples[second * 8000 + 800 : second * 8000 + 7200]
        assert level_dbfs(part) == pytest.approx(-15.0, abs=0.1)
        assert np.argmax(np.abs(np.fft.rfft(part))) * 8000 / len(part) == pytest.approx(440, abs=2)


def test_a_caller_who_is_never_heard_leaves_silence_as_long_as_the_call(tmp_path: Path) -> None:
    samples, rate_hz, _ = record(tmp_path, Layout.CALLER, [], [], 5.0)
    assert (rate_hz, len(samples)) == (8000, 40000)
    assert not samples.any()


def test_a_call_shorter_than_a_batch_is_recorded(tmp_path: Path) -> None:
    samples, _, _ = record(tmp_path, Layout.STEREO, arriving(noise(0.06)), sent(noise(0.06, seed=2)), 0.06)
    np.testing.assert_array_equal(samples, np.stack([noise(0.06), noise(0.06, seed=2)], axis=1))


def test_the_file_is_never_more_than_1_2_s_behind_the_call(tmp_path: Path) -> None:
    call, recording = new_call(), Recording(Layout.STEREO, FileOutput.in_folder(tmp_path))
    recording.opened(call)
    heard, said = arriving(noise(4.0)), sent(noise(9.0, seed=2))  # the caller falls silent after 4 s
    for batch in range(1, 19):
        now_s = batch * 0.5
        start_ms, end_ms = batch * 500 - 500, batch * 500
        recording.frames(runs_of(between(heard, start_ms, end_ms)), runs_of(between(said, start_ms, end_ms)), now_s)
        # Killed just before the next batch, the file would lack this much and half a second.
        assert now_s - soundfile.info(recording.paths[0]).duration <= 0.7


def test_a_second_call_with_the_same_uuid_gets_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = (
        Recording(Layout.CALLER, FileOutput.in_folder(tmp_path)),
        Recording(Layout.CALLER, FileOutput.in_folder(tmp_path)),
    )
    first.opened(new_call())
    second.opened(new_call())
    assert [path.name for path in first.paths + second.paths] == [f"{UUID_1}.wav", f"{UUID_1}-2.wav"]


def test_a_disk_that_fails_ends_the_recording_once_and_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[OSError] = []
    output = FileOutput.in_folder(tmp_path)
    call, recording = new_call(), Recording(Layout.CALLER, output, on_failure=failures.append)
    recording.opened(call)
    heard = arriving(noise(3.0))
    recording.frames(runs_of(heard[:50]), [], 1.0)

    def full(self: GrowingWav, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(GrowingWav, "append", full)
    recording.frames(runs_of(heard[50:100]), [], 2.0)
    recording.frames(runs_of(heard[100:]), [], 3.0)
    recording.closed(call)
    assert [error.strerror for error in failures] == ["No space left on device"]
    assert recording.error == "No space left on device"
    samples, _ = soundfile.read(recording.paths[0], dtype="int16")
    np.testing.assert_array_equal(samples, noise(3.0)[: len(samples)])
    assert len(samples) == 8000


def test_a_folder_that_goes_away_fails_the_recording_not_the_call(tmp_path: Path) -> None:
    failures: list[OSError] = []
    (tmp_path / "gone").write_text("a file where the folder was")
    recording = Recording(Layout.CALLER, FileOutput.in_folder(tmp_path / "gone"), on_failure=failures.append)
    recording.opened(new_call())
    recording.frames(runs_of(arriving(noise(1.0))), [], 1.0)
    recording.closed(new_call())
    assert [error.strerror for error in failures] == ["File exists"]
    assert recording.paths == []


# Codecs labelled slin


@pytest.mark.parametrize("decode", [Decode.AUTO, Decode.ULAW], ids=str)
def test_mu_law_that_is_labelled_slin_is_decoded_and_its_time_is_true(tmp_path: Path, decode: Decode) -> None:
    heard = as_mu_law(tone(440, 8000, 2.0), 0.5) + as_mu_law(tone(700, 8000, 1.0), 3.0)
    samples, rate_hz, recording = record(tmp_path, Layout.CALLER, heard, [], 4.0, decode=decode)
    assert (recording.law, rate_hz, len(samples)) == ("µ-law", 8000, 32000)
    for start_s, hz in ((0.5, 440), (3.0, 700)):
        part = samples[round((start_s + 0.05) * 8000) : round((start_s + 0.95) * 8000)]
        assert level_dbfs(part) == pytest.approx(-15.0, abs=0.2)
        assert np.argmax(np.abs(np.fft.rfft(part))) * 8000 / len(part) == pytest.approx(hz, abs=2)
    assert not samples[20100:23900].any()


def test_auto_leaves_slin_alone(tmp_path: Path) -> None:
    said = noise(3.0)
    samples, _, recording = record(tmp_path, Layout.CALLER, arriving(said), [], 3.0, decode=Decode.AUTO)
    assert recording.law is None
    np.testing.assert_array_equal(samples, said)


def test_what_we_say_ourselves_is_never_decoded(tmp_path: Path) -> None:
    said = noise(2.0, seed=2)
    heard = as_mu_law(tone(440, 8000, 2.0))
    samples, _, _ = record(tmp_path, Layout.STEREO, heard, sent(said), 2.0, decode=Decode.AUTO)
    np.testing.assert_array_equal(samples[:, 1], said)


def test_a_call_too_short_to_tell_is_recorded_as_it_is_labelled(tmp_path: Path) -> None:
    samples, _, recording = record(tmp_path, Layout.CALLER, as_mu_law(noise(0.2)), [], 0.2, decode=Decode.AUTO)
    assert recording.law is None
    assert samples.any()
