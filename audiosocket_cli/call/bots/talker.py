"""Somebody who talks, as one end of a call: a microphone, a loudspeaker, and keys.

The call's clock takes 20 ms from the microphone's buffer for each frame that is due, and what arrives goes into the
loudspeaker's. Neither is ever waited for; what their clocks do is the business of `ElasticBuffer`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audiosocket_cli.audio.elastic import ElasticBuffer
from audiosocket_cli.audio.pcm import SILENCE_DBFS, from_slin, mean_power, power_to_dbfs
from audiosocket_cli.audio.resample import StreamResampler
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.sound_ends import GONE, Microphone, SoundEnd
from audiosocket_cli.call.bots.streams import HeardStream, bytes_of_frame
from audiosocket_cli.call.bots.turn_clock import TurnClock
from audiosocket_cli.call.bots.typed_keys import HANG_UP, Keyboard, Tones
from audiosocket_cli.call.pacer import PTIME_S
from audiosocket_cli.call.sources.basic import LEAD_FRAMES, silence_frame
from audiosocket_cli.codec import HEADER_BYTES, Frame, Kind, digit_frame, rate_of
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call
from audiosocket_cli.text import counted

_FALL_DB: Final = 1.5
"""How far a shown level falls with each frame after a louder one: 75 dB a second."""

_LOOK_FRAMES: Final = 50
"""Frames from one look at whether the cards still run to the next."""

_MAX_PLAY_OUT_S: Final = 0.5
"""How long a loudspeaker may take for what it has yet to play when the call is over."""

MAX_PRESSED: Final = 1000
"""Digits that are listed; more are sent, and not listed."""


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """Who talks, and how."""

    microphone: Microphone
    speaker: SoundEnd
    keyboard: Keyboard | None = None
    kind: int | None = None
    """The kind to speak, and digits go out as frames; None: that of the caller, and digits go out as tones."""
    wait_s: float | None = None
    """How long to stay once the microphone has nothing more to say; None: until the other side hangs up."""


class Talker(Bot):
    """A bot that is somebody with a headset."""

    listens = True
    ending = "hung up"

    def __init__(self, options: TalkOptions) -> None:
        self.options = options
        self.call: Call | None = None
        self.turns = TurnClock()
        self.said_dbfs = self.heard_dbfs = SILENCE_DBFS
        """Levels to be shown: they rise at once, and fall slowly."""
        self.pressed: list[tuple[float, str]] = []
        """Digits that were sent, with their times."""
        self._heard = HeardStream(_into(options.speaker.buffer), options.speaker.rate_hz)
        self._converter: tuple[int, StreamResampler] | None = None
        """For what is said, and its kind."""
        self._digits: deque[str] = deque()
        """Those to be sent as frames."""
        self._tones = Tones()
        self._frames = 0
        self._leave_at: int | None = None
        """After which frame to hang up, once the microphone is over."""
        self._is_leaving = False

    @property
    def age_s(self) -> float:
        """Seconds since the call's start, by the frames that were said."""
        return self._frames * PTIME_S

    @property
    def delays_s(self) -> tuple[float, float]:
        """What our side adds to the way of the sound now: from the microphone to the wire, and from there to the
        loudspeaker; in seconds."""
        ends = (self.options.microphone, self.options.speaker)
        sending_s, playing_s = (end.buffer.level_s + end.latency_s for end in ends)
        return sending_s, playing_s

    # As a source.

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        self._take_keys()
        if self._is_leaving or self._has_waited():
            return None
        if self._digits:
            return digit_frame(self._digits.popleft())
        self._frames += 1
        if not self._frames % _LOOK_FRAMES or self.options.speaker.fault == GONE:
            self._look_at_ends()
        self.heard_dbfs = max(SILENCE_DBFS, self.heard_dbfs - _FALL_DB)
        kind = self.options.kind or heard_kind
        if kind is None and self._frames <= LEAD_FRAMES:  # the caller's first frame tells
            return silence_frame(Kind.SLIN)
        return self._speak(kind or Kind.SLIN)

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        self._heard.take(data)
        self.turns.hear(data, self.age_s)
        self.heard_dbfs = max(self.heard_dbfs, power_to_dbfs(mean_power(from_slin(data[HEADER_BYTES:]))))
        return None

    def _speak(self, kind: int) -> Frame:
        microphone = self.options.microphone
        data = microphone.buffer.take(bytes_of_frame(microphone.rate_hz))
        if self._converter is None or self._converter[0] != kind:
            self._converter = kind, StreamResampler(microphone.rate_hz, rate_of(kind))
        payload = self._tones.over(self._converter[1].feed_slin(data), rate_of(kind))
        power = mean_power(from_slin(payload))
        self.turns.say(power, self.age_s)
        self.said_dbfs = max(power_to_dbfs(power), self.said_dbfs - _FALL_DB, SILENCE_DBFS)
        return Frame(kind, payload)

    def _take_keys(self) -> None:
        for key in self.options.keyboard.take() if self.options.keyboard is not None else "":
            if key == HANG_UP:
                self.ending, self._is_leaving = "hung up by a key", True
            else:
                self.press(key)

    def press(self, digit: str) -> None:
        """Send a digit: as a frame where we called, else as tones."""
        if len(self.pressed) < MAX_PRESSED:
            self.pressed.append((self.age_s, digit))
        if self.options.kind is not None:
            self._digits.append(digit)
        else:
            self._tones.press(digit)

    def _has_waited(self) -> bool:
        """Whether what we had to say is over, and so is the time to wait after it."""
        microphone, wait_s = self.options.microphone, self.options.wait_s
        if wait_s is None or not microphone.is_over:
            return False
        if self._leave_at is None:
            left_s = microphone.buffer.level_s + wait_s
            self._leave_at = self._frames + math.ceil(left_s / PTIME_S)
            self.ending = "end of the input"
        return self._frames >= self._leave_at

    def _look_at_ends(self) -> None:
        assert self.call is not None
        for what, end in (("microphone", self.options.microphone), ("loudspeaker", self.options.speaker)):
            end.look()
            if end.fault == GONE:
                self.ending, self._is_leaving = GONE, True
            elif end.fault is not None:
                self.call.note(tagged("sound-card", f"the {what} is lost: {end.fault}"))

    # As a tap.

    def opened(self, call: Call) -> None:
        self.call = call
        if self.options.keyboard is not None and self.options.kind is None:
            self.options.keyboard.forget()  # typed while nobody had called yet; what we type to a server, we mean
        self.options.microphone.begin(call)
        self.options.speaker.begin(call)

    def digit(self, at_s: float, digit: str) -> None:
        """A key of the other side's: it is in the call's digits."""

    def close(self) -> Sequence[str]:
        self.options.microphone.buffer.close()  # the other side may take a while to see the end of the call
        return ()

    def closed(self, call: Call) -> None:
        self._heard.pass_on()
        self._is_leaving = True

    # After the call.

    async def finish(self) -> None:
        if self.call is None:
            return
        speaker = self.options.speaker
        until_s = time.monotonic() + _MAX_PLAY_OUT_S
        while speaker.latency_s and speaker.fault is None and time.monotonic() < until_s:
            if speaker.buffer.level_s < PTIME_S:
                await asyncio.sleep(speaker.latency_s)
                break
            await asyncio.sleep(PTIME_S)
        self._look_at_ends()
        await asyncio.to_thread(self.options.microphone.close)
        await asyncio.to_thread(speaker.close)
        self._note_what_was_odd(self.call)

    def kill(self) -> None:
        """Nothing of it runs on by itself."""

    def facts(self) -> dict[str, Any]:
        microphone, speaker = self.options.microphone, self.options.speaker
        return {
            "talk": {
                "pressed": [{"at_s": round(at_s, 3), "digit": digit} for at_s, digit in self.pressed],
                **self.turns.facts(),
                "microphone": {"name": microphone.name, **microphone.facts()},
                "loudspeaker": {"name": speaker.name, **speaker.facts()},
            }
        }

    def _note_what_was_odd(self, call: Call) -> None:
        for text in self.options.microphone.remarks():
            call.note(text)
        if self._tones.left:
            text = f"the call ended before {counted(self._tones.left, 'digit')} could be sent"
            call.note(tagged("digits-unsent", text))
        paused_ms = self.options.microphone.buffer.facts()["paused_ms"]
        if paused_ms:
            text = f"the microphone brought nothing for {paused_ms / 1000:.2f} s: silence was sent"
            call.note(tagged("sound-card", text))
        for what, end in (("microphone", self.options.microphone), ("loudspeaker", self.options.speaker)):
            facts = end.buffer.facts()
            if facts["over"] and end.fault != GONE:
                text = f"the {what}'s buffer ran over: {facts['dropped_ms']:g} ms of sound were dropped"
                call.note(tagged("sound-card", text))
            if facts["under"]:
                text = f"the {what}'s buffer ran dry: {facts['padded_ms']:g} ms of silence in place of sound"
                call.note(tagged("sound-card", text))


def _into(buffer: ElasticBuffer) -> Callable[[bytes], int]:
    """Return what puts bytes into a buffer, and says that it took them all."""

    def put(data: bytes) -> int:
        buffer.put(data)
        return len(data)

    return put
