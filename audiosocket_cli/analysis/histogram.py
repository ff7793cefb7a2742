"""What a load is counted in: distributions of times and counts, in constant memory, that add up across processes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

METRICS: Final = (
    "connect", "connect_actual", "first_byte", "first_speech", "turn", "turn_actual", "echo", "echo_actual", "jitter",
    "barge_in", "barge_in_actual", "hangup", "lateness",
)  # fmt: skip
"""The distributions of times."""

_LEAST_MS: Final = 0.01
_GROWTH: Final = 1.01
_LOG_GROWTH: Final = math.log(_GROWTH)
_BUCKETS: Final = 1 + math.ceil(math.log(1e7) / _LOG_GROWTH)  # to 100 s


class Histogram:
    """A distribution of times in ms: buckets each 1 % wider than the one before, from 10 µs to 100 s."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.count = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0
        self.min_ms = math.inf

    def add(self, values_ms: Values) -> None:
        """Count values, shape (n,); below 0 is 0."""
        if not len(values_ms):
            return
        if not len(self._counts):
            self._counts = np.zeros(_BUCKETS, np.int64)
        values_ms = np.maximum(values_ms, 0.0)
        indexes = np.log(np.maximum(values_ms, _LEAST_MS) / _LEAST_MS) / _LOG_GROWTH
        np.add.at(self._counts, np.minimum(indexes.astype(np.int64), _BUCKETS - 1), 1)
        self.count += len(values_ms)
        self.sum_ms += float(values_ms.sum())
        self.max_ms = max(self.max_ms, float(values_ms.max()))
        self.min_ms = min(self.min_ms, float(values_ms.min()))

    def add_one(self, value_ms: float) -> None:
        """Count one value."""
        self.add(np.array([value_ms]))

    def merge(self, other: Histogram) -> None:
        """Add what another has counted."""
        if not other.count:
            return
        self._counts = other._counts.copy() if not self.count else self._counts + other._counts
        self.count += other.count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        self.min_ms = min(self.min_ms, other.min_ms)

    @property
    def mean_ms(self) -> float | None:
        """The exact mean; None for no values."""
        return self.sum_ms / self.count if self.count else None

    def percentile_ms(self, percent: float) -> float | None:
        """Return the value that so many percent do not exceed, within 0.5 % or 10 µs; None for no values."""
        if not self.count:
            return None
        counted = np.cumsum(self._counts)
        rank = max(1, math.ceil(self.count * percent / 100))
        index = int(np.searchsorted(counted, rank))
        middle_ms = float(_LEAST_MS * _GROWTH ** (index + 0.5))
        return min(max(middle_ms, self.min_ms), self.max_ms)

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """Return (from ms, to ms, count) of at most so many ranges, each as wide in ratio, from the least on."""
        if not self.count:
            return []
        used = np.flatnonzero(self._counts)
        first, last = int(used[0]), int(used[-1])
        step = max(1, -(-(last - first + 1) // most))
        edges = range(first, last + 1, step)
        return [
            (
                _LEAST_MS * _GROWTH**edge,
                _LEAST_MS * _GROWTH ** (edge + step),
                int(self._counts[edge : edge + step].sum()),
            )
            for edge in edges
        ]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_json` makes it again."""
        used = np.flatnonzero(self._counts)
        return {
            "count": self.count, "sum_ms": self.sum_ms, "max_ms": self.max_ms,
            "min_ms": self.min_ms if self.count else 0.0,
            "buckets": [[int(index), int(self._counts[index])] for index in used],
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Histogram:
        """Make it again; raises what Python raises for other content."""
        made = cls()
        if content["count"]:
            made._counts = np.zeros(_BUCKETS, np.int64)
            for index, count in content["buckets"]:
                made._counts[index] = count
            made.count, made.sum_ms = int(content["count"]), float(content["sum_ms"])
            made.max_ms, made.min_ms = float(content["max_ms"]), float(content["min_ms"])
            if int(made._counts.sum()) != made.count:
                raise ValueError("the buckets do not add up")
        return made


class Figures:
    """All that is counted: distributions by metric, counts by name, faults by reason."""

    def __init__(self) -> None:
        self.times = {name: Histogram() for name in METRICS}
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        """Why calls failed, in words."""
        self.findings: Counter[str] = Counter()
        """What is wrong with the answer in the calls that were looked at, with its cure."""
        self.heard_audio_s = 0.0
        self.call_s = 0.0
        """How long all calls were, added up."""
        self.worst_stall_s = 0.0
        """For how long a generator's process was not run at all, or busy with one thing."""

    def merge(self, other: Figures) -> None:
        """Add what another has counted."""
        for name, histogram in other.times.items():
            self.times[name].merge(histogram)
        self.counts += other.counts
        self.reasons += other.reasons
        self.findings += other.findings
        self.heard_audio_s += other.heard_audio_s
        self.call_s += other.call_s
        self.worst_stall_s = max(self.worst_stall_s, other.worst_stall_s)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_json` makes it again."""
        return {
            "times": {name: histogram.as_json() for name, histogram in self.times.items()},
            "counts": dict(self.counts), "reasons": dict(self.reasons), "findings": dict(self.findings),
            "heard_audio_s": self.heard_audio_s, "call_s": self.call_s, "worst_stall_s": self.worst_stall_s,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figures:
        """Make it again; raises what Python raises for other content."""
        made = cls()
        for name in METRICS:
            made.times[name] = Histogram.from_json(content["times"][name])
        made.counts = Counter({str(name): int(count) for name, count in content["counts"].items()})
        made.reasons = Counter({str(name): int(count) for name, count in content["reasons"].items()})
        made.findings = Counter({str(name): int(count) for name, count in content.get("findings", {}).items()})
        made.heard_audio_s, made.call_s = float(content["heard_audio_s"]), float(content["call_s"])
        made.worst_stall_s = float(content["worst_stall_s"])
        return made
