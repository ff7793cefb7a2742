"""A source that says again what was said: frames of a capture at their times, steps of a script as they come about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from audiosocket_cli.asterisk import GAP_MS, PTIME_MS, frame_bytes
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.prompts import Account, Prompt, Speech
from audiosocket_cli.call.schedule import Schedule
from audiosocket_cli.call.sources import Source, silence_frame
from audiosocket_cli.call.speech import is_speech
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, Kind, is_audio, rate_of

_PTIME_S: Final = PTIME_MS / 1000
_GAP_S: Final = GAP_MS / 1000

FAST_FRAMES: Final = 32
FAST_STEP_S: Final = 0.001
"""`fast` sends so many frames, then lets the answer be heard: 640 times as fast as they play, or as the peer reads."""

SILENT_S: Final = 0.5
"""As long without speech is silence, for who expects it."""


class Timing(StrEnum):
    """When frames of a capture are sent."""

    RECORDED = "recorded"  # when they were, jitter, pauses and all
    MEDIA = "media"  # as they play, pauses left out
    FAST = "fast"  # as soon as the peer takes them


class Cue(NamedTuple):
    """A frame with its time in seconds since the call's start; None: when what is before it has been said."""

    at_s: float | None
    frame: Frame


class Say(NamedTuple):
    """A sound with the time of its first frame; None: when what is before it has been said."""

    at_s: float | None
    prompt: Prompt
    kind: int

    @property
    def frames(self) -> int:
        """How many frames it will be; 0 where that is not known."""
        return math.ceil(round((self.prompt.duration_s or 0.0) / _PTIME_S, 6))


class Expectation(NamedTuple):
    """What the other side has to do before a script goes on: `audio`, `silence` or `hangup`, within so many seconds."""

    what: str
    within_s: float
    line: int


class Hangup(NamedTuple):
    """The script ends the call."""


Action = Cue | Say | Expectation | Hangup


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How actions are played."""

    timing: Timing = Timing.RECORDED
    speed: float = 1.0
    stay_s: float = 0.0
    """How long to wait, with silence, for the other side to hang up once all is said; infinite: as long as it takes."""
    fill: bool = False
    """Say silence where nothing is to be said, and frames that belong together at their own pace: for Asterisk."""


class ReplaySource(Source):
    """Plays actions once. `failures` says what was expected in vain."""

    ending = "all played"
    listens = True

    def __init__(self, actions: Sequence[Action], options: ReplayOptions, *, end_s: float | None = None) -> None:
        """Play actions; `end_s` is when the call ended that they are of, where the end is to come then."""
        self.failures: list[str] = []
        self.total = sum(
            isinstance(action, Cue) or action.frames for action in actions if isinstance(action, Cue | Say)
        )
        """Frames that there are, as far as that is known."""
        self.said = 0
        """Frames handed out."""
        self.is_patient = options.timing is Timing.FAST or options.speed > 1
        self._actions = actions
        self._next = 0
        self._options = options
        self._end_s = 0.0 if end_s is None else end_s / options.speed
        self._schedule = Schedule()
        self._kind: int = next(filter(is_audio, map(_kind_of, actions)), Kind.SLIN)
        self._account = Account()
        self._speech: Speech | None = None
        self._said_before = 0
        self._media_s = 0.0
        """Where the audio said so far ends."""
        self._due_s = 0.0
        self._in_step = 0
        self._filling = False
        self._waiting_since_s: float | None = None
        self._heard_speech_s = -math.inf
        self._stayed_since_s: float | None = None
        self._plan()

    def make_pacer(self) -> Pacer:
        return self._schedule

    @property
    def finished(self) -> bool:
        """Whether all has been handed out and nothing is expected any more."""
        return self._next >= len(self._actions)

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        while not self.finished:
            action = self._actions[self._next]
            if isinstance(action, Hangup):
                self.ending = "the script hangs up"
                return None
            if isinstance(action, Cue | Say):
                if self._options.fill and self._cue_due_s(action) > self._due_s + _PTIME_S / 2:
                    return self._silence()
                if isinstance(action, Cue):
                    self._next += 1
                    return self._hand_out(action.frame)
                frame = self._say(action)
                if frame is None:
                    continue
                return frame
            if self._is_met(action):
                self._next += 1
                self._waiting_since_s = None
                continue
            return self._silence()
        return self._stay()

    def answer(self, data: bytes) -> bytes | None:
        if is_speech(data):
            self._heard_speech_s = self._due_s
        return None

    def close(self) -> Sequence[str]:
        if self._speech is not None:
            self._account.settle(self._speech)
        return self._account.texts()

    def give_up(self, *, hung_up: bool) -> None:
        """The call is over: what is waited for did not come, unless it is the hangup; the rest was not reached."""
        action = None if self.finished else self._actions[self._next]
        cut = isinstance(action, Say) and not action.frames
        if isinstance(action, Expectation) and self._waiting_since_s is not None:
            if not (action.what == "hangup" and hung_up):
                self.failures.append(_unmet(action))
            self._next += 1
        lines = [action.line for action in self._actions[self._next :] if isinstance(action, Expectation)]
        self._next = len(self._actions)
        if lines:
            what = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
            self.failures.append(f"the call was over before {what} could be expected")
        elif cut or self.said < self.total:
            self.failures.append(f"the call was over before all was played ({self.said} of {self.total} frames)")

    def _say(self, action: Say) -> Frame | None:
        """Return the next 20 ms of a sound; None when it is over."""
        if self._speech is None:
            self._speech, self._said_before = action.prompt.begin(action.kind), self.said
        size = frame_bytes(action.kind)
        data = self._speech.take(size)
        if data is None:
            self._account.missed += self._speech.position > 0
            return self._silence()
        if self._speech.is_over:
            self._end_of_sound(self._speech, action, bool(data))
        return self._hand_out(Frame(action.kind, data.ljust(size, b"\0"))) if data else None

    def _end_of_sound(self, speech: Speech, action: Say, has_data: bool) -> None:
        self._account.settle(speech)
        if speech.error is not None:
            self.failures.append(speech.error)
        self.total += self.said - self._said_before + has_data - action.frames
        self._speech = None
        self._next += 1

    def _hand_out(self, frame: Frame) -> Frame:
        self.said += 1
        self._filling = False
        duration_s = 0.0
        if is_audio(frame.kind):
            self._kind = frame.kind
            duration_s = len(frame.payload) // SAMPLE_BYTES / rate_of(frame.kind) / self._options.speed
        self._media_s = self._due_s + duration_s
        self._plan()
        return frame

    def _silence(self) -> Frame:
        """Say 20 ms of silence, and look again."""
        self._filling = True
        self._media_s = self._due_s + _PTIME_S
        self._due_s = self._media_s
        self._schedule.hand_out(self._due_s)
        return silence_frame(self._kind)

    def _plan(self) -> None:
        """Settle when the next action is due."""
        at_s = self._media_s
        if not self.finished:
            action = self._actions[self._next]
            if isinstance(action, Cue | Say):
                at_s = self._cue_due_s(action)
                if self._options.fill:
                    at_s = min(at_s, self._media_s)
        elif not self._options.fill and self._options.timing is not Timing.FAST:
            at_s = max(self._media_s, self._end_s)
        self._schedule.hand_out(at_s)
        self._due_s = at_s

    def _cue_due_s(self, cue: Cue | Say) -> float:
        options = self._options
        if options.timing is Timing.FAST:
            self._in_step += 1
            return self._due_s + (FAST_STEP_S if self._in_step % FAST_FRAMES == 0 else 0.0)
        if cue.at_s is None or options.timing is Timing.MEDIA or self._speech is not None:
            return self._media_s
        at_s = cue.at_s / options.speed
        if options.fill and not self._filling and abs(at_s - self._media_s) <= _GAP_S:
            return self._media_s
        return max(self._due_s, at_s)

    def _is_met(self, action: Expectation) -> bool:
        """Whether what is expected has come, or is expected no longer."""
        if self._waiting_since_s is None:
            self._waiting_since_s = self._due_s
            if action.what == "audio":
                self._heard_speech_s = -math.inf
        waited_s = self._due_s - self._waiting_since_s
        heard_s = self._heard_speech_s
        if action.what == "audio" and heard_s >= self._waiting_since_s:
            return True
        if action.what == "silence" and self._due_s - max(heard_s, self._waiting_since_s) >= SILENT_S:
            return True
        if waited_s >= action.within_s:
            self.failures.append(_unmet(action))
            return True
        return False

    def _stay(self) -> Frame | None:
        """Wait with silence for the other side to hang up."""
        if self._stayed_since_s is None:
            self._stayed_since_s = self._due_s
        over = self._due_s - self._stayed_since_s >= self._options.stay_s - 1e-9
        if over:
            return None
        return self._silence()


def _kind_of(action: Action) -> int:
    """Return the kind that an action says, if it says one."""
    return action.frame.kind if isinstance(action, Cue) else action.kind if isinstance(action, Say) else Kind.HANGUP


def _unmet(action: Expectation) -> str:
    within = f" within {action.within_s * 1000:g} ms" if math.isfinite(action.within_s) else ""
    return f"line {action.line}: expected {action.what}{within}, which did not come"
