"""What a bot says in one call, whatever kind of bot it is: its queue, its frames, its marks, and its last words.

The owner queues speech, marks and files here as they come, and asks for 20 ms whenever they are due. What it has to
tell the bot afterwards is in `told`: a speaker refers to nobody, so that a call makes no reference cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from audiosocket_cli.asterisk.facts import POST_ROLL_MS, PTIME_MS
from audiosocket_cli.call.bots.speech_queue import SpeechQueue
from audiosocket_cli.call.bots.streams import FRAMES_PER_S, SaidStream, bytes_of_frame
from audiosocket_cli.codec import SAMPLE_BYTES


class Idle(NamedTuple):
    """All that was queued has been played."""


class Marked(NamedTuple):
    """A mark was reached: what was queued before it has been played, or, where it is `dropped`, was flushed."""

    name: str
    dropped: bool = False


class Failed(NamedTuple):
    """Something that it was to say cannot be said."""

    problem: str


Told = Idle | Marked | Failed


class Speaker:
    """The speech of one bot, from the start of the bot to the end of the call."""

    def __init__(self, rate_hz: int, kind: int) -> None:
        """Take speech at `rate_hz`, and say it in the kind that is heard; `kind` before anything is."""
        self.rate_hz = rate_hz
        self.frame_bytes = bytes_of_frame(rate_hz)
        self.queue = SpeechQueue()
        self.told: list[Told] = []
        """What has happened, in order; whoever tells the bot clears it."""
        self.is_ending = False
        """Whether nothing more is to come: the call ends once all is said."""
        self._stream = SaidStream(rate_hz, kind)
        self._post_roll = POST_ROLL_MS // PTIME_MS

    @property
    def said_s(self) -> float:
        """Seconds of speech so far."""
        return self._stream.frames / FRAMES_PER_S

    @property
    def queued_s(self) -> float:
        """Seconds of samples that wait to be said; files are not counted."""
        return len(self.queue) / SAMPLE_BYTES / self.rate_hz

    def end(self) -> None:
        """Nothing more is to come."""
        self.is_ending = True

    def flush(self) -> float:
        """Drop what has not been said yet, and return how many seconds that was. Marks in it are told as dropped."""
        self._tell_passed()
        self.told += [Marked(name, dropped=True) for name in self.queue.take_marks()]
        return self.queue.clear() / SAMPLE_BYTES / self.rate_hz

    def speak_now(self, data: bytes, heard_kind: int) -> bytes:
        """Return 20 ms of samples as a frame's bytes, without queueing them; only while the queue `is_idle`."""
        return self._stream.speak(data, heard_kind)

    def next_bytes(
        self, heard_kind: int, read: Callable[[], bytes | None] | None = None, most_bytes: int = 0
    ) -> bytes | None:
        """Return the next 20 ms as a frame's bytes; None ends the call.

        `read` returns samples that are at hand, and is asked unless so many bytes are queued already.
        """
        queue, size = self.queue, self.frame_bytes
        if queue.passed:  # with the frame before this one, which has been played by now
            self._tell_passed()
        data = queue.take(size) if read is None else queue.read_and_take(read, size, most_bytes)
        if queue.problems:
            self.told += [Failed(problem) for problem in queue.problems]
            queue.problems.clear()
        stream = self._stream
        if data is not None:
            return stream.speak(data, heard_kind)
        had_tail = stream.has_tail
        if self.is_ending and not had_tail and not queue:
            self._post_roll -= 1
            if self._post_roll < 0:
                self._tell_passed()
                return None
        frame = stream.fall_silent(waits=bool(queue))
        if had_tail and not stream.has_tail:
            self.told.append(Idle())
        return frame

    def _tell_passed(self) -> None:
        self.told += [Marked(name) for name in self.queue.passed]
        self.queue.passed.clear()
