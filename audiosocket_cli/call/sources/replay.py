"""A source that replays: frames of a capture at their times, or steps of a script as they come due."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.actions import Action, Cue, Hangup, Say, kind_of_action
from audiosocket_cli.call.sources.basic import Source, quiet_frame, silence_frame
from audiosocket_cli.call.sources.cue_times import CueTimes, ReplayOptions, Timing
from audiosocket_cli.call.sources.expecting import Expectation, Expecting, Outcome
from audiosocket_cli.call.sources.prompts import Speech
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import Frame, Kind, is_audio


class ReplaySource(Source):
    """Plays actions once. `failures` says what was expected in vain."""

    ending = "all played"
    listens = True

    def __init__(self, actions: Sequence[Action], options: ReplayOptions, *, end_s: float | None = None) -> None:
        """Play actions; `end_s` is when the call ended that they are of, where the end is to come then."""
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
        self._times = CueTimes(options, end_s or 0.0)
        self._expecting = Expecting()
        self._kind: int = next(filter(is_audio, map(kind_of_action, actions)), Kind.SLIN)
        self._speech_notes = SpeechNotes()
        self._speech: Speech | None = None
        self._said_before = 0
        self.is_cut = False
        """Whether the call ended before everything was played, by more than may be."""
        self._stayed_since_s: float | None = None
        self._plan()

    def make_pacer(self) -> Pacer:
        return self._times.schedule

    @property
    def failures(self) -> list[str]:
        """What was expected in vain, and what could not be said."""
        return self._expecting.failures

    @property
    def outcomes(self) -> list[Outcome]:
        """What came of the expectations that were reached."""
        return self._expecting.outcomes

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
                if self._times.has_to_wait(action, goes_on=self._speech is not None):
                    return self._silence()
                if isinstance(action, Cue):
                    self._next += 1
                    return self._hand_out(action.frame)
                frame = self._say(action)
                if frame is None:
                    continue
                return frame
            if self._expecting.is_over(action, self._times.now_s):
                self._next += 1
                continue
            return self._silence()
        return self._stay()

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._expecting.hear(data, at_s)
        return None

    def close(self) -> Sequence[str]:
        if self._speech is not None:
            self._speech_notes.add(self._speech)
        return self._speech_notes.texts()

    def give_up(self, *, hung_up: bool, tolerance_s: float = 0.0) -> None:
        """The call is over: fail the current expectation, unless the hangup meets it, and those that were not reached.

        `tolerance_s` of the end may be left unsaid.
        """
        action = None if self.finished else self._actions[self._next]
        if isinstance(action, Expectation) and self._expecting.end(action, self._times.now_s, hung_up=hung_up):
            self._next += 1
        self.is_cut = self.said < self.total and self._left_s > tolerance_s
        lines = [action.line for action in self._actions[self._next :] if isinstance(action, Expectation)]
        self._next = len(self._actions)
        if lines:
            what = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
            self.failures.append(f"the call ended before it reached {what}")
        elif self.is_cut:
            self.failures.append(f"the call ended before everything was played ({self.said} of {self.total} frames)")

    @property
    def _left_s(self) -> float:
        """How long it would take to say what is left, at its time."""
        left = [action for action in self._actions[self._next :] if isinstance(action, Cue | Say)]
        times_s = [action.at_s / self._options.speed for action in left if action.at_s is not None]
        audio_s = math.fsum(self._length_s(action) for action in left)
        return max([audio_s, *(at_s - self._times.due_s for at_s in times_s)] if self._by_time else [audio_s])

    @property
    def _by_time(self) -> bool:
        return self._options.timing is Timing.RECORDED

    def _length_s(self, action: Cue | Say) -> float:
        if isinstance(action, Cue):
            return self._times.audio_s(action.frame)
        if self._speech is not None and self._actions[self._next] is action:
            return self._speech.left_s / self._options.speed
        return (action.prompt.duration_s or 0.0) / self._options.speed

    def _say(self, action: Say) -> Frame | None:
        """Return the next 20 ms of a sound; None when it is over."""
        if self._speech is None:
            self._speech, self._said_before = action.prompt.begin(action.kind), self.said
        size = frame_bytes(action.kind)
        data = self._speech.take(size)
        if data is None:
            self._speech_notes.missed += self._speech.position > 0
            return self._silence()
        if self._speech.is_over:
            self._end_of_sound(self._speech, action, bool(data))
        return self._hand_out(Frame(action.kind, data.ljust(size, b"\0"))) if data else None

    def _end_of_sound(self, speech: Speech, action: Say, has_data: bool) -> None:
        self._speech_notes.add(speech)
        if speech.error is not None:
            self.failures.append(speech.error)
        self.total += self.said - self._said_before + has_data - action.frames
        self._speech = None
        self._next += 1

    def _hand_out(self, frame: Frame) -> Frame:
        self.said += 1
        if is_audio(frame.kind):
            self._kind = frame.kind
        self._times.say(frame)
        self._plan()
        return frame

    def _silence(self) -> Frame:
        """Say 20 ms of silence, and look again."""
        self._times.fill()
        return silence_frame(self._kind) if self._options.fill else quiet_frame(self._kind)

    def _plan(self) -> None:
        """Settle when the next action is due."""
        action = None if self.finished else self._actions[self._next]
        self._times.plan(action, goes_on=self._speech is not None)

    def _stay(self) -> Frame | None:
        """Wait with silence for the other side to hang up."""
        if self._stayed_since_s is None:
            self._stayed_since_s = self._times.due_s
        over = self._times.due_s - self._stayed_since_s >= self._options.stay_s - 1e-9
        if over:
            return None
        return self._silence()
