"""A bot that speaks live is waited for when a frame of it is late, and no other bot is."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.bots.bridge_pace import LIVE_FRAMES, MAX_WAITS, Pace
from audiosocket_cli.call.bots.speaker import Speaker
from audiosocket_cli.codec import Kind

FRAME = bytes([1, 0]) * 160


def waits(pace: Pace, speaker: Speaker, *came: int) -> list[bool]:
    """Let so many frames come before each that is due; return for which of these the bot is waited for."""
    found = []
    for count in came:
        speaker.queue.add(FRAME * count)
        found.append(pace.waits_for_more(speaker, has_grown=count > 0))
        if not found[-1]:
            speaker.next_bytes(Kind.SLIN)
    return found


@pytest.fixture
def speaker() -> Speaker:
    return Speaker(8000, Kind.SLIN)


def test_a_frame_that_is_late_once_is_waited_for(speaker: Speaker) -> None:
    pace = Pace()
    assert waits(pace, speaker, 1, 1, 1, 0, 1, 1, 1) == [False] * 3 + [True] + [False] * 3


def test_the_end_of_live_speech_costs_one_frame(speaker: Speaker) -> None:
    pace = Pace()
    came = [1] * LIVE_FRAMES + [0] * 10
    assert waits(pace, speaker, *came) == [False] * LIVE_FRAMES + [True] * MAX_WAITS + [False] * (10 - MAX_WAITS)
    assert not any(waits(pace, speaker, *[0] * 20))


def test_a_bot_that_is_ahead_is_not_waited_for(speaker: Speaker) -> None:
    assert not any(waits(Pace(), speaker, 2, 2, 0, 0, 0, 0, 0, 0))
    assert not any(waits(Pace(), speaker, 50, *[0] * 60))


def test_a_bot_that_has_just_begun_or_is_about_to_end_is_not_waited_for(speaker: Speaker) -> None:
    assert not any(waits(Pace(), speaker, 1, 1, 0, 0))
    pace = Pace()
    waits(pace, speaker, 1, 1, 1)
    speaker.end()
    assert not any(waits(pace, speaker, 0, 0))
