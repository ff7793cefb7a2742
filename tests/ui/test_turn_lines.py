"""Turn figures in words."""

from __future__ import annotations

from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.analysis.turns import turns_of
from audiosocket_cli.ui.turn_lines import NOT_MEASURED, turn_line, turn_rows


def test_what_each_side_did_is_in_its_column() -> None:
    caller, server = [(1.0, 2.0), (4.0, 5.5)], [(2.5, 4.7), (6.0, 7.0), (11.0, 12.0)]
    turns = turns_of(Stretches(caller, [], end_s=12.0), Stretches(server, [], end_s=12.0)).as_dict()
    assert turn_rows(turns) == [
        ("speech", ["2.50 s", "4.20 s"]),
        ("interruptions", ["1", "0"]),
        ("answers", ["-", "2"]),
        ("answer p50", ["-", "500 ms"]),
        ("answer p95", ["-", "500 ms"]),
        ("answer max", ["-", "500 ms"]),
    ]
    assert turn_line(turns) == "turns: both spoke for 0.70 s; dead air 1 time, 4.00 s in all, 4.00 s the longest"


def test_without_turns_it_is_said_that_there_are_none() -> None:
    turns = turns_of(Stretches([], [], end_s=2.0), Stretches([], [], end_s=2.0)).as_dict()
    assert turn_rows(turns) == [("speech", ["0.00 s", "0.00 s"])]
    assert turn_line(turns) == "turns: both spoke for 0.00 s; no dead air"


def test_what_was_not_measured_is_not_zero() -> None:
    assert turn_rows(None) == []
    assert turn_line(None) == NOT_MEASURED
