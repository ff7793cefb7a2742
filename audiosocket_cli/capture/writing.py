"""Where live captures go: one file for all calls, a file for each call in a folder, or a pipe into Wireshark."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from audiosocket_cli.audio.pipe_output import PipeWriter
from audiosocket_cli.capture.conversation import Address
from audiosocket_cli.capture.packet_queue import Flusher, Later, PacketQueue
from audiosocket_cli.capture.pcapng import opening_blocks
from audiosocket_cli.capture.trace import CAPTURE_SCHEMA, Clock, Trace, steady_clock
from audiosocket_cli.disk import prove_folder, sync_folder
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.write_behind import Do, WriteBehind

SUFFIX: Final = ".pcapng"
_SOUND: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".raw", ".aiff", ".au", ".caf")
"""Suffixes of sound files: somebody wants to record to one, or has just played it."""

_MAX_WAITING_BYTES: Final = 32 << 10
"""The most that waits in a queue of one connection. Where ten peers flood us, ten of them may be full in one turn."""


class Ends(NamedTuple):
    """A connection that is to be captured."""

    ours: Address
    theirs: Address
    me: Side
    on_failure: Callable[[OSError], object] | None = None
    """Told once, when the capture ends before the connection does."""


class CaptureOutput(Protocol):
    """Makes traces for connections."""

    has_stdout: bool
    """Whether it takes standard output, so that a log must go elsewhere."""
    single: bool
    """Whether all connections share one stream, and so one process."""

    def begin(self, ends: Ends, do: Do, later: Later | None = None) -> FiledTrace:
        """Make the trace of a connection. All that can wait for a disk is left to `do`, in its order; what passes waits
        for some tenths of a second if there is a `later` to write it then."""

    def beside(self, word: str) -> CaptureOutput:
        """Return where further connections of the same calls go, with this word in the names of their files."""

    def close(self) -> None:
        """Take no more traces, and give their reader some time. Raises `OSError`."""


class CaptureFile:
    """All connections in one file, which is made, or overwritten, when the first of them is there."""

    single = True
    has_stdout = False

    def __init__(self, path: Path, application: str, *, overwrite: bool | None = False) -> None:
        """Prove that the file can be made. `overwrite` is None where nobody can ask for it. Raises `UsageError`."""
        self._path = path
        self._application = application
        self._overwrite = bool(overwrite)
        self._file: BlockFile | None = None
        self._queue: PacketQueue | None = None
        self._clock = steady_clock()
        if path.suffix.lower() in _SOUND:
            cure = "name it .pcapng, or use --record"
            raise UsageError(f"cannot capture to {path}: a capture is not a sound file; {cure}")
        if "{" in path.name:
            raise UsageError(f"cannot capture to {path}: names of captures have no fields; name a folder")
        _prepare_folder(path.parent, path)
        if os.path.exists(path) and not overwrite:
            cure = "name a folder" if overwrite is None else "add --force"
            raise UsageError(f"cannot capture to {path}: it exists; choose another name or {cure}")

    def __str__(self) -> str:
        return str(self._path)

    def begin(self, ends: Ends, do: Do, later: Later | None = None) -> FiledTrace:
        if self._queue is None:
            self._file = BlockFile(self._make, do)
            self._queue = PacketQueue(self._file.put, Flusher(later))
            self._file.put(opening_blocks(_about(ends.me, self._application), self._application))
        return FiledTrace(self._queue, ends, clock_ns=self._clock, file=self._file)

    def beside(self, word: str) -> CaptureOutput:
        return self

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file.wait_until_written()

    def _make(self) -> tuple[Path, int]:
        if self._overwrite:
            self._path.unlink(missing_ok=True)
        return self._path, _create(self._path)


class CaptureFolder:
    """A file for each connection, named by its UUID; until that is known, by the time and the peer."""

    single = False
    has_stdout = False

    def __init__(self, folder: Path, application: str, word: str = "") -> None:
        """Make the folder, and prove that a file can be made in it. `word` goes into all names. Raises `UsageError`."""
        self.folder = folder
        self._application = application
        self._ending = f".{word}" if word else ""
        self._flusher = Flusher()
        _prepare_folder(folder, folder)

    def __str__(self) -> str:
        return str(self.folder)

    def begin(self, ends: Ends, do: Do, later: Later | None = None) -> FiledTrace:
        self._flusher.later = later
        host, port = ends.theirs
        peer = re.sub(r"[^\w.-]+", "_", f"{host.removeprefix('::ffff:')}_{port}")
        name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{peer}{self._ending}"
        file = BlockFile(partial(create_numbered, self.folder, name), do)
        file.put(opening_blocks(_about(ends.me, self._application), self._application))
        return OwnFileTrace(file, ends, self._flusher, self._ending)

    def beside(self, word: str) -> CaptureOutput:
        return CaptureFolder(self.folder, self._application, word)

    def close(self) -> None:
        pass


class CapturePipe:
    """All connections as a stream on a descriptor, for a program that reads it meanwhile."""

    single = True
    has_stdout = True

    def __init__(self, descriptor: int, application: str) -> None:
        self._application = application
        self._pipe = PipeWriter(descriptor)
        self._clock = steady_clock()
        self._queue: PacketQueue | None = None

    def __str__(self) -> str:
        return "standard output"

    def begin(self, ends: Ends, do: Do, later: Later | None = None) -> FiledTrace:
        if self._queue is None:
            self._queue = PacketQueue(self._pipe.put, Flusher(later))
            self._pipe.put(opening_blocks(_about(ends.me, self._application), self._application))
        return FiledTrace(self._queue, ends, clock_ns=self._clock)

    def beside(self, word: str) -> CaptureOutput:
        return self

    def close(self) -> None:
        self._pipe.finish()


class BlockFile(WriteBehind):
    """A file that grows by whole blocks; the jobs of another thread write it."""

    def __init__(self, make: Callable[[], tuple[Path, int]], do: Do) -> None:
        """`make` makes the file, and returns its name and descriptor, or raises `OSError`."""
        self.path: Path | None = None
        """Its name, once it has one."""
        super().__init__(do)
        self._blocks: deque[bytes] = deque()
        self._is_told = False
        self._descriptor = -1
        do(partial(self._open, make))

    def put(self, block: bytes) -> None:
        """Add a block; never waits. Raises `OSError` for what failed since the last time."""
        self._take(len(block))
        self._blocks.append(block)
        if not self._is_told:
            self._is_told = True
            self._do(self._write)

    def rename(self, stem: str) -> None:
        """Give it another name; it keeps the one that it has where that fails."""
        self._do(partial(self._rename, stem))

    def close(self) -> None:
        """No more blocks come. Safe to call twice."""
        self._do(self._close)

    def _open(self, make: Callable[[], tuple[Path, int]]) -> None:
        try:
            self.path, self._descriptor = make()
        except OSError as error:
            self._error = error

    def _write(self) -> None:
        self._is_told = False  # set before the last look, so that a later block starts another job
        blocks = b"".join(_taken(self._blocks))
        if self._error is None:
            try:
                _write(self._descriptor, blocks)
            except OSError as error:
                self._error = error
        self._written_bytes += len(blocks)

    def _rename(self, stem: str) -> None:
        with contextlib.suppress(OSError):
            if self.path is not None:
                path, descriptor = create_numbered(self.path.parent, stem)
                os.close(descriptor)
                self.path.replace(path)
                self.path = path

    def _close(self) -> None:
        if self._descriptor < 0:
            return
        try:
            os.fsync(self._descriptor)
            if self.path is not None:
                sync_folder(self.path.parent)
        except OSError as error:
            self._error = self._error or error
        os.close(self._descriptor)
        self._descriptor = -1


class FiledTrace(Trace):
    """A trace that knows its file, if it has one."""

    def __init__(self, queue: PacketQueue, ends: Ends, *, clock_ns: Clock, file: BlockFile | None = None,
                 on_uuid: Callable[[str], object] | None = None) -> None:  # fmt: skip
        self.file = file
        super().__init__(
            queue, ends.ours, ends.theirs, me=ends.me, clock_ns=clock_ns, on_failure=ends.on_failure, on_uuid=on_uuid
        )

    @property
    def path(self) -> Path | None:
        """The file's name, once it has one."""
        return None if self.file is None else self.file.path


class OwnFileTrace(FiledTrace):
    """A trace with a file of its own, which gets the name of the UUID."""

    def __init__(self, file: BlockFile, ends: Ends, flusher: Flusher, ending: str = "") -> None:
        """Take a file that was just made, to be closed with the trace; `ending` comes after the UUID in its name."""
        queue = PacketQueue(file.put, flusher, most_bytes=_MAX_WAITING_BYTES)
        super().__init__(
            queue, ends, clock_ns=steady_clock(), file=file, on_uuid=lambda uuid: file.rename(f"{uuid}{ending}")
        )
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


def parse_capture(text: str, application: str, *, overwrite: bool | None = False) -> CaptureOutput:
    """Return where to capture to: `-` is standard output, a name without a suffix or with a slash at its end is a
    folder.

    Raises `UsageError`.
    """
    if text == "-":
        if sys.stdout.isatty():
            raise UsageError("cannot capture to a terminal: pipe it to a program (| wireshark -k -i -) or name a file")
        return CapturePipe(sys.stdout.fileno(), application)
    path = Path(text)
    if os.path.isdir(path) or text.endswith(os.sep) or not path.suffix:
        return CaptureFolder(path, application)
    return CaptureFile(path, application, overwrite=overwrite)


def _prepare_folder(folder: Path, shown: Path) -> None:
    """Make a folder, and prove that a file can be made in it. Raises `UsageError`."""
    try:
        prove_folder(folder)
    except FileExistsError:
        raise UsageError(f"cannot capture to {shown}: {folder} is a file; name a folder") from None
    except OSError as error:
        raise UsageError(f"cannot capture to {shown}: {(error.strerror or str(error)).lower()}") from None


def _about(me: Side, application: str) -> dict[str, str]:
    return {"schema": CAPTURE_SCHEMA, "me": me.value, "program": application}


def _taken(blocks: deque[bytes]) -> Iterator[bytes]:
    while blocks:
        yield blocks.popleft()


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)


def create_numbered(folder: Path, stem: str) -> tuple[Path, int]:
    """Create a file that was not there, with a number in its name if it has to be."""
    for number in itertools.count(1):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        try:
            return path, _create(path)
        except FileExistsError:
            continue
    raise AssertionError("counting never ends")


def _write(descriptor: int, block: bytes) -> None:
    """Write blocks whole, or not at all: a part of one would hide all that follows."""
    written = os.write(descriptor, block)
    if written == len(block):
        return
    begin = os.fstat(descriptor).st_size - written
    try:
        while written < len(block):
            written += os.write(descriptor, block[written:])
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, begin)
        raise
