"""The event log never waits for its reader, says what the reader missed, and tells a terminal nothing to obey."""

from __future__ import annotations

import threading

import pytest
from fakes import UUID_1

from audiosocket_cli.asterisk import Side
from audiosocket_cli.call.events import CallRefused, Finding
from audiosocket_cli.call.facts import Call, now_utc
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.ui import eventlog
from audiosocket_cli.ui.eventlog import EventLog


def test_a_reader_that_stops_reading_costs_lines_and_no_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eventlog, "_MOST_WAITING", 10)
    monkeypatch.setattr(eventlog, "_CLOSE_TIMEOUT_S", 0.1)
    stuck, written = threading.Event(), []

    def put(line: str) -> None:
        stuck.wait(10)
        written.append(line)

    log = EventLog(as_json=False)
    log.put = put
    with log:
        for number in range(30):
            log.report(CallRefused(f"peer {number}", "full"))
    assert capsys.readouterr().err in (f"{lost} lines of the log are lost\n" for lost in (29, 30))
    stuck.set()


def test_all_lines_are_out_when_the_block_ends() -> None:
    written: list[str] = []
    log = EventLog(as_json=False)
    log.put = written.append
    with log:
        for number in range(1000):
            log.report(CallRefused(f"peer {number}", "full"))
    assert len(written) == 1000
    assert written[7].endswith("refused peer 7: full")


def test_what_a_program_makes_a_finding_of_is_nothing_that_a_terminal_obeys() -> None:
    """A command that was not understood went to the terminal as it was."""
    written: list[str] = []
    log = EventLog(as_json=False)
    log.put = written.append
    call = Call(Side.SERVER, "192.0.2.1:5060", UUID_1, now_utc(), Pacer(0.0))
    with log:
        log.report(Finding(call, "the program's command failed: not understood: \x1b[2J\r"))
    assert written[0].endswith(r"not understood: \x1b[2J\r")
