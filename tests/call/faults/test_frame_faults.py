"""Faults of single frames, in a stream that is cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.faults.frame_faults import FrameFaults, Part
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode, uuid_frame
from support.drawn import drawn
from support.fakes import UUID_1

FRAMES = [uuid_frame(UUID_1), *(Frame(Kind.SLIN, bytes([number]) * 40) for number in range(2, 9)), Frame(Kind.HANGUP)]
STREAM = b"".join(map(encode, FRAMES))


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(set(cuts)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if end > start]


def passed(faults: FrameFaults, pieces: list[bytes]) -> tuple[list[Frame], list[str], list[Part]]:
    """Return the frames that come out, what was said of them, and all parts."""
    parts = [part for piece in pieces for part in faults.parts(piece)]
    decoder = FrameDecoder()
    frames = decoder.feed(b"".join(part.data for part in parts))
    decoder.finish()
    return frames, [remark for part in parts for remark in part.remarks], parts


anywhere = st.lists(st.integers(1, len(STREAM) - 1), max_size=30)


@given(anywhere)
def test_a_dropped_frame_is_missing_and_all_others_are_there(cuts: list[int]) -> None:
    (fault,) = drawn("drop frame 3")
    frames, said, _ = passed(FrameFaults([fault]), cut(STREAM, cuts))
    assert frames == FRAMES[:2] + FRAMES[3:]
    assert said == ["fault to-asterisk drop frame 3: at frame 3"]
    assert fault.count == 1


@given(anywhere)
def test_each_nth_frame_can_be_hit(cuts: list[int]) -> None:
    (fault,) = drawn("drop every 4")
    frames, _, _ = passed(FrameFaults([fault]), cut(STREAM, cuts))
    assert frames == [frame for number, frame in enumerate(FRAMES, 1) if number % 4]
    assert fault.count == 2


@given(anywhere)
def test_a_frame_of_a_wrong_kind_is_the_same_otherwise(cuts: list[int]) -> None:
    frames, said, _ = passed(FrameFaults(drawn("kind dtmf frame 5")), cut(STREAM, cuts))
    assert frames == [*FRAMES[:4], Frame(Kind.DTMF, FRAMES[4].payload), *FRAMES[5:]]
    assert said == ["fault to-asterisk kind dtmf frame 5: at frame 5"]


@given(anywhere)
def test_a_corrupted_frame_has_its_header_and_its_length_and_another_payload(cuts: list[int]) -> None:
    frames, said, _ = passed(FrameFaults(drawn("corrupt frame 5")), cut(STREAM, cuts))
    assert frames[:4] + frames[5:] == FRAMES[:4] + FRAMES[5:]
    assert (frames[4].kind, len(frames[4].payload)) == (FRAMES[4].kind, len(FRAMES[4].payload))
    assert frames[4] != FRAMES[4]
    assert said == ["fault to-asterisk corrupt frame 5: at frame 5"]


def test_the_same_noise_corrupts_a_frame_each_time() -> None:
    first, same = (passed(FrameFaults(drawn("corrupt frame 5")), [STREAM])[0] for _ in range(2))
    assert first == same


@given(anywhere)
def test_what_follows_a_frame_comes_after_its_last_byte(cuts: list[int]) -> None:
    faults = drawn("reset after frame 4", "stall after frame 4", "close after frame 6")
    _, _, parts = passed(FrameFaults(faults), cut(STREAM, cuts))
    at, seen = 0, {}
    for part in parts:
        at += len(part.data)
        for fault in part.then:
            seen[fault.spec.name.value] = at
    fourth = len(b"".join(map(encode, FRAMES[:4])))
    sixth = len(b"".join(map(encode, FRAMES[:6])))
    assert seen == {"reset": fourth, "stall": fourth, "close": sixth}


def test_without_faults_of_frames_reads_pass_as_they_are() -> None:
    faults = FrameFaults(drawn("latency 1s"))
    assert faults.parts(b"no frames at all, and long") == [Part(b"no frames at all, and long", [])]
    assert faults.lost_at is None


def test_a_read_in_which_a_frame_is_dropped_is_not_cut() -> None:
    parts = FrameFaults(drawn("drop frame 2")).parts(b"".join(map(encode, FRAMES[:4])))
    assert [part.data for part in parts] == [b"".join(map(encode, [FRAMES[0], *FRAMES[2:4]]))]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_is_not_frames_is_not_changed_from_there_on(step: int) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n" * 40
    data = encode(FRAMES[0]) + encode(FRAMES[1]) + page
    faults = FrameFaults(drawn("drop every 2"))
    kept = b"".join(
        part.data for start in range(0, len(data), step) for part in faults.parts(data[start : start + step])
    )
    assert kept == encode(FRAMES[0]) + page
    assert faults.lost_at == len(encode(FRAMES[0]) + encode(FRAMES[1]))


def test_a_single_frame_of_a_kind_of_their_own_is_a_frame() -> None:
    data = b"".join(map(encode, [FRAMES[0], Frame(0x42, b"ours"), FRAMES[1]]))
    faults = FrameFaults(drawn("drop frame 3"))
    assert b"".join(part.data for part in faults.parts(data)) == data[: -len(encode(FRAMES[1]))]
    assert faults.lost_at is None
