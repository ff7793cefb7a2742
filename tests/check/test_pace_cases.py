"""Pace is judged only where this machine kept it: what it was too busy to see is not the server's fault."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from audiosocket_cli.check.cases import pace
from audiosocket_cli.check.model import Observation, Verdict
from audiosocket_cli.check.probe import HeardFrame
from audiosocket_cli.codec import Kind

OWN_PACE_S = [number * 0.02 for number in range(200)]


def judged(case_id: str, times_s: list[float], lateness_s: float, monkeypatch: pytest.MonkeyPatch) -> Observation:
    """Return what a case says of a server whose frames came at these times, while we were so late."""
    frames = [HeardFrame(at_s, Kind.SLIN, 320) for at_s in times_s]
    probe = SimpleNamespace(frames=frames, lateness_s=lateness_s, flooded=False)

    async def listen(trial: Any) -> Any:
        return probe

    monkeypatch.setattr(pace, "_listen", listen)
    (case,) = [each for each in pace.PACE_CASES if each.id == case_id]
    trial: Any = SimpleNamespace(times=SimpleNamespace(pace_s=4.0))
    return asyncio.run(case.run(trial))


PAUSES = [at_s + (at_s > 1.5) * 0.3 + (at_s > 3.0) * 0.3 for at_s in OWN_PACE_S]
BURST = [max(at_s, 2.0) if at_s > 1.7 else at_s for at_s in OWN_PACE_S]
SLOW = [at_s * 1.02 for at_s in OWN_PACE_S]


@pytest.mark.parametrize(
    ("case_id", "times_s", "verdict", "text"),
    [
        ("pace/rate", PAUSES, Verdict.UNKNOWN, "without a pause, too short to tell: let it speak on"),
        ("pace/rate", SLOW, Verdict.FAIL, "slower than it plays"),
        ("pace/bursts", BURST, Verdict.FAIL, "ms of audio came ahead of the clock"),
    ],
)
def test_a_pace_that_is_wrong_is_ours_where_we_were_late(
    case_id: str, times_s: list[float], verdict: Verdict, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_time = judged(case_id, times_s, 0.02, monkeypatch)
    assert on_time.verdict is verdict
    assert on_time.observed.endswith(text)
    late = judged(case_id, times_s, 0.3, monkeypatch)
    assert late.verdict is Verdict.UNKNOWN
    assert late.observed.endswith("; but this machine was 300 ms late itself: try it on a quieter one")
    assert "let it speak on" not in late.observed


@pytest.mark.parametrize("case_id", ["pace/rate", "pace/bursts"])
def test_a_pace_that_is_right_passes_even_where_we_were_late(case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(case_id, OWN_PACE_S, 0.3, monkeypatch).verdict is Verdict.PASS
