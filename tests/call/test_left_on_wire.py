"""Audio that nobody needs at once stays on the wire until the taps get it, and what they get is the same."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.call.receiver import READ_S
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.taps.tap import RECORDED_FLUSH_S
from audiosocket_cli.call.wire import READ_BYTES, SocketWire
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode
from audiosocket_cli.model import How, Side
from support.fakes import OPENING, FakeClock, FakeWire, KeepingTap, run_until

START_S = 1000.0
AUDIO = Frame(Kind.SLIN, b"\1" * 320)
STEADY = [(0.02, AUDIO)] * 100
"""Two seconds of audio: from then on it is read in bulk, as rarely as it ever is."""


class JoiningWire(FakeWire):
    """Gives all that has arrived at once, as a socket does, and says how much that is, if it `tells`."""

    def __init__(self, *, tells: bool) -> None:
        super().__init__()
        self.reads = 0
        self._tells = tells

    @property
    def waiting(self) -> int:
        return sum(len(item) for item in self.inbox if isinstance(item, bytes)) if self._tells else 0

    @waiting.setter
    def waiting(self, value: int) -> None:
        pass

    def receive(self) -> bytes | None:
        self.reads += 1
        joined = bytearray()
        while self.inbox and len(joined) < READ_BYTES and isinstance(self.inbox[0], bytes) and self.inbox[0]:
            joined += self.inbox.popleft()  # type: ignore[operator]
        if len(joined) > READ_BYTES:
            self.inbox.appendleft(bytes(joined[READ_BYTES:]))
            del joined[READ_BYTES:]
        if joined:
            self.drained = len(joined) < READ_BYTES
            return bytes(joined)
        return super().receive()


class Recorded:
    """A call that is only recorded, and how it goes."""

    def __init__(self, *, tells: bool) -> None:
        self.wire, self.clock, self.tap = JoiningWire(tells=tells), FakeClock(START_S), KeepingTap()
        self.session = AnsweredSession(self.wire, "peer", source=Silence(sparse=True), clock=self.clock)
        self.session.watch([self.tap], flush_s=RECORDED_FLUSH_S)
        self.session.start()
        self.wire.inbox.append(OPENING)
        run_until(self.clock.now_s, self.clock, self.session)

    def hear(self, events: list[tuple[float, Frame]]) -> None:
        """Let frames come, each so many seconds after the one before."""
        for after_s, frame in events:
            run_until(self.clock.now_s + after_s, self.clock, self.session)
            self.wire.inbox.append(encode(frame))

    def wait(self, seconds: float) -> None:
        run_until(self.clock.now_s + seconds, self.clock, self.session)


def both(events: list[tuple[float, Frame]]) -> list[Recorded]:
    """Let the same happen in a call whose audio is left on the wire, and in one that is read at each look."""
    calls = [Recorded(tells=tells) for tells in (True, False)]
    for call in calls:
        call.hear(events)
        call.session.hang_up("test")
    return calls


def test_a_batch_is_read_at_once_just_before_the_taps_get_it() -> None:
    left, read = Recorded(tells=True), Recorded(tells=False)
    for call in (left, read):
        call.hear(STEADY * 2)
        call.wire.reads = 0
        call.hear([(0.02, AUDIO)] * 300)
    assert read.wire.reads == pytest.approx(6 / READ_S, abs=2)
    assert left.wire.reads == pytest.approx(6 / RECORDED_FLUSH_S, abs=2)
    assert not left.session.wants_readable


def test_little_is_held_in_memory_meanwhile() -> None:
    call = Recorded(tells=True)
    call.hear(STEADY)
    held = []
    for _ in range(200):
        call.hear([(0.02, AUDIO)])
        held.append(sum(map(len, call.session._queue.heard.pieces)))
    assert max(held) == 0


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just(0.02), st.just(AUDIO)),
        st.tuples(st.sampled_from([0.0, 0.001, 0.019, 0.025, 0.05]), st.just(AUDIO)),
        st.tuples(st.sampled_from([0.07, 0.3, 1.5]), st.just(AUDIO)),
        st.tuples(st.just(0.02), st.builds(digit_frame, st.sampled_from("05#"))),
    ),
    max_size=150,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_the_taps_get_the_same_frames_at_the_same_times(events: list[tuple[float, Frame]]) -> None:
    left, read = both([*STEADY, *events, *STEADY[:40]])
    assert [timed.frame for timed in left.tap.heard] == [timed.frame for timed in read.tap.heard]
    assert [timed.at_s for timed in left.tap.heard] == pytest.approx([timed.at_s for timed in read.tap.heard])
    assert [digit for _, digit in left.tap.digits] == [digit for _, digit in read.tap.digits]
    assert [at_s for at_s, _ in left.tap.digits] == pytest.approx([at_s for at_s, _ in read.tap.digits])
    assert left.session.received_bytes == read.session.received_bytes


def test_a_digit_is_told_as_soon_as_ever() -> None:
    call = Recorded(tells=True)
    call.hear([*STEADY, *STEADY])
    for _ in range(10):
        call.hear([(0.02, AUDIO)] * 7)
        call.hear([(0.0, digit_frame("5"))])
        pressed_s, before = call.clock.now_s, len(call.tap.digits)
        while len(call.tap.digits) == before:
            call.hear([(0.02, AUDIO)])
        assert call.clock.now_s - pressed_s <= READ_S + 0.02


def test_a_pause_is_seen_where_it_was() -> None:
    call = Recorded(tells=True)
    call.hear([*STEADY, (0.5, AUDIO), *STEADY[:50]])
    call.session.hang_up("test")
    gaps = [after.at_s - before.at_s for before, after in pairwise(call.tap.heard)]
    assert max(gaps) == pytest.approx(0.5, abs=READ_S)
    assert sorted(gaps)[-2] <= READ_S + 0.02


@pytest.mark.parametrize(
    "other",
    [Frame(Kind.SLIN, b"\2" * 321), Frame(Kind.SLIN16, b"\2" * 320), Frame(0x42, b"\2" * 320)],
    ids=["another length", "another kind of the same length", "no audio of the same length"],
)
def test_what_only_seemed_to_be_more_of_the_same_is_heard(other: Frame) -> None:
    events = [*STEADY, *[(0.02, AUDIO), (0.02, other)] * 30]
    left, read = both(events)
    heard = [timed.frame for timed in left.tap.heard]
    assert heard == [timed.frame for timed in read.tap.heard] == [frame for _, frame in events]
    assert left.session.received_bytes == read.session.received_bytes


def test_audio_that_would_not_fit_into_one_read_is_read_before() -> None:
    call = Recorded(tells=True)
    wide = Frame(Kind.SLIN16, b"\1" * 640)
    most = 0
    for _ in range(400):
        call.hear([(0.02, wide)])
        most = max(most, call.wire.waiting)
    assert most <= READ_BYTES
    call.session.hang_up("test")
    assert len(call.tap.heard) == 400


@pytest.mark.parametrize("end", [b"", ConnectionResetError(104, "reset")], ids=["closed", "reset"])
def test_what_was_left_when_a_caller_goes_is_heard(end: bytes | OSError) -> None:
    call = Recorded(tells=True)
    call.hear([*STEADY, *STEADY[:25]])
    call.wire.inbox.append(end)
    call.wait(3 * READ_S)
    assert call.session.ended
    assert len(call.tap.heard) == 125
    assert call.session.call is not None
    assert call.session.call.ending is not None
    assert call.session.call.ending[:2] == (Side.CALLER, How.RESET if end else How.CLOSED)


def test_a_batch_that_comes_between_takes_what_is_left_for_no_pause() -> None:
    call = Recorded(tells=True)
    call.hear(STEADY)
    told_s: list[float] = []
    call.session._queue.watch([TellingTap(told_s)], RECORDED_FLUSH_S)
    while not call.session.receiver.left_bytes:
        call.hear([(0.02, AUDIO)])
    call.wait(0.1)
    call.session.flush()
    assert told_s[-1] < call.clock.now_s - START_S - 0.1


class TellingTap(KeepingTap):
    """Keeps up to when it was told all."""

    def __init__(self, told_s: list[float]) -> None:
        super().__init__()
        self._told_s = told_s

    def frames(self, heard: object, said: object, now_s: float) -> None:
        self._told_s.append(now_s)


def test_a_socket_says_what_waits() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = SocketWire(ours)
        assert wire.waiting == 0
        theirs.sendall(b"12345")
        assert wire.waiting == 5
        assert wire.receive() == b"12345"
        assert wire.waiting == 0
    wire.close()
    assert wire.waiting == 0
