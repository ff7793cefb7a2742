"""What a mirror answered is found beside its call, and counts as a call only where there is no other."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.calls_index.mirrors import add_mirrored, is_of_mirror, mirrored, names_for_mirrors
from support.many_calls import make_calls


@pytest.mark.parametrize(
    ("call", "heard"),
    [
        ("a.mirror", "a"), ("a.mirror-2", "a"), ("a-2.mirror", "a-2"), ("a\n.mirror-12", "a\n"),
        ("a.mirror.mirror", "a.mirror"), ("a", None), (".mirror", None), ("a.mirror-", None), ("a.mirrored", None),
    ],
)  # fmt: skip
def test_a_mirror_has_the_name_of_its_call(call: str, heard: str | None) -> None:
    assert mirrored(call) == heard


def test_a_call_and_its_mirror_need_not_have_one_number() -> None:
    assert names_for_mirrors(["a", "b-2"]) == {"a", "b", "b-2"}


@pytest.mark.parametrize("ending", ["", ".json"])
def test_of_names_in_a_table_those_of_mirrors_are_known(ending: str) -> None:
    calls = ["a", "a.mirror", "a.mirror-2", "b-3", "b.mirror", "caf\udce9-2", "caf\udce9.mirror-12", "c-d", "c.mirror"]
    database = sqlite3.connect(":memory:")
    add_mirrored(database)
    database.execute("CREATE TABLE files (folder BLOB, name BLOB)")
    database.executemany("INSERT INTO files VALUES (x'', ?)", [(os.fsencode(f"{call}{ending}"),) for call in calls])
    database.execute("INSERT INTO files VALUES (x'2f', ?)", (f"a.mirror{ending}".encode(),))  # in another folder
    found = database.execute(f"SELECT folder, name FROM files WHERE NOT {is_of_mirror('files', 'name', ending)}")
    left = [(folder, os.fsdecode(name).removesuffix(ending)) for folder, name in found]
    assert left == [
        (b"", "a"), (b"", "b-3"), (b"", "caf\udce9-2"), (b"", "c-d"), (b"", "c.mirror"), (b"/", "a.mirror"),
    ]  # fmt: skip


def test_the_index_counts_a_mirrored_call_once_and_its_mirror_alone(tmp_path: Path) -> None:
    make_calls(tmp_path, 2)
    first, second = sorted(tmp_path.rglob("*.json"))
    for path in (first, second):
        path.with_name(f"{path.stem}.mirror.json").write_bytes(path.read_bytes())
    with CallsIndex(tmp_path, lambda line: None) as index:
        index.update()
        assert {row.name for row in index.rows(Filter())} == {first.name, second.name}
        assert index.totals(Filter()).calls == 2
        first.unlink()
        index.update()
        assert {row.name for row in index.rows(Filter())} == {f"{first.stem}.mirror.json", second.name}
