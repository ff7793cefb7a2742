"""Facts, findings with their cure, and what was not measured, from the JSON of a call."""

from __future__ import annotations

from typing import Any

import pytest

from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.finding_pages import cure_of
from audiosocket_cli.report.call_facts import MAX_FINDINGS, facts_of, findings_of, not_measured_in, title_of

SIDE = {"audio_s": 9.98, "level_dbfs": -23.14, "peak_dbfs": -6.0, "first_speech_s": 0.42}

LEVELS = "\N{MINUS SIGN}23.1 dBFS, peak \N{MINUS SIGN}6.0 dBFS"

CALL: dict[str, Any] = {
    "schema": "audiosocket.call/1", "uuid": "8f269582-0000-4000-8000-000000000000", "peer": "192.0.2.7:40000",
    "started_at": "2026-11-30T09:56:43.465+00:00", "duration_s": 10.02, "ended_by": "caller", "ended_how": "hangup",
    "ended_reason": "caller hung up", "dtmf": [{"digit": "1", "at_s": 1.0}, {"digit": "#", "at_s": 2.0}],
    "result": "sales", "variables": {"EXTEN": "100"},
    "caller": SIDE | {"gaps": [], "gap_count": 0, "gaps_s": 0.0, "jitter_ms": 1.2},
    "server": SIDE | {"late_frames": 2, "worst_lateness_ms": 31.4},
    "recording": {"files": ["a.wav"], "layout": "stereo", "rate_hz": 8000, "duration_s": 10.0, "error": None},
    "program": {"command": ["./bot", "-x"], "exit_code": 3, "ran_s": 9.9, "error": None},
    "findings": ["nothing came for 3.0 s [server-silent]", "odd", 7],
}  # fmt: skip


def test_facts_are_said_as_people_say_them() -> None:
    assert facts_of(CALL) == [
        ("UUID", "8f269582-0000-4000-8000-000000000000"),
        ("caller", "192.0.2.7:40000"),
        ("began", "2026-11-30 09:56:43.465+00:00"),
        ("length", "10.0 s"),
        ("ended", "caller hung up"),
        ("digits", "1#"),
        ("result", "sales"),
        ("variable EXTEN", "100"),
        (
            "caller's audio",
            f"10.0 s, {LEVELS}, first speech at 0.42 s, jitter 1.2 ms, no gaps",
        ),
        (
            "server's audio",
            f"10.0 s, {LEVELS}, first speech at 0.42 s, 2 frames sent late, 31 ms at most",
        ),
        ("recording", "stereo, 8000 Hz, 10.0 s"),
        ("program", "./bot -x, ran 9.9 s, exit code 3"),
    ]


def test_what_is_not_known_is_no_fact() -> None:
    assert facts_of({}) == []
    assert facts_of({"caller": {"audio_s": 0.0, "level_dbfs": -96.3}}) == [("caller's audio", "none")]


def test_findings_have_what_they_are_their_cure_and_their_place() -> None:
    call = CALL | {"server": {"gaps": [{"at_s": 4.0, "length_s": 3.0}]}}
    silent, odd = findings_of(call, [])
    assert silent["id"] == "server-silent"
    assert silent["text"] == "nothing came for 3.0 s"
    assert silent["cure"] == cure_of("server-silent")
    assert silent["about"]
    assert "`" not in silent["about"]
    assert silent["at_s"] == 4.0
    assert odd == {"id": "", "text": "odd", "about": "", "cure": "", "at_s": None}


def test_a_capture_says_where_a_finding_is() -> None:
    rows = [Row(1.5, None, "finding", CALL["findings"][0])]
    assert findings_of(CALL, rows)[0]["at_s"] == 1.5


def test_what_was_not_measured_is_said() -> None:
    assert not_measured_in(CALL) == [
        ("gaps of the server", "they are measured of a side that is heard; this side was sent from here"),
        ("when the server's frames were late", "they are counted, and not listed"),
    ]
    assert not_measured_in({}) == [
        ("digits, gaps, jitter, the end", "they are in the JSON of a call, and there is none")
    ]
    many = {"caller": {"gaps": []}, "server": {"gaps": []}, "findings": ["x"] * (MAX_FINDINGS + 7)}
    assert not_measured_in(many) == [("more findings", "7 more are in the JSON")]


def test_titles() -> None:
    assert title_of(CALL, "a.wav") == "Call 8f269582-0000-4000-8000-000000000000"
    assert title_of({"uuid": None, "call": "2"}, "a.wav") == "Call 2"
    assert title_of({}, "a.wav") == "Recording a.wav"


@pytest.mark.parametrize("value", [None, 1, -1e300, "a\x1b[0m", [1, None], {"a": {}}, [[]], True])
def test_json_of_any_shape_is_no_harm(value: object) -> None:
    call = dict.fromkeys([*CALL, "relay", "bridge", "bot", "remarks"], value)
    for _, text in facts_of(call):
        assert text.isprintable()
    findings_of(call, [])
    not_measured_in(call)
    for key in ("caller", "program", "recording"):
        facts_of({key: dict.fromkeys([*SIDE, "command", "error", "gap_count", "gaps_s", "late_frames"], value)})
