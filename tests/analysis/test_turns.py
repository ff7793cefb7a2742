"""Turns, answers, interruptions, backchannels and dead air, from the stretches of both sides."""

from __future__ import annotations

from typing import Any

import pytest

from audiosocket_cli.analysis.stretches import Stretches
from audiosocket_cli.analysis.turns import MAX_TURNS, Span, Turns, turns_of


def turns(caller: list[Span], server: list[Span], end_s: float | None = None) -> Turns:
    end_s = max([end for _, end in (*caller, *server)], default=0.0) if end_s is None else end_s
    return turns_of(Stretches(caller, [], end_s=end_s), Stretches(server, [], end_s=end_s))


def told(caller: list[Span], server: list[Span]) -> list[tuple[str, str, int | None]]:
    return [(turn["side"], turn["kind"], turn["after_ms"]) for turn in (turns(caller, server).as_dict() or {})["list"]]


def test_an_answer_counts_from_the_end_of_the_callers_speech() -> None:
    assert told([(1, 2)], [(0, 0.6), (2.7, 4)]) == [
        ("server", "turn", None), ("caller", "turn", 400), ("server", "turn", 700),
    ]  # fmt: skip
    assert (turns([(1, 2)], [(0, 0.6), (2.7, 4)]).as_dict() or {})["latency_ms"] == {
        "count": 1, "p50": 700, "p95": 700, "max": 700,
    }  # fmt: skip


def test_a_pause_of_less_than_a_second_does_not_end_a_turn() -> None:
    assert told([(1, 2), (2.9, 4)], [(4.5, 5)]) == [("caller", "turn", None), ("server", "turn", 500)]
    assert told([(1, 2), (3.0, 4)], [(4.5, 5)]) == [
        ("caller", "turn", None), ("caller", "turn", None), ("server", "turn", 500),
    ]  # fmt: skip


def test_an_answer_in_a_pause_ends_a_turn() -> None:
    assert told([(0, 1), (1.9, 3)], [(1.2, 1.6)]) == [
        ("caller", "turn", None), ("server", "turn", 200), ("caller", "turn", 300),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("length_s", "kind"), [(0.3, "backchannel"), (0.48, "backchannel"), (0.5, "interruption"), (2.0, "interruption")]
)
def test_speech_during_speech_is_an_interruption_from_half_a_second_on(length_s: float, kind: str) -> None:
    assert told([(2, 2 + length_s)], [(0, 5)]) == [("server", "turn", None), ("caller", kind, -3000)]


def test_several_stretches_of_one_interruption_are_one() -> None:
    assert told([(2, 2.6), (3.0, 3.6), (4.2, 4.8)], [(0, 8)]) == [
        ("server", "turn", None), ("caller", "interruption", -6000),
    ]  # fmt: skip


def test_who_is_interrupted_and_falls_silent_answers_what_was_said() -> None:
    for caller_ends in (2.2, 2.6, 3.2):  # before, as, and after the server falls silent
        caller = [(1.6, caller_ends)]
        assert told(caller, [(0, 2.6), (3.4, 5)]) == [
            ("server", "turn", None), ("caller", "interruption", -1000),
            ("server", "turn", round((3.4 - caller_ends) * 1000)),
        ]  # fmt: skip


def test_who_is_interrupted_and_goes_on_answers_nothing() -> None:
    assert told([(1, 1.6)], [(0, 4), (4.5, 6)]) == [("server", "turn", None), ("caller", "interruption", -3000)]
    assert told([(1, 1.6)], [(0, 4), (5.5, 6)])[-1] == ("server", "turn", None)


def test_an_answer_in_the_last_fifth_of_a_second_is_early_and_no_interruption() -> None:
    assert told([(0, 2)], [(1.9, 4)]) == [("caller", "turn", None), ("server", "turn", -100)]
    assert (turns([(0, 2)], [(1.9, 4)]).as_dict() or {})["latency_ms"]["max"] == 0
    assert told([(0, 2)], [(1.8, 4)])[-1][1] == "interruption"


def test_a_backchannel_takes_no_turn_and_ends_none() -> None:
    assert told([(1, 1.4)], [(0, 2), (2.5, 4)]) == [("server", "turn", None), ("caller", "backchannel", -1000)]
    assert told([(1.8, 2.2)], [(0, 2.1), (2.15, 4)])[1][1] == "backchannel"


def test_an_mhm_in_a_pause_is_a_turn() -> None:
    assert told([(2.2, 2.5)], [(0, 2), (2.9, 4)]) == [
        ("server", "turn", None), ("caller", "turn", 200), ("server", "turn", 400),
    ]  # fmt: skip


def figures(caller: list[Span], server: list[Span], end_s: float) -> dict[str, Any]:
    return turns(caller, server, end_s).as_dict() or {}


def test_talk_overlap_and_dead_air() -> None:
    found = figures([(4, 5), (6, 8)], [(4.5, 7), (12, 13)], 20.0)
    assert found["talk_s"] == {"caller": 3.0, "server": 3.5}
    assert found["overlap_s"] == 1.5
    assert found["dead_air"] == {"count": 3, "total_s": 15.0, "longest_s": 7.0}
    assert figures([(2.9, 3)], [], 5.9)["dead_air"] == {"count": 0, "total_s": 0.0, "longest_s": 0.0}


def test_without_speech_there_is_no_latency_and_only_dead_air() -> None:
    found = figures([], [], 10.0)
    assert found["latency_ms"] is None
    assert found["list"] == []
    assert found["dead_air"] == {"count": 1, "total_s": 10.0, "longest_s": 10.0}
    assert found["talk_s"] == {"caller": 0, "server": 0}


def test_percentiles_of_answers() -> None:
    caller = [(10.0 * n, 10.0 * n + 2) for n in range(20)]
    server = [(10.0 * n + 2.1 + n / 10, 10.0 * n + 6) for n in range(20)]
    assert (turns(caller, server).as_dict() or {})["latency_ms"] == {"count": 20, "p50": 1000, "p95": 1900, "max": 2000}


def test_an_echo_has_no_turns() -> None:
    speech: list[Span] = [(1, 2.2), (3, 3.7), (5, 8.1), (9, 9.4), (11, 12)]
    for delay_s in (0.0, 0.02, 0.3):
        echo = [(start + delay_s, end + delay_s) for start, end in speech]
        assert turns(speech, echo).as_dict() is None
        assert turns(echo, speech).as_dict() is None
        assert turns(speech, echo[:-1]).as_dict() is None


def test_who_repeats_what_was_said_is_not_an_echo() -> None:
    speech: list[Span] = [(1, 2.2), (4, 4.7), (8, 9)]
    assert turns(speech, [(end + 0.2, end + 0.2 + end - start) for start, end in speech]).as_dict() is not None


def test_many_turns_are_counted_and_the_first_are_listed() -> None:
    caller = [(4.0 * n, 4.0 * n + 1) for n in range(1200)]
    server = [(4.0 * n + 1.5, 4.0 * n + 3 + n % 5 / 10) for n in range(1200)]
    found = turns(caller, server).as_dict() or {}
    assert len(found["list"]) == MAX_TURNS
    assert found["left_out"] == 1400
    assert found["latency_ms"]["count"] == 1200


def test_of_a_side_that_was_cut_nothing_later_counts() -> None:
    caller, server = (
        Stretches([(1, 2), (3, 5)], [], end_s=4.0, is_cut=True),
        Stretches([(2.5, 2.9), (50, 60)], [], end_s=60.0),
    )
    found = turns_of(caller, server).as_dict() or {}
    assert found["talk_s"] == {"caller": 2.0, "server": 0.4}
    assert found["dead_air"]["count"] == 0
    assert found["until_s"] == 4.0
    assert "until_s" not in figures([], [], 4.0)


def test_what_the_line_hands_back_of_the_other_side_is_not_speech() -> None:
    server = Stretches([(1, 5)], [], 9.0, False, [-12.0])
    for caller, kinds in (
        (Stretches([(2, 3), (5.2, 5.6), (7, 8)], [], 9.0, False, [-42.0, -42.0, -42.0]), ["turn", "turn"]),
        (Stretches([(2, 3)], [], 9.0, False, [-32.0]), ["turn", "interruption"]),
    ):
        assert [turn.kind for turn in turns_of(caller, server).turns] == kinds
        assert [turn.kind for turn in turns_of(server, caller).turns] == kinds
