"""The audio of a run as a track takes it: some of its frames at a time, decoded, each kind by itself."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples, decode_law
from audiosocket_cli.codec import SAMPLE_BYTES, Kind, rate_of
from audiosocket_cli.mixed_runs import RATES, MixedRun, Numbers
from audiosocket_cli.runs import EqualRun, FrameRun


class Spoken(Protocol):
    """The audio frames of a run, by their numbers."""

    def seconds(self, start: int, end: int) -> float:
        """Return how long some of the frames are together."""

    def by_kind(self, start: int, end: int) -> list[tuple[int, Samples, Numbers]]:
        """Return each kind in some of the frames, its samples, and how many of them each frame has.

        Numbers of samples have the shape (frames,), 0 where a frame is of another kind.
        """


def spoken_of(run: FrameRun, law: str | None) -> Spoken:
    """Return the audio of a run; what is labelled slin is "µ-law" or "A-law" where `law` says so."""
    return _MixedSpoken(run, law) if isinstance(run, MixedRun) else _EqualSpoken(run, law)


class _EqualSpoken:
    """The audio of equal frames."""

    def __init__(self, run: EqualRun, law: str | None) -> None:
        self.kind = run.kind
        self._law = law if run.kind == Kind.SLIN else None
        size = SAMPLE_BYTES if self._law is None else 1
        samples = run.size // size
        self._payloads = run.payloads[:, : samples * size]
        self._samples = samples
        self._frame_s = samples / rate_of(run.kind)

    def seconds(self, start: int, end: int) -> float:
        return (end - start) * self._frame_s

    def by_kind(self, start: int, end: int) -> list[tuple[int, Samples, Numbers]]:
        payloads = self._payloads[start:end]
        return [(self.kind, _decoded(payloads, self._law), np.full(len(payloads), self._samples))]


class _MixedSpoken:
    """The audio of frames that keep changing."""

    def __init__(self, run: MixedRun, law: str | None) -> None:
        self._run = run
        self._law = law
        self._kinds = run.sound_kinds
        self._sizes = np.where((self._kinds == Kind.SLIN) & (law is not None), 1, SAMPLE_BYTES)
        self._samples = run.sound_sizes // self._sizes
        self._ends_s = np.concatenate([[0.0], np.cumsum(self._samples / RATES[self._kinds])])

    def seconds(self, start: int, end: int) -> float:
        return float(self._ends_s[end] - self._ends_s[start])

    def by_kind(self, start: int, end: int) -> list[tuple[int, Samples, Numbers]]:
        kinds = self._kinds[start:end]
        return [self._of(kind, start, kinds == kind) for kind in np.unique(kinds).tolist()]

    def _of(self, kind: int, start: int, is_kind: NDArray[np.bool_]) -> tuple[int, Samples, Numbers]:
        lengths = np.where(is_kind, self._samples[start : start + len(is_kind)], 0)
        sounds = start + np.flatnonzero(is_kind)
        payload = self._run.bytes_of(sounds, self._samples[sounds] * self._sizes[sounds])
        return kind, _decoded(payload, self._law if kind == Kind.SLIN else None), lengths


def _decoded(payloads: NDArray[np.uint8], law: str | None) -> Samples:
    """Return what bytes of any shape hold, as samples of shape (n,)."""
    if law is not None:
        return decode_law(payloads.tobytes(), law)
    return np.ascontiguousarray(payloads).view("<i2").astype(np.int16, copy=False).reshape(-1)
