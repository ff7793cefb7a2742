"""What a live capture says of its frames."""

from __future__ import annotations

import pytest

from audiosocket_cli.capture.trace import MAX_COMMENTS, _Meanings
from audiosocket_cli.codec import Kind
from support.mixes import MIXES, frame


@pytest.mark.parametrize(
    ("mix", "first"),
    [("two kinds", ["audio: slin", "audio: slin12", "audio: slin"]), ("digits", ["digit 5"] * 3)],
)
def test_a_capture_comments_on_a_few_frames_of_many(mix: str, first: list[str]) -> None:
    meanings = _Meanings()
    comments = meanings.of(b"".join(map(MIXES[mix], range(3000))))
    assert comments[:3] == first
    assert len(comments) == MAX_COMMENTS + 1
    assert comments[-1] == f"and {3000 - MAX_COMMENTS:,} more frames that are not like the one before"
    assert meanings.of(frame(Kind.DTMF, b"7")) == ["digit 7"]


def test_uuids_are_told_whatever_came_before_and_not_all_of_thousands() -> None:
    meanings = _Meanings()
    read = b"".join(map(MIXES["two kinds"], range(100))) + frame(Kind.UUID, bytes(range(16))) * 800
    comments = meanings.of(read)
    assert comments[MAX_COMMENTS] == "call 00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert len(comments) == 2 * MAX_COMMENTS + 1
    assert comments[-1] == f"and {900 - 2 * MAX_COMMENTS:,} more frames that are not like the one before"
