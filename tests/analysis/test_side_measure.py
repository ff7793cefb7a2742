"""One measure of a side: the same figures for what passed in a call and for what a capture of it holds."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.side_measure import SideMeasure
from audiosocket_cli.capture.runs import in_runs as captured_runs
from audiosocket_cli.codec import encode
from audiosocket_cli.model import Side
from audiosocket_cli.runs import in_runs
from support.captured import QUIET, a_call, sent, speech


@pytest.mark.parametrize("jitter_s", [0.0, 0.012])
def test_live_and_captured_frames_measure_alike(jitter_s: float) -> None:
    rng = np.random.default_rng(1)
    frames = [*[QUIET] * 50, *speech(12.0), *[QUIET] * 50]
    times_s = np.sort(0.02 * np.arange(len(frames)) + rng.uniform(0, jitter_s, len(frames)))
    times_s[120:] += 0.5
    live, captured = SideMeasure(), SideMeasure()
    chunks = [(at_s, 0.0, 1, encode(frame)) for frame, at_s in zip(frames, times_s.tolist(), strict=True)]
    for start in range(0, len(chunks), 40):
        for run in in_runs(chunks[start : start + 40]):
            live.take(run)
    for found in captured_runs(sent(a_call(), Side.CALLER, frames, times_s.tolist())):
        captured.take(found)  # type: ignore[arg-type]
    for measure in (live, captured):
        measure.timeline.place(float("inf"))
    mine, its = live.stats.as_dict(), captured.stats.as_dict()
    assert mine == its
    assert live.arrivals.jitter_ms == captured.arrivals.jitter_ms
    assert live.arrivals.pace == pytest.approx(captured.arrivals.pace, rel=0.02)
    assert [gap.length_s for gap in live.timeline.gaps] == pytest.approx(
        [gap.length_s for gap in captured.timeline.gaps], abs=0.02
    )
    assert live.heard(15.0)._replace(pace=0) == pytest.approx(captured.heard(15.0)._replace(pace=0), abs=0.02)
