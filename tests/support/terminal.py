"""The command on a pseudo-terminal, as a user sees it."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Self

from support.running import COMMAND

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command on a terminal of its own, killed at the end of the block if it still runs."""

    def __init__(
        self, *args: str | Path, columns: int = 130, lines: int = 40, cwd: Path | None = None, **env: str
    ) -> None:
        """`env` adds to the environment: TERM is xterm-256color otherwise, and NO_COLOR unset."""
        self.raw = ""
        """All that came, with what moves the cursor and sets colours."""
        self.text = ""
        """What came, without those."""
        self._part = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end inside a character
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)], stdin=far, stdout=far, stderr=far, cwd=cwd,
            env={**inherited, "TERM": "xterm-256color", **env},
        )  # fmt: skip
        os.close(far)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._near)

    def wait_for(self, pattern: str, timeout_s: float = 60) -> re.Match[str]:
        """Read until the text has a pattern."""
        end_s = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end_s, self.text
            if select.select([self._near], [], [], 0.1)[0]:
                self._read()
        return found

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._near, text.encode())

    @property
    def echoes(self) -> bool:
        """Whether it shows what is typed, as before and after a command that reads keys."""
        return bool(termios.tcgetattr(self._near)[3] & termios.ECHO)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal (0: none), read the rest, and return the exit code."""
        if number:
            self.process.send_signal(number)
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            data = os.read(self._near, 65536)
        except OSError:  # the other end is closed
            return False
        came = self._decoder.decode(data)
        self.raw += came
        part = _SEQUENCE.sub("", self._part + came)
        whole, escape, begun = part.rpartition("\x1b")  # a sequence that will be whole with the next read
        self.text += whole if escape else begun
        self._part = escape + begun if escape else ""
        return True
