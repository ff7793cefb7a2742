"""Speech detection: when the other side starts and stops speaking, how loud it is, and a tap that reports long
silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from audiosocket_cli.audio.pcm import SPEECH_POWER, from_slin, mean_power, power_to_dbfs
from audiosocket_cli.codec import HEADER_BYTES, rate_of
from audiosocket_cli.model import Call
from audiosocket_cli.runs import FrameRun

PAUSE_S: Final = 0.3
"""A shorter pause is one between words. Our own choice."""

ONSET_PAUSE_S: Final = 0.1
"""Speech that begins after this pause may be an answer: a bot that a key interrupts pauses no longer than its next
prompt takes to start, and words of one sentence are closer (40 to 60 ms in synthetic speech). Our own choice."""


class Stretch:
    """Sound without a pause: from when to when it was heard in the call, in seconds, and how loud it was."""

    __slots__ = ("_energy", "audio_s", "end_s", "start_s")

    def __init__(self, start_s: float) -> None:
        self.start_s = self.end_s = start_s
        self.audio_s = 0.0
        """Seconds of audio in its frames."""
        self._energy = 0.0

    def add(self, at_s: float, audio_s: float, power: float) -> None:
        """Take a frame that arrived at `at_s`."""
        self.end_s = at_s
        self.audio_s += audio_s
        self._energy += power * audio_s

    @property
    def length_s(self) -> float:
        """How long it lasted, short pauses included."""
        return max(self.audio_s, self.end_s - self.start_s)

    @property
    def level_dbfs(self) -> float | None:
        """Its level; None where there was no audio."""
        return power_to_dbfs(self._energy / self.audio_s) if self.audio_s else None


class Ear:
    """Hears the other side frame by frame: when it began to speak, and what was heard since it stopped.

    Whoever waits for speech waits for a new stretch of it: what goes on already is not an answer.
    """

    __slots__ = ("_is_answer", "last_s", "quiet", "speech")

    def __init__(self) -> None:
        self.speech: Stretch | None = None
        """The last stretch of speech; it grows as long as no pause follows."""
        self.quiet = Stretch(0.0)
        """What was heard since then that is not speech."""
        self.last_s: float | None = None
        """When the last frame arrived, speech or not."""
        self._is_answer = False
        """Whether the last stretch was waited for: then pauses between its words do not end it."""

    def hear(self, data: bytes, at_s: float) -> None:
        """Take a frame of audio, header and all."""
        samples = from_slin(data[HEADER_BYTES:])
        power, audio_s = mean_power(samples), len(samples) / rate_of(data[0])
        self.last_s = at_s
        if power <= SPEECH_POWER:
            self.quiet.add(at_s, audio_s, power)
            return
        if self.speech is None or at_s - self.speech.end_s >= (PAUSE_S if self._is_answer else ONSET_PAUSE_S):
            self.speech, self._is_answer = Stretch(at_s), False
        self.speech.add(at_s, audio_s, power)
        self.quiet = Stretch(at_s)

    def speech_since(self, at_s: float) -> Stretch | None:
        """Return speech that began at `at_s` or later; speech that began before does not count, even if it goes on."""
        if self.speech is None or self.speech.start_s < at_s:
            return None
        self._is_answer = True
        return self.speech

    def silent_s(self, now_s: float) -> float:
        """Return for how long there was no speech by now: since the call's start, if there was none at all."""
        return now_s - (0.0 if self.speech is None else self.speech.end_s)

    def is_speaking(self, now_s: float) -> bool:
        """Whether the other side is speaking, or pausing between words."""
        return self.speech is not None and now_s - self.speech.end_s < PAUSE_S


class SilenceWatch:
    """A tap that tells, once, when nothing loud enough to be speech was heard for `limit_s`, from the start on."""

    def __init__(self, limit_s: float, on_silence: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._on_silence = on_silence
        self._last_speech_s = 0.0
        self._told = False

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        for run in heard:
            if run.has_samples:
                self._last_speech_s = max(self._last_speech_s, *run.loud_s[-1:].tolist(), 0.0)
        if now_s - self._last_speech_s >= self._limit_s and not self._told:
            self._told = True
            self._on_silence()

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        pass
