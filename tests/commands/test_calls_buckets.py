"""`calls` of buckets as a user runs it: beside folders, with sounds, and where something is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.gate import gate
from support.many_calls import START, call_of, make_calls, without_progress
from support.rclone_s3 import FRESH, RcloneS3, rclone_s3
from support.running import COMMAND, MAX_WAIT_S, run


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    """A store with a bucket of 40 calls, the first with a recording of 20 s."""
    with rclone_s3(tmp_path_factory.mktemp("rclone"), FRESH) as server:
        make_calls(server.files / "calls", 40)
        call = call_of(0, START)
        call |= {"dtmf": [{"at_s": 10.0, "digit": "7"}], "duration_s": 20.0}
        call["recording"]["files"] = ["on-the-server.wav"]
        day = server.files / "calls" / "2026-09-01"
        (day / f"{call['uuid']}.json").unlink()
        (day / "first-2.json").write_text(json.dumps(call))
        soundfile.write(day / "first-2.wav", np.zeros(20 * 8000, np.int16), 8000)
        yield server


Run = Callable[..., "tuple[int, list[str], str]"]


@pytest.fixture
def calls(rclone: RcloneS3, tmp_path: Path) -> Run:
    """Run `calls` with the store's environment and a cache of the test's own."""

    def start(*words: str | Path, **more: str) -> tuple[int, list[str], str]:
        done = run("calls", *words, **{**rclone.environment, "XDG_CACHE_HOME": str(tmp_path / "cache"), **more})
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.splitlines(), without_progress(done.stderr)

    return start


def test_a_bucket_and_a_folder_are_one_list(calls: Run, tmp_path: Path) -> None:
    make_calls(tmp_path / "here", 10, first=100)
    code, lines, said = calls("s3://calls/calls", tmp_path / "here", "--json")
    assert (code, said) == (0, "")
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 50
    assert [row["started_at"] for row in rows] == sorted((row["started_at"] for row in rows), reverse=True)
    assert {row["folder"].partition("2026")[0] for row in rows} == {"s3://calls/calls/", f"{tmp_path}/here/"}
    assert [path.suffix for path in (tmp_path / "cache" / "audiosocket").iterdir()].count(".sqlite") == 1


def test_the_url_of_upload_is_the_place_of_its_calls(calls: Run) -> None:
    code, lines, _ = calls("s3://calls/calls/{date}/{uuid}", "--digits", "=0003", "--json")
    assert (code, len(lines)) == (0, 1)
    row = json.loads(lines[0])
    assert row["digits"] == "0003"
    assert row["folder"] == "s3://calls/calls/2026-09-01"


def test_sounds_are_cut_from_objects(calls: Run, tmp_path: Path) -> None:
    words = ["s3://calls/calls", "--until", "2026-09-01 00:00:30Z", "--clip", "around-digits:2s"]
    code, lines, said = calls(*words, "-o", tmp_path / "clips")
    assert (code, lines) == (0, [str(tmp_path / "clips" / "first-2_at-00010.00s_digits-7.wav")])
    assert soundfile.info(lines[0]).duration == 4.0
    assert "cut 1 clip" in said
    code, lines, said = calls("s3://calls/calls", "--digits", "0003", "--clip", "around-digits:2s", "-o", tmp_path)
    assert (code, lines) == (6, [])
    assert "1 call without a recording beside the JSON" in said


def test_what_is_wrong_is_one_line(calls: Run, tmp_path: Path) -> None:
    wrong = {
        ("s3://calls/nothing",): (6, "there is no JSON of a call in s3://calls/nothing"),
        ("s3://no-such-bucket",): (3, "s3://no-such-bucket: there is no such bucket"),
        ("s3://calls/calls", "--keep", "90d"): (2, "lifecycle rule"),
        ("http://127.0.0.1/calls",): (2, "not the URL of an object store"),
        ("s3://key:secret@calls/calls",): (2, "…@calls/calls holds keys"),
        ("s3://",): (2, "names no valid bucket"),
    }
    for words, (expected, text) in wrong.items():
        code, lines, said = calls(*words)
        assert (code, lines) == (expected, []), said
        assert text in said
        assert "secret@" not in said
        assert len(said.splitlines()) <= 4  # with the usage
    code, _, said = calls("s3://calls", AWS_ACCESS_KEY_ID="nobody")
    assert code == 3
    assert "403 InvalidAccessKeyId" in said


def test_a_store_that_goes_away_is_told_and_what_is_known_is_listed(
    calls: Run, rclone: RcloneS3, tmp_path: Path
) -> None:
    make_calls(tmp_path / "here", 1, first=100)
    with gate(rclone.endpoint, b".json", passes=20) as closing:
        code, lines, said = calls("s3://calls/calls", tmp_path / "here", "--json", AWS_ENDPOINT_URL=closing.url)
    assert code == 3
    assert 1 <= len(lines) <= 21
    assert said.startswith("s3://calls/calls is not complete: ")
    assert len(said.splitlines()) == 1
    code, lines, said = calls("s3://calls/calls", AWS_ENDPOINT_URL=closing.url, XDG_CACHE_HOME=str(tmp_path / "new"))
    assert (code, lines) == (3, [])
    assert "there is no such call among those that are known" in said


def test_without_a_cache_the_index_is_in_memory_and_told(calls: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, lines, said = calls("s3://calls/calls", "--limit", "1", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert code == 0
    assert f"cannot keep an index in {tmp_path}/file/audiosocket, so this run makes one in memory" in said
    assert "40 calls" in "\n".join(lines)


def test_an_interrupt_ends_it_while_a_store_does_not_answer(rclone: RcloneS3, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as store:
        store.settimeout(MAX_WAIT_S)
        url = f"http://127.0.0.1:{store.getsockname()[1]}"
        more = {"XDG_CACHE_HOME": str(tmp_path), "AWS_ENDPOINT_URL": url}
        process = subprocess.Popen(
            [*COMMAND, "calls", "s3://calls"], env={**os.environ, **rclone.environment, **more}, stderr=subprocess.PIPE
        )
        asking, _ = store.accept()
        with asking:
            assert asking.recv(10) == b"GET /calls"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=MAX_WAIT_S)
            assert (process.returncode, said.strip()) == (130, b"")
            store.setblocking(False)
            with pytest.raises(BlockingIOError):  # it did not wait until it would have asked again
                store.accept()
