"""Looking for the largest load that holds: up in steps until one breaks, then between the last two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

_STEP: Final = 1.5
_NEAR: Final = 1.1
"""A load that breaks and one that holds, this near to each other, are the limit."""


@dataclass(frozen=True, slots=True)
class Step:
    """One load that was tried, and why it broke; nothing if it held."""

    calls: int
    failures: Sequence[str]
    ours: bool = False
    """Whether the generator broke, rather than the server."""


@dataclass(slots=True)
class Search:
    """Which load to try next; pure."""

    first: int
    most: int
    steps: list[Step] = field(default_factory=list)

    @property
    def held(self) -> int:
        """The largest load that held; 0 for none."""
        return max((step.calls for step in self.steps if not step.failures), default=0)

    @property
    def broke(self) -> Step | None:
        """The smallest load that broke."""
        return min((step for step in self.steps if step.failures), key=lambda step: step.calls, default=None)

    @property
    def next_calls(self) -> int | None:
        """What to try next; None when the limit is found."""
        held, broke = self.held, self.broke
        if not self.steps:
            return self.first
        if broke is None:
            return None if held >= self.most else min(self.most, max(held + 1, round(held * _STEP)))
        if broke.calls - held <= 1 or (held and broke.calls / held <= _NEAR):
            return None
        return (held + broke.calls) // 2


def find_limit(first: int, most: int, attempt: Callable[[int], Step | None]) -> Search:
    """Try loads until the limit is found, `most` held, or an attempt was told to stop (None)."""
    search = Search(first, most)
    while (calls := search.next_calls) is not None:
        step = attempt(calls)
        if step is None:
            break
        search.steps.append(step)
    return search
