"""Calls measured by processes: all of them, also where a process dies of one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from audiosocket_cli.calls_analysis import here
from audiosocket_cli.calls_analysis.attempt import attempt
from audiosocket_cli.calls_analysis.here import measure_here
from audiosocket_cli.errors import OutputError
from support.analyzed import DEADLY, DEADLY_MEASURER, SLOW, calls_in, make_calls
from support.running import children_of, is_running
from support.unwoken import interrupt


def test_two_processes_give_what_one_call_after_the_other_gives(tmp_path: Path) -> None:
    make_calls(tmp_path / "calls", 6)
    calls = calls_in(tmp_path / "calls", tmp_path / "ledger")
    found = {done.call: done.attempt for done in measure_here(calls, 2)}
    assert found == {call: attempt(call) for call in calls}
    assert list(measure_here([], 2)) == []


def test_what_kills_each_process_is_named_and_nothing_else_is_lost(tmp_path: Path) -> None:
    names = make_calls(tmp_path / "calls", 3)
    (tmp_path / "calls" / f"{DEADLY}.wav").write_bytes((tmp_path / "calls" / f"{names[0]}.wav").read_bytes())
    calls = calls_in(tmp_path / "calls", tmp_path / "ledger")
    found = {done.call.call: done for done in measure_here(calls, 1, DEADLY_MEASURER)}
    assert found.keys() == {*names, DEADLY}
    assert found[DEADLY].killed == "signal 9"
    assert all(found[name].attempt == attempt(found[name].call) for name in names)


def test_a_call_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / f"{SLOW}.wav").write_bytes(b"")
    monkeypatch.setattr(here, "_MAX_S", 0.05)
    monkeypatch.setattr(here, "TRIES", 1)
    (done,) = measure_here(calls_in(tmp_path / "calls", tmp_path / "ledger"), 1, DEADLY_MEASURER)
    assert done.killed == "it took too long"


@pytest.mark.parametrize(
    ("command", "what"),
    [(("false",), "cannot start the process that measures calls: exit code 1"),
     (("sleep", "100"), "the process that measures calls is not ready after 0 s")],
)  # fmt: skip
def test_a_process_that_cannot_start_is_no_fault_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], what: str
) -> None:
    make_calls(tmp_path / "calls", 1)
    monkeypatch.setattr(here, "_START_S", 0.3)
    with pytest.raises(OutputError, match=what):
        list(measure_here(calls_in(tmp_path / "calls", tmp_path / "ledger"), 1, command))


def test_whoever_takes_no_more_ends_the_processes(tmp_path: Path) -> None:
    make_calls(tmp_path / "calls", 4)
    calls = calls_in(tmp_path / "calls", tmp_path / "ledger")
    before = children_of(os.getpid())
    measuring = measure_here(calls, 2)
    next(measuring)
    ours = children_of(os.getpid()) - before
    assert ours
    measuring.close()
    limit_s = time.monotonic() + 30
    while any(map(is_running, ours)) and time.monotonic() < limit_s:
        time.sleep(0.02)
    assert not any(map(is_running, ours))


def test_an_interrupt_ends_the_wait_for_a_call_also_if_it_comes_just_before(tmp_path: Path) -> None:
    make_calls(tmp_path / "calls", 1)
    calls = calls_in(tmp_path / "calls", tmp_path / "ledger")
    interrupt(lambda: list(measure_here(calls, 1, ("sleep", "60"))))
