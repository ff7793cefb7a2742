"""Who is speaking: when it begins, when it ends, and when there was none for long."""

from __future__ import annotations

import pytest

from audiosocket_cli.audio.pcm import level_dbfs, tone
from audiosocket_cli.call.taps.speech import Ear, SilenceWatch
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.runs import in_runs

SOUND = tone(440, 8000, 0.02)
LOUD, QUIET = encode(Frame(Kind.SLIN, SOUND.tobytes())), encode(Frame(Kind.SLIN, bytes(320)))


def heard(*parts: tuple[bytes, int]) -> Ear:
    """An ear that heard so many of these frames, one after the other."""
    ear, number = Ear(), 0
    for data, count in parts:
        for _ in range(count):
            number += 1
            ear.hear(data, 0.02 * number)
    return ear


def test_speech_without_a_pause_is_one_stretch() -> None:
    ear = heard((QUIET, 10), (LOUD, 50))
    assert ear.speech is not None
    assert (ear.speech.start_s, ear.speech.end_s) == (pytest.approx(0.22), pytest.approx(1.2))
    assert ear.speech.length_s == pytest.approx(1.0)
    assert ear.speech.level_dbfs == pytest.approx(level_dbfs(SOUND), abs=0.01)
    assert ear.is_speaking(1.3)
    assert not ear.is_speaking(1.6)


@pytest.mark.parametrize(("pause", "is_new"), [(3, False), (10, True)])
def test_what_begins_after_a_tenth_of_a_second_may_be_an_answer(pause: int, is_new: bool) -> None:
    ear = heard((LOUD, 50), (QUIET, pause), (LOUD, 10))
    assert (ear.speech_since(1.01) is not None) is is_new


def test_an_answer_goes_on_over_the_pauses_between_its_words() -> None:
    ear = heard((QUIET, 10), (LOUD, 10))
    answer = ear.speech_since(0.1)
    assert answer is not None
    for number in range(30, 40):
        ear.hear(LOUD, 0.02 * number)
    assert ear.speech_since(0.1) is answer
    assert answer.end_s == pytest.approx(0.78)
    for number in range(60, 70):
        ear.hear(LOUD, 0.02 * number)
    assert ear.speech is not answer


def test_silence_is_counted_from_the_last_speech_or_the_start() -> None:
    assert heard((QUIET, 50)).silent_s(1.0) == 1.0
    assert heard((LOUD, 10), (QUIET, 40)).silent_s(1.0) == pytest.approx(0.8)
    assert heard((QUIET, 5)).quiet.level_dbfs is not None
    assert Ear().quiet.level_dbfs is None


def test_long_silence_is_told_once() -> None:
    told: list[float] = []
    watch = SilenceWatch(2.0, lambda: told.append(now_s))
    for now_s in (1.0, 1.9, 2.5, 3.5, 4.0):
        loud = in_runs([(now_s, 0.0, 1, LOUD if now_s == 1.9 else QUIET)])
        watch.frames(loud, [], now_s)
    assert told == [4.0]
