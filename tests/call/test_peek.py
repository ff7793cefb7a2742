"""Looking at a call before its taps get what passes: each frame once, in order, whatever the taps do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call import peek as peek_file
from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo, Silence, Source
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import Frame, Kind, encode
from support.fakes import OPENING, FakeClock, FakeWire, KeepingTap, run_until


class Direct:
    """A scheduler that does everything at once."""

    def __init__(self, session: AnsweredSession) -> None:
        self._session = session

    def defer_flush(self) -> None:
        self._session.flush()

    def released(self) -> None:
        pass

    def replan(self) -> None:
        pass

    def run(self, step: Callable[[], object]) -> None:
        step()


def begun(source: Source) -> tuple[AnsweredSession, FakeWire, FakeClock, KeepingTap]:
    wire, clock, tap = FakeWire(), FakeClock(1000.0), KeepingTap()
    session = AnsweredSession(wire, "peer", source=source, clock=clock)
    session.watch([tap])
    session.start(Direct(session))
    wire.inbox.append(OPENING)
    run_until(clock.now_s, clock, session)
    return session, wire, clock, tap


def frame(number: int) -> bytes:
    return encode(Frame(Kind.SLIN, number.to_bytes(2, "little") * 160))


def numbers_in(chunks: Chunks) -> list[int]:
    """The numbers of the frames in chunks of frames that are all alike."""
    return [
        int.from_bytes(data[at + 3 : at + 5], "little") for _, _, _, data in chunks for at in range(0, len(data), 323)
    ]


@pytest.mark.parametrize("source", [Silence(), Silence(sparse=True), Echo()], ids=["silence", "in bulk", "echo"])
def test_it_sees_each_frame_once_from_when_it_began(source: Source) -> None:
    session, wire, clock, tap = begun(source)
    seen: list[int] = []
    said: list[int] = []
    peek: Peek | None = None
    for number in range(200):
        wire.inbox.append(frame(number))
        run_until(clock.now_s + 0.02, clock, session)
        if number == 30:
            peek = session.peek()
        if peek is not None and number % 7 == 0:
            session.catch_up()
            for told, chunks in zip((seen, said), peek.take(), strict=True):
                told += numbers_in(chunks)
    assert peek is not None
    run_until(clock.now_s + 1, clock, session)
    session.abort()
    seen += numbers_in(peek.take()[0])
    assert 31 - 12 <= seen[0] <= 31, "nothing from before, but what waited on the wire"
    assert seen == list(range(seen[0], 200))
    assert len(tap.heard) == 200, "the taps have got all of it"
    if isinstance(source, Echo):
        assert all(after == before + 1 for before, after in pairwise(said))


def test_nobody_looks_any_more() -> None:
    session, wire, clock, _ = begun(Silence())
    first, second = session.peek(), session.peek()
    session.end_peek(first)
    session.end_peek(first)
    wire.inbox.append(frame(1))
    run_until(clock.now_s + 5, clock, session)
    assert numbers_in(second.take()[0]) == [1]
    assert numbers_in(first.take()[0]) == []
    session.abort()


def test_a_call_that_is_listened_to_is_read_frame_by_frame_and_in_bulk_again_afterwards() -> None:
    session, wire, clock, _ = begun(Silence(sparse=True))

    def speak(count: int) -> None:
        for number in range(count):
            wire.inbox.append(frame(number))
            run_until(clock.now_s + 0.02, clock, session)

    speak(50)
    assert not session.wants_readable
    session.read_each(each=True)
    assert session.wants_readable
    peek = session.peek()
    peek.take()
    for number in range(5):
        wire.inbox.append(frame(number))
        run_until(clock.now_s + 0.02, clock, session)
        session.catch_up()
        assert numbers_in(peek.take()[0])[-1:] == [number]
    session.read_each(each=False)
    speak(50)
    assert not session.wants_readable
    session.abort()


@given(st.lists(st.sampled_from(["add", "taps", "take", "pieces"]), max_size=60))
def test_any_order_of_taps_and_looks_gives_each_chunk_once(steps: list[str]) -> None:
    heard, said, seen = Chunks(), Chunks(), Chunks()
    peek, other, pieces = Peek(heard, said), Peek(heard, said), []
    added = 0
    for step in [*steps, "take", "pieces"]:
        if step == "add":
            heard.append((float(added), 0.5 * (added % 3), 1 + added % 2, frame(added) * (1 + added % 2)))
            added += 1
        elif step == "taps":
            peek.keep()
            other.keep()
            heard.take_all()
        elif step == "take":
            seen.extend(peek.take()[0])
        else:
            pieces += other.take_pieces()[0]
    assert pieces == seen.pieces
    assert list(seen) == [(float(n), 0.5 * (n % 3), 1 + n % 2, frame(n) * (1 + n % 2)) for n in range(added)]


def test_what_nobody_takes_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peek_file, "_MAX_KEPT_BYTES", 1000)
    heard = Chunks()
    peek = Peek(heard, Chunks())
    for number in range(10):
        heard.add(float(number), frame(number))
        peek.keep()
        heard.take_all()
    assert peek.left_out + len(numbers_in(peek.take()[0])) == 10
    assert peek.left_out >= 4
