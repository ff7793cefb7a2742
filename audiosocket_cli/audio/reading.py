"""Sound files in, from their beginning to their end, block by block, as they are: what is in memory has a bound.

`open_reader` looks at what a file holds and returns what reads it: libsndfile, without ever seeking, or, where that
would stumble over a length that is not known or not true, our own reader of plain samples. For what is made of the
blocks see `files.py`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np

from audiosocket_cli.audio.lengths import (
    EndWatch,
    has_frame_count,
    is_cut_ogg,
    is_in_blocks,
    promised_bytes,
    size_correction,
    what_is_joined,
)
from audiosocket_cli.audio.pipe_input import VAST_BYTES, Corrected, Pump, Rewindable, spooled
from audiosocket_cli.audio.recognition import (
    HEAD_BYTES,
    Headerless,
    ffmpeg_cure,
    headerless_by_suffix,
    is_sound,
    why_not,
)
from audiosocket_cli.audio.sample_readers import (
    _AFTER_BYTES,
    CODING_BYTES,
    JOIN,
    Floats,
    G722Reader,
    Reader,
    SampleReader,
    SlinReader,
    joined_remark,
    length_of,
    read_fully,
    read_past,
)
from audiosocket_cli.audio.wav_header import UNKNOWN_LENGTH, WavHeader, fault_of, read_wav_header
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import soundfile

_MIN_RATE_HZ: Final = 1000
"""No sound is sampled more slowly. A few bytes at 1 Hz are an hour, and gigabytes at the rates of a call."""

_MAX_RATE_HZ: Final = 1_000_000
"""No sound is sampled faster: recorders of bats reach 768 kHz. Filters grow with the rate, to minutes of work."""

_STREAMED: Final = (b"OggS", b"FORM", b".snd", b"ID3", b"\xff", b"riff")
"""How the formats begin that libsndfile reads from a pipe (1.2.2; of others it reads nothing, or not to the end)."""

_SEEKS: Final = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_LAYER_III")
"""Samples to which libsndfile can seek. It cannot in GSM and other ADPCM, says of DWVW that it can, and fails."""

_FLAC_FRAMES: Final = 4096
"""So much of FLAC is read at once: where it is damaged, libsndfile gives nothing of what was asked for."""

_CUT_OGG: Final = "it is cut short: the end of its stream is missing"


def open_reader(
    source: Path | bytes | BinaryIO, name: str, raw_rate_hz: int | None = None, path: Path | None = None
) -> Reader:
    """Open a file, the bytes of one (`path`: where they come from), or a pipe, which is read from where it is.

    What is not a sound file is taken for headerless 16-bit mono samples where `raw_rate_hz` says their rate. Raises
    `FileError` for what is not sound, with a cure, and `OSError` for what cannot be read.
    """
    if isinstance(source, Path):
        path, file = source, cast(BinaryIO, source.open("rb", buffering=0))
    else:
        file = _in_file(source) if isinstance(source, bytes) else source
    try:
        reader = _reader_of(file, path, name, raw_rate_hz)
        if not is_plausible_rate(reader.rate_hz):
            which = "low" if reader.rate_hz < _MIN_RATE_HZ else "high"
            raise FileError(
                f"cannot play {name}: its sample rate is {reader.rate_hz} Hz, which is too {which} for sound"
            )
    except (FileError, OSError):  # also where there is no libsndfile to ask for its errors
        file.close()
        raise
    except soundfile.LibsndfileError as error:
        file.close()
        raise _unreadable(error, name, path) from None
    return reader


def is_plausible_rate(rate_hz: int) -> bool:
    """Whether sound may be sampled at this rate: `open_reader` refuses what is not."""
    return _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ


def _in_file(data: bytes) -> BinaryIO:
    """Return bytes as a file without a name: libsndfile reads files better than what is in memory."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever reads it closes it
    file.write(data)
    file.seek(0)
    return cast(BinaryIO, file)


def _unreadable(error: soundfile.LibsndfileError, name: str, path: Path | None) -> FileError:
    reason = str(error.error_string).strip().rstrip(".").lower()
    if "format not recognised" in reason:
        hint = "headerless samples need their --rate" if path is None else "is it a sound file?"
    else:
        hint = f"is it a sound file? if so, {ffmpeg_cure(path)}"
    return FileError(f"cannot read {name}: {reason} ({hint})")


def _reader_of(file: BinaryIO, path: Path | None, name: str, raw_rate_hz: int | None) -> Reader:
    is_pipe = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    if is_pipe:
        file = cast(BinaryIO, Rewindable(file))
    head = read_fully(file, HEAD_BYTES)
    file.seek(0)
    if not head:
        raise FileError(f"cannot play {name}: it is empty")
    reason = why_not(head, path)
    if reason is not None:
        raise FileError(f"cannot play {name}: {reason}")
    if not is_sound(head):
        headerless = headerless_by_suffix(path, head) if path is not None else None
        if raw_rate_hz is not None and path is None:
            return SlinReader(file, raw_rate_hz, name)
        if headerless is not None:
            return _headerless_reader(file, headerless, name, path)
    header = read_wav_header(file) if head[8:12] == b"WAVE" else None
    if header is not None and is_pipe and header.coding is not None:
        return SampleReader(file, header, name, limit=None if header.is_marker else header.data_bytes or None)
    if header is not None and not is_pipe:
        reader = _wav_reader(file, header, name)
        if reader is not None:
            return reader
    file.seek(0)
    if isinstance(file, Rewindable):
        return _piped_reader(file, head, name)
    promised, size = promised_bytes(head), file.seek(0, os.SEEK_END)
    correction = size_correction(head, size)
    if correction is not None:
        corrected = _object_reader(Corrected(file, *correction), name)
        corrected.remarks.append(UNKNOWN_LENGTH)
        return corrected
    joined_files, is_cut = what_is_joined(file, head, size), is_cut_ogg(file, head, size)
    if joined_files in ("AIFF", "SVX"):  # of which libsndfile reads nothing then
        cure = JOIN.format(joined_files.lower())
        raise FileError(f"cannot play {name}: several {joined_files} files are joined in it; {cure}")
    file.seek(0)
    reader = SoundFileReader(file, name, path, says_length=has_frame_count(head))
    if joined_files:
        reader.remarks.append(_joined_remark(joined_files))
    if is_cut:
        reader.remarks.append(_CUT_OGG)
    if promised is not None and promised > size:
        reader.remarks.append(f"it is cut short: its header promises {promised} bytes, but it has {size}")
    return reader


def _headerless_reader(file: BinaryIO, headerless: Headerless, name: str, path: Path | None) -> Reader:
    coding, rate_hz = headerless
    if coding == "G722":
        return G722Reader(file, name, path)
    if coding in CODING_BYTES:
        header = WavHeader(coding, rate_hz, 1, CODING_BYTES[coding], 0, None)
        return SampleReader(file, header, name, frames=length_of(file, 0, header.block_bytes))
    return SoundFileReader(file, name, path, format="RAW", subtype=coding, samplerate=rate_hz, channels=1)


def _wav_reader(file: BinaryIO, header: WavHeader, name: str) -> Reader | None:
    """Return what reads a WAV file: ourselves, or libsndfile what is coded in blocks, with a true length; None where
    the file has that already."""
    size = file.seek(0, os.SEEK_END)
    fault = fault_of(header, size, file)
    if fault is not None and fault.is_joined:
        raise FileError(f"cannot play {name}: {fault.what}; {JOIN.format('wav')}")
    if header.coding is not None:
        said = None if fault is not None and fault.goes_on else header.data_bytes
        frames = (size - header.data_at if said is None else said) // header.block_bytes
        reader: Reader = SampleReader(file, header, name, frames=frames, limit=frames * header.block_bytes)
    elif fault is not None and fault.goes_on:
        whole = min(size - header.data_at, 0xFFFFFFFF - header.data_at)
        reader = _object_reader(Corrected(file, header.data_at - 4, whole.to_bytes(4, "little")), name)
    else:
        return None
    if fault is not None:
        reader.remarks.append(fault.what)
    return reader


def _joined_remark(kind: str) -> str:
    heard = "the header of each is heard as a click" if kind in ("W64", "SVX") else "only the first is played"
    return joined_remark(kind, heard)


def _piped_reader(file: Rewindable, head: bytes, name: str) -> Reader:
    watch = file.watch = EndWatch(head)
    watch.feed(head)  # which was read already
    if head.startswith(b"fLaC"):
        reader = _object_reader(file, name)  # which seeks back to its beginning, once
        reader.watch = watch
        return reader
    if head.startswith(_STREAMED) and not is_in_blocks(head) and size_correction(head, VAST_BYTES) is None:
        reader = SoundFileReader(Pump(file).pipe, name, None)
        reader.watch = watch
        if promised_bytes(head) is None:
            reader.frames = None
        return reader
    return _reader_of(spooled(cast(BinaryIO, file), name), None, name, None)


def _object_reader(file: io.RawIOBase, name: str) -> SoundFileReader:
    """Have libsndfile read what is not a file of the system's; a copy of it where that may not be."""
    try:
        return SoundFileReader(cast(BinaryIO, file), name, None)
    except MemoryError:
        file.seek(0)
        return SoundFileReader(spooled(cast(BinaryIO, file), name), name, None)


@functools.cache
def _forward_class() -> Any:
    """Return soundfile's class, less a habit: it seeks with each read, even in files of kinds that cannot."""

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Forward


class SoundFileReader:
    """What libsndfile reads."""

    def __init__(self, file: BinaryIO, name: str, path: Path | None, *, says_length: bool = False, **kind: Any) -> None:
        """Read an open file: by its descriptor, if it has one; soundfile takes a suffix for more than the content.

        `says_length`: its number of frames is not a guess, whatever the format.
        """
        self.remarks: list[str] = []
        self.watch: EndWatch | None = None
        """What sees all pass that comes through a pipe."""
        self._failure: FileError | None = None
        """What is wrong with what follows."""
        self._file, self._name, self._path = file, name, path
        try:
            opened: BinaryIO | int = file.fileno()
        except io.UnsupportedOperation:
            opened = file
        try:
            self._sound = _forward_class()(opened, closefd=False, **kind)
        except MemoryError:  # libsndfile may not call us here (see `ConvertedFile`): let it read a file
            file.seek(0)
            self._file = spooled(file, name)
            self._sound = _forward_class()(self._file.fileno(), closefd=False, **kind)
        self.rate_hz: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self._left = self._sound.frames
        self._read = 0
        self._says_length = says_length or self._sound.format in ("FLAC", "AU", "AIFF", "W64", "SVX")
        self.frames: int | None = self._left if self._left < VAST_BYTES >> 24 else None

    def read(self, frames: int) -> Floats:
        block = self._read_on(frames)
        if not len(block) and frames and self.frames is not None and self._left > 0 and self._says_length:
            whole_s, left_s = self.frames / self.rate_hz, self._left / self.rate_hz
            self.remarks.append(
                f"it is cut short: {left_s:.2f} s of the {whole_s:.2f} s that its header promises are missing"
            )
        if not len(block) and frames and self.watch is not None:
            self._look_after(self.watch)
        return block

    def _read_on(self, frames: int) -> Floats:
        if self._sound.format != "FLAC" or frames <= _FLAC_FRAMES:
            return self._read_at_once(frames)
        if self._failure is not None:
            raise self._failure
        pieces: list[Floats] = []
        while frames > 0:
            try:
                piece = self._read_at_once(min(frames, _FLAC_FRAMES))
            except FileError as error:
                if not pieces:
                    raise
                self._failure = error
                break
            pieces.append(piece)
            if not len(piece):
                break
            frames -= len(piece)
        return np.concatenate(pieces)

    def _read_at_once(self, frames: int) -> Floats:
        try:
            block: Floats = self._sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            problem = self._damaged(error) if self._read else _unreadable(error, self._name, self._path)
            raise problem from None
        self._left -= len(block)
        self._read += len(block)
        return block

    def _look_after(self, watch: EndWatch) -> None:
        """Say what follows in a pipe."""
        self.watch = None
        with contextlib.suppress(OSError):
            read_fully(self._file, _AFTER_BYTES)
        if watch.joined is not None:
            self.remarks.append(_joined_remark(watch.joined))
        if watch.is_cut_ogg:
            self.remarks.append(_CUT_OGG)
        elif watch.is_cut and not self.remarks:
            self.remarks.append("it is cut short: its header promises more bytes than came")

    def _damaged(self, error: soundfile.LibsndfileError) -> FileError:
        reason = str(error.error_string).strip().removeprefix("Error : ").rstrip(".").lower()
        return FileError(
            f"cannot play all of {self._name}: it is cut short or damaged after {self._read / self.rate_hz:.2f} s "
            f"({reason}); to save what can be saved, {ffmpeg_cure(self._path)}"
        )

    def skip(self, frames: int) -> None:
        can_seek = self.frames is not None and self._file.seekable()
        if can_seek and self._sound.subtype.startswith(_SEEKS) and self._sound.format != "RAW":
            with contextlib.suppress(soundfile.LibsndfileError):
                self._sound.seek(min(frames, self._left))
                self._left -= min(frames, self._left)
                return
        read_past(self, frames)

    def close(self) -> None:
        self._sound.close()
        self._file.close()
