"""A recording beside what its caller said."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass

import numpy as np

from outbox_faults.calls import SAMPLES, Samples


@dataclass(frozen=True)
class Sound:
    """A recording of a caller: what is in it of his sound, without silence."""

    said: Samples

    @classmethod
    def of(cls, wav: bytes) -> Sound:
        """Read a WAV of one channel. Raises `ValueError` for what is none, or less than its header says."""
        try:
            with wave.open(io.BytesIO(wav)) as file:
                channels, rate_hz, count = file.getnchannels(), file.getframerate(), file.getnframes()
                samples = np.frombuffer(file.readframes(count), "<i2")
        except (EOFError, wave.Error) as error:
            raise ValueError(f"it is not a WAV: {error}") from None
        if (channels, rate_hz) != (1, 8000):
            raise ValueError(f"it has {channels} channels at {rate_hz} Hz")
        if len(samples) != count:
            raise ValueError(f"it has {len(samples)} of the {count} samples that its header says")
        return cls(samples[samples != 0])

    @property
    def frames(self) -> float:
        return len(self.said) / SAMPLES

    def is_begin_of(self, said: Samples) -> bool:
        """Whether it is the begin of what was said, sample for sample, or all of it."""
        return len(self.said) <= len(said) and np.array_equal(self.said, said[: len(self.said)])
