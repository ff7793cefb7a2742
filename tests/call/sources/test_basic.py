"""Sources: what is said next, and in which kind."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from audiosocket_cli.audio.pcm import Samples, tone
from audiosocket_cli.call.sources.basic import Playback, PromptSource, Silence, silence_frame
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.errors import FileError
from support.fakes import frames_of, prompt_of


def ready(prompt: Prompt, kind: int) -> None:
    prompt.prepare(kind)


def test_silence_is_in_the_kind_that_is_heard() -> None:
    assert Silence().next_frame(None) == Frame(Kind.SLIN, bytes(320))
    assert Silence().next_frame(Kind.SLIN48) == Frame(Kind.SLIN48, bytes(1920))
    assert Silence().next_frame(Kind.SLIN) is silence_frame(Kind.SLIN)


def test_the_last_frame_is_filled_up_or_left_short() -> None:
    samples = np.ones(200, np.int16)
    assert [len(frame.payload) for frame in frames_of(samples, Kind.SLIN)] == [320, 320]
    assert [len(frame.payload) for frame in frames_of(samples, Kind.SLIN, pad=False)] == [320, 80]


def test_a_prompt_keeps_its_kind_to_the_end_of_the_round() -> None:
    prompt = prompt_of(lambda rate_hz: tone(440, rate_hz, 0.06))
    ready(prompt, Kind.SLIN16)
    source = PromptSource(prompt, times=2)
    kinds = [source.next_frame(Kind.SLIN)] + [source.next_frame(Kind.SLIN16) for _ in range(6)]
    assert [frame.kind for frame in kinds if frame] == [Kind.SLIN] * 3 + [Kind.SLIN16] * 4


def test_silence_is_said_while_a_prompt_is_converted() -> None:
    go = threading.Event()

    def slow(rate_hz: int) -> Samples:
        if rate_hz != 8000:
            go.wait(10)
        return np.ones(rate_hz // 50, np.int16)

    prompt = prompt_of(slow)
    source = PromptSource(prompt)
    assert source.next_frame(Kind.SLIN16) == silence_frame(Kind.SLIN16)
    go.set()
    ready(prompt, Kind.SLIN16)
    frame = source.next_frame(Kind.SLIN16)
    assert frame is not None
    assert any(frame.payload)


def test_a_prompt_whose_file_went_away_is_said_in_slin() -> None:
    def load(rate_hz: int) -> Samples:
        if rate_hz != 8000:
            raise FileError("gone")
        return np.ones(160, np.int16)

    prompt = prompt_of(load)
    ready(prompt, Kind.SLIN16)
    source = PromptSource(prompt)
    assert source.next_frame(Kind.SLIN16) == frames_of(np.ones(160, np.int16), Kind.SLIN)[0]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_prompt_is_said_that_many_times_then_the_call_ends(times: int) -> None:
    source = PromptSource(prompt_of(lambda rate_hz: np.ones(320, np.int16)), times=times, post_roll_ms=50)
    frames = []
    while (frame := source.next_frame(Kind.SLIN)) is not None:
        frames.append(frame)
    assert [any(frame.payload) for frame in frames] == [True] * 2 * times + [False] * 3


def test_a_tone_has_no_seam() -> None:
    source = PromptSource(Prompt.of_tone(441), times=0)
    said = b"".join(frame.payload for _ in range(120) if (frame := source.next_frame(Kind.SLIN)))
    np.testing.assert_array_equal(np.frombuffer(said, "<i2"), tone(441, 8000, 2.4))


@pytest.mark.parametrize("wait_s", [0.0, 0.1, None], ids=["no-wait", "wait", "for-ever"])
def test_playback_rounds_join_without_a_seam(wait_s: float | None) -> None:
    samples = np.arange(1, 101, dtype=np.int16)
    playback = Playback(prompt_of(lambda rate_hz: samples), Kind.SLIN, times=5, wait_s=wait_s)
    said = b""
    while not playback.finished:
        frame = playback.next_frame(None)
        assert frame is not None
        said += frame.payload
    heard = np.frombuffer(said, "<i2")
    np.testing.assert_array_equal(heard[:500], np.tile(samples, 5))
    assert len(heard) == (500 if wait_s == 0 else 640)
    rest = [playback.next_frame(None) for _ in range(6)]
    silent = [silence_frame(Kind.SLIN)]
    assert rest == {0.0: [None] * 6, 0.1: silent * 5 + [None], None: silent * 6}[wait_s]
