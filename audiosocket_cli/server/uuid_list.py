"""A file of UUIDs, one a line, with comments: read piece by piece, in bounded memory, whatever it holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO
from uuid import UUID

from audiosocket_cli.errors import FileError

_PIECE_CHARACTERS: Final = 65536
"""Characters of a line that are looked at in one go."""

_BATCH_LINES: Final = 200
"""How much of a file is read before calls have their turn: under 1 ms."""

_MAX_UUIDS: Final = 5_000_000
"""They take 0.5 GB."""

_MAX_CHARACTERS: Final = 1 << 30
"""Of a whole file, with its comments; each line counts as `_MIN_CHARACTERS` at least, as it takes as long to read."""

_MIN_CHARACTERS: Final = 100


def read_uuids(path: Path) -> Iterator[set[bytes]]:
    """Yield the UUIDs of a file, as 16 bytes each, some at a time. Raises `FileError`.

    Also raised if the file is written to meanwhile: the lines read may be neither the old list nor the new.
    """
    found = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            before = _version(file)
            numbered = enumerate(_lines(file, path), 1)
            while lines := list(islice(numbered, _BATCH_LINES)):
                batch = {uuid for number, line in lines if (uuid := _uuid_in(line, path, number)) is not None}
                found += len(batch)
                if found > _MAX_UUIDS:
                    raise FileError(f"cannot read {path}: it holds more than {_MAX_UUIDS:,} UUIDs")
                yield batch
            if _version(file) != before:
                raise FileError(f"cannot read {path}: it is being written (write another file, and rename it)")
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise FileError(f"cannot read {path}: it is not text in UTF-8") from None


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """Yield lines without their comments. A comment may be of any length; what stands before it may not."""
    pieces = _pieces(file, path)
    for number, piece in enumerate(pieces, 1):
        line, sign, _ = piece.partition("#")
        while len(piece) == _PIECE_CHARACTERS and not piece.endswith("\n"):
            # The rest of this line: to be read as a line of its own it would let in what a comment holds.
            piece = next(pieces, "")
            if not sign:
                more, sign, _ = piece.partition("#")
                if more.strip():
                    raise _not_a_uuid(line, path, number)
        yield line


def _pieces(file: TextIO, path: Path) -> Iterator[str]:
    """Yield lines, long ones in pieces. Raises `FileError` where they do not end."""
    left = _MAX_CHARACTERS
    while piece := file.readline(_PIECE_CHARACTERS):
        left -= max(len(piece), _MIN_CHARACTERS)
        if left < 0:
            raise FileError(f"cannot read {path}: it is too long; name a file of UUIDs, one per line")
        yield piece


def _uuid_in(line: str, path: Path, number: int) -> bytes | None:
    text = line.strip()
    if not text:
        return None
    try:
        return UUID(text).bytes
    except ValueError:
        raise _not_a_uuid(text, path, number) from None


def _not_a_uuid(text: str, path: Path, number: int) -> FileError:
    return FileError(f"cannot read {path}: line {number} is not a UUID: {text.strip()[:50]!r}")


def _version(file: TextIO) -> tuple[int, int] | None:
    """Return what changes when a file is written to; a pipe is written to all the time."""
    status = os.fstat(file.fileno())
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
