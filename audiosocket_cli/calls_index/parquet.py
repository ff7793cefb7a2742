"""Rows as a Parquet file, with a type for each column: digits stay text, times are times, lists are lists."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.errors import MissingLibraryError, OutputError
from audiosocket_cli.libraries import first_line, install_line

_BLOCK_BYTES: Final = 1 << 20
_MEMORY: Final = "128MB"
_GROUP: Final = 20_480
"""Rows that are in memory until they are written."""

_KINDS: Final = {"REAL": "DOUBLE", "INTEGER": "BIGINT", "TEXT": "VARCHAR"}
_OWN: Final = {"started_at": "TIMESTAMPTZ", "finding_ids": "VARCHAR[]", "files": "VARCHAR[]",
               "name": "VARCHAR", "folder": "VARCHAR"}  # fmt: skip


def parquet_types() -> dict[str, str]:
    """Return the columns of the file with their types, in the order of a row."""
    from audiosocket_cli.calls_index.columns import TYPES

    return {name: _OWN.get(name) or _KINDS[TYPES[name]] for name in Row._fields}


def check_parquet() -> None:
    """Raise `MissingLibraryError` where there is no library that writes Parquet."""
    _duckdb()


def parquet_bytes(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the bytes of a Parquet file. Raises `OutputError` or `OSError` where it cannot be made, as in a temporary
    folder without room."""
    with tempfile.TemporaryDirectory(prefix="audiosocket-") as folder:
        lines, out = Path(folder) / "rows.ndjson", Path(folder) / "rows.parquet"
        with lines.open("w", encoding="utf-8") as file:
            for row in rows:
                content = row.as_json()
                content.pop("schema")
                file.write(json.dumps(_clean(content)) + "\n")
        source = f"read_json(?, format = 'newline_delimited', columns = {columns_of(parquet_types())})"
        write_parquet(f"SELECT * FROM {source}", [str(lines)], out)
        with out.open("rb") as file_out:
            while block := file_out.read(_BLOCK_BYTES):
                yield block


def columns_of(types: Mapping[str, str]) -> str:
    """Return the columns of a file, with their types, as `read_json` takes them."""
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in types.items()) + "}"


def write_parquet(query: str, values: Sequence[str], out: Path) -> None:
    """Write what a query finds into a new file, in a folder that also takes what does not fit into memory. `values` are
    those of its question marks. Raises `OutputError`."""
    duckdb = _duckdb()
    settings = {"memory_limit": _MEMORY, "threads": "1", "autoinstall_known_extensions": "false",
                "temp_directory": str(out.parent)}  # fmt: skip
    copy = f"COPY ({query}) TO {_quoted(out)} (FORMAT parquet, ROW_GROUP_SIZE {_GROUP})"
    try:
        with duckdb.connect(config=settings) as database:  # in memory, and it fetches nothing
            database.execute(copy, list(values))
    except duckdb.Error as error:
        raise OutputError(f"cannot write Parquet: {first_line(error)}") from None


def count_rows(path: Path) -> int:
    """Return how many rows a file has. Raises `OutputError` for one that is damaged."""
    duckdb = _duckdb()
    try:
        with duckdb.connect() as database:
            (count,) = database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()
            return int(count)
    except duckdb.Error as error:
        raise OutputError(f"cannot read {path}: {first_line(error)}") from None


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _clean(content: dict[str, Any]) -> dict[str, Any]:
    """Names need not be UTF-8, but text in a Parquet file is."""
    return {key: _utf8(value) if isinstance(value, str) else [_utf8(each) for each in value]
            if isinstance(value, list) else value for key, value in content.items()}  # fmt: skip


def _utf8(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise MissingLibraryError(
            f"duckdb, which writes Parquet, cannot be loaded ({error}): {install_line('duckdb')}"
        ) from None
    return duckdb
