"""The rows of a call in the order of time, each ready once none can come before it any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis import call_rows
from audiosocket_cli.analysis.call_rows import CallRows
from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.capture.items import Lost
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.model import Side
from support.captured import a_call, sent, speech, steady

CALL = a_call()


def row(at_s: float, what: str = "digit") -> Row:
    return Row(at_s, Side.CALLER, what)


def runs(side: Side, start_s: float, count: int) -> list[Run]:
    found = list(in_runs(sent(CALL, side, speech(count / 50), steady(start_s, count))))
    return [one for one in found if isinstance(one, Run)]


def feed(rows: CallRows, run: Run) -> None:
    rows.take_audio(run)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(["lost", "digit", "ended"]))))
def test_rows_of_one_time_are_a_loss_what_happened_and_what_is_last(put: list[tuple[float, str]]) -> None:
    rows = CallRows(timed=True, live=False)
    for at_s, what in put:
        rows.put(row(at_s, what), last=what == "ended")
    assert rows.waiting == len(put)
    rows.release()
    order = {"lost": 0, "digit": 1, "ended": 2}
    assert [(one.at_s, one.what) for one in rows.ready] == sorted(put, key=lambda one: (one[0], order[one[1]]))
    assert rows.waiting == 0


def test_a_row_waits_for_speech_that_began_before_it() -> None:
    rows = CallRows(timed=True, live=False)
    for run in runs(Side.SERVER, 1.0, 100):
        feed(rows, run)
    rows.put(row(2.0))
    rows.release(lasted_s=60.0)
    assert not rows.ready
    rows.interrupt(Side.SERVER)
    rows.release(lasted_s=60.0)
    assert [one.what for one in rows.ready] == ["speech", "digit"]


def test_a_live_view_waits_for_nothing() -> None:
    rows = CallRows(timed=True, live=True)
    for run in runs(Side.SERVER, 1.0, 100):
        feed(rows, run)
    rows.put(row(2.0))
    rows.release(lasted_s=2.0)
    assert [one.what for one in rows.ready] == ["digit"]


def test_a_loss_ends_the_speech_before_it() -> None:
    rows = CallRows(timed=True, live=False)
    for run in runs(Side.CALLER, 1.0, 50):
        feed(rows, run)
    rows.lose(Lost(CALL, 2.0, Side.CALLER, 100, "missing from the capture"))
    rows.interrupt(Side.CALLER)
    rows.release()
    assert [(one.what, one.frames) for one in rows.ready] == [("speech", 50), ("lost", 0)]


def test_too_many_rows_that_wait_for_one_side_are_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_rows, "_MAX_ROWS", 10)
    rows = CallRows(timed=True, live=False)
    for run in runs(Side.SERVER, 1.0, 100):
        feed(rows, run)
    for number in range(11):
        rows.put(row(2.0 + number))
    rows.release(lasted_s=60.0)
    assert len(rows.ready) == 12


def test_where_no_rows_are_wanted_there_are_none() -> None:
    rows = CallRows(timed=True, live=False, are_wanted=False)
    for run in runs(Side.SERVER, 1.0, 100):
        feed(rows, run)
    rows.put(row(1.0))
    rows.interrupt(Side.SERVER)
    rows.release()
    assert not rows.ready
