"""Calls of a capture under review: shown in turn or at once, judged, told."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.reviewing import CallRow, Heading, Shown, Summary, at_once, in_turn, judged, review
from audiosocket_cli.analysis.selection import EVERYTHING
from audiosocket_cli.capture.items import (
    Damage,
    Item,
    NoCall,
    Opened,
)
from audiosocket_cli.capture.runs import in_runs
from audiosocket_cli.codec import digit_frame
from audiosocket_cli.model import Side
from support.captured import (
    QUIET,
    STARTED_NS,
    UUID_1,
    UUID_2,
    a_call,
    a_normal_call,
    reviewed,
    said,
    sent,
    speech,
    steady,
    told,
    whole,
)


def test_rows_stay_in_the_order_of_time_where_a_side_begins_late() -> None:
    """The server's first frames wait in a run while the caller's digit is there already."""
    call = a_call()
    caller = sent(call, Side.CALLER, [digit_frame("1"), digit_frame("2"), *speech(1.0)], [0.1, 0.4, *steady(0.42, 50)])
    items = whole(call, caller, sent(call, Side.SERVER, speech(1.0), steady(0.05, 50)))
    _, rows = reviewed(items)
    assert [row.at_s for row in rows] == sorted(row.at_s for row in rows)
    assert told(rows)[1] == "0.05 server audio x50 1.00 s -15 dBFS"


def mixed() -> tuple[list[Item], list[list[Item]]]:
    """Two calls at once, the second within the first, and each alone."""
    alone: list[list[Item]] = []
    for uuid, seconds in ((UUID_1, 4.0), (UUID_2, 1.0)):
        alone.append(a_normal_call(seconds, uuid))
    at_s = {0: 0.0, 1: 1.0}
    keyed = [
        [(at_s[number] + getattr(item, "at_s", 99.0 if number == 0 else 1.5), item) for item in items]
        for number, items in enumerate(alone)
    ]
    return [item for _, item in heapq.merge(*keyed, key=lambda pair: pair[0])], alone


def by_call(shown: Sequence[Shown]) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for one in shown:
        assert not isinstance(one, NoCall | Damage)
        text = told([one.row])[0] if isinstance(one, CallRow) else type(one).__name__
        lines.setdefault(one.call.call.name, []).append(text)
    return lines


def test_calls_at_once_are_told_one_after_the_other_each_as_if_it_were_alone() -> None:
    items, alone = mixed()
    shown = list(in_turn(review(in_runs(items))))
    names = [one.call.call.name for one in shown if isinstance(one, Heading | CallRow | Summary)]
    assert names == sorted(names)
    lines = by_call(shown)
    for uuid, only in zip((UUID_1, UUID_2), alone, strict=True):
        assert lines[str(uuid)] == ["Heading", *told(reviewed(only)[1]), "Summary"]


def test_a_live_view_shows_rows_as_they_are_complete() -> None:
    items, alone = mixed()
    seen: list[tuple[float, str]] = []
    now_s = 0.0

    def passing() -> list[Item]:
        return items

    for shown in at_once(review(in_runs(passing()), live=True)):
        if isinstance(shown, CallRow):
            seen.append((now_s, f"{shown.call.call.name[:1]} {said(shown.row)}"))
    names = [text[0] for _, text in seen]
    assert names != sorted(names)
    assert sorted(names) == sorted("1" * len(reviewed(alone[0])[1]) + "2" * len(reviewed(alone[1])[1]))


def test_a_live_view_does_not_hold_a_digit_back() -> None:
    call = a_call()
    live = CallReview(call, live=True)
    live.take(Opened(call, 0.0))
    items = sent(call, Side.SERVER, speech(1.0), steady(0.01, 50))
    digit = sent(call, Side.CALLER, [digit_frame("7")], [1.0])
    for run in in_runs([*items, *digit]):
        live.take(run)
    assert [row.what for row in live.ready] == ["digit"]


def test_a_live_view_completes_a_row_after_some_seconds() -> None:
    call = a_call()
    live = CallReview(call, live=True)
    for run in in_runs(sent(call, Side.SERVER, [QUIET] * 1000, steady(0.02, 1000))):
        live.take(run)
    assert len(live.ready) == 3
    assert all(row.audio_s <= 5.5 for row in live.ready)


def test_judging_hands_on_all_items_in_order_and_tells_of_each_call() -> None:
    items, _ = mixed()
    noted: list[CallReview] = []
    assert list(judged(items, EVERYTHING, noted.append)) == items
    assert [call.call.name for call in noted] == [str(UUID_2), str(UUID_1)]


def test_what_is_no_call_and_damage_come_as_they_are() -> None:
    others: list[Item] = [NoCall(STARTED_NS, "a:1", "b:2", "it was refused"), Damage(5, "broken")]
    assert list(in_turn(review(in_runs(others)))) == others
    assert list(at_once(review(in_runs(others), live=True))) == others
