"""`audiosocket serve`, started, killed and started again with the same folders."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from free_port import free_port

AUDIOSOCKET = [sys.executable, "-P", "-m", "audiosocket_cli"]
START_TIMEOUT_S = 60.0


class ServerError(Exception):
    """Why the server is not as it has to be, in one line."""


@dataclass
class Server:
    """The server under test, whichever process it is."""

    options: Sequence[str]
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    kills: list[float] = field(default_factory=list)
    """When it was killed, by `time.monotonic`."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Raises `ServerError`."""
        words = [*AUDIOSOCKET, "serve", "--listen", f"127.0.0.1:{self.port}", *self.options]
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up_s:
            told = self.log.read_bytes()[begin:].decode(errors="replace")
            if re.search(r"^listening on ", told, re.MULTILINE):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise ServerError(f"the server did not start: {(told.strip().splitlines() or ['it said nothing'])[-1]}")

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill it and all that it has started, as a machine that fails does."""
        assert self._process is not None
        self.kills.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self, timeout_s: float) -> int:
        """Tell it to end, and return its exit code. Raises `ServerError` where it does not end in time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"the server did not end within {timeout_s:g} s") from None

    def close(self) -> None:
        if self.is_up:
            self.kill()

    @property
    def told(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
