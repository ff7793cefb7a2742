"""The list of a server's calls: what goes on, what ended lately, and what it takes from those who tell of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from audiosocket_cli.server.call_list import ENDED_S, MAX_ENDED, CallList, Key
from support.fakes import FakeClock


def began(number: int, uuid: str = "", call_sid: str | None = None) -> dict[str, Any]:
    facts = {"uuid": uuid or f"uuid {number}", "peer": "peer", "started_at": "then", "call_sid": call_sid}
    return {"call": number, "began": facts}


def ended(number: int, result: str | None = None, duration_s: float = 2.5) -> dict[str, Any]:
    facts = {"duration_s": duration_s, "result": result, "ended_by": "server", "ended_how": "hangup"}
    return {"call": number, "ended": {**facts, "ended_reason": "the program hung up"}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def calls(clock: FakeClock) -> CallList:
    return CallList(clock)


def shown(calls: CallList, uuid: str) -> dict[str, Any]:
    call = calls.find(uuid)
    assert call is not None
    return call.as_dict(calls.clock())


def test_a_call_is_live_then_ending_then_ended_and_keeps_its_result(calls: CallList, clock: FakeClock) -> None:
    calls.take(0, began(1))
    clock.now_s += 1.5
    assert shown(calls, "uuid 1") == {
        "uuid": "uuid 1", "state": "live", "peer": "peer", "started_at": "then", "duration_s": 1.5, "result": None,
    }  # fmt: skip
    calls.take(0, {"call": 1, "result": "sales"})
    assert (shown(calls, "uuid 1")["state"], shown(calls, "uuid 1")["result"]) == ("live", "sales")
    calls.take(0, {"call": 1, "ending": True})
    assert shown(calls, "uuid 1")["state"] == "ending"
    calls.take(0, ended(1, "sales"))
    clock.now_s += 100
    assert shown(calls, "uuid 1") == {
        "uuid": "uuid 1", "state": "ended", "peer": "peer", "started_at": "then", "duration_s": 2.5, "result": "sales",
        "ended_by": "server", "ended_how": "hangup", "ended_reason": "the program hung up",
    }  # fmt: skip


def test_of_several_with_one_name_the_newest_is_found_and_an_older_one_ends_alone(calls: CallList) -> None:
    calls.take(0, began(1, "same", "CA1"))
    calls.take(0, began(2, "same", "CA1"))
    calls.take(0, ended(1, "old"))
    found = calls.find("same")
    assert found is not None
    assert (found.key, found.has_ended, calls.find("CA1")) == ((0, 2), False, found)
    assert calls.live(10) == (1, [found])


def test_of_several_with_one_name_one_that_goes_on_can_be_asked_for_first(calls: CallList) -> None:
    for number in (1, 2):
        calls.take(0, began(number, "same"))
    calls.take(0, ended(2, "new"))
    found, going_on = calls.find("same"), calls.find_live("same")
    assert (found and found.key, going_on and going_on.key) == ((0, 2), (0, 1))
    calls.take(0, ended(1))
    assert calls.find_live("same") == found
    assert calls.find_live("other") is None


def test_a_call_is_looked_at_again_by_itself_and_not_by_its_name(calls: CallList) -> None:
    calls.take(0, began(1, "same"))
    first = calls.find("same")
    assert first is not None
    calls.take(0, began(2, "same"))
    calls.take(0, {"call": 1, "result": "sales"})
    assert calls.look(first).result == "sales"
    forgotten = first._replace(key=(9, 9))
    assert calls.look(forgotten) is forgotten


def test_calls_of_several_processes_have_numbers_of_their_own_and_go_with_their_process(calls: CallList) -> None:
    for process in (7, 8):
        calls.take(process, began(1, f"of {process}"))
        calls.take(process, {"call": 1, "result": f"result {process}"})
    calls.lose(7)
    assert calls.live(10)[0] == 1
    lost = shown(calls, "of 7")
    assert (lost["state"], lost["result"], lost["ended_reason"]) == ("ended", "result 7", "its process died")
    assert shown(calls, "of 8")["state"] == "live"
    calls.lose(7)
    calls.take(8, ended(1))
    assert calls.live(10) == (0, [])


def test_so_many_ended_calls_are_known_for_so_long_and_live_ones_for_ever(calls: CallList, clock: FakeClock) -> None:
    calls.take(0, began(0, "goes on"))
    for number in range(1, MAX_ENDED + 3):
        calls.take(0, began(number))
        calls.take(0, ended(number))
    assert [calls.find(f"uuid {number}") is None for number in (1, 2, 3)] == [True, True, False]
    clock.now_s += ENDED_S - 1
    calls.take(0, began(5000))
    calls.take(0, ended(5000))
    assert calls.find("uuid 4") is not None
    clock.now_s += 2
    assert calls.find("uuid 4") is None
    assert calls.find(f"uuid {MAX_ENDED + 2}") is None
    assert calls.find("uuid 5000") is not None
    assert calls.find("goes on") is not None
    assert len(calls._calls) == len(calls._by_name) == 2
    calls.take(0, {"call": 3, "result": "late"})  # of one that has been forgotten
    calls.take(0, ended(3))
    assert calls.find("uuid 3") is None


def test_of_many_live_calls_the_oldest_are_shown_and_all_counted(calls: CallList) -> None:
    for number in range(20):
        calls.take(0, began(number))
    count, listed = calls.live(3)
    assert (count, [call.uuid for call in listed]) == (20, ["uuid 0", "uuid 1", "uuid 2"])


@pytest.mark.parametrize(
    "news",
    [
        {}, {"call": 1}, {"call": "1", "result": "x"}, {"call": 1, "result": 5}, {"call": 1, "began": {}},
        {"call": 1, "began": {"uuid": 5, "peer": "", "started_at": "", "call_sid": None}}, {"call": 1, "ended": {}},
        {"call": 1, "ended": {"duration_s": -1}}, {"call": 1, "ended": {"duration_s": float("inf")}},
        {"call": 1, "ended": {"duration_s": float("nan")}}, {"call": 1, "ended": {"duration_s": 1, "result": 5}},
        {"call": 1, "ending": False},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_process_tells_is_refused_and_changes_nothing(calls: CallList, news: dict[str, Any]) -> None:
    calls.take(0, began(1))
    before = calls.find("uuid 1")
    with pytest.raises(ValueError, match="call"):
        calls.take(0, news)
    assert calls.find("uuid 1") == before


def test_an_order_is_passed_to_the_loop_that_is_attached_and_to_none_after_its_end(calls: CallList) -> None:
    calls.take(3, began(1))
    call = calls.find("uuid 1")
    assert call is not None
    assert not calls.end(call, None, by_bot=False)
    ordered: list[tuple[Key, str | None, bool, int]] = []

    async def main() -> None:
        calls.attach(lambda key, result, by_bot: ordered.append((key, result, by_bot, threading.get_ident())))
        assert await asyncio.to_thread(lambda: calls.end(call, "sales", by_bot=True))
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert ordered == [((3, 1), "sales", True, threading.get_ident())]
    assert not calls.end(call, None, by_bot=False)


def test_digits_and_findings_are_known_and_watchers_are_told_of_all_in_order(calls: CallList) -> None:
    told: list[tuple[str, str, Any]] = []
    calls.take(3, began(1, "a"))

    def tell(name: str, call: Any, news: Any) -> None:
        told.append((name, call.id, news))

    calls.watch(tell)
    calls.take(3, began(2, "b"))
    calls.take(3, {"call": 2, "digit": "4", "at_s": 1.5})
    calls.take(3, {"call": 2, "digit": "2", "at_s": 2})
    calls.take(3, {"call": 2, "finding": "odd [odd]"})
    calls.take(3, {"call": 9, "digit": "9", "at_s": 2})
    calls.take(3, ended(2))
    calls.unwatch(tell)
    calls.take(3, ended(1))
    assert told == [
        ("begun", "3-2", None), ("digit", "3-2", {"digit": "4", "at_s": 1.5}),
        ("digit", "3-2", {"digit": "2", "at_s": 2}),
        ("finding", "3-2", "odd [odd]"), ("ended", "3-2", None),
    ]  # fmt: skip
    call = calls.find_id("3-2")
    assert call is not None
    assert (call.digits, call.findings) == ("42", ("odd [odd]",))
    for odd in ("3-9", "3", "-", "3-x", "3-²", "3-" + "1" * 50):
        assert calls.find_id(odd) is None


def test_what_a_call_may_tell_is_bounded(calls: CallList) -> None:
    calls.take(0, began(1))
    for number in range(12_000):
        calls.take(0, {"call": 1, "digit": "1", "at_s": 1.0})
        calls.take(0, {"call": 1, "finding": str(number)})
    call = calls.find("uuid 1")
    assert call is not None
    assert (len(call.digits), len(call.findings)) == (10_000, 32)
