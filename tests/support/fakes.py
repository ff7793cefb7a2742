"""A wire in memory and a clock that only moves when told: two session cores can talk to each other in no time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.audio.files import MadeSound
from audiosocket_cli.audio.pcm import Samples, to_slin
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.codec import Frame, FrameDecoder, encode, uuid_frame
from audiosocket_cli.model import Call
from audiosocket_cli.runs import TimedRun, in_runs

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")
OPENING = encode(uuid_frame(UUID_1))


class TimedFrame(NamedTuple):
    """A frame with its time in seconds since the call's start."""

    at_s: float
    frame: Frame
    held_s: float = 0.0


def frames_of(samples: Samples, kind: int, *, pad: bool = True) -> list[Frame]:
    """Cut int16 samples at the kind's rate into frames of 20 ms; the last is padded with silence, or left short."""
    data, size = to_slin(samples), frame_bytes(kind)
    frames = [Frame(kind, data[start : start + size]) for start in range(0, len(data), size)]
    if pad and frames and len(frames[-1].payload) < size:
        frames[-1] = Frame(kind, frames[-1].payload.ljust(size, b"\0"))
    return frames


def prompt_of(make: Callable[[int], Samples]) -> Prompt:
    """Return a prompt of the samples that `make` returns at a rate."""
    return Prompt(MadeSound("the prompt", make, len(make(8000)) / 8000))


def runs_of(frames: Iterable[TimedFrame]) -> list[TimedRun]:
    return in_runs([(timed.at_s, timed.held_s, 1, encode(timed.frame)) for timed in frames])


def frames_in(run: TimedRun) -> Iterator[TimedFrame]:
    for at_s, held_s, count, data in run.chunks:
        frames = FrameDecoder().feed(data)
        assert len(frames) == count
        for frame in frames:
            yield TimedFrame(at_s, frame, held_s)


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
        self.blocked = self.drained = False
        self.full = False
        self.undelivered = self.waiting = 0
        self.ended_sending = False
        self.closed = False
        self.refused = self.was_reset = False
        self.remarks: list[str] = []
        """Comments of the capture."""

    def receive(self) -> bytes | None:
        self.drained = len(self.inbox) < 2
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

    def end_sending(self, last: bytes = b"") -> None:
        if last:
            self.send(last)
        if not self.ended_sending and self.other is not None:
            self.other.inbox.append(b"")
        self.ended_sending = True

    def pass_on(self, sink: FakeWire) -> bytes | None:
        data = self.receive()
        if data:
            sink.send(data)
        return data

    def receive_judged(self, judge: Callable[[bytes], Iterable[str]]) -> bytes | None:
        data = self.receive()
        if data:
            self.remarks += judge(data)
        return data

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    def reset(self) -> None:
        self.was_reset = True

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
            while _is_readable(session):
                session.readable()
        if any(map(_is_readable, sessions)):
            continue
        wake_s = min((session.wake_s for session in sessions if not session.ended), default=float("inf"))
        if wake_s > end_s:
            clock.now_s = end_s
            return
        clock.now_s = max(clock.now_s, wake_s)
        for session in sessions:
            if not session.ended and session.wake_s <= clock.now_s:
                session.tick()


def _is_readable(session: Session) -> bool:
    inbox = getattr(session.wire, "inbox", None)
    return bool(inbox) and not session.ended and (session.wants_readable or not all(inbox))  # an end is told at once


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

    def frames(self, heard: Sequence[TimedRun], said: Sequence[TimedRun], now_s: float) -> None:
        self.heard += [timed for run in heard for timed in frames_in(run)]
        self.said += [timed for run in said for timed in frames_in(run)]

    def digit(self, at_s: float, digit: str) -> None:
        self.digits.append((at_s, digit))

    def closed(self, call: Call) -> None:
        self.closed_times += 1
