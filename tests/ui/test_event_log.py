"""The event log never waits for its reader, and says what the reader missed."""

from __future__ import annotations

import threading

import pytest

from audiosocket_cli.call.events import CallRefused
from audiosocket_cli.ui import event_log as eventlog
from audiosocket_cli.ui.event_log import EventLog


def test_a_reader_that_stops_reading_costs_lines_and_no_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eventlog, "_MAX_WAITING", 10)
    monkeypatch.setattr(eventlog, "_CLOSE_TIMEOUT_S", 0.1)
    stuck, written = threading.Event(), []

    def put(line: str) -> None:
        stuck.wait(10)
        written.append(line)

    log = EventLog(as_json=False)
    log.write_above(put)
    with log:
        for number in range(30):
            log.report(CallRefused(f"peer {number}", "full"))
    assert capsys.readouterr().err in (f"{lost} lines of the log are lost\n" for lost in (29, 30))
    stuck.set()


def test_all_lines_are_out_when_the_block_ends() -> None:
    written: list[str] = []
    log = EventLog(as_json=False)
    log.write_above(written.append)
    with log:
        for number in range(1000):
            log.report(CallRefused(f"peer {number}", "full"))
    assert len(written) == 1000
    assert written[7].endswith("refused peer 7: full")
