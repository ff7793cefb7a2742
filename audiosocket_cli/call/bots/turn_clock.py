"""How fast the other side answers somebody who talks: from the end of our speech to the beginning of theirs, each time.

`ReplySource` measures the same for what is known to end. Here nobody knows when we have said all: each pause of ours
may be the end of a turn, and is one if the other side begins to speak in it.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from audiosocket_cli.audio.pcm import SPEECH_POWER
from audiosocket_cli.call.taps.speech import PAUSE_S, Ear

MAX_TURNS: Final = 1000
"""The most that are kept, the last ones; others are counted."""


class TurnClock:
    """The turns of one call. Times are in seconds since the call's start."""

    def __init__(self) -> None:
        self.count = 0
        """How many turns there were."""
        self.answered_s: list[float] = []
        """How long the last of them took to be answered, in their order."""
        self._ear = Ear()
        self._said_s: float | None = None
        """When our last loud frame went out that was not answered."""
        self._reply_s: float | None = None
        """When the other side began to speak after it; we may yet go on ourselves."""

    def say(self, power: float, at_s: float) -> None:
        """Take a frame that goes out, by its mean square."""
        self._settle(at_s)
        if power > SPEECH_POWER:
            self._said_s, self._reply_s = at_s, None

    def hear(self, data: bytes, at_s: float) -> None:
        """Take a frame of audio that has arrived, header and all."""
        self._ear.hear(data, at_s)
        if self._said_s is not None and self._reply_s is None:
            speech = self._ear.speech_since(self._said_s)
            self._reply_s = None if speech is None else speech.start_s
        self._settle(at_s)

    def _settle(self, at_s: float) -> None:
        """Take the reply as an answer, once we have paused long enough: an echo is none."""
        if self._said_s is None or self._reply_s is None or at_s - self._said_s < PAUSE_S:
            return
        self.count += 1
        self.answered_s.append(self._reply_s - self._said_s)
        del self.answered_s[:-MAX_TURNS]
        self._said_s = self._reply_s = None

    @property
    def last_s(self) -> float | None:
        """How long the last turn took to be answered."""
        return self.answered_s[-1] if self.answered_s else None

    def facts(self) -> dict[str, Any]:
        """Return what there is to say of all turns as JSON values, units in the keys."""
        return {
            "turns": self.count,
            "answered_median_ms": _ms(median(self.answered_s) if self.answered_s else None),
            "answered_max_ms": _ms(max(self.answered_s, default=None)),
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
