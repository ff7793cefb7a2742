"""Lines of the log: with date and zone where a file or a program reads them, short on a terminal."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.text import printable
from audiosocket_cli.ui.log_lines import stamped, terminal_lines
from support.running import CLOCK, Serve, run
from support.terminal import Terminal


def test_a_line_begins_with_date_clock_and_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    line = stamped("refused 10.0.0.1:40000: full")
    assert re.fullmatch(CLOCK + "refused 10.0.0.1:40000: full", line)
    told = datetime.fromisoformat(line.split()[0])
    assert abs((datetime.now().astimezone() - told).total_seconds()) < 5
    assert stamped(line) == line


def test_a_terminal_shows_the_clock_alone() -> None:
    assert terminal_lines("2026-11-29T08:01:02+01:00 refused x: y") == ["08:01:02 refused x: y"]
    assert terminal_lines('{"event": "refused"}') == ['{"event": "refused"}']


CALL = "b5dcbf30-bff3-414f-ae24-8492e5485212"
HEARD = "caller -20.5 dBFS, no gaps"

SHOWN = {
    f"call {CALL} from 127.0.0.1:53834": [f"08:01:02 call {CALL} from 127.0.0.1:53834"],
    f"{CALL} digit 5 at 12.34 s (in-band)": ["08:01:02 b5dcbf30 digit 5 at 12.34 s (in-band)"],
    f"{CALL} |   what a  bot, or so, says {'x' * 80}": [
        f"08:01:02 b5dcbf30 |   what a  bot, or so, says {'x' * 80}",
    ],
    f"{CALL} ended by caller (closed) after 4.46 s, {HEARD}, digits none, calls/{CALL}.wav": [
        "08:01:02 b5dcbf30 ended by caller (closed) after 4.46 s",
        "                  caller -20.5 dBFS, no gaps, digits none, calls/b5dcbf30….wav",
    ],
    f"{CALL} ended by caller (closed) after 4.46 s, {HEARD}, digits none, call.wav": [
        "08:01:02 b5dcbf30 ended by caller (closed) after 4.46 s",
        "                  caller -20.5 dBFS, no gaps, digits none, call.wav",
    ],
    f"{CALL} ended by caller (closed) after 4.46 s, {HEARD}, digits none, /var/lib/recordings/{CALL}.wav": [
        "08:01:02 b5dcbf30 ended by caller (closed) after 4.46 s, caller -20.5 dBFS,",
        "                  no gaps, digits none, /var/lib/recordings/b5dcbf30….wav",
    ],
    f"{CALL} ended by server (hangup: the program exited with code 0) after 2.95 s, {HEARD}, digits 2, "
    f"3 frames held back: caller or network too slow, calls/{CALL}.wav, program 2.68 s, exit code 0": [
        "08:01:02 b5dcbf30 ended by server (hangup: the program exited with code 0) after",
        "                  2.95 s, caller -20.5 dBFS, no gaps, digits 2,",
        "                  3 frames held back: caller or network too slow,",
        "                  calls/b5dcbf30….wav, program 2.68 s, exit code 0",
    ],
    f"refused 127.0.0.1:53820: {CALL} is not in uuids.txt": [
        f"08:01:02 refused 127.0.0.1:53820: {CALL} is not in",
        "         uuids.txt",
    ],
    f"{CALL} recording failed: \x1b[31m": ["08:01:02 b5dcbf30 recording failed: \\u001b[31m"],
    "": ["08:01:02 "],
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=range(len(SHOWN)))
def test_a_terminal_of_80_columns_shows_aligned_lines(text: str, shown: list[str]) -> None:
    lines = terminal_lines(f"2026-11-29T08:01:02+01:00 {text}")
    assert lines == shown
    assert all(len(line) <= 80 for line in lines) or " | " in text


@given(st.text(), st.booleans())
def test_nothing_that_is_told_is_missing(text: str, about_call: bool) -> None:
    lines = terminal_lines(f"2026-11-29T08:01:02-10:30 {f'{CALL} ' * about_call}{text}")
    told = (
        "".join("".join(lines).split()).replace("…", "").replace(CALL[:8], "").replace("08:01:02", "").replace(",", "")
    )
    meant = printable(text).replace("…", "").replace(CALL, "").replace("08:01:02", "").replace(",", "")
    assert told == "".join(meant.split()) or "\0" in text
    assert len({len(line) - len(line.lstrip()) for line in lines[1:]}) <= 1


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
