"""The two roles in a call: what each says first and last, and what it takes from the other."""

from __future__ import annotations

import pytest

from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.roles import Answering, Placing, Role
from audiosocket_cli.codec import KIND_BY_RATE, Frame, Kind, digit_frame, encode, uuid_frame
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from support.fakes import UUID_1


def judged(role: Role, frame: Frame) -> tuple[Ending | None, list[str]]:
    call = Call(role.me, "peer", UUID_1, now_utc(), Pacer(0.02))
    return role.judge(frame, call), call.notes


def test_asterisk_says_the_uuid_first_and_nothing_last() -> None:
    assert Placing().first_words(UUID_1) == encode(uuid_frame(UUID_1))
    assert Placing().last_words == b""
    assert Placing().our_ending("over") == Ending(Side.CALLER, How.CLOSED, "over")


def test_a_server_says_nothing_first_and_a_hangup_last() -> None:
    assert Answering().first_words(UUID_1) == b""
    assert Answering().last_words == b"\0\0\0"
    assert Answering().our_ending("over") == Ending(Side.SERVER, How.HANGUP, "over")


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (Frame(Kind.ERROR, b"\4"), "caller reported an error: out of memory [caller-error]"),
        (uuid_frame(UUID_1), "ignored a second UUID frame [second-uuid]"),
        (Frame(Kind.SLIN), "ignored an audio frame of length 0 [caller-sends-empty-audio]"),
        (Frame(0x77, b"x"), "ignored frames of unknown kind 0x77 [caller-sends-unknown-kind]"),
    ],
)
def test_a_server_notes_what_is_odd_and_goes_on(frame: Frame, note: str) -> None:
    assert judged(Answering(), frame) == (None, [note])


def test_a_caller_that_hangs_up_ends_the_call() -> None:
    ending, _ = judged(Answering(), Frame(Kind.HANGUP))
    assert ending == Ending(Side.CALLER, How.HANGUP, "caller hung up")
    assert [kind for kind in range(256) if Answering().ends_with(kind)] == [Kind.HANGUP]


@pytest.mark.parametrize("frame", [digit_frame("5"), Frame(Kind.SLIN), uuid_frame(UUID_1), Frame(0x77)], ids=repr)
def test_asterisk_ends_the_call_on_anything_but_audio_and_a_hangup(frame: Frame) -> None:
    ending, _ = judged(Placing(), frame)
    assert ending is not None
    assert (ending.by, ending.how) == (Side.SERVER, How.FAULT)
    assert "; Asterisk ends the call here [server-sends-" in ending.reason
    assert Placing().ends_with(frame.kind)


def test_a_server_that_hangs_up_ends_the_call_in_order() -> None:
    assert judged(Placing(), Frame(Kind.HANGUP))[0] == Ending(Side.SERVER, How.HANGUP, "server hung up")


def test_a_frame_is_judged_by_its_header_where_asterisk_does() -> None:
    for kind in KIND_BY_RATE.values():
        assert Placing().judge_begun(encode(Frame(kind, bytes(320)))[:10]) is None
    assert Placing().judge_begun(b"HT") is None
    web = Placing().judge_begun(b"HTTP/1.1 400 Bad Request\r\n")
    assert web is not None
    assert web.reason == "not an AudioSocket server: it answered in HTTP"
    digit = Placing().judge_begun(encode(digit_frame("5"))[:3])
    assert digit is not None
    assert digit.how is How.FAULT
    assert Answering().judge_begun(b"HTTP/1.1") is None


def test_only_asterisk_ends_a_call_with_who_does_not_read_and_not_where_we_wait() -> None:
    assert Answering().judge_blocked(is_patient=False) is None
    assert Placing().judge_blocked(is_patient=True) is None
    blocked = Placing().judge_blocked(is_patient=False)
    assert blocked is not None
    assert blocked.how is How.FAULT
