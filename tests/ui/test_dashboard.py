"""The live views on a real pseudo-terminal: a bar for `play`, and lines of the log above the table of calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.running import Serving, run
from support.terminal import Terminal


def test_lines_of_the_log_stay_above_the_table_and_nothing_of_that_is_left(tone_file: Path) -> None:
    with Terminal("serve", "--listen", "127.0.0.1:0", "--echo", columns=80) as terminal:
        port = terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        assert run("play", tone_file, f"127.0.0.1:{port}").returncode == 0
        terminal.wait_for("1 live, 1 answered")
        terminal.wait_for("ended by caller")
        assert terminal.end() == 130
    assert terminal.text.rstrip().endswith("answered 1 call with 1.5 s of caller audio")


def test_play_shows_a_bar(tone_file: Path, serve: Callable[..., Serving]) -> None:
    with Terminal("play", tone_file, serve("--echo").target, "--until-hangup") as terminal:
        terminal.wait_for(r"playing ━+.* 0\.\d of 1\.5 s")
        terminal.wait_for(r"listening ━+ 1\.5 of 1\.5 s")
        assert terminal.end() == 130
    assert "ended by caller (closed)" in terminal.text
