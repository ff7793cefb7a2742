"""Frames seen through once: how much audio they are, and which need a look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.slices import MAX_STRETCHES, Slice, slice_of, starts_in
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode, is_audio, rate_of
from audiosocket_cli.mixed_runs import MixedFrames

frames_of_all_sorts = st.lists(
    st.builds(Frame, st.sampled_from([0x10, 0x12, 0x18, 3, 0, 0x77]), st.sampled_from([b"", b"1", b"12", b"1234"])),
    min_size=1,
    max_size=30,
)


def sliced(frames: list[Frame], passed_over: tuple[int, ...] = ()) -> Slice:
    return slice_of(*FrameDecoder().take(b"".join(map(encode, frames))), passed_over)


def seconds(frame: Frame) -> float:
    return len(frame.payload) // 2 / rate_of(frame.kind) if is_audio(frame.kind) else 0.0


@given(frames_of_all_sorts)
def test_each_frame_and_all_audio_are_there(frames: list[Frame]) -> None:
    seen = sliced(frames)
    assert [seen.frame(number) for number in range(len(frames))] == frames
    assert seen.frames() == [encode(frame) for frame in frames if is_audio(frame.kind) and frame.payload]
    assert abs(seen.audio_s - sum(map(seconds, frames))) < 1e-9
    assert seen.last_s == seconds(frames[-1])


@given(frames_of_all_sorts)
def test_what_needs_a_look_is_no_audio_or_audio_of_another_kind(frames: list[Frame]) -> None:
    seen = sliced(frames)
    expected, last_kind = [], None
    for number, frame in enumerate(frames):
        if not (is_audio(frame.kind) and frame.payload):
            expected.append((number, False))
        elif frame.kind != last_kind:
            last_kind = frame.kind
            expected.append((number, True))
    assert [(mark.number, mark.is_audio) for mark in seen.marks] == expected
    assert seen.last_kind == last_kind
    for mark in seen.marks:
        assert abs(mark.before_s - sum(map(seconds, frames[: mark.number]))) < 1e-9


@given(frames_of_all_sorts)
def test_kinds_that_are_passed_over_need_none(frames: list[Frame]) -> None:
    kinds = {frames[mark.number].kind for mark in sliced(frames, (0x77, 3)).marks}
    assert not kinds & {0x77, 3}


@given(frames_of_all_sorts, st.booleans())
def test_chunks_hold_all_frames_in_order(frames: list[Frame], in_turn: bool) -> None:
    seen = sliced(frames)
    chunks = seen.chunks(10.0, 0.0, in_turn=in_turn)
    assert b"".join(bytes(chunk[3]) for chunk in chunks) == seen.data
    assert sum(chunk[2] for chunk in chunks) == len(frames)
    assert isinstance(chunks[0][3], MixedFrames) is (len(seen.stretches) > MAX_STRETCHES)
    assert [start for chunk in chunks for start in starts_in(chunk)][:1] == [0]
    assert [len(starts_in(chunk)) for chunk in chunks] == [chunk[2] for chunk in chunks]
    assert abs(chunks[-1][0] - 10.0) < 1e-9
    if not in_turn:
        assert {chunk[0] for chunk in chunks} == {10.0}


@given(frames_of_all_sorts, st.data())
def test_up_to_a_frame_is_as_if_no_more_had_come(frames: list[Frame], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(frames) - 1))
    part = sliced(frames).up_to(number)
    assert part._replace(starts=list(part.starts)) == sliced(frames[: number + 1])


def test_a_second_of_one_kind_is_one_stretch() -> None:
    seen = sliced([Frame(Kind.SLIN, bytes(320))] * 50)
    assert (len(seen.stretches), len(seen.marks)) == (1, 1)
    assert abs(seen.audio_s - 1.0) < 1e-9
