"""The one owner of stdout and stderr: data goes to stdout, talk to stderr, and a closed pipe is silent.

Each line passes through `printable` here, whatever it is made of: names, and what peers, captures and programs say. On
a terminal it has colours then.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from audiosocket_cli.text import printable
from audiosocket_cli.ui.colours import coloured, has_colours

_PATIENCE_S: Final = 1.0
_TOGETHER: Final = 128
"""Pieces that are written at once: of frames as JSON, 64 KiB, and at most 11 MiB."""


def say(line: str) -> bool:
    """Write one line to stderr; False if it takes longer than a second, or stderr is full: an unread stream must not
    keep a command from ending."""
    if not _takes_more(sys.stderr):
        return False
    try:
        _write(sys.stderr, line)
    except OSError:
        return False
    return True


def put(line: str) -> None:
    """Put one line of data on stdout, at once."""
    _write(sys.stdout, line)


def put_lines(lines: Iterable[str], *, at_once: bool = False) -> None:
    """Put many lines of data on stdout: each at once where somebody watches, else as they fill a buffer."""
    if at_once or sys.stdout.isatty():
        for line in lines:
            put(line)
        return
    put_bytes(map(line_bytes, lines))


def line_bytes(line: str, stream: TextIO | None = None) -> bytes:
    """Return a line as bytes for `put_bytes`, which knows no lines; with the colours of a stream, if one is named."""
    line = printable(line)
    return (coloured(line) if stream is not None and has_colours(stream) else line).encode() + b"\n"


def put_bytes(pieces: Iterable[bytes]) -> None:
    """Put bytes on stdout, some pieces at a time. Raises `OSError` when they cannot be, as when nobody reads."""
    rest = iter(pieces)
    while some := list(islice(rest, _TOGETHER)):
        sys.stdout.buffer.write(b"".join(some))
    sys.stdout.buffer.flush()


def put_result(content: dict[str, Any], lines: Iterable[str], *, as_json: bool, to_stderr: bool = False) -> bool:
    """Put a result on stdout as one JSON object or as lines, or on stderr where data goes to stdout.

    False, and a line on stderr, where it cannot be written. A closed pipe is silent: nobody wants to know.
    """
    for line in [json.dumps(content, ensure_ascii=False)] if as_json else lines:
        if to_stderr:
            say(line)
            continue
        try:
            put(line)
        except OSError as error:
            say(f"cannot write the result: {(error.strerror or str(error)).lower()}")
            _forget(sys.stdout)
            return False
    return True


def drop_output() -> None:
    """Let what standard output still holds go nowhere, as nobody reads it: the exit's own flush must succeed."""
    _forget(sys.stdout)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream shows on a terminal that can draw."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _takes_more(stream: TextIO) -> bool:
    try:
        return bool(select.select([], [stream], [], _PATIENCE_S)[1])
    except (OSError, ValueError):  # closed, or no descriptor: the write will tell
        return True


def _write(stream: TextIO, line: str) -> None:
    try:
        line = printable(line)
        stream.write((coloured(line) if has_colours(stream) else line) + "\n")
        stream.flush()
    except BrokenPipeError:
        # Nobody reads any more: go on (a recorder keeps recording), and let the flush at exit succeed.
        _forget(stream)


def _forget(stream: TextIO) -> None:
    """Discard what a stream still holds, and all later output to it."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def shown_path(path: Path) -> str:
    """Return a path as a user would type it: relative to the current folder where that is shorter."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except OSError:  # the current folder is gone
        return str(path)
