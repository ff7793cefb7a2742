"""Where recordings go: a file, a file for each call, or a pipe. What is in them is the business of `recording`."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from audiosocket_cli.audio.containers import (
    UNCONVERTED_SUFFIX,
    WAV_SUFFIX,
    ConvertedFile,
    container_of,
    unconverted_path,
)
from audiosocket_cli.audio.growing_wav import GrowingWav, part_path, parts_of
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.audio.pipe_output import SoundPipe
from audiosocket_cli.disk import PART, HalfMade, clear_half_made, make_folder, prove_folder
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Call
from audiosocket_cli.name_pattern import FIELD, FIELDS, folders_of, regex_of
from audiosocket_cli.text import json_lines, printable


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
        """Add any number of samples of silence for each channel, without delay. Raises `OSError`."""

    def mix_in(self, back: int, channel: int, samples: Samples) -> None:
        """Add samples to those of one channel, from `back` samples before the end on. Raises `OSError`. Not for a pipe
        (`Output.has_stdout`)."""

    def close(self) -> None:
        """No more samples come. Safe to call twice."""

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

    def open(self, call: Call, rate_hz: int, channels: int, *, with_json: bool = False) -> Sink:
        """Make the sink of a call; `with_json` says that `write_json` follows. Raises `OSError`."""

    def write_json(self, path: Path, content: dict[str, Any]) -> Path:
        """Write the JSON that belongs beside a recording's first file, and return its name. Raises `OSError`."""


class FileOutput:
    """Recordings as files, by a name that may hold the fields {uuid}, {date}, {time} and {peer}.

    A name with fields is for any number of calls: one that is taken gets a number, as in `NAME-2.wav`, and JSON is
    written beside it. A name without is one file, and nothing else.

    The JSON's name is taken with the recording's, as `NAME.json.part`: nobody else who records in the folder, be it to
    another container, can come between the two.
    """

    has_stdout = False

    def __init__(self, name: str | Path, *, overwrite: bool = False) -> None:
        """Take a file's name, or that of a folder: one that exists, or ends with a slash. Raises `UsageError` for an
        unknown field, or a suffix that nobody can write."""
        pattern = self._shown = str(name)
        if not pattern:
            raise UsageError("cannot record to a file without a name: name a file, or a folder with a slash after it")
        if pattern.endswith(os.sep) or os.path.isdir(pattern):
            self._shown = os.path.normpath(pattern)
            pattern = os.path.join(pattern, f"{{uuid}}{WAV_SUFFIX}")
        self._pattern = pattern
        self._overwrite = overwrite
        unknown = set(FIELD.findall(pattern)) - set(FIELDS)
        if unknown:
            fields = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise UsageError(f"{pattern} has an unknown field {{{min(unknown)}}}: choose from {fields}")
        if not _is_wav(Path(pattern)):
            container_of(Path(pattern))
        self.single = not FIELD.search(pattern)
        self.has_json = not self.single
        self.unconverted: list[Path] = []
        """Recordings found by `prepare` that a process which died left unconverted."""
        self._json: dict[str, HalfMade] = {}
        """By the name that it is going to have."""
        if overwrite and not self.single:
            raise UsageError(f"--force does not apply to {self}: a taken name gets a number; leave out --force")

    def __str__(self) -> str:
        return self._shown

    @classmethod
    def in_folder(cls, folder: Path) -> FileOutput:
        """Return an output with one file per call, in a folder that need not exist yet, or by a name with fields and a
        suffix."""
        return cls(folder if folder.suffix and FIELD.search(folder.name) else f"{folder}{os.sep}")

    def beside(self, word: str) -> FileOutput:
        """Return an output for further recordings of the same calls: NAME.WORD.wav beside each NAME.wav."""
        root, suffix = os.path.splitext(self._pattern)
        return FileOutput(f"{root}.{word}{suffix}")

    @property
    def pattern(self) -> str:
        """The name of all recordings, absolute, with its fields."""
        return os.path.abspath(self._pattern)

    @property
    def folder(self) -> Path:
        """The folder that all recordings are in, or below."""
        return Path(os.path.dirname(FIELD.split(self._pattern)[0]))

    def prepare(self) -> None:
        """Make the folder and prove that a file can be made in it. Raises `UsageError`.

        What processes that died have left half-made there is cleared.
        """
        folder = self.folder
        try:
            prove_folder(folder)
            if self.single:
                self._prepare_name(Path(self._pattern))
        except FileExistsError:
            what = "it" if str(folder) == str(self) else str(folder)
            raise UsageError(f"cannot record to {self}: {what} is a file; name a folder") from None
        except OSError as error:
            raise UsageError(f"cannot record to {self}: {(error.strerror or str(error)).lower()}") from None
        stem = regex_of(Path(self._pattern).stem)
        is_json = re.compile(rf"{stem}(-\d+)?\.json").fullmatch
        for place in folders_of(folder, Path(os.path.dirname(self._pattern)).parts[len(folder.parts) :]):
            clear_half_made(place, is_json)
            if not self.single:
                self.unconverted += _left_unconverted(place, is_json)

    def _prepare_name(self, path: Path) -> None:
        """Refuse a name that is taken, by itself or by what an earlier call left of a conversion."""
        for name in _names(path):
            if os.path.isdir(name):
                raise UsageError(f"cannot record to {self}: {name} is a folder; move that away")
            if _exists(name) and not self._overwrite:
                it, cure = ("it", "choose another name") if name == path else (str(name), "move that away")
                raise UsageError(f"cannot record to {self}: {it} exists; {cure} or add --force")

    def open(self, call: Call, rate_hz: int, channels: int, *, with_json: bool = False) -> Sink:
        path = Path(FIELD.sub(lambda field: _VALUES[field[1]](call), self._pattern))
        make_folder(path.parent)
        if self.single:
            if self._overwrite:
                for name in _names(path):
                    name.unlink(missing_ok=True)
            return _create(path, rate_hz, channels)
        for number in itertools.count(1):
            numbered = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            with contextlib.suppress(FileExistsError):
                return self._open_numbered(numbered, rate_hz, channels, with_json=with_json)
        raise AssertionError("counting never ends")

    def _open_numbered(self, path: Path, rate_hz: int, channels: int, *, with_json: bool) -> Sink:
        """Take the names of a recording and its JSON, or raise `FileExistsError` where one of them is taken."""
        json = path.with_suffix(".json")
        half = _json_part(json)
        claim = HalfMade(half) if with_json else None
        try:
            # Check only now: the process that had this part before us named the JSON before it released the part.
            taken = [json, part_path(_wav_path(path), 2), *([] if claim else [half])]
            if any(map(_exists, taken)):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            sink = _create(path, rate_hz, channels)
        except BaseException:
            if claim is not None:
                claim.drop()
            raise
        if claim is not None:
            self._json[claim.temporary_name] = claim
        return sink

    def write_json(self, path: Path, content: dict[str, Any]) -> Path:
        """Write the JSON that belongs beside a recording's first file, and return its name: whole and on the disk
        itself, or not at all. Raises `OSError`."""
        json = _json_path(path)
        half = self._json.pop(str(_json_part(json)), None)
        if half is not None and not _exists(half.path):  # its folder was taken away, and may have been made again
            half.drop()
            half = None
        half = half or HalfMade(_json_part(json))
        try:
            with open(half.descriptor, "w", encoding="utf-8", closefd=False) as file:
                file.writelines(f"{printable(line)}\n" for line in json_lines(content))  # names need not be UTF-8
            half.name(json)
        except OSError:
            half.drop()
            raise
        return json


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

    def open(self, call: Call, rate_hz: int, channels: int, *, with_json: bool = False) -> Sink:
        return SoundPipe(self._descriptor, rate_hz, channels, headerless=self._headerless)

    def write_json(self, path: Path, content: dict[str, Any]) -> Path:
        """Do nothing: a pipe has no place for JSON."""
        raise AssertionError("standard output has no place for a JSON")


def _create(path: Path, rate_hz: int, channels: int) -> Sink:
    return (GrowingWav if _is_wav(path) else ConvertedFile)(path, rate_hz, channels)


def _is_wav(path: Path) -> bool:
    return path.suffix.lower() == WAV_SUFFIX


def _names(path: Path) -> list[Path]:
    """All names that a recording may take, one after the other, with what there is of files that would continue it."""
    wav = _wav_path(path)
    return [*dict.fromkeys([path, wav]), *parts_of(wav)]


def _wav_path(path: Path) -> Path:
    """Return the name of the WAV file that grows."""
    return path if _is_wav(path) else unconverted_path(path)


def _json_path(path: Path) -> Path:
    """Return the name of the JSON that belongs to a recording's first file, converted or not."""
    stem = path.name.removesuffix(UNCONVERTED_SUFFIX)
    return path.with_suffix(".json") if stem == path.name else path.with_name(f"{stem}.json")


def _json_part(json: Path) -> Path:
    return json.with_name(json.name + PART)


def _left_unconverted(folder: Path, is_json: Callable[[str], object]) -> list[Path]:
    """Return recordings in a folder that wait for no conversion any more: those of which nobody makes the JSON."""
    left: list[Path] = []
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            json = name.removesuffix(UNCONVERTED_SUFFIX) + ".json"
            if name.endswith(UNCONVERTED_SUFFIX) and is_json(json):
                path = folder / json
                if not any(map(_exists, (_json_part(path), path))):
                    left.append(folder / name)
    return left


def _exists(path: Path) -> bool:
    """Whether a name is taken, also by a broken link. Raises `OSError` for an impossible name."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _peer_field(call: Call) -> str:
    return re.sub(r"[^\w.-]+", "_", call.peer)


_VALUES: Final[dict[str, Callable[[Call], str]]] = {
    "uuid": lambda call: str(call.uuid),
    "date": lambda call: f"{call.started_at.astimezone():%Y-%m-%d}",
    "time": lambda call: f"{call.started_at.astimezone():%H-%M-%S}",
    "peer": _peer_field,
}
"""What a name may hold: the call's UUID, its start's local date and time, and who dialled."""
