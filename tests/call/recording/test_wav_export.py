"""A call of a capture as a WAV file."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.audio.pcm import from_slin, tone
from audiosocket_cli.call.recording.wav_export import WavExport
from audiosocket_cli.capture.items import Ended, Item, Over
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.model import Side
from support.captured import a_call, a_normal_call, cut, sent, speech, steady, whole


def exported(
    tmp_path: Path, items: Iterable[Item], selection: Selection = EVERYTHING, *, both: bool = True
) -> list[Path]:
    export = WavExport(tmp_path / "wav", selection)
    kept = list(items)
    assert list(export.watch(kept, both=both)) == kept
    export.close()
    assert export.errors == []
    return export.files


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.reshape(-1, file.getnchannels()), file.getframerate()


def samples_of(frames: Iterable[Frame]) -> np.ndarray:
    return np.concatenate([from_slin(frame.payload) for frame in frames])


def test_a_wav_holds_both_sides_sample_for_sample_on_one_clock_with_their_pauses(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    noise = cut((rng.standard_normal(8000 * 4) * 4000).astype(np.int16))
    call = a_call()
    caller = sent(call, Side.CALLER, noise[:100], steady(0.02, 50) + steady(3.02, 50))
    server = sent(call, Side.SERVER, noise[100:200], steady(1.0, 100))
    (path,) = exported(tmp_path, whole(call, caller, server, 5.0))
    assert path.name == f"{call.uuid}.wav"
    assert path.stat().st_mode & 0o777 == 0o600
    samples, rate_hz = read_wav(path)
    assert rate_hz == 8000
    left, right = samples[:, 0], samples[:, 1]
    np.testing.assert_array_equal(left[:8000], samples_of(noise[:50]))
    np.testing.assert_array_equal(left[8000:24000], np.zeros(16000))
    np.testing.assert_array_equal(left[24000:32000], samples_of(noise[50:100]))
    begins = int(np.flatnonzero(right)[0])
    assert begins == pytest.approx(8000, abs=160)
    np.testing.assert_array_equal(right[begins : begins + 16000], samples_of(noise[100:200]))
    assert len(samples) == pytest.approx(40000, abs=160)


def test_one_side_alone_is_mono(tmp_path: Path) -> None:
    call = a_call(timed=False)
    frames = cut(tone(440, 16000, 0.5), 320, Kind.SLIN16)
    items = whole(call, sent(call, Side.CALLER, frames, steady(0.02, 25)), [])
    (path,) = exported(tmp_path, items, both=False)
    samples, rate_hz = read_wav(path)
    assert (samples.shape[1], rate_hz) == (1, 16000)
    np.testing.assert_array_equal(samples[:, 0], samples_of(frames))


def test_a_side_that_is_selected_is_mono(tmp_path: Path) -> None:
    (path,) = exported(tmp_path, a_normal_call(1.0), Selection(side=Side.SERVER))
    samples, _ = read_wav(path)
    assert samples.shape[1] == 1
    np.testing.assert_array_equal(samples[-8000:, 0], samples_of(speech(1.0)))


def test_a_call_that_has_not_ended_is_complete_all_the_same(tmp_path: Path) -> None:
    items = [item for item in a_normal_call(1.0) if not isinstance(item, Ended | Over)]
    (path,) = exported(tmp_path, items)
    assert len(read_wav(path)[0]) == pytest.approx(8000, abs=160)


def test_nothing_is_overwritten_by_a_wav(tmp_path: Path) -> None:
    first, second = exported(tmp_path, a_normal_call(0.1)), exported(tmp_path, a_normal_call(0.2))
    assert [path.name for path in first + second] == [f"{a_call().uuid}.wav", f"{a_call().uuid}-2.wav"]
