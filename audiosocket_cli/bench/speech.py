"""What callers say: bursts that have the rhythm of speech, or sound files, with pauses in which bots answer.

A pool of utterances is made once for a load and shared by all callers; who says which, and how long they pause, differs
from caller to caller and is the same for the same seed. Every 200 ms a frame carries its number (see `marks`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.pcm import SPEECH_POWER, Samples, frame_powers, to_int16, to_slin
from audiosocket_cli.bench.marks import MAX_NUMBERS, marked
from audiosocket_cli.bench.schedule import SteadyPacer
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, rate_of
from audiosocket_cli.disk import is_folder
from audiosocket_cli.errors import FileError

MARK_EVERY_MS: Final = 200
MIN_PAUSE_S: Final = 0.5
"""Quiet for so long is the end of a turn; less is a breath."""

_UTTERANCES: Final = 8
_BURST_S: Final = (1.0, 1.6)
_PAUSE_S: Final = (1.5, 3.0)
_LEVEL: Final = 0.12  # RMS: -18 dBFS
_SYLLABLES_HZ: Final = 4.5
_VOICE_HZ: Final = (95.0, 210.0)


@dataclass(frozen=True, slots=True)
class Utterance:
    """Frames to be said one after another, and the turns in them: (first, last) of their loud frames."""

    frames: Sequence[Frame]
    turns: Sequence[tuple[int, int]]


class Speech:
    """The utterances of a load, and the silence between them, in frames of one kind and length."""

    def __init__(self, pieces: Sequence[Samples], kind: int, frame_ms: int = PTIME_MS) -> None:
        """Cut pieces, int16 at the kind's rate, into frames of `frame_ms`."""
        size = rate_of(kind) * frame_ms // 1000
        self.ptime_s = frame_ms / 1000
        self.remarks: list[str] = []
        """What is odd about the files."""
        self.silence = Frame(kind, bytes(size * SAMPLE_BYTES))
        self.utterances = [_utterance(piece, kind, size, frame_ms) for piece in pieces]
        self.mark_every = max(1, MARK_EVERY_MS // frame_ms)

    @classmethod
    def generated(cls, kind: int, frame_ms: int = PTIME_MS, seed: int = 0) -> Speech:
        """Make speech-like bursts of 1.0 to 1.6 s."""
        generator = np.random.default_rng(seed)
        return cls([_burst(rate_of(kind), generator) for _ in range(_UTTERANCES)], kind, frame_ms)

    @classmethod
    def of_files(cls, paths: Sequence[Path], kind: int, frame_ms: int = PTIME_MS) -> Speech:
        """Load sound files. Raises `FileError`."""
        from audiosocket_cli.audio.files import Sound, joined

        pieces: list[Samples] = []
        remarks: list[str] = []
        for path in paths:
            opened = Sound(path).open()
            pieces.append(joined(opened.blocks(rate_of(kind)), str(path), rate_of(kind)))
            remarks += [f"{path}: {text}" for text in opened.remarks.texts]
        speech = cls(pieces, kind, frame_ms)
        speech.remarks = remarks
        return speech


def sound_files(path: Path) -> list[Path]:
    """Return the file, or the files of a folder, by name. Raises `FileError`."""
    if not is_folder(path):
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        raise FileError(f"cannot read {error.filename}: {(error.strerror or str(error)).lower()}") from None
    if not files:
        raise FileError(f"cannot play {path}: there are no files in that folder")
    return files


def _utterance(samples: Samples, kind: int, size: int, frame_ms: int) -> Utterance:
    count = -(-len(samples) // size)
    padded = np.zeros(count * size, np.int16)
    padded[: len(samples)] = samples
    rows = padded.reshape(count, size)
    frames = [Frame(kind, to_slin(row)) for row in rows]
    return Utterance(frames, _turns(frame_powers(rows) > SPEECH_POWER, frame_ms))


def _turns(loud: NDArray[np.bool_], frame_ms: int) -> list[tuple[int, int]]:
    turns: list[tuple[int, int]] = []
    for at in np.flatnonzero(loud).tolist():
        if turns and (at - turns[-1][1]) * frame_ms < MIN_PAUSE_S * 1000:
            turns[-1] = (turns[-1][0], at)
        else:
            turns.append((at, at))
    return turns


def _burst(rate_hz: int, generator: np.random.Generator) -> Samples:
    """Return harmonics of a gliding voice and some noise, in syllables, as loud as somebody near the telephone."""
    length = round(generator.uniform(*_BURST_S) * rate_hz)
    at_s = np.arange(length) / rate_hz
    pitch_hz = generator.uniform(*_VOICE_HZ) * (1 + 0.12 * np.sin(2 * np.pi * generator.uniform(0.5, 1.5) * at_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    signal = generator.normal(0, 0.25, length)
    for harmonic in range(1, 16):
        signal += np.sin(harmonic * phase + generator.uniform(0, 2 * np.pi)) / harmonic
    syllables_hz = _SYLLABLES_HZ * generator.uniform(0.8, 1.2)
    signal *= 0.3 + 0.7 * np.abs(np.sin(np.pi * syllables_hz * at_s + generator.uniform(0, np.pi)))
    return to_int16(signal * (_LEVEL / np.sqrt(np.mean(np.square(signal)))))[0]


class Talk(Source):
    """One caller's speech, for `duration_s`: an utterance, a pause, another. It begins with a pause, to be greeted."""

    ending = "the call's time was over"

    def __init__(self, speech: Speech, number: int, duration_s: float, epoch_s: float, seed: int = 0) -> None:
        """Speak as caller `number`; its frames keep their place within the 20 ms of a grid that begins at `epoch_s`."""
        self.turns: list[tuple[bool, int]] = []
        """Turns of ours as they come about, to be taken away by who measures: (whether it begins, frame's number)."""
        self.number = number
        self.mark_every = speech.mark_every
        """One frame of so many carries a mark."""
        self.pacer = SteadyPacer(speech.ptime_s, number, epoch_s)
        self._speech = speech
        self._random = random.Random(f"{seed}/{number}")
        self._left = max(1, round(duration_s / speech.ptime_s))
        self._said = 0
        self._utterance: Utterance | None = None
        self._at = 0
        self._quiet = self._pause(0.3, 1.0)
        self._bounds: dict[int, list[bool]] = {}

    def make_pacer(self) -> Pacer:
        return self.pacer

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        number = self._said
        if number >= self._left:
            return None
        self._said += 1
        frame = self._next(number)
        if number % self.mark_every:
            return frame
        return Frame(frame.kind, marked(frame.payload, number % MAX_NUMBERS))

    def _next(self, number: int) -> Frame:
        if self._quiet:
            self._quiet -= 1
            return self._speech.silence
        if self._utterance is None:
            self._utterance = self._random.choice(self._speech.utterances)
            self._at = 0
            self._bounds = {}
            for first, last in self._utterance.turns:
                self._bounds.setdefault(first, []).append(True)
                self._bounds.setdefault(last, []).append(False)
        at = self._at
        if at in self._bounds:
            self.turns += [(begins, number) for begins in self._bounds[at]]
        self._at += 1
        frame = self._utterance.frames[at]
        if self._at == len(self._utterance.frames):
            self._utterance = None
            self._quiet = self._pause(*_PAUSE_S)
        return frame

    def _pause(self, least_s: float, most_s: float) -> int:
        return max(1, round(self._random.uniform(least_s, most_s) / self._speech.ptime_s))
