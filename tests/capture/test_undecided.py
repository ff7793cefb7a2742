"""What is kept of a connection until it is known what it is."""

from __future__ import annotations

from uuid import UUID

from audiosocket_cli.capture.tcp import Piece
from audiosocket_cli.capture.undecided import Undecided
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame

OPENING = encode(uuid_frame(UUID(int=7)))
AUDIO = encode(Frame(Kind.SLIN, bytes(range(160)) * 2))


def test_the_caller_is_who_began_with_a_uuid_and_the_call_began_then() -> None:
    undecided = Undecided()
    assert (undecided.has_data, undecided.is_whole) == (False, True)
    undecided.take((10, 1, Piece(10, OPENING[:5])))
    undecided.take((20, 0, Piece(20, AUDIO)))
    undecided.take((30, 1, "a comment"))
    undecided.take((40, 1, Piece(40, OPENING[5:])))
    undecided.take((50, 1, None))
    assert undecided.uuid(1) == UUID(int=7)
    assert undecided.uuid(0) is None
    assert (undecided.opened_ns(1, 99), undecided.opened_ns(0, 99)) == (40, 20)
    assert [event[0] for event in undecided.events] == [10, 20, 30, 40, 50]
    assert (undecided.has_data, undecided.is_whole, undecided.is_much) == (True, True, False)


def test_frames_tell_themselves_and_there_is_a_bound() -> None:
    undecided = Undecided()
    for number in range(300):
        undecided.take((number, 0, Piece(number, AUDIO)))
    assert undecided.shows_frames(ends=False)
    while not undecided.is_much:
        undecided.take((0, 0, Piece(0, AUDIO)))
    assert len(undecided.heads[0].data) < (128 << 10) + len(AUDIO)
