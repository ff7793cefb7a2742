"""Lines of the log: with date and zone where a file or a program reads them, short on a terminal."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from audiosocket_cli.ui.log_lines import stamped, terminal_line
from support.running import CLOCK, Serve, run
from support.terminal import Terminal


def test_a_line_begins_with_date_clock_and_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    line = stamped("refused 10.0.0.1:40000: full")
    assert re.fullmatch(CLOCK + "refused 10.0.0.1:40000: full", line)
    told = datetime.fromisoformat(line.split()[0])
    assert abs((datetime.now().astimezone() - told).total_seconds()) < 5
    assert stamped(line) == line


def test_a_terminal_shows_the_clock_alone() -> None:
    assert terminal_line("2026-11-29T08:01:02+01:00 refused x: y") == "08:01:02 refused x: y"
    assert terminal_line('{"event": "refused"}') == '{"event": "refused"}'


def test_the_zone_is_that_of_the_machine(serve: Serve, tone_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    serving = serve("--calls", "1")
    run("play", tone_file, serving.target)
    _, lines, _ = serving.end(0)
    assert [re.match(CLOCK, line) is not None for line in lines] == [True, True]
    assert all(line[19:25] == "+05:45" for line in lines)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_serve_on_a_terminal_tells_the_clock_alone(tone_file: Path, workers: tuple[str, ...]) -> None:
    with Terminal("serve", "--listen", "127.0.0.1:0", *workers, "--calls", "1") as terminal:
        port = terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        assert run("play", tone_file, f"127.0.0.1:{port}").returncode == 0
        assert terminal.end(0) == 0
    assert re.search(r"\d\d:\d\d:\d\d call [0-9a-f-]{36} from 127", terminal.text)
    assert not re.search(CLOCK, terminal.text)
