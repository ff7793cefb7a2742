"""What was measured is known after any end, and nothing is measured twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from audiosocket_cli.calls_analysis.columns import DATE, empty_row
from audiosocket_cli.calls_analysis.ledger import NAME, Ledger
from audiosocket_cli.calls_analysis.listed_call import ListedCall, ListedFile
from audiosocket_cli.errors import OutputError, UsageError

FILES = [("/calls", call, ListedFile(f"{call}.wav", 10, "1", 5.0)) for call in ("a", "b", "caf\udce9")]


def listed(ledger: Ledger, files: list[tuple[str, str, ListedFile]]) -> list[str]:
    ledger.take_files("/calls", files)
    return [call.call for call in ledger.to_measure()]


def note_all(ledger: Ledger, day: str = "2026-11-30") -> None:
    for call in list(ledger.to_measure()):
        ledger.note(call, empty_row(call) | {DATE: day})


def test_what_was_noted_is_not_measured_again_until_its_files_change(tmp_path: Path) -> None:
    with Ledger(tmp_path / "out") as ledger:
        assert listed(ledger, FILES) == ["a", "b", "caf\udce9"]
        assert ledger.counts() == (3, 3)
        note_all(ledger)
        assert list(ledger.to_measure()) == []
    changed = [FILES[0], ("/calls", "b", ListedFile("b.wav", 10, "2", 6.0))]
    with Ledger(tmp_path / "out") as ledger:
        assert (ledger.waiting(), ledger.waiting_days()) == (3, ["2026-11-30"])
        ledger.settle()
        assert listed(ledger, changed) == ["b"]
        assert ledger.gone() == 1
        note_all(ledger, "2026-12-01")
        assert ledger.waiting_days() == ["2026-11-30", "2026-12-01"]
        ledger.commit()
        ledger.settle()
        assert ledger.days() == ["2026-11-30", "2026-12-01"]
        ledger.forget_days(["2026-12-01"])
        assert [call.call for call in ledger.to_measure()] == ["b"]
        ledger.forget_all()
        assert [call.call for call in ledger.to_measure()] == ["a", "b"]


def test_what_a_mirror_answered_is_not_a_call(tmp_path: Path) -> None:
    calls = ["a", "a.mirror", "a.mirror-2", "b-3", "b.mirror", "caf\udce9-2", "caf\udce9.mirror-12", "c-d", "c.mirror"]
    files = [("/calls", name, ListedFile(f"{name}.wav", 1, "1", 1.0)) for name in calls]
    with Ledger(tmp_path / "out") as ledger:
        assert sorted(listed(ledger, files)) == ["a", "b-3", "c-d", "c.mirror", "caf\udce9-2"]


def test_one_process_at_a_time_and_only_its_own_folder(tmp_path: Path) -> None:
    with Ledger(tmp_path / "out"), pytest.raises(UsageError, match="another process writes to "):
        Ledger(tmp_path / "out")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match="it holds something else; name a new folder"):
        Ledger(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "file"}
    with pytest.raises(UsageError, match=r"cannot write to .*file/out: not a directory"):
        Ledger(tmp_path / "file" / "out")


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"x" * 5000, b"no database" * 100], ids=["cut", "other"])
def test_a_damaged_ledger_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(OutputError, match=r"cannot use .*; remove its folder to begin anew"):
        Ledger(tmp_path)


def test_a_ledger_with_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        listed(ledger, FILES)
        note_all(ledger)
        ledger.commit()
        ledger.settle()
        ((page,),) = ledger._database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'")
        ((size,),) = ledger._database.execute("PRAGMA page_size")
    content = bytearray((tmp_path / NAME).read_bytes())
    content[(page - 1) * size : page * size] = b"x" * size
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(OutputError, match=r"cannot use .*; remove its folder to begin anew"), Ledger(tmp_path) as found:
        listed(found, FILES)


def test_a_ledger_without_room_is_not_to_be_removed(tmp_path: Path) -> None:
    def fill(ledger: Ledger) -> None:
        ledger._database.execute("PRAGMA max_page_count = 1")
        call = ListedCall(*FILES[0][:2], (FILES[0][2],))
        ledger.note(call, empty_row(call) | {"problem": "x" * 100_000})

    with pytest.raises(OutputError, match=r"full; make room, and the same command goes on"), Ledger(tmp_path) as made:
        fill(made)


def test_rows_of_another_version_are_not_mixed_with_ours(tmp_path: Path) -> None:
    with Ledger(tmp_path):
        pass
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UsageError, match="its rows are of another version; name a new folder"):
        Ledger(tmp_path)
