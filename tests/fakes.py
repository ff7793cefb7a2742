"""A wire in memory and a clock that only moves when told: two session cores can talk to each other in no time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from uuid import UUID

from audiosocket_cli.call.facts import Call, TimedFrame
from audiosocket_cli.call.session import Session
from audiosocket_cli.codec import Frame, FrameDecoder, encode, uuid_frame

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
OPENING = encode(uuid_frame(UUID_1))


class FakeClock:
    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class FakeWire:
    """One end of a connection: `inbox` is what the session will read, `sent` what it wrote, one entry a send."""

    def __init__(self) -> None:
        self.inbox: deque[bytes | OSError] = deque()
        self.sent: list[bytes] = []
        self.other: FakeWire | None = None
        self.blocked = False
        self.full = False
        self.ended_sending = False
        self.closed = False

    def receive(self) -> bytes | None:
        if not self.inbox:
            return None
        item = self.inbox.popleft()
        if isinstance(item, OSError):
            raise item
        return item

    def send(self, data: bytes) -> bool:
        if self.blocked or self.ended_sending or self.closed:
            return False
        self.blocked = self.full
        self.sent.append(data)
        if self.other is not None:
            self.other.inbox.append(data)
        return True

    def flush(self) -> None:
        self.blocked = False

    def end_sending(self) -> None:
        if not self.ended_sending and self.other is not None:
            self.other.inbox.append(b"")
        self.ended_sending = True

    def close(self) -> None:
        self.end_sending()
        self.closed = True

    @property
    def frames(self) -> list[Frame]:
        """The frames sent, for which each send must have been one whole frame."""
        frames = []
        for data in self.sent:
            decoder = FrameDecoder()
            (frame,) = decoder.feed(data)
            decoder.finish()
            frames.append(frame)
        return frames


def wire_pair() -> tuple[FakeWire, FakeWire]:
    first, second = FakeWire(), FakeWire()
    first.other, second.other = second, first
    return first, second


def run_until(end_s: float, clock: FakeClock, *sessions: Session) -> None:
    """Let time pass as a perfect event loop would: deliver what is there, then jump to the next wake-up."""
    while True:
        for session in sessions:
            while getattr(session.wire, "inbox", None) and not session.ended:
                session.readable()
        if any(getattr(session.wire, "inbox", None) and not session.ended for session in sessions):
            continue
        wake_s = min((session.wake_s for session in sessions if not session.ended), default=float("inf"))
        if wake_s > end_s:
            clock.now_s = end_s
            return
        clock.now_s = max(clock.now_s, wake_s)
        for session in sessions:
            if not session.ended and session.wake_s <= clock.now_s:
                session.tick()


class KeepingTap:
    """Keeps all that a session tells it."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self.heard: list[TimedFrame] = []
        self.said: list[TimedFrame] = []
        self.digits: list[tuple[float, str]] = []
        self.closed_times = 0

    def opened(self, call: Call) -> None:
        self.call = call

    def frames(self, heard: Sequence[TimedFrame], said: Sequence[TimedFrame], now_s: float) -> None:
        self.heard += heard
        self.said += said

    def digit(self, at_s: float, digit: str) -> None:
        self.digits.append((at_s, digit))

    def closed(self, call: Call) -> None:
        self.closed_times += 1
