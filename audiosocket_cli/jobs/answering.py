"""Running a server for a command: its log, its table of live calls and its summary."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.outputs import close_capture

if TYPE_CHECKING:
    from audiosocket_cli.server.options import ServeOptions, ServeSummary


def answer_calls(options: ServeOptions, *, as_json: bool) -> ServeSummary:
    """Answer calls to the end, with the log on stdout or, where data goes there, on stderr."""
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.server.server import Server
    from audiosocket_cli.server.service import begin_service
    from audiosocket_cli.ui.console import is_terminal, say
    from audiosocket_cli.ui.event_log import EventLog
    from audiosocket_cli.ui.event_text import summary_line

    log_to_stderr = options.call.takes_stdout
    stream = sys.stderr if log_to_stderr else sys.stdout
    log = EventLog(as_json=as_json, to_stderr=log_to_stderr)
    service = begin_service(options, say)
    server = Server(options, log.report, say, listening=service.listening, readiness=service.readiness)
    server.on_metrics = service.on_metrics
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and not as_json:
            from audiosocket_cli.ui.dashboard import calls_table

            def title(live: int) -> str:
                counts = server.summary
                return f"{live} live, {counts.calls} answered, {counts.refused} refused, {counts.failed} failed"

            log.put = log.talk = stack.enter_context(calls_table(server.live, title, stream))
        stack.enter_context(log)
        summary = run(server.run())
    summary.unwritten += log.lost + (not close_capture(options.call.capture))
    say(summary_line(summary))
    return summary


def answer_with_workers(options: ServeOptions, workers: int, *, as_json: bool) -> ServeSummary:
    """Answer calls in several processes, which are this command line again."""
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.server.service import begin_service
    from audiosocket_cli.server.workers import Workers
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.event_log import EventLog
    from audiosocket_cli.ui.event_text import summary_line

    call = options.call
    if any(output is not None and (output.single or output.has_stdout) for output in (call.record, call.capture)):
        raise UsageError("--workers needs a file for each call: name a folder for --record and --capture")

    def command(channel: int) -> list[str]:
        return [sys.executable, "-m", "audiosocket_cli", sys.argv[1], "--worker", str(channel), *sys.argv[2:]]

    with EventLog(as_json=as_json) as log:
        service = begin_service(options, say)
        parent = Workers(
            options, workers, command, report=log.report, put=log.relay, complain=say,
            listening=service.listening, readiness=service.readiness,
        )  # fmt: skip
        parent.on_metrics = service.on_metrics
        summary = run(parent.run())
    summary.unwritten += log.lost
    say(summary_line(summary))
    return summary


def answer_as_worker(options: ServeOptions, channel: int, *, as_json: bool) -> None:
    """Answer calls as one of several processes, until told to stop on a socket with this descriptor."""
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.server.worker import Worker
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.event_log import EventLog

    worker = Worker(channel)
    with EventLog(as_json=as_json) as log:
        run(worker.run(options, log.report, say))
