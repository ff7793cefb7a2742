"""Where events go as they happen: stdout, as lines or as JSON objects; where we listen is told on stderr, and so is all
where stdout is for a recording.

A thread of its own writes them, so that whoever reads slowly, or stops a terminal with Ctrl-S, holds up no call.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from typing import Final, Self

from audiosocket_cli.call.events import Event, Listening, ProgramSaid
from audiosocket_cli.ui.console import put, say
from audiosocket_cli.ui.event_text import event_json, event_line

_MAX_WAITING: Final = 10_000
"""Lines that wait for a slow reader; beyond that they are lost, and counted."""

_CLOSE_TIMEOUT_S: Final = 2.0


class EventLog:
    """Reports events until its block ends; `put` can be changed before the first, to write where a live view is."""

    def __init__(self, *, as_json: bool, to_stderr: bool = False) -> None:
        self.put: Callable[[str], object] = say if to_stderr else put
        self.talk: Callable[[str], object] = say
        """Where that goes which is not data: what programs write to their standard error."""
        self.lost = 0
        """Lines that could not be written."""
        self._as_json = as_json
        self._waiting: queue.Queue[tuple[Callable[[str], object], str] | None] = queue.Queue(_MAX_WAITING)
        self._writer = threading.Thread(target=self._write, name="event log", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the reader a little, and say what it did not get."""
        try:
            self._waiting.put(None, timeout=_CLOSE_TIMEOUT_S)
            self._writer.join(_CLOSE_TIMEOUT_S)
        except queue.Full:
            pass
        self.lost += sum(line is not None for line in list(self._waiting.queue))
        if self.lost:
            say(f"{self.lost} lines of the log are lost")

    def report(self, event: Event) -> None:
        """Tell one event; never waits."""
        if isinstance(event, Listening):
            say(event.sentence())
        talk = isinstance(event, ProgramSaid)
        as_json = self._as_json and not talk
        line = json.dumps(event_json(event), ensure_ascii=False) if as_json else event_line(event)
        if line is not None:
            self._enqueue(self.talk if talk else self.put, line)

    def relay(self, line: str) -> None:
        """Tell a line of another process's log; never waits."""
        self._enqueue(self.put, line)

    def _enqueue(self, write: Callable[[str], object], line: str) -> None:
        try:
            self._waiting.put_nowait((write, line))
        except queue.Full:
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
