"""Frames of several kinds and lengths in turn: whatever is done with them is done for all frames of a kind at once.

A peer may change the kind or the length with every frame, and send frames of a single sample. A run for each would cost
every tap as much as a run of a second. So they are kept as the bytes that came, and looked at together. The cost
depends on the number of kinds, and on the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import SPEECH_POWER, Loudness, Samples, loudness_of_uneven
from audiosocket_cli.chunks import Chunk
from audiosocket_cli.codec import HEADER_BYTES, RATE_BY_KIND, SAMPLE_BYTES

Part = tuple[float, float, int, float]
"""Frames that followed on from each other: when all had arrived, how long the first may have waited for us, their
number; and when the first passed."""

Numbers = NDArray[np.int64]

RATES: Final = np.zeros(256)
"""The sample rate of each kind in Hz, 0.0 of what is not audio."""
for _kind, _rate_hz in RATE_BY_KIND.items():
    RATES[_kind] = _rate_hz


class MixedFrames(bytes):
    """Whole frames that are not all alike."""

    starts: NDArray[np.uint32]
    """Where each begins, shape (n,)."""

    def __new__(cls, data: bytes, starts: Sequence[int]) -> MixedFrames:
        """Take frames, headers included, and where each begins."""
        frames = super().__new__(cls, data)
        frames.starts = np.array(starts, np.uint32)
        return frames


class KindCount(NamedTuple):
    """How much of one kind there is."""

    kind: int
    frames: int
    size: int
    """Bytes of payload."""


class KindAudio(NamedTuple):
    """The audio of one kind."""

    kind: int
    samples: Samples
    """All in one row, shape (n,)."""
    loudness: Loudness
    sounds: NDArray[np.intp]
    """The numbers of its frames that have a sample, among all audio frames, shape (n,)."""
    at_s: NDArray[np.float64]
    """When each of them passed, shape (n,)."""
    payload: bytes
    """Payloads of those frames, one after the other, without odd last bytes."""
    sizes: Numbers
    """Bytes of each, shape (n,)."""
    odd_bytes: int
    """Bytes left over in frames of odd length."""


class MixedRun:
    """A run of frames of any kinds and lengths; `TimedRun` is one of equal frames."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        """Take chunks, each of equal frames or of `MixedFrames`."""
        self.chunks = chunks
        """How they came: frames of one chunk came at once."""
        self.data = b"".join([chunk[3] for chunk in chunks])
        """All of the frames, headers included."""
        starts = _starts_of(chunks)
        self.kinds = np.frombuffer(self.data, np.uint8)[starts]
        """The kind of each frame, shape (n,)."""
        self.sizes: Numbers = np.diff(starts, append=len(self.data)) - HEADER_BYTES
        """The bytes of each payload, shape (n,)."""
        self._payload_starts: Numbers = starts + HEADER_BYTES
        self._sounds = np.flatnonzero((RATES[self.kinds] > 0) & (self.sizes > 0))

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def has_audio(self) -> bool:
        """Whether any of it is audio, even less than a sample."""
        return bool(len(self._sounds))

    @property
    def has_samples(self) -> bool:
        """Whether any of it is audio with a sample."""
        return bool((self.sizes[self._sounds] >= SAMPLE_BYTES).any())

    @property
    def kind(self) -> int:
        """The kind of the last audio; where there is none, of the last frame."""
        return int(self.kinds[self._sounds[-1]] if self.has_audio else self.kinds[-1])

    @property
    def best_kind(self) -> int:
        """The kind of the highest rate that has samples."""
        return int(self.kinds[self._sounds][self.sizes[self._sounds] >= SAMPLE_BYTES].max())

    @cached_property
    def at_s(self) -> NDArray[np.float64]:
        """The time of each frame, shape (n,)."""
        return np.array([chunk[0] for chunk in self.chunks]).repeat([chunk[2] for chunk in self.chunks])

    @property
    def counts(self) -> list[KindCount]:
        """What there is of each kind."""
        frames = np.bincount(self.kinds, minlength=256)
        sizes = np.bincount(self.kinds, self.sizes, minlength=256)
        return [KindCount(kind, int(frames[kind]), int(sizes[kind])) for kind in np.flatnonzero(frames).tolist()]

    # The frames of audio, in order.

    @property
    def sound_kinds(self) -> NDArray[np.uint8]:
        """The kind of each audio frame, shape (n,)."""
        return self.kinds[self._sounds]

    @property
    def sound_sizes(self) -> Numbers:
        """The bytes of each audio frame's payload, shape (n,)."""
        return self.sizes[self._sounds]

    @property
    def sound_at_s(self) -> NDArray[np.float64]:
        """The time of each audio frame, shape (n,)."""
        return self.at_s[self._sounds]

    @cached_property
    def sound_s(self) -> NDArray[np.float64]:
        """Seconds of audio in each audio frame, shape (n,)."""
        return self.sound_sizes // SAMPLE_BYTES / RATES[self.sound_kinds]

    @property
    def longest_s(self) -> float:
        """Seconds of audio in the longest frame."""
        return float(self.sound_s.max(initial=0.0))

    @cached_property
    def _ends_s(self) -> NDArray[np.float64]:
        return np.concatenate([[0.0], np.cumsum(self.sound_s)])

    @property
    def is_silence(self) -> bool:
        """Whether it is known, without a look, to be silence; that of frames that keep changing is not."""
        return False

    @property
    def is_echo(self) -> bool:
        """Whether it is known to be the same audio as another run; that of frames that keep changing is not."""
        return False

    def seconds(self, start: int, count: int) -> float:
        """Return the length of `count` audio frames from `start` on, in seconds."""
        return float(self._ends_s[start + count] - self._ends_s[start])

    @cached_property
    def parts(self) -> list[Part]:
        """The chunks of audio, those joined that came at once; they count audio frames alone."""
        ends = np.cumsum([chunk[2] for chunk in self.chunks])
        upto = np.searchsorted(self._sounds, ends).tolist()
        parts: list[Part] = []
        before = 0
        for (at_s, held_s, *_), end in zip(self.chunks, upto, strict=True):
            if end == before:
                continue
            if parts and parts[-1][0] == at_s:
                parts[-1] = (at_s, parts[-1][1], parts[-1][2] + end - before, at_s)
            else:
                parts.append((at_s, held_s, end - before, at_s))
            before = end
        return parts

    @property
    def arrived(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When audio arrived, and how many seconds of it each time, two arrays of shape (n,)."""
        ends = np.cumsum([part[2] for part in self.parts])
        return np.array([part[0] for part in self.parts]), np.diff(self._ends_s[ends], prepend=0.0)

    def excerpt(self, most: int) -> Iterator[tuple[int, bytes]]:
        """Yield the kind and the payload of the first audio frames."""
        for at in self._sounds[:most].tolist():
            start = int(self._payload_starts[at])
            yield int(self.kinds[at]), self.data[start : start + int(self.sizes[at])]

    def bytes_of(self, sounds: NDArray[np.intp], sizes: Numbers) -> NDArray[np.uint8]:
        """Return the first `sizes` bytes of the audio frames numbered `sounds`, one after the other, shape (bytes,)."""
        starts = self._payload_starts[self._sounds[sounds]]
        shifts = starts - (np.cumsum(sizes) - sizes)
        return np.frombuffer(self.data, np.uint8)[np.repeat(shifts, sizes) + np.arange(int(sizes.sum()))]

    def equal(self) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float64]]]:
        """Yield frames that are equal, in order: their kind, payloads of shape (n, bytes), and times of shape (n,)."""
        headers = self.kinds.astype(np.int64) << 16 | self.sizes
        begins = np.flatnonzero(np.diff(headers, prepend=-1)).tolist()
        for begin, end in pairwise([*begins, len(self)]):
            kind, size, start = int(self.kinds[begin]), int(self.sizes[begin]), int(self._payload_starts[begin])
            data = self.data[start - HEADER_BYTES : start - HEADER_BYTES + (end - begin) * (HEADER_BYTES + size)]
            frames = np.frombuffer(data, np.uint8).reshape(-1, HEADER_BYTES + size)
            yield kind, np.ascontiguousarray(frames[:, HEADER_BYTES:]), self.at_s[begin:end]

    # What it sounded like.

    @cached_property
    def audio(self) -> list[KindAudio]:
        """The audio by kind, measured once for all who ask."""
        kinds = np.flatnonzero(np.bincount(self.sound_kinds, minlength=256)).tolist()
        return [self._audio_of(kind) for kind in kinds]

    def _audio_of(self, kind: int) -> KindAudio:
        sounds = np.flatnonzero(self.sound_kinds == kind)
        sizes = self.sound_sizes[sounds]
        odd_bytes = int((sizes % SAMPLE_BYTES).sum())
        whole = sizes >= SAMPLE_BYTES
        sounds, sizes = sounds[whole], sizes[whole] // SAMPLE_BYTES * SAMPLE_BYTES
        payload = self.bytes_of(sounds, sizes)
        samples = payload.view("<i2").astype(np.int16, copy=False)
        loudness = loudness_of_uneven(samples, sizes // SAMPLE_BYTES)
        return KindAudio(kind, samples, loudness, sounds, self.sound_at_s[sounds], payload.tobytes(), sizes, odd_bytes)

    @property
    def is_quiet(self) -> bool:
        """Whether all of its audio is digital silence."""
        return not any(one.loudness.peak for one in self.audio)

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """Whether each audio frame is digital silence, shape (n,)."""
        quiet = np.zeros(len(self._sounds), np.bool_)
        for one in self.audio:
            quiet[one.sounds] = one.loudness.powers == 0 if one.loudness.peak else True
        return quiet

    @property
    def loud_s(self) -> NDArray[np.float64]:
        """When frames loud enough to be speech passed, in order, shape (n,)."""
        loud = [one.at_s[one.loudness.powers > SPEECH_POWER] for one in self.audio if one.loudness.peak]
        return np.sort(np.concatenate(loud)) if loud else np.zeros(0)


def _starts_of(chunks: Sequence[Chunk]) -> Numbers:
    """Return where each frame begins, shape (n,)."""
    pieces: list[NDArray[np.int64]] = []
    singles: list[int] = []
    base = 0
    for _, _, count, data in chunks:
        if count == 1:
            singles.append(base)
        else:
            if singles:
                pieces.append(np.array(singles, np.int64))
                singles = []
            starts = data.starts if isinstance(data, MixedFrames) else np.arange(0, len(data), len(data) // count)
            pieces.append(starts.astype(np.int64) + base)
        base += len(data)
    pieces.append(np.array(singles, np.int64))
    return np.concatenate(pieces)
