"""A script: said, and held against what the other side does."""

from __future__ import annotations

import math

import pytest

from audiosocket_cli.call.sources.actions import Action, Cue, Hangup
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.expecting import Expectation
from audiosocket_cli.codec import digit_frame
from audiosocket_cli.model import Side
from support.replayed import HELLO, Scripted, audio, play


@pytest.mark.parametrize(
    ("actions", "other", "failures"),
    [
        ([*HELLO, Expectation("audio", 0.8, 2)], Scripted(loud=range(30, 60)), []),
        ([*HELLO, Expectation("audio", 0.3, 2)], Scripted(loud=range(30, 60)),
         ["line 2: expected audio within 300 ms, which did not come"]),
        ([*HELLO, Expectation("audio", 5, 2), Expectation("silence", 2, 3)], Scripted(loud=range(10, 60)), []),
        ([*HELLO, Expectation("silence", 0.3, 3)], Scripted(loud=range(999)),
         ["line 3: expected silence within 300 ms, which did not come"]),
        ([*HELLO, Expectation("hangup", 5, 4)], Scripted(end=100), []),
        ([*HELLO, Expectation("hangup", 1, 4)], Scripted(),
         ["line 4: expected hangup within 1000 ms, which did not come"]),
        ([*HELLO, Expectation("audio", math.inf, 2)], Scripted(end=20),
         ["line 2: expected audio, which did not come"]),
    ],
    ids=["audio", "late audio", "silence", "no silence", "hangup", "no hangup", "hangup instead"],
)  # fmt: skip
def test_a_script_waits_for_what_it_expects(actions: list[Action], other: Source, failures: list[str]) -> None:
    source, _, _ = play(actions, other=other)
    assert source.failures == failures


def test_what_follows_an_expectation_is_said_once_it_is_met() -> None:
    actions = [*HELLO, Expectation("audio", 5, 2), Expectation("silence", 5, 3), Cue(None, digit_frame("7"))]
    _, heard, _ = play(actions, other=Scripted(loud=range(50, 100)))
    assert [digit for _, digit in heard.digits] == ["7"]
    assert heard.digits[0][0] == pytest.approx(2.0 + 0.5, abs=0.06)


def test_a_script_can_hang_up() -> None:
    _, heard, caller = play([*HELLO, Hangup(), Cue(None, audio(9))])
    assert len(heard.heard) == 5
    assert caller.call is not None
    assert caller.call.ending is not None
    assert caller.call.ending.by is Side.CALLER
