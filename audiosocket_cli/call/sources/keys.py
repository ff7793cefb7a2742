"""Pressing keys: a source that says digits at their times, as frames, as tones in the audio, or as both."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.dtmf import Key, digit_tone
from audiosocket_cli.audio.pcm import Samples, from_slin, mix, to_slin
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.taps.speech import PAUSE_S, Ear, Stretch
from audiosocket_cli.codec import Frame, digit_frame, is_audio, rate_of

TONE_S: Final = 0.1
"""Seconds of a tone: as long as Asterisk's own digits (`AST_DEFAULT_EMULATE_DTMF_DURATION`,
include/asterisk/channel.h)."""

ENOUGH_S: Final = 0.04
"""A tone this long is a digit (ITU-T Q.24): a peer that hangs up then may have heard it."""

MUTE_S: Final = 0.5
"""Our own choice: a server that sent frames without a pause, and then none for this many seconds, has stopped."""

_PTIME_S: Final = PTIME_MS / 1000
_ROUNDING_S: Final = 1e-9
"""Seconds: the rounding error of sums of frame times."""


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """When which keys are pressed, and what is expected of the other side. Times in seconds."""

    keys: Sequence[Key]
    gap_s: float
    """From one digit's start to the next one's, pauses not counted."""
    frames: bool = True
    """Say digits as frames of kind 03."""
    tones: bool = False
    """Say digits as tones in the audio."""
    after_s: float = 1.0
    """Seconds from the call's start, or from the other side's last word, to the first digit."""
    after_silence: bool = False
    """Wait for the other side to speak and fall silent, which takes `PAUSE_S` at least."""
    patience_s: float = 30.0
    """How long to wait for that."""
    wait_s: float = 1.0
    """How long to stay after the last digit and the pauses after it."""
    expect_audio_s: float | None = None
    """Seconds after the last digit within which the other side has to speak; None: not expected."""
    stay: bool = True
    """Stay as long as `wait_s` says, even when the audio that was expected has come."""


class KeySource(Source):
    """Presses keys over what another source says, then waits for what is expected.

    Its clock is the audio that it has said: a digit is at its place in the sound, however late that goes out.
    """

    listens = True

    def __init__(self, under: Source, options: KeyOptions) -> None:
        self.pressed: list[tuple[float, str]] = []
        """The digits begun so far, with the time of their start."""
        self.heard_after_s: float | None = None
        """How long after the last digit's end the other side began to speak, if it did; to 20 ms."""
        self.heard: Stretch | None = None
        """What it said then."""
        self.spoke_already = False
        """Whether it was speaking when the last digit ended, which is not an answer; what follows a pause may be."""
        self.gave_up = False
        """Whether the silence to press in never came."""
        self._under = under
        self._options = options
        self._frames = 0
        self._due: deque[tuple[float, str]] | None = None
        self._frames_due: deque[tuple[float, str]] = deque()
        self._length_s = TONE_S if options.tones else 0.0
        self._done_s = math.inf
        self._ear = Ear()
        self._asking = False
        self._first_heard_s: float | None = None
        self._worst_pause_s = 0.0
        """The longest time without a frame of the other side's, from its first one to our first digit."""

    @property
    def begun(self) -> bool:
        """Whether it has said anything, and so became part of a call."""
        return self._frames > 0

    @property
    def said(self) -> int:
        """How many digits have been said: their frames sent, or enough of their tones."""
        if self._options.frames:
            return len(self.pressed) - len(self._frames_due)
        return sum(self._reached(at_s + ENOUGH_S) for at_s, _ in self.pressed)

    @property
    def finished(self) -> bool:
        """Whether all digits have been said."""
        return self.said == len(self._options.keys)

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once nothing is left to do."""
        if self.gave_up:
            what = "speak" if self._ear.speech is None else "fall silent"
            return f"the other side did not {what} within {self._options.patience_s:g} s"
        return "all digits pressed"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return self.gave_up or (self.finished and self._reached(self._leave_s))

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if self._due is None:
            self._plan()
        # A tone begins within 20 ms of audio, a frame goes between two of them.
        ahead_s = _PTIME_S - 2 * _ROUNDING_S if self._options.tones else 0.0
        while self._due and self._reached(self._due[0][0] - ahead_s):
            self._press(*self._due.popleft())
        if self._frames_due and self._reached(self._frames_due[0][0]):
            return digit_frame(self._frames_due.popleft()[1])
        if self.is_over:
            return None
        frame = self._under.next_frame(heard_kind)
        if frame is not None and is_audio(frame.kind):
            frame = self._with_tone(frame)
            self._frames += 1
        return frame

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        if not self.pressed:
            self._note_pause()
        if not self._asking and self.finished and self._reached(self._done_s):
            self._asking = True
            self.spoke_already = self._ear.is_speaking(self._now_s)
        self._ear.hear(data, self._now_s)
        answer = self._ear.speech_since(self._done_s - _ROUNDING_S) if self._asking else None
        if answer is not None and self.heard is None:
            self.heard, self.heard_after_s = answer, max(0.0, answer.start_s - self._done_s)
        return self._under.answer(data, at_s)

    @property
    def since_digit_s(self) -> float:
        """How long ago the last digit that was pressed ended; once the call is over, how long before its end."""
        return max(0.0, self._now_s - self.pressed[-1][0] - self._length_s) if self.pressed else 0.0

    @property
    def mute_s(self) -> float | None:
        """Return for how many seconds nothing has come since a digit, though frames came without a pause before.

        None if that is not so, or not known.
        """
        first_s, last_s = self._first_heard_s, self._ear.last_s
        if first_s is None or last_s is None or not self.pressed:
            return None
        begun_s, ended_s = self.pressed[0][0], self.pressed[-1][0] + self._length_s
        flowed = begun_s - first_s >= MUTE_S and self._worst_pause_s < MUTE_S
        went_on = last_s < begun_s - MUTE_S or last_s > ended_s + MUTE_S
        silent_s = self._now_s - max(last_s, begun_s)
        return silent_s if flowed and not went_on and silent_s >= MUTE_S else None

    def _note_pause(self) -> None:
        if self._first_heard_s is None:
            self._first_heard_s = self._now_s
        elif self._ear.last_s is not None:
            self._worst_pause_s = max(self._worst_pause_s, self._now_s - self._ear.last_s)

    def close(self) -> Sequence[str]:
        return self._under.close()

    @property
    def _now_s(self) -> float:
        return self._frames * _PTIME_S

    def _reached(self, at_s: float) -> bool:
        return self._now_s >= at_s - _ROUNDING_S

    def _plan(self) -> None:
        """Settle the times of all digits, once the first one's is known."""
        start_s = self._start_s()
        if start_s is None:
            return
        self._due = deque()
        at_s = start_s - self._options.gap_s
        for key in self._options.keys:
            at_s += self._options.gap_s + key.pause_s
            self._due.append((at_s, key.digit))
        self._done_s = at_s + self._length_s

    def _start_s(self) -> float | None:
        options, speech = self._options, self._ear.speech
        if not options.after_silence:
            return options.after_s
        silent = speech is not None and self._reached(speech.end_s + PAUSE_S)
        if silent and speech is not None and self._reached(speech.end_s + options.after_s):
            return self._now_s
        self.gave_up = not silent and self._reached(options.patience_s)
        return None

    @property
    def _leave_s(self) -> float:
        """When to hang up, as things are."""
        options = self._options
        leave_s = self._done_s + options.keys[-1].pause_after_s
        if options.stay or options.expect_audio_s is None:
            leave_s += options.wait_s
        if options.expect_audio_s is not None and self.heard_after_s is None:
            leave_s = max(leave_s, self._done_s + options.expect_audio_s)
        return leave_s

    def _press(self, at_s: float, digit: str) -> None:
        self.pressed.append((at_s, digit))
        if self._options.frames:
            # Asterisk sends the frame at the end of a digit (`ast_read` gives AST_FRAME_DTMF_END).
            self._frames_due.append((at_s + self._length_s, digit))

    def _with_tone(self, frame: Frame) -> Frame:
        if not self._options.tones or not self.pressed:
            return frame
        at_s, digit = self.pressed[-1]
        rate_hz = rate_of(frame.kind)
        tone = _tone(digit, rate_hz)
        samples = from_slin(frame.payload)
        begun = round(self._now_s * rate_hz) - round(at_s * rate_hz)
        part = tone[max(0, begun) : max(0, begun + len(samples))]
        if not len(part):
            return frame
        tail = len(samples) - len(part)
        padded: Samples = np.pad(part, (tail, 0) if begun < 0 else (0, tail))
        return Frame(frame.kind, to_slin(mix(samples, padded)))


@lru_cache(maxsize=64)
def _tone(digit: str, rate_hz: int) -> Samples:
    return digit_tone(digit, rate_hz, TONE_S)
