"""A program in a group of its own: started, ended with all that it started, and its end in words."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from audiosocket_cli.call.bots.process import Process, how_it_ended, read_now, signal_name, why_not_run
from support.running import is_running


def started(script: str) -> Process:
    return Process(["sh", "-c", script], dict(os.environ), [0, 1, 2])


def wait_for_end(process: Process) -> None:
    until_s = time.monotonic() + 20
    while not process.is_gone():
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
def test_its_status_is_known_when_it_has_ended(script: str, status: int) -> None:
    process = started(script)
    wait_for_end(process)
    assert process.status == status


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    process = started(f"sleep 60 & echo $! > {tmp_path / 'pid'}")
    wait_for_end(process)
    assert not is_running((tmp_path / "pid").read_text())


def test_who_watches_is_told_of_each_group_that_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, bool]] = []
    monkeypatch.setattr(Process, "watchers", [lambda pid, there: told.append((pid, there))])
    process = started("sleep 60")
    assert not process.poll()
    process.signal(signal.SIGTERM)
    wait_for_end(process)
    process.signal(signal.SIGKILL)  # to nobody: the number may be another group's by now
    assert told == [(process.pid, True), (process.pid, False)]


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        Process(["no-such-program"], {"PATH": "/bin"}, [0, 1, 2])


def test_an_end_and_a_failure_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [how_it_ended(status) for status in (None, 0, 3, -15)] == [
        "ended", "exited with code 0", "exited with code 3", "was killed by SIGTERM",
    ]  # fmt: skip
    assert signal_name(40) == "signal 40"
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    there = why_not_run("script", OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
    assert there == "no such file or directory: the interpreter that its first line names (does the line end in CR LF?)"
    assert why_not_run("absent", OSError(errno.ENOENT, os.strerror(errno.ENOENT))) == "no such file or directory"


def test_reading_now_tells_nothing_yet_from_the_end() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    assert read_now(ours, 10) is None
    os.write(theirs, b"abc")
    assert read_now(ours, 2) == b"ab"
    os.close(theirs)
    assert [read_now(ours, 10), read_now(ours, 10)] == [b"c", b""]
    os.close(ours)
