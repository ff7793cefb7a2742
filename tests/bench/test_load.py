"""The shape of a load: stages, ramps, arrivals."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.bench.load import Load, Stage, parse_stages
from audiosocket_cli.errors import UsageError


def at(load: Load, when_s: float) -> int:
    return sum(slot.start_s <= when_s < slot.end_s for slot in load.slots())


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0.1, 100)), min_size=1, max_size=6),
    st.none() | st.floats(0, 20),
)
def test_each_stage_ends_with_its_number_of_callers(stages: list[tuple[int, float]], ramp_s: float | None) -> None:
    load = Load(stages=tuple(Stage(*stage) for stage in stages), ramp_s=ramp_s)
    end_s = 0.0
    for stage in load.stages:
        end_s += stage.duration_s
        assert at(load, math.nextafter(end_s, 0) - 1e-6) == stage.calls
    assert at(load, end_s + 1) == 0
    assert max(Counter(slot.number for slot in load.slots()).values(), default=1) == 1


def test_callers_come_over_the_ramp_and_stay() -> None:
    slots = Load(calls=4, ramp_s=8, duration_s=20).slots()
    assert [(slot.start_s, slot.end_s) for slot in slots] == [(0, 20), (2, 20), (4, 20), (6, 20)]


@given(st.floats(0.5, 50), st.floats(1, 30), st.floats(0, 30))
def test_arrivals_reach_their_rate_over_the_ramp(rate: float, duration_s: float, ramp_s: float) -> None:
    slots = Load(rate=rate, duration_s=duration_s, ramp_s=ramp_s, call_duration_s=1).slots()
    ramped_s = min(ramp_s, duration_s)
    in_ramp = rate * ramped_s**2 / (2 * ramp_s) if ramp_s else 0
    assert len(slots) == pytest.approx(in_ramp + rate * (duration_s - ramped_s), abs=1.01)
    assert all(before.start_s <= after.start_s for before, after in itertools.pairwise(slots))
    assert all(slot.once for slot in slots)


def test_stages_are_read() -> None:
    assert parse_stages("10:30s, 50:1m") == (Stage(10, 30), Stage(50, 60))


@pytest.mark.parametrize(
    "text", ["1" * 5000 + ":1s", "", "10", "10:", ":30s", "10:30s,", "a:1s", "0:1s"], ids=lambda text: repr(text)[:12]
)
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_stages(text)
