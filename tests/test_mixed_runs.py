"""Frames of many kinds and lengths, measured together as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis.side_stats import SideStats
from audiosocket_cli.codec import Frame, encode
from audiosocket_cli.mixed_runs import MixedRun
from audiosocket_cli.runs import MAX_RUNS, TimedRun, in_runs
from support.mixes import MIXES, chunks_of

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
@settings(max_examples=60)
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
