"""What a terminal shows: both live views on a real pseudo-terminal, and meters."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from audiosocket_cli.ui.dashboard import meter
from support.running import COMMAND, Serving, run


class Terminal:
    """A command on a terminal of its own, killed at the end of the block if it still runs."""

    def __init__(self, *args: str | Path, columns: int = 130) -> None:
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end inside a character
        self._near, far = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)], stdin=far, stdout=far, stderr=far,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"},
        )  # fmt: skip
        os.close(far)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._near)

    def wait_for(self, pattern: str, timeout_s: float = 20) -> re.Match[str]:
        end_s = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end_s, self.text
            if select.select([self._near], [], [], 0.1)[0]:
                self._read()
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=10)
        while self._read():
            pass
        return code

    def _read(self) -> bool:
        try:
            data = self._decoder.decode(os.read(self._near, 65536))
        except OSError:  # the other end is closed
            return False
        self.text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.text + data)
        return True


@pytest.mark.parametrize(
    ("columns", "who"), [(130, r"[0-9a-f-]{36}   127\.0\.0\.1:\d+"), (80, "[0-9a-f]{8}")], ids=["wide", "narrow"]
)
def test_serve_shows_a_live_table(tone_file: Path, columns: int, who: str) -> None:
    with Terminal("serve", "--listen", "127.0.0.1:0", "--echo", columns=columns) as terminal:
        port = terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        assert run("play", tone_file, f"127.0.0.1:{port}").returncode == 0
        terminal.wait_for(rf"1 live, 1 answered(.|\n)*{who} +\d s   █+░+  -15   █+░+  -15 +0")
        terminal.wait_for("ended by caller")
        assert terminal.end() == 130
    assert "answered 1 call with 1.5 s of caller audio" in terminal.text


def test_play_shows_a_bar(tone_file: Path, serve: Callable[..., Serving]) -> None:
    with Terminal("play", tone_file, serve("--echo").target, "--until-hangup") as terminal:
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
