"""The file of an index: made, found again, rebuilt where it cannot be used, and in memory where there can be none."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from audiosocket_cli.calls_index import index_file
from audiosocket_cli.calls_index.columns import FORMAT, INSERT, NO_ROW
from audiosocket_cli.calls_index.index_file import NAME, open_index_file, remake_index_file


def opened(folder: Path, said: list[str], *, anew: bool = False) -> sqlite3.Connection:
    return open_index_file(folder / NAME, said.append, anew=anew)


def fill(database: sqlite3.Connection, count: int = 1) -> None:
    for number in range(count):
        database.execute(INSERT, (b"", str(number).encode(), 1, 1, 1, "x", *NO_ROW))


def count_of(database: sqlite3.Connection) -> int:
    ((count,),) = database.execute("SELECT count(*) FROM calls")
    return int(count)


def test_an_index_is_made_found_again_and_private(tmp_path: Path) -> None:
    said: list[str] = []
    database = opened(tmp_path, said)
    fill(database)
    database.close()
    again = opened(tmp_path, said)
    assert count_of(again) == 1
    assert said == []
    assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{NAME}-journal"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    fresh = opened(tmp_path, said, anew=True)
    assert count_of(fresh) == count_of(again) == 0  # the same file: others may have it open
    for each in (again, fresh):
        each.close()


def spoil_with_bytes(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 400)


def spoil_in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


def of_another_version(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    database.close()


def with_a_trigger(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TRIGGER evil AFTER INSERT ON calls BEGIN DELETE FROM calls; END")
    database.close()


@pytest.mark.parametrize("spoil", [spoil_with_bytes, spoil_in_the_middle, of_another_version, with_a_trigger])
def test_an_index_that_cannot_be_used_is_made_anew_and_told(spoil: object, tmp_path: Path) -> None:
    said: list[str] = []
    database = opened(tmp_path, said)
    fill(database, 50)
    database.close()
    assert callable(spoil)
    spoil(tmp_path / NAME)
    database = opened(tmp_path, said)
    assert count_of(database) == 0
    assert len(said) == 1
    assert "is rebuilt" in said[0]
    database.close()
    again = opened(tmp_path, said)
    assert len(said) == 1
    again.close()


def test_a_link_or_a_folder_by_its_name_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("data")
    for number, make in enumerate((lambda path: path.symlink_to(target), lambda path: path.mkdir())):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / NAME)
        said: list[str] = []
        database = opened(folder, said)
        fill(database)
        assert count_of(database) == 1
        assert "cannot keep an index in" in said[0]
        assert "this run makes one in memory" in said[0]
        database.close()
        assert os.path.lexists(folder / NAME)
    assert target.read_text() == "data"


def test_a_folder_that_cannot_be_written_has_an_index_in_memory_that_begins_as_the_one_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    database = opened(tmp_path, said)
    fill(database, 3)
    database.close()
    before = (tmp_path / NAME).read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    database = opened(tmp_path, said)
    assert count_of(database) == 3
    fill(database, 9)
    database.close()
    assert (tmp_path / NAME).read_bytes() == before
    assert "it cannot be written to" in said[0]


def test_an_index_that_another_process_holds_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "_BUSY_S", 0.05)
    said: list[str] = []
    theirs = opened(tmp_path, said)
    theirs.execute("BEGIN EXCLUSIVE")
    ours = opened(tmp_path, said)
    fill(ours)
    assert "another process has been changing it" in said[0]
    theirs.execute("COMMIT")
    assert count_of(theirs) == 0
    for each in (ours, theirs):
        each.close()


def test_damage_in_use_makes_a_new_file_and_a_full_disk_does_not(tmp_path: Path) -> None:
    said: list[str] = []
    database = opened(tmp_path, said)
    fill(database)
    database.close()
    damage, full = sqlite3.DatabaseError("malformed"), sqlite3.OperationalError("database or disk is full")
    damage.sqlite_errorcode, full.sqlite_errorcode = sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL
    inside = remake_index_file(tmp_path / NAME, said.append, full)
    assert count_of(inside) == 1
    anew = remake_index_file(tmp_path / NAME, said.append, damage)
    assert count_of(anew) == 0
    assert "is full" in said[0]
    assert "is rebuilt: malformed" in said[1]
    for each in (inside, anew):
        each.close()
