"""What the caller says: from the first loud frame to the last, and with a pause within."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import SPEECH_POWER, from_slin, mean_power, tone
from audiosocket_cli.check.speech import SILENCE, load_speech
from audiosocket_cli.errors import FileError


def is_loud(payload: bytes) -> bool:
    return mean_power(from_slin(payload)) > SPEECH_POWER


def a_file(folder: Path, *parts: float) -> Path:
    """Seconds of tone and of silence in turn, silence first, at 16 kHz."""
    pieces = [tone(440, 16000, length) if number % 2 else np.zeros(round(length * 16000), np.int16)
              for number, length in enumerate(parts)]  # fmt: skip
    path = folder / "said.wav"
    soundfile.write(path, np.concatenate(pieces), 16000)
    return path


def pauses(payloads: list[bytes]) -> list[int]:
    """How long each pause is, in frames."""
    loud = [number for number, payload in enumerate(payloads) if is_loud(payload)]
    return [later - earlier - 1 for earlier, later in pairwise(loud) if later - earlier > 1]


def test_the_words_of_the_package_are_one_sentence_of_speech() -> None:
    speech = load_speech()
    assert {len(payload) for payload in speech.payloads} == {len(SILENCE)}
    assert is_loud(speech.payloads[0])
    assert is_loud(speech.payloads[-1])
    assert 1.0 < 0.02 * len(speech.payloads) < 2.5
    assert max(pauses(list(speech.payloads)), default=0) <= 10
    assert max(pauses(list(speech.paused))) == 20
    assert len(speech.paused) > 1.5 * len(speech.payloads)


def test_a_file_is_one_turn_from_its_first_loud_frame_to_its_last(tmp_path: Path) -> None:
    speech = load_speech(a_file(tmp_path, 1.0, 0.5, 0.1, 0.7, 2.0))
    assert len(speech.payloads) == pytest.approx(65, abs=1)
    assert pauses(list(speech.paused)) == [20]


def test_a_file_without_a_pause_gets_one_near_its_middle(tmp_path: Path) -> None:
    speech = load_speech(a_file(tmp_path, 0.0, 2.0))
    assert len(speech.paused) - len(speech.payloads) == 20
    start = speech.paused.index(SILENCE)
    assert 25 <= start <= 75
    assert list(speech.paused[:start]) + list(speech.paused[start + 20 :]) == list(speech.payloads)


def test_speech_is_repeated_whole_to_last_longer(tmp_path: Path) -> None:
    speech = load_speech(a_file(tmp_path, 0.0, 1.0))
    assert speech.lasting(0.5) == list(speech.payloads)
    assert speech.lasting(2.1) == list(speech.payloads) * 3


@pytest.mark.parametrize(
    ("parts", "text"),
    [((2.0,), "nothing in it is louder than -45 dBFS"), ((0.0, 1.0, 8.0, 1.5), "cut it to one turn of at most 10 s")],
    ids=["silence", "long"],
)
def test_what_is_no_turn_is_an_error(tmp_path: Path, parts: tuple[float, ...], text: str) -> None:
    path = a_file(tmp_path, *parts)
    with pytest.raises(FileError, match=f"cannot use {path} as speech: {text}"):
        load_speech(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        load_speech(tmp_path / "nothing.wav")
