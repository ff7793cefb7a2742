"""Rows as Parquet: each column has its type, and digits stay what was pressed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from audiosocket_cli.calls_index import parquet
from audiosocket_cli.calls_index.parquet import check_parquet, parquet_bytes, parquet_types
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.errors import MissingLibraryError, OutputError
from support.many_calls import START, call_of


def written(path: Path, calls: list[dict[str, Any]], name: str = "a.json") -> Any:
    path.write_bytes(b"".join(parquet_bytes(row_of(call, folder="it's", name=name) for call in calls)))
    return duckdb.connect()


def test_columns_have_their_types_and_digits_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    digits = ["0042", "", "*#", "1e5"]
    calls = [call_of(n, START) | {"dtmf": [{"digit": d} for d in pressed]} for n, pressed in enumerate(digits)]
    calls[3] = {"dtmf": calls[3]["dtmf"]}
    database = written(path, calls)
    found = {name: kind for name, kind, *_ in database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}
    expected = {name: kind.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for name, kind in parquet_types().items()}
    assert found == expected
    assert found["digits"] == "VARCHAR"
    rows = database.execute(f"SELECT digits, started_at, duration_s, finding_ids, folder FROM '{path}'").fetchall()
    assert [row[0] for row in rows] == ["0042", "", "*#", "15"]
    assert rows[0][1].astimezone(UTC) == START
    assert isinstance(rows[0][1], datetime)
    assert (rows[0][2], rows[0][3]) == (calls[0]["duration_s"], calls[0]["finding_ids"])
    assert rows[3] == ("15", None, None, [], "it's")


def test_odd_names_and_no_rows_are_written_too(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    database = written(path, [call_of(1, START)], name="\udcff\n.json")
    assert database.execute(f"SELECT name FROM '{path}'").fetchall() == [("\\udcff\n.json",)]
    assert written(path, []).execute(f"SELECT count(*) FROM '{path}'").fetchall() == [(0,)]


def test_without_the_library_one_line_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingLibraryError, match=r"duckdb, which writes Parquet, .* -m pip install duckdb$"):
        check_parquet()


def test_what_the_library_cannot_do_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_KINDS", {"REAL": "DOUBLE", "INTEGER": "UTINYINT", "TEXT": "VARCHAR"})
    with pytest.raises(OutputError, match="cannot write Parquet: ") as error:
        list(parquet_bytes([row_of(call_of(1, START))]))
    assert len(str(error.value).splitlines()) == 1
