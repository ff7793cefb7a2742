"""What we say: silence, a prompt, a tone, an echo. A source only makes frames; the session paces and sends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, Protocol

from audiosocket_cli.asterisk.facts import PTIME_MS, SPARSE_MS, frame_bytes
from audiosocket_cli.call.pacer import PTIME_S, Pacer
from audiosocket_cli.call.sources.prompts import Prompt, Speech
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import HEADER_BYTES, RATE_BY_KIND, SAMPLE_BYTES, Frame, Kind, encode, rate_of

SPARSE_S: Final = SPARSE_MS / 1000
"""Silence this often is enough for Asterisk."""

LEAD_FRAMES: Final = 100 // PTIME_MS
"""A prompt waits this many frames for the caller's first audio, which tells the rate that the call can carry."""


class Outlet(Protocol):
    """Where a source may send a frame as soon as it has one."""

    @property
    def now_s(self) -> float:
        """The time on the clock that the pacer goes by."""

    def send(self, data: bytes, now_s: float) -> bool:
        """Send an audio frame now, at this time; False if it cannot be sent. Who calls this keeps the pace."""

    def replan(self) -> None:
        """The source has changed when its next frame is due."""


class Source(ABC):
    """One call's speech."""

    speaks = True
    """Whether it ever says anything but silence."""
    ending = "end of audio"
    """Why the call ends, for its result, once there is nothing more to say."""

    listens = False
    """Whether `answer` is to hear each frame as soon as it has arrived. Where nobody does, frames are read some times a
    second."""

    echoes = False
    """Whether the answer to each frame is the frame itself."""

    hears_together = False
    """Whether `answer` may get several equal frames in one piece, where several have arrived. It then answers none."""

    says_bytes = False
    """Whether all its frames are audio, and `next_bytes` costs less than `next_frame`."""

    says_at_once = False
    """Whether it also sends frames of its own accord, ahead of those that are due: then it gets an outlet, see
    `begin`."""

    descriptors = 0
    """How many open files it takes at most."""

    is_patient = False
    """Whether it waits for a peer that does not read, although Asterisk would end the call."""

    def make_pacer(self) -> Pacer:
        """Return the pacer of its frames: one every 20 ms."""
        return Pacer(0.0)

    def begin(self, outlet: Outlet) -> None:  # noqa: B027 - few want it
        """The call has begun. To be forgotten in `close`, as the outlet leads back to the source."""

    def close(self) -> Sequence[str]:
        """The call is over: close what is open. Returns what was odd, a line each."""
        return ()

    @abstractmethod
    def next_frame(self, heard_kind: int | None) -> Frame | None:
        """Return the next 20 ms, in the kind that the peer last sent (None before its first); None ends the call.

        A frame that is not audio goes out at once and takes no time: it is asked again.
        """

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        """Return the bytes of such a frame, which is audio; none yet (b""): the schedule waits a little, see
        `Pacer.postpone`."""
        frame = self.next_frame(heard_kind)
        return None if frame is None else encoded(frame)

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        """Hear an audio frame, header and all, that has just arrived, `at_s` seconds into the call.

        Returns one to send back at once, if any.
        """
        return None


@cache
def silence_frame(kind: int) -> Frame:
    """Return 20 ms of silence of an audio kind; always the same object, so that it is known by identity."""
    return Frame(kind, bytes(frame_bytes(kind)))


@cache
def quiet_frame(kind: int) -> Frame:
    """Return 20 ms of a line on which nobody speaks, as a phone sends it: not quite digital silence, which would look
    like a phone that is muted. Always the same object, see `meant`."""
    return Frame(kind, b"\1\0".ljust(frame_bytes(kind), b"\0"))


@cache
def _encoded_silence(kind: int) -> bytes:
    return encode(silence_frame(kind))


def encoded(frame: Frame) -> bytes:
    """Return the frame's bytes, for silence always the same ones."""
    if frame.kind in RATE_BY_KIND and frame is silence_frame(frame.kind):
        return _encoded_silence(frame.kind)
    return encode(frame)


def frame_of(data: bytes | None) -> Frame | None:
    """Return the frame that a source hands out as bytes."""
    return None if data is None else Frame(data[0], data[HEADER_BYTES:])


def meant(frame: Frame, data: bytes) -> bytes:
    """Return a frame that we say, whose bytes are `data`, as it is recorded and measured: a quiet line is silence."""
    if frame.kind in RATE_BY_KIND and frame is quiet_frame(frame.kind):
        return _encoded_silence(frame.kind)
    return data


class Silence(Source):
    """Sends silence: Asterisk would end a call without frames."""

    speaks = False
    _kind: int | None = None
    _period_s = PTIME_S

    def __init__(self, kind: int | None = None, *, sparse: bool = False) -> None:
        """Send one kind, or that which is heard; 20 ms of it every 20 ms, or, where it is sparse, every 500 ms."""
        self._kind = kind
        if sparse:
            self._period_s = SPARSE_S

    def make_pacer(self) -> Pacer:
        return Pacer(0.0, self._period_s)

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return silence_frame(self._kind or heard_kind or Kind.SLIN)


class QuietLine(Silence):
    """Sends a quiet line, as of a caller who listens: what a stand-in for Asterisk sends."""

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return quiet_frame(self._kind or heard_kind or Kind.SLIN)


class Echo(Silence):
    """Sends the caller's audio straight back, frame by frame, at the caller's own pace; silence while it pauses."""

    speaks = True
    listens = True
    echoes = True

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        return data


class PromptSource(Source):
    """Says a prompt `times` times (0: for ever), then `post_roll_ms` of silence; then the call ends.

    Each round keeps the kind it began with: when frames change kind, Asterisk changes translators, and 15 ms go missing
    from what the caller hears (seen with 22.10).
    """

    says_bytes = True

    def __init__(self, prompt: Prompt, *, times: int = 1, post_roll_ms: int | None = None) -> None:
        self.speech_notes = SpeechNotes()
        """What is to be said of it afterwards."""
        self.descriptors = 0 if prompt.is_kept_in_all_kinds else 1
        self._prompt = prompt
        self._rounds_left = times if times else float("inf")
        self._speech: Speech | None = None
        self._frames: Iterator[bytes] = iter(())
        """The rest of a speech that is there as frames."""
        self._next: tuple[int, Speech] | None = None
        self._kind: int = Kind.SLIN
        self._silence = self._header = b""
        """A frame of silence in this kind, and its header."""
        self._size = 0
        """The payload of a frame of this kind, in bytes."""
        self._speak(Kind.SLIN)
        self._waited = 0
        self._post_roll = None if post_roll_ms is None else -(-post_roll_ms // PTIME_MS)

    @property
    def finished(self) -> bool:
        """Whether all has been handed out, all times over."""
        return not self._rounds_left and self._speech is None and not self.speech_notes.has_failed

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return frame_of(self.next_bytes(heard_kind))

    def next_bytes(self, heard_kind: int | None) -> bytes | None:
        return next(self._frames, None) or self._next_of_round(heard_kind)

    def _next_of_round(self, heard_kind: int | None) -> bytes | None:
        if self._speech is None and self._rounds_left:
            self._begin_round(heard_kind)
        if self._speech is None:
            return self._silence if self._rounds_left else self._after()
        data = next(self._frames, None)
        if data:
            return data
        data = self._speech.take(self._size)
        if data:
            if self._next is None and self._speech.is_all_there and self._rounds_left:
                self._next = (self._kind, self._prompt.begin(self._kind))
            return self._header + data.ljust(self._size, b"\0")
        if data is None:
            self.speech_notes.missed += 1
            return self._silence
        self._end_round(self._speech)
        return self._next_of_round(heard_kind)

    def close(self) -> Sequence[str]:
        for speech in (self._speech, self._next and self._next[1]):
            if speech is not None:
                self.speech_notes.add(speech)
        return self.speech_notes.texts()

    def _speak(self, kind: int) -> None:
        self._kind, self._size = kind, frame_bytes(kind)
        self._silence = _encoded_silence(kind)
        self._header = self._silence[:HEADER_BYTES]

    def _begin_round(self, heard_kind: int | None) -> None:
        self._speak(heard_kind or Kind.SLIN)
        if heard_kind is None and self._waited < LEAD_FRAMES:
            self._waited += 1
            return
        self._waited = LEAD_FRAMES
        if self._next is not None and self._next[0] != self._kind:
            self._next[1].close()
            self._next = None
        if self._next is None:
            self._next = (self._kind, self._prompt.begin(self._kind))
        speech = self._next[1]
        if not speech.is_ready:
            return
        if speech.is_over and self._kind != Kind.SLIN and self._prompt.is_kept:
            self._speak(Kind.SLIN)  # its file went away meanwhile
            speech = self._prompt.begin(Kind.SLIN)
        self._rounds_left -= 1
        self._speech, self._next = speech, None
        self._frames = speech.take_frames()

    def _end_round(self, speech: Speech) -> None:
        self.speech_notes.add(speech)
        self._speech = None
        if not speech.position:  # or a file that is gone would be looked for in every frame of an endless loop
            self._rounds_left = 0

    def _after(self) -> bytes | None:
        if self._post_roll is not None:
            if not self._post_roll:
                return None
            self._post_roll -= 1
        return self._silence


class Playback(Source):
    """Frames of one kind, `times` times over, then silence for `wait_s` (None: for ever), then the end of the call.

    For a stand-in for Asterisk: the kind is known, and it waits for nobody.
    """

    def __init__(self, prompt: Prompt, kind: int, *, times: int = 1, wait_s: float | None = 0.0) -> None:
        """Say a prompt, which a pipe must be asked to be once only. Raises `FileError` when it does not begin."""
        self.kind = kind
        self.speech_notes = SpeechNotes()
        """What is to be said of it afterwards."""
        self._prompt = prompt
        self._rounds_left = times - 1
        self._speech = prompt.begin(kind)
        self._next: Speech | None = None
        self._said = 0
        self._rest = b""
        self._planned_s = None if prompt.duration_s is None else prompt.duration_s * times
        self._silent_frames = None if wait_s is None else round(wait_s * 1000 / PTIME_MS)
        # Where silence follows, the last frame is filled up with it; else it stays short, and the audio exact.
        self._pad = self._silent_frames != 0
        self._speech.wait_for_beginning()

    @property
    def finished(self) -> bool:
        """Whether all of the audio has been handed out."""
        return not self._rounds_left and not self._rest and self._speech.is_over and self._speech.error is None

    @property
    def said_s(self) -> float:
        """Seconds of it that have been handed out."""
        return self._said / SAMPLE_BYTES / rate_of(self.kind)

    @property
    def duration_s(self) -> float | None:
        """Seconds of it in all, as far as that is known."""
        return self.said_s if self.finished else self._planned_s

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        size = frame_bytes(self.kind)
        data = self._take(size)
        if data:
            self._said += len(data)
            return Frame(self.kind, data.ljust(size, b"\0") if self._pad else data)
        if data is None:
            self.speech_notes.missed += 1
            return silence_frame(self.kind)
        if self._silent_frames is not None:
            if self._silent_frames <= 0:
                return None
            self._silent_frames -= 1
        return silence_frame(self.kind)

    def close(self) -> Sequence[str]:
        for speech in (self._speech, self._next):
            if speech is not None:
                self.speech_notes.add(speech)
        return self.speech_notes.texts()

    def _take(self, size: int) -> bytes | None:
        """Return the next `size` bytes, which may span the seam between two rounds; None when they are not there."""
        while len(self._rest) < size:
            data = self._speech.take(size - len(self._rest))
            if data is None:
                return None
            self._rest += data
            if self._next is None and self._rounds_left and self._speech.is_all_there:
                self._next = self._prompt.begin(self.kind)
            if self._speech.is_over:
                if self._next is None or self._speech.error is not None:
                    break
                self.speech_notes.add(self._speech)
                self._speech, self._next = self._next, None
                self._rounds_left -= 1
        data, self._rest = self._rest, b""
        return data
