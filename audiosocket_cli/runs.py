"""Runs of frames with their times, which taps get: what is done with many frames is done at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import is_
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import SPEECH_PEAK, SPEECH_POWER, Loudness, Samples, frames_from_slin, loudness_of_slin
from audiosocket_cli.chunks import Chunk, Chunks
from audiosocket_cli.codec import HEADER_BYTES, RATE_BY_KIND, SAMPLE_BYTES, is_audio, peek_header
from audiosocket_cli.mixed_runs import MixedFrames, MixedRun, Part

MAX_RUNS: Final = 8
"""Runs of equal frames that are looked at one by one. Where there are more, all of them are looked at together: each
costs every tap some 0.1 ms, whether it holds a second of audio or a single sample."""

_FOLLOWS_S: Final = 0.005
"""A chunk follows on from the one before when it is at most this early or late; event loops are not more exact."""

_STEADY_S: Final = 0.06
"""Frames are not steady when the last is this much early or late: there was a pause, or a burst."""

_NO_TIMES: Final = np.zeros(0)

Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
"""As `Chunks.columns` has them."""


class EqualRun(ABC):
    """Frames of one kind and length, one after the other, with their times: as they pass in a call, or at rest."""

    __slots__ = ("_loudness", "_twin", "frame_s", "kind", "size")

    def __init__(self, kind: int, size: int) -> None:
        self.kind = kind
        self.size = size
        """The bytes of each payload."""
        self.frame_s = size // SAMPLE_BYTES / RATE_BY_KIND[kind] if kind in RATE_BY_KIND else 0.0
        """Seconds of audio in each frame."""
        self._loudness: Loudness | None = None
        self._twin: EqualRun | None = None
        """A run of the same audio, which passed at other times."""

    @property
    @abstractmethod
    def payloads(self) -> NDArray[np.uint8]:
        """The payloads, shape (n, size)."""

    @property
    @abstractmethod
    def at_s(self) -> NDArray[np.float64]:
        """The time of each frame, shape (n,)."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def arrived(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When audio arrived, and how many seconds of it each time, two arrays of shape (n,)."""

    @property
    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """The audio as it arrived."""

    @property
    def has_audio(self) -> bool:
        """Whether it is audio, even with less than a sample in each frame."""
        return self.size > 0 and is_audio(self.kind)

    @property
    def has_samples(self) -> bool:
        """Whether it is audio with a sample in each frame."""
        return self.size >= SAMPLE_BYTES and is_audio(self.kind)

    @property
    def best_kind(self) -> int:
        """The kind, as `MixedRun` has it of many."""
        return self.kind

    @property
    def longest_s(self) -> float:
        """The same, as `MixedRun` has it of many."""
        return self.frame_s

    def seconds(self, start: int, count: int) -> float:
        """Return the length of `count` frames from `start` on, in seconds."""
        return count * self.frame_s

    def equal(self) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float64]]]:
        """Yield it as `MixedRun` does: kind, payloads and times."""
        yield self.kind, self.payloads, self.at_s

    def excerpt(self, most: int) -> Iterator[tuple[int, bytes]]:
        """Yield the kind and the payload of the first frames that are not one byte over and over."""
        varied = self.payloads[(self.payloads != self.payloads[:, :1]).any(axis=1)]
        return ((self.kind, payload.tobytes()) for payload in islice(varied, most))

    @property
    def is_silence(self) -> bool:
        """Whether it is known, without a look, to be silence as we say it."""
        return False

    @property
    def samples(self) -> Samples:
        """The samples of audio, shape (n, samples); an odd last byte of each frame is left out."""
        return frames_from_slin(self.payloads)

    @property
    def is_echo(self) -> bool:
        """Whether it is known to be the same audio as another run, and loud enough to be speech: idle lines may well be
        the same, such as two of A-law, which are all 8."""
        return self._twin is not None and len(self.loud_s) > 0

    @property
    def loudness(self) -> Loudness:
        """What the audio sounded like, measured once for all who ask."""
        return self._measured(each=True)

    @property
    def overall(self) -> Loudness:
        """The same, perhaps without the power of each frame."""
        return self._measured(each=False)

    def _measured(self, *, each: bool) -> Loudness:
        if self._twin is not None:
            return self._twin._measured(each=each)
        known = self._loudness
        if known is None or (each and known.peak and not len(known.powers)):
            known = self._loudness = loudness_of_slin(self.payloads, each=each)
        return known

    @property
    def powers(self) -> NDArray[np.float64]:
        """The mean square of each frame of audio, shape (n,), in units of full scale squared."""
        return self.loudness.powers if self.loudness.peak else np.zeros(len(self))

    @property
    def loud_s(self) -> NDArray[np.float64]:
        """When frames of audio loud enough to be speech passed, shape (n,)."""
        if self.loudness.peak <= SPEECH_PEAK:
            return _NO_TIMES
        return self.at_s[self.loudness.powers > SPEECH_POWER]

    @property
    def is_quiet(self) -> bool:
        """Whether all payloads are zeros."""
        return not self.payloads.any()

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """Whether each frame is digital silence, shape (n,)."""
        if not self.has_samples or self.loudness.peak:
            return self.loudness.powers == 0 if self.has_samples else np.zeros(len(self), np.bool_)
        return np.ones(len(self), np.bool_)


class TimedRun(EqualRun):
    """Equal frames as they pass in a call, in chunks."""

    __slots__ = ("_columns", "_parts", "_payloads", "chunks", "data")

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """Take chunks that all hold frames with the same header."""
        self.chunks = chunks if isinstance(chunks, Chunks) else Chunks(chunks)
        """How they came: frames of one chunk came at once."""
        self.data = b"".join(self.chunks.pieces)
        """All of the frames, headers included."""
        header = peek_header(self.data)
        assert header is not None
        super().__init__(*header)
        self._columns: Columns | None = None
        self._payloads: NDArray[np.uint8] | None = None
        self._parts: list[Part] | None = None

    def is_like(self, other: TimedRun) -> None:
        """Take what the audio sounds like from a run of the same audio."""
        self._twin = other

    def __len__(self) -> int:
        return len(self.data) // (HEADER_BYTES + self.size)

    def _in_columns(self) -> Columns:
        if self._columns is None:
            self._columns = self.chunks.columns
        return self._columns

    @property
    def arrived(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        at_s, _, frames = self._in_columns()
        return at_s, np.multiply(frames, self.frame_s, dtype=np.float64)

    @property
    def payloads(self) -> NDArray[np.uint8]:
        if self._payloads is None:
            frames = np.frombuffer(self.data, np.uint8).reshape(-1, HEADER_BYTES + self.size)
            self._payloads = np.ascontiguousarray(frames[:, HEADER_BYTES:])
        return self._payloads

    @property
    def parts(self) -> Sequence[Part]:
        """The chunks of audio, those joined that followed on from each other.

        Of frames that follow on from each other, the least delayed tells when they were said: the time of a part is
        that at which its last frame would have come with no more delay than that.
        """
        if self._parts is None:
            part = self._one_part()
            self._parts = self._joined() if part is None else [part]
        return self._parts

    def _one_part(self) -> Part | None:
        """Return the only part, if all chunks followed on from each other, as they nearly always do: `_joined` would
        find the same, and take a Python step for each of them."""
        at_s, held_s, frames = self._in_columns()
        said_s = np.add.accumulate(frames) * self.frame_s
        begun_s = at_s - said_s
        least_s = np.minimum.accumulate(begun_s)
        late_s = begun_s[1:] - least_s[:-1]
        if held_s[1:].any() or not (np.abs(late_s) < _FOLLOWS_S).all():
            return None
        return float(least_s[-1] + said_s[-1]), float(held_s[0]), int(frames.sum()), float(at_s[0])

    def _joined(self) -> list[Part]:
        frame_s = self.frame_s
        parts: list[Part] = []
        at_s, held_s, frames, since_s = 0.0, 0.0, 0, 0.0
        for chunk_s, chunk_held_s, count, _ in self.chunks:
            due_s = at_s + count * frame_s
            if frames and -_FOLLOWS_S < chunk_s - due_s < _FOLLOWS_S and not chunk_held_s:
                at_s = min(due_s, chunk_s)
                frames += count
            else:
                if frames:
                    parts.append((at_s, held_s, frames, since_s))
                at_s, held_s, frames, since_s = chunk_s, chunk_held_s, count, chunk_s
        parts.append((at_s, held_s, frames, since_s))
        return parts

    @property
    def is_steady(self) -> bool:
        """Whether it is single frames that passed as fast as they play, all in all."""
        times_s = self.chunks.at_s
        late_s = times_s[-1] - times_s[0] - (len(times_s) - 1) * self.frame_s
        return len(times_s) == len(self) and -_STEADY_S < late_s < _STEADY_S

    @property
    def is_silence(self) -> bool:
        """Whether it is one and the same frame of silence, as we send it; False for any other, which costs too much to
        tell."""
        pieces = self.chunks.pieces
        is_one = self.has_samples and all(map(is_, pieces, repeat(pieces[0])))
        return is_one and not pieces[0][HEADER_BYTES:].strip(b"\0")

    @property
    def at_s(self) -> NDArray[np.float64]:
        times, _, frames = self._in_columns()
        return times if len(times) == len(self) else times.repeat(frames)


FrameRun = EqualRun | MixedRun
"""What taps get, captures hold, and measures take."""


def in_runs(chunks: Chunks | Sequence[Chunk]) -> list[FrameRun]:
    """Join successive chunks of like frames; if the frames keep changing, join all of them in one `MixedRun`."""
    pieces = chunks.pieces if isinstance(chunks, Chunks) else [chunk[3] for chunk in chunks]
    if pieces and MixedFrames not in set(map(type, pieces)):  # all alike, as nearly always: no Python step for each
        first = pieces[0][:HEADER_BYTES]
        if all(map(bytes.startswith, pieces, repeat(first))):
            return [TimedRun(chunks)]
    runs: list[list[Chunk]] = []
    header, run = b"", None
    for chunk in chunks:
        data = chunk[3]
        if type(data) is MixedFrames:
            return [MixedRun(list(chunks))]
        if run is not None and data.startswith(header):
            run.append(chunk)
        else:
            if len(runs) == MAX_RUNS:
                return [MixedRun(list(chunks))]
            header, run = data[:HEADER_BYTES], [chunk]
            runs.append(run)
    return [TimedRun(run) for run in runs]


def note_echo(heard: Sequence[FrameRun], said: Sequence[FrameRun]) -> None:
    """Let what was said be measured with what was heard, where it is the same audio."""
    for one, other in zip(heard, said, strict=False):
        if isinstance(one, TimedRun) and isinstance(other, TimedRun) and one.data == other.data:
            other.is_like(one)
