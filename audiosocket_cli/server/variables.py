"""The variables of a call: what the operator knows of a caller beside the UUID, as a JSON object of names and values.

It is what the program of --authorize prints, or a file named after the UUID. A broken object costs a call its
variables, and never the call: the caller has done nothing wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from audiosocket_cli.call.sources.prompts import Threads

MAX_BYTES: Final = 65536
"""Bytes that an object may have."""

MAX_VARIABLES: Final = 100
MAX_NAME: Final = 100
"""Characters of a name."""

READ_TIMEOUT_S: Final = 2.0
"""How long a file may take: a caller waits for it, in silence."""

_MAX_THREADS: Final = 2
_MAX_WAITING: Final = 100
"""Files that may wait to be read; with more, the folder's disk hangs."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_NAMES: Final = 5


class Variables(NamedTuple):
    """The variables of a call, and what is odd about where they come from."""

    values: dict[str, str]
    remarks: tuple[str, ...] = ()


NONE: Final = Variables({})


def parse_variables(data: bytes, source: str) -> Variables:
    """Read variables from JSON; blank text holds none. `source` is named in the remarks.

    A value is a string, a number (kept as it is written) or a boolean (`true`, `false`).
    """
    if len(data) > MAX_BYTES:
        return _none_because(source, f"has more than {MAX_BYTES} bytes")
    if not data.strip():
        return NONE
    try:
        # Numbers stay as they are written, so that no digit of a customer number is lost.
        content = json.loads(data, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _none_because(source, 'is not one JSON object: write {"name": "value"}')
    if not isinstance(content, dict):
        return _none_because(source, 'is not one JSON object: write {"name": "value"}')
    values: dict[str, str] = {}
    odd: list[str] = []
    for name, value in content.items():
        text = _text_of(value)
        if len(values) < MAX_VARIABLES and len(name) <= MAX_NAME and _NAME.fullmatch(name) and text is not None:
            values[name] = text
        else:
            odd.append(name)
    return Variables(values, tuple(_remarks(odd, source)))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _none_because(source: str, why: str) -> Variables:
    return Variables({}, (f"the call has no variables: {source} {why}",))


def _text_of(value: Any) -> str | None:
    """Return a value as text that an environment can hold; None where it is no such value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, escaped in the JSON
        return None
    return value


def _remarks(odd: list[str], source: str) -> Iterator[str]:
    if odd:
        names = ", ".join(repr(name[:MAX_NAME]) for name in odd[:_SHOWN_NAMES])
        more = f" and {len(odd) - _SHOWN_NAMES} more" if len(odd) > _SHOWN_NAMES else ""
        yield (
            f"variables of {source} are left out: {names}{more} (a name has up to {MAX_NAME} of A-Z, a-z, 0-9 and _; a "
            f"value is text, a number or a boolean; there are at most {MAX_VARIABLES} variables)"
        )


class VariableFiles:
    """A folder in which the operator leaves `<uuid>.json` before the call comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = Threads(_MAX_THREADS)
        self._waiting = 0

    async def read(self, uuid: UUID) -> Variables:
        """Read the variables of a call, on a thread. Without a file there are none."""
        path = self._folder / f"{uuid}.json"
        if self._waiting >= _MAX_WAITING:
            return Variables({}, (f"the call has no variables: {path} waits for {self._waiting} others to be read",))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Variables] = loop.create_future()

        def settle(found: Variables) -> None:
            self._waiting -= 1
            if not done.done():
                done.set_result(found)

        def job() -> None:
            found = _read(path)
            with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(settle, found)

        self._waiting += 1
        self._threads.do(job)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await done
        except TimeoutError:
            return Variables({}, (f"the call has no variables: reading {path} takes over {READ_TIMEOUT_S:g} s",))


def _read(path: Path) -> Variables:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Variables({}, (f"the call has no variables: {path} is not a file",))
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return NONE
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Variables({}, (f"the call has no variables: cannot read {path}: {reason}",))
    return parse_variables(data, str(path))
