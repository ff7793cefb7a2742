"""Audio files in: anything libsndfile reads, mixed to mono and resampled once, as slin at the rate asked for."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import soundfile, soxr
from audiosocket_cli.media.pcm import FULL_SCALE, Samples, from_slin, to_int16

_BLOCK_SAMPLES: Final = 1 << 17
"""What is decoded at once, all channels together: a file may say that it has a thousand of them."""

_LEAST_RATE_HZ: Final = 1000
"""No sound is sampled more slowly. A few bytes at 1 Hz are an hour, and gigabytes at the rates of a call."""

_MOST_SAMPLES: Final = 1 << 29
"""A gigabyte of them, 18 hours at 8000 Hz. A packed silence of any length is a small file."""

_LOUDEST: Final = 65536.0
"""Far above full scale, for files whose samples are numbers up to 32768 all the same. Floats of 32 bits go on to 10^38,
with which nothing can be reckoned."""

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd", b"ID3")
"""How the sound files begin that libsndfile reads. It takes more for MP3: quiet raw samples, for example."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Loaded audio: int16 mono `samples`, shape (n,), at `rate_hz`; `clipped` of them were limited on the way."""

    samples: Samples
    rate_hz: int
    clipped: int = 0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def load_audio(
    source: Path | bytes,
    rate_hz: int,
    *,
    gain_db: float = 0.0,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Audio:
    """Load a sound file, or the bytes of one, as int16 mono at `rate_hz`.

    Channels are averaged; the rate is converted once, over the whole file, with soxr at high quality, so that 16-bit
    mono files at `rate_hz` come through sample for sample. `start_s` and `duration_s` cut in the file's own time.
    Raises `FileError` for a file that is missing, unreadable, no audio, empty, or longer than memory should hold.
    """
    name = "standard input" if isinstance(source, bytes) else str(source)
    try:
        with _opened(source) as file:
            if file.samplerate < _LEAST_RATE_HZ:
                raise FileError(f"cannot play {name}: its sample rate is {file.samplerate} Hz, which is none of sound")
            audio = _amplified(_resampled(file, rate_hz, start_s, duration_s), name, rate_hz, gain_db)
    except OSError as error:
        raise FileError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None
    except soundfile.LibsndfileError as error:
        hint = "headerless samples need their --rate" if isinstance(source, bytes) else "is it a sound file?"
        raise FileError(f"cannot read {name}: {_reason(error)} ({hint})") from None
    if not len(audio.samples):
        raise FileError(f"cannot play {name}: it holds no audio{' in that range' if start_s or duration_s else ''}")
    return audio


def raw_audio(
    data: bytes, rate_hz: int, *, gain_db: float = 0.0, start_s: float = 0.0, duration_s: float | None = None
) -> Audio:
    """Load headerless 16-bit little-endian mono samples that are at `rate_hz`; otherwise as `load_audio`."""
    stop = None if duration_s is None else round((start_s + duration_s) * rate_hz)
    samples = from_slin(data)[round(start_s * rate_hz) : stop]
    if not len(samples):
        raise FileError("cannot play standard input: it holds no audio in that range")
    return _amplified([samples.astype(np.float32) / np.float32(FULL_SCALE)], "standard input", rate_hz, gain_db)


def is_sound_file(data: bytes) -> bool:
    """Whether bytes begin like a sound file, rather than like raw samples. MP3 without an ID3 tag passes for raw."""
    return data.startswith(_MAGIC)


@contextlib.contextmanager
def _opened(source: Path | bytes) -> Iterator[soundfile.SoundFile]:
    """Open by descriptor, not by name: soundfile takes a suffix such as .raw for more than what is in the file."""
    if isinstance(source, bytes):
        with soundfile.SoundFile(io.BytesIO(source)) as file:
            yield file
        return
    with source.open("rb") as opened:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            with soundfile.SoundFile(opened.fileno(), closefd=False) as file:
                yield file
        else:  # a pipe cannot seek
            with soundfile.SoundFile(io.BytesIO(opened.read())) as file:
                yield file


def _resampled(
    file: soundfile.SoundFile, rate_hz: int, start_s: float, duration_s: float | None
) -> Iterator[NDArray[np.float32]]:
    """Yield the file's mono signal at `rate_hz` block by block: of hours, 48 kHz in several channels are gigabytes."""
    converter = soxr.ResampleStream(file.samplerate, rate_hz, 1, dtype="float32", quality="HQ")
    file.seek(min(round(start_s * file.samplerate), file.frames))
    left = file.frames - file.tell()
    if duration_s is not None:
        left = min(left, round(duration_s * file.samplerate))
    most = max(1, _BLOCK_SAMPLES // file.channels)
    while left > 0:
        block = file.read(min(left, most), dtype="float32", always_2d=True)
        left = left - len(block) if len(block) else 0
        np.nan_to_num(block, copy=False, posinf=1.0, neginf=-1.0)  # one NaN would spoil all that is resampled with it
        np.clip(block, -_LOUDEST, _LOUDEST, out=block)
        mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        if file.samplerate == rate_hz:
            yield mono
        else:
            yield converter.resample_chunk(np.ascontiguousarray(mono), last=left <= 0)


def _amplified(blocks: Iterable[NDArray[np.float32]], name: str, rate_hz: int, gain_db: float) -> Audio:
    gain = np.float32(10 ** (gain_db / 20))
    data, clipped = bytearray(), 0  # which grows in its place: hours are in memory once
    for block in blocks:
        samples, more = to_int16(block * gain if gain_db else block)
        data += samples.data
        clipped += more
        if len(data) > _MOST_SAMPLES * samples.itemsize:
            raise FileError(f"cannot play {name}: it is longer than {_MOST_SAMPLES / rate_hz / 3600:.2g} hours")
    return Audio(np.frombuffer(data, np.int16), rate_hz, clipped)


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).strip().rstrip(".").lower()
