"""When what comes is due, fault by fault: exact, on a clock of the test's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.faults.timing import PACKET_BYTES, Act, Held, timings_of
from support.drawn import drawn


def planned(faults: list[str], *reads: tuple[float, int]) -> list[tuple[float, int]]:
    """Return when each piece of some reads is due, and its length."""
    timings = timings_of(drawn(*faults), 0.0)
    pieces = []
    for at_s, size in reads:
        held = Held(bytes(size), at_s, [], Act.PASS, None)
        for timing in timings:
            timing.put_off(held)
        while held.at < size:
            due_s = held.due_s
            pieces.append((round(due_s, 6), len(held.take())))
    return pieces


@pytest.mark.parametrize(
    ("faults", "reads", "expected"),
    [
        (["latency 200ms"], [(0.0, 5), (0.1, 5)], [(0.2, 5), (0.3, 5)]),
        (["latency 200ms", "latency 1s"], [(0.0, 5)], [(1.2, 5)]),
        (["bandwidth 1000"], [(0.0, 100), (0.0, 100), (5.0, 10)], [(0.1, 100), (0.2, 100), (5.01, 10)]),
        (["bandwidth 1460"], [(0.0, 2000), (0.0, 730)], [(1.0, PACKET_BYTES), (1.369863, 540), (1.869863, 730)]),
        (["slice 4 every 10ms"], [(0.0, 10), (0.0, 4)], [(0.0, 4), (0.01, 4), (0.02, 2), (0.03, 4)]),
        (["slice 4"], [(1.0, 10)], [(1.0, 4), (1.0, 4), (1.0, 2)]),
        (["slice 4 every 10ms", "bandwidth 200"], [(0.0, 8)], [(0.02, 4), (0.04, 4)]),
        (["slice 4 every 1s", "bandwidth 200"], [(0.0, 8), (0.0, 4)], [(0.02, 4), (1.02, 4), (2.02, 4)]),
        (["coalesce 100ms"], [(0.01, 5), (0.09, 5), (0.11, 5)], [(0.1, 5), (0.1, 5), (0.2, 5)]),
        (["stall after 1s for 2s"], [(0.9, 5), (1.0, 5), (2.9, 5), (3.0, 5)], [(0.9, 5), (3.0, 5), (3.0, 5), (3.0, 5)]),
        (["stall after 1s"], [(0.9, 5), (1.5, 5)], [(0.9, 5), (math.inf, 5)]),
        (["latency 500ms", "stall after 1s for 2s"], [(0.6, 5)], [(3.0, 5)]),
    ],
    ids=lambda value: " + ".join(value) if isinstance(value, list) and isinstance(value[0], str) else "",
)
def test_each_piece_has_its_time(
    faults: list[str], reads: list[tuple[float, int]], expected: list[tuple[float, int]]
) -> None:
    assert planned(faults, *reads) == expected


def test_jitter_is_more_and_less_and_never_reorders() -> None:
    reads = [(number * 0.5, 5) for number in range(200)]
    pairs = zip(planned(["latency 200ms jitter 50ms"], *reads), reads, strict=True)
    delays = [due_s - at_s for (due_s, _), (at_s, _) in pairs]
    assert 0.15 <= min(delays) < 0.17
    assert 0.23 < max(delays) <= 0.25
    together = [due_s for due_s, _ in planned(["latency 200ms jitter 200ms"], *[(0.0, 5)] * 50)]
    assert together == sorted(together)
    assert 0 <= together[0] < together[-1] <= 0.4


@given(
    st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 5000)), min_size=1, max_size=20),
    st.lists(
        st.sampled_from(["latency 50ms jitter 50ms", "bandwidth 9000", "slice 700 every 3ms", "coalesce 30ms"]),
        max_size=4, unique=True,
    ),
)  # fmt: skip
def test_no_fault_of_time_lets_anything_pass_before_it_has_come_or_in_another_order(
    reads: list[tuple[float, int]], faults: list[str]
) -> None:
    at_s, comes = 0.0, []
    for gap_s, size in reads:
        at_s += gap_s
        comes.append((at_s, size))
    pieces = planned(faults, *comes)
    assert sum(size for _, size in pieces) == sum(size for _, size in comes)
    assert [due_s for due_s, _ in pieces] == sorted(due_s for due_s, _ in pieces)
    come = iter(comes)
    at_s, left = next(come)
    for due_s, size in pieces:
        if not left:
            at_s, left = next(come)
        assert due_s >= at_s - 1e-6
        left -= size
