"""Live captures are written many packets at a time, and are the same, byte for byte, as if each had been written at
once."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.packet_queue import MAX_BYTES_TOGETHER, MAX_TOGETHER, MAX_WAITING_S, Flusher, PacketQueue
from audiosocket_cli.capture.trace import Trace
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Side
from support.fakes import OPENING

OURS = ("10.0.0.9", 9092)
AUDIO = encode(Frame(Kind.SLIN, b"\x01\x02" * 160))
OTHER = encode(Frame(Kind.SLIN16, b"\x03\x04" * 320))
NEAR_WRAP_NS = (0xFFFFFFFF - 4000) * 4000
"""Sequence numbers that begin with this time are at their end some frames later."""


class Time:
    """A clock in ns, and a loop that calls later."""

    def __init__(self) -> None:
        self.ns = NEAR_WRAP_NS
        self.calls: list[tuple[float, Callable[[], object]]] = []

    def clock_ns(self) -> int:
        return self.ns

    def clock_s(self) -> float:
        return self.ns / 1e9

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        self.calls.append((self.clock_s() + delay_s, call))

    def advance(self, step_s: float) -> None:
        self.ns += round(step_s * 1e9)
        for at_s, call in list(self.calls):
            if at_s <= self.clock_s():
                self.calls.remove((at_s, call))
                call()


def trace_to(queue: PacketQueue, now: Time, port: int = 40000, *, six: bool = False) -> Trace:
    ours, theirs = (("::1", 9092), ("2001:db8::7", port)) if six else (OURS, ("10.0.0.5", port))
    return Trace(queue, ours, theirs, me=Side.SERVER, clock_ns=now.clock_ns)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which call
        st.sampled_from("rrrrrrrrssssssssRSbcd#tw"),
        st.integers(1, 60),  # ms until then
    ),
    max_size=200,
)


def passed(steps: list[tuple[int, str, int]], *, waits: bool, is_shared: bool) -> list[bytes]:
    """Let steps happen in three calls; return what was written of each, or of all."""
    now = Time()
    flusher = Flusher(now.later, now.clock_s) if waits else None
    written: list[list[bytes]] = [[] for _ in range(1 if is_shared else 3)]
    queues = [PacketQueue(blocks.append, flusher) for blocks in written]
    traces = [trace_to(queues[number % len(queues)], now, 40000 + number, six=number == 2) for number in range(3)]
    for trace in traces:
        trace.received(OPENING)
    for which, what, delay_ms in steps:
        now.advance(delay_ms / 1000)
        trace = traces[which]
        match what:
            case "r" | "R":
                trace.received(AUDIO if what == "r" else OTHER)
            case "s" | "S":
                trace.sent(AUDIO if what == "s" else OTHER)
            case "b":
                trace.received(AUDIO * 3)
            case "c":
                trace.received(AUDIO[:100])
                trace.received(AUDIO[100:])
            case "d":
                trace.received(b"\x03\x00\x015")
            case "#":
                trace.remark("finding: nothing")
            case "t":
                trace.sent(bytes(range(250)))  # as long as nothing else
            case "w":
                trace.sent(b"\x11" + AUDIO[1:])  # as long as the others
    for trace in traces:
        trace.ended(sent=False)
        trace.close()
    return [b"".join(blocks) for blocks in written]


@pytest.mark.parametrize("is_shared", [False, True], ids=["a file each", "one file"])
@given(steps=STEPS)
def test_what_waits_becomes_the_same_blocks(is_shared: bool, steps: list[tuple[int, str, int]]) -> None:
    assert passed(steps, waits=True, is_shared=is_shared) == passed(steps, waits=False, is_shared=is_shared)


def test_long_calls_that_go_on_and_on_become_the_same_blocks() -> None:
    """Beyond the last sequence number."""
    steps = [(which, what, 1) for _ in range(800) for which in range(3) for what in "rs"]
    assert passed(steps, waits=True, is_shared=True) == passed(steps, waits=False, is_shared=True)


def test_packets_are_written_within_the_time_promised_and_not_one_by_one() -> None:
    now, written = Time(), []
    trace = trace_to(PacketQueue(written.append, Flusher(now.later, now.clock_s)), now)
    trace.received(OPENING)
    for _ in range(300):
        assert len(now.calls) <= 1
        trace.received(AUDIO)
        now.advance(0.02)
    assert 300 * 0.02 / MAX_WAITING_S - 1 <= len(written) <= 300 * 0.02 / (MAX_WAITING_S - 0.11) + 1
    now.advance(MAX_WAITING_S)
    assert not now.calls
    assert b"".join(written).count(AUDIO) == 300


def test_calls_that_wait_are_written_together_for_a_millisecond_at_a_time() -> None:
    now, written = Time(), []
    flusher = Flusher(now.later, clock := now.clock_s)
    traces = [trace_to(PacketQueue(written.append, flusher), now, 40000 + number) for number in range(100)]
    for trace in traces:
        trace.received(OPENING)
        for _ in range(40):
            trace.received(AUDIO)

    def slow() -> float:  # each look at the clock is half a millisecond later
        now.ns += 500_000
        return clock()

    flusher._clock = slow
    turns = 0
    now.advance(MAX_WAITING_S)
    while now.calls:
        turns += 1
        before = len(written)
        now.advance(0.0)
        assert len(written) - before <= 2 * (MAX_TOGETHER // 40 + 1)
    assert turns >= 5
    assert len(written) == 100


def test_a_flood_is_written_without_waiting() -> None:
    now, written = Time(), []
    queue = PacketQueue(written.append, Flusher(now.later, now.clock_s), most_bytes=32 << 10)
    trace = trace_to(queue, now)
    for _ in range(200):
        trace.received(AUDIO * 50)
        assert queue.waiting_bytes < 32 << 10
    assert sum(map(len, written)) > 200 * 50 * len(AUDIO) - (32 << 10)
    now.advance(0)
    for _ in range(10_000):
        trace.received(b"\x03\x00\x015")
        assert len(queue.waiting) < 1000


def test_a_flood_of_frames_without_audio_is_written_some_at_a_time() -> None:
    """A turn is bounded in its work: of such frames, every byte is looked at."""
    now, written = Time(), []
    flusher = Flusher(now.later, now.clock_s)
    traces = [
        trace_to(PacketQueue(written.append, flusher, most_bytes=32 << 10), now, 40000 + number) for number in range(50)
    ]
    read = b"\x10\0\0" * 5461
    for trace in traces:
        trace.received(read)  # a moment before a queue is full
    assert not written
    flusher._clock = lambda: now.clock_s() + 0.001 * len(written)  # each write takes a millisecond
    now.advance(MAX_WAITING_S)
    turns = 0
    while now.calls:
        turns += 1
        before = len(written)
        now.advance(0.0)
        assert sum(map(len, written[before:])) < MAX_BYTES_TOGETHER + 3 * len(read)
    assert turns >= 50 * len(read) // (MAX_BYTES_TOGETHER + len(read)) - 1
    assert len(written) == 50


def test_of_a_write_that_fails_each_connection_is_told_once() -> None:
    now, told = Time(), []

    def full(blocks: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    queue = PacketQueue(full, Flusher(now.later, now.clock_s))
    traces = [
        Trace(queue, OURS, ("10.0.0.5", port), me=Side.SERVER, clock_ns=now.clock_ns, on_failure=told.append)
        for port in (1, 2)
    ]
    for _ in range(3):
        for trace in traces:
            trace.received(AUDIO)
        now.advance(MAX_WAITING_S)
    assert len(told) == 2
    assert all(trace.error is not None for trace in traces)
