"""Running a server for a command: its log, its table of live calls, its summary and its exit code."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from audiosocket_cli.errors import ExitCode

if TYPE_CHECKING:
    from audiosocket_cli.net.serve import ServeOptions, ServeSummary


def answer_calls(options: ServeOptions, *, as_json: bool) -> ServeSummary:
    """Answer calls to the end, with the log on stdout or, where data goes there, on stderr."""
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.net.serve import Server
    from audiosocket_cli.ui.console import is_terminal, say
    from audiosocket_cli.ui.eventlog import EventLog
    from audiosocket_cli.ui.lines import summary_line

    log_to_stderr = options.call.takes_stdout
    stream = sys.stderr if log_to_stderr else sys.stdout
    log = EventLog(as_json=as_json, to_stderr=log_to_stderr)
    server = Server(options, log.report, say)
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and not as_json:
            from audiosocket_cli.ui.dashboard import calls_table

            def title(live: int) -> str:
                counts = server.summary
                return f"{live} live, {counts.calls} answered, {counts.refused} refused, {counts.failed} failed"

            log.put = log.talk = stack.enter_context(calls_table(server.live, title, stream))
        stack.enter_context(log)
        summary = run(server.run())
    say(summary_line(summary))
    return summary


def exit_code(summary: ServeSummary) -> int:
    """Return the code that a server's outcome ends a command with."""
    if summary.signal is not None:
        return 128 + summary.signal
    failed = summary.failed_recordings + summary.failed_captures + summary.faults
    return ExitCode.NEGATIVE if failed else ExitCode.DONE
