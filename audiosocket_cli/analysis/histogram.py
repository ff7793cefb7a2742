"""Distributions of times of calls, captures and loads, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class EvenSteps:
    """Buckets of equal width, centred on its multiples from 0 on; the last holds all larger values."""

    is_exact = True
    """Whether a percentile is always the middle of a bucket, even beyond the largest or smallest value."""

    def __init__(self, step_ms: float, last: int) -> None:
        self._step_ms, self._step_s = step_ms, step_ms / 1000
        self.count = last + 1

    def indexes(self, values_ms: Values) -> NDArray[np.int64]:
        """Return the bucket of each value, shape (n,)."""
        # Through seconds: values of captures are decimal fractions of those, and may lie right between two buckets.
        return np.rint(np.minimum(values_ms / 1000 / self._step_s, self.count - 1)).astype(np.int64)

    def edge_ms(self, index: int) -> float:
        """Where a bucket begins."""
        return max(0.0, (index - 0.5) * self._step_ms)

    def middle_ms(self, index: int) -> float:
        """The value that stands for those in a bucket."""
        return index * self._step_ms


class GrowingSteps:
    """Buckets each wider than the one before by the same factor, from `least_ms` on; the first holds all smaller
    values, the last all larger ones."""

    is_exact = False

    def __init__(self, least_ms: float, growth: float, most_ms: float) -> None:
        self._least_ms, self._growth, self._log_growth = least_ms, growth, math.log(growth)
        self.count = 1 + math.ceil(math.log(most_ms / least_ms) / self._log_growth)

    def indexes(self, values_ms: Values) -> NDArray[np.int64]:
        """Return the bucket of each value, shape (n,)."""
        indexes = np.log(np.maximum(values_ms, self._least_ms) / self._least_ms) / self._log_growth
        return np.minimum(indexes.astype(np.int64), self.count - 1)

    def edge_ms(self, index: int) -> float:
        """Where a bucket begins."""
        return self._least_ms * self._growth**index

    def middle_ms(self, index: int) -> float:
        """The value that stands for those in a bucket."""
        return float(self._least_ms * self._growth ** (index + 0.5))


BY_PERCENT: Final = GrowingSteps(0.01, 1.01, 100_000.0)
"""From 10 µs to 100 s, exact to 0.5 %: for times of any length."""

BY_TENTHS: Final = EvenSteps(0.1, 20_000)
"""Up to 2 s, exact to 0.05 ms: for times between frames."""


class Histogram:
    """A distribution of times in ms, in constant memory."""

    def __init__(self, buckets: EvenSteps | GrowingSteps = BY_PERCENT) -> None:
        """`buckets` set its range and how exact it is."""
        self._buckets = buckets
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.count = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0
        self.min_ms = math.inf

    def add(self, values_ms: Values) -> None:
        """Count values, shape (n,); a negative value counts as 0."""
        if not len(values_ms):
            return
        if not len(self._counts):
            self._counts = np.zeros(self._buckets.count, np.int64)
        values_ms = np.maximum(values_ms, 0.0)
        np.add.at(self._counts, self._buckets.indexes(values_ms), 1)
        self.count += len(values_ms)
        self.sum_ms += float(values_ms.sum())
        self.max_ms = max(self.max_ms, float(values_ms.max()))
        self.min_ms = min(self.min_ms, float(values_ms.min()))

    def add_one(self, value_ms: float) -> None:
        """Count one value."""
        self.add(np.array([value_ms]))

    def merge(self, other: Histogram) -> None:
        """Add what another has counted, in the same buckets."""
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
        """Return the value that `percent` of the values do not exceed, as exact as the buckets are; None without
        values."""
        if not self.count:
            return None
        counted = np.cumsum(self._counts)
        rank = max(1, math.ceil(self.count * percent / 100))
        middle_ms = self._buckets.middle_ms(int(np.searchsorted(counted, rank)))
        return middle_ms if self._buckets.is_exact else min(max(middle_ms, self.min_ms), self.max_ms)

    def since(self, before: Histogram | None) -> dict[int, int]:
        """Return how many values each bucket got since it was as `before`, of those that got some."""
        if not self.count:
            return {}
        grown = self._counts - before._counts if before is not None and before.count else self._counts
        used = np.flatnonzero(grown)
        return dict(zip(used.tolist(), grown[used].tolist(), strict=True))

    @classmethod
    def of_counts(cls, counts: Mapping[int, int]) -> Histogram:
        """Make one of what `since` returned, with buckets `BY_PERCENT`, which is as exact as they are."""
        made = cls()
        if counts:
            made._counts = np.zeros(made._buckets.count, np.int64)
            made._counts[list(counts)] = list(counts.values())
            made.count = sum(counts.values())
            middles_ms = [made._buckets.middle_ms(index) for index in (min(counts), max(counts))]
            made.min_ms, made.max_ms = middles_ms
            made.sum_ms = sum(made._buckets.middle_ms(index) * count for index, count in counts.items())
        return made

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """Return (from ms, to ms, count) of at most `most` ranges of equally many buckets, smallest first."""
        return [(from_ms, to_ms, count) for from_ms, to_ms, (count,) in bars_of([self], most)]

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
        """Make it again, with buckets `BY_PERCENT`; raises what Python raises for other content."""
        made = cls()
        if content["count"]:
            made._counts = np.zeros(made._buckets.count, np.int64)
            for index, count in content["buckets"]:
                made._counts[index] = count
            made.count, made.sum_ms = int(content["count"]), float(content["sum_ms"])
            made.max_ms, made.min_ms = float(content["max_ms"]), float(content["min_ms"])
            if int(made._counts.sum()) != made.count:
                raise ValueError("the buckets do not add up")
        return made


def bars_of(several: Sequence[Histogram], most: int) -> list[tuple[float, float, list[int]]]:
    """Return (from ms, to ms, count of each) of at most `most` ranges of equally many buckets, smallest first, the same
    ranges for all. All have the same buckets."""
    used = np.flatnonzero(sum((one._counts for one in several if one.count), np.zeros(1, np.int64)))
    if not len(used):
        return []
    first, last = int(used[0]), int(used[-1])
    step = max(1, -(-(last - first + 1) // most))
    edge_ms = several[0]._buckets.edge_ms
    return [
        (edge_ms(edge), edge_ms(edge + step), [int(one._counts[edge : edge + step].sum()) for one in several])
        for edge in range(first, last + 1, step)
    ]
