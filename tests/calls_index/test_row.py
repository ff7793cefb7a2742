"""One flat row of each call: what is known, with its type; None for what is not; hostile JSON bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audiosocket_cli.calls_index.row import Row, is_call, row_of

CALL: dict[str, Any] = {
    "schema": "audiosocket.call/1",
    "uuid": "92a62f6d-f053-44d1-8772-19af6aefcb85",
    "peer": "192.0.2.7:40122",
    "started_at": "2026-11-30T10:00:00.250+01:00",
    "duration_s": 12.5,
    "ended_by": "caller",
    "ended_how": "closed",
    "ended_reason": "the connection was closed",
    "dtmf": [{"at_s": 1.0, "digit": "0"}, {"at_s": 1.5, "digit": "0"}, {"at_s": 2.0, "digit": "4"},
             {"at_s": 3.0, "digit": "#", "in_band": True}],
    "result": "sale",
    "caller": {"audio_s": 12.0, "level_dbfs": -20.5, "gap_count": 2, "gaps_s": 0.4},
    "server": {"audio_s": 3.0, "level_dbfs": -18.0, "late_frames": 3},
    "recording": {"files": ["a.wav", "a.part2.wav"], "rate_hz": 8000},
    "findings": ["µ-law labelled slin [caller-ulaw]"],
    "finding_ids": ["caller-ulaw"],
    "turns": {
        "latency_ms": {"count": 3, "p50": 700, "p95": 1100, "max": 1200},
        "interruptions": {"caller": 1, "server": 0},
        "backchannels": {"caller": 0, "server": 0},
        "talk_s": {"caller": 5.5, "server": 3.0},
        "overlap_s": 0.2,
        "dead_air": {"count": 1, "total_s": 4.0, "longest_s": 4.0},
        "list": [],
        "left_out": 0,
    },
}  # fmt: skip


def test_a_row_holds_what_the_json_says() -> None:
    assert row_of(CALL, folder="calls", name="a.json") == Row(
        uuid="92a62f6d-f053-44d1-8772-19af6aefcb85", name="a.json", folder="calls",
        started_at="2026-11-30T09:00:00.250+00:00", duration_s=12.5, peer="192.0.2.7:40122", digits="004#",
        ended_by="caller", ended_how="closed", ended_reason="the connection was closed", result="sale", rate_hz=8000,
        caller_dbfs=-20.5, server_dbfs=-18.0, gap_count=2, gaps_s=0.4, late_frames=3, finding_ids=("caller-ulaw",),
        answers=3, latency_p50_ms=700, latency_max_ms=1200, interruptions_by_caller=1, interruptions_by_server=0,
        dead_air_s=4.0, talk_caller_s=5.5, talk_server_s=3.0, files=("a.wav", "a.part2.wav"),
    )  # fmt: skip


def test_what_is_not_measured_is_none() -> None:
    row = row_of({"schema": "audiosocket.call/1"})
    nothing = {name for name, value in row._asdict().items() if value in ("", ())}
    assert nothing == {"name", "folder", "digits", "finding_ids", "files"}
    assert all(value is None for name, value in row._asdict().items() if name not in nothing)


def test_turns_without_an_answer_have_none_and_a_side_without_audio_has_no_level() -> None:
    row = row_of(CALL | {"turns": CALL["turns"] | {"latency_ms": None}, "server": {"audio_s": 0, "level_dbfs": -96.3}})
    assert (row.answers, row.latency_max_ms, row.server_dbfs) == (0, None, None)
    assert row_of(CALL | {"turns": None}).answers is None


def test_gaps_of_both_sides_count_where_both_are_heard() -> None:
    row = row_of(CALL | {"server": {"gap_count": 1, "gaps_s": 0.1}})
    assert (row.gap_count, row.gaps_s, row.late_frames) == (3, 0.5, None)


@pytest.mark.parametrize("wrong", [None, True, "x", -1, 1e300, 10**400, float("nan"), float("inf"), [], {}, [[]]],
                         ids=repr)  # fmt: skip
def test_values_of_the_wrong_kind_are_not_known(wrong: object) -> None:
    row = row_of(dict.fromkeys(CALL, wrong) | {"schema": "audiosocket.call/1"})
    assert row.duration_s is None
    assert row.latency_max_ms is None
    assert (row.digits, row.files, row.finding_ids) == ("", (), ())
    inner = {key: dict.fromkeys(value, wrong) if isinstance(value, dict) else value for key, value in CALL.items()}
    row = row_of(inner)
    assert (row.gaps_s, row.dead_air_s, row.rate_hz) == (None, None, None)
    assert row.caller_dbfs in (None, -1.0)


@pytest.mark.parametrize("started_at", ["yesterday", "0001-01-01T00:00:00+14:00", "2026-13-01", "2026-11-30" * 9])
def test_a_time_that_is_none_is_not_known(started_at: str) -> None:
    assert row_of(CALL | {"started_at": started_at}).started_at is None


def test_text_is_bounded_and_holds_no_control_characters() -> None:
    row = row_of(CALL | {"peer": "a\n\x1b[2J\u202eb\ud800", "result": "y" * 9999,
                         "dtmf": [{"digit": "1"}] * 99_999 + [{"digit": "77"}],
                         "finding_ids": ["<b>", "ok-id", "ok-id", 5, "x" * 500]})  # fmt: skip
    assert row.peer == "a\\n\\u001b[2J\\u202eb\\ud800"
    assert row.result == "y" * 499 + "…"
    assert row.digits == "1" * 10_000
    assert row.finding_ids == ("ok-id",)


def test_names_that_lead_elsewhere_are_left_out() -> None:
    names = ["../a.wav", "/etc/passwd", "..", ".", "", "a\0b", "x" * 256, "\ud800", 7, "good.wav"]
    assert row_of(CALL | {"recording": {"files": names}}).files == ("good.wav",)


def test_only_a_call_is_a_call() -> None:
    assert is_call(CALL)
    for other in ({}, [], None, "audiosocket.call/1", {"schema": "audiosocket.bench/1"}, {"schema": 5}):
        assert not is_call(other)


def test_a_row_is_json_with_its_schema_and_digits_are_text() -> None:
    content = json.loads(json.dumps(row_of(CALL | {"dtmf": [{"digit": d} for d in "0042"]}).as_json()))
    assert content["schema"] == "audiosocket.call-row/1"
    assert content["digits"] == "0042"
    assert content["files"] == ["a.wav", "a.part2.wav"]
