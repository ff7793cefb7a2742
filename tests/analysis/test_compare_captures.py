"""Comparing two captures in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiosocket_cli.analysis import compare_captures
from audiosocket_cli.analysis.compare_captures import compared
from audiosocket_cli.model import Side
from support.captured import a_call, sent, speech, steady, whole, write_lines


def a_capture(path: Path, spoken_s: float, at_s: float = 1.0) -> Path:
    call = a_call()
    frames = speech(spoken_s) if spoken_s else []
    items = whole(call, [], sent(call, Side.SERVER, frames, steady(at_s, len(frames))), 5.0)
    return write_lines(path, items)


def test_equal_answers_have_no_differences(tmp_path: Path) -> None:
    first, second = a_capture(tmp_path / "a", 1.0), a_capture(tmp_path / "b", 1.0)
    assert compared(first, second) == {"differences": []}


def test_two_servers_that_say_nothing_answer_alike(tmp_path: Path) -> None:
    assert compared(a_capture(tmp_path / "a", 0), a_capture(tmp_path / "b", 0)) == {"differences": []}


def test_differences_have_their_places(tmp_path: Path) -> None:
    (found,) = compared(a_capture(tmp_path / "a", 1.0), a_capture(tmp_path / "b", 1.0, 2.0))["differences"]
    assert (found["expected_s"], found["seen_s"], found["what"]) == (1.0, 2.0, "speech")
    assert found["difference"] == "begins 1000 ms later"


def test_what_cannot_be_compared_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = a_capture(tmp_path / "a", 1.0)
    (tmp_path / "empty").write_bytes(b"")
    missing = compared(good, tmp_path / "gone")["failure"]
    assert missing == f"cannot compare {tmp_path / 'gone'}: no such file or directory"
    assert "it is empty" in compared(good, tmp_path / "empty")["failure"]
    monkeypatch.setattr(compare_captures, "MAX_BYTES", 1000)
    assert compared(good, good)["failure"].startswith("a is larger than")


def test_signals_and_the_end_of_who_asks_do_not_cut_an_answer_short(tmp_path: Path) -> None:
    first, second = a_capture(tmp_path / "a", 1.0), a_capture(tmp_path / "b", 1.0, 2.0)
    with subprocess.Popen(
        [sys.executable, "-m", compare_captures.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        question = json.dumps([os.fspath(first), os.fspath(second)]) + "\n"
        process.stdin.write(question)
        process.stdin.flush()
        answer = process.stdout.readline()  # by now it has its signals
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        process.stdin.write(question)
        process.stdin.close()
        assert process.stdout.readline() == answer
        assert len(json.loads(answer)["differences"]) == 1
        assert process.wait(20) == 0
