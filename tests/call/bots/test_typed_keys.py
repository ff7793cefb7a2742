"""Keys from a terminal, and digits as tones."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator

import numpy as np
import pytest

from audiosocket_cli.audio.dtmf import detect_digits
from audiosocket_cli.audio.pcm import from_slin
from audiosocket_cli.call.bots.typed_keys import HANG_UP, Tones, keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    near, far = pty.openpty()
    yield near, far
    os.close(near)
    os.close(far)


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        (b"", ""),
        (b"1", "1"),
        (b"0123456789*#ABCD", "0123456789*#ABCD"),
        (b"abcd", "ABCD"),
        (b"1x2 3\n", "123"),
        (b"q", HANG_UP),
        (b"12Q", f"12{HANG_UP}"),
        (b"\x04", HANG_UP),
        (b"\x1b[A1\x1b[B\x1b[C\x1b[D", "1"),
        (b"\x1bOA\x1bOB2", "2"),
        (b"\x1b[15~3\x1b[1;5D", "3"),
        (b"\x1b", ""),
        ("é5ß".encode(), "5"),
    ],
)
def test_keys_come_as_digits(terminal: tuple[int, int], typed: bytes, taken: str) -> None:
    near, far = terminal
    with keyboard(far) as keys:
        assert keys is not None
        os.write(near, typed)
        assert keys.take() == taken
        assert keys.take() == ""


def test_a_paste_comes_in_pieces(terminal: tuple[int, int]) -> None:
    near, far = terminal
    with keyboard(far) as keys:
        assert keys is not None
        os.write(near, b"1" * 200)
        pieces = [keys.take() for _ in range(5)]
    assert "".join(pieces) == "1" * 200
    assert max(map(len, pieces)) < 200


def test_what_was_typed_before_is_dropped(terminal: tuple[int, int]) -> None:
    near, far = terminal
    with keyboard(far) as keys:
        assert keys is not None
        os.write(near, b"123")
        keys.forget()
        os.write(near, b"4")
        assert keys.take() == "4"


def test_the_terminal_is_as_it_was(terminal: tuple[int, int]) -> None:
    _, far = terminal
    before = termios.tcgetattr(far)

    def fail() -> None:
        with keyboard(far):
            modes.append(termios.tcgetattr(far)[3])
            raise RuntimeError

    modes: list[int] = []
    with pytest.raises(RuntimeError):
        fail()
    (during,) = modes
    assert during & (termios.ICANON | termios.ECHO) == 0
    assert during & termios.ISIG  # Ctrl-C is a signal
    assert termios.tcgetattr(far) == before


def test_a_terminal_that_goes_away_types_nothing() -> None:
    near, far = pty.openpty()
    with keyboard(far) as keys:
        assert keys is not None
        os.close(near)
        assert keys.take() == ""
        keys.forget()
    os.close(far)


def test_a_pipe_is_no_keyboard() -> None:
    read, write = os.pipe()
    with keyboard(read) as keys:
        assert keys is None
    os.close(read)
    os.close(write)


BACKGROUND_JOB = """
import os, sys
from audiosocket_cli.call.bots.typed_keys import keyboard
terminal = os.open(sys.argv[1], os.O_RDWR)  # which makes it that of our session
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    with keyboard(terminal) as keys:
        os._exit(0 if keys is None else 1)
_, status = os.waitpid(job, os.WUNTRACED)
sys.exit("stopped" if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
"""


def test_a_job_in_the_background_leaves_the_terminal_alone(terminal: tuple[int, int]) -> None:
    """One that sets the modes of a terminal that another job has is stopped."""
    words = [sys.executable, "-c", BACKGROUND_JOB, os.ttyname(terminal[1])]
    done = subprocess.run(words, start_new_session=True, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_digits_are_tones_one_after_the_other(rate_hz: int) -> None:
    tones = Tones()
    for digit in "11#D":
        tones.press(digit)
    frame = np.random.default_rng(1).integers(-9000, 9000, rate_hz // 50, np.int16).tobytes()
    heard = b"".join(tones.over(frame, rate_hz) for _ in range(60))
    found = detect_digits(from_slin(heard), rate_hz)
    assert [one.digit for one in found] == list("11#D")


def test_a_tone_takes_the_place_of_what_is_said() -> None:
    tones = Tones()
    said = (np.ones(160, np.int16) * 100).tobytes()
    assert tones.over(said, 8000) is said
    tones.press("5")
    with_tone = [tones.over(said, 8000) for _ in range(10)]
    assert [payload != said for payload in with_tone] == [True] * 5 + [False] * 5
    assert tones.over(said, 8000) is said
