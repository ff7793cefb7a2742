"""Keys that somebody types during a call: the terminal that they come from, and digits of them as tones."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import tty
from collections import deque
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.audio.pcm import to_slin

HANG_UP: Final = "q"
"""What `Keyboard.take` returns for a key that hangs up."""

TONE_MS: Final = 100
"""As long as Asterisk's own digits, and the pause after each."""

_AT_ONCE: Final = 64
"""Bytes that are read together; the rest waits for the next frame."""

_SEQUENCE: Final = re.compile(rb"\x1b(?:\[[0-9;?]*[@-~]?|O.?|.?)", re.DOTALL)
"""What arrows and function keys send: their letters are no digits."""

_DIGITS: Final = "0123456789*#ABCD"
_END_OF_FILE: Final = "\x04"


class Keyboard:
    """A terminal whose keys are read one by one, without waiting."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> str:
        """Return the digits that were typed since the last time, and `HANG_UP` for each key that hangs up."""
        try:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return ""
            data = os.read(self._descriptor, _AT_ONCE)
        except OSError:  # the terminal is gone: a signal tells
            return ""
        typed = _SEQUENCE.sub(b"", data).decode("ascii", "ignore").upper()
        return "".join(
            HANG_UP if key in (HANG_UP.upper(), _END_OF_FILE) else key
            for key in typed
            if key in _DIGITS or key in (HANG_UP.upper(), _END_OF_FILE)
        )

    def forget(self) -> None:
        """Drop what was typed so far: it was not meant for this call."""
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)


@contextlib.contextmanager
def keyboard(descriptor: int) -> Iterator[Keyboard | None]:
    """Yield the keyboard of a terminal, whose keys come at once and are not shown until the block ends; None where
    there is no terminal, or it belongs to others, as for a job in the background. Ctrl-C remains a signal."""
    try:
        before = termios.tcgetattr(descriptor)
    except (termios.error, OSError):
        before = None
    if before is None or _is_in_background(descriptor):
        yield None
        return
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor)
    finally:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _is_in_background(descriptor: int) -> bool:
    """Whether another job has the terminal: one that sets its modes meanwhile is stopped."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # it is not the terminal that we were started from: it stops nobody
        return False


class Tones:
    """Digits as tones in place of what is said, as phones send them, one after the other, with pauses."""

    def __init__(self) -> None:
        self._left: deque[str] = deque()
        self._frames = 0
        """20 ms frames of the first of them that are gone, its pause included."""

    @property
    def left(self) -> int:
        """How many digits have not begun to be sent."""
        return len(self._left) - (self._frames > 0)

    def press(self, digit: str) -> None:
        """Add a digit."""
        self._left.append(digit)

    def over(self, payload: bytes, rate_hz: int) -> bytes:
        """Return 20 ms of slin, or what is due of the tones."""
        if not self._left:
            return payload
        count = rate_hz * PTIME_MS // 1000
        part = digit_tone(self._left[0], rate_hz, TONE_MS / 1000)[self._frames * count :][:count]
        self._frames += 1
        if self._frames * PTIME_MS >= 2 * TONE_MS:
            self._left.popleft()
            self._frames = 0
        return to_slin(part) if len(part) else payload
