"""What the callers of a load say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosocket_cli.audio.pcm import SPEECH_DBFS, from_slin, level_dbfs
from audiosocket_cli.bench.speech import Speech, Talk, sound_files
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import FileError
from support.nobody import as_nobody


@pytest.mark.parametrize("kind", [Kind.SLIN, Kind.SLIN16, Kind.SLIN48])
@pytest.mark.parametrize("frame_ms", [10, 20, 60])
def test_generated_speech_is_speech_from_its_first_frame_to_its_last(kind: Kind, frame_ms: int) -> None:
    speech = Speech.generated(kind, frame_ms)
    for utterance in speech.utterances:
        assert len(utterance.turns) == 1
        first, last = utterance.turns[0]
        assert (first, 1.0 <= (last + 1) * frame_ms / 1000 <= 1.7) == (0, True)
        levels = [level_dbfs(from_slin(frame.payload)) for frame in utterance.frames[:-1]]
        assert min(levels) > SPEECH_DBFS
        assert -25 < level_dbfs(from_slin(b"".join(frame.payload for frame in utterance.frames))) < -15


def said(number: int, seed: int, seconds: float = 10) -> list[bytes]:
    talk = Talk(Speech.generated(Kind.SLIN), number, seconds, 0.0, seed)
    return [frame.payload for frame in iter(lambda: talk.next_frame(None), None)]


def test_speech_is_the_same_for_a_seed_and_differs_between_callers() -> None:
    assert said(1, 0) == said(1, 0)
    assert said(1, 0) != said(2, 0)
    assert said(1, 0) != said(1, 1)
    assert len(said(1, 0)) == 500


def test_a_call_has_pauses_in_which_a_bot_answers() -> None:
    talk = Talk(Speech.generated(Kind.SLIN), 3, 60, 0.0)
    while talk.next_frame(None):
        pass
    starts = [number for begins, number in talk.turns if begins]
    ends = [number for begins, number in talk.turns if not begins]
    pauses_s = [(start - end) * 0.02 for end, start in zip(ends, starts[1:], strict=False)]
    assert len(pauses_s) > 10
    assert min(pauses_s) >= 1.5
    assert max(pauses_s) <= 3.1


def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir(mode=0o700 if os.geteuid() == 0 else 0)
    monkeypatch.chdir(tmp_path)
    with as_nobody(tmp_path), pytest.raises(FileError, match="cannot read closed: permission denied"):
        sound_files(Path("closed"))
