"""Colours say what a line means, on a terminal that has them, and the text is the same without."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.ui.colours import coloured, span_of
from support.peers import free_port
from support.running import COMMAND, run
from support.terminal import Terminal

COLOURED = {
    "08:01:02 b5dcbf30 ended by caller (closed) after 4.46 s": "<32>ended by caller (closed) after 4.46 s<0>",
    "ended by server (hangup) after 1.90 s: all said": "<32>ended by server (hangup) after 1.90 s: all said<0>",
    "08:01:02 b5dcbf30 ended by caller (reset) after 4.46 s": "<1;31>ended by caller (reset) after 4.46 s<0>",
    "08:01:02 b5dcbf30 finding: it stutters": "<35>finding:<0>",
    "findings: it stutters; it lags": "<35>findings:<0>",
    "08:01:02 b5dcbf30 recording failed: disk full": "<1;31>recording failed:<0>",
    "08:01:02 capture of 10.0.0.1:4000 failed: disk full": "<1;31>capture of 10.0.0.1:4000 failed:<0>",
    "recording failed: disk full": "<1;31>recording failed:<0>",
    "08:01:02 b5dcbf30 on-call-end failed: ls": "<1;31>on-call-end failed:<0>",
    "08:01:02 refused 10.0.0.1:4000: full": "<35>refused<0>",
    "08:01:02 no call from 10.0.0.1:4000: nothing": "<35>no call from<0>",
    "failed: turn_p95<800ms: it is 900 ms": "<1;31>failed:<0>",
    "INVALID: these figures": "<1;31>INVALID:<0>",
    "audiosocket: error: cannot": "<1;31>audiosocket: error:<0>",
    "answered 2 calls with 1.0 s of caller audio, 1 recording failed": "<1;31>1 recording failed<0>",
    "08:01:02 b5dcbf30 | finding: ended by caller (closed) failed: INVALID": None,
    "08:01:02 call b5dcbf30-bff3-414f-ae24-8492e5485212 from 127.0.0.1:4000": None,
    '{"event": "finding", "finding": "failed: INVALID"}': None,
}  # fmt: skip


@pytest.mark.parametrize(("line", "part"), COLOURED.items(), ids=range(len(COLOURED)))
def test_what_a_line_means_has_its_colour(line: str, part: str | None) -> None:
    shown = re.sub("\x1b\\[([\\d;]+)m", r"<\1>", coloured(line))
    if part is None:
        assert shown == line
    else:
        assert part in shown
        assert shown.count("<0>") == 1


@given(st.one_of(st.text(), st.sampled_from([*COLOURED])))
def test_the_text_is_the_same_in_colour(line: str) -> None:
    span = span_of(line)
    assert span is None or 0 <= span.start < span.end <= len(line)
    assert "".join(re.split("\x1b\\[[\\d;]+m", coloured(line))) == line or "\x1b" in line


SHOWN: dict[str, tuple[dict[str, str], bool]] = {
    "colours": ({}, True),
    "NO_COLOR": ({"NO_COLOR": "1"}, False),
    "NO_COLOR that is empty": ({"NO_COLOR": ""}, True),
    "dumb": ({"TERM": "dumb"}, False),
}


@pytest.mark.parametrize(("env", "has_colours"), SHOWN.values(), ids=SHOWN)
def test_a_terminal_has_colours_unless_it_cannot_or_the_user_wants_none(
    env: dict[str, str], has_colours: bool, tone_file: Path
) -> None:
    with Terminal("serve", "--listen", "127.0.0.1:0", "--calls", "1", **env) as terminal:
        port = terminal.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        assert run("play", tone_file, f"127.0.0.1:{port}").returncode == 0
        assert terminal.end(0) == 0
    assert ("\x1b[32mended by caller" in terminal.raw) == has_colours
    assert re.search(r"ended by caller \(\w+\) after", terminal.text)
    if not has_colours:
        assert not re.search(r"\x1b\[[\d;]*3[1-7][\d;]*m", terminal.raw)


@pytest.mark.parametrize(("env", "has_colours"), SHOWN.values(), ids=SHOWN)
def test_errors_have_colours_as_well(env: dict[str, str], has_colours: bool) -> None:
    with Terminal("play", f"127.0.0.1:{free_port()}", **env) as terminal:
        assert terminal.end(0) == 3
    assert ("\x1b[1;31maudiosocket: error:\x1b[0m cannot connect" in terminal.raw) == has_colours


def test_without_a_terminal_there_are_none() -> None:
    done = subprocess.run([*COMMAND, "play", f"127.0.0.1:{free_port()}"], capture_output=True, check=False)
    assert done.returncode == 3
    assert b"\x1b" not in done.stdout + done.stderr
