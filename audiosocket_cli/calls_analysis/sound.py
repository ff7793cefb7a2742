"""A recording read once, and all that is measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosocket_cli.analysis.recorded_speech import RecordedSpeech, RecordedSpeechFinder
from audiosocket_cli.analysis.recording_figures import RecordingFigures, RecordingMeasure
from audiosocket_cli.analysis.sound_picture import SoundFiles
from audiosocket_cli.audio.dtmf import MIN_RATE_HZ, DtmfDetector
from audiosocket_cli.audio.pcm import to_int16, within_scale
from audiosocket_cli.audio.sample_readers import Floats
from audiosocket_cli.model import MAX_DIGITS


@dataclass(frozen=True, slots=True)
class MeasuredSound:
    """What was measured; a value for each channel in the lists."""

    figures: RecordingFigures
    speech: list[RecordedSpeech]
    tones: list[str | None]
    """The digits that are heard as tones; None where a rate is too low for them."""


def measure_sound(paths: Sequence[Path]) -> MeasuredSound:
    """Measure a recording of one file, or of several that continue each other, up to where it is damaged.

    Raises `FileError` where nothing can be read, and `OSError`.
    """
    sound = SoundFiles(paths)
    measure = RecordingMeasure(sound.rate_hz, sound.channels)
    speech = [RecordedSpeechFinder(sound.rate_hz) for _ in range(sound.channels)]
    can_hold_tones = sound.rate_hz >= MIN_RATE_HZ
    tones = [DtmfDetector(sound.rate_hz) for _ in range(sound.channels if can_hold_tones else 0)]
    heard = [""] * sound.channels
    for block in _blocks_of(sound.blocks(), measure.block_size):
        measure.take(block)
        for number, signal in enumerate(block.T):
            samples = to_int16(within_scale(signal))[0]
            speech[number].take(samples)
            if can_hold_tones:
                heard[number] += "".join(each.digit for each in tones[number].feed(samples))
                heard[number] = heard[number][:MAX_DIGITS]
    for number, detector in enumerate(tones):
        heard[number] += "".join(each.digit for each in detector.finish())
    told = [each if can_hold_tones else None for each in heard]
    return MeasuredSound(measure.finish(sound.remarks), [each.finish() for each in speech], told)


def _blocks_of(pieces: Iterable[Floats], size: int) -> Iterator[Floats]:
    """Yield pieces of shape (n, channels), however long, as blocks of `size`; the last one is shorter."""
    waiting: list[Floats] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count < size:
            continue
        joined = np.concatenate(waiting)
        whole = count // size * size
        for start in range(0, whole, size):
            yield joined[start : start + size]
        waiting, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)
