"""Nobody waits for one peer: its turn ends in time, whatever it sends, and nothing of it is lost."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis.side_stats import SideStats
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.call.bots.streams import HeardStream
from audiosocket_cli.call.reader import TURN_S
from audiosocket_cli.call.recording import mixer as conversion
from audiosocket_cli.call.recording.pieces import interleaved
from audiosocket_cli.call.recording.track import Track
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo, Silence, Source
from audiosocket_cli.capture.trace import MAX_COMMENTS, _Meanings
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode, rate_of
from audiosocket_cli.mixed_runs import MixedFrames, MixedRun
from audiosocket_cli.model import Call
from audiosocket_cli.runs import MAX_RUNS, FrameRun, TimedRun, in_runs
from support.fakes import OPENING, FakeWire

LOOK_S = 0.0001


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


RNG = random.Random(5)
AUDIO = range(Kind.SLIN, Kind.SLIN192 + 1)
MIXES: dict[str, Callable[[int], bytes]] = {
    "one sample": lambda n: frame(Kind.SLIN, b"\1\2"),
    "two kinds": lambda n: frame(Kind.SLIN + n % 2, b"\1\2"),
    "ten kinds": lambda n: frame([*AUDIO, 0x77][n % 10], b"\1\2"),
    "two lengths": lambda n: frame(Kind.SLIN, b"\1\2" * (1 + n % 2)),
    "an unknown kind in turn": lambda n: frame(Kind.SLIN if n % 2 else 0x77, b"\1\2"),
    "digits": lambda n: frame(Kind.DTMF, b"5"),
    "empty": lambda n: frame(Kind.SLIN, b""),
    "random lengths": lambda n: frame(RNG.choice(AUDIO), b"\1\2" * RNG.randrange(30)),
    "all kinds": lambda n: frame(RNG.randrange(1, 256), b"\1\2" * RNG.randrange(4)),
}


class Looked:
    """A clock that says that some work was done each time that somebody looks at it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += LOOK_S
        return self.now_s


class Counting:
    """A tap, and a keeper, that counts."""

    def __init__(self) -> None:
        self.frames_heard = self.batches = self.most_runs = self.largest = self.put_offs = 0

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        count = sum(len(run) for run in heard)
        self.frames_heard += count
        self.batches += 1
        self.most_runs = max(self.most_runs, len(heard), len(said))
        self.largest = max(self.largest, count)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        pass

    def defer_flush(self) -> None:
        self.put_offs += 1

    def released(self) -> None:
        pass


class Ears(Echo):
    """An echo that counts."""

    heard = 0

    def answer(self, data: bytes, at_s: float) -> bytes | None:
        self.heard += 1
        return super().answer(data, at_s)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("source", [Silence, Echo], ids=["heard", "echoed"])
def test_a_turn_ends_in_time_and_all_is_heard(mix: str, source: Callable[[], Source]) -> None:
    count, clock, tap, wire = 3000, Looked(), Counting(), FakeWire()
    session = AnsweredSession(wire, "peer", source=source(), taps=[tap], clock=clock)
    session.start(tap)
    wire.inbox += [OPENING, b"".join(map(MIXES[mix], range(count)))]
    turns = 0
    while wire.inbox or session.has_more:
        begun_s = clock.now_s
        if not session.readable() and not wire.inbox:
            break
        turns += 1
        assert clock.now_s - begun_s <= TURN_S + 12 * LOOK_S
        while tap.put_offs:  # as the driver does, in turns of their own
            tap.put_offs -= 1
            batches = tap.batches
            session.flush()
            assert tap.batches <= batches + 1
        assert turns < 10_000
    session.hang_up("test")
    session.flush()  # which it has asked for
    assert tap.frames_heard == count
    assert tap.most_runs <= MAX_RUNS
    assert tap.largest <= 16_384 // 3 + 512


def test_a_call_that_has_ended_waits_for_its_taps_without_being_woken() -> None:
    clock, tap, wire = Looked(), Counting(), FakeWire()
    session = AnsweredSession(wire, "peer", source=Echo(), taps=[tap], clock=clock)
    session.start(tap)
    wire.inbox += [OPENING, frame(Kind.SLIN, b"\1\2") * 10, b""]
    while wire.inbox:
        session.readable()
    clock.now_s += 10.0  # others have their turns
    session.tick()
    assert not session.ended
    assert session.wake_s == math.inf
    session.flush()
    assert session.ended
    assert tap.frames_heard == 10


def test_a_source_that_listens_hears_a_few_frames_at_once() -> None:
    ears, tap, wire, clock = Ears(), Counting(), FakeWire(), Looked()
    session = AnsweredSession(wire, "peer", source=ears, taps=[tap], clock=clock)
    session.start(tap)
    wire.inbox += [OPENING, frame(Kind.SLIN, b"\1\2") * 3000]
    session.readable()
    session.readable()
    assert 0 < ears.heard <= 16 * (TURN_S / LOOK_S + 1)
    assert session.has_more
    session.hang_up("test")
    session.flush()
    assert tap.frames_heard == 3000


def chunks_of(frames: Sequence[Frame], together: int) -> list[tuple[float, float, int, bytes]]:
    """Frames as they are kept, so many at once."""
    decoder, chunks = FrameDecoder(), []
    stream = b"".join(map(encode, frames))
    data, starts = decoder.take(stream, together)
    while starts:
        chunks.append((0.02 * len(chunks), 0.0, len(starts), MixedFrames(data, starts)))
        data, starts = decoder.take(b"", together)
    return chunks


frames_of_any_kind = st.lists(
    st.builds(
        Frame,
        st.sampled_from([0x10, 0x11, 0x18, 3, 0x77]),
        st.binary(max_size=9) | st.just(b"\xff\x7f" * 5) | st.just(bytes(8)),
    ),
    min_size=1,
    max_size=60,
)


@given(frames_of_any_kind, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_frames_measured_together_are_what_they_are_one_by_one(frames: list[Frame], together: int) -> None:
    one_by_one, at_once = SideStats(), SideStats()
    chunks = chunks_of(frames, together)
    times = [chunk[0] for chunk in chunks for _ in range(chunk[2])]
    for at_s, one in zip(times, frames, strict=True):
        one_by_one.take(TimedRun([(at_s, 0.0, 1, encode(one))]))
    mixed = MixedRun(chunks)
    at_once.take(mixed)
    assert at_once.by_kind == one_by_one.by_kind
    assert at_once.audio_s == pytest.approx(one_by_one.audio_s)
    assert at_once.mean_dbfs == pytest.approx(one_by_one.mean_dbfs, abs=0.01)
    assert at_once.sample_sum == pytest.approx(one_by_one.sample_sum, abs=1)
    for name in ("peak", "odd_bytes", "samples", "clipped", "first_audio_s", "first_speech_s"):
        assert getattr(at_once, name) == getattr(one_by_one, name), name
    again = [(kind, row.tobytes()) for kind, payloads, _ in mixed.equal() for row in payloads]
    assert again == [(one.kind, one.payload) for one in frames]
    assert sum(count for _, _, count, _ in mixed.parts) == len(mixed.sound_kinds)


def test_so_many_runs_cost_no_more_than_a_few() -> None:
    frames = [(0.0, 0.0, 1, MIXES["two kinds"](n)) for n in range(1000)]
    (run,) = in_runs(frames)
    assert isinstance(run, MixedRun)
    assert len(run.audio) == 2
    assert len(run.parts) == 1
    assert len(in_runs(frames[:MAX_RUNS])) == MAX_RUNS


def taken(track: Track) -> np.ndarray:
    pieces = list(interleaved([track.made], mixed=False, final=True))
    return np.concatenate([np.zeros(piece, np.int16) if isinstance(piece, int) else piece for piece in pieces] or [[]])


def tracked(frames: Sequence[Frame], rate_hz: int, together: int = 50) -> np.ndarray:
    """What a track makes of frames that came without a pause."""
    track, made = Track(rate_hz), []
    at_s = 0.0
    chunks = chunks_of(frames, together)
    for number in range(0, len(chunks), 5):
        batch = []
        for _, held_s, count, data in chunks[number : number + 5]:
            run = MixedRun([(0.0, 0.0, count, data)])
            at_s += run.seconds(0, len(run.sound_kinds))
            batch.append((at_s, held_s, count, data))
        track.add(MixedRun(batch))
        track.settle(at_s, 0.0)
        made.append(taken(track))
    track.settle(float("inf"), 0.0)
    track.end_conversion()
    return np.concatenate([*made, taken(track)])


@pytest.mark.parametrize("samples", [1, 7, 160])
def test_kinds_in_turn_are_recorded_in_order_each_converted(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = conversion.make_converter
    monkeypatch.setattr(conversion, "make_converter", lambda kind, rate_hz: made.append(kind) or make(kind, rate_hz))
    count = 12_000 // samples
    kinds = [Kind.SLIN + n % 2 for n in range(count)]
    level = {Kind.SLIN: -3000, Kind.SLIN12: 9000}
    frames = [Frame(kind, np.full(samples, level[Kind(kind)], "<i2").tobytes()) for kind in kinds]
    heard = tracked(frames, 12_000)
    seconds = sum(samples / rate_of(kind) for kind in kinds)
    assert len(heard) == pytest.approx(seconds * 12_000, abs=2)
    assert made == [Kind.SLIN]  # one converter, not one for each change
    assert np.count_nonzero(heard == 9000) >= count // 2 * samples  # not one sample of the file's own kind is lost
    # Each frame is where it was said: frames of 8 kHz are half as long again at 12 kHz.
    ends = np.rint(np.cumsum([samples * (1.5 if kind == Kind.SLIN else 1) for kind in kinds])).astype(int)
    middles = ends - samples // 2 - 1
    settled = slice(len(ends) // 10, -len(ends) // 10)
    own = np.array([level[Kind(kind)] for kind in kinds])
    right = np.abs(heard[middles[settled]] - own[settled]) < 600
    assert right.mean() > (0.99 if samples > 1 else 0.65)


@given(st.lists(st.tuples(st.sampled_from([0x10, 0x11, 0x12, 0x15]), st.integers(0, 40)), min_size=1, max_size=200))
@settings(max_examples=40, deadline=None)
def test_whatever_the_mix_a_track_is_as_long_as_the_audio(parts: list[tuple[int, int]]) -> None:
    frames = [Frame(kind, b"\1\0" * samples) for kind, samples in parts]
    seconds = sum(samples / rate_of(kind) for kind, samples in parts)
    assert len(tracked(frames, 16_000, 20)) == pytest.approx(seconds * 16_000, abs=3 + len(parts) / 5)


def test_pauses_that_turn_out_to_be_none_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = Timeline._least_delays
    monkeypatch.setattr(Timeline, "_least_delays", lambda self: looks.append(len(self._pending)) or look(self))
    timeline: Timeline[int] = Timeline()
    timeline.add(0.02, 0.02, 0)
    for number in range(2000):
        timeline.add(1.0 + number * 0.2, 0.02, number)  # each seems to pause
    timeline.add(401.0, 450.0, 0)  # and all followed on
    assert {silence_s for silence_s, _ in timeline.settle(float("inf"))} == {0.0}
    assert looks == [2002]


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


class Reading:
    """A program that reads all that is written to it."""

    def __init__(self) -> None:
        self.read: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.read.append(data)
        return len(data)


def test_a_program_hears_each_kind_as_one_signal() -> None:
    child = Reading()
    heard = HeardStream(child, 8000)  # type: ignore[arg-type]
    sound = np.full(160, 5000, "<i2").tobytes()
    for number in range(100):
        kind = Kind.SLIN + number % 2
        heard.take(frame(kind, sound[: 320 if kind == Kind.SLIN else 240]))
    samples = np.frombuffer(b"".join(child.read), "<i2")
    assert len(samples) == pytest.approx(50 * 160 + 50 * 80, abs=2)
    # A converter that begins anew at each change begins with silence.
    assert np.all(np.abs(samples[1000:] - 5000) < 100)


def test_a_program_gets_frames_of_one_sample_many_at_a_time() -> None:
    child = Reading()
    heard = HeardStream(child, 8000)  # type: ignore[arg-type]
    for number in range(4800):
        heard.take(frame(Kind.SLIN + number % 2, b"\1\2\3"))  # and half a sample, which is left out
    heard.pass_on()
    assert len(child.read) <= 240  # 0.5 s, 5 ms of two kinds at a time
    assert len(b"".join(child.read)) // 2 == pytest.approx(2400 + 1600, abs=2)
