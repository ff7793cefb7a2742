"""The data of the page of a day: complete for a day, and bounded for anything."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.report import day_data as module
from audiosocket_cli.report.day_call import DayCall, day_call
from audiosocket_cli.report.day_data import COLUMNS, day_data, day_of
from audiosocket_cli.report.day_folder import NOT_SHOWN, Beside


def call_of(key: str = "a", content: dict[str, Any] | None = None, **more: Any) -> DayCall:
    return day_call(content or {}, key=key, folder="", name=f"{key}.json", **more)


def shown(*calls: DayCall, beside: Beside | None = None) -> list[dict[str, Any]]:
    found = day_data(day_of("day", calls, beside or Beside()), lambda path: f"./{path.name}")
    json.dumps(found, allow_nan=False)
    return [dict(zip(COLUMNS, values, strict=True)) for values in found["calls"]]


def turns_of(*waits: int | None) -> dict[str, Any]:
    turns = [{"side": "server", "kind": "turn", "start_s": n, "end_s": n + 0.5, "after_ms": wait}
             for n, wait in enumerate(waits)]  # fmt: skip
    return {"list": turns, "left_out": 0}


def test_a_call_without_anything_is_not_measured() -> None:
    (call,) = shown(call_of())
    unknown = {name for name in COLUMNS if call[name] is None}
    assert unknown >= {"at", "duration_s", "gaps_s", "caller_dbfs", "latency_ms", "by_caller", "dead_air_s"}
    assert (call["wave"], call["sounds"], call["findings"], call["turns"]) == ("", [], [], [])


def test_a_recording_gives_its_waveform_and_address(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((8000, 2), 16384, np.int16), 8000)
    (call,) = shown(call_of(recordings=(path,), json=tmp_path / "a.json"))
    assert base64.b64decode(call["wave"]) == bytes([64, 64] * 400)
    assert (call["wave_s"], call["channels"], call["sounds"]) == (1.0, 2, ["./a.wav"])
    assert call["duration_s"] == 1.0
    assert call["caller_dbfs"] is None, "what its JSON does not say of the call"


@pytest.mark.parametrize(("channels", "level"), [(2, -6.0), (1, None)])
def test_a_recording_alone_is_measured(tmp_path: Path, channels: int, level: float | None) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((8000, channels), 16384, np.int16), 8000)
    (call,) = shown(call_of(recordings=(path,)))
    assert (call["caller_dbfs"], call["server_dbfs"], call["rate_hz"]) == (level, level, 8000)


def test_a_recording_that_cannot_be_shown_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("no sound")
    beside = Beside()
    (call,) = shown(call_of(recordings=(path,)), call_of("b", recordings=(tmp_path / "gone.wav",)), beside=beside)[:1]
    assert (call["wave"], call["sounds"]) == ("", ["./a.wav"])
    assert beside.counts == {NOT_SHOWN: 2}
    assert beside.names[NOT_SHOWN][1] == "b: no such file or directory"


def test_answers_are_those_of_the_server() -> None:
    turns = turns_of(900, None, 300)
    turns["list"].append({"side": "caller", "kind": "turn", "start_s": 9, "end_s": 10, "after_ms": 50})
    (call,) = shown(call_of(content={"turns": turns}))
    assert call["answers"] == [300, 900]
    assert len(call["turns"]) == 4


def test_lists_are_bounded_for_many_calls_and_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    (call,) = shown(call_of(content={"turns": turns_of(*range(1000))}))
    assert (len(call["turns"]), call["turns_left"]) == (60, 940)
    assert len(call["answers"]) == 200
    assert [call["answers"][at] for at in (0, 100, 199)] == pytest.approx([2, 502, 997], abs=3)
    monkeypatch.setattr(module, "_ALL_TURNS", 100)
    many = shown(*(call_of(str(number), {"turns": turns_of(*range(30))}) for number in range(20)))
    assert {(len(each["turns"]), each["turns_left"]) for each in many} == {(5, 25)}


def test_calls_come_in_order_and_the_oldest_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 2)
    times = {"a": "2026-11-30T12:00:00Z", "b": "2026-11-30T11:00:00Z", "c": None, "d": "2026-11-30T14:00:00+03:00"}
    day = day_of("day", [call_of(key, {"started_at": at}) for key, at in times.items()], Beside())
    assert [call.key for call in day.calls] == ["a", "c"], "those whose start is not known come last"
    assert day.left_out == 2


def test_more_calls_than_memory_should_hold_are_left_out_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 3)
    calls = (call_of(str(n), {"started_at": f"2026-11-30T12:00:{n * 7 % 60:02}Z"}) for n in range(60))
    day = day_of("day", calls, Beside())
    assert [call.row.started_at[17:19] for call in day.calls if call.row.started_at] == ["57", "58", "59"]
    assert day.left_out == 57


def test_keys_are_unique() -> None:
    assert [call["key"] for call in shown(call_of(), call_of(), call_of("b"))] == ["a", "a~2", "b"]


def test_known_findings_bring_their_cure_and_unknown_ones_do_not() -> None:
    call = call_of(content={"finding_ids": ["caller-ulaw", "no-such-thing"], "findings": ["odd [caller-ulaw]"]})
    found = day_data(day_of("day", [call], Beside()), str)
    assert found["about"].keys() == {"caller-ulaw"}
    assert "slin" in found["about"]["caller-ulaw"]["about"]
    assert found["about"]["caller-ulaw"]["cure"]


def test_hostile_values_become_text_and_numbers() -> None:
    content = {"uuid": "<script>", "peer": "\u202e", "duration_s": float("nan"), "started_at": [], "ended_by": {},
               "dtmf": [{"digit": "1"}] * 20_000, "caller": {"level_dbfs": float("inf")}}  # fmt: skip
    (call,) = shown(call_of(content=content))
    assert (call["uuid"], call["peer"], call["duration_s"], call["ended_by"]) == ("<script>", "\\u202e", None, "")
    assert call["digits"] == "1" * 100 + "… (9,900 more characters)"


def test_progress_is_told() -> None:
    told: list[object] = []
    day_data(day_of("day", [call_of(), call_of("b")], Beside()), str, lambda *progress: told.append(progress))
    assert told == [("reading recordings", 1, 2), ("reading recordings", 2, 2)]
