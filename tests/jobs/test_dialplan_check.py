"""`dialplan --check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.running import run

RIGHT = "[in]\nexten => 100,1,Answer()\n same => n,AudioSocket(${UUID()},127.0.0.1:9092)\n same => n,Hangup()\n"
WRONG = "[in]\nexten => 100,1,Dial(AudioSocket/127.0.0.1:9092/${UUID()})\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.conf").write_text(RIGHT)
    (tmp_path / "wrong.conf").write_text(WRONG)
    (tmp_path / "other.conf").write_text("[general]\nx = y\n")
    (tmp_path / "binary.conf").write_bytes(b"\x7fELF\0")
    return tmp_path


def test_a_fault_is_told_with_its_line_and_the_line_to_write(folder: Path) -> None:
    done = run("dialplan", "--check", "wrong.conf")
    assert (done.returncode, done.stderr) == (1, "")
    assert "wrong.conf:2: has no c(…)" in done.stdout
    assert "[no-codec]" in done.stdout
    assert "| exten => 100,1,Dial(AudioSocket/127.0.0.1:9092/${UUID()})" in done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "exten => 100,1,Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin))" in lines
    assert "1 fault" in lines


def test_what_is_right_is_said(folder: Path) -> None:
    done = run("dialplan", "--check", "right.conf", "other.conf")
    assert done.returncode == 0
    assert "1 AudioSocket line, all right" in done.stdout
    assert done.stderr == "other.conf: no AudioSocket line\n"


def test_as_json(folder: Path) -> None:
    done = run("dialplan", "--check", "wrong.conf", "right.conf", "--json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert [looked["title"] for looked in result["looked_at"]] == ["wrong.conf", "right.conf"]
    assert result["looked_at"][0]["findings"][0]["where"] == "wrong.conf:2"


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["other.conf"], 6, "other.conf: no AudioSocket line"),
        (["none.conf"], 5, "cannot read none.conf"),
        (["."], 5, "cannot read ."),
        (["binary.conf"], 5, "is not a dialplan"),
        (["binary.conf", "right.conf"], 5, "is not a dialplan"),
        ([], 2, "needs a file"),
        (["right.conf", "--asterisk", "17"], 2, "not a release"),
        (["right.conf", "--form", "app"], 2, "--form"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_how_it_ends_otherwise(folder: Path, args: list[str], code: int, told: str) -> None:
    done = run("dialplan", "--check", *args)
    assert done.returncode == code
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_standard_input_and_a_release(folder: Path) -> None:
    text = WRONG.replace("${UUID()}", "${UUID()}/c(slin16)")
    assert run("dialplan", "--check", "-", stdin=text.encode()).returncode == 0
    done = run("dialplan", "--check", "-", "--asterisk", "certified-20.7", stdin=text.encode())
    assert done.returncode == 1
    assert "standard input:2: Asterisk certified 20.7 labels slin16 as slin" in done.stdout


def test_a_file_that_another_one_includes_is_judged_with_that(folder: Path) -> None:
    (folder / "extensions.conf").write_text('#include "wrong.conf"\n')
    done = run("dialplan", "--check", "extensions.conf", "wrong.conf")
    assert done.stdout.count("[no-codec]") == 1
    assert "wrong.conf:2" in done.stdout


def test_what_a_terminal_would_obey_is_escaped(folder: Path) -> None:
    done = run("dialplan", "--check", "-", stdin=b"exten => 100,1,Answer()\n same => n,AudioSocket(\x1b[31mx,h:1)\n")
    assert "\x1b" not in done.stdout
    assert "\\u001b[31mx" in done.stdout


def test_standard_input_is_read_as_a_file_is() -> None:
    for given, told in ((b"[in]\0\1", "it holds bytes that are not text"), (RIGHT.encode("utf-16"), "is UTF-16")):
        done = run("dialplan", "--check", "-", stdin=given)
        assert (done.returncode, done.stdout) == (5, "")
        assert told in done.stderr
    done = run("dialplan", "--check", "-", "-", stdin=f"; {'x' * 20_000}\n{WRONG}".encode())
    assert "standard input:3: has no c(…)" in done.stdout
