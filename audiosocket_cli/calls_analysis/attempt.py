"""One attempt to measure a call, made in another process or on another machine: whatever happens, an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import audiosocket_cli
from audiosocket_cli.calls_analysis.columns import FORMAT, Row
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.calls_analysis.measure import measure
from audiosocket_cli.errors import MissingLibraryError
from audiosocket_cli.text import printable

VERSION = f"{audiosocket_cli.__version__} (rows {FORMAT})"
"""Rows of another version are not put beside ours."""


class Attempt(NamedTuple):
    """What came of it; with none of the reasons there is a row, or the files hold no call."""

    row: Row | None = None
    is_gone: bool = False
    """Whether a file is not there any more."""
    later: str | None = None
    """Why it may succeed another time."""
    fatal: str | None = None
    """Why nothing of the kind can succeed: a library is missing."""
    version: str = VERSION


def attempt_all(attempt_one: Callable[[ListedCall], Attempt], calls: Sequence[ListedCall]) -> list[Attempt]:
    """Measure calls, one after the other; what goes wrong with one of them is told of that one."""
    return [_attempt_safely(attempt_one, call) for call in calls]


def _attempt_safely(attempt_one: Callable[[ListedCall], Attempt], call: ListedCall) -> Attempt:
    try:
        return attempt_one(call)
    except Exception as error:
        return Attempt(later=f"internal error: {printable(repr(error)):.200}")


def attempt(call: ListedCall) -> Attempt:
    """Measure a call."""
    try:
        return Attempt(measure(call))
    except FileNotFoundError:
        return Attempt(is_gone=True)
    except MissingLibraryError as error:
        return Attempt(fatal=str(error))
    except OSError as error:  # those of a store, too
        if getattr(error, "is_missing", False):
            return Attempt(is_gone=True)
        return Attempt(later=printable((error.strerror or str(error)).lower() if error.errno else str(error)))
