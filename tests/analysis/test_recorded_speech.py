"""How loud speech and noise are in a channel."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.recorded_speech import RecordedSpeechFinder
from audiosocket_cli.analysis.stretches import stretches_of
from audiosocket_cli.audio.pcm import Samples
from support.spoken_calls import CALLS, SPEECH_DBFS, lines_of, package_voices


def found_in(samples: Samples, rate_hz: int, piece: int = 1234) -> RecordedSpeechFinder:
    finder = RecordedSpeechFinder(rate_hz)
    for start in range(0, len(samples), piece):
        finder.take(samples[start : start + piece])
    return finder


@pytest.mark.parametrize("number", [0, 1, 2, 3], ids=["silent line", "-60 dBFS", "-40 dBFS", "-35 dBFS"])
def test_speech_and_noise_have_the_levels_that_they_were_made_with(number: int) -> None:
    call = CALLS[number]
    caller, _ = lines_of(call, package_voices(8000))
    speech = found_in(caller, 8000).finish()
    assert speech.stretches == stretches_of(caller, 8000)
    assert speech.speech_dbfs == pytest.approx(SPEECH_DBFS, abs=2.5)
    if call.noise_dbfs is None:
        assert speech.noise_dbfs is None
    else:
        assert speech.noise_dbfs == pytest.approx(call.noise_dbfs, abs=1.0)


def test_where_nobody_speaks_there_is_no_level_of_speech() -> None:
    noise = np.random.default_rng(1).integers(-40, 41, 40_000, np.int16)
    found = found_in(noise, 8000).finish()
    assert (found.speech_dbfs, found.stretches.speech) == (None, [])
    assert found.noise_dbfs == pytest.approx(20 * np.log10(40 / np.sqrt(3) / 32768), abs=0.5)
    nothing = RecordedSpeechFinder(8000).finish()
    assert (nothing.speech_dbfs, nothing.noise_dbfs) == (None, None)
