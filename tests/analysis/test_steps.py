"""Gap, jitter and burst mean one thing: in the rows and findings of a capture, in its figures, and in a load."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.steps import GAP_S, jitter_of
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.meter import Meter
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Side
from audiosocket_cli.runs import in_runs
from support.captured import a_call, reviewed, run_at, sent, speech, steady, whole


def metered(frames: Sequence[Frame], times_s: Sequence[float], batch: int = 5) -> Figures:
    """What a load counts of audio that it hears."""
    figures = Figures()
    meter = Meter(Talk(Speech.generated(Kind.SLIN), 0, 60.0, 0.0), figures)
    chunks = [(at_s, 0.0, 1, encode(frame)) for frame, at_s in zip(frames, times_s, strict=True)]
    for start in range(0, len(chunks), batch):
        for run in in_runs(chunks[start : start + batch]):
            meter._hear(run)
    return figures


def burst_of(count: int, *, within_s: float = 0.0) -> list[float]:
    """Steady frames, so many at once, and steady ones again, without a pause before."""
    at_once = [1.02 + within_s * number / max(1, count - 1) for number in range(count)]
    return steady(0.02, 50) + at_once + steady(1.02 + 0.02 * count, 100)


@pytest.mark.parametrize(
    ("times_s", "bursts"),
    [
        (burst_of(5), 0),
        (burst_of(6), 0),
        (burst_of(7), 1),
        (burst_of(15), 1),
        (burst_of(15, within_s=0.17), 1),
        (burst_of(10, within_s=0.12), 0),
        ([at_s - at_s % 0.1 for at_s in np.arange(0.001, 4, 0.02).tolist()], 0),
    ],
    ids=["5 at once", "6 at once", "7 at once", "15 at once", "15 in 170 ms", "10 in 120 ms", "chunks of 100 ms"],
)
@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_a_burst_is_one_wherever_it_is_looked_for(times_s: list[float], bursts: int, batch: int) -> None:
    call, frames = a_call(), (speech(5.0))[: len(times_s)]
    caller = sent(call, Side.CALLER, speech(4.0), steady(0.02, 200))
    result, rows = reviewed(whole(call, caller, sent(call, Side.SERVER, frames, times_s)))
    assert [row.what for row in rows].count("burst") == bursts
    assert len([finding for finding in result.findings if "came at once" in finding]) == bursts
    assert metered(frames, times_s, batch).counts["bursts"] == bursts


def test_jitter_is_how_far_steps_are_from_the_length_of_their_frame_and_a_gap_is_none() -> None:
    rng = np.random.default_rng(4)
    frames = [Frame(Kind.SLIN, b"\1\2" * int(size)) for size in rng.choice([80, 160, 320], 200)]
    lengths_s = [len(frame.payload) / 16000 for frame in frames]
    times_s = np.cumsum(lengths_s) + rng.uniform(0, 0.004, 200)
    times_s[100:] += 1.5
    expected_s = [
        abs(after_s - before_s - length_s)
        for (before_s, after_s), length_s in zip(pairwise(times_s.tolist()), lengths_s[1:], strict=True)
    ]
    assert max(expected_s) > 1
    steps_s = np.diff(times_s)
    np.testing.assert_allclose(np.sort(jitter_of(steps_s, np.array(lengths_s[1:]))), sorted(expected_s)[:-1])
    jitter = metered(frames, times_s.tolist()).times["jitter"]
    assert (jitter.count, jitter.max_ms) == (198, pytest.approx(sorted(expected_s)[-2] * 1000))
    smoothed_s = 0.0
    for late_s in expected_s:
        smoothed_s += (late_s - smoothed_s) / 16 if late_s <= GAP_S else 0.0
    arrivals = Arrivals()
    for at_s, length_s in zip(times_s.tolist(), lengths_s, strict=True):
        arrivals.note(run_at(np.array([at_s]), length_s))
    assert arrivals.jitter_s == pytest.approx(smoothed_s)
