"""A recording alone is judged by its samples: which side is silent, what is noise, what is fine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import encode_mu_law, from_slin, to_slin
from audiosocket_cli.doctor.files.recording import judge_recording
from audiosocket_cli.finding import Diagnosis, Status

WORDS = np.tile(load_audio(HELLO, 8000), 2)
SILENCE = np.zeros_like(WORDS)
ULAW = np.resize(from_slin(encode_mu_law(to_slin(WORDS))), len(WORDS))
LOUD = np.clip(WORDS.astype(np.int32) * 8, -32768, 32767).astype(np.int16)
HISS = np.random.default_rng(1).normal(0, 8, len(WORDS)).astype(np.int16)


def judged(path: Path, *channels: NDArray[np.int16]) -> list[Diagnosis]:
    soundfile.write(path / "x.wav", np.stack(channels, axis=1), 8000)
    return judge_recording(path / "x.wav")


@pytest.mark.parametrize("channels", [(WORDS,), (WORDS, np.roll(WORDS, 9000)), (WORDS, WORDS, WORDS)], ids=len)
def test_a_recording_in_which_all_can_be_heard_is_ok(tmp_path: Path, channels: tuple[NDArray[np.int16], ...]) -> None:
    (found,) = judged(tmp_path, *channels)
    assert (found.id, found.status) == ("nothing-found", Status.OK)
    assert found.evidence[0].startswith("8.90 s at 8000 Hz, ")
    assert len(found.evidence) == 1 + len(channels)


@pytest.mark.parametrize(
    ("channels", "ids"),
    [
        ((SILENCE, WORDS), ["one-way-sound"]),
        ((WORDS, SILENCE), ["one-way-sound"]),
        ((HISS, WORDS), ["one-way-sound"]),
        ((SILENCE, SILENCE), ["all-silent"]),
        ((SILENCE,), ["all-silent"]),
        ((WORDS // 100, WORDS), ["quiet"]),
        ((ULAW,), ["caller-ulaw"]),
        ((WORDS, ULAW), ["server-ulaw"]),
        ((ULAW, SILENCE), ["caller-ulaw", "one-way-sound"]),
        ((WORDS.byteswap(), WORDS), ["byte-swapped"]),
        ((LOUD, WORDS), ["clipped"]),
        ((WORDS // 2 + 3000, WORDS), ["off-centre"]),
    ],
    ids=["caller silent", "server silent", "caller hisses", "both silent", "silent", "quiet", "µ-law", "server's µ-law",
         "µ-law and silence", "byte-swapped", "clipped", "offset"],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, channels: tuple[NDArray[np.int16], ...], ids: list[str]) -> None:
    found = judged(tmp_path, *channels)
    assert sorted(each.id for each in found) == ids
    assert all(each.cure and each.evidence for each in found)
    assert [each.status for each in found] == sorted((each.status for each in found), key=[*Status][::-1].index)


def test_the_side_that_is_silent_is_named(tmp_path: Path) -> None:
    (found,) = judged(tmp_path, SILENCE, WORDS)
    assert found.what == "one-way sound: the left channel (here the caller) is silent, and the other one is not"
    (found,) = judged(tmp_path, WORDS, SILENCE)
    assert "the right channel (here the server) is silent" in found.what


def test_noise_whose_bytes_are_lost_is_a_fault_alone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", ULAW, 8000, subtype="ULAW")
    (found,) = judge_recording(tmp_path / "x.wav")
    assert (found.id, found.status) == ("noise", Status.FAULT)


def test_a_file_that_is_cut_is_judged_to_its_end(tmp_path: Path) -> None:
    judged(tmp_path, SILENCE, WORDS)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:90_000])
    assert [each.id for each in judge_recording(tmp_path / "cut.wav")] == ["one-way-sound", "file-damaged"]
