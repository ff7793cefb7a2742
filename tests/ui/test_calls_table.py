"""The table of live calls on a real pseudo-terminal, as wide as that is, the worst call first."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import soundfile

from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.audio.pcm import tone
from support.running import COMMAND
from support.terminal import Terminal

METER = r"[▁-█]{10} +-?(?:\d+)? "


@contextlib.contextmanager
def serving(
    *args: str | Path, columns: int, lines: int = 24, cwd: Path | None = None
) -> Iterator[tuple[Terminal, str]]:
    """Run `serve` on a terminal; gives it, and the address."""
    with Terminal("serve", "--listen", "127.0.0.1:0", *args, columns=columns, lines=lines, cwd=cwd) as terminal:
        yield terminal, "127.0.0.1:" + terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]


@contextlib.contextmanager
def calling(*args: str | Path) -> Iterator[None]:
    process = subprocess.Popen([*COMMAND, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """A minute of a tone of -15 dBFS."""
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(440, 8000, 60.0), 8000)
    return path


@pytest.mark.parametrize(
    ("columns", "who"),
    [
        (160, r"{uuid} 127\.0\.0\.1:\d+ +"),
        (120, r"{uuid:.8} 127\.0\.0\.1:\d+ +"),
        (80, "{uuid:.8} +"),
    ],
    ids=["160", "120", "80"],
)
def test_a_call_has_a_row_as_wide_as_the_terminal(tmp_path: Path, columns: int, who: str) -> None:
    uuid = UUID(int=0x1234 << 112)
    with serving("--echo", "--record", "calls", columns=columns, cwd=tmp_path) as (terminal, target):
        with calling("inject-dtmf", "12345#", target, "--uuid", str(uuid), "--wait", "20"):
            terminal.wait_for("1 live, 1 answered")
            row = who.format(uuid=str(uuid)) + rf"\d:\d\d {METER}{METER}R·· +12345#"
            terminal.wait_for(row)
        terminal.wait_for("ended by caller")
        assert terminal.end() == 130
    rows = [line for line in re.split("[\r\n]+", terminal.text) if re.search(METER + METER, line)]
    assert max(len(row.rstrip()) for row in rows) <= columns


def test_a_meter_has_ten_seconds_of_history(long_file: Path) -> None:
    with serving("--echo", columns=80) as (terminal, target):
        with calling("play", long_file, target):
            terminal.wait_for(r"0:0[45] ▁{5,6}[▅-▇]{4,5} +-15 ▁{5,6}[▅-▇]{4,5} +-15 ···")
        terminal.end()


def test_the_worst_call_is_first_with_its_finding(long_file: Path) -> None:
    with serving("--echo", columns=120) as (terminal, target):
        first = UUID(int=0xAAAA << 112)
        with calling("play", long_file, target, "--uuid", str(first)):
            terminal.wait_for("aaaa0000 127")
            with calling("play", long_file, target, "--uuid", str(EXAMPLE_UUID)):
                terminal.wait_for(rf"{str(EXAMPLE_UUID)[:8]} 127.*···.*UUID\S* .*\s+aaaa0000 127.*···")
        terminal.end()


def test_calls_that_have_no_room_are_counted(tmp_path: Path) -> None:
    with serving("--echo", columns=80, lines=24) as (terminal, target):
        with calling("bench", target, "--calls", "30", "--duration", "20s"):
            terminal.wait_for("and 15 more", 30)
        terminal.end()
    drawing = terminal.text[: terminal.text.index("and 15 more")].rpartition("digits, findings")[2]
    assert len(re.findall(METER + METER, drawing)) == 15
