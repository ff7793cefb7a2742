"""What doctor said about a set-up, held against the truth."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from support.setups.setup import Ran, Setup, run_setup

AT_ONCE = 3 * (os.cpu_count() or 1)
"""Most of the time set-ups wait: for the call, for a time limit."""


@dataclass(frozen=True)
class Verdict:
    """Whether doctor told what a set-up is."""

    ran: Ran
    is_second: bool = False
    """Whether it was wrong before, when others ran beside it."""

    @property
    def faults(self) -> frozenset[str]:
        return self._of("fault")

    @property
    def warnings(self) -> frozenset[str]:
        return self._of("warning")

    def _of(self, status: str) -> frozenset[str]:
        return frozenset(each["id"] for each in self.ran.said if each["status"] == status)

    @property
    def missed(self) -> frozenset[str]:
        """What it had to name."""
        return self.ran.setup.names - self.faults - self.warnings

    @property
    def false(self) -> frozenset[str]:
        """What it named, and is not so: of a healthy set-up a warning counts, too."""
        setup = self.ran.setup
        return (self.faults | (self.warnings if setup.is_healthy else frozenset())) - setup.names - setup.also

    @property
    def is_right(self) -> bool:
        return not (self.missed or self.false or self.ran.errors)

    def as_json(self) -> dict[str, Any]:
        setup = self.ran.setup
        return {
            "name": setup.name, "truth": setup.truth, "names": sorted(setup.names), "also": sorted(setup.also),
            "second_run": self.is_second,
            "faults": sorted(self.faults), "warnings": sorted(self.warnings), "right": self.is_right,
            "missed": sorted(self.missed), "false": sorted(self.false), "errors": self.ran.errors,
            "said": self.ran.said, "log": self.ran.log.splitlines(), "seconds": self.ran.seconds,
        }  # fmt: skip


def judge_all(setups: Sequence[Setup], home: Path, at_once: int = AT_ONCE) -> Iterator[Verdict]:
    """Run set-ups, some side by side, and judge each. Those that doctor is wrong about run once more at the end, alone:
    on a busy machine a healthy phone is late, too, and then that is what doctor says."""
    again = []
    with ThreadPoolExecutor(at_once) as pool:
        for verdict in map(Verdict, pool.map(partial(run_setup, home=home), setups)):
            if verdict.is_right:
                yield verdict
            else:
                again.append(verdict.ran.setup)
    for setup in again:
        yield Verdict(run_setup(setup, home), is_second=True)


def row(verdict: Verdict) -> str:
    """Return a line of the table: the set-up, right or wrong, what doctor said; what it missed (-) or made up (+)."""
    said = " ".join([*sorted(verdict.faults), *(f"({name})" for name in sorted(verdict.warnings - verdict.faults))])
    wrong = " ".join(
        [*(f"-{name}" for name in sorted(verdict.missed)), *(f"+{name}" for name in sorted(verdict.false))]
    )
    setup = verdict.ran.setup
    word = "right" if verdict.is_right else "WRONG"
    truth = f"{setup.truth} (second run)" if verdict.is_second else setup.truth
    second = f"{'':25} doctor: {said or 'nothing'}{f'  [{wrong}]' if wrong else ''}"
    return f"{setup.name:18} {word}  {truth}\n{second}"


def summary(verdicts: Iterable[Verdict]) -> str:
    """Return the last line: how many were right."""
    judged = list(verdicts)
    healthy = [each for each in judged if each.ran.setup.is_healthy]
    broken = [each for each in judged if not each.ran.setup.is_healthy]
    return (
        f"{sum(each.is_right for each in broken)} of {len(broken)} broken ones right, "
        f"{sum(not each.is_right for each in healthy)} false alarms on {len(healthy)} healthy ones"
    )
