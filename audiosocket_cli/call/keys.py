"""Pressing keys: a source that says digits at their times, as frames, as tones in the audio, or as both."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from audiosocket_cli.asterisk import PTIME_MS
from audiosocket_cli.call.sources import Source
from audiosocket_cli.call.speech import is_speech
from audiosocket_cli.codec import Frame, digit_frame, is_audio, rate_of
from audiosocket_cli.media.dtmf import Key, digit_tone
from audiosocket_cli.media.pcm import Samples, from_slin, mix, to_slin

TONE_S: Final = 0.1
"""As long as Asterisk's own digits are (`AST_DEFAULT_EMULATE_DTMF_DURATION`, include/asterisk/channel.h)."""

_PTIME_S: Final = PTIME_MS / 1000


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
    """The first digit comes so long after the call's start, or after the other side fell silent."""
    after_silence: bool = False
    patience_s: float = 30.0
    """How long to wait for the other side to speak, where its silence is waited for."""
    wait_s: float = 1.0
    """How long to stay after the last digit."""
    expect_audio_s: float | None = None
    """The other side has to speak within so long after the last digit."""
    stay: bool = True
    """Stay as long as `wait_s` says, even when the audio that was expected has come."""


class KeySource(Source):
    """Presses keys over what another source says, then waits for what is expected."""

    def __init__(self, under: Source, options: KeyOptions) -> None:
        self.pressed: list[tuple[float, str]] = []
        """The digits said so far, with the time of their start."""
        self.heard_after_s: float | None = None
        """How long after the last digit the other side began to speak, if it did."""
        self.gave_up = False
        """Whether the other side never spoke, and so never fell silent."""
        self._under = under
        self._options = options
        self._frames = 0
        self._due: deque[tuple[float, str]] | None = None
        self._frames_due: deque[tuple[float, str]] = deque()
        self._done_s = float("inf")
        self._last_speech_s: float | None = None

    @property
    def finished(self) -> bool:
        """Whether all keys have been pressed."""
        return self._due is not None and not self._due and self._now_s >= self._done_s

    @property
    def ending(self) -> str:  # type: ignore[override]
        """Why the call ends, once nothing is left to do."""
        if self.gave_up:
            return f"the other side did not speak within {self._options.patience_s:g} s"
        return "all digits pressed"

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if self._due is None:
            self._plan()
        while self._due and self._due[0][0] <= self._now_s + 1e-9:
            self._press(*self._due.popleft())
        if self._frames_due and self._frames_due[0][0] <= self._now_s + 1e-9:
            return digit_frame(self._frames_due.popleft()[1])
        if self.is_over:
            return None
        frame = self._under.next_frame(heard_kind)
        if frame is not None and is_audio(frame.kind):
            frame = self._with_tone(frame)
            self._frames += 1
        return frame

    def answer(self, frame: Frame) -> Frame | None:
        if is_speech(frame):
            self._last_speech_s = self._now_s
            if self.heard_after_s is None and self._now_s >= self._done_s:
                self.heard_after_s = self._now_s - self._done_s
        return self._under.answer(frame)

    @property
    def _now_s(self) -> float:
        return self._frames * _PTIME_S

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
        length_s = TONE_S if self._options.tones else 0.0
        self._done_s = at_s + length_s + self._options.keys[-1].pause_after_s

    def _start_s(self) -> float | None:
        options = self._options
        if not options.after_silence:
            return options.after_s
        if self._last_speech_s is None:
            self.gave_up = self._now_s >= options.patience_s
            return None
        silent_s = self._now_s - self._last_speech_s
        return self._now_s if silent_s >= options.after_s else None

    def _press(self, at_s: float, digit: str) -> None:
        self.pressed.append((at_s, digit))
        if self._options.frames:
            # Asterisk sends the frame at the end of a digit (`ast_read` gives AST_FRAME_DTMF_END).
            self._frames_due.append((at_s + (TONE_S if self._options.tones else 0.0), digit))

    def _with_tone(self, frame: Frame) -> Frame:
        if not self._options.tones or not self.pressed:
            return frame
        at_s, digit = self.pressed[-1]
        rate_hz = rate_of(frame.kind)
        begun = round((self._now_s - at_s) * rate_hz)
        tone = _tone(digit, rate_hz)
        samples = from_slin(frame.payload)
        part = tone[max(0, begun) : max(0, begun + len(samples))]
        if not len(part):
            return frame
        tail = len(samples) - len(part)
        padded: Samples = np.pad(part, (tail, 0) if begun < 0 else (0, tail))
        return Frame(frame.kind, to_slin(mix(samples, padded)))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        if self.gave_up:
            return True
        if not self.finished or self._frames_due:
            return False
        options, waited_s = self._options, self._now_s - self._done_s
        if options.expect_audio_s is not None and self.heard_after_s is None:
            return waited_s >= options.expect_audio_s
        if options.expect_audio_s is not None and not options.stay:
            return True
        return waited_s >= options.wait_s


@lru_cache(maxsize=64)
def _tone(digit: str, rate_hz: int) -> Samples:
    return digit_tone(digit, rate_hz, TONE_S)
