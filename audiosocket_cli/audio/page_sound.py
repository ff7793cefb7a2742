"""Sound for a page to hold: plain WAV while it is short, else MP3, which all browsers play, also from `data:`.

Theory of operation. A player has to seek to the sample that a picture shows. In an MP3 file of variable bit rate, which
is what libsndfile makes unless it is told otherwise, browsers seek by the table of its header (Xing), which has 100
entries of 256ths: they are 2 s off in ten minutes. So all frames have the same length here, and a place is a number of
bytes. There is no header either, or a seek is off by the silence that the coding puts before the sound: the sound is
moved until that silence is a whole number of frames, and these are dropped. Seen in Chromium 156: within 0.06 s.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from audiosocket_cli.audio.growing_wav import wav_header
from audiosocket_cli.audio.pcm import to_int16, to_slin, within_scale
from audiosocket_cli.audio.sample_readers import Floats
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import soundfile, soxr

MAX_WAV_S: Final = 60.0
_MAX_WAV_BYTES: Final = 4 << 20

MAX_BYTES: Final = 256 << 20
"""The most that a page may hold: about ten hours of a telephone call."""

_DELAY: Final = 1105
"""Samples by which encoding and decoding delay the sound: 576 of LAME, and 529 of each decoder."""

_RATES_HZ: Final = (8000, 12000, 16000, 24000, 32000, 48000)
"""At others that MP3 has, such as 44,100 Hz, frames differ in length."""

_MPEG_1_HZ: Final = 32000
"""From this rate on a frame has 1152 samples, below it 576."""

_QUALITY: Final = ((8000, 0.5), (16000, 0.7), (48000, 0.85))
"""What libsndfile calls the level of compression, by rate: 32, 56 and 64 kbit/s for two channels."""


class PageSound(NamedTuple):
    """Sound as the bytes of a file."""

    mime: str
    data: bytes


def page_sound(blocks: Iterable[Floats], rate_hz: int, channels: int, duration_s: float) -> PageSound:
    """Encode a sound of 1 or 2 channels, which comes in blocks of shape (n, channels), and is about so long.

    Raises `FileError` for what is too long to be in a page, and `MissingLibraryError`.
    """
    size = int(duration_s * rate_hz * channels * 2)
    if duration_s <= MAX_WAV_S and size <= _MAX_WAV_BYTES:
        data = b"".join(_slin(block) for block in blocks)
        return PageSound("audio/wav", wav_header(rate_hz, channels, len(data)) + data)
    return PageSound("audio/mpeg", _mp3(blocks, rate_hz, channels))


def _slin(block: Floats) -> bytes:
    return to_slin(to_int16(within_scale(block))[0])


def _mp3(blocks: Iterable[Floats], rate_hz: int, channels: int) -> bytes:
    coded_hz = min((rate for rate in _RATES_HZ if rate >= rate_hz), default=_RATES_HZ[-1])
    frame = 1152 if coded_hz >= _MPEG_1_HZ else 576
    level = next(level for most_hz, level in _QUALITY if coded_hz <= most_hz)
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", coded_hz, channels, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT",
        compression_level=level,
    ) as sound:  # fmt: skip
        sound.write(np.zeros((-_DELAY % frame, channels), np.float32))
        for block in _at_rate(blocks, rate_hz, coded_hz):
            sound.write(block)
            if file.tell() > MAX_BYTES:
                raise FileError(
                    f"the sound is too long to be in a page: more than {MAX_BYTES >> 20} MB; leave out --embed"
                )
    return _without_delay(file.getvalue(), -(-_DELAY // frame))


def _at_rate(blocks: Iterable[Floats], rate_hz: int, coded_hz: int) -> Iterator[Floats]:
    """Yield blocks at another rate."""
    if rate_hz == coded_hz:
        yield from map(within_scale, blocks)
        return
    stream = None
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(rate_hz, coded_hz, block.shape[1], "float32")
        yield stream.resample_chunk(within_scale(block))
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, block.shape[1]), np.float32), last=True)


def _without_delay(data: bytes, delay_frames: int) -> bytes:
    """Leave out the header, which is a frame by itself, and the frames of the delay."""
    at = _frame_bytes(data, 0) if b"Info" in data[:64] or b"Xing" in data[:64] else 0
    for _ in range(delay_frames):
        at += _frame_bytes(data, at)
    return data[at:]


_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""The bit rates of layer III, by their number in a frame's header (ISO/IEC 11172-3 and 13818-3)."""

_RATES_BY_VERSION: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _frame_bytes(data: bytes, at: int) -> int:
    """Return the length of the frame of layer III that begins there, by its header."""
    version, number = data[at + 1] >> 3 & 3, data[at + 2]
    rate_hz = _RATES_BY_VERSION[version][number >> 2 & 3]
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[number >> 4]
    return (144 if version == 3 else 72) * kbits * 1000 // rate_hz + (number >> 1 & 1)
