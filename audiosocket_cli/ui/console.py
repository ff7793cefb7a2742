"""The one owner of stdout and stderr: data goes to stdout, talk to stderr, and a closed pipe is silent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO

_PATIENCE_S: Final = 1.0


def say(line: str) -> bool:
    """Tell the user one line, on stderr; False when whoever reads there does not for a second. What nobody reads
    must not keep a command from its end."""
    if not _takes_more(sys.stderr):
        return False
    _write(sys.stderr, line)
    return True


def put(line: str) -> None:
    """Put one line of data on stdout, at once."""
    _write(sys.stdout, line)


def put_json(content: dict[str, Any]) -> None:
    """Put one JSON object on stdout, on a line of its own."""
    put(json.dumps(content, ensure_ascii=False))


def put_result(content: dict[str, Any], lines: Iterable[str], *, as_json: bool, to_stderr: bool = False) -> None:
    """Put a result on stdout as one JSON object or as lines, or on stderr where data goes to stdout."""
    for line in [json.dumps(content, ensure_ascii=False)] if as_json else lines:
        if to_stderr:
            say(line)
        else:
            put(line)


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
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # Nobody reads any more: go on without them (a recorder records on), and let the exit's own flush succeed.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
