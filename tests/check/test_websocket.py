"""Which cases are tried with a WebSocket bot, and why the others are not."""

from __future__ import annotations

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.websocket import why_not_over_websocket

BY_ID = {case.id: case for case in CASES}

OF_ALL = {
    "start/goes-on", "idle/never-speaks", "idle/hold", "kind/digits", "kind/slin", "end/caller-closes", "load/10-calls",
    "load/100-calls", "load/short-calls", "turn/answers", "turn/second-turn", "turn/pause", "bargein/falls-silent",
    "bargein/next-turn",
}  # fmt: skip
RATES = {case.id for case in CASES if case.id.startswith("kind/slin")}


@pytest.mark.parametrize(("protocol", "tried"), [("twilio", OF_ALL), ("chan-websocket", OF_ALL | RATES)])
def test_cases_about_time_turns_keys_and_load_are_tried(protocol: str, tried: set[str]) -> None:
    assert {case.id for case in CASES if why_not_over_websocket(case, protocol) is None} == tried


@pytest.mark.parametrize("case_id", ["frame/coalesced", "uuid/late", "hostile/http", "sends/odd", "pace/bursts"])
def test_a_case_about_bytes_has_its_reason(case_id: str) -> None:
    assert "WebSocket bot" in str(why_not_over_websocket(BY_ID[case_id], "twilio"))
