"""What a script expects comes, or is waited for in vain; either is told with its time."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.call.sources.expecting import Expectation, Expecting
from audiosocket_cli.codec import Frame, Kind, encode

LOUD = encode(Frame(Kind.SLIN, (np.sin(np.arange(160) / 3) * 12000).astype("<i2").tobytes()))
QUIET = encode(Frame(Kind.SLIN, bytes(320)))


def heard(*frames: bytes) -> Expecting:
    expecting = Expecting()
    for number, frame in enumerate(frames):
        expecting.hear(frame, 0.02 * number)
    return expecting


def test_speech_that_comes_in_time_is_met_when_it_began() -> None:
    expecting = heard(*[QUIET] * 10)
    audio = Expectation("audio", 1.0, 3)
    assert not expecting.is_over(audio, 0.2)
    for number in range(10, 60):
        expecting.hear(LOUD, 0.02 * number)
    assert expecting.is_over(audio, 1.1)
    (outcome,) = expecting.outcomes
    assert (outcome.is_met, expecting.failures) == (True, [])
    assert outcome.at_s == pytest.approx(0.2, abs=0.05)


def test_what_does_not_come_is_a_failure_with_its_line() -> None:
    expecting = heard(*[QUIET] * 10)
    audio = Expectation("audio", 0.5, 3)
    assert not expecting.is_over(audio, 0.2)
    assert expecting.is_over(audio, 0.75)
    assert expecting.failures == ["line 3: expected audio within 500 ms, which did not come"]
    assert not expecting.outcomes[0].is_met


@pytest.mark.parametrize("hung_up", [True, False])
def test_at_the_end_a_hangup_is_what_was_expected_or_not(hung_up: bool) -> None:
    expecting, hangup = heard(QUIET), Expectation("hangup", 5.0, 1)
    assert not expecting.end(hangup, 1.0, hung_up=hung_up)  # nobody waited for it yet
    assert not expecting.is_over(hangup, 1.0)
    assert expecting.end(hangup, 2.0, hung_up=hung_up)
    assert (expecting.outcomes[0].is_met, bool(expecting.failures)) == (hung_up, not hung_up)
