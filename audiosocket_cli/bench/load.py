"""The shape of a load: when each call is placed and when it has to be over. Pure arithmetic, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from audiosocket_cli.errors import UsageError
from audiosocket_cli.quantities import parse_duration

_APART_S: Final = 0.005


class Slot(NamedTuple):
    """A place for calls, in seconds since the start of the load: one caller's, or (`once`) one call's."""

    number: int
    start_s: float
    end_s: float
    once: bool = False


class Stage(NamedTuple):
    """So many calls at once, for so long."""

    calls: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """Callers at once, or stages of them, or (`rate`) arrivals a second, whatever became of those before."""

    calls: int = 1
    rate: float | None = None
    max_calls: int | None = None
    """The most calls at once of arrivals; those beyond it are left out, and counted."""
    ramp_s: float | None = None
    """Over how long callers come, after the start and after each stage's; over how long arrivals reach their rate.
    None: callers come 5 ms apart, within a fifth of the time at most, for all at once would be late; arrivals at once.
    """
    stages: tuple[Stage, ...] = ()
    duration_s: float = 10.0
    call_duration_s: float | None = None
    """How long each call lasts; None: to the end of its slot."""

    @property
    def total_s(self) -> float:
        """Seconds during which calls are placed."""
        return sum(stage.duration_s for stage in self.stages) if self.stages else self.duration_s

    @property
    def most_calls(self) -> int:
        """The most simultaneous calls."""
        if self.rate is None:
            return max((stage.calls for stage in self.stages), default=self.calls)
        wanted = math.ceil(self.rate * min(self.call_duration_s or self.duration_s, self.duration_s))
        return max(1, wanted if self.max_calls is None else min(wanted, self.max_calls))

    def slots(self) -> list[Slot]:
        """Return all slots, in order of their starts."""
        slots = self._arrivals() if self.rate is not None else self._callers()
        return sorted(slots, key=lambda slot: slot.start_s)

    def _callers(self) -> list[Slot]:
        slots: list[Slot] = []
        present: list[tuple[int, float]] = []
        begin_s = 0.0
        number = 0
        for stage in self.stages or (Stage(self.calls, self.duration_s),):
            come = stage.calls - len(present)
            for _ in range(-come):
                left, start_s = present.pop()
                slots.append(Slot(left, start_s, begin_s))
            ramp_s = min(stage.duration_s / 5, _APART_S * come) if self.ramp_s is None else self.ramp_s
            ramp_s = min(ramp_s, stage.duration_s)
            for index in range(come):
                present.append((number, begin_s + ramp_s * index / come))
                number += 1
            begin_s += stage.duration_s
        return slots + [Slot(number, start_s, begin_s) for number, start_s in present]

    def _arrivals(self) -> list[Slot]:
        assert self.rate is not None
        length_s = self.call_duration_s or self.duration_s
        ramp_s = self.ramp_s or 0.0
        ramped = self.rate * ramp_s / 2  # arrivals within the ramp, in which the rate grows in a straight line
        slots: list[Slot] = []
        while True:
            number = len(slots)
            if number < ramped:
                start_s = math.sqrt(2 * number * ramp_s / self.rate)
            else:
                start_s = ramp_s + (number - ramped) / self.rate
            if start_s >= self.duration_s:
                return slots
            slots.append(Slot(number, start_s, start_s + length_s, once=True))


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read `10:30s,50:1m`: 10 calls for 30 s, then 50 for a minute. Raises `UsageError`."""
    stages = []
    for part in text.split(","):
        calls, _, duration = part.strip().partition(":")
        if not (calls.isascii() and calls.isdecimal() and len(calls) < 20 and duration):
            raise UsageError(f"{part.strip()!r:.60} is not a stage: write CALLS:DURATION, as in 10:30s,50:1m")
        stages.append(Stage(int(calls), parse_duration(duration)))
    if not any(stage.calls for stage in stages):
        raise UsageError(f"{text!r} has no calls in any stage")
    return tuple(stages)
