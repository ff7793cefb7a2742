"""Frames in runs: what follows on is one part, and lies where its frames lie one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.asterisk.facts import GAP_MS
from audiosocket_cli.audio.pcm import power_to_dbfs
from audiosocket_cli.chunks import Chunk
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.runs import TimedRun, in_runs, note_echo
from support.fakes import TimedFrame, runs_of

PTIME_S = 0.02
FRAME = Frame(Kind.SLIN, b"\1\2" * 160)


def run_of(arrivals: list[float]) -> TimedRun:
    (run,) = runs_of(TimedFrame(at_s, FRAME) for at_s in arrivals)
    return run


def test_frames_that_follow_on_are_one_part_as_late_as_the_least_late() -> None:
    run = run_of([1.0, 1.022, 1.04, 1.061])
    assert run.parts == [(pytest.approx(1.06), 0.0, 4, 1.0)]


def test_a_pause_a_burst_and_a_wait_of_ours_begin_a_part() -> None:
    assert [part[2] for part in run_of([1.0, 1.02, 1.5, 1.52]).parts] == [2, 2]
    assert [part[2] for part in run_of([1.0, 1.02, 1.021, 1.022]).parts] == [2, 1, 1]
    (held,) = runs_of([TimedFrame(1.0, FRAME), TimedFrame(1.02, FRAME, held_s=0.1)])
    assert [part[:3] for part in held.parts] == [(1.0, 0.0, 1), (1.02, 0.1, 1)]


@given(
    st.lists(
        st.sampled_from([0.0, 0.001, 0.018, 0.019, 0.02, 0.021, 0.023, 0.03, 0.1, 0.4, 2.0]), min_size=1, max_size=60
    )
)
def test_parts_lie_where_their_frames_do(steps_s: list[float]) -> None:
    arrivals = [1.0 + at_s for at_s in itertools.accumulate(steps_s)]
    shorter, each, longer = (placed_one_by_one(arrivals, GAP_MS / 1000 + by_s) for by_s in (-0.02, 0.0, 0.02))
    joined: Timeline[int] = Timeline()
    for at_s, held_s, count, since_s in run_of(arrivals).parts:
        joined.add(at_s, count * PTIME_S, count, held_s, since_s)
    joined.place(float("inf"))
    assert joined.end_s >= len(arrivals) * PTIME_S
    if shorter.gap_count == each.gap_count == longer.gap_count:  # no pause is a matter of milliseconds
        assert joined.gap_count == each.gap_count
        assert joined.end_s == pytest.approx(each.end_s, abs=0.006)


def placed_one_by_one(arrivals: list[float], gap_s: float) -> Timeline[int]:
    timeline: Timeline[int] = Timeline(gap_s)
    for at_s in arrivals:
        timeline.add(at_s, PTIME_S, 1)
    timeline.place(float("inf"))
    return timeline


def test_what_was_read_at_once_is_taken_apart_by_its_header() -> None:
    wide = Frame(Kind.SLIN16, bytes(640))
    runs = in_runs([(0.1, 0.0, 5, encode(FRAME) * 5), (0.2, 0.0, 1, encode(FRAME)), (0.2, 0.0, 1, encode(wide))])
    assert [(run.kind, run.size, len(run)) for run in runs] == [(Kind.SLIN, 320, 6), (Kind.SLIN16, 640, 1)]
    assert runs[0].samples.shape == (6, 160)
    assert runs[0].at_s.tolist() == [0.1] * 5 + [0.2]


def test_loudness_is_that_of_each_frame() -> None:
    quiet, loud = Frame(Kind.SLIN, bytes(320)), Frame(Kind.SLIN, np.full(160, -8192, "<i2").tobytes())
    (run,) = in_runs([(0.0, 0.0, 2, encode(quiet) + encode(loud))])
    assert (run.loudness.peak, run.loudness.total) == (8192, -8192 * 160)
    assert [power_to_dbfs(power) for power in run.loudness.powers] == pytest.approx([-96.3, -12.04], abs=0.01)


@pytest.mark.parametrize(
    ("chunks", "is_silence"),
    [(["s", "s", "s"], True), (["s", "s", "z"], False), (["a", "a"], False), (["s"], True)],
    ids=["one frame over and over", "another one", "no silence", "once"],
)
def test_silence_of_ours_is_known_by_being_one_frame(chunks: list[str], is_silence: bool) -> None:
    silence = encode(Frame(Kind.SLIN, bytes(320)))
    frames = {"s": silence, "z": bytes(bytearray(silence)), "a": encode(FRAME)}
    (run,) = in_runs([(0.0, 0.0, 1, frames[each]) for each in chunks])
    assert run.is_silence is is_silence


def chunks_at(times_s: list[float], held_s: float = 0.0) -> list[Chunk]:
    return [(at_s, held_s if number else 0.0, 1, encode(FRAME)) for number, at_s in enumerate(times_s)]


@pytest.mark.parametrize("held_s", [0.0, 0.007], ids=["", "held"])
@pytest.mark.parametrize(
    ("times_s", "parts"),
    [
        ([0.02, 0.04, 0.06, 0.08], 1),
        ([0.02, 0.042, 0.059, 0.081], 1),
        ([0.02, 0.04, 0.066, 0.08], 3),
        ([0.02, 0.04, 0.3, 0.32], 2),
        ([0.1, 0.1, 0.1], 3),
    ],
    ids=["steady", "jitter", "a late one", "a pause", "at once"],
)
def test_chunks_that_follow_on_are_one_part_however_that_is_found(
    times_s: list[float], parts: int, held_s: float
) -> None:
    (run,) = in_runs(chunks_at(times_s, held_s))
    assert isinstance(run, TimedRun)
    one, joined = run._one_part(), run._joined()
    assert (one is not None) == (len(joined) == 1)
    if one is not None:
        assert one == pytest.approx(joined[0])
    if not held_s:
        assert len(joined) == parts
    assert run.parts == (joined if one is None else [one])


def test_an_echo_is_measured_once_and_has_its_own_times() -> None:
    heard = in_runs(chunks_at([0.02, 0.04, 0.06], 0.007))
    said = in_runs(chunks_at([0.021, 0.041, 0.061]))
    note_echo(heard, said)
    assert said[0].loudness is heard[0].loudness
    assert said[0].at_s.tolist() == [0.021, 0.041, 0.061]
    other = in_runs([(0.02, 0.0, 1, encode(Frame(Kind.SLIN, bytes(320))))])
    note_echo(heard, other)
    assert other[0].loudness.peak == 0
