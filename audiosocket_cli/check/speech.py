"""What the caller of turn/ and bargein/ says: real speech, as payloads of 20 ms of slin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import SPEECH_DBFS, SPEECH_POWER, from_slin, mean_power, to_slin
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Kind
from audiosocket_cli.errors import FileError

PAUSE_S: Final = 0.4
"""A pause in a sentence: people who think while they speak make longer ones."""

MAX_S: Final = 10.0
"""The longest speech that is accepted: cases say it more than once."""

_PTIME_S: Final = PTIME_MS / 1000
_SAMPLES: Final = RATE_BY_KIND[Kind.SLIN] * PTIME_MS // 1000
SILENCE: Final = bytes(_SAMPLES * SAMPLE_BYTES)


@dataclass(frozen=True, slots=True)
class Speech:
    """One turn of a caller: payloads from the first loud one to the last."""

    payloads: Sequence[bytes] = ()
    paused: Sequence[bytes] = ()
    """The same, or more, with a pause of 0.4 s in it."""

    def lasting(self, seconds: float) -> list[bytes]:
        """Return it repeated without a pause until it lasts this long."""
        times = math.ceil(seconds / (_PTIME_S * len(self.payloads)))
        return list(islice(cycle(self.payloads), times * len(self.payloads)))


def load_speech(path: Path | None = None) -> Speech:
    """Load a sound file; None: the words that come with the package, of which the first sentence is a turn.

    Raises `FileError` where it cannot be read, holds nothing loud enough, or lasts longer than `MAX_S`.
    """
    payloads = _spoken(path or HELLO)
    start, end = _longest_pause(payloads)
    pause = [SILENCE] * round(PAUSE_S / _PTIME_S)
    return Speech(payloads if path else payloads[:start], [*payloads[:start], *pause, *payloads[end:]])


def _spoken(path: Path) -> list[bytes]:
    """Return a file's payloads from the first loud one to the last."""
    samples = load_audio(path, RATE_BY_KIND[Kind.SLIN], never_waits=True)
    starts = range(0, len(samples), _SAMPLES)
    payloads = [to_slin(samples[at : at + _SAMPLES]).ljust(len(SILENCE), b"\0") for at in starts]
    loud = [number for number, payload in enumerate(payloads) if _power(payload) > SPEECH_POWER]
    if not loud:
        raise FileError(f"cannot use {path} as speech: nothing in it is louder than {SPEECH_DBFS:g} dBFS")
    spoken = payloads[loud[0] : loud[-1] + 1]
    if len(spoken) * _PTIME_S > MAX_S:
        raise FileError(f"cannot use {path} as speech: cut it to one turn of at most {MAX_S:g} s")
    return spoken


def _longest_pause(payloads: Sequence[bytes]) -> tuple[int, int]:
    """Return where the longest pause begins and ends; where there is none, twice the quietest place near the middle."""
    powers = [_power(payload) for payload in payloads]
    longest = start = end = length = 0
    for number, power in enumerate(powers):
        length = 0 if power > SPEECH_POWER else length + 1
        if length > longest:
            longest, start, end = length, number + 1 - length, number + 1
    if longest:
        return start, end
    quarter = len(powers) // 4
    middle = range(quarter, max(quarter + 1, len(powers) - quarter))
    quietest = min(middle, key=powers.__getitem__)
    return quietest, quietest


def _power(payload: bytes) -> float:
    return mean_power(from_slin(payload))
