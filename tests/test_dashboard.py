"""What a terminal shows: both live views on a real pseudo-terminal, and meters."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND, Serving, run

from audiosocket_cli.ui.dashboard import meter


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *args: str | Path, columns: int = 130) -> None:
        self.text = ""
        self._near, far = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)], stdin=far, stdout=far, stderr=far,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"},
        )  # fmt: skip
        os.close(far)

    def wait_for(self, pattern: str, timeout_s: float = 20) -> re.Match[str]:
        end_s = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end_s, self.text
            if select.select([self._near], [], [], 0.1)[0]:
                self.text += self._read()
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=10)
        while data := self._read():
            self.text += data
        os.close(self._near)
        return code

    def _read(self) -> str:
        try:
            data = os.read(self._near, 65536).decode()
        except OSError:  # the other end is closed
            return ""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data)


@pytest.mark.parametrize(
    ("columns", "who"), [(130, r"[0-9a-f-]{36}   127\.0\.0\.1:\d+"), (80, "[0-9a-f]{8}")], ids=["wide", "narrow"]
)
def test_serve_shows_a_live_table(tone_file: Path, columns: int, who: str) -> None:
    terminal = Terminal("serve", "--listen", "127.0.0.1:0", "--echo", columns=columns)
    port = terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
    assert run("play", tone_file, f"127.0.0.1:{port}").returncode == 0
    terminal.wait_for(rf"1 live, 1 answered(.|\n)*{who} +\d s   █+░+  -15   █+░+  -15 +0")
    terminal.wait_for("ended by caller")
    assert terminal.end() == 130
    assert "answered 1 call with 1.5 s of caller audio" in terminal.text


def test_play_shows_a_bar(tone_file: Path, serve: Callable[..., Serving]) -> None:
    terminal = Terminal("play", tone_file, serve("--echo").target, "--until-hangup")
    terminal.wait_for(r"playing ━+.* 0\.\d of 1\.5 s")
    terminal.wait_for(r"listening ━+ 1\.5 of 1\.5 s")
    assert terminal.end() == 130
    assert "ended by caller (closed)" in terminal.text


@pytest.mark.parametrize(
    ("level_dbfs", "shown"),
    [(-96.3, "░░░░░░░░░░    -"), (-60.1, "░░░░░░░░░░    -"), (-30.0, "█████░░░░░  -30"), (0.0, "██████████    0")],
)
def test_a_meter_runs_from_minus_60_to_0(level_dbfs: float, shown: str) -> None:
    assert meter(level_dbfs).plain == shown
