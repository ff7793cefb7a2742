"""The orders of a list of calls, in SQL and as keys in Python, for lists of several folders that become one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from audiosocket_cli.calls_index.row import Row


class Sort(NamedTuple):
    """An order: the most of it first, and what is not known last; then the newest first."""

    value: Callable[[Row], float | None]
    sql: str

    def key(self, row: Row) -> tuple[Any, ...]:
        """Return what puts rows into this order."""
        value = self.value(row)
        return value is None, -(value or 0), -(_started(row) or 0), row.folder, row.name


def _sort(value: Callable[[Row], float | None], sql: str) -> Sort:
    return Sort(value, f"{sql} IS NULL, {sql} DESC, started_at IS NULL, started_at DESC, folder, name")


def _started(row: Row) -> float | None:
    return None if row.started_at is None else datetime.fromisoformat(row.started_at).timestamp()


def _until(row: Row) -> float | None:
    started = _started(row)
    return None if started is None else -started


def _interruptions(row: Row) -> float | None:
    by = (row.interruptions_by_caller, row.interruptions_by_server)
    return None if None in by else sum(each or 0 for each in by)


SORTS: Final = {
    "newest": _sort(_started, "started_at"),
    "oldest": Sort(_until, "started_at IS NULL, started_at, folder, name"),
    "longest": _sort(lambda row: row.duration_s, "duration_s"),
    "slowest": _sort(lambda row: row.latency_max_ms, "latency_max_ms"),
    "gaps": _sort(lambda row: row.gaps_s, "gaps_s"),
    "late": _sort(lambda row: row.late_frames, "late_frames"),
    "dead-air": _sort(lambda row: row.dead_air_s, "dead_air_s"),
    "interruptions": _sort(_interruptions, "(interruptions_by_caller + interruptions_by_server)"),
    "findings": _sort(
        lambda row: len(row.finding_ids), "(length(finding_ids) - length(replace(finding_ids, ' ', '')))"
    ),
}  # fmt: skip
