"""The actions of a capture or script, in order: frames, sounds, expectations and a hangup."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.call.sources.expecting import Expectation
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.codec import Frame, Kind

_PTIME_S: Final = PTIME_MS / 1000


class Cue(NamedTuple):
    """A frame and its time in seconds since the call's start. None: after the action before it."""

    at_s: float | None
    frame: Frame


class Say(NamedTuple):
    """A sound and the time of its first frame, in seconds since the call's start. None: after the action before it."""

    at_s: float | None
    prompt: Prompt
    kind: int

    @property
    def frames(self) -> int:
        """How many frames it will be; 0 where that is not known."""
        return math.ceil(round((self.prompt.duration_s or 0.0) / _PTIME_S, 6))


class Hangup(NamedTuple):
    """The script ends the call."""


Action = Cue | Say | Expectation | Hangup


def kind_of_action(action: Action) -> int:
    """Return the kind that an action says; that of a hangup where it says none."""
    return action.frame.kind if isinstance(action, Cue) else action.kind if isinstance(action, Say) else Kind.HANGUP
