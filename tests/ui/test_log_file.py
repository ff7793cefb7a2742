"""The file of --log-file: moved, cut, deleted, full, and never in the way of a call."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.errors import UsageError
from audiosocket_cli.ui.log_file import LogFile
from support.pages import FILES
from support.running import CLOCK, Serve, Serving, need, run, wait_until


@pytest.fixture
def word(tmp_path: Path) -> Path:
    """0.2 s of a tone."""
    path = tmp_path / "word.wav"
    soundfile.write(path, tone(440, 8000, 0.2), 8000)
    return path


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def log(tmp_path: Path, told: list[str]) -> LogFile:
    (tmp_path / "logs").mkdir()
    return LogFile(tmp_path / "logs" / "calls.log", told.append)


def calls(serving: Serving, word: Path, count: int = 1) -> None:
    for _ in range(count):
        assert run("play", word, serving.target).returncode == 0


def ends_in(path: Path) -> int:
    return path.read_text().count(" ended by ") if path.exists() else 0


def test_only_the_user_can_read_it_and_lines_are_appended(log: LogFile, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert log.put("one")
    assert LogFile(path).put("two")
    assert log.put("three\x1b")
    assert path.read_text() == "one\ntwo\nthree\\u001b\n"


def test_the_next_line_after_a_move_is_in_a_new_file(log: LogFile, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    assert log.put("one")
    path.rename(tmp_path / "logs" / "calls.log.1")
    assert log.put("two")
    path.unlink()
    path.write_text("theirs\n")  # as logrotate's `create` makes it
    assert log.put("three")
    assert (tmp_path / "logs" / "calls.log.1").read_text() == "one\n"
    assert path.read_text() == "theirs\nthree\n"


def test_a_file_that_is_cut_begins_at_its_beginning(log: LogFile, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    log.put("one")
    os.truncate(path, 0)
    log.put("two")
    assert path.read_text() == "two\n"


def test_reopening_frees_the_old_file_before_the_next_line(log: LogFile, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    path.rename(tmp_path / "old")
    assert log.reopen()
    assert path.exists()
    links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    assert str(tmp_path / "old") not in links


def test_a_folder_that_is_gone_is_told_once_and_lines_go_on_when_it_is_back(
    log: LogFile, told: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "logs" / "calls.log"
    shutil.rmtree(tmp_path / "logs")
    assert [log.put("lost"), log.put("lost")] == [False, False]
    assert told == [f"cannot write the log to {path}: no such file or directory (calls go on)"]
    (tmp_path / "logs").mkdir()
    assert log.put("back")
    assert path.read_text() == "back\n"


def test_lines_go_to_the_file_that_was_moved_while_no_new_one_can_be(
    log: LogFile, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "logs").rename(tmp_path / "moved")
    assert log.put("one")
    assert (tmp_path / "moved" / "calls.log").read_text() == "one\n"
    assert len(told) == 1


def test_what_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "none/calls.log", "pipe"):
        with pytest.raises(UsageError, match="cannot write the log to"):
            LogFile(tmp_path / name)


def test_a_line_that_did_not_fit_is_not_joined_to_the_next(told: list[str], tmp_path: Path) -> None:
    """RLIMIT_FSIZE fails as a full disk does: with a part of a line written."""
    script = f"""
import resource, signal
from pathlib import Path
from audiosocket_cli.ui.log_file import LogFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = LogFile(Path({str(tmp_path / "calls.log")!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (15, -1))
print(log.put("one"), log.put("x" * 40), log.put("y" * 40), end=" ")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
print(log.put("two"))
"""
    done = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True False False True\n"
    assert done.stderr.count("cannot write the log") == 1
    assert (tmp_path / "calls.log").read_text() == "one\n" + "x" * 11 + "\ntwo\n"


@pytest.mark.parametrize("how", ["create 0600", "nocreate", "copytruncate"])
def test_logrotate_takes_the_file_and_no_line_is_lost(serve: Serve, word: Path, tmp_path: Path, how: str) -> None:
    logrotate = need("logrotate")
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o700)
    config = tmp_path / "rotate.conf"
    stanza = (
        FILES["audiosocket.logrotate"].replace("/var/log/audiosocket", str(logs)).replace("compress\n", how + "\n", 1)
    )
    assert str(logs) in stanza
    assert "delaycompress" in stanza
    config.write_text(stanza.replace("    delaycompress\n", ""))
    config.chmod(0o644)
    serving = serve("--log-file", logs / "calls.log")
    for number in (1, 2):
        calls(serving, word)
        wait_until(lambda: ends_in(logs / "calls.log") == 1)
        subprocess.run([logrotate, "-f", "-s", tmp_path / "state", config], check=True)
        assert ends_in(logs / "calls.log.1") == 1, number
    calls(serving, word)
    code, lines, err = serving.end()
    assert (code, lines) == (130, [])
    assert [ends_in(logs / name) for name in ("calls.log.2", "calls.log.1", "calls.log")] == [1, 1, 1]
    assert "lost" not in err
    assert "\0" not in (logs / "calls.log").read_text()


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_sighup_opens_it_again_and_the_log_has_all_that_is_said(
    serve: Serve, word: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    path = tmp_path / "calls.log"
    serving = serve("--log-file", path, *workers)
    calls(serving, word)
    wait_until(lambda: ends_in(path) == 1)
    path.rename(tmp_path / "old.log")
    serving.process.send_signal(signal.SIGHUP)
    wait_until(path.exists)
    calls(serving, word)
    code, lines, err = serving.end()
    assert (code, lines) == (130, [])
    assert "nothing to reload" not in err
    old, new = (tmp_path / "old.log").read_text(), path.read_text()
    assert re.match(CLOCK + "listening on 127", old)
    assert all(re.match(CLOCK, line) for line in [*old.splitlines(), *new.splitlines()])
    assert new.splitlines()[-1].endswith("answered 2 calls with 0.4 s of caller audio")


def test_json_goes_there_as_well(serve: Serve, word: Path, tmp_path: Path) -> None:
    serving = serve("--log-file", tmp_path / "calls.log", "--json", "--calls", "1")
    calls(serving, word)
    serving.end(0)
    events = [json.loads(line)["event"] for line in (tmp_path / "calls.log").read_text().splitlines()]
    assert events == ["listening", "call", "ended"]


def test_a_disk_that_is_full_costs_lines_and_no_call(serve: Serve, word: Path) -> None:
    serving = serve("--log-file", "/dev/full", "--calls", "2")
    calls(serving, word, 2)
    code, _, err = serving.end(0)
    assert code == 1
    assert err.count("cannot write the log to /dev/full: no space left on device (calls go on)") == 1
    assert re.search(r"\d lines of the log are lost\nanswered 2 calls with 0.4 s", err)


def test_a_disk_that_stands_still_holds_up_no_call(serve: Serve, word: Path, tmp_path: Path) -> None:
    """A pipe whose reader does not read stands for it: a write to it waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reads = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fills = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    serving = serve("--log-file", pipe, "--calls", "2")
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fills, b"x" * 4096)
    calls(serving, word, 2)
    code, _, err = serving.end(0)
    assert code == 1
    assert "answered 2 calls with 0.4 s" in err
    assert "lines of the log are lost" in err
    os.close(reads)
    os.close(fills)
