"""What a script expects of the other side: speech, silence or a hangup, and whether it came in time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from audiosocket_cli.call.taps.speech import Ear, Stretch

SILENT_S: Final = 0.5
"""Seconds without speech that count as silence for an expectation."""


class Expectation(NamedTuple):
    """What the other side has to do before a script goes on: `audio`, `silence` or `hangup`, and within how many
    seconds."""

    what: str
    within_s: float
    line: int


@dataclass(slots=True)
class Outcome:
    """The outcome of an expectation. Times are in seconds since the call's start."""

    expected: Expectation
    since_s: float
    """When the waiting began."""
    is_met: bool = False
    at_s: float | None = None
    """When it came: speech began, speech had ended, the other side hung up."""
    waited_s: float = 0.0
    """How long it was waited for, in vain or not."""
    sound: Stretch | None = None
    """For audio the speech that came, to its end; for silence what was heard in it; where neither came, what was heard
    in its place."""


class Expecting:
    """Listens for what is expected, one thing after the other. Times are in seconds since the call's start."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        """What was expected in vain, and what else went wrong."""
        self.outcomes: list[Outcome] = []
        """What came of the expectations that were reached."""
        self._waiting: Outcome | None = None
        self._ear = Ear()

    def hear(self, data: bytes, at_s: float) -> None:
        """Hear an audio frame of the other side's, header and all."""
        self._ear.hear(data, at_s)

    def is_over(self, expected: Expectation, now_s: float) -> bool:
        """Wait for it, from the first time on; whether it has come, or is expected no longer."""
        if self._waiting is None:
            self._waiting = Outcome(expected, now_s)
            self.outcomes.append(self._waiting)
        waiting, ear = self._waiting, self._ear
        if expected.what == "audio" and (speech := ear.speech_since(waiting.since_s)) is not None:
            _meet(waiting, speech.start_s, speech)
        elif expected.what == "silence" and ear.silent_s(now_s) >= SILENT_S:
            _meet(waiting, now_s - ear.silent_s(now_s), ear.quiet)
        elif now_s - waiting.since_s >= expected.within_s:
            self._fail(waiting, now_s)
        else:
            return False
        self._waiting = None
        return True

    def end(self, expected: Expectation, now_s: float, *, hung_up: bool) -> bool:
        """The call is over; whether this was waited for, in vain unless it is the hangup."""
        waiting = self._waiting
        if waiting is None:
            return False
        if expected.what == "hangup" and hung_up:
            _meet(waiting, now_s)
        else:
            self._fail(waiting, now_s)
        return True

    def _fail(self, waiting: Outcome, now_s: float) -> None:
        waiting.waited_s = max(0.0, now_s - waiting.since_s)
        speech = self._ear.speech
        spoke = speech is not None and speech.end_s >= waiting.since_s
        if waiting.expected.what != "hangup":
            waiting.sound = speech if spoke else self._ear.quiet
        self.failures.append(_unmet(waiting.expected, "; it was already speaking" if spoke else ""))


def _meet(waiting: Outcome, at_s: float, sound: Stretch | None = None) -> None:
    waiting.is_met, waiting.at_s, waiting.sound = True, at_s, sound
    waiting.waited_s = max(0.0, at_s - waiting.since_s)


def _unmet(action: Expectation, why: str = "") -> str:
    within = f" within {action.within_s * 1000:g} ms" if math.isfinite(action.within_s) else ""
    why = why if action.what == "audio" else ""
    return f"line {action.line}: expected {action.what}{within}, which did not come{why}"
