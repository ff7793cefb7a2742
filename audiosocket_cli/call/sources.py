"""What we say: silence, a prompt, a tone, an echo. A source only makes frames; the session paces and sends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

from audiosocket_cli.asterisk import PTIME_MS, SPARSE_MS, frame_bytes
from audiosocket_cli.call.pacer import PTIME_S, Pacer
from audiosocket_cli.codec import RATE_BY_KIND, Frame, Kind, encode, rate_of
from audiosocket_cli.errors import FileError
from audiosocket_cli.media.pcm import Samples, to_slin, tone

SPARSE_S: Final = SPARSE_MS / 1000
"""Silence this often is enough for Asterisk."""

LEAD_FRAMES: Final = 100 // PTIME_MS
"""A prompt waits this many frames for the caller's first audio, which tells the rate that the call can carry."""


class Source(ABC):
    """One call's speech."""

    speaks = True
    """Whether it ever says anything but silence."""
    ending = "end of audio"
    """Why the call ends, once it has nothing more to say."""

    listens = False
    """Whether `answer` is to hear each frame as soon as it has arrived. Where nobody does, frames are read some times a
    second."""

    is_patient = False
    """Whether it waits for a peer that does not read where Asterisk would not."""

    def make_pacer(self) -> Pacer:
        """Return what says when its frames are due: every 20 ms."""
        return Pacer(0.0)

    @abstractmethod
    def next_frame(self, heard_kind: int | None) -> Frame | None:
        """Return the next 20 ms, in the kind that the peer last sent (None before its first); None ends the call.

        A frame that is not audio goes out at once and takes no time: it is asked again.
        """

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
    like a phone that is muted."""
    return Frame(kind, b"\1\0".ljust(frame_bytes(kind), b"\0"))


@cache
def _encoded_silence(kind: int) -> bytes:
    return encode(silence_frame(kind))


def encoded(frame: Frame) -> bytes:
    """Return the frame's bytes, for silence always the same ones."""
    if frame.kind in RATE_BY_KIND and frame is silence_frame(frame.kind):
        return _encoded_silence(frame.kind)
    return encode(frame)


def frames_of(samples: Samples, kind: int, *, pad: bool = True) -> list[Frame]:
    """Cut int16 samples at the kind's rate into frames of 20 ms; the last is padded with silence, or left short."""
    data, size = to_slin(samples), frame_bytes(kind)
    frames = [Frame(kind, data[start : start + size]) for start in range(0, len(data), size)]
    if pad and frames and len(frames[-1].payload) < size:
        frames[-1] = Frame(kind, frames[-1].payload.ljust(size, b"\0"))
    return frames


class Silence(Source):
    """Says nothing, which towards Asterisk means: sends silence."""

    speaks = False
    _kind: int | None = None
    _period_s = PTIME_S

    def __init__(self, kind: int | None = None, *, sparse: bool = False) -> None:
        """Send one kind, or that which is heard; 20 ms of it every 20 ms, or, where it is sparse, every 100 ms."""
        self._kind = kind
        if sparse:
            self._period_s = SPARSE_S

    def make_pacer(self) -> Pacer:
        return Pacer(0.0, self._period_s)

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return silence_frame(self._kind or heard_kind or Kind.SLIN)


class QuietLine(Silence):
    """Says nothing, as a caller does who is there: what a stand-in for Asterisk sends."""

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        return quiet_frame(self._kind or heard_kind or Kind.SLIN)


class Echo(Silence):
    """Sends the caller's audio straight back, frame by frame, at the caller's own pace; silence while it pauses."""

    speaks = True
    listens = True

    def answer(self, data: bytes, at_s: float = 0.0) -> bytes | None:
        return data


class Prompt:
    """Speech that many calls share, cut into frames once for each kind that a call turns out to have.

    `load(rate_hz)` returns int16 samples at a rate; it runs at once for slin, so that a bad file is known before the
    first call, and in a thread of its own for other kinds, so that no call waits for another's conversion.
    """

    def __init__(self, load: Callable[[int], Samples]) -> None:
        self._load = load
        self._slin = frames_of(load(rate_of(Kind.SLIN)), Kind.SLIN)
        self._other: dict[int, Future[list[Frame]]] = {}
        self._converter = ThreadPoolExecutor(1, thread_name_prefix="prompt")

    def frames(self, kind: int) -> Sequence[Frame] | None:
        """Return the frames of a kind, or None while they are being made."""
        if kind == Kind.SLIN:
            return self._slin
        if kind not in self._other:
            self._other[kind] = self._converter.submit(lambda: frames_of(self._load(rate_of(kind)), kind))
        made = self._other[kind]
        if not made.done():
            return None
        try:
            return made.result()
        except FileError:
            return self._slin  # the file went away meanwhile; every Asterisk converts slin

    @classmethod
    def of_tone(cls, frequency_hz: int) -> Prompt:
        """One second of a tone, which loops without a seam."""
        return cls(lambda rate_hz: tone(frequency_hz, rate_hz, 1.0))


class PromptSource(Source):
    """Says a prompt once, `times` times or (0) for ever; then silence, and after `post_roll_ms` of it the call ends.

    Each round keeps the kind it began with: when frames change kind, Asterisk changes translators, and 15 ms go missing
    from what the caller hears (seen with 22.10).
    """

    def __init__(self, prompt: Prompt, *, times: int = 1, post_roll_ms: int | None = None) -> None:
        self._prompt = prompt
        self._rounds_left = times if times else float("inf")
        self._frames: Iterator[Frame] | None = None
        self._kind: int = Kind.SLIN
        self._waited = 0
        self._post_roll = None if post_roll_ms is None else -(-post_roll_ms // PTIME_MS)

    @property
    def finished(self) -> bool:
        """Whether all has been handed out, all times over."""
        return not self._rounds_left and self._frames is None

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if self._frames is None and self._rounds_left:
            self._begin_round(heard_kind)
        if self._frames is not None:
            frame = next(self._frames, None)
            if frame is not None:
                return frame
            self._frames = None
            return self.next_frame(heard_kind)
        return self._after() if not self._rounds_left else silence_frame(self._kind)

    def _begin_round(self, heard_kind: int | None) -> None:
        self._kind = heard_kind or Kind.SLIN
        frames = self._prompt.frames(self._kind)
        if frames is None or (heard_kind is None and self._waited < LEAD_FRAMES):
            self._waited += 1
            return
        self._waited = LEAD_FRAMES
        self._rounds_left -= 1
        self._frames = iter(frames)

    def _after(self) -> Frame | None:
        if self._post_roll is not None:
            if not self._post_roll:
                return None
            self._post_roll -= 1
        return silence_frame(self._kind)


class Playback(Source):
    """Frames of one kind, `times` times over, then silence for `wait_s` (None: for ever), then the end of the call.

    What a stand-in for Asterisk says: it knows its kind, and waits for nobody.
    """

    def __init__(self, samples: Samples, kind: int, *, times: int = 1, wait_s: float | None = 0.0) -> None:
        self.kind = kind
        self.duration_s = len(samples) * times / rate_of(kind)
        self._data = to_slin(samples)
        self._total_bytes = len(self._data) * times
        self._frame_bytes = frame_bytes(kind)
        self.total = -(-self._total_bytes // self._frame_bytes)
        self.position = 0
        self._silent_frames = None if wait_s is None else round(wait_s * 1000 / PTIME_MS)
        # Where silence follows, the last frame is filled up with it; else it stays short, and the audio exact.
        self._pad = self._silent_frames != 0

    @property
    def finished(self) -> bool:
        """Whether all of the audio has been handed out."""
        return self.position >= self.total

    @property
    def said_s(self) -> float:
        """Seconds of it that have been handed out."""
        return self.duration_s * self.position / self.total

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        if not self.finished:
            self.position += 1
            return self._cut(self.position - 1)
        if self._silent_frames is not None:
            if self._silent_frames <= 0:
                return None
            self._silent_frames -= 1
        return silence_frame(self.kind)

    def _cut(self, number: int) -> Frame:
        start = number * self._frame_bytes
        left = min(self._frame_bytes, self._total_bytes - start)
        payload = b""
        while len(payload) < left:  # a frame can span the seam between two rounds
            at = (start + len(payload)) % len(self._data)
            payload += self._data[at : at + left - len(payload)]
        return Frame(self.kind, payload.ljust(self._frame_bytes, b"\0") if self._pad else payload)
