"""The JSON of one call, read from a file that anybody may have written: bounded, and never an exception."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from audiosocket_cli.calls_index.row import is_call
from audiosocket_cli.disk import read_regular

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
        content = read_regular(path, MAX_BYTES, folder)
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
