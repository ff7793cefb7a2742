"""Figures of many calls: how many, how long, and what was found in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Totals:
    """Figures of some calls; of those of several folders by `joined`."""

    calls: int = 0
    duration_s: float = 0.0
    with_digits: int = 0
    with_gaps: int = 0
    with_turns: int = 0
    """Calls whose turns were measured."""
    slowest_ms: int | None = None
    """The slowest answer of all."""
    first_at: str | None = None
    """When the first one started, and the last one: RFC 3339 in UTC."""
    last_at: str | None = None
    latencies_p50_ms: list[int] = field(default_factory=list)
    """The median of each call that has one, in order."""
    by_finding_ids: dict[str, int] = field(default_factory=dict)
    """In how many calls there are just these findings, separated by spaces."""

    @property
    def latency_p50_ms(self) -> int | None:
        """The middle one of the calls' medians."""
        return self.latencies_p50_ms[(len(self.latencies_p50_ms) - 1) // 2] if self.latencies_p50_ms else None

    @property
    def findings(self) -> dict[str, int]:
        """In how many calls each finding is, the most frequent first."""
        counts: Counter[str] = Counter()
        for finding_ids, count in self.by_finding_ids.items():
            for each in finding_ids.split():
                counts[each] += count
        return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))

    @property
    def with_findings(self) -> int:
        """How many calls have a finding."""
        return sum(self.by_finding_ids.values())

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "calls": self.calls, "duration_s": round(self.duration_s, 3), "with_digits": self.with_digits,
            "with_gaps": self.with_gaps, "with_findings": self.with_findings, "with_turns": self.with_turns,
            "latency_p50_ms": self.latency_p50_ms, "latency_max_ms": self.slowest_ms, "first_at": self.first_at,
            "last_at": self.last_at, "findings": self.findings,
        }  # fmt: skip


def joined(all_totals: Sequence[Totals]) -> Totals:
    """Return the figures of all calls together."""
    if len(all_totals) == 1:
        return all_totals[0]
    counts: Counter[str] = Counter()
    for totals in all_totals:
        counts.update(totals.by_finding_ids)
    return Totals(
        sum(each.calls for each in all_totals),
        sum(each.duration_s for each in all_totals),
        sum(each.with_digits for each in all_totals),
        sum(each.with_gaps for each in all_totals),
        sum(each.with_turns for each in all_totals),
        max((each.slowest_ms for each in all_totals if each.slowest_ms is not None), default=None),
        min((each.first_at for each in all_totals if each.first_at is not None), default=None),
        max((each.last_at for each in all_totals if each.last_at is not None), default=None),
        sorted(latency_ms for each in all_totals for latency_ms in each.latencies_p50_ms),
        dict(counts),
    )
