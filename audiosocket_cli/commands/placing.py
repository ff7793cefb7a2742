"""Placing a call for a command: its log, its live view."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from audiosocket_cli.net.live import CallOptions, LiveCall
    from audiosocket_cli.net.place import PlacedCall


def place_call(target: Any, uuid: UUID, options: CallOptions, *, as_json: bool, log_to_stderr: bool) -> PlacedCall:
    """Place a call and see it to its end, with its events on stdout or, where data goes there, on stderr."""
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.net.place import place
    from audiosocket_cli.ui.console import is_terminal
    from audiosocket_cli.ui.eventlog import EventLog

    stream = sys.stderr if log_to_stderr else sys.stdout
    log = EventLog(as_json=as_json, to_stderr=log_to_stderr)
    calls: list[LiveCall] = []
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and not as_json:
            from audiosocket_cli.ui.dashboard import calls_table

            log.put = stack.enter_context(calls_table(calls, lambda live: f"call to {target}", stream))
        stack.enter_context(log)
        return run(place(target, uuid, options, report=log.report, watch=calls.append))
