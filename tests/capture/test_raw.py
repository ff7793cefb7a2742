"""Raw captures: one side's bytes and nothing else."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.capture.items import Captured, Ended, Item, Opened, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import Run, frames_of
from audiosocket_cli.capture.window import READ_BYTES
from audiosocket_cli.codec import encode
from audiosocket_cli.model import Side
from support.captures import calls_of, damage, heard, in_pieces, items_of, plain, said
from support.packets import HANGUP, OPENING, UUID_BYTES, audio, digit, speech

UUID_TEXT = "11111111-2222-4333-8444-555555555555"
OTHER = b"\x01\x00\x10" + UUID_BYTES[::-1]


def frames(items: list[Item]) -> list[bytes]:
    return [encode(item.frame) for item in items if isinstance(item, Captured)]


def unrolled(data: bytes, *, piece: int = 1 << 20, resync: bool = False) -> list[Item]:
    """Return the items of `runs()`, with each run taken apart."""
    items: list[Item] = []
    for found in Capture(in_pieces(data, piece), "x", resync=resync).runs():
        items += frames_of(found) if isinstance(found, Run) else [found]
    return items


# Whole files


def test_a_file_of_the_caller_is_a_call_with_its_uuid() -> None:
    items = items_of(OPENING + b"".join(speech(3)) + digit("7") + audio(3))
    (call,) = calls_of(items)
    assert (call.name, call.whole, call.started_ns, call.caller, call.server) == (UUID_TEXT, True, None, "", "")
    assert heard(items) == [OPENING, *speech(3), digit("7"), audio(3)]
    assert (said(items), isinstance(items[-2], Ended), isinstance(items[-1], Over)) == ([], True, True)


def test_a_file_of_the_server_is_a_call_without_a_name() -> None:
    items = items_of(b"".join(speech(3)) + HANGUP)
    (call,) = calls_of(items)
    assert (call.name, call.uuid, call.whole) == ("1", None, False)
    assert said(items) == [*speech(3), HANGUP]


def test_media_is_the_clock() -> None:
    caller = items_of(OPENING + b"".join(speech(3)) + digit("1") + audio(9, 1920, 0x16))
    assert [item.at_s for item in caller if isinstance(item, Captured)] == [0.0, 0.02, 0.04, 0.06, 0.06, 0.08]
    server = items_of(b"".join(speech(3)))
    assert [item.at_s for item in server if isinstance(item, Captured)] == [0.0, 0.02, 0.04]
    assert [item.at_s for item in server if isinstance(item, Ended)] == [0.06]


def test_an_hour_of_media_does_not_drift() -> None:
    capture = Capture(in_pieces(audio(1) * 180_000, 1 << 20), "x")
    last = [run for run in capture.runs() if isinstance(run, Run)][-1]
    assert last.at_s[-1] == 3599.98


def test_each_uuid_begins_a_call() -> None:
    items = items_of(OPENING + audio(0) + OTHER + audio(1) + OPENING + audio(2))
    names = [call.name for call in calls_of(items)]
    assert names == [UUID_TEXT, str(calls_of(items)[1].uuid), f"{UUID_TEXT}#2"]
    assert [heard(items, name)[1:] for name in names] == [[audio(0)], [audio(1)], [audio(2)]]
    assert [type(item) for item in items if isinstance(item, Opened | Over)] == [Opened, Over] * 3
    assert [item.offset for item in items if isinstance(item, Captured)] == [0, 19, 342, 361, 684, 703]


ODD = {
    "kind 02 between audio": [audio(0), b"\x02\x00\x00", audio(1)],
    "kind 02 with a payload": [audio(0), b"\x02\x00\x03abc", audio(1)],
    "kind 02 many times": [audio(0), *[b"\x02\x00\x02" + bytes([n, 1]) for n in range(40)], audio(1)],
    "kind 02 first": [b"\x02\x00\x02hi", audio(1)],
    "kind 02 before the end": [audio(0), b"\x02\x00\x02hi"],
    "kind 02 before a hangup": [audio(0), b"\x02\x00\x02hi", HANGUP],
    "an unknown kind": [audio(0), b"\x7f\x00\x05hello", audio(1), b"\xfe\x01\x00" + bytes(256), digit("1")],
    "error frames": [audio(0), b"\xff\x00\x00", b"\xff\x00\x01\x02", HANGUP],
    "odd lengths": [audio(0, 319), audio(1, 1), audio(2, 3), audio(3, 319)],
    "empty audio": [audio(0), b"\x10\x00\x00", b"\x10\x00\x00", audio(1)],
    "the longest frame": [audio(0), audio(1, 0xFFFF), audio(2)],
    "digits between audio": [x for n in range(9) for x in (audio(n), digit("*"), digit("5"))],
    "digits alone": [digit(key) for key in "0123456789*#ABCD"],
    "all rates": [audio(kind, 20, kind) for kind in range(0x10, 0x19)],
    "two hangups": [audio(0), HANGUP, HANGUP],
}


@pytest.mark.parametrize("piece", [1, 7, 1 << 20], ids=lambda piece: f"pieces of {piece}")
@pytest.mark.parametrize("case", ODD)
def test_frames_survive_byte_for_byte(case: str, piece: int) -> None:
    items = items_of(b"".join(ODD[case]), piece=piece)
    assert frames(items) == ODD[case]
    assert damage(items) == []
    assert plain(unrolled(b"".join(ODD[case]), piece=piece)) == plain(items)


def test_a_file_that_begins_with_a_digit_is_the_callers() -> None:
    assert heard(items_of(digit("5") + audio(0))) == [digit("5"), audio(0)]


# What is no frame


JUNK = {
    "zeros": (bytes(1000), "not frames, but a run of zero bytes"),
    "text": (b"hello, this is no capture\n" * 20, "not an AudioSocket frame: its kind would be 0x68"),
    "a digit that is too long": (b"\x03\x00\x02ab" + audio(0), "a frame of kind dtmf has 1 bytes, not 2"),
    "a uuid as text": (b"\x01\x00\x24" + b"1" * 36, "a frame of kind uuid has 16 bytes, not 36"),
    "a hangup with a payload": (b"\x00\x00\x05hello", "a frame of kind hangup has 0 bytes, not 5"),
    "one byte": (b"\x10", "it ends inside a frame's header, of which 1 byte is there"),
    "a header": (b"\x10\x01\x40", "it ends inside a frame of kind slin: of its 323 bytes 3 bytes are there"),
}


@pytest.mark.parametrize("case", JUNK)
def test_what_is_no_capture_is_damage_at_its_first_byte(case: str) -> None:
    data, reason = JUNK[case]
    (found,) = items_of(data)
    assert damage([found])[0].offset == 0
    assert damage([found])[0].reason.startswith(reason)


@pytest.mark.parametrize("resync", [False, True], ids=["stop", "resync"])
@pytest.mark.parametrize("size", [7, 100, 323, 5000, READ_BYTES + 17, 3 * READ_BYTES])
def test_a_hole_of_zeros_is_damage_of_its_size(size: int, resync: bool) -> None:
    before, after = speech(4), speech(6, 50)
    items = items_of(b"".join(before) + bytes(size) + b"".join(after), resync=resync)
    (found,) = damage(items)
    assert (found.offset, found.skipped_bytes) == (4 * 323, size if resync else None)
    assert frames(items) == before + (after if resync else [])


# Runs


@st.composite
def mixes(draw: st.DrawFn) -> list[bytes]:
    """Frames with many of a kind in a row, as calls have them."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.sampled_from([0, 1, 2, 319, 320, 640, 1920, 7680]))
        kind = draw(st.integers(0x10, 0x18))
        parts += [audio(n, size, kind) for n in range(draw(st.integers(0, 40)))]
        parts += draw(st.lists(st.sampled_from([digit("1"), OPENING, b"\xff\x00\x01\x02"]), max_size=3))
    return parts


@given(mixes(), st.sampled_from([1 << 20, 5000, 7]), st.booleans())
@settings(max_examples=60)
def test_runs_and_items_agree_and_hold_all_frames(parts: list[bytes], piece: int, garbled: bool) -> None:
    data = b"".join(parts) + (b"\xee\xee\xee\xee" if garbled else b"")
    if not data:
        return
    items = items_of(data, piece=piece)
    assert frames(items) == parts
    assert plain(unrolled(data, piece=piece)) == plain(items)
    assert len(damage(items)) == garbled


@pytest.mark.parametrize("size", [1, 2, 320, 321, 1920, 0xFFFE, 0xFFFF])
def test_runs_go_over_the_borders_of_what_is_read_at_once(size: int) -> None:
    count = 2 * READ_BYTES // (size + 3) + 3 if size > 300 else 2000
    piece = READ_BYTES if size > 300 else 1000
    pattern = [audio(number, size) for number in range(7)]
    expected = b"".join(pattern[number % 7] for number in range(count))
    runs = [run for run in Capture(in_pieces(expected, piece), "x").runs() if isinstance(run, Run)]
    assert b"".join(encode(item.frame) for run in runs for item in frames_of(run)) == expected
    assert sum(len(run.payloads) for run in runs) == count
    assert all(run.payloads.shape[1] == size and run.payloads.dtype == np.uint8 for run in runs)
    assert [run.offset for run in runs] == [
        0, *np.cumsum([len(run.payloads) * (size + 3) for run in runs])[:-1]
    ]  # fmt: skip
    assert all(later.at_s[0] >= earlier.at_s[-1] for earlier, later in pairwise(runs))


def test_alike_frames_are_few_runs() -> None:
    data = b"".join(speech(1000))
    runs = [run for run in Capture(io.BytesIO(data).read, "x").runs() if isinstance(run, Run)]
    assert len(runs) == 1


def test_a_live_stream_is_told_as_it_comes() -> None:
    """What is there is told before more is read: a pipe may stay silent for a long time."""
    given = [audio(0), audio(1)[:100], audio(1)[100:] + digit("5"), HANGUP + bytes([0x10])]
    told: list[int] = []
    waiting = iter(given)

    def read(size: int) -> bytes:
        told.append(-1)
        return next(waiting, b"")

    for item in Capture(read, "x"):
        if isinstance(item, Captured):
            told.append(len(item.frame.payload))
    assert told == [-1, 320, -1, -1, 320, 1, -1, -1, 0]


@pytest.mark.parametrize("side", [Side.CALLER, Side.SERVER])
def test_raw_files_of_one_side_only(side: Side) -> None:
    data = (OPENING if side is Side.CALLER else b"") + b"".join(speech(5))
    assert {item.side for item in items_of(data) if isinstance(item, Captured | Ended)} == {side}
