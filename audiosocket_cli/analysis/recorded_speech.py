"""One channel of a recording, whatever blocks it comes in: its speech, and how loud speech and noise are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audiosocket_cli.analysis.noise_floor import BLOCK_S, dbfs_of, levels_of
from audiosocket_cli.analysis.stretches import Stretches, StretchFinder, block_powers
from audiosocket_cli.audio.pcm import Samples

_MIN_NOISE: Final = 25
"""So many blocks without speech, half a second, tell the noise of a line. Our own choice."""

_STEP_DB: Final = dbfs_of(1) - dbfs_of(0)
_TAKEN_BLOCKS: Final = 1000


@dataclass(frozen=True, slots=True)
class RecordedSpeech:
    """What is said in a channel."""

    stretches: Stretches
    speech_dbfs: float | None
    """The level of its stretches of speech, over all of them; None without any."""
    noise_dbfs: float | None
    """The median level of the blocks between them, without digital silence; None where there are too few."""


class RecordedSpeechFinder:
    """Takes the samples of a channel, in order."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._finder = StretchFinder()
        self._levels = bytearray()
        """Of all blocks: a day has 4 MB."""
        self._rest = np.zeros(0, np.int16)
        """Samples of a second that is not complete: stretches are found in whole blocks."""

    def take(self, samples: Samples) -> None:
        """Take int16 samples, shape (n,), that follow on."""
        waiting = np.concatenate((self._rest, samples))
        whole = len(waiting) // self._rate_hz * self._rate_hz
        self._take_whole(waiting[:whole])
        self._rest = waiting[whole:]

    def _take_whole(self, samples: Samples) -> None:
        size = round(_TAKEN_BLOCKS * BLOCK_S) * self._rate_hz
        for start in range(0, len(samples), size):
            levels = levels_of(block_powers(samples[start : start + size], self._rate_hz))
            self._finder.take_levels(levels)
            self._levels += levels

    def finish(self) -> RecordedSpeech:
        """No more is coming: return what was found."""
        self._take_whole(self._rest)
        stretches = self._finder.finish()
        levels = np.frombuffer(self._levels, np.uint8)
        is_speech = np.zeros(len(levels), np.bool_)
        for start_s, end_s in stretches.speech:
            is_speech[round(start_s / BLOCK_S) : round(end_s / BLOCK_S)] = True
        spoken, quiet = levels[is_speech], levels[~is_speech & (levels > 0)]
        return RecordedSpeech(
            stretches,
            _mean_dbfs(spoken) if len(spoken) else None,
            _middle_dbfs(float(np.median(quiet))) if len(quiet) >= _MIN_NOISE else None,
        )


def _mean_dbfs(levels: np.typing.NDArray[np.uint8]) -> float:
    """Return the level of blocks together: that of their mean power."""
    counts = np.bincount(levels)
    powers = 10 ** (np.array([_middle_dbfs(level) for level in range(len(counts))]) / 10)
    return float(10 * np.log10((counts * powers).sum() / counts.sum()))


def _middle_dbfs(level: float) -> float:
    """Return the level in the middle of those that one byte stands for."""
    return dbfs_of(0) + (level + 0.5) * _STEP_DB
