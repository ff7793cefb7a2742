"""The part of a day: rows go in and out in one step, and keep their types."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from audiosocket_cli.calls_analysis import parquet_parts
from audiosocket_cli.calls_analysis.columns import COLUMNS, empty_row
from audiosocket_cli.calls_analysis.listed_call import ListedCall, ListedFile
from audiosocket_cli.calls_analysis.parquet_parts import clear_unfinished, part_path, rewrite_part
from audiosocket_cli.errors import OutputError
from support.analyzed import rows_in

DAY = "2026-11-30"


def row_of(call: str, **values: Any) -> str:
    row = empty_row(ListedCall("/calls", call, (ListedFile(f"{call}.wav", 1, "1", 1.0),))) | values
    return json.dumps({name: row[name] for name in COLUMNS})


def key_of(call: str) -> str:
    return json.dumps({"folder": "/calls", "call": call})


def test_rows_take_the_place_of_old_ones_and_the_others_stay(tmp_path: Path) -> None:
    rewrite_part(tmp_path, DAY, [], [row_of("b", digits="0042"), row_of("a"), row_of("c")])
    rewrite_part(tmp_path, DAY, map(key_of, "bd"), [row_of("b", digits="0043"), row_of("d")])
    assert rows_in(tmp_path, "call, digits, date::VARCHAR") == [
        ("a", None, DAY), ("b", "0043", DAY), ("c", None, DAY), ("d", None, DAY)
    ]  # fmt: skip
    assert [path.name for path in part_path(tmp_path, DAY).parent.iterdir()] == ["part-0.parquet"]
    rewrite_part(tmp_path, DAY, map(key_of, "abcd"), [])
    assert list(tmp_path.iterdir()) == []


def test_columns_have_their_types(tmp_path: Path) -> None:
    turn = {"side": "caller", "start_s": 0.5, "end_s": 1.0, "kind": "turn", "after_ms": None}
    started = "2026-11-30T12:00:00.250+00:00"
    row = row_of("a", digits="0042", caller_tones="1e5", started_at=started, latencies_ms=[700], turns=[turn])
    rewrite_part(tmp_path, DAY, [], [row])
    with duckdb.connect() as database:
        described = database.execute(
            f"DESCRIBE SELECT * FROM read_parquet('{part_path(tmp_path, DAY)}', hive_partitioning = false)"
        ).fetchall()
        long_names = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
        expected = {name: long_names.get(kind, kind) for name, kind in COLUMNS.items()}
        found = {name: kind.replace('"', "") for name, kind, *_ in described}
        assert found == expected
    query = "digits, caller_tones, turns[1].side, epoch_ms(started_at), latencies_ms"
    assert rows_in(tmp_path, query) == [("0042", "1e5", "caller", 1_796_040_000_250, [700])]


def test_a_part_that_is_damaged_is_one_line_and_stays(tmp_path: Path) -> None:
    rewrite_part(tmp_path, DAY, [], [row_of("a")])
    part_path(tmp_path, DAY).write_bytes(b"PAR1 no more")
    with pytest.raises(OutputError, match="cannot write Parquet: ") as error:
        rewrite_part(tmp_path, DAY, [key_of("b")], [row_of("b")])
    assert len(str(error.value).splitlines()) == 1
    assert part_path(tmp_path, DAY).read_bytes() == b"PAR1 no more"


def test_a_query_never_finds_what_is_not_whole_and_the_next_run_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_part(tmp_path, DAY, [], [row_of("a")])
    seen, original = [], parquet_parts.write_parquet

    def written(query: str, values: list[str], out: Path) -> None:
        original(query, values, out)
        seen.append(rows_in(tmp_path, "call"))
        shutil.copytree(out.parent, tmp_path / ".audiosocket-k1ll_ed0")  # all that a kill would leave

    monkeypatch.setattr(parquet_parts, "write_parquet", written)
    rewrite_part(tmp_path, DAY, [key_of("a")], [row_of("a"), row_of("b")])
    assert seen == [[("a",)]]
    assert rows_in(tmp_path, "call") == [("a",), ("b",)]
    (tmp_path / ".audiosocket-analysis.lock").touch()
    clear_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"date={DAY}", ".audiosocket-analysis.lock"}
