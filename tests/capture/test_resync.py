"""Where frames begin again: a run of frames that are really sent is found, and noise is not taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audiosocket_cli.capture.resync import CHAIN, MAX_CHAIN_BYTES, find_frames, is_plausible
from audiosocket_cli.codec import KIND_BY_RATE, Frame, Kind, digit_frame, encode, uuid_frame
from support.fakes import UUID_1

audio = st.builds(
    lambda samples, fill: encode(Frame(Kind.SLIN, bytes([fill, 0]) * samples)), st.integers(1, 200), st.integers(1, 15)
)


@given(st.binary(max_size=50), st.lists(audio, min_size=CHAIN))
@example(b"\x10", [encode(Frame(Kind.SLIN, b"\1\0"))] * CHAIN).via("a head that begins inside what looks like one")
def test_frames_are_found_where_they_begin_or_before_them_only_by_accident(junk: bytes, frames: list[bytes]) -> None:
    data = junk + b"".join(frames)
    found = find_frames(data)
    assert found is not None
    assert found <= len(junk)


@given(st.lists(audio, min_size=CHAIN, max_size=8), st.integers(1, 300))
def test_in_mid_frame_the_next_one_is_found(frames: list[bytes], cut: int) -> None:
    first = frames[0][min(cut, len(frames[0]) - 1) :]
    assert find_frames(first + b"".join(frames)) == len(first)


def test_noise_holds_no_frames() -> None:
    assert find_frames(random.Random(1).randbytes(1_000_000)) is None
    assert find_frames(bytes(100_000)) is None, "silence is full of hangups"


@pytest.mark.parametrize(
    ("frames", "ends", "found"),
    [
        ([uuid_frame(UUID_1)] + [Frame(Kind.SLIN, b"\1\2" * 160)] * 3, False, True),
        ([Frame(Kind.SLIN, b"\1\2")] * 3, False, False),
        ([Frame(Kind.SLIN, b"\1\2")] * 2, True, True),
        ([Frame(Kind.SLIN, b"\1\2"), Frame(Kind.HANGUP)], True, True),
        ([Frame(Kind.SLIN, b"\1\2"), Frame(Kind.SLIN16, b"\1\2")] * 3, False, False),
        ([digit_frame("1"), Frame(Kind.SLIN, b"\1\2"), uuid_frame(UUID_1), Frame(Kind.SLIN, b"\1\2")], True, False),
        ([Frame(Kind.SLIN, b"\1\2\3")] * 5, False, False),
    ],
    ids=["a call's start", "three are few", "two at the end", "a hangup at the end", "two kinds", "a UUID inside",
         "odd lengths"],
)  # fmt: skip
def test_a_run_is_believed_when_it_is_really_sent(frames: list[Frame], ends: bool, found: bool) -> None:
    assert (find_frames(b"".join(map(encode, frames)), ends=ends) == 0) is found


def test_the_longest_run_fits_the_bytes_that_are_kept_for_it() -> None:
    longest = encode(Frame(Kind.SLIN192, b"\1\2" * (0x7FFF // 2)))
    assert len(longest * CHAIN) <= MAX_CHAIN_BYTES
    assert find_frames(b"\xff" + longest * CHAIN) == 1


@pytest.mark.parametrize("kind", range(256))
def test_what_is_plausible_is_what_a_call_holds(kind: int) -> None:
    plausible = {length for length in (0, 1, 2, 16, 320, 0x7FFE, 0x8000) if is_plausible(kind, length)}
    expected = {0x01: {16}, 0x03: {1}} | {each: {2, 16, 320, 0x7FFE} for each in KIND_BY_RATE.values()}
    assert plausible == expected.get(kind, set())
