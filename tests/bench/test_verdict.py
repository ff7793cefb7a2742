"""Thresholds and regressions: how a result is judged."""

from __future__ import annotations

import pytest

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.verdict import changes, parse_threshold, regressions, shown
from audiosocket_cli.errors import UsageError


def result(**times_ms: float) -> BenchResult:
    figures = Figures()
    for name, value in times_ms.items():
        figures.times[name].add_one(value)
    figures.counts.update(placed=100, connected=98, refused=2)
    return BenchResult({}, "2026-11-25T00:00:00+00:00", 10.0, figures, 5, None, [])


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("turn_p95<800ms", True), ("turn_p95<0.4s", False), (" turn_p95 <= 500 ", True), ("turn_max>400", True),
        ("turn_mean>=501ms", False), ("errors<=2", True), ("errors<2", False), ("error_rate<2.5%", True),
        ("error_rate<0.02", False), ("gaps_60<1", True), ("refused>=2", True), ("echo_p50<1x", None),
        ("turn_p95<1h", True), ("turn_p95<1m30s", True), ("turn_p95 < .4 s", False), ("turn_max>=0", True),
        ("turn_p95<=500ms", True), ("turn_p95<30s1m", None), ("turn_p95<2y", None), ("turn_p95<400d", None),
    ],
)  # fmt: skip
def test_thresholds(text: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(UsageError):
            parse_threshold(text)
    else:
        assert (parse_threshold(text).failure(result(turn=500.0).values()) is None) is holds


def test_what_was_never_seen_holds_no_threshold() -> None:
    assert "nothing to measure happened" in (parse_threshold("echo_p50<1s").failure(result().values()) or "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [("turn_p59<1s", "turn_p95"), ("eror_rate<1%", "error_rate"), ("xyz<1", "choose from"), ("turn_p95<1%", "write ms"),
     ("errors<1ms", "leave it out"), ("turn_p95=1", "not a threshold"), ("turn_p95<", "not a threshold"),
     ("errors<1m", "leave it out"), ("turn_p95<5x", "a number alone is ms"), ("errors<x", "not a threshold")],
)  # fmt: skip
def test_what_is_no_threshold_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parse_threshold(text)


def test_what_got_worse_by_more_than_allowed_is_a_regression() -> None:
    found = changes(result(turn=500.0, echo=1.0, connect=3.0), result(turn=560.0, echo=1.8))
    assert [change.name for change in regressions(found, 0.1)] == ["connect_p50", "connect_p95", "turn_p50", "turn_p95"]
    assert [change.name for change in regressions(found, 0.2)] == ["connect_p50", "connect_p95"]


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (12.5, "12.500"), (float("inf"), "inf"), (None, "-")], ids=str
)
def test_a_rate_is_shown_whatever_it_is(value: float | None, text: str) -> None:
    """A run of no time at all, as a file may have it, has rates without a bound."""
    assert shown("audio_rate", value) == text
