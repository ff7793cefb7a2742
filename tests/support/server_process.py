"""A server of somebody else's in tests: a process of its own on a port of this machine, ended by its pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

START_S = 120.0


class ServerProcess:
    """One server. Its port stays the same when it is stopped and started again."""

    def __init__(self, folder: Path, command: Sequence[str | Path], port: int) -> None:
        """Start it, with its log in `folder`."""
        self.folder = folder
        self.port = port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < until, self.log
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End it, at once if not told otherwise; what it keeps on disk stays."""
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, signal.SIGCONT)
            process.send_signal(how)
            process.wait()
