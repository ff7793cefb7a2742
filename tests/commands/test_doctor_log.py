"""`audiosocket doctor --log`: what a user gives it, and what comes of that."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.running import COMMAND, run

STEP = '[Nov 29 10:00:00] VERBOSE[7][C-00000001] pbx.c: Executing [1@bot:2] AudioSocket("PJSIP/1-01", "u,bot:9092")'
END = (
    "[Nov 29 10:00:09] WARNING[7][C-00000001] app_audiosocket.c: Failed to receive frame from channel 'PJSIP/1-01' "
    "connected to AudioSocket server 'bot:9092'"
)
FAULT = "[Nov 29 10:01:00] ERROR[8][C-00000002] app_audiosocket.c: Channel is not answered"


def found_in(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    (looked,) = json.loads(done.stdout)["looked_at"]
    return [(each["id"], each["status"]) for each in looked["findings"]]


def test_a_log_of_calls_in_order_is_fine(tmp_path: Path) -> None:
    (tmp_path / "full").write_text(f"{STEP}\n{END}\n")
    done = run("doctor", "--log", tmp_path / "full")
    assert done.returncode == 0, done.stderr
    assert "calls ended in order" in done.stdout


def test_a_fault_exits_with_1_and_names_its_page() -> None:
    done = run("doctor", "--log", "-", stdin=f"{STEP}\n{END}\n{FAULT}\n".encode())
    assert done.returncode == 1
    assert "[no-answer]" in done.stdout
    assert "audiosocket help finding no-answer" in done.stdout


def test_json_has_it_all() -> None:
    done = run("doctor", "--log", "-", "--json", stdin=f"{STEP}\n{END}\n{FAULT}\n".encode())
    assert found_in(done) == [("no-answer", "fault"), ("normal-end", "ok")]


def test_several_files_are_one_log(tmp_path: Path) -> None:
    (tmp_path / "full").write_text(f"{END}\n")
    (tmp_path / "full.1.gz").write_bytes(gzip.compress(f"{STEP}\n".encode()))
    done = run("doctor", "--log", tmp_path / "full", "--log", tmp_path / "full.1.gz", "--json")
    assert found_in(done) == [("normal-end", "ok")]


def test_what_a_log_holds_cannot_move_the_cursor() -> None:
    line = "[Nov 29 10:00:00] ERROR[8] res_audiosocket.c: AudioSocket \x1b]0;title\x07\x1b[2J\u202e is odd"
    done = run("doctor", "--log", "-", stdin=line.encode())
    assert not set(done.stdout) & {"\x1b", "\x07", "\u202e"}
    assert "[log-line-unknown]" in done.stdout


@pytest.mark.parametrize(
    "content", [b"\xff\xfe" * 999, os.urandom(99_999).replace(b"\0", b"x"), b"\n" * 99_999, b"{" * 9999]
)
def test_what_is_no_log_makes_nothing_fail(content: bytes) -> None:
    done = run("doctor", "--log", "-", stdin=content)
    assert done.returncode in (0, 1, 3)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--log", "/nowhere/full"], 5, "cannot read the log /nowhere/full: no such file or directory"),
        (["--log", "/"], 5, "it is a folder"),
        (["--log", "-", "--log", "-"], 2, "there is one standard input"),
        (["--log", ""], 2, "Invalid value for '--log': it is empty: name a file"),
    ],
    ids=["missing", "folder", "twice", "empty name"],
)
def test_a_wrong_file_is_one_line(words: list[str], code: int, reason: str) -> None:
    done = run("doctor", *words)
    assert done.returncode == code
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_signal_ends_it_while_it_waits_for_more() -> None:
    with subprocess.Popen(
        [*COMMAND, "doctor", "--log", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{STEP}\n".encode())
        process.stdin.flush()
        assert b"looking at the log standard input" in process.stderr.readline()
        begun_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert time.monotonic() - begun_s < 10
