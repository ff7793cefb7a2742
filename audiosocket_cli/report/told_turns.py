"""The turn figures that the JSON of a call says, as `Turns.as_dict` makes them: checked, as anybody may have written
it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audiosocket_cli.analysis.turns import BACKCHANNEL, INTERRUPTION, MAX_TURNS, TURN
from audiosocket_cli.model import Side
from audiosocket_cli.report.json_values import count_of, list_of, mapping_of, number_of

_KINDS = (TURN, INTERRUPTION, BACKCHANNEL)
_SIDES = tuple(side.value for side in Side)


def told_turns(call: Mapping[str, Any], duration_s: float) -> dict[str, Any] | None:
    """Return the turn figures in a call's JSON; None where it has none, or they are not whole."""
    told = mapping_of(call.get("turns"))
    try:
        air = mapping_of(told.get("dead_air"))
        return {
            "latency_ms": _latency(mapping_of(told.get("latency_ms"))),
            "interruptions": _counts(told.get("interruptions")),
            "backchannels": _counts(told.get("backchannels")),
            "talk_s": {side: _number(mapping_of(told.get("talk_s")).get(side)) for side in _SIDES},
            "overlap_s": _number(told.get("overlap_s")),
            "dead_air": {
                "count": _count(air.get("count")),
                "total_s": _number(air.get("total_s")),
                "longest_s": _number(air.get("longest_s")),
            },
            "list": sorted(_turns(told.get("list"), duration_s), key=lambda turn: float(turn["start_s"])),
            "left_out": _count(told.get("left_out")),
        }
    except ValueError:
        return None


def _latency(told: Mapping[str, Any]) -> dict[str, int] | None:
    return {name: _count(told.get(name)) for name in ("count", "p50", "p95", "max")} if told else None


def _counts(value: object) -> dict[str, int]:
    return {side: _count(mapping_of(value).get(side)) for side in _SIDES}


def _turns(value: object, duration_s: float) -> Iterator[dict[str, Any]]:
    for turn in map(mapping_of, list_of(value)[:MAX_TURNS]):
        start_s, end_s = _number(turn.get("start_s")), _number(turn.get("end_s"))
        if turn.get("side") not in _SIDES or turn.get("kind") not in _KINDS or not start_s <= end_s <= duration_s + 1:
            raise ValueError("this is not a turn of the call")
        after_ms = number_of(turn.get("after_ms"), -1e9)
        yield {
            "side": turn["side"], "start_s": start_s, "end_s": end_s, "kind": turn["kind"],
            "after_ms": None if after_ms is None else round(after_ms),
        }  # fmt: skip


def _number(value: object) -> float:
    number = number_of(value)
    if number is None:
        raise ValueError("this is not a number")
    return number


def _count(value: object) -> int:
    count = count_of(value)
    if count is None:
        raise ValueError("this is not a number")
    return count
