"""The processes of a spool: who uses it, and who died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.processes import SpoolProcess, SpoolProcesses

PROCESS = """
import sys
from pathlib import Path
from audiosocket_cli.outbox.lock_file import LockFile, is_locked
from audiosocket_cli.outbox.processes import SpoolProcesses
processes = SpoolProcesses(Path(sys.argv[1]), {"upload": "s3://b", "record": "/calls/{uuid}.wav"})
print(processes.own, flush=True)
sys.stdin.read()
"""


def test_a_process_that_died_is_told_from_one_that_lives(tmp_path: Path) -> None:
    processes = SpoolProcesses(tmp_path / "processes", {})
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, tmp_path / "processes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        theirs = process.stdout.readline().strip()
        (other,) = processes.others()
        assert (other.id, other.upload, other.events, other.record) == (theirs, "s3://b", None, "/calls/{uuid}.wav")
        assert processes.dead() == []
        assert not processes.is_dead(theirs)
        process.kill()
        process.wait()
    assert [process.id for process in processes.dead()] == [theirs]
    assert processes.is_dead(theirs)
    assert list(processes.others()) == []
    processes.forget(theirs)
    processes.forget(theirs)
    assert processes.dead() == []
    assert not processes.is_dead(processes.own)
    processes.close()
    assert list((tmp_path / "processes").iterdir()) == []


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    processes = SpoolProcesses(tmp_path, {})
    os.mkfifo(tmp_path / "pipe")
    assert processes.dead() == [SpoolProcess("pipe", 0.0, None, None, None)]
    processes.close()


def test_one_that_ends_before_all_is_over_counts_as_dead(tmp_path: Path) -> None:
    ending, other = SpoolProcesses(tmp_path, {}), SpoolProcesses(tmp_path, {})
    ending.close(is_over=False)
    assert [process.id for process in other.dead()] == [ending.own]
    other.close()


def test_one_that_was_about_to_begin_when_it_was_looked_at_is_not_forgotten(tmp_path: Path) -> None:
    beginning, other = SpoolProcesses(tmp_path, {}), SpoolProcesses(tmp_path, {})
    other.forget(beginning.own)  # as when its file was there, and not locked yet
    assert [process.id for process in other.others()] == [beginning.own]
    beginning.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_one_begins_while_another_looks_at_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = LockFile(tmp_path / "00")
    monkeypatch.setattr(os, "urandom", lambda size: bytes(1))
    assert looking.try_take()
    timer = threading.Timer(0.1, looking.release)
    timer.start()
    processes = SpoolProcesses(tmp_path, {})
    timer.join()
    assert is_locked(tmp_path / processes.own)
    processes.follow_clock()
    processes.close()


def test_a_file_that_says_nothing_is_a_run_all_the_same(tmp_path: Path) -> None:
    processes = SpoolProcesses(tmp_path, {})
    (tmp_path / "empty").touch()
    (tmp_path / "odd").write_text('["not", "a", "process"]')
    (tmp_path / "wrong").write_text('{"started_at": "x", "upload": 5}')
    assert processes.dead() == [SpoolProcess(name, 0.0, None, None, None) for name in ("empty", "odd", "wrong")]
    processes.close()


def test_a_clock_that_is_set_back_makes_no_recording_too_old_to_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = SpoolProcesses(tmp_path / "processes", {"record": "/calls/{uuid}.wav"})
    processes.follow_clock()
    began_at = time.time()
    monkeypatch.setattr("audiosocket_cli.outbox.processes.time.time", lambda: began_at - 7 * 3600)
    processes.follow_clock()
    monkeypatch.setattr("audiosocket_cli.outbox.processes.time.time", lambda: began_at + 3600)
    processes.follow_clock()
    processes.close(is_over=False)
    (dead,) = SpoolProcesses(tmp_path / "processes", {}).dead()
    assert (dead.started_at, dead.record) == (began_at - 7 * 3600, "/calls/{uuid}.wav")
