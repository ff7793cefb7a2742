"""Rows as Parquet files, one for each day: OUT/date=2026-11-30/part-0.parquet.

A file is written beside the old one and takes its name, so that a reader sees the day as it was or as it is. Days are
the only partition: other names in folders get types that readers guess, and digits must stay text.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from audiosocket_cli.calls_analysis.columns import COLUMNS
from audiosocket_cli.calls_index.parquet import columns_of, count_rows, write_parquet
from audiosocket_cli.disk import PREFIX, sync_folder
from audiosocket_cli.errors import OutputError

_MADE: Final = "rows.new"
"""A file that is not whole yet. OUT/*/*.parquet finds hidden folders, too, and a query must not count its rows."""

_KEYS: Final = "{folder: 'VARCHAR', call: 'VARCHAR'}"
_UNFINISHED: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
"""As `tempfile` names folders."""
_NAMES: Final = ", ".join(f'"{name}"' for name in COLUMNS)


def part_path(out: Path, date: str) -> Path:
    """Return the file of a day."""
    return out / f"date={date}" / "part-0.parquet"


def clear_unfinished(out: Path) -> None:
    """Remove what a process that was killed has left. Only for who has the lock of the folder. Raises `OSError`."""
    for name in os.listdir(out):
        if _UNFINISHED.fullmatch(name):
            shutil.rmtree(out / name, ignore_errors=True)


def rewrite_part(out: Path, date: str, keys: Iterable[str], rows: Iterable[str]) -> None:
    """Take calls out of a day, and put rows in, in one step.

    `keys` are JSON objects with `folder` and `call`, `rows` such of `COLUMNS`. The rows of a day are in order of their
    starts. Raises `OutputError`.
    """
    path = part_path(out, date)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=out) as folder:
            made = _made(path, Path(folder), keys, rows)
            if made is None:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # somebody else's file is in it
                    path.parent.rmdir()
                sync_folder(out)
                return
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _made(path: Path, folder: Path, keys: Iterable[str], rows: Iterable[str]) -> Path | None:
    """Write the new file of a day into a folder of its own; None for a day without calls."""
    lines, gone, out = folder / "rows.ndjson", folder / "keys.ndjson", folder / _MADE
    has_rows = _write_lines(lines, rows)
    _write_lines(gone, keys)
    json = "read_json(?, format = 'newline_delimited', columns = {})".format
    parts, values = [], []
    if path.exists():
        parts.append(
            f"SELECT {_NAMES} FROM read_parquet(?, hive_partitioning = false) WHERE (folder, call) NOT IN "
            f"(SELECT (folder, call) FROM {json(_KEYS)})"
        )
        values += [str(path), str(gone)]
    if has_rows:
        parts.append(f"SELECT {_NAMES} FROM {json(columns_of(COLUMNS))}")
        values.append(str(lines))
    if not parts:
        return None
    write_parquet(f"{' UNION ALL '.join(parts)} ORDER BY started_at NULLS LAST, folder, call", values, out)
    return out if has_rows or count_rows(out) else None


def _write_lines(path: Path, lines: Iterable[str]) -> bool:
    """Write lines, and return whether there is any."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            count += file.write(f"{line}\n")
    return count > 0
