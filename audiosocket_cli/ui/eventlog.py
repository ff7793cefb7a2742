"""Where events go as they happen: stdout, as lines or as JSON objects; where we listen is told on stderr."""

from __future__ import annotations

from collections.abc import Callable

from audiosocket_cli.call.events import Event, Listening
from audiosocket_cli.ui.console import put, put_json, say
from audiosocket_cli.ui.lines import event_json, event_line, listening_line


class EventLog:
    """Reports events; `put` can be changed while a live view owns the terminal."""

    def __init__(self, *, as_json: bool) -> None:
        self.put: Callable[[str], None] = put
        self._as_json = as_json

    def report(self, event: Event) -> None:
        """Tell one event."""
        if isinstance(event, Listening):
            say(listening_line(event))
        if self._as_json:
            put_json(event_json(event))
        else:
            line = event_line(event)
            if line is not None:
                self.put(line)
