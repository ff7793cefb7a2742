"""The index follows the JSON files: new, changed, removed; whoever else changes them or the index meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.calls_index import index_file
from audiosocket_cli.calls_index.columns import TYPES
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.calls_index.index_file import NAME
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.errors import FileError
from support.many_calls import make_calls


def quiet(line: str) -> None:
    raise AssertionError(f"said {line!r}")


def opened(folder: Path) -> CallsIndex:
    return CallsIndex(folder, quiet)


def truth(folder: Path) -> set[Row]:
    """The rows of all JSON files, read without an index."""
    found = set()
    for path in folder.rglob("*.json"):
        call = json.loads(path.read_text())
        if isinstance(call, dict) and call.get("schema") == "audiosocket.call/1":
            found.add(row_of(call, folder=str(path.parent), name=path.name))
    return found


def test_all_fields_of_a_row_but_its_place_have_a_column() -> None:
    assert set(TYPES) | {"name", "folder"} == set(Row._fields)


def test_rows_are_those_of_the_json_files(tmp_path: Path) -> None:
    make_calls(tmp_path, 300, every_s=1800)
    with opened(tmp_path) as index:
        assert index.update().read == 300
        assert set(index.rows(Filter())) == truth(tmp_path)
    with opened(tmp_path) as index:
        updated = index.update()
        assert (updated.read, updated.removed) == (0, 0)
        assert set(index.rows(Filter())) == truth(tmp_path)


def change(folder: Path, drawn: random.Random, number: int) -> None:
    """Do one of the things that happen to JSON files."""
    paths = sorted(folder.rglob("*.json"))
    path = drawn.choice(paths) if paths else None
    match drawn.randrange(6):
        case 0:
            make_calls(folder, 2, first=1000 + 2 * number)
        case 1 if path is not None:
            path.unlink()
        case 2 if path is not None:
            call = json.loads(path.read_text()) if path.stat().st_size > 9 else {}
            path.write_text(json.dumps(call | {"result": f"changed {number}"}))
        case 3 if path is not None:
            path.write_text("{broken")
        case 4 if path is not None:
            path.rename(path.with_name(f"moved-{number}.json"))
        case 5 if path is not None and path.parent != folder:
            target = folder / f"folder-{number}"
            path.parent.rename(target)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_the_files_the_index_is_right_the_next_time(seed: int, tmp_path: Path) -> None:
    drawn = random.Random(seed)
    make_calls(tmp_path, 20, every_s=7200)
    for number in range(25):
        for _ in range(drawn.randrange(3)):
            change(tmp_path, drawn, number * 10 + drawn.randrange(10))
        with opened(tmp_path) as index:
            index.update()
            readable = {path for path in tmp_path.rglob("*.json") if path.read_text() != "{broken"}
            rows = list(index.rows(Filter()))
            assert {Path(row.path) for row in rows} == {
                path for path in readable if "schema" in json.loads(path.read_text())
            }
            for row in rows:
                assert row == row_of(json.loads(Path(row.path).read_text()), folder=row.folder, name=row.name)


def test_files_that_hold_no_call_are_told_and_not_read_again(tmp_path: Path) -> None:
    make_calls(tmp_path, 2)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bench.json").write_text('{"schema": "audiosocket.bench/1"}')
    with opened(tmp_path) as index:
        assert index.update().read == 4
        assert index.update().read == 0
        count, first = index.problems(1)
        assert (count, first) == (2, [(str(tmp_path / "bad.json"), "not JSON, or cut short")])
        assert index.totals(Filter()).calls == 2


def test_quick_updates_see_files_that_come_and_go_but_no_change_in_place(tmp_path: Path) -> None:
    make_calls(tmp_path, 5, every_s=86400)
    for folder in [tmp_path, *tmp_path.iterdir()]:
        os.utime(folder, ns=(10**18, 10**18))  # long ago: a time that has settled
    with opened(tmp_path) as index:
        index.update()
        os.utime(tmp_path, ns=(10**18, 10**18))  # as the index has been made in it
        index.update()
        assert index.update(quick=True).read == 0
        (path, *_) = sorted(tmp_path.rglob("*.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"result": "in place"}))
        assert index.update(quick=True).read == 0
        make_calls(tmp_path, 2, first=100, every_s=86400)
        assert index.update(quick=True).read == 2
        path.unlink()
        assert index.update(quick=True).removed == 1
        assert set(index.rows(Filter())) == truth(tmp_path)


def test_keeping_the_index_does_not_change_the_time_of_its_folder(tmp_path: Path) -> None:
    """Or a quick update would look into the folder each time."""
    for call in make_calls(tmp_path, 2):
        (tmp_path / f"{call['uuid']}.json").write_text(json.dumps(call))
    with opened(tmp_path) as index:
        index.update()
        os.utime(tmp_path, ns=(10**18, 10**18))
        index.update()
        assert tmp_path.stat().st_mtime_ns == 10**18


def test_rows_that_are_shown_slowly_keep_nobody_from_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "_BUSY_S", 0.1)
    make_calls(tmp_path, 30)
    with opened(tmp_path) as index, opened(tmp_path) as other:
        index.update()
        rows = index.rows(Filter())
        seen = [next(rows)]
        make_calls(tmp_path, 5, first=100)
        assert other.update().read == 5
        next(tmp_path.rglob(seen[0].name)).unlink()
        other.update()
        seen += rows
        assert len({row.uuid for row in seen}) == 30


def test_folders_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    make_calls(tmp_path, 6, every_s=43200)
    with opened(tmp_path) as index:
        index.update()
        (tmp_path / "2026-09-02").rename(tmp_path.parent / "elsewhere")
        assert index.update().removed == 2
        assert index.totals(Filter()).calls == 4


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    (made,) = make_calls(tmp_path, 1)
    path = next(tmp_path.rglob("*.json"))
    odd = os.path.join(os.fsencode(path.parent), b"\xff\n'.json")
    os.rename(path, odd)
    with opened(tmp_path) as index:
        index.update()
        (row,) = index.rows(Filter())
        assert os.fsencode(row.path) == odd
        assert row.uuid == made["uuid"]


def test_figures_are_of_the_calls_that_are_wanted(tmp_path: Path) -> None:
    calls = make_calls(tmp_path, 200)
    with opened(tmp_path) as index:
        index.update()
        totals = index.totals(Filter(ended_by="caller"))
    those = [call for call in calls if call["ended_by"] == "caller"]
    medians = sorted(call["turns"]["latency_ms"]["p50"] for call in those if call["turns"]["latency_ms"])
    assert totals.calls == len(those)
    assert totals.duration_s == pytest.approx(sum(call["duration_s"] for call in those))
    assert totals.with_digits == sum(bool(call["dtmf"]) for call in those)
    assert totals.with_gaps == sum(call["caller"]["gap_count"] > 0 for call in those)
    assert totals.with_findings == sum(bool(call["findings"]) for call in those)
    assert totals.findings["audio-late"] == sum("audio-late" in call["finding_ids"] for call in those)
    assert totals.latency_p50_ms == medians[(len(medians) - 1) // 2]
    assert totals.slowest_ms == max(call["turns"]["latency_ms"]["max"] for call in those if call["turns"]["latency_ms"])


def test_several_processes_may_bring_it_up_to_date_at_once(tmp_path: Path) -> None:
    make_calls(tmp_path, 400, every_s=1800)
    code = (
        "import sys; from pathlib import Path; from audiosocket_cli.calls_index.index import CallsIndex\n"
        "from audiosocket_cli.calls_index.filters import Filter\n"
        "with CallsIndex(Path(sys.argv[1]), print) as index:\n"
        "    for _ in range(5): index.update()\n"
        "    print(index.totals(Filter()).calls)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for number in range(10):
        make_calls(tmp_path, 1, first=5000 + number)
    counts = [process.communicate(timeout=120)[0] for process in processes]
    assert all(400 <= int(count) <= 410 for count in counts)
    with opened(tmp_path) as index:
        index.update()
        assert set(index.rows(Filter())) == truth(tmp_path)


def test_an_update_by_one_who_saw_the_folder_earlier_is_put_right(tmp_path: Path) -> None:
    make_calls(tmp_path, 3)
    with opened(tmp_path) as index, opened(tmp_path) as other:
        index.update()
        make_calls(tmp_path, 1, first=10)
        other.update()
        database = sqlite3.connect(tmp_path / NAME)  # another's older look at the folder
        database.execute("DELETE FROM calls WHERE rowid = (SELECT max(rowid) FROM calls)")
        database.execute("UPDATE folders SET digest = x'00'")
        database.commit()
        database.close()
        index.update()
        assert set(index.rows(Filter())) == truth(tmp_path)


def test_damage_that_is_found_in_use_makes_the_index_anew(tmp_path: Path) -> None:
    make_calls(tmp_path, 500, every_s=60)
    said: list[str] = []
    with CallsIndex(tmp_path, said.append) as index:
        index.update()
    size = (tmp_path / NAME).stat().st_size
    with (tmp_path / NAME).open("r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2))
    os.utime(next(tmp_path.rglob("*.json")), ns=(1, 1))
    with CallsIndex(tmp_path, said.append) as index:
        try:
            index.update()
            rows = set(index.rows(Filter()))
        except FileError as error:
            assert "rebuild it with --rebuild" in str(error)  # noqa: PT017
            rows = set()
    with CallsIndex(tmp_path, said.append, anew=not rows) as index:
        index.update()
        assert set(index.rows(Filter())) == truth(tmp_path)


HOSTILE = {
    "text for a number": "duration_s = 'x', latency_max_ms = 'x'",
    "bytes for text": "digits = x'00', started_at = x'ff', finding_ids = x'00'",
    "numbers for text": "uuid = 5, started_at = 5, latency_p50_ms = 'y'",
    "a number for names": "files = 5, finding_ids = 5",
    "a problem of bytes": "problem = x'00'",
}


@pytest.mark.parametrize("changed", HOSTILE.values(), ids=HOSTILE)
def test_an_index_of_somebody_elses_values_is_made_anew(changed: str, tmp_path: Path) -> None:
    make_calls(tmp_path, 30, every_s=60)
    said: list[str] = []
    with CallsIndex(tmp_path, said.append) as index:
        index.update()
    database = sqlite3.connect(tmp_path / NAME)
    with contextlib.closing(database), database:
        database.execute(f"UPDATE calls SET {changed}")
    with CallsIndex(tmp_path, said.append) as index:
        try:
            index.problems(3)
            assert index.totals(Filter()).calls == 30
            rows = set(index.rows(Filter()))
        except FileError as error:
            assert "it holds values that are not ours; rebuild it with --rebuild" in str(error)  # noqa: PT017
            rows = set()
    with CallsIndex(tmp_path, said.append, anew=not rows) as index:
        index.update()
        assert set(index.rows(Filter())) == truth(tmp_path)
        index.totals(Filter())


def test_texts_and_names_of_an_index_are_harmless(tmp_path: Path) -> None:
    make_calls(tmp_path, 1)
    with CallsIndex(tmp_path, quiet) as index:
        index.update()
    database = sqlite3.connect(tmp_path / NAME)
    with contextlib.closing(database), database:
        database.execute(
            "UPDATE calls SET peer = 'x' || char(27) || '[2J', files = ?", [b"../../etc/passwd\0/etc/passwd\0a.wav"]
        )
    with CallsIndex(tmp_path, quiet) as index:
        (row,) = index.rows(Filter())
    assert (row.peer, row.files) == ("x\\u001b[2J", ("a.wav",))


def test_a_damaged_index_is_made_anew_when_it_is_asked_and_when_that_is_wanted(tmp_path: Path) -> None:
    make_calls(tmp_path, 500, every_s=60)
    with CallsIndex(tmp_path, quiet) as index:
        index.update()
    content = bytearray((tmp_path / NAME).read_bytes())
    content[6000::97] = b"\xa5" * len(content[6000::97])
    for anew in (False, True):
        (tmp_path / NAME).write_bytes(content)
        said: list[str] = []
        with CallsIndex(tmp_path, said.append, anew=anew) as index:
            index.update()
            assert index.totals(Filter()).calls == 500
            assert set(index.rows(Filter())) == truth(tmp_path)
        assert any("is rebuilt" in line for line in said), said


@pytest.mark.parametrize("make", ["file", "nothing", "broken link"])
def test_what_is_not_a_folder_is_refused(make: str, tmp_path: Path) -> None:
    path = tmp_path / "calls"
    if make == "file":
        path.touch()
    elif make == "broken link":
        path.symlink_to("nowhere")
    with pytest.raises(FileError, match=r"cannot list calls of .*calls: .*name the one of --record"):
        CallsIndex(path, quiet)


def test_a_folder_that_goes_away_is_an_error_of_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    make_calls(folder, 2)
    said: list[Any] = []
    with CallsIndex(folder, said.append) as index:
        index.update()
        folder.rename(tmp_path / "other")
        with pytest.raises(FileError, match="no such file or directory"):
            index.update()
