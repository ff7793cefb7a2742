"""Where recordings go: a file, a file for each call, or a pipe. What is in them is the business of `recording`."""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from pathlib import Path
from typing import Final, Protocol

from audiosocket_cli.call.facts import Call
from audiosocket_cli.errors import UsageError
from audiosocket_cli.media.containers import WAV_SUFFIX, ConvertedFile, container_of, unconverted_path
from audiosocket_cli.media.pipe import SoundPipe
from audiosocket_cli.media.wav import GrowingWav


class Sink(Protocol):
    """Takes the samples of one recording."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of what is appended."""

    @property
    def paths(self) -> list[Path]:
        """The files, in order: none, one, or more past 4 GiB."""

    @property
    def duration_s(self) -> float:
        """Seconds of audio taken so far."""

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate, before the first samples."""

    def append(self, data: bytes) -> None:
        """Take interleaved little-endian int16 samples, at once. Raises `OSError`."""

    def append_silence(self, frames: int) -> None:
        """Take so many samples of silence for each channel, however many; at once. Raises `OSError`."""

    def close(self) -> None:
        """No more samples come. Twice is fine."""

    def finish(self) -> None:
        """Do what takes time after the end, off the event loop. Raises `OSError`."""

    def abort(self) -> None:
        """Give up what `finish` does, from another thread."""


class Output(Protocol):
    """Makes sinks for calls."""

    has_json: bool
    """Whether a JSON file belongs beside each recording."""
    has_stdout: bool
    """Whether it takes standard output, which is no place for a log then."""
    single: bool
    """Whether there is room for one call only."""

    def open(self, call: Call, rate_hz: int, channels: int) -> Sink:
        """Make the sink of a call. Raises `OSError`."""


class FileOutput:
    """Recordings as files, by a name that may hold the fields {uuid}, {date}, {time} and {peer}.

    A name with fields is for any number of calls: one that is taken gets a number, as in `NAME-2.wav`, and JSON is
    written beside it. A name without is one file, and nothing else.
    """

    has_stdout = False

    def __init__(self, name: str | Path, *, overwrite: bool = False) -> None:
        """Take a file's name, or that of a folder: one that exists, or ends with a slash. Raises `UsageError` for an
        unknown field, or a suffix that nobody can write."""
        pattern = self._shown = str(name)
        if not pattern:
            raise UsageError("cannot record to a file without a name: name a file, or a folder with a slash behind it")
        if pattern.endswith(os.sep) or os.path.isdir(pattern):
            self._shown = os.path.normpath(pattern)
            pattern = os.path.join(pattern, f"{{uuid}}{WAV_SUFFIX}")
        self._pattern = pattern
        self._overwrite = overwrite
        unknown = set(_FIELD.findall(pattern)) - set(_FIELDS)
        if unknown:
            fields = ", ".join(f"{{{field}}}" for field in _FIELDS)
            raise UsageError(f"{pattern} has an unknown field {{{min(unknown)}}}: there are {fields}")
        if not _is_wav(Path(pattern)):
            container_of(Path(pattern))
        self.single = not _FIELD.search(pattern)
        self.has_json = not self.single
        if overwrite and not self.single:
            raise UsageError(f"cannot overwrite in {self}: what is taken gets a number there; leave --force out")

    def __str__(self) -> str:
        return self._shown

    @classmethod
    def in_folder(cls, folder: Path) -> FileOutput:
        """A file for each call in a folder that may not be there yet, or by a name with fields and a suffix."""
        return cls(folder if folder.suffix and _FIELD.search(folder.name) else f"{folder}{os.sep}")

    @property
    def folder(self) -> Path:
        """The folder that all recordings are in, or below."""
        return Path(os.path.dirname(_FIELD.split(self._pattern)[0]))

    def prepare(self) -> None:
        """Make the folder and prove that a file can be made in it. Raises `UsageError`."""
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.single:
                self._prepare_name(Path(self._pattern))
            with tempfile.TemporaryFile(dir=folder, prefix=".audiosocket-"):
                pass
        except FileExistsError:
            what = "it" if str(folder) == str(self) else str(folder)
            raise UsageError(f"cannot record to {self}: {what} is a file; name a folder") from None
        except OSError as error:
            raise UsageError(f"cannot record to {self}: {(error.strerror or str(error)).lower()}") from None

    def _prepare_name(self, path: Path) -> None:
        """Refuse a name that is taken, by itself or by what an earlier call left of a conversion."""
        for name in _names(path):
            if _exists(name) and not self._overwrite:
                it, cure = ("it", "choose another name") if name == path else (str(name), "move that away")
                raise UsageError(f"cannot record to {self}: {it} exists; {cure} or add --force")

    def open(self, call: Call, rate_hz: int, channels: int) -> Sink:
        path = Path(_FIELD.sub(lambda field: _FIELDS[field[1]](call), self._pattern))
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.single:
            if self._overwrite:
                for name in _names(path):
                    name.unlink(missing_ok=True)
            return _create(path, rate_hz, channels)
        for number in itertools.count(1):
            numbered = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            if not _exists(numbered.with_suffix(".json")):
                try:
                    return _create(numbered, rate_hz, channels)
                except FileExistsError:
                    continue
        raise AssertionError("counting never ends")


class PipeOutput:
    """The recording of one call as a stream on standard output's descriptor: WAV, or headerless samples."""

    has_json = False
    has_stdout = True
    single = True

    def __init__(self, descriptor: int, *, headerless: bool = False) -> None:
        self._descriptor = descriptor
        self._headerless = headerless

    def __str__(self) -> str:
        return "standard output"

    def open(self, call: Call, rate_hz: int, channels: int) -> Sink:
        return SoundPipe(self._descriptor, rate_hz, channels, headerless=self._headerless)


def _create(path: Path, rate_hz: int, channels: int) -> Sink:
    return (GrowingWav if _is_wav(path) else ConvertedFile)(path, rate_hz, channels)


def _is_wav(path: Path) -> bool:
    return path.suffix.lower() == WAV_SUFFIX


def _names(path: Path) -> list[Path]:
    """All names that a recording takes, one after the other."""
    return [path] if _is_wav(path) else [path, unconverted_path(path)]


def _exists(path: Path) -> bool:
    """Whether a name is taken, be it by a link to nowhere. Raises `OSError` for a name that cannot be."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _peer_field(call: Call) -> str:
    return re.sub(r"[^\w.-]+", "_", call.peer)


_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_FIELDS: Final = {
    "uuid": lambda call: str(call.uuid),
    "date": lambda call: f"{call.started_at.astimezone():%Y-%m-%d}",
    "time": lambda call: f"{call.started_at.astimezone():%H-%M-%S}",
    "peer": _peer_field,
}
"""What a name may hold: the call's UUID, its start's local date and time, and who dialled."""
