"""How faults are written, and what is said of those that are written wrong."""

from __future__ import annotations

import math

import pytest

from audiosocket_cli.call.faults.fault_spec import Direction, FaultName, FaultSpec, parse_fault
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side


def spec(direction: Direction, what: str, **fields: float) -> FaultSpec:
    return FaultSpec(direction, FaultName(what.split()[0]), what, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latency 200ms", spec(Direction.BOTH, "latency 200ms", time_s=0.2)),
        (
            "to-server latency 200ms jitter 50ms share 10%",
            spec(Direction.TO_SERVER, "latency 200ms jitter 50ms", time_s=0.2, jitter_s=0.05, share=0.1),
        ),
        ("to-server latency=200ms share=10", spec(Direction.TO_SERVER, "latency 200ms", time_s=0.2, share=0.1)),
        ("to-asterisk bandwidth 8000", spec(Direction.TO_ASTERISK, "bandwidth 8000", size=8000)),
        ("bandwidth 8K/s", spec(Direction.BOTH, "bandwidth 8K/s", size=8000)),
        ("bandwidth 64kbit/s", spec(Direction.BOTH, "bandwidth 64kbit/s", size=8000)),
        ("bandwidth 1mbit", spec(Direction.BOTH, "bandwidth 1mbit", size=125_000)),
        ("both slice 100 every 10ms", spec(Direction.BOTH, "slice 100 every 10ms", size=100, time_s=0.01)),
        ("slice 1", spec(Direction.BOTH, "slice 1", size=1)),
        ("coalesce 100ms", spec(Direction.BOTH, "coalesce 100ms", time_s=0.1)),
        ("stall", spec(Direction.BOTH, "stall", time_s=math.inf)),
        ("stall after 2s for 3s", spec(Direction.BOTH, "stall after 2s for 3s", after_s=2.0, time_s=3.0)),
        ("stall for 3s after frame 9", spec(Direction.BOTH, "stall for 3s after frame 9", after_frame=9, time_s=3.0)),
        ("reset", spec(Direction.BOTH, "reset")),
        ("to-server reset after 1m30s", spec(Direction.TO_SERVER, "reset after 1m30s", after_s=90.0)),
        ("close after frame 100", spec(Direction.BOTH, "close after frame 100", after_frame=100)),
        ("drop frame 7", spec(Direction.BOTH, "drop frame 7", frame=7)),
        ("drop every 50 frame 7", spec(Direction.BOTH, "drop every 50 frame 7", frame=7, every=50)),
        ("corrupt frame=7", spec(Direction.BOTH, "corrupt frame 7", frame=7)),
        ("kind dtmf every 10", spec(Direction.BOTH, "kind dtmf every 10", kind=3, every=10)),
        ("kind 0x42 frame 2", spec(Direction.BOTH, "kind 0x42 frame 2", kind=0x42, frame=2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_is_read_as_it_is_written(text: str, expected: FaultSpec) -> None:
    assert parse_fault(text) == expected
    assert parse_fault(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "wrong", "cure"),
    [
        ("", "''", "write latency, bandwidth, slice"),
        ("latncy 1s", "'latncy'", "write latency, bandwidth"),
        ("to-servr latency 1s", "'to-servr'", "after to-server, to-asterisk, both or nothing"),
        ("to-server", "''", "write latency"),
        ("share 10% latency 1s", "'share' is not a fault", "write latency"),
        ("latency", "a value is missing", "write latency TIME [jitter TIME]"),
        ("latency soon", "'soon' is not a length of time", "500ms"),
        ("latency 0", "'0' is not more than 0", "500ms"),
        ("latency 1s jitter", "a value is missing", "write latency TIME [jitter TIME]"),
        ("latency 1s every 2s", "'every' does not belong to latency", "write latency TIME [jitter TIME] [share N%]"),
        ("latency 1s jitter 1ms jitter 2ms", "jitter appears twice", "write latency"),
        ("latency 1s share 101%", "'101%'", "write 10%"),
        ("latency 1s share some", "'some'", "write 10%"),
        ("latency 1s share", "a value is missing", "share N%"),
        ("bandwidth fast", "'fast' is not a bandwidth", "8000 or 8K, or 64kbit"),
        ("bandwidth 0", "'0'", "whole number from 1"),
        ("slice 0", "'0'", "whole number from 1"),
        ("slice 99999999999999999999999", "'99999999999999999999999'", "whole number from 1"),
        ("stall 3s", "'3s' does not belong to stall", "for TIME"),
        ("reset after", "a value is missing", "after frame N"),
        ("reset after frame soon", "'soon'", "whole number from 1"),
        ("drop", "drop needs the number of a frame", "drop frame N or drop every N"),
        ("corrupt share 5%", "corrupt needs the number of a frame", "corrupt frame N"),
        ("kind video frame 1", "'video' is not a kind", "dtmf"),
        ("kind dtmf", "kind needs the number of a frame", "kind KIND frame N"),
    ],
    ids=lambda value: value,
)
def test_a_wrong_fault_is_one_line_with_the_word_and_what_is_allowed(text: str, wrong: str, cure: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_fault(text)
    message = str(raised.value)
    assert wrong in message
    assert cure in message
    assert "\n" not in message


def test_a_direction_is_of_the_side_that_sends() -> None:
    assert Direction.BOTH.sides == (Side.CALLER, Side.SERVER)
    for side in Side:
        assert Direction.of(side).sides == (side,)


def test_frames_are_hit_by_number_or_each_nth() -> None:
    fault = parse_fault("drop every 10 frame 7")
    assert [number for number in range(1, 31) if fault.hits(number)] == [7, 10, 20, 30]
