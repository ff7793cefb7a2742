"""One connection of a test call: what we say in it, and what is seen of it.

A call may have two, where Asterisk joins one to the other. They begin to speak together, once both are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from audiosocket_cli.analysis.returned_sound import Passed, probe_sound
from audiosocket_cli.asterisk.facts import PTIME_MS, samples_per_frame
from audiosocket_cli.audio.pcm import to_slin
from audiosocket_cli.call.pacer import PTIME_S
from audiosocket_cli.call.sources.basic import Silence, Source, silence_frame
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, rate_of
from audiosocket_cli.model import Call, Ending
from audiosocket_cli.runs import FrameRun

LEAD_S: Final = 0.2
"""Silence before we speak: Asterisk has both ends ready then, and what it queued before is gone."""

TAIL_S: Final = 0.5
"""Silence after it: a longer way there and back is not measured."""

MAX_FRAMES: Final = 10_000 // PTIME_MS
"""A connection that has nothing to wait for any more lasts no longer than this."""


@dataclass(slots=True)
class Together:
    """Connections that speak once all of them are there."""

    absent: int = 0


@dataclass(slots=True)
class CallLeg:
    """One connection: what is said, and what was seen."""

    kind: int
    """The audio kind that is to be heard, and that we speak in."""
    seed: int | None = None
    """That of the sound that we say; None says silence."""
    stay_s: float | None = None
    """How long we stay where we say nothing; None: until Asterisk ends the call."""
    lead_s: float = LEAD_S
    tail_s: float = TAIL_S
    together: Together = field(default_factory=Together)
    uuid: UUID = field(default_factory=uuid4)
    heard: Passed = field(default_factory=Passed)
    said: Passed = field(default_factory=Passed)
    digits: list[str] = field(default_factory=list)
    opened_s: float | None = None
    """When its UUID came, on the monotonic clock."""
    ending: Ending | None = None
    duration_s: float = 0.0
    held_up_s: float = 0.0
    """How late we were ourselves at most: a busy machine."""

    frames: Sequence[Frame] = ()
    """What is said. Made before the call: to make it takes longer than a frame may be late."""

    def __post_init__(self) -> None:
        self.together.absent += 1
        self.frames = self._make_frames()

    @property
    def is_over(self) -> bool:
        """Whether it was there and has ended."""
        return self.ending is not None

    def _make_frames(self) -> Sequence[Frame]:
        """Return what is to be said, in frames of 20 ms."""
        if self.seed is None:
            return ()
        size = samples_per_frame(self.kind) * SAMPLE_BYTES
        data = to_slin(probe_sound(self.seed, rate_of(self.kind)))
        return [Frame(self.kind, data[start : start + size]) for start in range(0, len(data), size)]


class LegSource(Silence):
    """Says what a leg has to say. Which leg it is, its tap tells it at once after the UUID."""

    ending = "the test call is done"
    speaks = True
    listens = True
    """It does not answer, but so each frame is read when it arrives, and its time is exact."""

    def __init__(self) -> None:
        super().__init__()
        self._leg: CallLeg | None = None
        self._frames: Sequence[Frame] = ()
        self._left = MAX_FRAMES
        self._number = 0

    def speak(self, leg: CallLeg | None) -> None:
        """Speak for a leg; None: a stranger has called, and the call ends."""
        self._leg = leg
        if leg is None:
            self._left = 0
            return
        self._frames = leg.frames
        if leg.stay_s is not None:
            self._left = round(leg.stay_s / PTIME_S)

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        leg = self._leg
        if self._left <= 0:
            return None
        self._left -= 1
        if leg is None:
            return super().next_frame(heard_kind)
        if not self._frames or leg.together.absent:
            return silence_frame(leg.kind)
        number = self._number - round(leg.lead_s / PTIME_S)
        self._number += 1
        if number < 0 or number >= len(self._frames) + round(leg.tail_s / PTIME_S):
            return silence_frame(leg.kind) if number < 0 else None
        return self._frames[number] if number < len(self._frames) else silence_frame(leg.kind)


class LegTap:
    """Sees what passes in a leg."""

    def __init__(self, source: LegSource, leg_of: Callable[[UUID], CallLeg | None]) -> None:
        self._source = source
        self._leg_of = leg_of
        self._leg: CallLeg | None = None
        self._epoch_s = 0.0

    def opened(self, call: Call) -> None:
        leg = self._leg = self._leg_of(call.uuid)
        self._source.speak(leg)
        if leg is not None and leg.opened_s is None:
            leg.opened_s = self._epoch_s = time.monotonic()
            leg.together.absent -= 1

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        if self._leg is None:
            return
        for run in heard:
            self._leg.heard.add(run, self._epoch_s)
        for run in said:
            self._leg.said.add(run, self._epoch_s)

    def digit(self, at_s: float, digit: str) -> None:
        if self._leg is not None and len(self._leg.digits) < _MAX_DIGITS:
            self._leg.digits.append(digit)

    def closed(self, call: Call) -> None:
        if self._leg is not None:
            self._leg.ending, self._leg.duration_s = call.ending, call.duration_s
            self._leg.held_up_s = call.pacer.worst_lateness_s


_MAX_DIGITS: Final = 100


def leg_taps(source: Source, leg_of: Callable[[UUID], CallLeg | None]) -> Sequence[LegTap]:
    """Return the taps of a call whose source is a `LegSource`."""
    assert isinstance(source, LegSource)
    return [LegTap(source, leg_of)]
