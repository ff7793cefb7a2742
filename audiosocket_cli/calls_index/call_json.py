"""The JSON of one call, read from a file that anybody may have written: bounded, and never an exception."""

from __future__ import annotations

import json
import os
import stat
from typing import Any, Final, NamedTuple

from audiosocket_cli.calls_index.row import is_call

MAX_BYTES: Final = 6 << 20
"""The JSON of a call with as many digits, gaps and turns as are listed has 4 MB. What is read of more may take 30 times
as much memory."""


class CallJson(NamedTuple):
    """What a file holds: a call, or in a few words why it holds none."""

    call: dict[str, Any] | None
    problem: str | None = None


OTHER_JSON: Final = "JSON, but not of a call"
"""The problem of a file that is right, and none of ours."""

TOO_LONG: Final = CallJson(None, f"longer than the {MAX_BYTES >> 20} MB that a call's JSON can have")


def read_call(path: str | bytes, folder: int | None = None) -> CallJson:
    """Return the call in a file, whose name may be relative to the descriptor of a `folder`. Links are not followed."""
    try:
        content = _content(path, folder)
    except OSError as error:
        return CallJson(None, (error.strerror or str(error)).lower())
    return TOO_LONG if content is None else parse_call(content)


def parse_call(content: bytes) -> CallJson:
    """Return the call in the content of a file of up to `MAX_BYTES`."""
    try:
        found = json.loads(content)
    except RecursionError:
        return CallJson(None, "nested too deeply for JSON of a call")
    except ValueError:  # also bytes that are not UTF-8, and numbers of thousands of digits
        return CallJson(None, "empty" if not content.strip() else "not JSON, or cut short")
    return CallJson(found) if is_call(found) else CallJson(None, OTHER_JSON)


def _content(path: str | bytes, folder: int | None) -> bytes | None:
    """Return the bytes of a regular file; None where there are too many. A pipe is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a file")
        if status.st_size > MAX_BYTES:
            return None
        pieces, left = [], MAX_BYTES + 1  # it may grow meanwhile
        while left and (piece := os.read(descriptor, min(left, max(status.st_size, 1 << 16) + 1))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces) if left else None
    finally:
        os.close(descriptor)
