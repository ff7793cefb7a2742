"""What a mirror answered: beside the recording of its call, under that call's name and `.mirror`, and not a call."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable
from typing import Final

_MIRROR: Final = re.compile(r"(.+)\.mirror(?:-\d+)?", re.DOTALL)
_NUMBER: Final = re.compile(r"-\d+$")
_JSON: Final = ".json"


def mirrored(call: str) -> str | None:
    """Return the name of the call that a mirror heard, but for its number, by the name of the mirror's files; None for
    other names. Both have a number (-2) where there were such files already, and need not have the same."""
    found = _MIRROR.fullmatch(call)
    return found and found[1]


def names_for_mirrors(calls: Iterable[str]) -> set[str]:
    """Return what `mirrored` may return for the mirrors of these calls: their names, with and without a number."""
    return {name for call in calls for name in (call, _NUMBER.sub("", call))}


def add_mirrored(database: sqlite3.Connection) -> None:
    """Let conditions of `is_of_mirror` be asked."""
    database.create_function("mirrored", 1, _mirrored, deterministic=True)


def is_of_mirror(table: str, column: str, ending: str = "") -> str:
    """Return the condition, in SQL, that a row is of a mirror whose call is in the table, too.

    The table has a `folder`; a name in `column` is a call's with an `ending`. Both are bytes.
    """
    name = f"{table}.{column}"
    own = f"EXISTS (SELECT 1 FROM {table} AS own WHERE own.folder = {table}.folder AND own.{column}"
    heard = f"mirrored({name})"
    return (
        f"(instr({name}, x'{b'.mirror'.hex()}') AND {heard} IS NOT NULL AND ("  # most names are not asked of Python
        f"{own} = CAST({heard} || '{ending}' AS BLOB)) OR "
        f"{own} BETWEEN CAST({heard} || '-0' AS BLOB) AND CAST({heard} || '-:' AS BLOB))))"  # a number is -0 to -9
    )


def _mirrored(name: bytes) -> bytes | None:
    call = mirrored(os.fsdecode(name).removesuffix(_JSON))
    return None if call is None else os.fsencode(call)
