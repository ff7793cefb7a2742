"""Twenty calls of which it is known who says what when: voices on telephone lines, with all that comes between.

Each call is a list of utterances. What is true of it follows from that list, and is written beside it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import Samples, decode_mu_law, encode_mu_law, from_slin, to_slin

Floats = NDArray[np.float64]

SPEECH_DBFS: Final = -20.0
_BAND_HZ: Final = (300.0, 3400.0)
_EDGE_S: Final = 0.03


class Says(NamedTuple):
    """An utterance: who, from when to when."""

    side: str
    start_s: float
    end_s: float


class Truth(NamedTuple):
    """What is true of a call."""

    answers_ms: tuple[int, ...]
    caller_interrupts: int = 0
    server_interrupts: int = 0
    caller_backchannels: int = 0
    server_backchannels: int = 0
    dead_air_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class SpokenCall:
    """A call as it was meant."""

    name: str
    says: tuple[Says, ...]
    truth: Truth
    end_s: float
    noise_dbfs: float | None = None
    """The level of the noise on both lines; None: digital silence."""
    rate_hz: int = 8000
    more: Callable[[dict[str, Floats], int], None] = field(default=lambda lines, rate_hz: None)
    """What else is heard on the lines."""


def _c(start_s: float, end_s: float) -> Says:
    return Says("caller", start_s, end_s)


def _s(start_s: float, end_s: float) -> Says:
    return Says("server", start_s, end_s)


def _echo(lines: dict[str, Floats], rate_hz: int) -> None:
    delay = round(0.12 * rate_hz)
    lines["caller"][delay:] += lines["server"][:-delay] * 10 ** (-30 / 20)


def _music(lines: dict[str, Floats], rate_hz: int) -> None:
    """Ten seconds of notes of a third of a second, that ring down."""
    for number in range(30):
        at, size = round((6.0 + number / 3) * rate_hz), round(rate_hz / 3)
        seconds = np.arange(size) / rate_hz
        note_hz = 440.0 * 2 ** ((0, 4, 7, 12, 7, 4)[number % 6] / 12)
        lines["server"][at : at + size] += 0.2 * np.sin(2 * np.pi * note_hz * seconds) * np.exp(-6 * seconds)


def _ringing(lines: dict[str, Floats], rate_hz: int) -> None:
    """A ringing tone: a second of sound, four of silence, twice."""
    for start_s in (0.5, 5.5):
        at, seconds = round(start_s * rate_hz), np.arange(rate_hz) / rate_hz
        lines["server"][at : at + rate_hz] += 0.1 * np.sin(2 * np.pi * 425 * seconds)


def _keys(lines: dict[str, Floats], rate_hz: int) -> None:
    """The tones of four keys, of 0.1 s each."""
    for number, (low_hz, high_hz) in enumerate([(697, 1209), (770, 1336), (852, 1477), (941, 1336)]):
        at, seconds = round((4.0 + number * 0.2) * rate_hz), np.arange(rate_hz // 10) / rate_hz
        tones = np.sin(2 * np.pi * low_hz * seconds) + np.sin(2 * np.pi * high_hz * seconds)
        lines["caller"][at : at + len(seconds)] += 0.1 * tones


_PLAIN: Final = (_s(0.5, 3.0), _c(3.8, 5.6), _s(6.3, 9.0), _c(9.8, 11.2), _s(12.1, 15.0))
_PLAIN_TRUTH: Final = Truth((700, 900))
_BARGE_IN: Final = (_s(0.5, 4.0), _c(3.4, 4.0 + 0.3), _s(5.1, 7.0))

CALLS: Final = (
    SpokenCall("plain, silent lines", _PLAIN, _PLAIN_TRUTH, 16.0),
    SpokenCall("plain, noise of -60 dBFS", _PLAIN, _PLAIN_TRUTH, 16.0, -60.0),
    SpokenCall("plain, noise of -40 dBFS", _PLAIN, _PLAIN_TRUTH, 16.0, -40.0),
    SpokenCall("plain, noise 15 dB below speech", _PLAIN, _PLAIN_TRUTH, 16.0, -35.0),
    SpokenCall("0.6 s barge-in, silent lines", (_s(0.5, 4.0), _c(3.4, 4.0), _s(4.9, 7.0)), Truth((900,), 1), 8.0),
    SpokenCall(
        "0.6 s barge-in, noise of -60 dBFS", (_s(0.5, 4.0), _c(3.4, 4.0), _s(4.9, 7.0)), Truth((900,), 1), 8.0, -60.0
    ),
    SpokenCall("2 s barge-in, server stops", (_s(0.5, 4.0), _c(3.5, 5.5), _s(6.3, 8.0)), Truth((800,), 1), 9.0),
    SpokenCall(
        "1 s barge-in, server goes on",
        (_s(0.5, 7.0), _c(3.0, 4.0), _c(8.0, 9.0), _s(9.6, 11.0)),
        Truth((600,), 1),
        12.0,
    ),
    SpokenCall(
        "0.3 s and 0.4 s mhm",
        (_s(0.5, 7.0), _c(2.0, 2.3), _c(4.5, 4.9), _c(7.6, 8.6), _s(9.1, 11.0)),
        Truth((500,), caller_backchannels=2),
        12.0,
    ),
    SpokenCall(
        "server cuts in",
        (_s(0.5, 2.0), _c(2.8, 5.0), _s(4.2, 6.5), _c(7.2, 8.2), _s(8.8, 10.0)),
        Truth((600,), 0, 1),
        11.0,
    ),
    SpokenCall(
        "both begin at once",
        (_s(0.5, 2.0), _c(4.1, 6.1), _s(4.0, 6.0), _c(7.0, 8.0), _s(8.7, 10.0)),
        Truth((700,), 1),
        11.0,
    ),
    SpokenCall(
        "long dead air",
        (_s(0.5, 2.0), _c(2.6, 3.6), _s(11.6, 13.0), _c(13.5, 14.5)),
        Truth((8000,), dead_air_s=(8.0, 5.5)),
        20.0,
    ),
    SpokenCall(
        "slow answers",
        (_s(0.5, 2.0), _c(2.6, 3.6), _s(7.1, 9.0), _c(9.5, 10.5), _s(13.3, 15.0)),
        Truth((3500, 2800), dead_air_s=(3.5,)),
        16.0,
    ),
    SpokenCall("answer 0.1 s early", (_s(0.5, 2.0), _c(2.6, 4.6), _s(4.5, 6.5)), Truth((0,)), 8.0),
    SpokenCall(
        "caller thinks for 0.7 s", (_s(0.5, 2.0), _c(2.6, 4.0), _c(4.7, 6.0), _s(6.8, 8.5)), Truth((800,)), 10.0
    ),
    SpokenCall("echo of the server, 30 dB below", _BARGE_IN, Truth((800,), 1), 9.0, -60.0, more=_echo),
    SpokenCall(
        "ringing, then an answer",
        (_s(9.5, 11.0), _c(11.6, 12.6), _s(13.2, 15.0)),
        Truth((600,), dead_air_s=(9.5,)),
        16.0,
        more=_ringing,
    ),
    SpokenCall(
        "music on hold",
        (_s(0.5, 2.0), _c(2.6, 4.0), _s(4.8, 5.8), _s(16.5, 18.0), _c(18.6, 19.6)),
        Truth((800,), dead_air_s=(10.7,)),
        20.0,
        more=_music,
    ),
    SpokenCall("keys as tones", (_s(0.5, 3.4), _s(5.6, 8.0)), Truth(()), 9.0, more=_keys),
    SpokenCall(
        "16 kHz, noise 15 dB below, barge-in, mhm",
        (_s(0.5, 4.0), _c(2.0, 2.4), _c(3.3, 4.5), _s(5.3, 7.0)),
        Truth((800,), 1, caller_backchannels=1),
        9.0,
        -35.0,
        16000,
    ),
)


class Voice:
    """Speech of any length, from some seconds of it."""

    def __init__(self, speech: Samples, rate_hz: int) -> None:
        """Take int16 samples, shape (n,); pauses are left out."""
        size = rate_hz // 50
        blocks = speech[: len(speech) // size * size].reshape(-1, size).astype(np.float64)
        power = np.square(blocks).mean(axis=1)
        loud = power > power.max() * 10 ** (-35 / 10)
        near = np.convolve(loud, np.ones(9), "same") > 0  # pauses of words stay
        self._speech = _telephone(blocks[near].reshape(-1), rate_hz)
        self._speech *= 10 ** (SPEECH_DBFS / 20) * 32768 / np.sqrt(np.square(self._speech[_loud(self._speech)]).mean())
        self._rate_hz = rate_hz
        self._at = 0

    def say(self, length_s: float) -> Floats:
        """Return the next so many seconds, which begin and end with sound."""
        size, edge = round(length_s * self._rate_hz), round(_EDGE_S * self._rate_hz)
        endless = np.tile(self._speech, 2 + size // len(self._speech))
        for start in range(self._at, self._at + len(self._speech), edge):
            said = endless[start % len(self._speech) :][:size]
            if all(
                np.sqrt(np.square(end).mean()) > 0.5 * 10 ** (SPEECH_DBFS / 20) * 32768
                for end in (said[:edge], said[-edge:])
            ):
                self._at = (start + size) % len(self._speech)
                return said
        raise AssertionError(f"no {length_s} s of it begin and end with sound")


def package_voices(rate_hz: int) -> dict[str, Voice]:
    """Return two voices from the sentence that comes with the package: one is lower."""
    speech = load_audio(HELLO, rate_hz)
    slower = np.interp(np.arange(0, len(speech) - 1, 0.85), np.arange(len(speech)), speech).astype(np.int16)
    return {"caller": Voice(speech, rate_hz), "server": Voice(slower, rate_hz)}


def lines_of(call: SpokenCall, voices: dict[str, Voice], seed: int = 1) -> tuple[Samples, Samples]:
    """Return what is heard of the caller and of the server, through µ-law."""
    generator = np.random.default_rng(seed)
    size = round(call.end_s * call.rate_hz)
    lines = {side: np.zeros(size) for side in voices}
    for side, start_s, end_s in call.says:
        said = voices[side].say(end_s - start_s)
        at = round(start_s * call.rate_hz)
        lines[side][at : at + len(said)] += said
    for line in lines.values():
        line /= 32768
    call.more(lines, call.rate_hz)
    if call.noise_dbfs is not None:
        for line in lines.values():
            noise = _telephone(generator.standard_normal(size), call.rate_hz)
            line += noise * 10 ** (call.noise_dbfs / 20) / np.sqrt(np.square(noise).mean())
    return _through_mu_law(lines["caller"]), _through_mu_law(lines["server"])


def stereo_calls(voices_at: Callable[[int], dict[str, Voice]]) -> Iterator[tuple[SpokenCall, Samples, Samples]]:
    """Yield each call with what is heard of both sides."""
    for number, call in enumerate(CALLS):
        yield call, *lines_of(call, voices_at(call.rate_hz), number)


def _loud(speech: Floats) -> NDArray[np.bool_]:
    size = 160
    power = np.square(speech[: len(speech) // size * size].reshape(-1, size)).mean(axis=1)
    mask: NDArray[np.bool_] = np.repeat(power > power.max() * 10 ** (-25 / 10), size)
    return np.concatenate([mask, np.zeros(len(speech) - len(mask), np.bool_)])


def _telephone(sound: Floats, rate_hz: int) -> Floats:
    """Return what a telephone lets through."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / rate_hz)
    spectrum[(hz < _BAND_HZ[0]) | (hz > _BAND_HZ[1])] = 0
    return np.fft.irfft(spectrum, len(sound))


def _through_mu_law(line: Floats) -> Samples:
    samples = np.clip(np.rint(line * 32768), -32768, 32767).astype(np.int16)
    return from_slin(decode_mu_law(encode_mu_law(to_slin(samples))))
