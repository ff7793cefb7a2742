"""One direction with faults: what waits, what is due, what is said of it, and what is lost."""

from __future__ import annotations

import math

from audiosocket_cli.call.faults.fault_line import Due, FaultLine
from audiosocket_cli.call.faults.timing import Act
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Side
from support.drawn import drawn

FRAME = encode(Frame(Kind.SLIN, bytes(320)))


def line(*faults: str) -> FaultLine:
    started = FaultLine(Side.SERVER, drawn(*faults))
    started.start(0.0)
    return started


def all_due(of: FaultLine, now_s: float) -> list[Due]:
    found = []
    while (due := of.due(now_s)) is not None:
        found.append(due)
    return found


def test_what_comes_waits_until_it_is_due_and_says_so() -> None:
    waiting = line("latency 200ms")
    assert waiting.take(b"one", 1.0) == ["fault to-asterisk latency 200ms: held 200 ms"]
    waiting.take(b"two", 1.1)
    assert waiting.due_s == 1.2
    assert waiting.due(1.19) is None
    assert all_due(waiting, 1.2) == [Due(Act.PASS, b"one", ["fault to-asterisk latency 200ms: held 200 ms"])]
    assert [due.data for due in all_due(waiting, 9.0)] == [b"two"]
    assert waiting.due_s == math.inf
    assert (waiting.faults[0].count, waiting.taken_bytes, waiting.lost_bytes) == (2, 6, 0)


def test_an_end_and_a_reset_wait_for_what_came_before() -> None:
    for is_reset, act in ((False, Act.END), (True, Act.LOST)):
        waiting = line("latency 200ms")
        waiting.take(b"one", 1.0)
        waiting.take_end(1.01, is_reset=is_reset)
        assert waiting.is_over
        assert [due.act for due in all_due(waiting, 1.2)] == [Act.PASS]
        assert [due.act for due in all_due(waiting, 1.3)] == [act]


def test_slices_are_told_piece_by_piece() -> None:
    waiting = line("slice 2 every 10ms")
    assert waiting.take(b"abcde", 1.0) == ["fault to-asterisk slice 2 every 10ms: in 3 pieces"]
    pieces = [due for ms in (0, 10, 20) for due in all_due(waiting, 1.0 + ms / 1000 + 1e-9)]
    assert [due.data for due in pieces] == [b"ab", b"cd", b"e"]
    assert [list(due.remarks) for due in pieces] == [
        ["fault to-asterisk slice 2 every 10ms: in 3 pieces"],
        ["fault to-asterisk slice 2 every 10ms: piece 2 of 3"],
        ["fault to-asterisk slice 2 every 10ms: piece 3 of 3"],
    ]


def test_coalesced_reads_are_one_piece() -> None:
    waiting = line("coalesce 100ms")
    for number in range(5):
        waiting.take(b"%d" % number, 0.01 + number * 0.02)
    waiting.take_end(0.095, is_reset=False)
    first, end = all_due(waiting, 0.1)
    assert (first.data, end.act) == (b"01234", Act.END)
    assert len(first.remarks) == 5


def test_a_stall_after_a_frame_begins_after_it() -> None:
    waiting = line("latency 100ms", "stall after frame 2 for 2s")
    waiting.take(FRAME * 2 + b"rest", 1.0)
    assert [due.data for due in all_due(waiting, 1.1)] == [FRAME * 2]
    waiting.take(b"more", 1.5)
    assert all_due(waiting, 3.0) == []
    (rest, more) = all_due(waiting, 3.1)
    assert (rest.data, more.data) == (b"rest", b"more")
    assert list(rest.remarks) == [
        "fault to-asterisk latency 100ms: held 100 ms",
        "fault to-asterisk stall after frame 2 for 2s: held 2000 ms",
    ]


def test_a_stall_that_never_ends_holds_all_and_says_so() -> None:
    waiting = line("stall after 1s")
    waiting.take(b"one", 0.5)
    assert waiting.take(b"two", 1.0) == ["fault to-asterisk stall after 1s: held until the call ends"]
    assert [due.data for due in all_due(waiting, 1e9)] == [b"one"]
    assert (waiting.due_s, waiting.lost_bytes) == (math.inf, 3)


def test_a_reset_after_a_frame_is_in_its_place() -> None:
    waiting = line("reset after frame 2")
    waiting.take(FRAME * 3, 1.0)
    assert [(due.act, len(due.data)) for due in all_due(waiting, 1.0)] == [
        (Act.PASS, 2 * len(FRAME)), (Act.RESET, 0), (Act.PASS, len(FRAME)),
    ]  # fmt: skip


def test_what_faults_do_at_a_time_waits_for_nothing() -> None:
    waiting = line("latency 10s", "reset after 3s", "close after 2s")
    waiting.take(b"one", 1.0)
    assert waiting.alarm_s == 2.0
    assert waiting.alarm(1.99) is None
    close, reset = waiting.alarm(3.0), waiting.alarm(3.0)
    assert close is not None
    assert reset is not None
    assert (close.act, reset.act) == (Act.CLOSE, Act.RESET)
    assert waiting.alarm(9.0) is None


def test_a_closed_line_loses_what_waits_and_what_comes_and_still_ends() -> None:
    waiting = line("latency 1s")
    waiting.take(b"one", 1.0)
    waiting.close()
    assert waiting.take(b"two", 1.1) == []
    waiting.take_end(1.2, is_reset=False)
    assert [due.act for due in all_due(waiting, 9.0)] == [Act.END]
    assert (waiting.taken_bytes, waiting.lost_bytes) == (6, 6)


def test_what_may_wait_has_a_bound_in_bytes_and_in_reads() -> None:
    waiting = line("latency 1s")
    while not waiting.is_full:
        waiting.take(bytes(16384), 0.0)
    assert waiting.taken_bytes == 1 << 20
    assert len(all_due(waiting, 1.0)) == 64
    assert not waiting.is_full
    while not waiting.is_full:
        waiting.take(b"x", 0.0)
    assert waiting.taken_bytes - (1 << 20) == 4096


def test_a_dropped_read_leaves_its_comment_for_the_next_packet() -> None:
    waiting = line("drop frame 1")
    waiting.take(FRAME, 1.0)
    (due,) = all_due(waiting, 1.0)
    assert (due.act, due.data, list(due.remarks)) == (
        Act.PASS, b"", ["fault to-asterisk drop frame 1: at frame 1"]
    )  # fmt: skip
    assert waiting.lost_bytes == len(FRAME)


def test_lost_framing_is_noted_once() -> None:
    waiting = line("drop frame 9")
    assert waiting.new_note() is None
    waiting.take(FRAME + b"HTTP/1.1 200 OK\r\n\r\n", 1.0)
    note = waiting.new_note()
    assert note is not None
    assert note.startswith("from its byte 323 on, what the server sends is not AudioSocket")
    assert waiting.new_note() is None
