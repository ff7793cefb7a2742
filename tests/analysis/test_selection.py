"""What is selected of a capture, and that what is left out misleads nobody."""

from __future__ import annotations

import pytest

from audiosocket_cli.analysis.selection import EVERYTHING, Selection
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Ended, Item, NoCall, Opened, Remark
from audiosocket_cli.capture.runs import Run, frames_of, in_runs
from audiosocket_cli.codec import RATE_BY_KIND, Frame, Kind, digit_frame
from audiosocket_cli.model import Side
from support.captured import QUIET, UUID_1, a_call, a_normal_call, reviewed, sent, speech, steady, whole


def test_everything_is_selected_where_nothing_is_said() -> None:
    items = a_normal_call()
    assert list(Selection().items(items)) == items
    assert EVERYTHING.is_all
    assert not EVERYTHING.is_part_of_calls


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [("11111111", True), ("1", True), ("11111111-2222-4333-8444-555555555555", True), ("1111-", False), ("2", False),
     ("11111111-2222-4333-8444-555555555555#2", False)],
)  # fmt: skip
def test_a_call_is_known_by_the_first_digits_of_its_uuid(wanted: str, taken: bool) -> None:
    assert Selection(wanted).takes_call(a_call()) is taken


def test_a_uuid_may_be_written_in_capitals_and_means_each_call_that_has_it() -> None:
    uuid = "abcdef01-2222-4333-8444-555555555555"
    again = CapturedCall(f"{uuid}#2", UUID_1)
    assert Selection(uuid.upper()).takes_call(again)
    assert Selection(f"{uuid}#2").takes_call(again)


def test_a_call_without_a_uuid_is_known_by_its_whole_name() -> None:
    assert Selection("1").takes_call(CapturedCall("1"))
    assert not Selection("1").takes_call(CapturedCall("12"))
    assert Selection("script").takes_call(CapturedCall("script"))


CALL = a_call()
SAMPLES: list[Item] = [
    Captured(CALL, 1.0, Side.CALLER, digit_frame("5"), 1.0, 0),
    Captured(CALL, 2.0, Side.SERVER, QUIET, 2.0, 0),
    Ended(CALL, 3.0, Side.SERVER, False),
    Remark(CALL, 2.5, "x"),
]


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), [0, 1, 2, 3]),
        (Selection(side=Side.CALLER), [0, 3]),
        (Selection(side=Side.SERVER), [1, 2, 3]),
        (Selection(kinds=frozenset({Kind.DTMF})), [0]),
        (Selection(kinds=frozenset(RATE_BY_KIND)), [1]),
        (Selection(from_s=2.0), [1, 2, 3]),
        (Selection(to_s=2.0), [0]),
        (Selection(from_s=2.5, to_s=3.0), [3]),
        (Selection("2"), []),
    ],
    ids=str,
)
def test_items_are_selected_by_side_kind_and_time(selection: Selection, taken: list[int]) -> None:
    assert list(selection.items(SAMPLES)) == [SAMPLES[at] for at in taken]
    assert selection.takes(Damage(1, "x"))
    assert selection.takes(Opened(CALL, 0.0)) is (selection.call is None)
    assert selection.takes(NoCall(0, "", "", "x")) is (selection.call is None)


@pytest.mark.parametrize(
    "selection",
    [Selection(), Selection(from_s=0.1, to_s=0.3), Selection(side=Side.CALLER), Selection(kinds=frozenset({3})),
     Selection(from_s=9.0), Selection("2")],
    ids=str,
)  # fmt: skip
def test_runs_are_selected_as_their_frames_are(selection: Selection) -> None:
    items = [item for item in a_normal_call() if isinstance(item, Captured)]
    parts = [selection.part_of(run) for run in in_runs(items) if isinstance(run, Run)]
    frames = [frame for part in parts if part is not None for frame in frames_of(part)]
    assert sorted(map(repr, frames)) == sorted(map(repr, filter(selection.takes, items)))


PARTS = [
    Selection(side=Side.CALLER), Selection(side=Side.SERVER), Selection(kinds=frozenset({Kind.DTMF})),
    Selection(kinds=frozenset(RATE_BY_KIND)), Selection(from_s=20.0), Selection(to_s=10.0),
    Selection(from_s=20.0, to_s=21.0), Selection(side=Side.CALLER, kinds=frozenset({Kind.UUID}), to_s=5.0),
]  # fmt: skip


@pytest.mark.parametrize("selection", PARTS, ids=str)
def test_nothing_is_found_in_a_part_of_a_call_that_is_not_in_the_whole(selection: Selection) -> None:
    call, count = a_call(), 1500
    keys = sent(call, Side.CALLER, [digit_frame(key) for key in "123"], [5.015, 15.015, 25.015])
    caller = sorted([*sent(call, Side.CALLER, speech(30.0), steady(0.02, count)), *keys], key=lambda item: item.at_s)
    items = whole(call, caller, sent(call, Side.SERVER, speech(30.0), steady(0.01, count)))
    assert reviewed(items)[0].findings == []
    assert reviewed(items, selection)[0].findings == []


def test_a_pause_is_found_in_the_part_that_holds_it_and_no_other() -> None:
    call = a_call()
    caller = sent(call, Side.CALLER, speech(20.0), steady(0.02, 1000))
    times_s = steady(0.01, 250) + steady(10.01, 500)
    items = whole(call, caller, sent(call, Side.SERVER, (speech(15.0))[:750], times_s))

    def findings(selection: Selection) -> list[str]:
        return [finding[:34] for finding in reviewed(items, selection)[0].findings]

    assert findings(EVERYTHING) == ["the server sent nothing for 5.0 s:"]
    assert findings(Selection(side=Side.SERVER)) == ["the server sent nothing for 5.0 s:"]
    assert findings(Selection(from_s=7.0)) == ["the server sent nothing for 3.0 s:"]
    assert findings(Selection(from_s=7.0, to_s=9.5)) == ["the server sent nothing for 2.5 s:"]
    assert findings(Selection(side=Side.CALLER)) == []
    assert findings(Selection(to_s=6.0)) == []
    assert findings(Selection(from_s=10.0)) == []


def test_the_share_of_time_is_that_of_the_part() -> None:
    call, _ = reviewed(a_normal_call(4.0), Selection(from_s=1.0, to_s=3.0))
    assert (call.duration_s, call.span_s) == (4.0, 2.0)
    assert call.as_dict()["caller"]["audio_percent"] == pytest.approx(100, abs=1)


def test_a_part_without_frames_is_not_shown() -> None:
    call, rows = reviewed(a_normal_call(), Selection(kinds=frozenset({Kind.ERROR})))
    assert (call.is_shown, call.frames, rows) == (False, 0, [])
    assert reviewed([*whole(a_call(), [], [])])[0].is_shown
    assert Frame(Kind.ERROR) not in [item.frame for item in a_normal_call() if isinstance(item, Captured)]
