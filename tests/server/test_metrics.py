"""Figures of a server, and of several workers as one."""

from __future__ import annotations

from audiosocket_cli.server.exporter import Exporter
from audiosocket_cli.server.metrics import Snapshot, WorkersMetrics, merged


def counted(calls: int, live: int, worst: int) -> Snapshot:
    return {
        "counts": {"calls caller closed": calls, "gap_ms": 100},
        "levels": {"workers": 1, "calls_live": live},
        "peaks": {"receive_queue_max_bytes": worst},
    }


def test_counts_and_levels_add_up_and_the_worst_is_the_worst() -> None:
    assert merged([]) == {"counts": {}, "levels": {}, "peaks": {}}
    assert merged([counted(2, 1, 300), counted(3, 0, 200)]) == {
        "counts": {"calls caller closed": 5, "gap_ms": 200},
        "levels": {"workers": 2, "calls_live": 1},
        "peaks": {"receive_queue_max_bytes": 300},
    }


def test_of_a_worker_that_ended_the_counts_stay_and_the_levels_go() -> None:
    metrics = WorkersMetrics()
    metrics.take(0, counted(2, 1, 300))
    metrics.take(1, counted(3, 0, 200))
    metrics.forget(0)
    metrics.forget(0)
    assert metrics.merged()[0] == {
        "counts": {"calls caller closed": 5, "gap_ms": 200},
        "levels": {"workers": 1, "calls_live": 0},
        "peaks": {"receive_queue_max_bytes": 200},
    }
    metrics.take(0, counted(1, 0, 0))
    assert metrics.merged()[0]["counts"]["calls caller closed"] == 6


def test_before_the_first_snapshot_all_is_zero() -> None:
    samples = {sample.name: sample.value for family in Exporter().collect() for sample in family.samples}
    assert samples.pop("audiosocket_snapshot_age_seconds") < 1
    assert set(samples.values()) == {0}
    assert "audiosocket_calls_total" not in samples
