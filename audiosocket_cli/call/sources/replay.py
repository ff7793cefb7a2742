"""A source that says again what was said: frames of a capture at their times, steps of a script as they come about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.facts import GAP_MS, PTIME_MS, frame_bytes
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.basic import Source, quiet_frame, silence_frame
from audiosocket_cli.call.sources.prompts import Account, Prompt, Speech
from audiosocket_cli.call.sources.schedule import Schedule
from audiosocket_cli.call.taps.speech import Ear, Stretch
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


@dataclass(slots=True)
class Outcome:
    """What came of an expectation. Times are in seconds since the call's start."""

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
        self.outcomes: list[Outcome] = []
        """What came of the expectations that were reached."""
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
        self.is_cut = False
        """Whether the call was over before all was played, by more than may be."""
        self._waiting: Outcome | None = None
        self._ear = Ear()
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
            if self._is_over(action):
                self._next += 1
                self._waiting = None
                continue
            return self._silence()
        return self._stay()

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._ear.hear(data, at_s)
        return None

    def close(self) -> Sequence[str]:
        if self._speech is not None:
            self._account.settle(self._speech)
        return self._account.texts()

    def give_up(self, *, hung_up: bool, tolerance_s: float = 0.0) -> None:
        """The call is over: what is waited for did not come, unless it is the hangup; the rest was not reached.

        So much of the end may be left unsaid.
        """
        action = None if self.finished else self._actions[self._next]
        if isinstance(action, Expectation) and self._waiting is not None:
            now_s = self._schedule.at_s(self._due_s)
            if action.what == "hangup" and hung_up:
                self._meet(self._waiting, now_s)
            else:
                self._fail(self._waiting, now_s)
            self._next += 1
        self.is_cut = self.said < self.total and self._left_s > tolerance_s
        lines = [action.line for action in self._actions[self._next :] if isinstance(action, Expectation)]
        self._next = len(self._actions)
        if lines:
            what = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
            self.failures.append(f"the call was over before {what} could be expected")
        elif self.is_cut:
            self.failures.append(f"the call was over before all was played ({self.said} of {self.total} frames)")

    @property
    def _left_s(self) -> float:
        """How long it would take to say what is left, at its time."""
        left = [action for action in self._actions[self._next :] if isinstance(action, Cue | Say)]
        times_s = [action.at_s / self._options.speed for action in left if action.at_s is not None]
        audio_s = math.fsum(self._length_s(action) for action in left)
        return max([audio_s, *(at_s - self._due_s for at_s in times_s)] if self._by_time else [audio_s])

    @property
    def _by_time(self) -> bool:
        return self._options.timing is Timing.RECORDED

    def _length_s(self, action: Cue | Say) -> float:
        if isinstance(action, Cue):
            return self._audio_s(action.frame)
        if self._speech is not None and self._actions[self._next] is action:
            return self._speech.left_s / self._options.speed
        return (action.prompt.duration_s or 0.0) / self._options.speed

    def _audio_s(self, frame: Frame) -> float:
        size = len(frame.payload) // SAMPLE_BYTES
        return size / rate_of(frame.kind) / self._options.speed if is_audio(frame.kind) else 0.0

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
        if is_audio(frame.kind):
            self._kind = frame.kind
        self._media_s = self._due_s + self._audio_s(frame)
        self._plan()
        return frame

    def _silence(self) -> Frame:
        """Say 20 ms of silence, and look again."""
        self._filling = True
        self._media_s = self._due_s + _PTIME_S
        self._due_s = self._media_s
        self._schedule.hand_out(self._due_s)
        return silence_frame(self._kind) if self._options.fill else quiet_frame(self._kind)

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

    def _is_over(self, action: Expectation) -> bool:
        """Whether what is expected has come, or is expected no longer."""
        now_s, ear = self._schedule.at_s(self._due_s), self._ear
        if self._waiting is None:
            self._waiting = Outcome(action, now_s)
            self.outcomes.append(self._waiting)
        waiting = self._waiting
        if action.what == "audio" and (speech := ear.speech_since(waiting.since_s)) is not None:
            self._meet(waiting, speech.start_s, speech)
        elif action.what == "silence" and ear.silent_s(now_s) >= SILENT_S:
            self._meet(waiting, now_s - ear.silent_s(now_s), ear.quiet)
        elif now_s - waiting.since_s >= action.within_s:
            self._fail(waiting, now_s)
        else:
            return False
        return True

    def _meet(self, waiting: Outcome, at_s: float, sound: Stretch | None = None) -> None:
        waiting.is_met, waiting.at_s, waiting.sound = True, at_s, sound
        waiting.waited_s = max(0.0, at_s - waiting.since_s)

    def _fail(self, waiting: Outcome, now_s: float) -> None:
        waiting.waited_s = max(0.0, now_s - waiting.since_s)
        speech = self._ear.speech
        spoke = speech is not None and speech.end_s >= waiting.since_s
        if waiting.expected.what != "hangup":
            waiting.sound = speech if spoke else self._ear.quiet
        self.failures.append(_unmet(waiting.expected, "; it was speaking already" if spoke else ""))

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


def _unmet(action: Expectation, why: str = "") -> str:
    within = f" within {action.within_s * 1000:g} ms" if math.isfinite(action.within_s) else ""
    why = why if action.what == "audio" else ""
    return f"line {action.line}: expected {action.what}{within}, which did not come{why}"
