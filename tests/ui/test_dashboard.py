"""What a terminal shows: both live views on a real pseudo-terminal, and meters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audiosocket_cli.ui.dashboard import meter
from support.running import Serving, run
from support.terminal import Terminal


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
