"""Dialplans in files, with the files that they include."""

from __future__ import annotations

import glob
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.dialplan import MAX_LINE, Dialplan, Place, SourceLine
from audiosocket_cli.asterisk.dialplan_check.reading import read_source
from audiosocket_cli.errors import FileError

_INCLUDE: Final = re.compile(
    r"""\s*\#(?P<how>include|tryinclude|exec)\b\s*(?:=>?)?\s*["<']?(?P<name>[^"'<>;]{1,500}?)["'>]?\s*(?:;.*)?"""
)

_MAX_DEPTH: Final = 10
"""Files in files (`MAX_INCLUDE_LEVEL`, config.c)."""

_MAX_FILES: Final = 1000

_SNIFFED: Final = 4096


@dataclass(slots=True)
class Files:
    """The files that were read, so that none is read twice."""

    seen: set[str] = field(default_factory=set)
    _unread: list[tuple[Place, str]] = field(default_factory=list)

    def read(self, path: Path) -> Dialplan:
        """Return the dialplan of a file and of those that it includes. Raises `FileError`."""
        self._unread = []
        plan = read_source(self._lines(path, 1), str(path))
        plan.unread += self._unread
        return plan

    def has(self, path: Path) -> bool:
        """Whether a file has been read."""
        return os.path.realpath(path) in self.seen

    def _lines(self, path: Path, depth: int) -> Iterator[SourceLine]:
        self.seen.add(os.path.realpath(path))
        shown = str(path) if depth == 1 else path.name
        for number, text in enumerate(_text_lines(path), 1):
            place = Place(shown, number)
            include = _INCLUDE.fullmatch(text) if "#" in text else None
            if include:
                yield from self._included(include, path, place, depth)
            else:
                yield SourceLine(place, text)

    def _included(self, include: re.Match[str], path: Path, place: Place, depth: int) -> Iterator[SourceLine]:
        if include["how"] == "exec":
            self._unread.append((place, f"what {include['name']} prints: it is run by Asterisk alone"))
            return
        found = sorted(Path(name) for name in glob.glob(str(path.parent / include["name"])))
        if not found and include["how"] == "include":
            self._unread.append((place, f"{include['name']} is not there"))
        for other in found:
            if depth == _MAX_DEPTH or len(self.seen) >= _MAX_FILES:
                self._unread.append((place, f"{other.name}: too many files include others"))
            elif not self.has(other):
                try:
                    yield from self._lines(other, depth + 1)
                except FileError as error:
                    self._unread.append((place, str(error)))


def _text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; of a long one what Asterisk would read. Raises `FileError`."""
    try:
        with path.open("rb") as stream:
            yield from text_lines(stream, str(path))
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def text_lines(stream: BufferedReader, name: str) -> Iterator[str]:
    """Do so for a file that is open. Raises `FileError` where it is not text."""
    first = stream.peek(_SNIFFED)[:_SNIFFED]
    if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FileError(f"{name} is UTF-16, which Asterisk does not read: convert it to UTF-8")
    if b"\0" in first:
        raise FileError(f"{name} is not a dialplan: it holds bytes that are not text")
    while line := stream.readline(MAX_LINE):
        yield line.decode(errors="replace").rstrip("\r\n")
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
