"""Reads lines of another process on this process's loop: as they come, of bounded length, with any content."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any, Final

from audiosocket_cli.call.bots.process import read_now

MAX_LINE_BYTES: Final = 1 << 20
"""A longer line is cut."""

_READ_BYTES: Final = 1 << 16
_MAX_LAST_READS: Final = 64
"""Bytes to read at most once the writer is gone: what a pipe or a socket holds. Another process may go on writing."""

_SHOWN_CHARACTERS: Final = 60


class LineReader:
    """Hands on the lines of a pipe or a socket until it ends, or until `close`."""

    def __init__(
        self, descriptor: int, take: Callable[[str], object], on_end: Callable[[], object], *, whole: bool = False
    ) -> None:
        """Take over a descriptor, which is closed at the end. `whole`: a last line without an end is not handed on."""
        self._descriptor = descriptor
        self._take = take
        self._on_end = on_end
        self._whole = whole
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._descriptor < 0

    def close(self) -> None:
        """Hand on what is still there, and stop reading. Safe to call twice."""
        for _ in range(_MAX_LAST_READS):
            if self._descriptor < 0 or not self._read():
                break
        self._close()

    def _read(self) -> bool:
        data = read_now(self._descriptor, _READ_BYTES)
        if data:
            self._feed(data)
        elif data is not None:
            self._close()
        return bool(data)

    def _feed(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._add(first)
        for piece in others:
            self._end_line()
            self._add(piece)

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._piece_bytes += len(piece)
        if self._piece_bytes > MAX_LINE_BYTES:
            self._end_line()

    def _end_line(self) -> None:
        line, self._pieces, self._piece_bytes = b"".join(self._pieces), [], 0
        self._take(line.decode("utf-8", "replace"))

    def _close(self) -> None:
        if self._descriptor < 0:
            return
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        if self._piece_bytes and not self._whole:
            self._end_line()
        self._on_end()


def parse_object(line: str) -> dict[str, Any]:
    """Read a line that holds one JSON object. Raises `ValueError`, in words, for anything else."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{line.strip()[:_SHOWN_CHARACTERS]!r} is not a JSON object")
    return content
