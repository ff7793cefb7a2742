"""SQLite files of ours: private, and what their errors say."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from audiosocket_cli.calls_index.sqlite_file import connect, is_busy, is_damage, is_full, make_private


def test_a_file_is_made_for_its_owner_alone_and_kept_if_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ä %?#.sqlite"
    make_private(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(connect(path, busy_s=1)) as database:
        database.execute("CREATE TABLE calls (name TEXT)")
    make_private(path)
    with contextlib.closing(connect(path, busy_s=1, mode="ro")) as database:
        assert database.execute("SELECT count(*) FROM calls").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("DROP TABLE calls")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        connect(tmp_path / "none.sqlite", busy_s=1)
    assert list(tmp_path.iterdir()) == []


def test_damage_and_a_busy_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite"
    make_private(path)
    with contextlib.closing(connect(path, busy_s=0)) as one, contextlib.closing(connect(path, busy_s=0)) as other:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as busy:
            other.execute("BEGIN IMMEDIATE")
    assert is_busy(busy.value)
    assert not is_damage(busy.value)
    path.write_text("not a database, " * 100)
    with contextlib.closing(connect(path, busy_s=0)) as broken, pytest.raises(sqlite3.DatabaseError) as damaged:
        broken.execute("SELECT * FROM sqlite_master")
    assert is_damage(damaged.value)
    assert not is_busy(damaged.value)
    assert not is_damage(OSError("no"))


def test_a_full_file_is_neither_damaged_nor_busy() -> None:
    with contextlib.closing(connect(None, busy_s=0)) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.execute("CREATE TABLE calls (name TEXT)")
    assert (is_full(full.value), is_damage(full.value), is_busy(full.value)) == (True, False, False)
