"""Frames in one direction of a connection: what they lack, and where they go on."""

from __future__ import annotations

import random

import pytest

from audiosocket_cli.capture.items import Captured
from audiosocket_cli.model import Side
from support.captures import heard, losses
from support.packets import (
    ACK,
    CALLER,
    OPENING,
    STEP_NS,
    Talk,
    audio,
    speech,
)
from support.segments import MISSING, bounded, read, times_of, with_loss


def test_a_frame_in_two_segments_begins_with_the_first() -> None:
    frame = audio(1)
    talk = Talk().open().say(CALLER, OPENING, frame[:3], frame[3:], audio(2)).close()
    _, split, whole = [item for item in read(talk.packets) if isinstance(item, Captured)]
    assert (split.begun_s, split.at_s, whole.begun_s, whole.at_s) == (0.02, 0.04, 0.06, 0.06)


def test_of_a_frame_in_parts_the_longest_gap_is_known() -> None:
    frame = audio(1)
    talk = Talk().open().say(CALLER, OPENING, frame[:3], frame[3:100], frame[100:], audio(2)).close()
    _, split, whole = [item for item in read(talk.packets) if isinstance(item, Captured)]
    assert split.at_s - split.begun_s == pytest.approx(0.04)
    assert (split.gap_s, whole.gap_s) == (pytest.approx(0.02), 0.0)


@pytest.mark.parametrize("acknowledged", [True, False])
@pytest.mark.parametrize("lost", [1, 3, 100, 323, 324, 646, 1000])
def test_lost_bytes_are_counted_and_frames_go_on_in_step(lost: int, acknowledged: bool) -> None:
    items = read(with_loss(lost, acknowledged=acknowledged).close().packets)
    frames = -(-lost // 323)
    expected = [(Side.CALLER, lost, MISSING)]
    if lost % 323:
        expected.append((Side.CALLER, 323 - lost % 323, "passed over to find the next frame"))
    assert losses(items) == expected
    assert heard(items) == [OPENING, *speech(3), *speech(8, 3 + frames)]
    offsets = [item.offset for item in items if isinstance(item, Captured)]
    assert offsets[4] == 19 + 323 * (3 + frames)


def test_the_part_of_a_frame_before_a_loss_is_counted_too() -> None:
    talk = Talk().open().say(CALLER, OPENING, audio(0)[:200]).lose(CALLER, audio(0)[200:] + audio(1))
    items = read(talk.say(CALLER, *speech(5, 2)).close().packets)
    assert losses(items) == [(Side.CALLER, 200, "of a frame that is not whole"), (Side.CALLER, 446, MISSING)]
    assert heard(items) == [OPENING, *speech(5, 2)]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_frames_behind_a_loss_keep_their_own_times(acknowledged: bool) -> None:
    talk = with_loss(323, acknowledged=acknowledged)
    own = [packet.at_ns for packet in talk.packets if len(packet.data) > 300]
    assert times_of(read(talk.packets), Side.CALLER)[1:] == own


def test_bytes_of_a_frame_that_never_became_whole_are_counted_at_the_end() -> None:
    items = read(Talk().open().say(CALLER, OPENING, audio(0)[:100]).close().packets)
    assert losses(items) == [(Side.CALLER, 100, "of a frame that is not whole")]


@pytest.mark.parametrize("step", [1, 400], ids=["single bytes", "segments"])
@pytest.mark.parametrize("where", ["in a call", "in an unknown connection"])
def test_noise_without_frames_is_not_searched_again_with_each_segment(where: str, step: int) -> None:
    noise = random.Random(1).randbytes(12_000 if step == 1 else 3_000_000)
    talk = Talk(server=("10.0.0.2", 5555))
    if where == "in a call":
        talk.open().say(CALLER, OPENING).lose(CALLER, b"?")
    for at in range(0, len(noise), step):
        talk.put(CALLER, ACK, noise[at : at + step])
        talk.at_ns -= STEP_NS - 1000
    items = bounded(talk.packets, 4)
    if where == "in a call":
        assert heard(items) == [OPENING]
        assert sum(lost for _, lost, _ in losses(items)) == 1 + len(noise)
    else:
        assert items == []
