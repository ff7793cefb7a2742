"""A load over time: what each step of it counted, in at most `MAX_STEPS` steps however long it is.

The processes of a load tell all that they have counted so far about once a second. What a report has more than the one
before it is counted in the step in which the middle between both lies: so nothing is measured twice, and a value stands
where it became known. Who places the calls does nothing more for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from audiosocket_cli.analysis.histogram import Histogram
from audiosocket_cli.bench.figures import ERRORS, METRICS, Figures
from audiosocket_cli.bench.usage import Sample

MAX_STEPS: Final = 300

COUNTED: Final = ("placed", "connected", *ERRORS, "ended_by_server", "left_out", "not_placed", "gaps_60", "bursts",
                  "turns_unanswered")  # fmt: skip
"""The counts that are kept over time."""

PERCENTS: Final = (50, 95, 99)

_FIRST_STEP_S: Final = 1.0
"""How often processes report."""

_MAX_OF_FILE: Final = 10_000
"""A file with more steps is not one of ours, and would be a page that no browser shows."""

Row = list[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """Values of each step, None where nothing was measured; all rows are as long."""

    step_s: float
    times: dict[str, dict[str, Row]]
    """By metric, of those that had values: `count`, and `p50`, `p95` and `p99` in ms."""
    counts: dict[str, Row]
    """How often it happened in each step, of `COUNTED` that did."""
    calls_open: Row
    """The most that were open at once, as they were counted each second."""
    cpu_percent: Row
    """Of the process that was watched; 100 is one core. Empty where none was."""
    rss_mib: Row

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.calls_open)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_json` makes it again."""
        return {
            "step_s": self.step_s, "calls_open": self.calls_open, "counts": self.counts, "times": self.times,
            "cpu_percent": self.cpu_percent, "rss_mib": self.rss_mib,
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Any) -> Series:
        """Restore it from `as_json`; raises any Python error for other content."""
        open_ = _row(content["calls_open"])
        steps = len(open_)
        times = {
            name: {key: _row(content["times"][name][key], steps) for key in ("count", *_keys())}
            for name in METRICS
            if name in content["times"]
        }
        counts = {name: _row(content["counts"][name], steps) for name in COUNTED if name in content["counts"]}
        used = [_row(content[name], steps if content[name] else 0) for name in ("cpu_percent", "rss_mib")]
        step_s = float(content["step_s"])
        if not 0 < step_s < 1e9:
            raise ValueError(f"steps of {step_s} s")
        return cls(step_s, times, counts, open_, *used)


def _keys() -> list[str]:
    return [f"p{percent}" for percent in PERCENTS]


def _row(values: Any, steps: int | None = None) -> Row:
    row = [None if value is None else float(value) for value in values]
    if len(row) > _MAX_OF_FILE or len(row) != (len(row) if steps is None else steps):
        raise ValueError(f"a series of {len(row)} steps")
    if any(value is not None and not 0 <= value < 1e15 for value in row):
        raise ValueError("a value of a series is out of range")
    return row


@dataclass(slots=True)
class _Step:
    """What came in one step."""

    times: dict[str, Counter[int]] = field(default_factory=dict)
    """How many values came into each bucket, by metric."""
    counts: Counter[str] = field(default_factory=Counter)
    open_by_process: dict[int, int] = field(default_factory=dict)
    sample: Sample | None = None
    """The last one."""
    rss_mib: float = 0.0

    def merge(self, later: _Step) -> None:
        for name, counter in later.times.items():
            self.times.setdefault(name, Counter()).update(counter)
        self.counts += later.counts
        for number, calls in later.open_by_process.items():
            self.open_by_process[number] = max(calls, self.open_by_process.get(number, 0))
        self.sample = later.sample or self.sample
        self.rss_mib = max(self.rss_mib, later.rss_mib)


class SeriesMaker:
    """Takes the reports of the processes of a load as they come."""

    def __init__(self) -> None:
        self._step_s = _FIRST_STEP_S
        self._steps: list[_Step] = []
        self._last: dict[int, tuple[float, Figures]] = {}
        """When each process last reported, and what."""
        self._first_sample: Sample | None = None

    def report(self, process: int, at_s: float, figures: Figures, live_calls: int) -> None:
        """Take all that a process has counted until `at_s` seconds after the start, and its calls that are open."""
        before_s, before = self._last.get(process, (0.0, None))
        self._last[process] = at_s, figures
        step = self._step((before_s + at_s) / 2)
        for name, histogram in figures.times.items():
            if grown := histogram.since(before.times[name] if before else None):
                step.times.setdefault(name, Counter()).update(grown)
        for name in COUNTED:
            step.counts[name] += figures.counts[name] - (before.counts[name] if before else 0)
        step.open_by_process[process] = max(live_calls, step.open_by_process.get(process, 0))

    def use(self, at_s: float, sample: Sample) -> None:
        """Take how much CPU and memory the process that is watched has used until `at_s`."""
        if self._first_sample is None:
            self._first_sample = sample
            return
        step = self._step(at_s - _FIRST_STEP_S / 2)
        step.sample, step.rss_mib = sample, max(step.rss_mib, sample.rss_mib)

    def _step(self, at_s: float) -> _Step:
        """Return the step that a time lies in; where that would be one too many, steps become twice as long."""
        while (number := int(max(0.0, at_s) / self._step_s)) >= MAX_STEPS:
            for first, second in zip(self._steps[::2], self._steps[1::2], strict=False):
                first.merge(second)
            self._steps = self._steps[::2]
            self._step_s *= 2
        while len(self._steps) <= number:
            self._steps.append(_Step())
        return self._steps[number]

    def series(self) -> Series:
        """Return what came of it."""
        names = [name for name in METRICS if any(name in step.times for step in self._steps)]
        counted = [name for name in COUNTED if any(step.counts[name] for step in self._steps)]
        cpu_percent, rss_mib = self._used()
        return Series(
            self._step_s,
            {name: self._times(name) for name in names},
            {name: [step.counts[name] for step in self._steps] for name in counted},
            [sum(step.open_by_process.values()) if step.open_by_process else None for step in self._steps],
            cpu_percent,
            rss_mib,
        )

    def _times(self, name: str) -> dict[str, Row]:
        found = [Histogram.of_counts(step.times.get(name, {})) for step in self._steps]
        rows: dict[str, Row] = {"count": [one.count for one in found]}
        return rows | {f"p{percent}": [_rounded(one.percentile_ms(percent)) for one in found] for percent in PERCENTS}

    def _used(self) -> tuple[Row, Row]:
        if self._first_sample is None:
            return [], []
        last = self._first_sample
        cpu_percent: Row = []
        for step in self._steps:
            sample = step.sample
            wall_s = 0.0 if sample is None else sample.at_s - last.at_s
            if sample is None or wall_s <= 0:
                cpu_percent.append(None)
                continue
            cpu_percent.append(round(100 * max(0.0, sample.cpu_s - last.cpu_s) / wall_s, 1))
            last = sample
        return cpu_percent, [round(step.rss_mib, 1) if step.sample else None for step in self._steps]


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 3)
