"""Some of the frames that a peer sent, scanned once: how much audio they hold, and which need a closer look.

A session hears what it has read a slice at a time, so that no peer keeps others waiting, whatever it sends.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from audiosocket_cli.chunks import Chunk
from audiosocket_cli.codec import HEADER_BYTES, RATE_BY_KIND, SAMPLE_BYTES, Frame
from audiosocket_cli.mixed_runs import MixedFrames

MAX_STRETCHES: Final = 4
"""The most changes of kind or length in a slice whose frames are passed on separately."""

_SAMPLE_S: Final = [1 / RATE_BY_KIND[kind] if kind in RATE_BY_KIND else 0.0 for kind in range(256)]


class Mark(NamedTuple):
    """A frame that needs a look: its number, the seconds of audio before it, and whether it is audio."""

    number: int
    before_s: float
    is_audio: bool


class Slice(NamedTuple):
    """Whole frames, one after the other."""

    data: bytes
    starts: Sequence[int]
    """Where each begins."""
    audio_s: float
    """Seconds of audio in all of them."""
    last_s: float
    """Seconds of audio in the last."""
    stretches: Sequence[tuple[int, float]]
    """The number of each frame that differs from the one before in kind or length, and the seconds of audio before."""
    marks: Sequence[Mark]
    """The frames that need a look, in order: audio of another kind than before, and all without audio, but for kinds
    that may be passed over."""

    @property
    def last_kind(self) -> int | None:
        """The kind of the last audio."""
        return next((self.data[self.starts[mark.number]] for mark in reversed(self.marks) if mark.is_audio), None)

    def frame(self, number: int) -> Frame:
        """Return one of the frames."""
        start = self.starts[number]
        return Frame(self.data[start], self.data[start + HEADER_BYTES : self._end_of(number)])

    def frames(self) -> list[bytes]:
        """Return the frames of audio, headers included."""
        data, ends = self.data, [*self.starts[1:], len(self.data)]
        return [
            data[start:end]
            for start, end in zip(self.starts, ends, strict=True)
            if _SAMPLE_S[data[start]] and end > start + HEADER_BYTES
        ]

    def up_to(self, number: int) -> Slice:
        """Return the frames up to one of them, and that one."""
        return slice_of(self.data[: self._end_of(number)], self.starts[: number + 1])

    def chunks(self, at_s: float, held_s: float, *, in_turn: bool) -> list[Chunk]:
        """Return them as chunks that passed at a time, or, where they came `in_turn`, each when it had been said."""
        count = len(self.starts)
        if len(self.stretches) > MAX_STRETCHES:
            return [(at_s, held_s, count, MixedFrames(self.data, self.starts))]
        ends = [*self.stretches[1:], (count, self.audio_s)]
        begin_s = at_s - self.audio_s
        return [
            (
                begin_s + end_s if in_turn else at_s,
                held_s,
                end - number,
                self.data[self.starts[number] : self._end_of(end - 1)],
            )
            for (number, _), (end, end_s) in zip(self.stretches, ends, strict=True)
        ]

    def _end_of(self, number: int) -> int:
        return self.starts[number + 1] if number + 1 < len(self.starts) else len(self.data)


def slice_of(data: bytes, starts: Sequence[int], passed_over: Container[object] = ()) -> Slice:
    """Scan frames. Those without audio need no look if their kind is in `passed_over`."""
    audio_s = frame_s = 0.0
    stretches: list[tuple[int, float]] = []
    marks: list[Mark] = []
    header, last_kind, is_other = b"", -1, False
    for number, start in enumerate(starts):
        now = data[start : start + HEADER_BYTES]
        if now != header:
            header, kind, size = now, now[0], now[1] << 8 | now[2]
            stretches.append((number, audio_s))
            is_other = not (size and _SAMPLE_S[kind])
            frame_s = 0.0 if is_other else size // SAMPLE_BYTES * _SAMPLE_S[kind]
            if is_other:
                is_other = kind not in passed_over
            elif kind != last_kind:
                marks.append(Mark(number, audio_s, is_audio=True))
                last_kind = kind
        if is_other:
            marks.append(Mark(number, audio_s, is_audio=False))
        audio_s += frame_s
    return Slice(data, starts, audio_s, frame_s, stretches, marks)


def starts_in(chunk: Chunk) -> Sequence[int]:
    """Return where each frame of a chunk begins."""
    _, _, count, data = chunk
    if isinstance(data, MixedFrames):
        starts: list[int] = data.starts.tolist()
        return starts
    return range(0, len(data), len(data) // count)
