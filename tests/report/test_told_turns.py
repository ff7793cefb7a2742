"""Turn figures of a call's JSON are shown as they are when they are whole, and not at all when they are not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.analysis.turns import turns_of
from audiosocket_cli.report.told_turns import told_turns

CALLER = Stretches([(0.0, 2.0), (6.0, 8.0)], [], 12.0)
SERVER = Stretches([(2.8, 5.0), (7.0, 10.0)], [], 12.0)
MEASURED: dict[str, Any] = turns_of(CALLER, SERVER).as_dict() or {}


def test_what_was_measured_is_told_unchanged() -> None:
    assert MEASURED["latency_ms"]
    assert told_turns({"turns": MEASURED}, 12.0) == MEASURED


def test_a_call_without_answers_has_no_latency() -> None:
    silent = turns_of(CALLER, Stretches([], [], 12.0)).as_dict()
    found = told_turns({"turns": silent}, 12.0)
    assert found is not None
    assert found["latency_ms"] is None


@pytest.mark.parametrize("turns", [None, {}, [], "turns", 7])
def test_a_call_without_turns_has_none(turns: object) -> None:
    assert told_turns({"turns": turns}, 12.0) is None


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("overlap_s",), "<script>"),
        (("talk_s", "caller"), float("nan")),
        (("dead_air",), None),
        (("latency_ms", "p50"), -1),
        (("list", 0, "side"), "nobody"),
        (("list", 0, "kind"), ["turn"]),
        (("list", 0, "start_s"), 1e300),
        (("list", 0, "end_s"), 1000.0),
        (("left_out",), 10**400),
    ],
    ids=str,
)
def test_what_is_not_whole_is_not_told(keys: tuple[Any, ...], value: object) -> None:
    turns: Any = copy.deepcopy(MEASURED)
    inner = turns
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    assert told_turns({"turns": turns}, 12.0) is None
