"""`calls analyze` as a user runs it, and the questions that its page asks of what it writes."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.stores.store import open_store
from support.analyzed import make_calls, rows_in
from support.pages import DOCS
from support.rclone_s3 import rclone_s3
from support.running import run

QUESTIONS = re.findall(r"^```sql\n(.*?)^```$", (DOCS / "month-of-calls.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with calls, the rows that `calls analyze` makes of them, and the Parquet file of the index."""
    place = tmp_path_factory.mktemp("month")
    names = make_calls(place / "calls", 9, 6.0)
    for number, name in enumerate(names):
        path = place / "calls" / f"{name}.json"
        call = json.loads(path.read_text())
        call["bot"] = {"function": f"bots:{'ab'[number % 2]}"}
        call["dtmf"] = [{"digit": digit} for digit in ("0042" if number < 2 else "")]
        call["turns"]["interruptions"]["caller"] = number
        path.write_text(json.dumps(call))
    tones = np.concatenate([np.concatenate([digit_tone(key, 8000), np.zeros(800, np.int16)]) for key in "0042"])
    sound = np.column_stack([tones, np.zeros_like(tones)])
    soundfile.write(place / "calls" / f"{names[0]}.wav", sound, 8000, subtype="PCM_16")
    done = run("calls", "analyze", place / "calls", "-o", place / "month", "--jobs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"9 calls: 9 measured in \d+\.\d s, 0 as before\n3 parts written: SELECT ", done.stdout)
    assert run("calls", place / "calls", "--parquet", place / "calls.parquet").returncode == 0
    return place


def answer(month: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        here = question.replace("'month/", f"'{month}/month/").replace("'calls.parquet'", f"'{month}/calls.parquet'")
        return database.execute(here).fetchall()


def rows_of(month: Path) -> list[dict[str, Any]]:
    names = "uuid, started_at, bot, latencies_ms, caller_noise_dbfs, peer, talk_server_s, talk_caller_s, date"
    found = rows_in(month / "month", names)
    return [dict(zip(names.split(", "), row, strict=True)) for row in found]


def test_there_are_five_questions() -> None:
    assert len(QUESTIONS) == 5


def test_the_median_answer_by_hour_and_bot(month: Path) -> None:
    expected = defaultdict(list)
    for row in rows_of(month):
        expected[(0, row["bot"])] += row["latencies_ms"]
    assert answer(month, QUESTIONS[0]) == [
        (*key, len(latencies), statistics.median(latencies)) for key, latencies in sorted(expected.items())
    ]


def test_calls_whose_caller_interrupted_more_than_twice(month: Path) -> None:
    found = answer(month, QUESTIONS[1])
    assert [interruptions for _, _, interruptions, _ in found] == [8, 7, 6, 5, 4, 3]


def test_digits_that_are_no_tones(month: Path) -> None:
    names = sorted(path.stem for path in (month / "calls").glob("*.json"))
    assert [(uuid, digits) for _, uuid, digits in answer(month, QUESTIONS[2])] == [(names[1], "0042")]
    assert rows_in(month / "month", "digits, caller_tones")[0] == ("0042", "0042")


def test_noise_and_gaps_by_trunk(month: Path) -> None:
    expected = defaultdict(list)
    for row in rows_of(month):
        expected[row["peer"].rpartition(":")[0]].append(row["caller_noise_dbfs"])
    found = answer(month, QUESTIONS[3])
    assert {trunk: (calls, noise) for trunk, calls, noise, _ in found} == {
        trunk: (len(levels), statistics.median([each for each in levels if each is not None]))
        for trunk, levels in expected.items()
    }
    assert all(gaps_s is not None for *_, gaps_s in found)


def test_the_share_of_talking_by_day(month: Path) -> None:
    expected: dict[Any, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for row in rows_of(month):
        if row["talk_caller_s"] is not None:
            day = expected[row["date"]]
            day[0] += 1
            day[1] += row["talk_server_s"]
            day[2] += row["talk_server_s"] + row["talk_caller_s"]
    assert [(date, calls, pytest.approx(share, abs=0.006)) for date, calls, share in answer(month, QUESTIONS[4])] == [
        (date, calls, server_s / both_s) for date, (calls, server_s, both_s) in sorted(expected.items())
    ]


def test_a_second_run_measures_what_changed_and_says_it_as_json(month: Path) -> None:
    name = next((month / "calls").glob("*.wav"))
    name.write_bytes(name.read_bytes()[:9000])
    done = run("calls", "analyze", month / "calls", "-o", month / "month", "--json")
    told = json.loads(done.stdout)
    assert (told["schema"], told["calls"], told["measured"], told["unchanged"]) == ("audiosocket.analysis/1", 9, 1, 8)
    assert (told["problems"], done.returncode) == (1, 0)
    assert re.search(r"/calls/.*: it is cut short: ", done.stderr)


def test_a_bucket_has_the_rows_of_its_folder(month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store" / "recordings").mkdir(parents=True)
    make_calls(tmp_path / "calls", 2, 2.0, 1)
    with rclone_s3(tmp_path / "store", tmp_path / "log") as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        store = open_store("s3://recordings/calls")
        for path in (tmp_path / "calls").iterdir():
            store.put_new(f"2026-11-30/{path.name}", path, "application/octet-stream")
        for place, out in (("s3://recordings/calls/{date}/{uuid}", "b"), (str(tmp_path / "calls"), "f")):
            done = run("calls", "analyze", place, "-o", tmp_path / out, "--jobs", "1")
            assert done.returncode == 0, done.stderr
    assert rows_in(tmp_path / "b", "* EXCLUDE folder") == rows_in(tmp_path / "f", "* EXCLUDE folder")
    assert rows_in(tmp_path / "b", "DISTINCT folder") == [("s3://recordings/calls/2026-11-30",)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["analyze"], 2, "calls analyze needs folders or URLs of calls; to list a folder named analyze, write"),
        (["analyze", "calls"], 2, "calls analyze needs a folder for what it finds: add -o OUT"),
        (["analyze", "calls", "-o", "out", "--csv"], 2, "calls analyze measures all calls: leave out --csv"),
        (["analyze", "gone", "-o", "out"], 5, "cannot analyze .*gone: there is no such folder; name the one"),
        (["analyze", "calls", "-o", "calls"], 2, "cannot write to .*calls: it holds something else; name a new folder"),
        (["analyze", "empty", "-o", "out"], 6, "there is no call in .*empty: name the folder of --record, or a bucket"),
        (["analyze", "calls", "-o", "out", "--dask", "x", "--jobs", "2"], 2, "--jobs is for processes of this machine"),
        (["analyze", "calls", "-o", "out", "--dask", "x"], 2, "'x' is not the address of a Dask scheduler"),
        (["calls", "--jobs", "2"], 2, "--jobs is for calls analyze: leave it out, or write calls analyze first"),
        (["./analyze"], 5, "cannot list calls of analyze: there is no such folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_words_are_one_line(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "notes.txt").write_text("x")
    done = run("calls", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.search(said, done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
