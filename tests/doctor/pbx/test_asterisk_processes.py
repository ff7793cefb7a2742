"""The Asterisk processes of this machine, and how each is asked."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.asterisk_processes import Process, asterisk_processes, shown, ways_to_ask


@contextlib.contextmanager
def named_asterisk(folder: Path, *words: str) -> Iterator[int]:
    """Have a process run whose name is asterisk."""
    program = folder / "asterisk"
    if not program.exists():
        shutil.copy("/usr/bin/sleep", program)
    with subprocess.Popen([program, *words], env={}) as process:
        deadline_s = time.monotonic() + 60
        while Path(f"/proc/{process.pid}/comm").read_text() != "asterisk\n":
            assert time.monotonic() < deadline_s
        try:
            yield process.pid
        finally:
            process.kill()


def test_those_that_run_are_seen_with_their_command_line(tmp_path: Path) -> None:
    before = asterisk_processes()
    with named_asterisk(tmp_path, "60") as pid:
        (process,) = (each for each in asterisk_processes() if each not in before)
    assert process == (pid, (str(tmp_path / "asterisk"), "60"), "/")
    assert process.command == "asterisk"
    assert pid not in {each.pid for each in asterisk_processes()}


@pytest.mark.parametrize(
    ("words", "root", "command"),
    [
        (("/usr/sbin/asterisk", "-f", "-C", "/srv/pbx.conf"), "/", "asterisk -C /srv/pbx.conf"),
        (("/usr/sbin/asterisk", "-f"), "/srv/a pbx", "chroot '/srv/a pbx' asterisk"),
        (("asterisk", "-C"), "/", "asterisk"),
        (("asterisk",), "", ""),
    ],
)
def test_each_is_asked_with_its_own_files(words: tuple[str, ...], root: str, command: str) -> None:
    assert Process(7, words, root).command == command


@pytest.mark.parametrize("option", ["-r", "-rx", "-vvvr", "-R", "-x"])
def test_consoles_are_no_asterisk(option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "comm").write_text("asterisk\n")
    (folder / "cmdline").write_bytes(f"asterisk\0{option}\0".encode())
    monkeypatch.setattr("audiosocket_cli.doctor.pbx.asterisk_processes._PROC", tmp_path)
    assert asterisk_processes() == []
    (folder / "cmdline").write_bytes(b"asterisk\0-f\0-C\0/x\0")
    assert [each.words for each in asterisk_processes()] == [("asterisk", "-f", "-C", "/x")]


def test_many_are_shown_in_few_lines() -> None:
    running = [Process(number, ("asterisk", "-f"), "/") for number in range(1, 8)]
    assert shown(running)[0] == "process 1: asterisk -f"
    assert (len(shown(running)), shown(running)[-1]) == (6, "and 2 more")
    assert shown([Process(1, ("asterisk",), "/srv")])[0] == "process 1, in /srv: asterisk"
    assert "container" in shown([Process(1, ("asterisk",), "")])[0]


def test_a_container_is_asked_as_its_tools_do() -> None:
    assert ways_to_ask([Process(1, ("asterisk",), "")]) == (
        "audiosocket doctor --asterisk-command 'docker exec pbx asterisk'",
    )
    assert ways_to_ask([Process(1, ("asterisk",), "/")]) == ("audiosocket doctor --asterisk-command asterisk",)
