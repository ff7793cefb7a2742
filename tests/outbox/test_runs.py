"""The runs of a spool: who uses it, and who died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.runs import Run, Runs

RUN = """
import sys
from pathlib import Path
from audiosocket_cli.outbox.runs import Runs
runs = Runs(Path(sys.argv[1]), {"upload": "s3://b", "record": "/calls/{uuid}.wav"})
print(runs.own, flush=True)
sys.stdin.read()
"""


def test_a_process_that_died_is_told_from_one_that_lives(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs", {})
    with subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path / "runs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = process.stdout.readline().strip()
        (other,) = runs.others()
        assert (other.id, other.upload, other.events, other.record) == (theirs, "s3://b", None, "/calls/{uuid}.wav")
        assert runs.dead() == []
        assert not runs.is_dead(theirs)
        process.kill()
        process.wait()
    assert [run.id for run in runs.dead()] == [theirs]
    assert runs.is_dead(theirs)
    assert list(runs.others()) == []
    runs.bury(theirs)
    runs.bury(theirs)
    assert runs.dead() == []
    assert not runs.is_dead(runs.own)
    runs.close()
    assert list((tmp_path / "runs").iterdir()) == []


def test_one_that_ends_before_all_is_over_counts_as_dead(tmp_path: Path) -> None:
    ending, other = Runs(tmp_path, {}), Runs(tmp_path, {})
    ending.close(is_over=False)
    assert [run.id for run in other.dead()] == [ending.own]
    other.close()


def test_one_that_was_about_to_begin_when_it_was_looked_at_is_not_buried(tmp_path: Path) -> None:
    beginning, other = Runs(tmp_path, {}), Runs(tmp_path, {})
    other.bury(beginning.own)  # as when its file was there, and not locked yet
    assert [run.id for run in other.others()] == [beginning.own]
    beginning.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_one_begins_while_another_looks_at_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = LockFile(tmp_path / "00")
    monkeypatch.setattr(os, "urandom", lambda size: bytes(1))
    assert looking.try_take()
    timer = threading.Timer(0.1, looking.release)
    timer.start()
    runs = Runs(tmp_path, {})
    timer.join()
    assert is_locked(tmp_path / runs.own)
    runs.follow_clock()
    runs.close()


def test_a_file_that_says_nothing_is_a_run_all_the_same(tmp_path: Path) -> None:
    runs = Runs(tmp_path, {})
    (tmp_path / "empty").touch()
    (tmp_path / "odd").write_text('["not", "a", "run"]')
    (tmp_path / "wrong").write_text('{"started_at": "x", "upload": 5}')
    assert runs.dead() == [Run(name, 0.0, None, None, None) for name in ("empty", "odd", "wrong")]
    runs.close()


def test_a_clock_that_is_set_back_makes_no_recording_too_old_to_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(tmp_path / "runs", {"record": "/calls/{uuid}.wav"})
    runs.follow_clock()
    began_at = time.time()
    monkeypatch.setattr("audiosocket_cli.outbox.runs.time.time", lambda: began_at - 7 * 3600)
    runs.follow_clock()
    monkeypatch.setattr("audiosocket_cli.outbox.runs.time.time", lambda: began_at + 3600)
    runs.follow_clock()
    runs.close(is_over=False)
    (dead,) = Runs(tmp_path / "runs", {}).dead()
    assert (dead.started_at, dead.record) == (began_at - 7 * 3600, "/calls/{uuid}.wav")
