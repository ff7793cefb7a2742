"""Results of loads that were never run, for what is made of results: a bot that answers after so long, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.series import SeriesMaker
from audiosocket_cli.bench.usage import Sample

SETTINGS = {
    "target": "127.0.0.1:9092", "calls": 20, "rate": None, "max_calls": None, "stages": [], "ramp_s": None,
    "duration_s": 30.0, "call_duration_s": 6.0, "kind": "slin", "frame_ms": 20, "audio": None, "processes": 2,
    "seed": 0, "max_lateness_ms": 10.0,
}  # fmt: skip


def bench_result(
    turn_ms: float = 300.0, *, seconds: int = 30, failing: str = "", invalid: Sequence[str] = (),
    findings: Sequence[str] = (), thresholds: Sequence[str] = ("turn_p95<800ms", "errors<=0"), **more: Any,
) -> BenchResult:  # fmt: skip
    """Return a result of 20 calls at once for so many seconds; of those, some of each second after the tenth fail for
    the reason `failing`. Nothing is heard in every fifth second."""
    drawn = np.random.default_rng(int(turn_ms))
    figures, maker = Figures(), SeriesMaker()
    for second in range(seconds):
        figures = _after(figures, second, turn_ms * (1 + second / 100), drawn, failing)
        figures.find(findings)
        maker.report(0, second + 1.0, figures, min(20, 4 * second))
        maker.use(second, Sample(second, 0.1 * second, 20 + second / 10))
    used = {"cpu_percent": 10.0, "rss_mib": 23.0}
    return BenchResult(SETTINGS | {"duration_s": float(seconds)}, "2026-11-30T09:00:00.000+00:00", seconds + 0.1,
                       figures, 20, used, list(invalid), series=maker.series(), thresholds=tuple(thresholds),
                       **more)  # fmt: skip


def _after(before: Figures, second: int, turn_ms: float, drawn: np.random.Generator, failing: str) -> Figures:
    """Return all that was counted once another second has passed."""
    made = Figures.from_json(before.as_json())
    made.counts.update(placed=4, connected=4, frames_sent=1000)
    made.heard_audio_s, made.call_s = made.heard_audio_s + 20, made.call_s + 20
    made.times["lateness"].add(drawn.exponential(1.0, 1000))
    made.times["connect"].add(drawn.exponential(0.8, 4))
    if failing and second > 10:
        made.counts["reset"] += 1
        made.reasons[failing] += 1
    if second % 5:
        made.times["turn"].add(drawn.lognormal(np.log(turn_ms), 0.2, 6))
        made.times["jitter"].add(drawn.exponential(0.5, 1000))
    return made
