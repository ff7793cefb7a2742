"""Frames joined to runs: taken apart they are what they were, in order, and no run is longer than half a second."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.items import Captured, Ended, Item, Over, Remark
from audiosocket_cli.capture.runs import MAX_RUN_S, Run, frames_of, in_runs
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.model import Side
from support.captured import a_call

CALL = a_call()
frames = st.builds(Frame, st.sampled_from([Kind.SLIN, Kind.SLIN16, Kind.DTMF]), st.sampled_from([b"", b"12", b"1234"]))


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    at_s, found, offsets = 0.0, [], dict.fromkeys(Side, 0)
    for frame, side, step_s in draw(
        st.lists(st.tuples(frames, st.sampled_from(Side), st.sampled_from([0, 0.02, 0.3])))
    ):
        at_s += step_s
        found.append(Captured(CALL, at_s, side, frame, at_s, offsets[side]))
        offsets[side] += 3 + len(frame.payload)
        if draw(st.integers(0, 5)) == 0:
            found.append(Remark(CALL, at_s, "a remark"))
    return [*found, Over(CALL)]


@given(items())
def test_runs_taken_apart_are_the_frames_of_each_side_in_order(found: list[Item]) -> None:
    runs = [one for one in in_runs(found) if isinstance(one, Run)]
    for side in Side:
        again = list(itertools.chain.from_iterable(frames_of(run) for run in runs if run.side is side))
        assert again == [item for item in found if isinstance(item, Captured) and item.side is side]


@given(items())
def test_a_run_is_of_one_kind_and_length_and_bounded(found: list[Item]) -> None:
    for run in in_runs(found):
        if isinstance(run, Run):
            assert run.payloads.shape[0] == len(run.at_s)
            assert run.at_s[-1] - run.at_s[0] < MAX_RUN_S


@given(items())
def test_all_else_comes_after_the_frames_before_it(found: list[Item]) -> None:
    frames_before = 0
    expected = []
    for item in found:
        if isinstance(item, Captured):
            frames_before += 1
        else:
            expected.append(frames_before)
    seen, passed = [], 0
    for one in in_runs(found):
        if isinstance(one, Run):
            passed += len(one.at_s)
        else:
            seen.append(passed)
    assert seen == expected


def test_the_longest_gap_inside_a_frame_of_a_run_is_known() -> None:
    slow = [
        Captured(CALL, 0.02 * n, Side.CALLER, Frame(Kind.SLIN, b"12"), 0.02 * n - 0.01, 5 * n, 0.003 * n)
        for n in range(4)
    ]
    run, over = in_runs([*slow, Over(CALL)])
    assert isinstance(run, Run)
    assert run.gap_s == pytest.approx(0.009)
    assert over == Over(CALL)


def test_calls_are_kept_apart() -> None:
    other = a_call()
    frame = Frame(Kind.SLIN, b"12")
    found = [Captured(call, 0.0, Side.CALLER, frame, 0.0, 0) for call in (CALL, other, CALL, other)]
    runs = [one for one in in_runs([*found, Ended(CALL, 0.0, Side.CALLER, False)]) if isinstance(one, Run)]
    assert [(run.call is CALL, len(run.at_s)) for run in runs] == [(True, 2), (False, 2)]
