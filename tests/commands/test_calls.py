"""`calls` as a user runs it: lists, filters, data, sounds, retention; wrong input in one line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import soundfile

from audiosocket_cli.calls_index.index_file import NAME
from support.many_calls import make_calls, without_progress
from support.running import COMMAND, Serve, run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("made") / "calls"
    return folder, make_calls(folder, 120)


def rows_of(*words: str | Path) -> list[dict[str, Any]]:
    done = run("calls", *words, "--json")
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_calls_of_a_server_are_listed_and_its_folder_is_left_to_it(serve: Serve, tmp_path: Path) -> None:
    serving = serve(
        "--record", "calls/{date}/{uuid}.wav", "--capture", "caps", "--echo", "--calls", "2", "--workers", "2"
    )
    for digits in ("0042", "7"):
        assert run("inject-dtmf", digits, serving.target, "--after", "0.1", "--wait", "0.1").returncode == 0
    assert serving.end(0)[0] == 0
    assert list((tmp_path / "calls").glob(".*")) == []
    rows = rows_of(tmp_path / "calls")
    assert [row["digits"] for row in rows] == ["7", "0042"]
    for row in rows:
        assert row["schema"] == "audiosocket.call-row/1"
        assert [Path(row["folder"], name).is_file() for name in row["files"]] == [True]
        assert row["rate_hz"] == 8000
        assert row["caller_dbfs"] is not None
    done = run("calls", tmp_path / "calls", "--digits", "=0042")
    assert done.stdout.splitlines()[1].split()[2:3] == [rows[1]["uuid"][:8]]
    assert "1 call, 0.0 hours" in done.stdout
    clips = run("calls", tmp_path / "calls", "--clip", "around-digits:1s", "-o", tmp_path / "clips")
    assert (clips.returncode, clips.stderr.count("cut 2 clips")) == (0, 1)
    assert len(clips.stdout.splitlines()) == 2
    for line in clips.stdout.splitlines():
        assert soundfile.info(line).channels == 2
    kept = run("calls", tmp_path / "calls", tmp_path / "caps", "--keep", "1ms", "--delete")
    assert kept.returncode == 0, kept.stderr
    assert "removed 2 calls that ended more than 1ms ago: 6 files" in kept.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert {path.parent.name for path in left} == {"clips"}


def test_filters_and_orders_choose_calls(made: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, calls = made
    slow = {call["uuid"] for call in calls if (call["turns"]["latency_ms"] or {"max": 0})["max"] > 1500}
    rows = rows_of(folder, "--slower", "1.5s", "--sort", "slowest")
    assert {row["uuid"] for row in rows} == slow
    assert [row["latency_max_ms"] for row in rows] == sorted((row["latency_max_ms"] for row in rows), reverse=True)
    late = rows_of(folder, "--finding", "audio-late", "--finding", "server-silent")
    assert {row["uuid"] for row in late} == {
        call["uuid"] for call in calls if {"audio-late", "server-silent"} & set(call["finding_ids"])
    }
    assert (
        len(rows_of(folder, "--since", "2026-09-01 01:00Z", "--until", "2026-09-01T01:10+00:00", "--limit", "3")) == 3
    )
    (one,) = rows_of(folder, "--uuid", calls[5]["uuid"][:13].upper())
    assert one["peer"] == calls[5]["peer"]
    assert run("calls", folder, AUDIOSOCKET_CALLS_UUID=calls[7]["uuid"]).stdout.count("192.0.2.") == 1


def test_a_table_says_how_many_more_there_are(made: tuple[Path, list[dict[str, Any]]]) -> None:
    done = run("calls", made[0])
    lines = done.stdout.splitlines()
    assert "120 calls, " in done.stdout
    assert ", 50 of them shown (--limit)" in done.stdout
    assert sum(line[17:25].strip() != "" and line[:2] == "20" for line in lines) == 50
    assert "STARTED" in lines[0]
    assert [line for line in lines if len(line) > 80] == []


def test_digits_stay_text_in_all_formats(made: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    folder, calls = made
    pressed = sorted("".join(press["digit"] for press in call["dtmf"]) for call in calls)
    assert "0003" in pressed
    assert sorted(row["digits"] for row in rows_of(folder)) == pressed
    table = run("calls", folder, "--csv")
    assert sorted(row["digits"] for row in csv.DictReader(table.stdout.splitlines())) == pressed
    out = tmp_path / "new" / "calls.parquet"
    done = run("calls", folder, "--parquet", out)
    assert (done.returncode, done.stdout) == (0, "")
    found = duckdb.connect().execute(f"SELECT digits FROM '{out}' ORDER BY 1").fetchall()
    assert [digits for (digits,) in found] == pressed
    again = run("calls", folder, "--parquet", out)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert run("calls", folder, "--parquet", out, "--force", "--limit", "2").returncode == 0
    assert duckdb.connect().execute(f"SELECT count(*) FROM '{out}'").fetchall() == [(2,)]


def test_hostile_json_is_counted_and_told_and_the_rest_is_listed(tmp_path: Path) -> None:
    (call,) = make_calls(tmp_path / "calls", 1)
    day = tmp_path / "calls" / call["started_at"][:10]
    hostile = {
        "deep": "[" * 100_000,
        "cut": "{",
        "nan": '{"schema": "audiosocket.call/1", "duration_s": NaN, "caller": {"gaps_s": 1e999}}',
        "wrong": json.dumps({key: [[]] for key in call} | {"schema": "audiosocket.call/1"}),
        "digits": json.dumps(
            call | {"uuid": "\x1b[31mred\n", "dtmf": [{"digit": "5"}] * 10_000, "peer": "\u202ee\u0301"}
        ),
    }
    for name, text in hostile.items():
        (day / f"{name}\n\x1b[2J.json").write_text(text)
    with (day / "large.json").open("wb") as file:
        file.truncate(100 << 20)
    (day / "loop").symlink_to(day)
    done = run("calls", tmp_path / "calls")
    assert done.returncode == 0
    assert "4 calls" in done.stdout
    assert "left out 3 JSON files without a call" in done.stderr
    assert "longer than the 6 MB" in done.stderr
    assert "1 link to folders or JSON files not followed" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout
    assert len(without_progress(done.stderr).splitlines()) == 2
    data = [run("calls", tmp_path / "calls", option).stdout for option in ("--json", "--csv")]
    assert len(data[0].splitlines()) == 4
    assert len(data[1].splitlines()) == 5
    assert "\x1b" not in "".join(data)


@pytest.mark.parametrize("spoil", ["garbage", "newer"])
def test_an_index_that_cannot_be_used_is_made_anew_and_told(spoil: str, tmp_path: Path) -> None:
    make_calls(tmp_path, 3)
    assert without_progress(run("calls", tmp_path).stderr) == ""
    if spoil == "garbage":
        (tmp_path / NAME).write_bytes(b"garbage" * 5000)
    else:
        with sqlite3.connect(tmp_path / NAME) as database:
            database.execute("PRAGMA user_version = 999")
        database.close()
    done = run("calls", tmp_path)
    assert "is rebuilt" in done.stderr
    assert "3 calls" in done.stdout
    assert without_progress(run("calls", tmp_path).stderr) == ""
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("UPDATE calls SET digits = '666'")
    database.close()
    assert run("calls", tmp_path, "--digits", "666").returncode == 0
    assert run("calls", tmp_path, "--digits", "666", "--rebuild").returncode == 6


def test_where_no_index_can_be_kept_it_is_said_and_calls_are_found(tmp_path: Path) -> None:
    make_calls(tmp_path, 3)
    (tmp_path / NAME).mkdir()
    done = run("calls", tmp_path)
    assert done.returncode == 0
    assert "3 calls" in done.stdout
    assert f"cannot keep an index in {tmp_path}" in done.stderr


def test_clips_of_many_calls_are_files_with_one_line_each(tmp_path: Path) -> None:
    calls = make_calls(tmp_path / "calls", 6, every_s=1)
    for call in calls[:3]:
        path = tmp_path / "calls" / "2026-09-01" / f"{call['uuid']}.wav"
        soundfile.write(path, np.ones((int(call["duration_s"] * 8000), 2), np.int16), 8000)
    done = run("calls", tmp_path / "calls", "--clip", "around-end:1s", "-o", tmp_path / "clips", "--json")
    clips = [json.loads(line) for line in done.stdout.splitlines()]
    assert {clip["uuid"] for clip in clips} == {call["uuid"] for call in calls[:3]}
    for clip in clips:
        assert clip["schema"] == "audiosocket.clip/1"
        assert soundfile.info(clip["file"]).frames == pytest.approx(8000, abs=1)
        assert os.stat(clip["file"]).st_mode & 0o777 == 0o600
    assert "cut 3 clips into" in done.stderr
    assert "3 calls without a recording beside the JSON" in done.stderr
    again = run("calls", tmp_path / "calls", "--clip", "around-end:1s", "-o", tmp_path / "clips")
    assert (again.returncode, again.stdout) == (0, "")
    assert "cut 0 clips into" in again.stderr
    assert "3 there already" in again.stderr
    none = run("calls", tmp_path / "calls", "--clip", "around-interruptions:1s", "-o", tmp_path / "clips")
    assert none.returncode == 6


@pytest.mark.parametrize(("shell", "code"), [('"$@" | true; exit ${PIPESTATUS[0]}', 0), ('"$@" >/dev/full', 1)])
def test_all_clips_are_cut_where_nobody_reads_their_names(shell: str, code: int, tmp_path: Path) -> None:
    for call in make_calls(tmp_path / "calls", 150, every_s=1):
        path = tmp_path / "calls" / "2026-09-01" / f"{call['uuid']}.wav"
        soundfile.write(path, np.zeros(int(call["duration_s"] * 8000), np.int16), 8000)
    words = ["calls", tmp_path / "calls", "--clip", "around-end:50ms", "-o", tmp_path / "clips"]
    done = subprocess.run(["bash", "-c", shell, "bash", *COMMAND, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, len(list((tmp_path / "clips").iterdir()))) == (code, 150)
    assert f"cut 150 clips into {tmp_path / 'clips'}" in done.stderr


def test_calls_of_the_same_name_in_two_folders_have_clips_of_their_own(tmp_path: Path) -> None:
    (call,) = make_calls(tmp_path / "a", 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for level, folder in enumerate("ab", 100):
        sound = np.full(int(call["duration_s"] * 8000), level, np.int16)
        soundfile.write(tmp_path / folder / "2026-09-01" / f"{call['uuid']}.wav", sound, 8000)
    words = ["calls", tmp_path / "a", tmp_path / "b", "--clip", "around-end:1s", "-o", tmp_path / "clips"]
    assert "cut 2 clips" in run(*words).stderr
    clips = list((tmp_path / "clips").iterdir())
    assert {soundfile.read(clip, dtype="int16")[0][0] for clip in clips} == {100, 101}
    assert "cut 0 clips" in (again := run(*words)).stderr
    assert "2 there already" in again.stderr


def test_old_calls_are_shown_and_only_removed_when_told_to(tmp_path: Path) -> None:
    calls = make_calls(tmp_path, 5, every_s=86400 * 20)
    uuid = calls[0]["uuid"]
    (tmp_path / "2026-09-01" / f"{uuid}.wav").write_bytes(b"x" * 10_000)
    assert run("calls", tmp_path, "--keep", "36500d").stderr == "no call to remove that ended more than 36500d ago\n"
    dry = run("calls", tmp_path, "--keep", "1s", "--uuid", uuid, "--json")
    assert json.loads(dry.stdout)["files"] == [f"{uuid}.wav", f"{uuid}.json"]
    assert json.loads(dry.stdout)["removed"] is False
    assert "would remove 1 call that ended more than 1s ago: 2 files, " in dry.stderr
    assert "add --delete to do it" in dry.stderr
    assert len(rows_of(tmp_path)) == 5
    done = run("calls", tmp_path, "--keep", "1s", "--uuid", uuid, "--delete")
    assert f"2026-09-01/{uuid}.json: 2 files, " in done.stdout
    assert "removed 1 call" in done.stderr
    assert len(rows_of(tmp_path)) == 4
    assert (tmp_path / "2026-09-01").is_dir()
    odd = json.dumps(calls[1] | {"started_at": "soon"})
    (tmp_path / "2026-09-21" / f"{calls[1]['uuid']}.json").write_text(odd)
    kept = run("calls", tmp_path, "--keep", "36500d", "--delete")
    assert kept.returncode == 1
    assert "kept, its JSON does not say when it was" in kept.stdout
    assert "1 older call kept: see above" in kept.stderr


def test_removal_goes_on_where_nobody_reads_the_list(tmp_path: Path) -> None:
    make_calls(tmp_path, 200, every_s=1)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "calls", tmp_path, "--keep", "1s", "--delete", "--json"], stdout=write,
                          stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
    os.close(write)
    assert done.returncode == 0
    assert "removed 200 calls" in done.stderr
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "cannot list calls of nowhere: there is no such folder"),
        (["."], "there is no JSON of a call in ."),
        (["calls", "--finding", "caller-silnt"], "did you mean caller-silent"),
        (["calls", "--finding", "xyz"], "audiosocket help findings lists them"),
        (["calls", "--since", "tomorrow"], "'tomorrow' is not a time"),
        (["calls", "--digits", "42y"], "is not a pattern of digits"),
        (["calls", "--uuid", "*"], "is not a UUID"),
        (["calls", "--digits", "99999"], "none of 2 calls in calls matches"),
        (["calls", "--clip", "around-digits:3s"], "add -o DIR"),
        (["calls", "--clip", "moons"], "does not say what to cut"),
        (["calls", "-o", "x"], "does nothing without --clip"),
        (["calls", "--delete"], "does nothing without --keep"),
        (["calls", "--keep", "9"], "write 9d for"),
        (["calls", "--keep", "soon"], "write 90d, 12h or 30m"),
        (["calls", "--csv", "--parquet", "x"], "exclude each other"),
        (["calls", "--csv", "--json"], "exclude each other"),
        (["calls", "--keep", "90d", "--limit", "1"], "leave out --limit"),
        (["calls", "--limit", "0"], "is not a count"),
        (["calls", "--sort", "best"], "best"),
        (["calls", "--parquet", "."], "is a directory"),
        (["calls", "--clip", "around-end:1s", "-o", "file"], "file"),
    ],
    ids=str,
)
def test_wrong_input_is_one_line(
    words: list[str], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[0] != ".":
        make_calls(tmp_path / "calls", 2)
    (tmp_path / "file").touch()
    done = run("calls", *words)
    if said is None:
        assert done.returncode == 0
        return
    assert done.returncode in (2, 5, 6)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_copy_of_a_folder_with_its_index_is_part_of_the_list(tmp_path: Path) -> None:
    make_calls(tmp_path, 3)
    assert run("calls", tmp_path).returncode == 0
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert len(rows_of(tmp_path)) == 6
