"""The log of events: stdout or a file, as lines or as JSON objects. The listening address goes to stderr, and so does
the whole log if stdout carries a recording.

A separate thread writes, so a slow reader, or a terminal stopped with Ctrl-S, delays no call.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
from collections.abc import Callable
from typing import Final, Self, TextIO

from audiosocket_cli.call.events import Event, Listening, ProgramSaid
from audiosocket_cli.ui.console import put, say
from audiosocket_cli.ui.event_text import event_json, event_line
from audiosocket_cli.ui.log_file import LogFile
from audiosocket_cli.ui.log_lines import stamped, terminal_lines

_MAX_WAITING: Final = 10_000
"""Lines that wait for a slow reader; beyond that they are lost, and counted."""

_CLOSE_TIMEOUT_S: Final = 2.0


class EventLog:
    """Reports events until its block ends."""

    def __init__(self, *, as_json: bool, to_stderr: bool = False, file: LogFile | None = None) -> None:
        """`file` is where the log goes in place of stdout. Then text is in it that is said elsewhere, too."""
        self._say = _for_stream(say, sys.stderr)
        self._put: Callable[[str], object] = self._say if to_stderr else _for_stream(put, sys.stdout)
        self._talk: Callable[[str], object] = self._say
        """Where that goes which is not data: what programs write to their standard error."""
        if file is not None:
            self._put = file.put
            if not as_json:
                self._talk = file.put
        self.lost = 0
        """Lines that could not be written."""
        self._as_json = as_json
        self._file = file
        self._waiting: queue.SimpleQueue[tuple[Callable[[str], object], str] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="event log", daemon=True)

    def write_above(self, write: Callable[[str], object]) -> None:
        """Write with this from now on, before the block begins: above a live view. A log in a file stays there."""
        if self._file is None:
            self._put = self._talk = write

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait a little for the reader, and report how many lines it did not get."""
        self._waiting.put(None)
        self._writer.join(_CLOSE_TIMEOUT_S)
        with contextlib.suppress(queue.Empty):
            while True:
                self.lost += self._waiting.get_nowait() is not None
        if self.lost:
            say(f"{self.lost} lines of the log are lost")

    def complain(self, line: str) -> None:
        """Write a line that is not an event to stderr and to the log file."""
        self._say(line)
        self.note(line)

    def note(self, line: str) -> None:
        """Write a line that was shown elsewhere to the log file, if there is one and it is text; never waits."""
        if self._file is not None and not self._as_json:
            self._enqueue(self._file.put, stamped(line))

    def reopen(self) -> None:
        """Look whether the file of the log was moved, where there is one; never waits."""
        if self._file is not None:
            self._enqueue(self._file.reopen, "")

    def report(self, event: Event) -> None:
        """Log one event; never waits."""
        if isinstance(event, Listening):
            self.complain(event.sentence())
        talk = isinstance(event, ProgramSaid)
        as_json = self._as_json and not talk
        line = json.dumps(event_json(event), ensure_ascii=False) if as_json else event_line(event)
        if line is not None:
            self._enqueue(self._talk if talk else self._put, line)

    def relay(self, line: str) -> None:
        """Log a line of another process; never waits."""
        self._enqueue(self._put, line)

    def _enqueue(self, write: Callable[[str], object], line: str) -> None:
        if self._waiting.qsize() < _MAX_WAITING:
            self._waiting.put((write, line))
        else:
            self.lost += 1

    def _write(self) -> None:
        while (item := self._waiting.get()) is not None:
            write, line = item
            try:
                if write(line) is False:
                    self.lost += 1
            except OSError as error:
                if not self.lost:
                    say(f"cannot write the log: {(error.strerror or str(error)).lower()} (calls go on)")
                self.lost += 1


def _for_stream(write: Callable[[str], object], stream: TextIO) -> Callable[[str], object]:
    """Return what writes lines of the log to a stream, as a terminal shows them where it is one."""
    if not stream.isatty():
        return write
    return lambda line: all(write(part) is not False for part in terminal_lines(line))
