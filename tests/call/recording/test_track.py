"""One side of a recording: kinds in turn, pauses, lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.call.recording import mixer as conversion
from audiosocket_cli.call.recording.pieces import interleaved
from audiosocket_cli.call.recording.track import Track
from audiosocket_cli.codec import Frame, Kind, rate_of
from audiosocket_cli.mixed_runs import MixedRun
from support.mixes import chunks_of


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
        track.place(at_s, 0.0)
        made.append(taken(track))
    track.place(float("inf"), 0.0)
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
@settings(max_examples=40)
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
    assert {silence_s for silence_s, _ in timeline.place(float("inf"))} == {0.0}
    assert looks == [2002]
