"""What is out for delivery, and what is held back until later, by the process that delivers.

None of it is on the disk: after a restart all that waits is due.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable


class HandOut:
    """Numbers that are handed out in rising order, each once, and again when it was postponed.

    Those of one group (the events of one call) never overtake each other: postponing one holds back those after it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.newest = 0
        """The highest number that was ever seen; those above it are new."""
        self._clock = clock
        self._attempts: Counter[int] = Counter()
        self._groups: dict[int, Hashable] = {}
        """Of numbers that are out or held, the group of each."""
        self._members: dict[Hashable, set[int]] = {}
        """The same, by group."""
        self._held: dict[Hashable, set[int]] = {}
        """By group: numbers that wait for the group's time."""
        self._due: list[tuple[float, int, Hashable]] = []
        """A heap: when each held group is due. One that was put off since has an older entry, too."""
        self._until: dict[Hashable, float] = {}

    @property
    def out(self) -> int:
        """How many numbers are out, and not held back."""
        return len(self._groups) - self.held

    @property
    def held(self) -> int:
        """How many numbers are held back."""
        return sum(map(len, self._held.values()))

    def attempts(self, number: int) -> int:
        """How often a number was postponed."""
        return self._attempts[number]

    def take_new(self, numbers: Iterable[tuple[int, Hashable]]) -> list[int]:
        """Take new numbers, each with its group, and return those that are due now."""
        due = []
        for number, group in numbers:
            self.newest = max(self.newest, number)
            self._groups[number] = group
            self._members.setdefault(group, set()).add(number)
            if group in self._held:
                self._held[group].add(number)
            else:
                due.append(number)
        return due

    def take_due(self, most: int) -> list[int]:
        """Return numbers whose time has come, in order; of the last group all, though there be more than `most`."""
        due: list[int] = []
        now_s = self._clock()
        while self._due and self._due[0][0] <= now_s and len(due) < most:
            until_s, _, group = heapq.heappop(self._due)
            if self._until.get(group) == until_s:
                del self._until[group]
                due += self._held.pop(group)
        return sorted(due)

    def postpone(self, number: int, seconds: float) -> None:
        """Hold a number back, and those of its group after it, until later."""
        group = self._groups.get(number)
        if group is None:
            return
        self._attempts[number] += 1
        of_it = {other for other in self._members[group] if other >= number}
        self._held.setdefault(group, set()).update(of_it)
        until_s = self._until[group] = self._clock() + max(seconds, 0.0)
        heapq.heappush(self._due, (until_s, number, group))

    def take_back(self) -> None:
        """Forget what is out and what is held: all is new again."""
        self.newest = 0
        for each in (self._attempts, self._groups, self._members, self._held, self._due, self._until):
            each.clear()

    def settle(self, number: int) -> None:
        """Forget a number that is delivered, or given up."""
        self._attempts.pop(number, None)
        if number not in self._groups:
            return
        group = self._groups.pop(number)
        self._members[group].discard(number)
        if not self._members[group]:
            del self._members[group]
        held = self._held.get(group)
        if held is not None:
            held.discard(number)
            if not held:
                del self._held[group]
                self._until.pop(group, None)
